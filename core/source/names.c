#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "names.h"

#include "tozai/util/grow.h"
#include "tozai/util/interrupt.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tozai/util/banned.h"

#define LISTING_SIZE ((size_t)64 << 10) /* bytes asked of the kernel at once */

/* struct linux_dirent64, as the kernel fills it. */
#define DIRENT_RECLEN 16
#define DIRENT_TYPE   18
#define DIRENT_NAME   19

/* For sorting: the first eight bytes decide nearly always, without a look into the arena. */
struct tz_name_key {
    uint64_t head; /* of the name, as a big-endian number */
    uint32_t at;   /* in the arena */
    uint32_t len;
};

void tz_names_reader_clear(struct tz_names_reader *reader)
{
    free(reader->buffer);
    reader->buffer = NULL;
}

void tz_names_clear(struct tz_names *names)
{
    tz_runs_clear(&names->runs);
    free(names->keys);
    tz_buf_clear(&names->arena);
    *names = (struct tz_names){0};
}

static uint64_t head_of(const char *name, size_t len)
{
    uint8_t bytes[8] = {0};
    uint64_t head = 0;

    memcpy(bytes, name, TZ_MIN(len, sizeof(bytes)));
    for (size_t i = 0; i < sizeof(bytes); i++)
        head = head << 8 | bytes[i];
    return head;
}

static int compare_keys(const void *first, const void *second, void *arena)
{
    const struct tz_name_key *a = first, *b = second;
    const char *text = arena;

    if (a->head != b->head)
        return a->head < b->head ? -1 : 1;
    return tz_name_compare(text + a->at, a->len, text + b->at, b->len);
}

/* A file that is renamed while its directory is read may be listed twice: keep one. */
static void sort(struct tz_names *names)
{
    struct tz_name_key *keys = names->keys;
    size_t kept = 0;

    if (names->count < 2)
        return;
    qsort_r(keys, names->count, sizeof(*keys), compare_keys, names->arena.data);
    for (size_t i = 1; i < names->count; i++)
        if (compare_keys(&keys[kept], &keys[i], names->arena.data) != 0)
            keys[++kept] = keys[i];
    names->count = kept + 1;
}

static int add(struct tz_names *names, const char *text, size_t len, uint8_t type,
               struct tz_error *err)
{
    if (tz_grow(&names->keys, names->count, &names->cap, sizeof(*names->keys), err))
        return -1;
    if (names->arena.len > UINT32_MAX - UINT16_MAX) /* only without a scratch directory */
        return tz_fail(err, TZ_NOMEM, "more names in a directory than fit into memory");
    if (tz_buf_append(&names->arena, &type, 1, err))
        return -1;
    names->keys[names->count++] = (struct tz_name_key){
        .head = head_of(text, len),
        .at = (uint32_t)names->arena.len,
        .len = (uint32_t)len,
    };
    return tz_buf_append(&names->arena, text, len + 1, err);
}

/* The files whose presence changes how a directory is walked. */
static void note_special(struct tz_names *names, const char *text, size_t len)
{
    if (len == strlen(".tozaiignore") && memcmp(text, ".tozaiignore", len) == 0)
        names->has_ignore = true;
    else if (len == strlen("CACHEDIR.TAG") && memcmp(text, "CACHEDIR.TAG", len) == 0)
        names->has_cache_tag = true;
}

/* The name of a key; its type stands before it. */
static struct tz_listed listed(const struct tz_names *names, const struct tz_name_key *key)
{
    const uint8_t *name = names->arena.data + key->at;
    return (struct tz_listed){.text = (const char *)name, .len = key->len, .type = name[-1]};
}

/* Move what is in memory to the temporary file, as one sorted run. */
static int spill(struct tz_names *names, const char *scratch, struct tz_error *err)
{
    if (tz_runs_begin(&names->runs, scratch, err))
        return -1;
    sort(names);
    for (size_t i = 0; i < names->count; i++) {
        struct tz_listed name = listed(names, &names->keys[i]);
        if (tz_runs_add(&names->runs, &name, err))
            return -1;
    }
    names->count = 0;
    tz_buf_reset(&names->arena);
    return tz_runs_end(&names->runs, err);
}

static bool is_full(const struct tz_names *names, const struct tz_names_reader *reader)
{
    size_t used = names->arena.len + names->count * sizeof(*names->keys);
    return reader->scratch && used >= reader->memory;
}

/* Take the names out of what getdents64 gave. */
static int take_listing(struct tz_names *names, const uint8_t *listing, size_t len,
                        struct tz_error *err)
{
    for (size_t at = 0; at < len;) {
        const char *name = (const char *)listing + at + DIRENT_NAME;
        uint16_t size;
        memcpy(&size, listing + at + DIRENT_RECLEN, sizeof(size));
        uint8_t type = listing[at + DIRENT_TYPE];
        at += size;

        size_t name_len = strlen(name);
        if (name[0] == '.' && (name_len == 1 || (name_len == 2 && name[1] == '.')))
            continue;
        /* A broken file system may give anything; such a name could lead elsewhere. */
        if (name_len == 0 || name_len > UINT16_MAX || memchr(name, '/', name_len))
            continue;
        note_special(names, name, name_len);
        if (add(names, name, name_len, type, err))
            return -1;
    }
    return 0;
}

static int read_all(struct tz_names *names, struct tz_names_reader *reader, int fd,
                    struct tz_error *err)
{
    for (;;) {
        long len = syscall(SYS_getdents64, fd, reader->buffer, LISTING_SIZE);
        if (len < 0 && errno == EINTR)
            continue;
        /* Removed since it was opened: nothing is in it. */
        if (len == 0 || (len < 0 && errno == ENOENT))
            break;
        if (len < 0) {
            (void)tz_fail_errno(err, errno, "list directory");
            return 1;
        }
        if (take_listing(names, reader->buffer, (size_t)len, err) || tz_interrupt_check(err))
            return -1;
        if (is_full(names, reader) && spill(names, reader->scratch, err))
            return -1;
    }
    if (names->runs.count > 0 && names->count > 0)
        return spill(names, reader->scratch, err);
    sort(names);
    return 0;
}

int tz_names_read(struct tz_names *names, struct tz_names_reader *reader, int fd,
                  struct tz_error *err)
{
    if (!reader->buffer) {
        reader->buffer = malloc(LISTING_SIZE);
        if (!reader->buffer)
            return tz_fail_nomem(err);
    }
    int status = read_all(names, reader, fd, err);
    if (status) {
        tz_names_clear(names);
        return status;
    }
    if (names->runs.count > 0) { /* the merge needs neither */
        tz_buf_clear(&names->arena);
        free(names->keys);
        names->keys = NULL;
        names->cap = 0;
    }
    return 0;
}

int tz_names_only(struct tz_names *names, const char *text, uint8_t type, struct tz_error *err)
{
    tz_names_clear(names);
    return add(names, text, strlen(text), type, err);
}

int tz_names_next(struct tz_names *names, struct tz_listed *ret, bool *ret_more,
                  struct tz_error *err)
{
    if (names->runs.count > 0)
        return tz_runs_next(&names->runs, ret, ret_more, err);

    *ret_more = names->at < names->count;
    if (!*ret_more)
        return 0;
    *ret = listed(names, &names->keys[names->at++]);
    return 0;
}
