#include "internal.h"

#include "tozai/util/log.h"

#include <string.h>

static const char *setting(const struct tz_config_store *store, const char *key)
{
    const char *value = tz_config_pair_value(store->more, store->more_count, NULL, key, 0);

    return value ? value : "";
}

static const struct tz_config_store *config_of(const struct tz_repo *repo, size_t i)
{
    return tz_config_find_store(repo->config, tz_mirror_name(repo->mirror, i));
}

/* A probe of another place says nothing of this one. */
static int address_of(const struct tz_config_store *store, struct tz_buf *ret, struct tz_error *err)
{
    return tz_buf_printf(ret, err, "%s\n%s\n%s", store->url, setting(store, "endpoint"),
                         setting(store, "region"));
}

int tz_repo_address(const struct tz_repo *repo, size_t i, struct tz_buf *ret, struct tz_error *err)
{
    const struct tz_config_store *store = config_of(repo, i);

    return store ? address_of(store, ret, err) : 0;
}

static void key_of(char key[KEY_MAX], const struct tz_config_store *store)
{
    (void)snprintf(key, KEY_MAX, "probe:%.200s", store->name);
}

bool tz_repo_get_probe(struct tz_repo *repo, size_t i, struct tz_probe *ret)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf address = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf kept = {0};
    const struct tz_config_store *store = config_of(repo, i);
    char key[KEY_MAX];
    bool found = false;

    if (!store || address_of(store, &address, NULL))
        return false;
    key_of(key, store);
    return !tz_catalog_get_value(repo->catalog, key, &kept, &found, NULL) && found &&
           tz_probe_read(kept.data, kept.len, (const char *)address.data, ret);
}

int tz_repo_set_probe(struct tz_repo *repo, size_t i, const struct tz_probe *probe,
                      struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf address = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    const struct tz_config_store *store = config_of(repo, i);
    char key[KEY_MAX];

    if (!store)
        return 0;
    key_of(key, store);
    if (address_of(store, &address, err) ||
        tz_probe_write(probe, (const char *)address.data, &bytes, err))
        return -1;
    return tz_catalog_set_value(repo->catalog, key, bytes.data, bytes.len, err);
}

int tz_repo_check_region(const struct tz_config *config, const struct tz_config_store *store,
                         const char *said, struct tz_error *err)
{
    const char *region = said ? said : setting(store, "region");

    if (config->allowed_regions.count == 0 || tz_config_list_has(&config->allowed_regions, region))
        return 0;
    if (!*region) {
        (void)tz_fail(err, TZ_INVALID,
                      "nobody says in which region store '%s' is, and [policy] "
                      "allows only some",
                      store->name);
        return tz_hint(err, "set its 'region', or allow s3:GetBucketLocation to its credentials");
    }
    (void)tz_fail(
        err, TZ_INVALID,
        "store '%s' is in the region '%s', which is not among allowed_regions of [policy]",
        store->name, region);
    return tz_hint(err, "use a bucket in an allowed region; nothing was written to this one");
}

int tz_repo_ask_region(struct tz_repo *repo, size_t i, struct tz_error *err)
{
    struct tz_store *mirrored = tz_mirror_store(repo->mirror, i);
    const struct tz_config_store *store = config_of(repo, i);
    char region[TZ_STORE_REGION_MAX];
    struct tz_error why = {0};

    if (!store || (tz_store_features(mirrored) & TZ_STORE_LOCAL) ||
        repo->config->allowed_regions.count == 0)
        return 0;
    bool said = !tz_store_region(mirrored, region, &why);
    if (!said && (why.kind == TZ_UNAVAILABLE || why.kind == TZ_INTERRUPTED)) {
        if (err)
            *err = why;
        return -1;
    }
    return tz_repo_check_region(repo->config, store, said ? region : NULL, err);
}

int tz_repo_probe(const struct tz_config *config, struct tz_store *store, struct tz_probe *ret,
                  struct tz_error *err)
{
    const struct tz_config_store *of = tz_config_find_store(config, tz_store_name(store));
    const char *lock = of ? setting(of, "object_lock") : "";
    const struct tz_probe_options options = {
        .name = TZ_NAME_DESCRIPTOR,
        .canary = !*lock || strcmp(lock, "none") == 0,
    };

    return tz_store_probe(store, &options, ret, err);
}

static bool all_usable(const struct tz_repo *repo)
{
    for (size_t i = 0; i < tz_mirror_count(repo->mirror); i++)
        if (!tz_mirror_usable(repo->mirror, i))
            return false;
    return true;
}

/* One that nobody has looked at; the run goes on without what it does not learn. */
static bool probe_now(struct tz_repo *repo, size_t i, struct tz_probe *ret)
{
    const struct tz_probe_options options = {.name = TZ_NAME_DESCRIPTOR};
    struct tz_error why = {0};

    if (!tz_store_probe(tz_mirror_store(repo->mirror, i), &options, ret, &why))
        return true;
    tz_debug("%s", why.message);
    return false;
}

/* What was found out now; but a second name of another store is none, and that is not known before
 * all of them could be looked at. */
static int keep_probe(struct tz_repo *repo, size_t i, const struct tz_probe *probe,
                      struct tz_error *err)
{
    struct tz_error why = {0};
    size_t other = i;

    if (tz_repo_check_apart(repo, i, &other, err)) {
        if (other != i && tz_repo_note_alias(repo, i, other, &why))
            tz_debug("%s", why.message);
        return -1;
    }
    if (all_usable(repo) && tz_repo_set_probe(repo, i, probe, &why))
        tz_debug("%s", why.message);
    return 0;
}

static int use_store(struct tz_repo *repo, size_t i, bool writes, struct tz_error *err)
{
    struct tz_store *store = tz_mirror_store(repo->mirror, i);
    struct tz_probe probe;
    size_t other = 0;

    if (tz_store_features(store) & TZ_STORE_LOCAL)
        return 0;
    if (repo->catalog && tz_repo_is_alias(repo, i, &other) && tz_mirror_usable(repo->mirror, other))
        return tz_repo_one_place(repo, other, i, err);
    bool known = repo->catalog && tz_repo_get_probe(repo, i, &probe);
    bool fresh = !known && writes && repo->keys && probe_now(repo, i, &probe);
    if (known || fresh)
        tz_store_trust(store, tz_probe_features(&probe));
    /* One that others are copied to from here may lie where it must not. */
    if (!writes || (repo->fill && strcmp(repo->fill, tz_store_name(store)) != 0))
        return 0;
    if (!known && !fresh)
        return tz_repo_ask_region(repo, i, err);
    if (tz_repo_check_region(repo->config, config_of(repo, i),
                             probe.has_region ? probe.region : NULL, err))
        return -1;
    return fresh ? keep_probe(repo, i, &probe, err) : 0;
}

int tz_repo_use_probes(struct tz_repo *repo, bool writes, struct tz_error *err)
{
    bool any = false;

    for (size_t i = 0; i < tz_mirror_count(repo->mirror); i++) {
        struct tz_error why = {0};
        if (!tz_mirror_usable(repo->mirror, i))
            continue;
        if (use_store(repo, i, writes, &why))
            tz_repo_put_out(repo, i, &why);
        any |= tz_mirror_usable(repo->mirror, i);
        if (why.kind && err)
            *err = why;
    }
    return any ? 0 : -1;
}
