#include "tozai/core/entry.h"

#include <stdlib.h>
#include <string.h>

#include "tozai/util/banned.h"

/* No path of a manifest is longer. */
#define PATH_LEN_MAX ((size_t)1 << 20)

static void free_xattrs(struct tz_entry *entry)
{
    for (uint32_t i = 0; i < entry->xattr_count; i++) {
        free(entry->xattrs[i].name);
        free(entry->xattrs[i].value);
    }
    free(entry->xattrs);
}

void tz_entry_clear(struct tz_entry *entry)
{
    free(entry->path);
    free(entry->user);
    free(entry->group);
    free(entry->link);
    free(entry->extents);
    free(entry->extent_packs);
    free_xattrs(entry);
    *entry = (struct tz_entry){0};
}

/* len bytes and a NUL. */
static char *copy_bytes(const void *data, size_t len)
{
    char *copy = malloc(len + 1);
    if (!copy)
        return NULL;
    if (len > 0)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

int tz_entry_set_path(struct tz_entry *entry, const void *path, size_t len, struct tz_error *err)
{
    /* The old memory holds path_len + 1 bytes; an entry that is used again needs no other. */
    if (entry->path && len <= entry->path_len) {
        if (len > 0)
            memmove(entry->path, path, len);
        entry->path[len] = '\0';
        entry->path_len = len;
        return 0;
    }

    char *copy = copy_bytes(path, len);
    if (!copy)
        return tz_fail_nomem(err);
    free(entry->path);
    entry->path = copy;
    entry->path_len = len;
    return 0;
}

/* Room for one more extent and its pack. */
static int grow_extents(struct tz_entry *entry, struct tz_error *err)
{
    uint32_t cap = entry->extent_cap ? entry->extent_cap * 2 : 1;
    if (cap <= entry->extent_cap)
        return tz_fail(err, TZ_FAILED, "a file of more than %u extents", entry->extent_count);

    struct tz_extent *extents = realloc(entry->extents, cap * sizeof(*extents));
    if (!extents)
        return tz_fail_nomem(err);
    entry->extents = extents;

    uint64_t *packs = realloc(entry->extent_packs, cap * sizeof(*packs));
    if (!packs)
        return tz_fail_nomem(err);
    /* Who filled the extents in some other way may not have had packs. */
    if (!entry->extent_packs)
        memset(packs, 0, cap * sizeof(*packs));
    entry->extent_packs = packs;
    entry->extent_cap = cap;
    return 0;
}

int tz_entry_add_extent(struct tz_entry *entry, const struct tz_extent *extent, uint64_t pack,
                        struct tz_error *err)
{
    bool no_room = entry->extent_count >= entry->extent_cap;

    if ((no_room || !entry->extents || !entry->extent_packs) && grow_extents(entry, err))
        return -1;
    entry->extents[entry->extent_count] = *extent;
    entry->extent_packs[entry->extent_count] = pack;
    entry->extent_count++;
    return 0;
}

/* NULL stays NULL.  False without memory. */
static bool copy_text(char **ret, const char *text)
{
    *ret = NULL;
    if (!text)
        return true;
    *ret = copy_bytes(text, strlen(text));
    return *ret != NULL;
}

static bool copy_xattrs(struct tz_entry *ret, const struct tz_entry *entry)
{
    if (entry->xattr_count == 0)
        return true;
    ret->xattrs = calloc(entry->xattr_count, sizeof(*ret->xattrs));
    if (!ret->xattrs)
        return false;

    for (uint32_t i = 0; i < entry->xattr_count; i++) {
        const struct tz_xattr *from = &entry->xattrs[i];
        struct tz_xattr *to = &ret->xattrs[i];
        ret->xattr_count = i + 1; /* what tz_entry_clear() has to free */
        if (!copy_text(&to->name, from->name))
            return false;
        to->value = (uint8_t *)copy_bytes(from->value, from->value_len);
        if (!to->value)
            return false;
        to->value_len = from->value_len;
    }
    return true;
}

static bool copy_extents(struct tz_entry *ret, const struct tz_entry *entry)
{
    uint32_t count = entry->extent_count;

    if (count == 0)
        return true;
    ret->extents = malloc(count * sizeof(*ret->extents));
    ret->extent_packs = calloc(count, sizeof(*ret->extent_packs));
    if (!ret->extents || !ret->extent_packs)
        return false;
    memcpy(ret->extents, entry->extents, count * sizeof(*ret->extents));
    if (entry->extent_packs)
        memcpy(ret->extent_packs, entry->extent_packs, count * sizeof(*ret->extent_packs));
    ret->extent_count = count;
    ret->extent_cap = count;
    return true;
}

static bool copy_names(struct tz_entry *ret, const struct tz_entry *entry)
{
    if (entry->path) {
        ret->path = copy_bytes(entry->path, entry->path_len);
        if (!ret->path)
            return false;
    }
    if (entry->link) {
        ret->link = copy_bytes(entry->link, entry->link_len);
        if (!ret->link)
            return false;
    }
    return copy_text(&ret->user, entry->user) && copy_text(&ret->group, entry->group);
}

int tz_entry_copy(struct tz_entry *ret, const struct tz_entry *entry, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_entry) struct tz_entry copy = *entry;

    /* What is only borrowed so far must not be freed when something fails. */
    copy.path = copy.user = copy.group = copy.link = NULL;
    copy.xattrs = NULL;
    copy.xattr_count = 0;
    copy.extents = NULL;
    copy.extent_packs = NULL;
    copy.extent_count = copy.extent_cap = 0;
    if (!copy_names(&copy, entry) || !copy_xattrs(&copy, entry) || !copy_extents(&copy, entry))
        return tz_fail_nomem(err);

    *ret = copy;
    copy = (struct tz_entry){0};
    return 0;
}

/* Index of the first byte that differs, at most len. */
static size_t common_length(const char *a, const char *b, size_t len)
{
    size_t i = 0;

    for (; i + sizeof(uint64_t) <= len; i += sizeof(uint64_t)) {
        uint64_t x, y;
        memcpy(&x, a + i, sizeof(x));
        memcpy(&y, b + i, sizeof(y));
        if (x != y)
            break;
    }
    while (i < len && a[i] == b[i])
        i++;
    return i;
}

/* The rank of a byte: no path holds a NUL, so its place is free for the slash. */
static int rank(char byte)
{
    return byte == '/' ? 0 : (unsigned char)byte;
}

int tz_path_compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t shorter = TZ_MIN(a_len, b_len);
    size_t i = common_length(a, b, shorter);

    if (i < shorter)
        return rank(a[i]) - rank(b[i]);
    return (a_len > b_len) - (a_len < b_len);
}

bool tz_path_within(const char *path, size_t path_len, const char *prefix, size_t prefix_len)
{
    if (prefix_len == 0)
        return true;
    if (path_len < prefix_len || memcmp(path, prefix, prefix_len) != 0)
        return false;
    return path_len == prefix_len || path[prefix_len] == '/';
}

static bool component_valid(const char *name, size_t len)
{
    if (len == 0)
        return false;
    return !(name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')));
}

bool tz_path_valid(const void *path, size_t len)
{
    const char *at = path;
    const char *end = at + len;

    if (len == 0)
        return true;
    if (len > PATH_LEN_MAX || memchr(path, '\0', len))
        return false;
    for (;;) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        const char *stop = slash ? slash : end;
        if (!component_valid(at, (size_t)(stop - at)))
            return false;
        if (!slash)
            return true;
        at = slash + 1;
    }
}

char tz_entry_type_letter(enum tz_entry_type type)
{
    switch (type) {
    case TZ_ENTRY_FILE:
        return '-';
    case TZ_ENTRY_DIRECTORY:
        return 'd';
    case TZ_ENTRY_SYMLINK:
        return 'l';
    case TZ_ENTRY_FIFO:
        return 'p';
    case TZ_ENTRY_SOCKET:
        return 's';
    case TZ_ENTRY_CHARACTER:
        return 'c';
    case TZ_ENTRY_BLOCK:
        return 'b';
    case TZ_ENTRY_HARDLINK:
        return 'h';
    }
    return '?';
}

const char *tz_entry_type_name(enum tz_entry_type type)
{
    switch (type) {
    case TZ_ENTRY_FILE:
        return "file";
    case TZ_ENTRY_DIRECTORY:
        return "directory";
    case TZ_ENTRY_SYMLINK:
        return "symlink";
    case TZ_ENTRY_FIFO:
        return "fifo";
    case TZ_ENTRY_SOCKET:
        return "socket";
    case TZ_ENTRY_CHARACTER:
        return "character device";
    case TZ_ENTRY_BLOCK:
        return "block device";
    case TZ_ENTRY_HARDLINK:
        return "hard link";
    }
    return "unknown";
}
