#include "internal.h"

#include "tozai/util/hex.h"

#include <string.h>

int tz_repo_open_stores(struct tz_mirror **ret, const struct tz_config *config,
                        const char *only_store, bool create, bool read_only, struct tz_error *err)
{
    struct tz_store_options stores[TZ_MIRROR_MAX_STORES] = {{0}};
    struct tz_mirror_options options = {0};
    size_t count = 0;

    for (size_t i = 0; i < config->store_count && count < TZ_MIRROR_MAX_STORES; i++) {
        const struct tz_config_store *store = &config->stores[i];
        if (only_store && strcmp(only_store, store->name) != 0)
            continue;
        stores[count++] = (struct tz_store_options){
            .name = store->name,
            .url = store->url,
            .location = store->location,
            .read_only = read_only,
            .create = create,
            .timeout_s = store->timeout_s,
        };
    }
    if (count == 0)
        return tz_fail(err, TZ_INVALID, "there is no store '%s' in '%s'", only_store, config->file);
    /* One pack on its way to each store; the next one waits in the packer. */
    options.queue_bytes = (config->pack_size ? config->pack_size : 16U << 20) * 3 / 2;
    return tz_mirror_open(ret, stores, count, &options, err);
}

static int read_descriptor(struct tz_repo *repo, size_t i, struct tz_buf *bytes,
                           struct tz_descriptor *ret, struct tz_error *err)
{
    struct tz_store *store = tz_mirror_store(repo->mirror, i);

    tz_buf_reset(bytes);
    if (tz_store_get(store, TZ_NAME_DESCRIPTOR, 0, DESCRIPTOR_MAX, bytes, err))
        return -1;
    return tz_descriptor_read(ret, bytes->data, bytes->len, err);
}

/* The first good descriptor is the repository's; a second one must be the same. */
static int compare_descriptor(struct tz_repo *repo, size_t i, const struct tz_buf *bytes,
                              const struct tz_descriptor *found, struct tz_error *err)
{
    char here[2 * TZ_REPO_ID_SIZE + 1], there[2 * TZ_REPO_ID_SIZE + 1];

    if (repo->descriptor_bytes.len == 0) {
        repo->descriptor = *found;
        return tz_buf_append(&repo->descriptor_bytes, bytes->data, bytes->len, err);
    }
    if (memcmp(found->repo_id, repo->descriptor.repo_id, TZ_REPO_ID_SIZE) == 0)
        return 0;
    tz_hex(here, repo->descriptor.repo_id, TZ_REPO_ID_SIZE);
    tz_hex(there, found->repo_id, TZ_REPO_ID_SIZE);
    (void)tz_fail(err, TZ_INVALID, "store '%s' holds another repository (%s, not %s)",
                  tz_mirror_name(repo->mirror, i), there, here);
    return tz_hint(err, "check the url of [store %s]", tz_mirror_name(repo->mirror, i));
}

/* A store that cannot be used goes out and is spoken of; the others go on. */
static void put_out(struct tz_repo *repo, size_t i, const struct tz_error *why)
{
    tz_mirror_exclude(repo->mirror, i, why);
    tz_repo_warn(repo, "store '%s' is left out: %s%s%s", tz_mirror_name(repo->mirror, i),
                 why->message, why->hint[0] ? "; " : "", why->hint);
}

/* Bring the descriptor (and the key slots) into a store that has none. */
static int fill_store(struct tz_repo *repo, size_t i, struct tz_error *err)
{
    struct tz_store *store = tz_mirror_store(repo->mirror, i);

    tz_repo_warn(repo, "store '%s' is empty: filling it", tz_mirror_name(repo->mirror, i));
    return tz_store_put(store, TZ_NAME_DESCRIPTOR, repo->descriptor_bytes.data,
                        repo->descriptor_bytes.len, err);
}

static int handle_missing(struct tz_repo *repo, size_t i, bool fill_empty, struct tz_error *err)
{
    struct tz_error why = {0};
    const char *name = tz_mirror_name(repo->mirror, i);

    if (fill_empty && repo->descriptor_bytes.len > 0)
        return fill_store(repo, i, err);
    (void)tz_fail(&why, TZ_NOT_FOUND, "it holds no repository");
    (void)tz_hint(&why, "run 'tozai sync --to %s' to fill an empty store from the others", name);
    put_out(repo, i, &why);
    return 0;
}

static bool any_usable(struct tz_repo *repo)
{
    for (size_t i = 0; i < tz_mirror_count(repo->mirror); i++)
        if (tz_mirror_usable(repo->mirror, i))
            return true;
    return false;
}

int tz_repo_check_stores(struct tz_repo *repo, bool fill_empty, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    size_t count = tz_mirror_count(repo->mirror);
    uint32_t missing = 0;

    for (size_t i = 0; i < count; i++) {
        struct tz_descriptor found;
        struct tz_error why = {0};

        if (!tz_mirror_usable(repo->mirror, i)) {
            if (tz_mirror_error(repo->mirror, i, &why))
                tz_repo_warn(repo, "store '%s' cannot be used: %s", tz_mirror_name(repo->mirror, i),
                             why.message);
        } else if (!read_descriptor(repo, i, &bytes, &found, &why)) {
            if (compare_descriptor(repo, i, &bytes, &found, err))
                return -1;
        } else if (why.kind == TZ_NOT_FOUND) {
            missing |= UINT32_C(1) << i;
        } else if (why.kind == TZ_UNSUPPORTED) {
            if (err)
                *err = why;
            return tz_while(err, "store '%s'", tz_mirror_name(repo->mirror, i));
        } else {
            put_out(repo, i, &why);
        }
    }
    if (repo->descriptor_bytes.len == 0) {
        if (!missing)
            return tz_fail(err, TZ_UNAVAILABLE, "no store can be used");
        (void)tz_fail(err, TZ_NOT_FOUND, "no store holds a repository");
        return tz_hint(err, "run 'tozai init' to make one");
    }
    for (size_t i = 0; i < count; i++)
        if ((missing & UINT32_C(1) << i) && handle_missing(repo, i, fill_empty, err))
            return -1;
    return any_usable(repo) ? 0 : tz_fail(err, TZ_UNAVAILABLE, "no store can be used");
}
