#include "value.h"

#include "tozai/util/buf.h"

#include <ctype.h>
#include <string.h>

#include "tozai/util/banned.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Where the comment behind the value begins, or its end. */
static size_t value_end(const char *text, const char *marks)
{
    for (size_t i = 0; text[i]; i++) {
        char c = text[i];
        bool opens = i == 0 || !isalnum((unsigned char)text[i - 1]); /* not that of "Bob's" */
        if ((c == '"' || c == '\'') && opens) {
            const char *close = strchr(text + i + 1, c);
            if (close)
                i = (size_t)(close - text);
        } else if (i > 0 && is_blank(text[i - 1]) && strchr(marks, c)) {
            return i;
        }
    }
    return strlen(text);
}

/* Take one pair of quotes off a value that has no others. */
static void unquote(const char **text, size_t *len)
{
    if (*len < 2 || (*text)[0] != '"' || (*text)[*len - 1] != '"' ||
        memchr(*text + 1, '"', *len - 2))
        return;
    (*text)++;
    *len -= 2;
}

/* text begins behind "${"; *ret_used gets the bytes up to and with the '}'. */
static int expand_name(struct tz_buf *out, const char *text, size_t len, size_t *ret_used,
                       struct tz_error *err)
{
    const char *close = memchr(text, '}', len);
    if (!close)
        return tz_fail(err, TZ_INVALID, "no '}' ends the '${'");
    TZ_SCOPED(tz_scoped_free) char *name = strndup(text, (size_t)(close - text));
    if (!name)
        return tz_fail_nomem(err);
    if (name[0] == '\0' || strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                        "0123456789_") != strlen(name)) {
        (void)tz_fail(err, TZ_INVALID, "'${%s}' is not the name of a variable", name);
        return tz_hint(err, "write $${ where you mean the characters themselves");
    }
    const char *value = getenv(name);
    if (!value)
        return tz_fail(err, TZ_INVALID, "the environment variable %s is not set", name);
    *ret_used = (size_t)(close - text) + 1;
    return tz_buf_append(out, value, strlen(value), err);
}

/* "$$" is a dollar sign; one before anything else is itself. */
static int expand(struct tz_buf *out, const char *text, size_t len, struct tz_error *err)
{
    size_t i = 0;

    while (i < len) {
        const char *dollar = memchr(text + i, '$', len - i);
        size_t before = dollar ? (size_t)(dollar - text) - i : len - i;
        if (tz_buf_append(out, text + i, before, err))
            return -1;
        i += before;
        if (i == len)
            break;
        size_t used = 0;
        char next = '\0';
        if (i + 1 < len)
            next = text[i + 1];
        if (next == '{') {
            if (expand_name(out, text + i + 2, len - i - 2, &used, err))
                return -1;
            i += 2 + used;
        } else {
            if (tz_buf_append(out, "$", 1, err))
                return -1;
            i += next == '$' ? 2 : 1;
        }
    }
    return 0;
}

int tz_value_read(char **ret, const char *raw, bool command, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf value = {0};
    size_t len = value_end(raw, command ? "#" : "#;");

    while (len > 0 && is_blank(raw[len - 1]))
        len--;
    if (!command)
        unquote(&raw, &len);
    if (expand(&value, raw, len, err))
        return -1;
    if (value.len == 0)
        return tz_fail(err, TZ_INVALID, "there is no value");
    if (tz_buf_append(&value, "", 1, err))
        return -1;
    *ret = (char *)TZ_TAKE(value.data);
    return 0;
}

int tz_value_bool(bool *ret, const char *text, struct tz_error *err)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

    for (size_t i = 0; i < TZ_COUNT(words); i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret = i % 2 == 1;
            return 0;
        }
    }
    return tz_fail(err, TZ_INVALID, "'%s' is neither 'yes' nor 'no'", text);
}

int tz_value_number(uint64_t *ret, const char *text, struct tz_error *err)
{
    uint64_t value = 0;

    for (const char *at = text; *at || at == text; at++) {
        if (*at < '0' || *at > '9')
            return tz_fail(err, TZ_INVALID, "'%s' is not a number", text);
        uint64_t digit = (uint64_t)(*at - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return tz_fail(err, TZ_INVALID, "'%s' is too large", text);
        value = value * 10 + digit;
    }
    *ret = value;
    return 0;
}

/* "a, b or c" */
static int fail_word(const char *text, const char *const *words, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf list = {0};

    for (size_t i = 0; words[i]; i++) {
        const char *between = i == 0 ? "" : words[i + 1] ? ", " : " or ";
        if (tz_buf_printf(&list, err, "%s%s", between, words[i]))
            return -1;
    }
    return tz_fail(err, TZ_INVALID, "'%s' is not one of %s", text, (const char *)list.data);
}

int tz_value_word(unsigned *ret, const char *text, const char *const *words, struct tz_error *err)
{
    for (unsigned i = 0; words[i]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret = i;
            return 0;
        }
    }
    return fail_word(text, words, err);
}

static int append_part(struct tz_config_list *list, const char *text, size_t len,
                       struct tz_error *err)
{
    char **items = realloc(list->items, (list->count + 1) * sizeof(list->items[0]));
    if (!items)
        return tz_fail_nomem(err);
    list->items = items;
    items[list->count] = strndup(text, len);
    if (!items[list->count])
        return tz_fail_nomem(err);
    list->count++;
    return 0;
}

int tz_value_append(struct tz_config_list *list, const char *text, struct tz_error *err)
{
    return append_part(list, text, strlen(text), err);
}

int tz_value_list(struct tz_config_list *list, const char *text, const char *const *words,
                  struct tz_error *err)
{
    for (const char *at = text;; at++) {
        at += strspn(at, " \t");
        size_t len = strcspn(at, ",");
        const char *next = at + len;
        while (len > 0 && is_blank(at[len - 1]))
            len--;
        if (len == 0)
            return tz_fail(err, TZ_INVALID, "an item of the list is empty");
        if (append_part(list, at, len, err))
            return -1;
        unsigned index;
        if (words && tz_value_word(&index, list->items[list->count - 1], words, err))
            return -1;
        if (*next == '\0')
            return 0;
        at = next;
    }
}

/* Take empty and "." components out, and the slash at the end. */
static void shorten_path(char *path)
{
    char *to = path;

    for (const char *from = path; *from;) {
        from += strspn(from, "/");
        size_t len = strcspn(from, "/");
        if (len > 0 && !(len == 1 && from[0] == '.')) {
            *to++ = '/';
            memmove(to, from, len);
            to += len;
        }
        from += len;
    }
    if (to == path)
        *to++ = '/';
    *to = '\0';
}

int tz_value_path(char *text, struct tz_error *err)
{
    if (text[0] != '/')
        return tz_fail(err, TZ_INVALID, "'%s' is not an absolute path", text);
    for (const char *at = text; (at = strstr(at, "/..")); at += 3) {
        if (at[3] == '/' || at[3] == '\0')
            return tz_fail(err, TZ_INVALID, "'%s' goes up with '..'", text);
    }
    shorten_path(text);
    return 0;
}

bool tz_path_inside(const char *path, const char *directory)
{
    size_t len = strlen(directory);

    if (strcmp(directory, "/") == 0)
        return true;
    return strncmp(path, directory, len) == 0 && (path[len] == '/' || path[len] == '\0');
}
