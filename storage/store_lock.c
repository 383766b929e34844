/*
 * Locks of objects: what a store says of them is read back before it is believed.
 */
#include "store_private.h"

#include "tozai/util/log.h"
#include "tozai/util/time.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tozai/util/banned.h"

#define CANARY      "tmp/lock-"
#define CANARY_TEXT 48
#define CANARY_NS   (60 * TZ_SECOND_NS)

const char *tz_lock_mode_name(enum tz_lock_mode mode)
{
    static const char *const names[] = {"none", "governance", "compliance"};

    return names[mode];
}

enum tz_lock_mode tz_store_lock_mode(const struct tz_store *store)
{
    return store->lock_mode;
}

static int64_t whole_seconds(int64_t time_ns)
{
    return (time_ns + TZ_SECOND_NS - 1) / TZ_SECOND_NS * TZ_SECOND_NS;
}

static int check_able(const struct tz_store *store, struct tz_error *err)
{
    if (tz_store_features(store) & TZ_STORE_LOCKS)
        return 0;
    return tz_fail(err, TZ_UNSUPPORTED, "store '%s' cannot lock objects", store->name);
}

static int check_change(const struct tz_store *store, const char *name, struct tz_error *err)
{
    if (check_able(store, err) || tz_store_check_name(name, err))
        return -1;
    return tz_store_check_writable(store, name, err);
}

int tz_store_set_lock(struct tz_store *store, enum tz_lock_mode mode, int64_t until_ns,
                      struct tz_error *err)
{
    struct tz_store_lock lock = {.mode = mode};

    if (mode != TZ_LOCK_NONE) {
        if (check_able(store, err))
            return -1;
        lock.until_ns = whole_seconds(until_ns);
    }
    (void)pthread_mutex_lock(&store->mutex);
    store->lock = lock;
    (void)pthread_mutex_unlock(&store->mutex);
    return 0;
}

struct tz_store_lock tz_store_put_lock(struct tz_store *store)
{
    (void)pthread_mutex_lock(&store->mutex);
    struct tz_store_lock lock = store->lock;
    (void)pthread_mutex_unlock(&store->mutex);
    return lock;
}

static struct tz_store_lock lock_for(struct tz_store *store, const char *name)
{
    if (*store->unlocked && strncmp(name, store->unlocked, strlen(store->unlocked)) == 0)
        return (struct tz_store_lock){0};
    return tz_store_put_lock(store);
}

static bool is_enough(const struct tz_store_lock *is, const struct tz_store_lock *wanted)
{
    return is->mode >= wanted->mode && is->until_ns >= wanted->until_ns;
}

/* It must be locked at least as was asked for. */
static int check_lock(struct tz_store *store, const char *name, const struct tz_store_lock *wanted,
                      struct tz_error *err)
{
    struct tz_store_lock is = {0};
    char is_text[TZ_TIME_TEXT] = "", wanted_text[TZ_TIME_TEXT];

    if (store->driver->locks->read(store->state, name, NULL, &is, err))
        return tz_while(err, "read the lock of '%s' back", name);
    if (is_enough(&is, wanted))
        return 0;
    tz_time_format(wanted_text, wanted->until_ns);
    if (is.mode != TZ_LOCK_NONE)
        tz_time_format(is_text, is.until_ns);
    (void)tz_fail(err, TZ_UNSUPPORTED,
                  "store '%s' does not keep the lock of '%s': asked for %s until %s, it has %s%s%s",
                  store->name, name, tz_lock_mode_name(wanted->mode), wanted_text,
                  tz_lock_mode_name(is.mode), is.mode != TZ_LOCK_NONE ? " until " : "", is_text);
    return tz_hint(err,
                   "its bucket needs Object Lock, and the credentials the rights "
                   "s3:PutObjectRetention and s3:GetObjectRetention; else take 'object_lock' "
                   "out of [store %s]",
                   store->name);
}

int tz_store_put_locked(struct tz_store *store, const char *name, const void *data, size_t len,
                        bool replace, struct tz_error *err)
{
    const struct tz_store_lock lock = lock_for(store, name);

    if (lock.mode == TZ_LOCK_NONE)
        return store->driver->put(store->state, name, data, len, replace, err);
    if (store->driver->locks->put(store->state, name, data, len, replace, &lock, err))
        return -1;
    return check_lock(store, name, &lock, err);
}

int tz_store_read_lock(struct tz_store *store, const char *name, struct tz_store_lock *ret,
                       struct tz_error *err)
{
    struct tz_store_lock lock = {0};

    if (check_able(store, err) || tz_store_check_name(name, err) ||
        store->driver->locks->read(store->state, name, NULL, &lock, err))
        return -1;
    *ret = lock;
    return 0;
}

int tz_store_extend_lock(struct tz_store *store, const char *name, const struct tz_store_lock *lock,
                         struct tz_error *err)
{
    const struct tz_store_lock wanted = {.mode = lock->mode,
                                         .until_ns = whole_seconds(lock->until_ns)};
    struct tz_error why = {0}, other = {0};

    if (check_change(store, name, err))
        return -1;
    if (!store->driver->locks->extend(store->state, name, &wanted, &why))
        return check_lock(store, name, &wanted, err);
    /* Refused, perhaps because it is locked longer than that. */
    if (why.kind != TZ_NOT_FOUND && !check_lock(store, name, &wanted, &other))
        return 0;
    if (err)
        *err = why;
    return tz_while(err, "extend the lock of '%s'", name);
}

int tz_store_need_lock(struct tz_store *store, const char *name, struct tz_error *err)
{
    const struct tz_store_lock lock = lock_for(store, name);
    struct tz_store_lock is = {0};

    if (lock.mode == TZ_LOCK_NONE)
        return 0;
    if (tz_store_read_lock(store, name, &is, err))
        return -1;
    return is_enough(&is, &lock) ? 0 : tz_store_extend_lock(store, name, &lock, err);
}

int tz_store_hold(struct tz_store *store, const char *name, bool held, struct tz_error *err)
{
    struct tz_store_lock is = {0};

    if (check_change(store, name, err) ||
        store->driver->locks->hold(store->state, name, held, err) ||
        store->driver->locks->read(store->state, name, NULL, &is, err))
        return tz_while(err, "%s '%s'", held ? "hold" : "release", name);
    if (is.held == held)
        return 0;
    return tz_fail(err, TZ_UNSUPPORTED, "store '%s' does not keep legal holds: '%s' is %s",
                   store->name, name, is.held ? "still held" : "not held");
}

int tz_store_purge(struct tz_store *store, const char *name, struct tz_error *err)
{
    if (check_change(store, name, err))
        return -1;
    return store->driver->locks->purge(store->state, name, err);
}

int tz_store_versions(struct tz_store *store, const char *prefix, tz_store_version_fn *found,
                      void *arg, struct tz_error *err)
{
    if (check_able(store, err))
        return -1;
    return store->driver->locks->versions(store->state, prefix, found, arg, err);
}

int tz_store_get_version(struct tz_store *store, const char *name, const char *id, size_t max,
                         struct tz_buf *out, struct tz_error *err)
{
    size_t before = out->len;

    if (check_able(store, err) || tz_store_check_name(name, err))
        return -1;
    if (!store->driver->locks->get_version(store->state, name, id, max, out, err))
        return 0;
    out->len = before;
    return -1;
}

int tz_store_read_version_lock(struct tz_store *store, const char *name, const char *id,
                               struct tz_store_lock *ret, struct tz_error *err)
{
    if (check_able(store, err) || tz_store_check_name(name, err))
        return -1;
    return store->driver->locks->read(store->state, name, id, ret, err);
}

/* --- The proof --- */

struct proof {
    struct tz_store *store;
    struct tz_store_lock lock;
    int64_t now_ns; /* by the store's clock */
    char locked[CANARY_TEXT], plain[CANARY_TEXT];
};

static bool is_there(const struct proof *proof, const char *name)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf back = {0};
    struct tz_store *store = proof->store;

    return !store->driver->get(store->state, name, 0, sizeof(CANARY), 0, &back, NULL) &&
           back.len == sizeof(CANARY) && memcmp(back.data, CANARY, sizeof(CANARY)) == 0;
}

static int not_kept(const struct proof *proof, struct tz_error *err)
{
    (void)tz_fail(err, TZ_UNSUPPORTED,
                  "store '%s' takes a lock and deletes the locked object all the same",
                  proof->store->name);
    return tz_hint(err,
                   "nothing there is safe from deletion: use another provider, or take "
                   "'object_lock' out of [store %s]",
                   proof->store->name);
}

/* What is locked must not go. */
static int try_locked(struct proof *proof, struct tz_error *err)
{
    struct tz_store *store = proof->store;
    const struct tz_store_lock_driver *locks = store->driver->locks;
    struct tz_error why = {0};

    if (locks->put(store->state, proof->locked, CANARY, sizeof(CANARY), true, &proof->lock, err) ||
        check_lock(store, proof->locked, &proof->lock, err))
        return -1;
    if (!locks->purge(store->state, proof->locked, &why) || !is_there(proof, proof->locked))
        return not_kept(proof, err);
    if (why.kind == TZ_DENIED)
        return 0;
    if (err)
        *err = why;
    return tz_while(err, "try to delete a locked object");
}

/* An object without a lock, which shows what time it is there: a clock that is behind would lock
 * nothing. */
static int put_plain(struct proof *proof, struct tz_error *err)
{
    struct tz_store *store = proof->store;
    struct tz_store_stat stat = {0};

    if (store->driver->put(store->state, proof->plain, CANARY, sizeof(CANARY), true, err) ||
        store->driver->stat(store->state, proof->plain, &stat, err))
        return -1;
    if (stat.changed_ns > 0)
        proof->now_ns = stat.changed_ns;
    proof->lock.until_ns = whole_seconds(proof->now_ns + CANARY_NS);
    return 0;
}

/* What is not locked must go, else the refusal was none of the lock. */
static int try_plain(struct proof *proof, bool *ret_proven, struct tz_error *err)
{
    struct tz_store *store = proof->store;
    const struct tz_store_lock_driver *locks = store->driver->locks;
    struct tz_store_lock is = {0};
    struct tz_error why = {0};

    if (!locks->purge(store->state, proof->plain, &why)) {
        *ret_proven = true;
        return 0;
    }
    if (why.kind != TZ_DENIED) {
        if (err)
            *err = why;
        return tz_while(err, "try to delete an object");
    }
    /* The bucket may lock all that comes. */
    if (locks->read(store->state, proof->plain, NULL, &is, err))
        return -1;
    *ret_proven = is.mode != TZ_LOCK_NONE && is.until_ns > proof->now_ns;
    return 0;
}

/* What is locked stays for a while, under a mark of deletion: who compares the stores by their
 * listings does not find it. */
static void hide(struct proof *proof)
{
    struct tz_error why = {0};

    if (proof->store->driver->remove(proof->store->state, proof->locked, &why))
        tz_debug("%s", why.message);
}

struct left {
    struct tz_store *store;
    char last[TZ_STORE_NAME_MAX + 1];
};

/* Of earlier proofs; those that are locked still stay. */
static int remove_left(void *arg, const struct tz_store_version *version, struct tz_error *err)
{
    struct left *left = arg;
    struct tz_error why = {0};

    (void)err;
    if (strcmp(left->last, version->name) == 0)
        return 0;
    (void)snprintf(left->last, sizeof(left->last), "%s", version->name);
    if (left->store->driver->locks->purge(left->store->state, version->name, &why))
        tz_debug("%s", why.message);
    return 0;
}

int tz_store_prove_lock(struct tz_store *store, enum tz_lock_mode mode, bool *ret_proven,
                        struct tz_error *err)
{
    int64_t now_ns = tz_now();
    struct proof proof = {
        .store = store,
        .lock = {.mode = mode},
        .now_ns = now_ns,
    };
    struct left left = {.store = store};
    struct tz_error why = {0};

    if (check_able(store, err) || tz_store_check_writable(store, CANARY, err))
        return -1;
    if (store->driver->locks->versions(store->state, CANARY, remove_left, &left, &why))
        tz_debug("%s", why.message);
    (void)snprintf(proof.locked, sizeof(proof.locked), CANARY "%" PRIx64, (uint64_t)now_ns);
    (void)snprintf(proof.plain, sizeof(proof.plain), CANARY "%" PRIx64 "-free", (uint64_t)now_ns);
    *ret_proven = false;
    if (!put_plain(&proof, err) && !try_locked(&proof, err) &&
        !try_plain(&proof, ret_proven, err)) {
        hide(&proof);
        return 0;
    }
    /* There may never be another proof that would find it. */
    if (store->driver->locks->purge(store->state, proof.plain, &why))
        tz_debug("%s", why.message);
    return tz_while(err, "prove that locks hold");
}
