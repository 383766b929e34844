#include "internal.h"

#include "tozai/core/lock.h"
#include "tozai/util/file.h"
#include "tozai/util/log.h"
#include "tozai/util/time.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* What an init that was killed before its end leaves: key slots of a repository that never was. */
static const struct tz_listed *find_other(const struct tz_listing *listed)
{
    for (size_t i = 0; i < listed->count; i++)
        if (tz_name_parse(listed->items[i].name).kind != TZ_NAME_IS_KEY)
            return &listed->items[i];
    return NULL;
}

/* A store that holds anything already is not ours to begin in. */
static int must_be_empty(struct tz_mirror *mirror, size_t i, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_listing) struct tz_listing listed = {0};
    const struct tz_listed *other = NULL;
    struct tz_store_stat stat;

    if (tz_store_stat(tz_mirror_store(mirror, i), TZ_NAME_DESCRIPTOR, &stat, err))
        return -1;
    if (stat.exists)
        (void)tz_fail(err, TZ_EXISTS, "store '%s' holds a repository already",
                      tz_mirror_name(mirror, i));
    else if (tz_listing_read(&listed, tz_mirror_store(mirror, i), "", err))
        return -1;
    else if ((other = find_other(&listed)))
        (void)tz_fail(err, TZ_EXISTS, "store '%s' is not empty ('%s' is there)",
                      tz_mirror_name(mirror, i), other->name);
    else
        return 0;
    return tz_hint(err, "choose another place, or use the repository that is there");
}

/* Slots of a repository that never was would look like damage in the new one. */
static int remove_slots(struct tz_mirror *mirror, size_t i, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_listing) struct tz_listing listed = {0};
    struct tz_store *store = tz_mirror_store(mirror, i);

    if (tz_listing_read(&listed, store, "keys/", err))
        return -1;
    for (size_t k = 0; k < listed.count; k++)
        if (tz_store_remove(store, listed.items[k].name, err))
            return tz_while(err, "store '%s'", tz_mirror_name(mirror, i));
    return 0;
}

static int need_all(struct tz_mirror *mirror, struct tz_error *err)
{
    for (size_t i = 0; i < tz_mirror_count(mirror); i++) {
        struct tz_error why = {0};
        if (!tz_mirror_usable(mirror, i)) {
            (void)tz_mirror_error(mirror, i, &why);
            if (err)
                *err = why;
            return tz_while(err, "store '%s'", tz_mirror_name(mirror, i));
        }
    }
    return 0;
}

static int put_all(struct tz_mirror *mirror, const char *name, const struct tz_buf *bytes,
                   struct tz_error *err)
{
    for (size_t i = 0; i < tz_mirror_count(mirror); i++)
        if (tz_store_put(tz_mirror_store(mirror, i), name, bytes->data, bytes->len, err))
            return tz_while(err, "store '%s'", tz_mirror_name(mirror, i));
    return 0;
}

/* What was just put into the first store, under a name that is random, must not be in the
 * second. */
static int must_be_apart(const struct tz_repo *repo, size_t first, size_t second, const char *name,
                         struct tz_error *err)
{
    struct tz_mirror *mirror = repo->mirror;
    struct tz_store_stat stat = {0};
    struct tz_error ignored = {0};

    if (tz_store_stat(tz_mirror_store(mirror, second), name, &stat, err))
        return tz_while(err, "store '%s'", tz_mirror_name(mirror, second));
    if (!stat.exists)
        return 0;
    /* If it stays the next init removes it. */
    if (tz_store_remove(tz_mirror_store(mirror, first), name, &ignored))
        tz_debug("%s", ignored.message);
    return tz_repo_one_place(repo, first, second, err);
}

static int put_slot(struct tz_repo *repo, const struct tz_keys *keys, const char *label,
                    const struct tz_unlock *unlock, const struct tz_kdf_cost *cost,
                    struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf slot = {0};
    struct tz_mirror *mirror = repo->mirror;
    char name[TZ_NAME_TEXT];

    if (tz_slot_seal(keys, TZ_ROLE_OPERATOR, label, unlock, cost, &slot, err) ||
        tz_sha256(repo->slot, slot.data, slot.len, err))
        return -1;
    tz_name_key(name, repo->slot);
    for (size_t i = 0; i < tz_mirror_count(mirror); i++) {
        if (tz_store_put(tz_mirror_store(mirror, i), name, slot.data, slot.len, err))
            return tz_while(err, "store '%s'", tz_mirror_name(mirror, i));
        for (size_t k = i + 1; k < tz_mirror_count(mirror); k++)
            if (must_be_apart(repo, i, k, name, err))
                return -1;
    }
    return 0;
}

static int make_secret(const struct tz_repo_init_options *options, struct tz_unlock *ret,
                       struct tz_error *err)
{
    const struct tz_config *config = options->config;

    if (config->key_file && !config->passphrase_file && !config->passphrase_command &&
        access(config->key_file, F_OK) != 0 && errno == ENOENT &&
        tz_key_file_create(config->key_file, err))
        return -1;
    return tz_repo_unlock_secret(config, options->no_prompt, true, ret, err);
}

/* A new repository has no catalog yet, so one that is here is of another.  The repository is made
 * by now: this is no reason to fail. */
static void put_old_catalog_aside(const struct tz_repo *repo)
{
    TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(repo->config->state, "catalog.db");
    struct tz_error why = {0};
    struct stat stat;

    if (!path || lstat(path, &stat))
        return;
    if (tz_catalog_put_aside(repo->config->state, &why))
        tz_repo_warn(repo, "'%s' holds the catalog of another repository: %s", repo->config->state,
                     why.message);
    else
        tz_repo_warn(repo, "'%s' held the catalog of another repository: it was put aside",
                     repo->config->state);
}

static bool is_local(const struct tz_repo *repo, size_t i)
{
    return tz_store_features(tz_mirror_store(repo->mirror, i)) & TZ_STORE_LOCAL;
}

/* The first catalog, but for local stores only it would say nothing. */
static int open_catalog(struct tz_repo *repo, struct tz_error *err)
{
    if (repo->catalog)
        return 0;
    return tz_catalog_open(&repo->catalog, repo->config->state, repo->descriptor.repo_id, err) ||
                   tz_repo_note_slot(repo, true, err)
               ? -1
               : 0;
}

/* What the stores do is found out at once, by whoever may do most.  A later run can do it, too. */
static void probe_stores(struct tz_repo *repo)
{
    struct tz_error why = {0};

    for (size_t i = 0; i < tz_mirror_count(repo->mirror); i++) {
        struct tz_probe probe;
        if (is_local(repo, i))
            continue;
        if (open_catalog(repo, &why) ||
            tz_repo_probe(repo->config, tz_mirror_store(repo->mirror, i), &probe, &why) ||
            tz_repo_set_probe(repo, i, &probe, &why))
            tz_repo_warn(repo, "%s", why.message);
    }
    tz_catalog_free(TZ_TAKE(repo->catalog));
}

/* A store that does not keep locks is not begun in when it should. */
static int prove_locks(struct tz_repo *repo, struct tz_error *err)
{
    int64_t until_ns = tz_lock_end(repo->config, NULL, tz_now()) + TZ_LOCK_STEP_NS;

    for (size_t i = 0; i < tz_mirror_count(repo->mirror); i++) {
        struct tz_store *store = tz_mirror_store(repo->mirror, i);
        enum tz_lock_mode mode = tz_store_lock_mode(store);
        bool proven = false;
        if (mode == TZ_LOCK_NONE)
            continue;
        if (tz_store_prove_lock(store, mode, &proven, err) ||
            tz_store_set_lock(store, mode, until_ns, err))
            return tz_while(err, "store '%s'", tz_mirror_name(repo->mirror, i));
        if (!proven)
            tz_repo_warn(repo,
                         "store '%s': the credentials may delete nothing, so that it could not be "
                         "tried whether locks hold; 'tozai doctor' with an operator's tries it",
                         tz_mirror_name(repo->mirror, i));
    }
    return 0;
}

static int check_stores(struct tz_repo *repo, struct tz_error *err)
{
    if (need_all(repo->mirror, err))
        return -1;
    for (size_t i = 0; i < tz_mirror_count(repo->mirror); i++)
        if (tz_repo_ask_region(repo, i, err) || must_be_empty(repo->mirror, i, err))
            return -1;
    if (prove_locks(repo, err))
        return -1;
    for (size_t i = 0; i < tz_mirror_count(repo->mirror); i++)
        if (remove_slots(repo->mirror, i, err))
            return -1;
    return 0;
}

int tz_repo_init(const struct tz_repo_init_options *options, uint8_t ret_id[TZ_REPO_ID_SIZE],
                 struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_mirror) struct tz_mirror *mirror = NULL;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = NULL;
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock unlock = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    struct tz_descriptor descriptor = {.version = TZ_FORMAT_VERSION, .created_ns = tz_now()};

    if (tz_make_dirs(options->config->state, 0700, err) || make_secret(options, &unlock, err) ||
        tz_repo_open_stores(&mirror, options->config, NULL, true, err))
        return -1;
    struct tz_repo repo = {.config = options->config,
                           .mirror = mirror,
                           .warn = options->warn,
                           .warn_arg = options->warn_arg,
                           .lock_fd = -1};
    if (check_stores(&repo, err))
        return -1;
    tz_random(descriptor.repo_id, sizeof(descriptor.repo_id));
    if (tz_keys_create(&keys, descriptor.repo_id, err) ||
        tz_descriptor_write(&descriptor, &bytes, err) ||
        put_slot(&repo, keys, "operator", &unlock, &options->cost, err) ||
        put_all(mirror, TZ_NAME_DESCRIPTOR, &bytes, err))
        return -1;
    repo.descriptor = descriptor;
    put_old_catalog_aside(&repo);
    probe_stores(&repo);
    memcpy(ret_id, descriptor.repo_id, TZ_REPO_ID_SIZE);
    return 0;
}

int tz_repo_recover(const struct tz_repo_init_options *options, const struct tz_keys *keys,
                    const struct tz_unlock *unlock, struct tz_error *err)
{
    struct tz_repo repo = {.config = options->config,
                           .warn = options->warn,
                           .warn_arg = options->warn_arg,
                           .lock_fd = -1};
    TZ_SCOPED(tz_scoped_mirror) struct tz_mirror *mirror = NULL;

    if (tz_repo_open_stores(&mirror, options->config, NULL, false, err))
        return -1;
    repo.mirror = mirror;
    int failed = tz_repo_check_stores(&repo, NULL, err);
    tz_buf_clear(&repo.descriptor_bytes);
    if (failed)
        return -1;
    if (memcmp(repo.descriptor.repo_id, tz_keys_repo_id(keys), TZ_REPO_ID_SIZE) != 0)
        return tz_fail(err, TZ_KEY, "the paper copy belongs to another repository");
    if (need_all(mirror, err))
        return -1;
    return put_slot(&repo, keys, "recovered", unlock, &options->cost, err);
}

int tz_repo_add_slot(struct tz_repo *repo, enum tz_role role, const char *label,
                     const struct tz_unlock *unlock, const struct tz_kdf_cost *cost,
                     uint8_t ret_hash[TZ_HASH_SIZE], struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf slot = {0};
    char name[TZ_NAME_TEXT];

    if (role == TZ_ROLE_OPERATOR && tz_keys_need_operator(repo->keys, "add an operator", err))
        return -1;
    if (tz_slot_seal(repo->keys, role, label, unlock, cost, &slot, err) ||
        tz_sha256(ret_hash, slot.data, slot.len, err))
        return -1;
    tz_name_key(name, ret_hash);
    if (need_all(repo->mirror, err))
        return tz_while(err, "a key slot must go to every store");
    return put_all(repo->mirror, name, &slot, err);
}

int tz_repo_remove_slot(struct tz_repo *repo, const uint8_t hash[TZ_HASH_SIZE],
                        struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) struct tz_slot_entry *slots = NULL;
    size_t count = 0, operators = 0;
    bool found = false, is_operator = false;
    char name[TZ_NAME_TEXT];

    if (tz_repo_slots(repo, &slots, &count, err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        bool this = memcmp(slots[i].hash, hash, TZ_HASH_SIZE) == 0;
        found |= this;
        is_operator |= this && slots[i].info.role == TZ_ROLE_OPERATOR;
        operators += slots[i].info.role == TZ_ROLE_OPERATOR;
    }
    if (!found)
        return tz_fail(err, TZ_NOT_FOUND, "there is no such key slot");
    if (is_operator && operators == 1) {
        (void)tz_fail(err, TZ_INVALID,
                      "this is the last operator slot: without it nothing could "
                      "ever be restored");
        return tz_hint(err, "add another one first: tozai key add --role operator");
    }
    if (need_all(repo->mirror, err))
        return tz_while(err, "a key slot must be removed from every store");
    tz_name_key(name, hash);
    for (size_t i = 0; i < tz_mirror_count(repo->mirror); i++)
        if (tz_store_remove(tz_mirror_store(repo->mirror, i), name, err))
            return tz_while(err, "store '%s'", tz_mirror_name(repo->mirror, i));
    return 0;
}
