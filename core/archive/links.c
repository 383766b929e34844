/*
 * A hash table of the paths that have further names.  Memory: the paths, and 32 bytes for each.
 */
#include "writer.h"

#include <sodium.h>
#include <string.h>

#include "tozai/util/banned.h"

struct link {
    char *path; /* NULL: free */
    size_t len;
    unsigned names;
    uint32_t number;
    bool is_file;
};

struct link_table {
    uint8_t key[crypto_shorthash_KEYBYTES]; /* nobody can choose names that collide */
    struct link *slots;
    size_t count, cap; /* a power of two */
};

#define CAP_MIN 64

static struct link *find(const struct link_table *table, struct link *slots, size_t cap,
                         const char *path, size_t len)
{
    uint8_t hash[crypto_shorthash_BYTES];
    size_t at = 0;

    (void)crypto_shorthash(hash, (const uint8_t *)path, len, table->key);
    memcpy(&at, hash, sizeof(at));
    at &= cap - 1;
    while (slots[at].path && (slots[at].len != len || memcmp(slots[at].path, path, len) != 0))
        at = (at + 1) & (cap - 1);
    return &slots[at];
}

int tz_link_table_new(struct link_table **ret, struct tz_error *err)
{
    struct link_table *table = calloc(1, sizeof(*table));

    if (table)
        table->slots = calloc(CAP_MIN, sizeof(*table->slots));
    if (!table || !table->slots) {
        free(table);
        return tz_fail_nomem(err);
    }
    table->cap = CAP_MIN;
    crypto_shorthash_keygen(table->key);
    *ret = table;
    return 0;
}

void tz_link_table_free(struct link_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->cap; i++)
        free(table->slots[i].path);
    free(table->slots);
    free(table);
}

static int grow(struct link_table *table, struct tz_error *err)
{
    if ((table->count + 1) * 4 <= table->cap * 3)
        return 0;
    struct link *slots = calloc(table->cap * 2, sizeof(*slots));
    if (!slots)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < table->cap; i++) {
        if (table->slots[i].path)
            *find(table, slots, table->cap * 2, table->slots[i].path, table->slots[i].len) =
                table->slots[i];
    }
    free(table->slots);
    table->slots = slots;
    table->cap *= 2;
    return 0;
}

int tz_link_table_add(struct link_table *table, const char *path, size_t len, struct tz_error *err)
{
    if (grow(table, err))
        return -1;
    struct link *link = find(table, table->slots, table->cap, path, len);
    if (!link->path) {
        link->path = malloc(len + 1);
        if (!link->path)
            return tz_fail_nomem(err);
        memcpy(link->path, path, len + 1);
        link->len = len;
        link->names = 1;
        link->number = (uint32_t)++table->count;
    }
    link->names++;
    return 0;
}

unsigned tz_link_table_names(const struct link_table *table, const char *path, size_t len,
                             uint32_t *ret_number)
{
    const struct link *link = find(table, table->slots, table->cap, path, len);

    *ret_number = link->number;
    return link->path ? link->names : 1;
}

void tz_link_table_note_file(struct link_table *table, const char *path, size_t len)
{
    struct link *link = find(table, table->slots, table->cap, path, len);

    if (link->path)
        link->is_file = true;
}

bool tz_link_table_is_file(const struct link_table *table, const char *path, size_t len)
{
    return find(table, table->slots, table->cap, path, len)->is_file;
}

uint32_t tz_link_table_count(const struct link_table *table)
{
    return (uint32_t)table->count;
}
