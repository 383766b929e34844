#include "ini.h"

#include "tozai/util/hex.h"
#include "tozai/util/utf8.h"

#include <string.h>

#include "tozai/util/banned.h"

/* What libini_config leaves alone in a name; everything else becomes %xx. */
static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";

/* The part of a line that is being looked at; not terminated. */
struct span {
    const char *at;
    size_t len;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct span trim(struct span s)
{
    while (s.len > 0 && is_blank(s.at[0])) {
        s.at++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.at[s.len - 1]))
        s.len--;
    return s;
}

static bool is_comment(struct span s)
{
    return s.len > 0 && (s.at[0] == '#' || s.at[0] == ';');
}

static int escape(struct tz_buf *out, struct span name, struct tz_error *err)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        if (memchr(plain, c, sizeof(plain) - 1) ? tz_buf_append(out, &c, 1, err)
                                                : tz_buf_printf(out, err, "%%%02x", (uint8_t)c))
            return -1;
    }
    return 0;
}

void tz_ini_unescape(char *name)
{
    char *to = name;

    for (const char *from = name; *from; to++) {
        uint8_t byte;
        if (*from == '%' && tz_unhex(&byte, 1, from + 1)) {
            *to = (char)byte;
            from += 3;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

/* Text that a person could have written: UTF-8 without control characters, but for the tab. */
static int check_line(struct span line, struct tz_error *err)
{
    while (line.len > 0) {
        uint32_t code;
        size_t size = tz_utf8_decode(line.at, line.len, &code);
        if (size == 0)
            return tz_fail(err, TZ_INVALID, "the byte 0x%02x is not UTF-8", (uint8_t)line.at[0]);
        if ((code < 0x20 && code != '\t') || (code >= 0x7f && code < 0xa0))
            return tz_fail(err, TZ_INVALID, "control character U+%04X", (unsigned)code);
        line.at += size;
        line.len -= size;
    }
    return 0;
}

/* Remember the header whose escaped text begins at start of the output. */
static int add_header(struct tz_ini_text *text, size_t start, int number, struct tz_error *err)
{
    struct tz_ini_header *headers =
        realloc(text->headers, (text->count + 1) * sizeof(text->headers[0]));
    if (!headers)
        return tz_fail_nomem(err);
    text->headers = headers;

    char *name = strndup((const char *)text->out.data + start, text->out.len - start);
    if (!name)
        return tz_fail_nomem(err);
    headers[text->count++] = (struct tz_ini_header){.text = name, .line = number};
    return 0;
}

/* "[store  east] # comment" becomes "[store east]". */
static int add_section(struct tz_ini_text *text, struct span line, int number, struct tz_error *err)
{
    const char *close = memchr(line.at, ']', line.len);
    if (!close)
        return tz_fail(err, TZ_INVALID, "no ']' ends the section's name");
    struct span rest = {close + 1, line.len - (size_t)(close + 1 - line.at)};
    rest = trim(rest);
    if (rest.len > 0 && !is_comment(rest))
        return tz_fail(err, TZ_INVALID, "unexpected text after ']'");

    struct span word = trim((struct span){line.at + 1, (size_t)(close - line.at - 1)});
    if (word.len == 0)
        return tz_fail(err, TZ_INVALID, "the section has no name");
    struct span name = {word.at, 0};
    while (name.len < word.len && !is_blank(name.at[name.len]))
        name.len++;
    struct span first = name;
    name = trim((struct span){word.at + first.len, word.len - first.len});

    size_t start = text->out.len + 1;
    if (tz_buf_append(&text->out, "[", 1, err) || escape(&text->out, first, err) ||
        (name.len > 0 && tz_buf_append(&text->out, " ", 1, err)) || escape(&text->out, name, err) ||
        add_header(text, start, number, err))
        return -1;
    return tz_buf_append(&text->out, "]", 1, err);
}

static int add_key(struct tz_ini_text *text, struct span line, struct tz_error *err)
{
    const char *equals = memchr(line.at, '=', line.len);
    /* libini_config says what is wrong with a line without '='. */
    if (!equals)
        return tz_buf_append(&text->out, line.at, line.len, err);

    struct span key = trim((struct span){line.at, (size_t)(equals - line.at)});
    if (text->count == 0)
        return tz_fail(err, TZ_INVALID, "the key '%.*s' stands before the first section",
                       (int)TZ_MIN(key.len, 64U), key.at);
    if (escape(&text->out, key, err))
        return -1;
    return tz_buf_append(&text->out, equals, line.len - (size_t)(equals - line.at), err);
}

static int add_line(struct tz_ini_text *text, struct span line, int number, struct tz_error *err)
{
    if (line.len > 0 && line.at[line.len - 1] == '\r')
        line.len--;
    if (check_line(line, err))
        return -1;
    line = trim(line);
    if (line.len == 0 || is_comment(line))
        return 0;
    return line.at[0] == '[' ? add_section(text, line, number, err) : add_key(text, line, err);
}

int tz_ini_text_prepare(struct tz_ini_text *ret, const char *file, const void *text, size_t len,
                        struct tz_error *err)
{
    static const char mark[] = "\xef\xbb\xbf"; /* which some editors put in front */
    TZ_SCOPED(tz_scoped_ini_text) struct tz_ini_text made = {0};
    struct span rest = {text, len};

    if (rest.len >= 3 && memcmp(rest.at, mark, 3) == 0)
        rest = (struct span){rest.at + 3, rest.len - 3};
    for (int number = 1; rest.len > 0; number++) {
        const char *end = memchr(rest.at, '\n', rest.len);
        struct span line = {rest.at, end ? (size_t)(end - rest.at) : rest.len};
        if (add_line(&made, line, number, err))
            return tz_while(err, "%s:%d", file, number);
        if (tz_buf_append(&made.out, "\n", 1, err))
            return -1;
        size_t used = line.len + (end ? 1 : 0);
        rest = (struct span){rest.at + used, rest.len - used};
    }

    *ret = made;
    made = (struct tz_ini_text){0};
    return 0;
}

void tz_ini_text_clear(struct tz_ini_text *text)
{
    for (size_t i = 0; i < text->count; i++)
        free(text->headers[i].text);
    free(text->headers);
    tz_buf_clear(&text->out);
    *text = (struct tz_ini_text){0};
}
