#include "internal.h"

#include "tozai/core/lock.h"
#include "tozai/core/packwriter.h"
#include "tozai/util/hex.h"
#include "tozai/util/pool.h"

#include <string.h>

#define REMOTE_PACKS 6U
#define TOTAL_PACKS  6U /* whatever each store lacks */
#define FEWEST_PACKS 3U
#define PATIENCE_MS  2000U

/* By measure: each thread beyond two takes nearly as much memory as a pack, the first as much as
 * two. */
static unsigned total_packs(unsigned threads)
{
    unsigned less = threads > 2 ? threads - 1 : 0;

    return less < TOTAL_PACKS - FEWEST_PACKS ? TOTAL_PACKS - less : FEWEST_PACKS;
}

int tz_repo_open_stores(struct tz_mirror **ret, const struct tz_config *config,
                        const struct tz_repo_options *options, bool create, struct tz_error *err)
{
    const char *only_store = options ? options->only_store : NULL;
    struct tz_store_options stores[TZ_MIRROR_MAX_STORES] = {{0}};
    struct tz_store_s3_options s3[TZ_MIRROR_MAX_STORES];
    struct tz_mirror_options mirror = {0};
    size_t count = 0;

    for (size_t i = 0; i < config->store_count && count < TZ_MIRROR_MAX_STORES; i++) {
        const struct tz_config_store *store = &config->stores[i];
        if (only_store && strcmp(only_store, store->name) != 0)
            continue;
        tz_config_store_options(config, store, &stores[count], &s3[count]);
        stores[count].read_only = options && options->read_only;
        stores[count].create = create;
        count++;
    }
    if (count == 0)
        return tz_fail(err, TZ_INVALID, "there is no store '%s' in '%s'", only_store, config->file);
    uint64_t pack_size = config->pack_size ? config->pack_size : TZ_PACK_SIZE_USUAL;
    /* One pack on its way to each store; the next one waits in the packer. */
    mirror.queue_bytes = pack_size * 3 / 2;
    /* Far away it takes several at once to fill the line. */
    mirror.remote_queue_bytes = pack_size * REMOTE_PACKS;
    unsigned threads = tz_pool_threads(config->threads, TZ_PACKER_THREADS);
    mirror.total_queue_bytes = pack_size * total_packs(threads);
    mirror.writers = REMOTE_PACKS;
    mirror.patience_ms = PATIENCE_MS;
    mirror.unordered = "packs/";
    mirror.none_will_do = options && options->offline;
    return tz_mirror_open(ret, stores, count, &mirror, err);
}

/* What a store says of itself. */
enum finding { OUT, GOOD, DAMAGED, MISSING };

struct look {
    struct tz_repo *repo;
    bool hasty; /* else as long as it takes */
    enum finding findings[TZ_MIRROR_MAX_STORES];
    struct tz_descriptor descriptors[TZ_MIRROR_MAX_STORES]; /* of good ones */
    struct tz_error errors[TZ_MIRROR_MAX_STORES];           /* why it could not be read */
};

static int accept_descriptor(void *arg, const uint8_t *data, size_t len, struct tz_error *err)
{
    return tz_descriptor_read(arg, data, len, err);
}

/* One that somebody has removed or written over, where objects are locked. */
static bool find_hidden(struct tz_repo *repo, size_t i, struct tz_descriptor *ret)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    struct tz_error why = {0};
    bool found = false;

    if (tz_lock_recover(tz_mirror_store(repo->mirror, i), TZ_NAME_DESCRIPTOR, DESCRIPTOR_MAX,
                        accept_descriptor, ret, &bytes, &found, &why) ||
        !found)
        return false;
    tz_repo_warn(repo,
                 "store '%s': somebody has removed or changed its descriptor; going by the locked "
                 "version ('tozai doctor' says more, 'tozai verify --heal' brings it back)",
                 tz_mirror_name(repo->mirror, i));
    return true;
}

static int read_descriptor(struct look *look, size_t i, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    struct tz_store *store = tz_mirror_store(look->repo->mirror, i);
    struct tz_descriptor *ret = &look->descriptors[i];
    struct tz_error why = {0};

    if (!tz_ahead_descriptor(look->repo, i, &bytes, &why) &&
        tz_repo_get_small(store, TZ_NAME_DESCRIPTOR, DESCRIPTOR_MAX,
                          look->hasty ? TZ_SOON : TZ_PATIENT, &bytes, &why) &&
        why.kind == TZ_OK)
        why.kind = TZ_FAILED;
    if (why.kind == TZ_OK && !tz_descriptor_read(ret, bytes.data, bytes.len, &why))
        return 0;
    if ((why.kind == TZ_NOT_FOUND || why.kind == TZ_CORRUPT) && find_hidden(look->repo, i, ret))
        return 0;
    if (err)
        *err = why;
    return -1;
}

/* In any thread. */
static void read_it(void *arg, size_t i)
{
    struct look *look = arg;

    look->errors[i] = (struct tz_error){0};
    if (read_descriptor(look, i, &look->errors[i]) && look->errors[i].kind == TZ_OK)
        look->errors[i].kind = TZ_FAILED;
}

/* Is there a store that can be reached? */
static bool any_answers(const struct look *look)
{
    for (size_t i = 0; i < tz_mirror_count(look->repo->mirror); i++)
        if (tz_mirror_usable(look->repo->mirror, i) && look->errors[i].kind != TZ_UNAVAILABLE)
            return true;
    return false;
}

/* Where one store is as good as the other they get little time, unless none of them answers. */
static int read_all(struct look *look, struct tz_error *err)
{
    look->hasty = look->repo->soon;
    if (tz_repo_visit_stores(look->repo, read_it, look, err))
        return -1;
    if (!look->hasty || any_answers(look))
        return 0;
    look->hasty = false;
    return tz_repo_visit_stores(look->repo, read_it, look, err);
}

static bool same_id(const uint8_t a[TZ_REPO_ID_SIZE], const uint8_t b[TZ_REPO_ID_SIZE])
{
    return memcmp(a, b, TZ_REPO_ID_SIZE) == 0;
}

static int another_repository(struct look *look, size_t i, const uint8_t id[TZ_REPO_ID_SIZE],
                              struct tz_error *err)
{
    char here[2 * TZ_REPO_ID_SIZE + 1], there[2 * TZ_REPO_ID_SIZE + 1];
    const char *name = tz_mirror_name(look->repo->mirror, i);

    tz_hex(here, id, TZ_REPO_ID_SIZE);
    tz_hex(there, look->descriptors[i].repo_id, TZ_REPO_ID_SIZE);
    (void)tz_fail(err, TZ_INVALID, "store '%s' holds another repository (%s, not %s)", name, there,
                  here);
    return tz_hint(err, "check the url of [store %s]", name);
}

/* A store whose key slots are another repository's than its descriptor: that one is damaged. */
static void doubt(struct look *look, size_t i)
{
    struct tz_slot_info info;
    struct tz_error *why = &look->errors[i];

    if (look->findings[i] == GOOD && tz_repo_whose_slots(look->repo, i, &info) &&
        !same_id(info.repo_id, look->descriptors[i].repo_id)) {
        look->findings[i] = DAMAGED;
        (void)tz_fail(why, TZ_CORRUPT, "the repository descriptor is damaged");
    }
}

/* The good descriptor that the catalog has, else the first; NULL if there is none. */
static const struct tz_descriptor *find_ours(const struct look *look, bool by_catalog)
{
    const struct tz_descriptor *first = NULL;
    uint8_t id[TZ_REPO_ID_SIZE];
    bool known = by_catalog && tz_catalog_whose(look->repo->config->state, id);

    for (size_t i = TZ_MIRROR_MAX_STORES; i-- > 0;) {
        if (look->findings[i] != GOOD)
            continue;
        first = &look->descriptors[i];
        if (known && same_id(id, first->repo_id))
            return first;
    }
    return first;
}

/* Good descriptors must be of one repository; asking the slots costs something, so only now. */
static int compare(struct look *look, struct tz_error *err)
{
    size_t count = tz_mirror_count(look->repo->mirror);
    bool doubtful = false;

    for (int round = 0; round < 2; round++) {
        const struct tz_descriptor *ours = find_ours(look, round == 1);
        for (size_t i = 0; i < count; i++) {
            if (look->findings[i] != GOOD || same_id(ours->repo_id, look->descriptors[i].repo_id))
                continue;
            if (round == 1)
                return another_repository(look, i, ours->repo_id, err);
            doubtful = true;
        }
        for (size_t i = 0; doubtful && i < count; i++)
            doubt(look, i);
    }
    return 0;
}

static int set_descriptor(struct tz_repo *repo, const struct tz_descriptor *descriptor,
                          struct tz_error *err)
{
    repo->descriptor = *descriptor;
    tz_buf_reset(&repo->descriptor_bytes);
    return tz_descriptor_write(descriptor, &repo->descriptor_bytes, err);
}

int tz_repo_adopt(struct tz_repo *repo, const struct tz_slot_info *slot, struct tz_error *err)
{
    struct tz_descriptor descriptor = {.version = TZ_FORMAT_VERSION,
                                       .created_ns = slot->created_ns};

    memcpy(descriptor.repo_id, slot->repo_id, TZ_REPO_ID_SIZE);
    tz_repo_warn(repo, "the repository descriptor is damaged, going by the key slots; "
                       "'tozai verify --heal' replaces it");
    return set_descriptor(repo, &descriptor, err);
}

/* The first good one; without any, what the slots of a store with a damaged one say. */
static int choose(struct look *look, struct tz_error *err)
{
    size_t count = tz_mirror_count(look->repo->mirror);
    struct tz_slot_info info;

    for (size_t i = 0; i < count; i++)
        if (look->findings[i] == GOOD)
            return set_descriptor(look->repo, &look->descriptors[i], err);
    for (size_t i = 0; i < count; i++)
        if (look->findings[i] == DAMAGED && tz_repo_whose_slots(look->repo, i, &info))
            return tz_repo_adopt(look->repo, &info, err);
    return 0;
}

void tz_repo_put_out(struct tz_repo *repo, size_t i, const struct tz_error *why)
{
    tz_mirror_exclude(repo->mirror, i, why);
    tz_repo_warn(repo, "store '%s' is left out: %s%s%s", tz_mirror_name(repo->mirror, i),
                 why->message, why->hint[0] ? "; " : "", why->hint);
}

/* Bring the descriptor (and the key slots) into a store that has none. */
static int fill_store(struct tz_repo *repo, size_t i, struct tz_error *err)
{
    struct tz_store *store = tz_mirror_store(repo->mirror, i);
    struct tz_slot_info info;
    struct tz_error why = {0};

    if (tz_repo_whose_slots(repo, i, &info) && !same_id(info.repo_id, repo->descriptor.repo_id)) {
        (void)tz_fail(err, TZ_INVALID, "store '%s' has key slots of another repository",
                      tz_mirror_name(repo->mirror, i));
        return tz_hint(err, "check the url of [store %s]", tz_mirror_name(repo->mirror, i));
    }
    if (tz_repo_ask_region(repo, i, &why)) {
        tz_repo_put_out(repo, i, &why);
        return 0;
    }
    tz_repo_warn(repo, "store '%s' is empty: filling it", tz_mirror_name(repo->mirror, i));
    repo->filled |= UINT32_C(1) << i;
    return tz_store_put(store, TZ_NAME_DESCRIPTOR, repo->descriptor_bytes.data,
                        repo->descriptor_bytes.len, err);
}

static int handle_missing(struct tz_repo *repo, size_t i, bool fill_empty, struct tz_error *err)
{
    struct tz_error why = {0};
    const char *name = tz_mirror_name(repo->mirror, i);

    if (fill_empty && repo->descriptor_bytes.len > 0 &&
        (!repo->fill || strcmp(repo->fill, name) == 0))
        return fill_store(repo, i, err);
    (void)tz_fail(&why, TZ_NOT_FOUND, "it holds no repository");
    (void)tz_hint(&why, "run 'tozai sync --to %s' to fill an empty store from the others", name);
    tz_repo_put_out(repo, i, &why);
    return 0;
}

static bool any_usable(struct tz_repo *repo)
{
    for (size_t i = 0; i < tz_mirror_count(repo->mirror); i++)
        if (tz_mirror_usable(repo->mirror, i))
            return true;
    return false;
}

/* One with a damaged descriptor is as good as any if its slots say whose it is. */
static void handle_damaged(struct look *look, size_t i)
{
    struct tz_repo *repo = look->repo;
    struct tz_slot_info info;

    if (tz_repo_whose_slots(repo, i, &info) && same_id(info.repo_id, repo->descriptor.repo_id))
        tz_repo_warn(repo, "store '%s': %s; 'tozai verify --heal' replaces it",
                     tz_mirror_name(repo->mirror, i), look->errors[i].message);
    else
        tz_repo_put_out(repo, i, &look->errors[i]);
}

static int look_at(struct look *look, size_t i, struct tz_error *err)
{
    struct tz_repo *repo = look->repo;
    struct tz_error why = {0};

    if (!tz_mirror_usable(repo->mirror, i)) {
        if (tz_mirror_error(repo->mirror, i, &why))
            tz_repo_warn(repo, "store '%s' cannot be used: %s%s%s", tz_mirror_name(repo->mirror, i),
                         why.message, why.hint[0] ? "; " : "", why.hint);
    } else if (look->errors[i].kind == TZ_OK) {
        look->findings[i] = GOOD;
    } else if (look->errors[i].kind == TZ_NOT_FOUND) {
        look->findings[i] = MISSING;
    } else if (look->errors[i].kind == TZ_CORRUPT) {
        look->findings[i] = DAMAGED;
    } else if (look->errors[i].kind == TZ_UNSUPPORTED) {
        if (err)
            *err = look->errors[i];
        return tz_while(err, "store '%s'", tz_mirror_name(repo->mirror, i));
    } else {
        tz_repo_put_out(repo, i, &look->errors[i]);
    }
    return 0;
}

static int no_repository(const struct look *look, struct tz_error *err)
{
    for (size_t i = 0; i < TZ_MIRROR_MAX_STORES; i++)
        if (look->findings[i] == MISSING) {
            (void)tz_fail(err, TZ_NOT_FOUND, "no store holds a repository");
            return tz_hint(err, "run 'tozai init' to make one");
        }
    return tz_fail(err, TZ_UNAVAILABLE, "no store can be used");
}

int tz_repo_check_stores(struct tz_repo *repo, const struct tz_repo_options *options,
                         struct tz_error *err)
{
    struct look look = {.repo = repo};
    bool fill_empty = options && options->fill_empty;
    bool offline = options && options->offline;
    size_t count = tz_mirror_count(repo->mirror);

    if (read_all(&look, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (look_at(&look, i, err))
            return -1;
    if (compare(&look, err) || choose(&look, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (look.findings[i] == DAMAGED)
            handle_damaged(&look, i);
    bool found = repo->descriptor_bytes.len > 0;
    for (size_t i = 0; (found || offline) && i < count; i++)
        if (look.findings[i] == MISSING && handle_missing(repo, i, fill_empty, err))
            return -1;
    if (!found)
        return no_repository(&look, err);
    return any_usable(repo) ? 0 : tz_fail(err, TZ_UNAVAILABLE, "no store can be used");
}
