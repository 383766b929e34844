/*
 * The content of packs.
 *
 * Of a pack one copy is opened: every byte of it is under an AEAD of the pack's own key, and the
 * header that holds this key is the one that the index names, so a copy that opens needs no
 * SHA-256.  The other copies only have to be the same.  A difference is settled by their hashes.
 */
#include "copy.h"

#include <string.h>

#include "tozai/util/banned.h"

#define PIECE_LOCAL ((size_t)512 << 10) /* that is compared at once */

/* A part of another copy, read while the same part of ours is. */
struct ahead {
    struct tz_job job;
    struct proof *proof;
    bool running;
    size_t store;
    uint64_t offset;
    size_t len;
    int status;
    struct tz_error why;
};

struct proof {
    struct tz_check_task *task;
    struct tz_check_worker *worker;
    const struct tz_keys *keys;
    struct tz_mirror *mirror;
    size_t mine;     /* the store whose copy is opened */
    uint32_t others; /* stores whose copies are still the same */
    uint32_t differ; /* those whose are not */
    size_t window;   /* frames that are read at once */
    size_t piece;    /* bytes that are compared at once */
    uint8_t header[TZ_PACK_HEADER_SIZE];
    uint64_t begin; /* of the directory */
    struct ahead ahead;
};

static void read_other(struct tz_job *job, unsigned worker)
{
    struct ahead *ahead = (struct ahead *)(void *)job;
    struct proof *proof = ahead->proof;

    (void)worker;
    ahead->status = tz_copy_read(proof->task, ahead->store, ahead->offset, ahead->len,
                                 &proof->worker->other, &ahead->why);
}

/* Begin to read the first other copy, as compare_others() will want it next. */
static void look_ahead(struct proof *proof, uint64_t offset, size_t len, bool at_end)
{
    size_t i = 0;

    if (!proof->worker->mate || !proof->others || len == 0 || len > proof->piece)
        return;
    while (!(proof->others & TZ_STORE_BIT(i)))
        i++;
    proof->ahead = (struct ahead){.job.run = read_other,
                                  .proof = proof,
                                  .running = true,
                                  .store = i,
                                  .offset = offset,
                                  .len = len + at_end};
    tz_pool_submit(proof->worker->mate, &proof->ahead.job);
}

static void end_ahead(struct proof *proof)
{
    if (proof->ahead.running)
        tz_pool_wait(proof->worker->mate, &proof->ahead.job);
    proof->ahead.running = false;
}

static int read_to_compare(struct proof *proof, size_t i, uint64_t offset, size_t len,
                           struct tz_error *err)
{
    struct ahead *ahead = &proof->ahead;
    bool same = ahead->running && ahead->store == i && ahead->offset == offset && ahead->len == len;

    end_ahead(proof);
    if (!same)
        return tz_copy_read(proof->task, i, offset, len, &proof->worker->other, err);
    return ahead->status ? tz_check_pass(err, &ahead->why) : 0;
}

/* Store i has the same bytes there?  They are read in pieces that stay in the processor's cache. */
static int compare_copy(struct proof *proof, size_t i, uint64_t offset, const uint8_t *data,
                        size_t len, bool at_end, bool *ret_same, struct tz_error *err)
{
    const struct tz_buf *other = &proof->worker->other;

    *ret_same = true;
    for (size_t at = 0; at < len && *ret_same;) {
        size_t part = TZ_MIN(len - at, proof->piece);
        /* One byte more shows a copy that is too long. */
        size_t more = at_end && at + part == len;
        if (read_to_compare(proof, i, offset + at, part + more, err))
            return -1;
        *ret_same = other->len == part && memcmp(other->data, data + at, part) == 0;
        at += part;
    }
    return 0;
}

static void compare_others(struct proof *proof, uint64_t offset, const uint8_t *data, size_t len,
                           bool at_end)
{
    for (size_t i = 0; i < tz_mirror_count(proof->mirror); i++) {
        struct tz_error why = {0};
        bool same = false;
        if (!(proof->others & TZ_STORE_BIT(i)))
            continue;
        if (compare_copy(proof, i, offset, data, len, at_end, &same, &why)) {
            proof->others &= ~TZ_STORE_BIT(i);
            tz_copy_judge(proof->task, i, &why);
        } else if (!same) {
            proof->others &= ~TZ_STORE_BIT(i);
            proof->differ |= TZ_STORE_BIT(i);
        }
    }
}

static int read_mine(struct proof *proof, uint64_t offset, size_t len, bool at_end,
                     struct tz_buf *out, struct tz_error *err)
{
    if (tz_copy_read(proof->task, proof->mine, offset, len + at_end, out, err))
        return -1;
    if (out->len != len)
        return tz_fail(err, TZ_CORRUPT, "it is too %s", out->len < len ? "short" : "long");
    return 0;
}

static int open_header(struct proof *proof, uint8_t key[TZ_KEY_SIZE], struct tz_error *err)
{
    const struct tz_check_task *task = proof->task;
    struct tz_buf *buf = &proof->worker->mine;

    look_ahead(proof, 0, TZ_PACK_HEADER_SIZE, false);
    if (read_mine(proof, 0, TZ_PACK_HEADER_SIZE, false, buf, err))
        return -1;
    memcpy(proof->header, buf->data, TZ_PACK_HEADER_SIZE);
    /* A pack that is good in itself may lie under another one's name. */
    if (task->described && memcmp(proof->header, task->header, TZ_PACK_HEADER_SIZE) != 0)
        return tz_fail(err, TZ_CORRUPT, "its header is not the one that the index names");
    if (tz_pack_header_open(proof->keys, proof->header, key, err))
        return -1;
    compare_others(proof, 0, proof->header, TZ_PACK_HEADER_SIZE, false);
    return 0;
}

/* Directory and trailer: the first guess at their length is mostly enough. */
static int open_directory(struct proof *proof, const uint8_t key[TZ_KEY_SIZE], struct tz_error *err)
{
    struct tz_check_worker *worker = proof->worker;
    struct tz_check_task *task = proof->task;
    struct tz_buf *tail = &worker->tail;

    if (task->size < TZ_PACK_HEADER_SIZE + TZ_AEAD_TAG + TZ_PACK_TRAILER_SIZE)
        return tz_fail(err, TZ_CORRUPT, "it is too short");
    size_t len = (size_t)TZ_MIN(task->size - TZ_PACK_HEADER_SIZE, TZ_CHECK_TAIL);
    look_ahead(proof, task->size - len, len, true);
    if (read_mine(proof, task->size - len, len, true, tail, err) ||
        tz_check_directory_begin(worker->aead, proof->header, key, tail->data, len, task->size,
                                 &proof->begin, err))
        return -1;
    size_t needed = (size_t)(task->size - proof->begin);
    if (needed > len) {
        if (read_mine(proof, proof->begin, needed, true, tail, err))
            return -1;
        len = needed;
    }
    const uint8_t *data = tail->data + (len - needed);
    if (tz_check_directory(worker->aead, proof->header, key, data, needed, task->size,
                           &worker->plain, &task->info, err))
        return -1;
    /* All that was read: what was looked at ahead is just that. */
    if (needed < len)
        compare_others(proof, task->size - len, tail->data, len, true);
    else
        compare_others(proof, proof->begin, data, needed, true);
    return 0;
}

static int check_chunks(struct proof *proof, const struct tz_frame_info *frame,
                        const uint8_t *plain, struct tz_error *err)
{
    const struct tz_pack_info *info = &proof->task->info;
    uint8_t id[TZ_ID_SIZE];

    for (uint32_t i = 0; i < frame->chunk_count; i++) {
        const struct tz_chunk_ref *chunk = &info->chunks[frame->first_chunk + i];
        if (tz_idhash(proof->worker->hash, plain, chunk->len, id, err))
            return -1;
        if (memcmp(id, chunk->id, TZ_ID_SIZE) != 0)
            return tz_fail(err, TZ_CORRUPT, "a chunk's content is not what its id says");
        plain += chunk->len;
    }
    return 0;
}

/* The frames [first, end), which lie back to back in data. */
static int open_frames(struct proof *proof, const uint8_t key[TZ_KEY_SIZE], uint32_t first,
                       uint32_t end, uint8_t *data, struct tz_error *err)
{
    struct tz_buf *plain = &proof->worker->plain;

    for (uint32_t i = first; i < end; i++) {
        const struct tz_frame_info *frame = &proof->task->info.frames[i];
        tz_buf_reset(plain);
        if (tz_buf_reserve(plain, (size_t)frame->plain_len + 1, err) ||
            tz_frame_open(proof->worker->opener, proof->header, key, i, frame, data, plain->data,
                          err) ||
            check_chunks(proof, frame, plain->data, err))
            return -1;
        data += frame->sealed_len;
    }
    return 0;
}

/* The next frames that make up a window. */
static uint32_t window_end(const struct proof *proof, uint32_t first, size_t *ret_len)
{
    const struct tz_pack_info *info = &proof->task->info;
    uint32_t end = first;
    size_t len = 0;

    while (end < info->frame_count &&
           (end == first || len + info->frames[end].sealed_len <= proof->window))
        len += info->frames[end++].sealed_len;
    *ret_len = len;
    return end;
}

static int open_content(struct proof *proof, const uint8_t key[TZ_KEY_SIZE], struct tz_error *err)
{
    struct tz_buf *mine = &proof->worker->mine;
    uint64_t offset = TZ_PACK_HEADER_SIZE;
    uint32_t end = 0;

    for (uint32_t first = 0; first < proof->task->info.frame_count; first = end) {
        size_t len;
        end = window_end(proof, first, &len);
        look_ahead(proof, offset, len, false);
        if (read_mine(proof, offset, len, false, mine, err))
            return -1;
        /* Before opening, which decrypts in place. */
        compare_others(proof, offset, mine->data, len, false);
        if (open_frames(proof, key, first, end, mine->data, err))
            return -1;
        offset += len;
    }
    return 0;
}

/* Open the whole pack of one store and compare the others with it. */
static int prove(struct proof *proof, struct tz_error *err)
{
    uint8_t key[TZ_KEY_SIZE];

    tz_pack_info_clear(&proof->task->info);
    int failed = open_header(proof, key, err) || open_directory(proof, key, err) ||
                 open_content(proof, key, err);
    end_ahead(proof);
    tz_wipe(key, sizeof(key));
    if (failed)
        return -1;
    memcpy(proof->task->info.hash, proof->task->parsed.hash, TZ_HASH_SIZE);
    return 0;
}

static struct proof make_proof(struct tz_check_task *task, struct tz_check_worker *worker,
                               size_t mine)
{
    struct tz_repo *repo = tz_checker_repo(task->checker);
    struct proof proof = {
        .task = task,
        .worker = worker,
        .keys = tz_repo_keys(repo),
        .mirror = tz_repo_mirror(repo),
        .mine = mine,
        .window = TZ_WINDOW_LOCAL,
        .piece = PIECE_LOCAL,
    };

    for (size_t i = 0; i < TZ_MIRROR_MAX_STORES; i++)
        if ((task->stores & TZ_STORE_BIT(i)) &&
            !(tz_store_features(tz_copy_store(task, i)) & TZ_STORE_LOCAL))
            proof.window = proof.piece = TZ_WINDOW_REMOTE;
    return proof;
}

/* The turn-th store of the set. */
static size_t pick(uint32_t stores, size_t turn)
{
    size_t count = 0, i;

    for (i = 0; i < TZ_MIRROR_MAX_STORES; i++)
        count += (stores & TZ_STORE_BIT(i)) != 0;
    turn %= count;
    for (i = 0;; i++)
        if ((stores & TZ_STORE_BIT(i)) && turn-- == 0)
            return i;
}

/*
 * The pack does not open.  Is it this copy, or was it written so?  If its hash is right, and it
 * does not open the second time either, it was.
 */
static bool is_rotten(struct proof *proof, struct tz_error *why, bool *ret_opens)
{
    struct tz_check_task *task = proof->task;

    *ret_opens = false;
    tz_copy_judge(task, proof->mine, why);
    if (task->outcome[proof->mine] != TZ_OUTCOME_BAD || why->kind == TZ_IO ||
        why->kind == TZ_DENIED || tz_copy_check_hash(task, proof->worker, proof->mine, NULL))
        return false;
    *ret_opens = !prove(proof, why);
    if (*ret_opens)
        return false;
    tz_copy_judge(task, proof->mine, why);
    return task->outcome[proof->mine] == TZ_OUTCOME_BAD && why->kind == TZ_CORRUPT;
}

static void settle_differences(struct proof *proof)
{
    struct tz_check_task *task = proof->task;

    task->outcome[proof->mine] = TZ_OUTCOME_GOOD;
    for (size_t i = 0; i < TZ_MIRROR_MAX_STORES; i++)
        if (proof->others & TZ_STORE_BIT(i))
            task->outcome[i] = TZ_OUTCOME_GOOD;
    if (!proof->differ)
        return;
    tz_copy_settle_by_hash(task, proof->worker, proof->differ | TZ_STORE_BIT(proof->mine));
}

/* The content of a pack that the catalog describes. */
void tz_check_content(struct tz_check_task *task, struct tz_check_worker *worker)
{
    uint32_t left = task->stores;

    while (left) {
        struct proof proof = make_proof(task, worker, pick(left, task->turn));
        struct tz_error why = {0};
        left &= ~TZ_STORE_BIT(proof.mine);
        proof.others = left;
        bool opens = !prove(&proof, &why), rotten = false;
        if (!opens && task->fatal.kind == TZ_OK)
            rotten = is_rotten(&proof, &why, &opens);
        if (task->fatal.kind != TZ_OK)
            return;
        if (opens) {
            task->has_info = true;
            settle_differences(&proof);
            return;
        }
        if (rotten) {
            /* The others are no better: those that are the same are as it was written. */
            task->rotten = true;
            for (size_t i = 0; i < TZ_MIRROR_MAX_STORES; i++)
                if (left & TZ_STORE_BIT(i))
                    task->outcome[i] = TZ_OUTCOME_BAD;
            return;
        }
        /* Those that could not be read on the way are done with. */
        left &= proof.others | proof.differ;
    }
}

/* A pack that no index names: its hash, and if asked for what its directory says. */
void tz_check_undescribed(struct tz_check_task *task, struct tz_check_worker *worker)
{
    tz_copy_settle_by_hash(task, worker, task->stores);
    for (size_t i = 0; task->deep && !task->has_info && i < TZ_MIRROR_MAX_STORES; i++) {
        struct proof proof = make_proof(task, worker, i);
        struct tz_error why = {0};
        if (task->outcome[i] != TZ_OUTCOME_GOOD)
            continue;
        task->size = task->bytes[i]; /* all of it was read */
        if (!prove(&proof, &why)) {
            task->has_info = true;
        } else {
            task->rotten = true;
            tz_copy_judge(task, i, &why);
        }
    }
}
