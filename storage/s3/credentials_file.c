/*
 * Credentials files:
 *
 *   # a comment, also with ';', on a line of its own or behind a blank
 *   [default]
 *   aws_access_key_id = AKIDEXAMPLE
 *   aws_secret_access_key = wJalr/XUtn=+
 *   aws_session_token = FwoGZXIvYXdz
 *
 * Other keys are skipped, and so are indented lines below a key without a value, which belong to
 * it.  Sections of the same name are one, and of a key that stands there twice the last one holds.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "credentials_private.h"
#include "tozai/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <strings.h>
#include <sys/stat.h>

#include "tozai/util/banned.h"

#define FILE_MAX  ((size_t)256 << 10)
#define TOKEN_MAX ((size_t)64 << 10)

struct piece {
    const char *text;
    size_t len;
};

struct parser {
    const char *path;
    const char *profile;
    size_t line;
    bool in_section, in_profile, seen_profile;
    bool nested;         /* the last key had no value: indented lines are its own */
    struct tz_buf names; /* of the other profiles, for the hint: "'a', 'b'" */
    struct tz_credentials *out;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct piece trim(struct piece piece)
{
    while (piece.len > 0 && is_blank(piece.text[0])) {
        piece.text++;
        piece.len--;
    }
    while (piece.len > 0 && is_blank(piece.text[piece.len - 1]))
        piece.len--;
    return piece;
}

static bool is_comment(char c)
{
    return c == '#' || c == ';';
}

/* Without the comment that begins behind a blank. */
static struct piece without_comment(struct piece piece)
{
    for (size_t i = 1; i < piece.len; i++)
        if (is_comment(piece.text[i]) && is_blank(piece.text[i - 1]))
            piece.len = i;
    return trim(piece);
}

static bool is_word(struct piece piece, const char *word)
{
    return piece.len == strlen(word) && strncasecmp(piece.text, word, piece.len) == 0;
}

static int add_name(struct parser *parser, struct piece name, struct tz_error *err)
{
    if (parser->names.len > sizeof(err->hint))
        return 0;
    return tz_buf_printf(&parser->names, err, "%s'%.*s'", parser->names.len ? ", " : "",
                         (int)TZ_MIN(name.len, 64), name.text);
}

static int begin_section(struct parser *parser, struct piece line, struct tz_error *err)
{
    const char *end = memchr(line.text, ']', line.len);
    if (!end)
        return tz_fail(err, TZ_INVALID, "line %zu of '%s' has no ']'", parser->line, parser->path);
    size_t used = (size_t)(end - line.text) + 1;
    struct piece rest = trim((struct piece){line.text + used, line.len - used});
    if (rest.len > 0 && !is_comment(rest.text[0]))
        return tz_fail(err, TZ_INVALID, "line %zu of '%s' goes on behind ']'", parser->line,
                       parser->path);
    struct piece name = trim((struct piece){line.text + 1, used - 2});
    parser->in_section = true;
    parser->nested = false;
    parser->in_profile =
        name.len == strlen(parser->profile) && memcmp(name.text, parser->profile, name.len) == 0;
    parser->seen_profile |= parser->in_profile;
    return parser->in_profile ? 0 : add_name(parser, name, err);
}

static char **find_member(struct tz_credentials *credentials, struct piece key)
{
    static const struct {
        const char *key;
        size_t offset;
    } members[] = {
        {"aws_access_key_id", offsetof(struct tz_credentials, access_key)},
        {"aws_secret_access_key", offsetof(struct tz_credentials, secret_key)},
        {"aws_session_token", offsetof(struct tz_credentials, session_token)},
    };
    for (size_t i = 0; i < TZ_COUNT(members); i++)
        if (is_word(key, members[i].key))
            return (char **)((char *)credentials + members[i].offset);
    return NULL;
}

/* A secret in quotes would be taken with them, and the server could only call it wrong. */
static bool is_quoted(struct piece value)
{
    return value.len >= 2 && (value.text[0] == '"' || value.text[0] == '\'') &&
           value.text[0] == value.text[value.len - 1];
}

static int set_key(struct parser *parser, struct piece key, struct piece value,
                   struct tz_error *err)
{
    char **member = parser->in_profile ? find_member(parser->out, key) : NULL;
    if (!member)
        return 0;
    if (is_quoted(value)) {
        (void)tz_fail(err, TZ_INVALID, "line %zu of '%s' has its value in quotes", parser->line,
                      parser->path);
        return tz_hint(err, "write the value without them");
    }
    tz_credentials_wipe(*member);
    *member = value.len > 0 ? strndup(value.text, value.len) : NULL;
    return *member || value.len == 0 ? 0 : tz_fail_nomem(err);
}

static int parse_line(struct parser *parser, struct piece raw, struct tz_error *err)
{
    struct piece line = trim(raw);
    if (line.len == 0 || is_comment(line.text[0]))
        return 0;
    if (parser->nested && is_blank(raw.text[0]))
        return 0;
    if (line.text[0] == '[')
        return begin_section(parser, line, err);
    const char *equals = memchr(line.text, '=', line.len);
    if (!equals || equals == line.text) {
        (void)tz_fail(err, TZ_INVALID, "line %zu of '%s' is no 'key = value'", parser->line,
                      parser->path);
        return tz_hint(err, "a credentials file has lines like [default] and "
                            "aws_access_key_id = AKID...");
    }
    if (!parser->in_section)
        return tz_fail(err, TZ_INVALID, "line %zu of '%s' stands before the first [profile]",
                       parser->line, parser->path);
    size_t key_len = (size_t)(equals - line.text);
    /* Not trimmed yet: in "key = # comment" the comment begins behind a blank. */
    struct piece value = without_comment((struct piece){equals + 1, line.len - key_len - 1});
    parser->nested = value.len == 0;
    return set_key(parser, trim((struct piece){line.text, key_len}), value, err);
}

static int parse_lines(struct parser *parser, const char *text, size_t len, struct tz_error *err)
{
    if (memchr(text, '\0', len))
        return tz_fail(err, TZ_INVALID, "'%s' is not a text file", parser->path);
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        len -= 3;
    }
    while (len > 0) {
        const char *end = memchr(text, '\n', len);
        size_t line_len = end ? (size_t)(end - text) : len;
        parser->line++;
        if (parse_line(parser, (struct piece){text, line_len}, err))
            return -1;
        line_len += end != NULL;
        text += line_len;
        len -= line_len;
    }
    return 0;
}

static int check_profile(const struct parser *parser, struct tz_error *err)
{
    const struct tz_credentials *found = parser->out;
    if (!parser->seen_profile) {
        (void)tz_fail(err, TZ_NOT_FOUND, "no profile '%s' in '%s'", parser->profile, parser->path);
        return parser->names.len ? tz_hint(err, "it has %s", (const char *)parser->names.data)
                                 : tz_hint(err, "it has no profile at all");
    }
    if (!found->access_key && !found->secret_key)
        return tz_fail(err, TZ_NOT_FOUND, "profile '%s' in '%s' has no keys", parser->profile,
                       parser->path);
    if (!found->access_key || !found->secret_key)
        return tz_fail(err, TZ_INVALID, "profile '%s' in '%s' has no %s", parser->profile,
                       parser->path,
                       found->access_key ? "aws_secret_access_key" : "aws_access_key_id");
    return 0;
}

int tz_credentials_parse(const char *path, const uint8_t *data, size_t len, const char *profile,
                         struct tz_credentials *ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_credentials) struct tz_credentials found = {0};
    struct parser parser = {.path = path, .profile = profile, .out = &found};
    int status = len > 0 ? parse_lines(&parser, (const char *)data, len, err) : 0;
    if (status == 0)
        status = check_profile(&parser, err);
    tz_buf_clear(&parser.names);
    if (status == 0) {
        tz_credentials_move(ret, &found);
    }
    return status;
}

/* All of a file into a buffer that never moves, so that no copy is left behind. */
static int read_secret(int fd, size_t max, struct tz_buf *out, struct tz_error *err)
{
    if (tz_buf_reserve(out, max + 1, err) || tz_read_full(fd, out->data, max + 1, &out->len, err))
        return -1;
    return out->len <= max ? 0 : tz_fail(err, TZ_INVALID, "larger than %zu bytes", max);
}

static int check_mode(int fd, const char *path, struct tz_error *err)
{
    struct stat st;
    if (fstat(fd, &st))
        return tz_fail_errno(err, errno, "stat '%s'", path);
    if (!S_ISREG(st.st_mode))
        return tz_fail(err, TZ_INVALID, "'%s' is not a file", path);
    if ((st.st_mode & S_IRWXO) == 0)
        return 0;
    (void)tz_fail(err, TZ_DENIED, "'%s' holds keys, but everybody may %s it", path,
                  st.st_mode & S_IROTH ? "read" : "change or run");
    return tz_hint(err, "chmod o-rwx '%s'", path);
}

int tz_credentials_read_file(const char *path, const char *profile, struct tz_credentials *ret,
                             struct tz_error *err)
{
    /* Not to wait for somebody to write to a pipe. */
    TZ_SCOPED(tz_scoped_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ENOTDIR)
        return tz_fail(err, TZ_NOT_FOUND, "no '%s'", path);
    if (fd < 0)
        return tz_fail_errno(err, errno, "open '%s'", path);
    if (check_mode(fd, path, err))
        return -1;
    TZ_SCOPED(tz_scoped_secret_buf) struct tz_buf text = {0};
    if (read_secret(fd, FILE_MAX, &text, err))
        return tz_while(err, "read '%s'", path);
    return tz_credentials_parse(path, text.data, text.len, profile, ret, err);
}

int tz_credentials_read_token(const char *path, char **ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        (void)tz_fail_errno(err, errno, "open '%s'", path);
        /* It is set up, so its absence ends the search. */
        if (err && err->kind == TZ_NOT_FOUND)
            err->kind = TZ_DENIED;
        return -1;
    }
    TZ_SCOPED(tz_scoped_secret_buf) struct tz_buf text = {0};
    if (read_secret(fd, TOKEN_MAX, &text, err))
        return tz_while(err, "read '%s'", path);
    TZ_SCOPED(tz_scoped_secret) char *token = tz_credentials_trim((char *)text.data, text.len);
    if (!token)
        return tz_fail_nomem(err);
    if (!*token || !tz_credentials_is_line(token) || memchr(text.data, '\0', text.len))
        return tz_fail(err, TZ_DENIED, "'%s' does not hold a token", path);
    *ret = TZ_TAKE(token);
    return 0;
}
