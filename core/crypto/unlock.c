/*
 * Where passphrases and key files come from.  Every byte of a secret goes from its source straight
 * into guarded memory; none passes through stdio or a growing buffer.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tozai/core/keys.h"

#include "unlock.h"

#include "tozai/util/file.h"
#include "tozai/util/hex.h"
#include "tozai/util/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "tozai/util/banned.h"

#define KEY_FILE_MAGIC "tozai-key-file-1 "
#define KEY_FILE_HEX   ((size_t)2 * TZ_KEY_SIZE)
#define ENVIRONMENT    "TOZAI_PASSPHRASE"

void tz_unlock_clear(struct tz_unlock *unlock)
{
    if (!unlock)
        return;
    tz_secret_free(unlock->secret);
    *unlock = (struct tz_unlock){0};
}

int tz_unlock_set(struct tz_unlock *ret, enum tz_unlock_kind kind, const char *text, size_t len,
                  const char *where, struct tz_error *err)
{
    if (len == 0)
        return tz_fail(err, TZ_INVALID, "%s: the passphrase is empty", where);
    if (len > TZ_PASSPHRASE_MAX)
        return tz_fail(err, TZ_INVALID, "%s: the passphrase has more than %d bytes", where,
                       TZ_PASSPHRASE_MAX);
    if (memchr(text, 0, len))
        return tz_fail(err, TZ_INVALID, "%s: the passphrase holds a zero byte", where);
    char *secret = tz_secret_alloc(len + 1);
    if (!secret)
        return tz_fail_nomem(err);
    memcpy(secret, text, len);
    *ret = (struct tz_unlock){.kind = kind, .secret = secret, .len = len};
    return 0;
}

/* The rest is read too, so that a command does not die of a closed pipe. */
static int drain(int fd, char *room, size_t size, struct tz_error *err)
{
    size_t len;
    do {
        if (tz_read_full(fd, room, size, &len, err))
            return -1;
    } while (len == size);
    return 0;
}

int tz_unlock_read_line(struct tz_unlock *ret, int fd, const char *where, struct tz_error *err)
{
    const size_t size = TZ_PASSPHRASE_MAX + 2; /* one too many, and a line's end */
    TZ_SCOPED(tz_scoped_secret_text) char *line = tz_secret_alloc(size);
    TZ_SCOPED(tz_scoped_secret_text) char *rest = tz_secret_alloc(size);
    if (!line || !rest)
        return tz_fail_nomem(err);

    size_t len;
    if (tz_read_full(fd, line, size, &len, err) || (len == size && drain(fd, rest, size, err)))
        return tz_while(err, "%s", where);
    const char *end = memchr(line, '\n', len);
    size_t line_len = end ? (size_t)(end - line) : len;
    if (end && line_len && line[line_len - 1] == '\r')
        line_len--;
    return tz_unlock_set(ret, TZ_UNLOCK_PASSPHRASE, line, line_len, where, err);
}

/* Open a file that holds a secret; only its owner may be able to read it. */
static int open_private(int *ret, const char *path, const char *what, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return tz_fail_errno(err, errno, "open %s '%s'", what, path);
    struct stat stat;
    if (fstat(fd, &stat))
        return tz_fail_errno(err, errno, "look at %s '%s'", what, path);
    if (!S_ISREG(stat.st_mode) && !S_ISFIFO(stat.st_mode))
        return tz_fail(err, TZ_INVALID, "%s '%s' is neither a file nor a pipe", what, path);
    if (stat.st_mode & (S_IRWXG | S_IRWXO)) {
        (void)tz_fail(err, TZ_INVALID, "%s '%s' is open to other users (mode %04o)", what, path,
                      (unsigned)(stat.st_mode & 07777));
        return tz_hint(err, "chmod 600 '%s'", path);
    }
    *ret = TZ_TAKE_FD(fd);
    return 0;
}

static int read_passphrase_file(struct tz_unlock *ret, const char *path, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_fd) int fd = -1;
    if (open_private(&fd, path, "passphrase file", err))
        return -1;
    char where[512];
    (void)snprintf(where, sizeof(where), "passphrase file '%s'", path);
    return tz_unlock_read_line(ret, fd, where, err);
}

static int read_key_file(struct tz_unlock *ret, const char *path, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_fd) int fd = -1;
    if (open_private(&fd, path, "key file", err))
        return -1;
    const size_t magic_len = strlen(KEY_FILE_MAGIC);
    const size_t size = magic_len + KEY_FILE_HEX + 1;
    TZ_SCOPED(tz_scoped_secret_text) char *text = tz_secret_alloc(size + 1);
    if (!text)
        return tz_fail_nomem(err);
    size_t len;
    if (tz_read_full(fd, text, size + 1, &len, err))
        return tz_while(err, "key file '%s'", path);

    TZ_SCOPED(tz_scoped_secret_text) char *key = tz_secret_alloc(TZ_KEY_SIZE);
    if (!key)
        return tz_fail_nomem(err);
    bool whole = len == size - 1 || (len == size && text[size - 1] == '\n');
    if (!whole || memcmp(text, KEY_FILE_MAGIC, magic_len) != 0 ||
        !tz_unhex((uint8_t *)key, TZ_KEY_SIZE, text + magic_len))
        return tz_fail(err, TZ_KEY, "'%s' is not a key file of tozai, or it is damaged", path);
    return tz_unlock_set(ret, TZ_UNLOCK_KEY_FILE, text + magic_len, KEY_FILE_HEX, path, err);
}

/* The value is wiped where it stood: children and /proc see it no longer. */
static int read_environment(struct tz_unlock *ret, char *value, struct tz_error *err)
{
    int status =
        tz_unlock_set(ret, TZ_UNLOCK_PASSPHRASE, value, strlen(value), "$" ENVIRONMENT, err);
    tz_wipe(value, strlen(value));
    (void)unsetenv(ENVIRONMENT);
    return status;
}

int tz_unlock_read(struct tz_unlock *ret, const struct tz_unlock_source *source,
                   struct tz_error *err)
{
    if (source->passphrase_file)
        return read_passphrase_file(ret, source->passphrase_file, err);
    if (source->passphrase_command)
        return tz_unlock_run_command(ret, source->passphrase_command, err);
    if (source->key_file)
        return read_key_file(ret, source->key_file, err);
    char *value = source->environment ? getenv(ENVIRONMENT) : NULL;
    if (value)
        return read_environment(ret, value, err);
    if (source->prompt && tz_unlock_has_terminal())
        return tz_unlock_prompt(ret, source->prompt_text, source->confirm, err);
    (void)tz_fail(err, TZ_INVALID, "there is no passphrase and no key file%s",
                  source->prompt ? ", and no terminal to ask on" : "");
    return tz_hint(err, "set passphrase_file, passphrase_command or key_file in [repository], "
                        "or $" ENVIRONMENT);
}

int tz_key_file_create(const char *path, struct tz_error *err)
{
    const size_t magic_len = strlen(KEY_FILE_MAGIC);
    const size_t size = magic_len + KEY_FILE_HEX + 1;
    TZ_SCOPED(tz_scoped_secret_text) char *key = tz_secret_alloc(TZ_KEY_SIZE);
    TZ_SCOPED(tz_scoped_secret_text) char *text = tz_secret_alloc(size + 1);
    struct tz_error why = {0};

    if (!key || !text)
        return tz_fail_nomem(err);
    tz_random(key, TZ_KEY_SIZE);
    memcpy(text, KEY_FILE_MAGIC, magic_len + 1);
    tz_hex(text + magic_len, (const uint8_t *)key, TZ_KEY_SIZE);
    text[size - 1] = '\n';
    /* At once or not at all: with half a key file no later try would get anywhere. */
    if (!tz_file_create(path, text, size, 0600, &why))
        return 0;
    if (why.kind == TZ_EXISTS) {
        (void)tz_fail(err, TZ_EXISTS, "key file '%s' exists already", path);
        return tz_hint(err, "name another file: a key file is never replaced");
    }
    if (err)
        *err = why;
    return tz_while(err, "create key file '%s'", path);
}
