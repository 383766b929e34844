#include "glob.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "tozai/util/banned.h"

enum op {
    OP_BYTE, /* this byte */
    OP_ANY,  /* one byte, but not a slash */
    OP_STAR, /* any number of them */
    OP_SET,  /* one byte of a set */
};

struct token {
    uint8_t op;
    uint8_t byte;
    uint32_t set; /* index */
};

/* Between two slashes. */
struct part {
    size_t first, count; /* tokens */
    bool any_depth;      /* "**": any number of components */
};

struct byte_set {
    uint8_t bits[32];
};

struct tz_glob {
    struct token *tokens;
    size_t token_count;
    struct part *parts;
    size_t part_count;
    struct byte_set *sets;
    size_t set_count;
};

void tz_glob_free(struct tz_glob *glob)
{
    if (!glob)
        return;
    free(glob->tokens);
    free(glob->parts);
    free(glob->sets);
    free(glob);
}

static bool has(const struct byte_set *set, uint8_t byte)
{
    return set->bits[byte / 8] >> (byte % 8) & 1;
}

static void put(struct byte_set *set, uint8_t byte)
{
    set->bits[byte / 8] |= (uint8_t)(1U << (byte % 8));
}

/* "[:alpha:]" and so on, for ASCII, whatever the locale. */
static bool in_class(const char *name, size_t len, uint8_t byte)
{
    static const struct {
        const char *name;
        int (*test)(int);
    } classes[] = {
        {"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl},
        {"digit", isdigit}, {"graph", isgraph}, {"lower", islower}, {"print", isprint},
        {"punct", ispunct}, {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit},
    };
    for (size_t i = 0; i < TZ_COUNT(classes); i++)
        if (strlen(classes[i].name) == len && memcmp(classes[i].name, name, len) == 0)
            return byte < 128 && classes[i].test(byte);
    return false;
}

static bool is_class(const char *name, size_t len)
{
    for (int byte = 0; byte < 128; byte++)
        if (in_class(name, len, (uint8_t)byte))
            return true;
    return false;
}

/* Add the class whose name begins at name; returns what follows its ":]", NULL if it is none. */
static const char *read_class(const char *name, const char *end, struct byte_set *set)
{
    const char *stop = memchr(name, ']', (size_t)(end - name));

    if (!stop || stop == name || stop[-1] != ':' || !is_class(name, (size_t)(stop - 1 - name)))
        return NULL;
    for (int byte = 0; byte < 128; byte++)
        if (in_class(name, (size_t)(stop - 1 - name), (uint8_t)byte))
            put(set, (uint8_t)byte);
    return stop + 1;
}

/* One byte of a set, perhaps escaped; NULL at the end. */
static const char *read_member(const char *at, const char *end, uint8_t *ret)
{
    if (at < end && *at == '\\')
        at++;
    if (at >= end)
        return NULL;
    *ret = (uint8_t)*at;
    return at + 1;
}

/* Is this the dash of a range, with an end behind it? */
static bool is_range(const char *at, const char *end)
{
    return end - at >= 2 && at[0] == '-' && at[1] != ']';
}

/* Read behind "["; returns what follows its "]", or NULL: it has none, or makes no sense. */
static const char *read_set(const char *at, const char *end, struct byte_set *set)
{
    bool negated = at < end && (*at == '!' || *at == '^');
    bool first = true;

    at += negated;
    for (; at < end && (first || *at != ']'); first = false) {
        if (end - at >= 2 && at[0] == '[' && at[1] == ':') {
            const char *stop = memchr(at + 2, ']', (size_t)(end - at - 2));
            if (stop && stop[-1] == ':' && stop - 1 > at + 1) {
                at = read_class(at + 2, end, set);
                if (!at)
                    return NULL;
                continue;
            }
            if (!stop)
                return NULL;
        }
        uint8_t low, high;
        at = read_member(at, end, &low);
        if (!at)
            return NULL;
        high = low;
        if (is_range(at, end)) {
            at = read_member(at + 1, end, &high);
            if (!at)
                return NULL;
        }
        put(set, low); /* even of an empty range */
        for (unsigned byte = low; byte <= high; byte++)
            put(set, (uint8_t)byte);
    }
    if (at >= end)
        return NULL;
    if (negated)
        for (size_t i = 0; i < sizeof(set->bits); i++)
            set->bits[i] = (uint8_t)~set->bits[i];
    set->bits['/' / 8] &= (uint8_t) ~(1U << ('/' % 8));
    return at + 1;
}

static void end_part(struct tz_glob *glob)
{
    struct part *part = &glob->parts[glob->part_count++];

    part->count = glob->token_count - part->first;
    part->any_depth = part->count >= 2;
    for (size_t i = 0; i < part->count; i++)
        if (glob->tokens[part->first + i].op != OP_STAR)
            part->any_depth = false;
    glob->parts[glob->part_count].first = glob->token_count;
}

/* False: the pattern can never match. */
static bool parse(struct tz_glob *glob, const char *at, const char *end)
{
    while (at < end) {
        struct token token = {.op = OP_BYTE, .byte = (uint8_t)*at};
        char byte = *at++;
        if (byte == '\\') {
            if (at == end)
                return false;
            byte = *at++;
            token.byte = (uint8_t)byte;
        } else if (byte == '?') {
            token.op = OP_ANY;
        } else if (byte == '*') {
            token.op = OP_STAR;
        } else if (byte == '[') {
            token.op = OP_SET;
            token.set = (uint32_t)glob->set_count;
            at = read_set(at, end, &glob->sets[glob->set_count++]);
            if (!at)
                return false;
        }
        if (byte == '/' && token.op == OP_BYTE)
            end_part(glob);
        else
            glob->tokens[glob->token_count++] = token;
    }
    end_part(glob);
    return true;
}

int tz_glob_new(struct tz_glob **ret, const char *pattern, size_t len, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_glob) struct tz_glob *glob = calloc(1, sizeof(*glob));
    size_t slashes = 0, brackets = 0;

    if (!glob)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < len; i++) {
        slashes += pattern[i] == '/';
        brackets += pattern[i] == '[';
    }
    glob->tokens = calloc(len + 1, sizeof(*glob->tokens));
    glob->parts = calloc(slashes + 2, sizeof(*glob->parts));
    glob->sets = calloc(brackets + 1, sizeof(*glob->sets));
    if (!glob->tokens || !glob->parts || !glob->sets)
        return tz_fail_nomem(err);
    *ret = parse(glob, pattern, pattern + len) ? TZ_TAKE(glob) : NULL;
    return 0;
}

static bool match_byte(const struct tz_glob *glob, const struct token *token, uint8_t byte)
{
    switch (token->op) {
    case OP_BYTE:
        return token->byte == byte;
    case OP_ANY:
        return true; /* slashes do not come here */
    default:
        return has(&glob->sets[token->set], byte);
    }
}

/*
 * One component.  After a star only the last one need ever take more: what the ones before it
 * took can stay, as the shortest choice leaves the most to the rest.
 */
static bool match_part(const struct tz_glob *glob, const struct part *part, const char *text,
                       size_t len)
{
    const struct token *tokens = glob->tokens + part->first;
    size_t t = 0, i = 0;
    size_t star = SIZE_MAX, star_i = 0;

    while (i < len) {
        if (t < part->count && tokens[t].op == OP_STAR) {
            star = t++;
            star_i = i;
        } else if (t < part->count && match_byte(glob, &tokens[t], (uint8_t)text[i])) {
            t++;
            i++;
        } else if (star != SIZE_MAX) {
            t = star + 1;
            i = ++star_i;
        } else {
            return false;
        }
    }
    while (t < part->count && tokens[t].op == OP_STAR)
        t++;
    return t == part->count;
}

/* Where the component that begins at at ends. */
static size_t component_end(const char *path, size_t len, size_t at)
{
    const char *slash = memchr(path + at, '/', len - at);
    return slash ? (size_t)(slash - path) : len;
}

/* The same idea one level up: components instead of bytes, "**" instead of stars. */
bool tz_glob_match(const struct tz_glob *glob, const char *path, size_t len)
{
    size_t p = 0, at = 0; /* at == len + 1: behind the last component */
    size_t deep = SIZE_MAX, deep_at = 0;

    while (at <= len) {
        size_t end = component_end(path, len, at);
        bool last = p + 1 == glob->part_count;
        if (p < glob->part_count && glob->parts[p].any_depth) {
            if (last)
                return true; /* at least one component is left */
            deep = p++;
            deep_at = at;
        } else if (p < glob->part_count && match_part(glob, &glob->parts[p], path + at, end - at)) {
            p++;
            at = end + 1;
        } else if (deep != SIZE_MAX) {
            p = deep + 1;
            deep_at = component_end(path, len, deep_at) + 1;
            at = deep_at;
        } else {
            return false;
        }
    }
    return p == glob->part_count;
}
