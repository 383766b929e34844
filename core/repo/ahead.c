#include "internal.h"

#include "tozai/util/pool.h"
#include "tozai/util/time.h"

#include <string.h>

/* What is listed may be used for so long afterwards. */
#define FRESH_NS (5 * TZ_SECOND_NS)

/* Asked side by side; the requests of one follow each other. */
enum part { DESCRIPTOR, SLOT, TOMBSTONES, OTHERS, SMALL, PARTS, LIKELY };

struct question {
    struct tz_job job;
    struct tz_repo *repo;
    size_t store;
    enum part part;
};

/* On a thread of its own.  An error is kept for whoever takes the answer. */
static void ask(struct tz_job *job, unsigned worker)
{
    const struct question *question = (struct question *)(void *)job;
    struct tz_repo *repo = question->repo;
    struct tz_store *store = tz_mirror_store(repo->mirror, question->store);
    struct tz_ahead *ahead = &repo->ahead[question->store];
    struct tz_error ignored = {0}, *why = &ignored;
    const struct tz_store_terms terms = {.once = true, .still_s = TZ_SILENT_S};
    char name[TZ_NAME_TEXT];
    int status = 0;

    (void)worker;
    switch (question->part) {
    case DESCRIPTOR:
        why = &ahead->descriptor_error;
        status = tz_repo_get_small(store, TZ_NAME_DESCRIPTOR, DESCRIPTOR_MAX,
                                   repo->soon ? TZ_SOON : TZ_PATIENT, &ahead->descriptor, why);
        break;
    case SLOT:
        tz_name_key(name, repo->usual_slot);
        status = tz_repo_get_small(store, name, SLOT_MAX, TZ_ONCE, &ahead->slot, why);
        break;
    case TOMBSTONES:
        why = &ahead->tombstones_error;
        status = tz_small_read_tombstones(&ahead->small, store, TZ_ONCE, why);
        break;
    case OTHERS:
        why = &ahead->others_error;
        status = tz_small_read_others(&ahead->small, store, TZ_ONCE, why);
        break;
    case LIKELY:
        tz_name_pack(name, repo->likely.pack);
        status = tz_store_get_with(store, name, repo->likely.frame.offset,
                                   repo->likely.frame.sealed_len, &terms, &repo->likely.bytes, why);
        break;
    case SMALL:
    case PARTS:
    default:
        why = &ahead->others_error;
        status = tz_small_read(&ahead->small, store, TZ_ONCE, why);
        break;
    }
    /* A failure always has a kind. */
    if (status && why->kind == TZ_OK)
        why->kind = TZ_FAILED;
}

static bool is_asked(const struct tz_repo *repo, enum part part, bool slot)
{
    if (part == SLOT)
        return slot;
    if (part == SMALL)
        return !repo->any_order;
    return part == DESCRIPTOR || repo->any_order;
}

/* The place of the manifest's root. */
static int find_root(struct tz_repo *repo, const struct tz_head *head, struct tz_error *err)
{
    struct tz_likely *likely = &repo->likely;
    struct tz_chunk_place place;
    struct tz_catalog_pack pack;
    bool found = false;

    if (head->root_count == 0 ||
        tz_catalog_find_chunk(repo->catalog, head->root[0].id, &place, &found, err) || !found ||
        tz_catalog_get_pack(repo->catalog, place.pack, &pack, err) ||
        tz_catalog_get_frame(repo->catalog, place.pack, place.frame, &likely->frame, err))
        return -1;
    memcpy(likely->pack, pack.hash, TZ_HASH_SIZE);
    return 0;
}

/* What will be read of the generation that is meant. */
static bool guess(struct tz_repo *repo, const struct tz_repo_options *options)
{
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    struct tz_error ignored = {0};

    if (!options->soon || !options->likely || tz_repo_guess(repo, options->likely, &head, &ignored))
        return false;
    if (options->whole && tz_mirror_is_far(repo->mirror))
        tz_early_plan(repo, head.id);
    return !find_root(repo, &head, &ignored);
}

static const char *slot_key(bool operator)
{
    return operator? "slot:operator" : "slot:writer";
}

static bool get_slot(struct tz_repo *repo, bool operator, uint8_t ret[TZ_HASH_SIZE])
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf kept = {0};
    bool found = false;

    if (tz_catalog_get_value(repo->catalog, slot_key(operator), &kept, &found, NULL) || !found ||
        kept.len != TZ_HASH_SIZE)
        return false;
    memcpy(ret, kept.data, TZ_HASH_SIZE);
    return true;
}

int tz_repo_note_slot(struct tz_repo *repo, bool operator, struct tz_error * err)
{
    uint8_t known[TZ_HASH_SIZE];

    if (get_slot(repo, operator, known) && memcmp(known, repo->slot, TZ_HASH_SIZE) == 0)
        return 0;
    return tz_catalog_set_value(repo->catalog, slot_key(operator), repo->slot, TZ_HASH_SIZE, err);
}

/* What the catalog that is there remembers: whether it is this repository's is not known yet. */
static void remember(struct tz_repo *repo, const struct tz_repo_options *options, bool *ret_slot,
                     bool *ret_likely)
{
    const bool first = options->need_operator;
    uint8_t id[TZ_REPO_ID_SIZE];
    struct tz_error ignored = {0};

    *ret_slot = *ret_likely = false;
    if (!tz_catalog_whose(repo->config->state, id) ||
        tz_catalog_open(&repo->catalog, repo->config->state, id, &ignored))
        return;
    *ret_slot = get_slot(repo, first, repo->usual_slot) || get_slot(repo, !first, repo->usual_slot);
    *ret_likely = guess(repo, options);
    tz_catalog_free(TZ_TAKE(repo->catalog));
}

static bool is_far(struct tz_repo *repo, size_t i)
{
    return tz_mirror_usable(repo->mirror, i) &&
           !(tz_store_features(tz_mirror_store(repo->mirror, i)) & TZ_STORE_LOCAL);
}

bool tz_repo_take_likely(struct tz_repo *repo, const uint8_t pack[TZ_HASH_SIZE],
                         const struct tz_frame_info *frame, struct tz_buf *ret)
{
    struct tz_likely *likely = &repo->likely;

    if (likely->bytes.len != frame->sealed_len || likely->frame.offset != frame->offset ||
        memcmp(likely->pack, pack, TZ_HASH_SIZE) != 0)
        return false;
    tz_buf_clear(ret);
    *ret = likely->bytes;
    likely->bytes = (struct tz_buf){0};
    return true;
}

int tz_repo_ask_ahead(struct tz_repo *repo, const struct tz_repo_options *options,
                      struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_pool) struct tz_pool *pool = NULL;
    struct question questions[TZ_MIRROR_MAX_STORES * PARTS + 1];
    bool slot = false, likely = false;
    unsigned count = 0;

    for (size_t i = 0; !options->keyless && i < tz_mirror_count(repo->mirror); i++)
        repo->ahead[i].asked = is_far(repo, i);
    for (size_t i = 0; i < TZ_MIRROR_MAX_STORES; i++) {
        if (!repo->ahead[i].asked)
            continue;
        if (count == 0)
            remember(repo, options, &slot, &likely);
        for (enum part part = DESCRIPTOR; part < PARTS; part++)
            if (is_asked(repo, part, slot))
                questions[count++] = (struct question){{.run = ask}, repo, i, part};
    }
    if (count == 0)
        return 0;
    if (likely)
        questions[count++] = (struct question){{.run = ask}, repo, questions[0].store, LIKELY};
    if (tz_pool_new(&pool, count, err))
        return -1;
    for (unsigned k = 0; k < count; k++)
        tz_pool_submit(pool, &questions[k].job);
    tz_early_begin(repo);
    for (unsigned k = 0; k < count; k++)
        tz_pool_wait(pool, &questions[k].job);
    repo->ahead_ns = tz_monotonic();
    return 0;
}

bool tz_ahead_descriptor(struct tz_repo *repo, size_t i, struct tz_buf *ret, struct tz_error *err)
{
    struct tz_ahead *ahead = &repo->ahead[i];

    if (!ahead->asked || ahead->descriptor_taken)
        return false;
    ahead->descriptor_taken = true;
    tz_buf_clear(ret);
    *ret = ahead->descriptor;
    ahead->descriptor = (struct tz_buf){0};
    *err = ahead->descriptor_error;
    return true;
}

bool tz_ahead_slot(struct tz_repo *repo, struct tz_buf *ret)
{
    uint8_t hash[TZ_HASH_SIZE];

    for (size_t i = 0; i < tz_mirror_count(repo->mirror); i++) {
        const struct tz_buf *slot = &repo->ahead[i].slot;
        if (!tz_mirror_usable(repo->mirror, i) || slot->len == 0 ||
            tz_sha256(hash, slot->data, slot->len, NULL) ||
            memcmp(hash, repo->usual_slot, TZ_HASH_SIZE) != 0)
            continue;
        tz_buf_clear(ret);
        *ret = *slot;
        repo->ahead[i].slot = (struct tz_buf){0};
        return true;
    }
    return false;
}

bool tz_ahead_small(struct tz_repo *repo, size_t i, struct tz_small *ret, struct tz_error *err)
{
    struct tz_ahead *ahead = &repo->ahead[i];

    if (!ahead->asked || ahead->small_taken || tz_monotonic() - repo->ahead_ns > FRESH_NS)
        return false;
    ahead->small_taken = true;
    if (ahead->tombstones_error.kind == TZ_UNAVAILABLE ||
        ahead->others_error.kind == TZ_UNAVAILABLE)
        return false;
    *ret = ahead->small;
    ahead->small = (struct tz_small){0};
    *err = ahead->tombstones_error.kind != TZ_OK ? ahead->tombstones_error : ahead->others_error;
    return true;
}

void tz_ahead_clear(struct tz_repo *repo)
{
    for (size_t i = 0; i < TZ_MIRROR_MAX_STORES; i++) {
        tz_buf_clear(&repo->ahead[i].descriptor);
        tz_buf_clear(&repo->ahead[i].slot);
        tz_small_clear(&repo->ahead[i].small);
    }
    tz_buf_clear(&repo->likely.bytes);
}
