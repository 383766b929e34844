#include "../catalog/prune.h"
#include "internal.h"

#include "tozai/util/grow.h"

#include <string.h>

void tz_listing_clear(struct tz_listing *listing)
{
    free(listing->items);
    *listing = (struct tz_listing){0};
}

int tz_listing_add(struct tz_listing *listing, const char *name, uint64_t size,
                   struct tz_error *err)
{
    if (tz_grow(&listing->items, listing->count, &listing->cap, sizeof(*listing->items), err))
        return -1;
    size_t len = strlen(name);
    if (len >= TZ_NAME_TEXT)
        return tz_fail(err, TZ_CORRUPT, "an object's name is too long");
    memcpy(listing->items[listing->count].name, name, len + 1);
    listing->items[listing->count++].size = size;
    return 0;
}

static int add_found(void *arg, const char *name, const struct tz_store_stat *stat,
                     struct tz_error *err)
{
    return tz_listing_add(arg, name, stat->size, err);
}

int tz_listing_read(struct tz_listing *listing, struct tz_store *store, const char *prefix,
                    struct tz_error *err)
{
    return tz_listing_read_with(listing, store, prefix, NULL, err);
}

int tz_listing_read_with(struct tz_listing *listing, struct tz_store *store, const char *prefix,
                         const struct tz_store_terms *terms, struct tz_error *err)
{
    return tz_store_list_with(store, prefix, terms, add_found, listing, err);
}

struct learning {
    struct tz_repo *repo;
    size_t store;
    int64_t object; /* that is being read */
};

/* An index in a store was written after its packs, so they are there too. */
static int learn_pack(void *arg, const struct tz_pack_info *info, struct tz_error *err)
{
    struct learning *learning = arg;
    struct tz_catalog *catalog = learning->repo->catalog;
    int64_t store = learning->repo->store_ids[learning->store], pack = 0;
    enum tz_copy_state state = TZ_COPY_UNKNOWN;

    if (tz_catalog_add_pack(catalog, info, &pack, err) ||
        tz_catalog_note_index(catalog, learning->object, info->hash, err) ||
        tz_catalog_get_copy(catalog, pack, store, &state, err))
        return -1;
    if (state == TZ_COPY_UNKNOWN || state == TZ_COPY_MISSING)
        return tz_catalog_set_copy(catalog, pack, store, TZ_COPY_PRESENT, err);
    return 0;
}

static int learn_tombstone(void *arg, const uint8_t hash[TZ_HASH_SIZE], struct tz_error *err)
{
    struct learning *learning = arg;

    return tz_catalog_note_tombstone(learning->repo->catalog, learning->object, hash, err);
}

static int learn_head(struct tz_repo *repo, const char *name, const struct tz_name *parsed,
                      int64_t object, const struct tz_buf *body, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    char expected[TZ_NAME_TEXT];

    if (tz_head_read(&head, body->data, body->len, err))
        return -1;
    memcpy(head.id, parsed->hash, TZ_HASH_SIZE);
    tz_name_head(expected, head.source_id, head.time_ns, head.id);
    if (strcmp(expected, name) != 0)
        return tz_fail(err, TZ_CORRUPT, "the head does not belong to its name");
    return tz_catalog_add_generation(repo->catalog, &head, object, body->data, body->len, err);
}

/* The position that an object was sealed for: its name without the hash. */
static void position_of(char position[TZ_NAME_TEXT], const char *name)
{
    size_t len = strlen(name);
    const char *cut = strrchr(name, '-');

    if (strncmp(name, "generations/", 12) == 0 && cut)
        len = (size_t)(cut - name);
    else if (strchr(name, '/'))
        len = (size_t)(strchr(name, '/') - name);
    memcpy(position, name, len);
    position[len] = 0;
}

static int learn_sealed(struct tz_repo *repo, size_t i, const char *name,
                        const struct tz_name *parsed, int64_t object, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    struct learning learning = {repo, i, object};
    char position[TZ_NAME_TEXT];
    enum tz_object_type type = parsed->kind == TZ_NAME_IS_INDEX  ? TZ_OBJECT_INDEX
                               : parsed->kind == TZ_NAME_IS_HEAD ? TZ_OBJECT_HEAD
                                                                 : TZ_OBJECT_TOMBSTONE;

    position_of(position, name);
    if (tz_mirror_get_hashed(repo->mirror, name, parsed->hash, TZ_OBJECT_MAX, &bytes, NULL, err) ||
        tz_object_open(repo->keys, type, position, bytes.data, bytes.len, &body, err))
        return -1;
    if (type == TZ_OBJECT_INDEX)
        return tz_index_read(body.data, body.len, learn_pack, &learning, err);
    if (type == TZ_OBJECT_HEAD)
        return learn_head(repo, name, parsed, object, &body, err);
    return tz_tombstone_read(body.data, body.len, learn_tombstone, &learning, err);
}

static int learn_seal(struct tz_repo *repo, size_t i, const char *name,
                      const struct tz_name *parsed, int64_t object, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};

    if (tz_store_get(tz_mirror_store(repo->mirror, i), name, 0, SLOT_MAX, &bytes, err) ||
        tz_seal_check(repo->keys, name, parsed->hash, bytes.data, bytes.len, err))
        return -1;
    return tz_catalog_add_seal(repo->catalog, parsed->hash, object, err);
}

/* A prune may delete what was listed before it is read. */
static bool has_gone(struct tz_repo *repo, size_t i, const char *name, const struct tz_error *why)
{
    struct tz_store_stat stat;
    struct tz_error ignored = {0};

    return why->kind == TZ_NOT_FOUND &&
           !tz_store_stat(tz_mirror_store(repo->mirror, i), name, &stat, &ignored) && !stat.exists;
}

/* Or could it not be read for another reason, which says nothing of the object? */
static bool is_damage(enum tz_error_kind kind)
{
    return kind != TZ_INTERRUPTED && kind != TZ_NOMEM && kind != TZ_NOSPC &&
           kind != TZ_UNSUPPORTED && kind != TZ_BUSY && kind != TZ_UNAVAILABLE && kind != TZ_DENIED;
}

int tz_repo_learn(struct tz_repo *repo, size_t i, const char *name, uint64_t size,
                  struct tz_error *err)
{
    struct tz_name parsed = tz_name_parse(name);
    enum tz_copy_state state = TZ_COPY_PRESENT;
    struct tz_error why = {0};
    int64_t object = 0;
    int failed = 0;

    if (parsed.kind == TZ_NAME_OTHER)
        return 0;
    if (tz_catalog_add_object(repo->catalog, name, size, &object, err))
        return -1;
    if (parsed.kind == TZ_NAME_IS_INDEX || parsed.kind == TZ_NAME_IS_HEAD ||
        parsed.kind == TZ_NAME_IS_TOMBSTONE)
        failed = learn_sealed(repo, i, name, &parsed, object, &why);
    else if (parsed.kind == TZ_NAME_IS_SEAL)
        failed = learn_seal(repo, i, name, &parsed, object, &why);
    if (failed && has_gone(repo, i, name, &why)) {
        state = TZ_COPY_MISSING;
    } else if (failed) {
        if (!is_damage(why.kind)) {
            if (err)
                *err = why;
            return tz_while(err, "learn '%s'", name);
        }
        /* One bad object never makes the repository unusable. */
        tz_repo_warn(repo, "'%s' in store '%s' is damaged: %s", name,
                     tz_mirror_name(repo->mirror, i), why.message);
        state = TZ_COPY_DAMAGED;
    }
    return tz_catalog_set_copy(repo->catalog, object, repo->store_ids[i], state, err);
}
