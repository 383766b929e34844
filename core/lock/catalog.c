/*
 * What the catalog remembers of locks, among its small values: "lock <store> <object>" has a mode
 * and an end, "held <generation>" a 1 or a 0.
 */
#include "lock.h"

#include "tozai/util/hex.h"
#include "tozai/util/time.h"
#include "tozai/util/wire.h"

#include <inttypes.h>
#include <string.h>

#include "tozai/util/banned.h"

#define KEY_TEXT   96
#define LOCK_BYTES 9

static void lock_key(char key[KEY_TEXT], int64_t object, int64_t store)
{
    (void)snprintf(key, KEY_TEXT, "lock %" PRId64 " %" PRId64, store, object);
}

int tz_lock_put(struct tz_catalog *catalog, int64_t object, int64_t store,
                const struct tz_store_lock *lock, struct tz_error *err)
{
    char key[KEY_TEXT];
    uint8_t value[LOCK_BYTES] = {(uint8_t)lock->mode};

    lock_key(key, object, store);
    tz_store_le64(value + 1, (uint64_t)lock->until_ns);
    return tz_catalog_set_value(catalog, key, value, sizeof(value), err);
}

int tz_lock_get(struct tz_catalog *catalog, int64_t object, int64_t store,
                struct tz_store_lock *ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf value = {0};
    char key[KEY_TEXT];
    bool found = false;

    lock_key(key, object, store);
    *ret = (struct tz_store_lock){0};
    if (tz_catalog_get_value(catalog, key, &value, &found, err))
        return -1;
    /* What cannot be read is not known. */
    if (!found || value.len != LOCK_BYTES || value.data[0] > TZ_LOCK_COMPLIANCE)
        return 0;
    ret->mode = (enum tz_lock_mode)value.data[0];
    ret->until_ns = (int64_t)tz_load_le64(value.data + 1);
    return 0;
}

int tz_lock_note(struct tz_repo *repo, int64_t object, size_t i, struct tz_error *err)
{
    struct tz_store *store = tz_mirror_store(tz_repo_mirror(repo), i);

    if (!store || tz_store_lock_mode(store) == TZ_LOCK_NONE)
        return 0;
    const struct tz_store_lock lock = tz_store_put_lock(store);
    if (lock.mode == TZ_LOCK_NONE)
        return 0;
    return tz_lock_put(tz_repo_catalog(repo), object, tz_repo_store(repo, i), &lock, err);
}

static int64_t end_of(const struct tz_store_lock *lock)
{
    if (lock->held)
        return INT64_MAX;
    return lock->mode != TZ_LOCK_NONE && lock->until_ns > tz_now() ? lock->until_ns : 0;
}

int tz_lock_find(void *arg, size_t i, const char *name, int64_t *ret_until_ns, struct tz_error *err)
{
    struct tz_repo *repo = arg;
    struct tz_store *store = tz_mirror_store(tz_repo_mirror(repo), i);
    struct tz_store_lock lock = {0};
    struct tz_error why = {0};
    int64_t object = 0;

    *ret_until_ns = 0;
    if (!store || tz_store_lock_mode(store) == TZ_LOCK_NONE)
        return 0;
    if (tz_catalog_find_object(tz_repo_catalog(repo), name, &object, NULL, err) ||
        (object && tz_lock_get(tz_repo_catalog(repo), object, tz_repo_store(repo, i), &lock, err)))
        return -1;
    if (end_of(&lock) == 0 && tz_store_read_lock(store, name, &lock, &why)) {
        if (why.kind == TZ_NOT_FOUND)
            return 0;
        if (err)
            *err = why;
        return tz_while(err, "store '%s'", tz_mirror_name(tz_repo_mirror(repo), i));
    }
    *ret_until_ns = end_of(&lock);
    return 0;
}

static void held_key(char key[KEY_TEXT], const uint8_t id[TZ_HASH_SIZE])
{
    char hex[2 * TZ_HASH_SIZE + 1];

    tz_hex(hex, id, TZ_HASH_SIZE);
    (void)snprintf(key, KEY_TEXT, "held %s", hex);
}

int tz_lock_is_held(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE], bool *ret,
                    struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf value = {0};
    char key[KEY_TEXT];
    bool found = false;

    held_key(key, id);
    if (tz_catalog_get_value(catalog, key, &value, &found, err))
        return -1;
    *ret = found && value.len == 1 && value.data[0] == 1;
    return 0;
}

int tz_lock_set_held(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE], bool held,
                     struct tz_error *err)
{
    char key[KEY_TEXT];
    uint8_t value = held ? 1 : 0;

    held_key(key, id);
    return tz_catalog_set_value(catalog, key, &value, 1, err);
}
