#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "ignore.h"

#include "glob.h"

#include "tozai/util/grow.h"

#include <stdlib.h>
#include <string.h>

#include "tozai/util/banned.h"

/* Most patterns are one of the first two, and need no more than a comparison. */
enum kind {
    KIND_NAME,   /* the last component is text */
    KIND_ENDING, /* the last component ends with text */
    KIND_LAST,   /* the last component matches glob */
    KIND_PATH,   /* the path below the scope's directory matches glob */
};

struct rule {
    enum kind kind;
    bool negated;
    bool only_directories;
    size_t below; /* where the path below the scope's directory begins */
    char *text;
    size_t len;
    struct tz_glob *glob;
};

struct tz_ignore {
    struct rule *rules;
    size_t count, cap;
};

int tz_ignore_new(struct tz_ignore **ret, struct tz_error *err)
{
    struct tz_ignore *ignore = calloc(1, sizeof(*ignore));
    if (!ignore)
        return tz_fail_nomem(err);
    *ret = ignore;
    return 0;
}

static void clear_rule(struct rule *rule)
{
    free(rule->text);
    tz_glob_free(rule->glob);
    *rule = (struct rule){0};
}

void tz_ignore_cut(struct tz_ignore *ignore, size_t count)
{
    while (ignore->count > count)
        clear_rule(&ignore->rules[--ignore->count]);
}

void tz_ignore_free(struct tz_ignore *ignore)
{
    if (!ignore)
        return;
    tz_ignore_cut(ignore, 0);
    free(ignore->rules);
    free(ignore);
}

size_t tz_ignore_count(const struct tz_ignore *ignore)
{
    return ignore->count;
}

/* Without the spaces at the end, unless one is escaped. */
static size_t trimmed(const char *line, size_t len)
{
    size_t end = 0;

    for (size_t i = 0; i < len; i++) {
        if (line[i] == '\\' && i + 1 == len)
            return len;
        if (line[i] == '\\')
            i++;
        else if (line[i] == ' ')
            continue;
        end = i + 1;
    }
    return end;
}

static bool is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (strchr("*?[\\", text[i]))
            return false;
    return true;
}

static enum kind kind_of(const char *pattern, size_t len)
{
    if (memchr(pattern, '/', len))
        return KIND_PATH;
    if (is_plain(pattern, len))
        return KIND_NAME;
    if (pattern[0] == '*' && is_plain(pattern + 1, len - 1))
        return KIND_ENDING;
    return KIND_LAST;
}

/* Fill rule from a pattern without its "!" and its slash at the end.  *ret_any false: it can match
 * nothing. */
static int compile(struct rule *rule, const char *pattern, size_t len, bool *ret_any,
                   struct tz_error *err)
{
    rule->kind = kind_of(pattern, len);
    *ret_any = true;
    if (rule->kind == KIND_PATH || rule->kind == KIND_LAST) {
        size_t anchor = pattern[0] == '/';
        if (tz_glob_new(&rule->glob, pattern + anchor, len - anchor, err))
            return -1;
        *ret_any = rule->glob != NULL;
        return 0;
    }
    size_t star = rule->kind == KIND_ENDING;
    rule->text = malloc(len + 1);
    if (!rule->text)
        return tz_fail_nomem(err);
    rule->len = len - star;
    memcpy(rule->text, pattern + star, rule->len);
    rule->text[rule->len] = '\0';
    return 0;
}

static int add_line(struct tz_ignore *ignore, size_t below, const char *line, size_t len,
                    struct tz_error *err)
{
    struct rule rule = {.below = below};
    bool any = false;

    if (len > 0 && line[len - 1] == '\r')
        len--;
    if (len == 0 || line[0] == '#')
        return 0;
    len = trimmed(line, len);
    if (len > 0 && line[0] == '!') {
        rule.negated = true;
        line++;
        len--;
    }
    if (len > 0 && line[len - 1] == '/') {
        rule.only_directories = true;
        len--;
    }
    if (len == 0)
        return 0;
    if (tz_grow(&ignore->rules, ignore->count, &ignore->cap, sizeof(*ignore->rules), err))
        return -1;
    if (compile(&rule, line, len, &any, err)) {
        clear_rule(&rule);
        return -1;
    }
    if (any)
        ignore->rules[ignore->count++] = rule;
    else
        clear_rule(&rule);
    return 0;
}

int tz_ignore_add(struct tz_ignore *ignore, size_t base_len, const char *text, size_t len,
                  struct tz_error *err)
{
    size_t below = base_len > 0 ? base_len + 1 : 0;
    const char *end = text + len;

    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3;
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        if (!stop)
            stop = end;
        if (add_line(ignore, below, text, (size_t)(stop - text), err))
            return -1;
        text = stop + 1;
    }
    return 0;
}

static bool match(const struct rule *rule, const char *path, size_t len, const char *name,
                  size_t name_len)
{
    switch (rule->kind) {
    case KIND_NAME:
        return name_len == rule->len && memcmp(name, rule->text, name_len) == 0;
    case KIND_ENDING:
        return name_len >= rule->len &&
               memcmp(name + name_len - rule->len, rule->text, rule->len) == 0;
    case KIND_LAST:
        return tz_glob_match(rule->glob, name, name_len);
    case KIND_PATH:
        return len > rule->below &&
               tz_glob_match(rule->glob, path + rule->below, len - rule->below);
    }
    return false;
}

bool tz_ignore_match(const struct tz_ignore *ignore, const char *path, size_t len,
                     bool is_directory)
{
    if (ignore->count == 0)
        return false;

    const char *slash = memrchr(path, '/', len);
    const char *name = slash ? slash + 1 : path;
    size_t name_len = len - (size_t)(name - path);
    for (size_t i = ignore->count; i-- > 0;) {
        const struct rule *rule = &ignore->rules[i];
        if (rule->only_directories && !is_directory)
            continue;
        if (match(rule, path, len, name, name_len))
            return !rule->negated;
    }
    return false;
}
