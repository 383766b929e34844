/*
 * One object's copies are checked, on a worker thread.
 */
#include "copy.h"

#include "tozai/util/log.h"

#include <string.h>

#include "tozai/util/banned.h"

struct tz_store *tz_copy_store(const struct tz_check_task *task, size_t i)
{
    return tz_mirror_store(tz_repo_mirror(tz_checker_repo(task->checker)), i);
}

void tz_copy_judge(struct tz_check_task *task, size_t store, const struct tz_error *why)
{
    task->why = *why;
    tz_debug("%s: %s", task->name, why->message);
    if (tz_check_is_fatal(why->kind)) {
        if (task->fatal.kind == TZ_OK)
            task->fatal = *why;
        return;
    }
    task->outcome[store] = why->kind == TZ_NOT_FOUND     ? TZ_OUTCOME_GONE
                           : why->kind == TZ_UNAVAILABLE ? TZ_OUTCOME_UNREACHABLE
                                                         : TZ_OUTCOME_BAD;
}

int tz_copy_read(struct tz_check_task *task, size_t store, uint64_t offset, size_t len,
                 struct tz_buf *out, struct tz_error *err)
{
    tz_buf_reset(out);
    if (tz_check_read(tz_copy_store(task, store), task->name, offset, len, out, err))
        return -1;
    task->bytes[store] += out->len;
    return 0;
}

/* The hash of a whole pack, read piece by piece. */
static int hash_copy(struct tz_check_task *task, struct tz_check_worker *worker, size_t store,
                     uint8_t hash[TZ_HASH_SIZE], struct tz_error *err)
{
    bool local = tz_store_features(tz_copy_store(task, store)) & TZ_STORE_LOCAL;
    size_t window = local ? TZ_WINDOW_LOCAL : TZ_WINDOW_REMOTE;
    uint64_t offset = 0;

    /* What a copy before left behind is forgotten. */
    if (tz_sha256_end(worker->digest, hash, err))
        return -1;
    do {
        if (tz_copy_read(task, store, offset, window, &worker->other, err) ||
            tz_sha256_add(worker->digest, worker->other.data ? (void *)worker->other.data : "",
                          worker->other.len, err))
            return -1;
        offset += worker->other.len;
        if (offset > TZ_PACK_SIZE_MAX)
            return tz_fail(err, TZ_CORRUPT, "it is larger than a pack can be");
    } while (worker->other.len == window);
    return tz_sha256_end(worker->digest, hash, err);
}

int tz_copy_check_hash(struct tz_check_task *task, struct tz_check_worker *worker, size_t store,
                       struct tz_error *err)
{
    uint8_t hash[TZ_HASH_SIZE];

    if (hash_copy(task, worker, store, hash, err))
        return -1;
    if (memcmp(hash, task->parsed.hash, TZ_HASH_SIZE) != 0)
        return tz_fail(err, TZ_CORRUPT, "its SHA-256 is not what it should be");
    return 0;
}

void tz_copy_settle_by_hash(struct tz_check_task *task, struct tz_check_worker *worker,
                            uint32_t stores)
{
    for (size_t i = 0; i < TZ_MIRROR_MAX_STORES; i++) {
        struct tz_error why = {0};
        if (!(stores & TZ_STORE_BIT(i)))
            continue;
        task->outcome[i] = TZ_OUTCOME_GOOD;
        if (tz_copy_check_hash(task, worker, i, &why))
            tz_copy_judge(task, i, &why);
    }
}

static void check_small(struct tz_check_task *task, struct tz_check_worker *worker)
{
    const struct tz_keys *keys = tz_repo_keys(tz_checker_repo(task->checker));
    size_t max = tz_check_size_max(task->parsed.kind) + 1;
    struct tz_buf *bytes = &worker->other;

    for (size_t i = 0; i < TZ_MIRROR_MAX_STORES; i++) {
        struct tz_error why = {0};
        if (!(task->stores & TZ_STORE_BIT(i)))
            continue;
        task->outcome[i] = TZ_OUTCOME_GOOD;
        if (tz_copy_read(task, i, 0, max, bytes, &why) ||
            tz_check_bytes(keys, task->name, bytes->data ? (void *)bytes->data : "", bytes->len,
                           task->deep, &why))
            tz_copy_judge(task, i, &why);
    }
}

void tz_check_run(struct tz_check_task *task, struct tz_check_worker *worker)
{
    if (task->parsed.kind != TZ_NAME_IS_PACK)
        check_small(task, worker);
    else if (!task->described)
        tz_check_undescribed(task, worker);
    else if (task->deep)
        tz_check_content(task, worker);
    else
        tz_copy_settle_by_hash(task, worker, task->stores);
}
