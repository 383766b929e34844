/*
 * Which files are made of pages.
 */
#include "tozai/core/source.h"

#include <string.h>

#include "tozai/util/banned.h"

#define POSTGRES_PAGE  8192
#define INNODB_PAGE    16384
#define IMAGE_BLOCK    4096
#define IMAGE_SIZE_MIN ((uint64_t)16 << 20)

static const char sqlite_magic[16] = "SQLite format 3";

static uint32_t sqlite_page(const uint8_t *head, size_t len)
{
    if (len < 18 || memcmp(head, sqlite_magic, sizeof(sqlite_magic)) != 0)
        return 0;
    uint32_t size = (uint32_t)head[16] << 8 | head[17];
    if (size == 1)
        return 65536;
    return size >= 512 && (size & (size - 1)) == 0 ? size : 0;
}

/* Length of the run of digits that text begins with. */
static size_t digits(const char *text, size_t len)
{
    size_t n = 0;
    while (n < len && text[n] >= '0' && text[n] <= '9')
        n++;
    return n;
}

/* "16384", "16384.3", "16384_fsm", "16384_vm.1" */
static bool is_relation_name(const char *name, size_t len)
{
    size_t n = digits(name, len);
    if (n == 0)
        return false;
    if (len - n >= 4 && memcmp(name + n, "_fsm", 4) == 0)
        n += 4;
    else if (len - n >= 3 && memcmp(name + n, "_vm", 3) == 0)
        n += 3;
    else if (len - n >= 5 && memcmp(name + n, "_init", 5) == 0)
        n += 5;
    if (n == len)
        return true;
    return name[n] == '.' && len - n > 1 && digits(name + n + 1, len - n - 1) == len - n - 1;
}

struct component {
    const char *text;
    size_t len;
};

/* Split off the last component of the first *len bytes; *len 0 afterwards if there is no other. */
static struct component split_last(const char *path, size_t *len)
{
    size_t start = *len;
    while (start > 0 && path[start - 1] != '/')
        start--;
    struct component last = {path + start, *len - start};
    *len = start > 0 ? start - 1 : 0;
    return last;
}

static bool is_text(struct component component, const char *text)
{
    return component.len == strlen(text) && memcmp(component.text, text, component.len) == 0;
}

/* base/<database>/<relation>, global/<relation>, PG_15_202209061/<database>/<relation> */
static bool is_postgres(const char *path, size_t len)
{
    struct component name = split_last(path, &len);
    struct component directory = split_last(path, &len);
    struct component above = split_last(path, &len);

    if (!is_relation_name(name.text, name.len))
        return false;
    if (is_text(directory, "global"))
        return true;
    if (directory.len == 0 || digits(directory.text, directory.len) != directory.len)
        return false;
    return is_text(above, "base") || (above.len > 3 && memcmp(above.text, "PG_", 3) == 0);
}

static bool ends_with(struct component name, const char *ending)
{
    size_t len = strlen(ending);
    return name.len > len && memcmp(name.text + name.len - len, ending, len) == 0;
}

static bool starts_with(struct component name, const char *start)
{
    size_t len = strlen(start);
    return name.len >= len && memcmp(name.text, start, len) == 0;
}

static bool is_innodb(struct component name)
{
    if (ends_with(name, ".ibd"))
        return true;
    size_t prefix = starts_with(name, "ibdata") ? 6 : starts_with(name, "undo_") ? 5 : 0;
    if (prefix > 0 && name.len > prefix)
        return digits(name.text + prefix, name.len - prefix) == name.len - prefix;
    return starts_with(name, "undo") && name.len > 4 &&
           digits(name.text + 4, name.len - 4) == name.len - 4;
}

static bool is_image(struct component name)
{
    static const char *const endings[] = {".qcow2", ".img",  ".raw", ".vmdk",
                                          ".vdi",   ".vhdx", ".vhd", ".qcow"};
    for (size_t i = 0; i < TZ_COUNT(endings); i++)
        if (ends_with(name, endings[i]))
            return true;
    return false;
}

uint32_t tz_page_size_of(const char *path, size_t path_len, const uint8_t *head, size_t head_len,
                         uint64_t file_size)
{
    uint32_t page = sqlite_page(head, head_len);
    if (page > 0)
        return page;

    size_t len = path_len;
    struct component name = split_last(path, &len);
    if (file_size % POSTGRES_PAGE == 0 && is_postgres(path, path_len))
        return POSTGRES_PAGE;
    if (is_innodb(name))
        return INNODB_PAGE;
    if (file_size >= IMAGE_SIZE_MIN && is_image(name))
        return IMAGE_BLOCK;
    return 0;
}
