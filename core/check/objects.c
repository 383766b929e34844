/*
 * The bytes of the objects that the catalog has in the stores: which of them are checked, and what
 * is noted of the outcome.
 */
#include "check.h"

#include "tozai/util/grow.h"
#include "tozai/util/log.h"
#include "tozai/util/time.h"

#include <string.h>

#include "tozai/util/banned.h"

#define PROGRESS_NS (TZ_SECOND_NS / 5)

/* What is said of copies is written to the catalog many at a time. */
static int write_notes(struct tz_check *check, struct tz_error *err)
{
    for (size_t i = 0; i < check->note_count; i++) {
        const struct tz_check_note *note = &check->notes[i];
        int64_t store = tz_repo_store(check->repo, note->store);
        enum tz_copy_state state =
            note->outcome == TZ_OUTCOME_GONE ? TZ_COPY_MISSING : TZ_COPY_DAMAGED;

        if (note->outcome == TZ_OUTCOME_GOOD
                ? tz_catalog_set_verified(check->catalog, note->object, store, note->time_ns, err)
                : tz_catalog_set_copy(check->catalog, note->object, store, state, err))
            return -1;
    }
    return 0;
}

static int flush_notes(struct tz_check *check, struct tz_error *err)
{
    if (check->note_count == 0)
        return 0;
    if (tz_catalog_begin(check->catalog, err))
        return -1;
    if (write_notes(check, err)) {
        tz_catalog_rollback(check->catalog);
        return -1;
    }
    check->note_count = 0;
    return tz_catalog_commit(check->catalog, err);
}

static int add_note(struct tz_check *check, int64_t object, size_t store, enum tz_outcome outcome,
                    struct tz_error *err)
{
    if (check->note_count == TZ_CHECK_NOTES && flush_notes(check, err))
        return -1;
    check->notes[check->note_count++] = (struct tz_check_note){
        .object = object, .store = store, .outcome = outcome, .time_ns = tz_now()};
    return 0;
}

static void report(struct tz_check *check, bool now)
{
    int64_t time = tz_monotonic();

    if (!check->options->progress || (!now && time < check->next_progress))
        return;
    check->next_progress = time + PROGRESS_NS;
    check->options->progress(check->options->progress_arg, &check->progress);
}

/* One copy was looked at. */
static int note_copy(struct tz_check *check, const struct tz_check_task *task, size_t i,
                     struct tz_error *err)
{
    struct tz_verify_store *store = check->of[i];
    enum tz_outcome outcome = task->outcome[i];

    store->checked_bytes += task->bytes[i];
    check->progress.store = store->name;
    check->progress.objects++;
    check->progress.bytes += task->bytes[i];
    if (outcome == TZ_OUTCOME_UNREACHABLE) {
        tz_check_lose_store(check, i, &task->why);
        return 0;
    }
    if (task->object && add_note(check, task->object, i, outcome, err))
        return -1;
    /* What is missing is reported from the catalog, when all is known. */
    return outcome == TZ_OUTCOME_BAD
               ? tz_check_add(&store->damaged, &store->damaged_count, task->name, err)
               : 0;
}

/* The pack's own directory, which was just proven, against the catalog. */
static int note_directory(struct tz_check *check, const struct tz_check_task *task,
                          struct tz_error *err)
{
    int64_t pack = 0;
    bool same = false;

    if (!task->object)
        return 0; /* one that nobody asks for */
    if (!task->described)
        return tz_catalog_add_pack(check->catalog, &task->info, &pack, err);
    if (tz_catalog_compare_pack(check->catalog, task->object, &task->info, &same, err))
        return -1;
    if (same)
        return 0;
    return tz_check_fault(check, err,
                          "'%s': the catalog does not say what the pack's own directory says; run "
                          "'tozai catalog rebuild'",
                          task->name);
}

static int done(void *arg, struct tz_check_task *task, struct tz_error *err)
{
    struct tz_check *check = arg;

    for (size_t i = 0; i < tz_mirror_count(check->mirror); i++)
        if (task->outcome[i] != TZ_OUTCOME_NONE && note_copy(check, task, i, err))
            return -1;
    if (task->rotten &&
        tz_check_fault(check, err, "'%s' was written damaged: its SHA-256 is right, but %s",
                       task->name, task->why.message))
        return -1;
    if (task->has_info && note_directory(check, task, err))
        return -1;
    report(check, false);
    return 0;
}

static int submit(struct tz_check *check, struct tz_checker *checker,
                  const struct tz_target *target, uint32_t stores, size_t turn,
                  struct tz_error *err)
{
    bool content = check->options->level == TZ_VERIFY_CONTENT;
    bool is_pack = strncmp(target->name, "packs/", 6) == 0;
    struct tz_check_task *task = NULL;

    if (tz_checker_task(checker, &task, err))
        return -1;
    memcpy(task->name, target->name, sizeof(task->name));
    task->object = target->object;
    task->size = target->size;
    task->stores = stores;
    task->turn = turn;
    /* Where every copy was found damaged, it may be the content that is, under the right hash. */
    task->deep = content || (target->stores == target->damaged &&
                             tz_keys_role(check->keys) == TZ_ROLE_OPERATOR);
    if (is_pack && task->deep && target->object) {
        struct tz_catalog_pack pack;
        struct tz_error why = {0};
        if (!tz_catalog_get_pack(check->catalog, target->object, &pack, &why)) {
            task->described = true;
            memcpy(task->header, pack.header, sizeof(task->header));
        } else if (why.kind != TZ_NOT_FOUND) {
            return tz_check_pass(err, &why);
        }
    }
    tz_checker_submit(checker, task);
    return 0;
}

/* A pack's copies are compared with each other, so they go together; all others by themselves, so
 * that every store is kept busy. */
static int submit_target(struct tz_check *check, struct tz_checker *checker,
                         const struct tz_target *target, size_t turn, struct tz_error *err)
{
    uint32_t stores = target->stores & check->alive;

    if (!stores)
        return 0;
    if (check->options->level == TZ_VERIFY_CONTENT && strncmp(target->name, "packs/", 6) == 0)
        return submit(check, checker, target, stores, turn, err);
    for (size_t i = 0; i < tz_mirror_count(check->mirror); i++)
        if ((stores & check->alive & TZ_STORE_BIT(i)) &&
            submit(check, checker, target, TZ_STORE_BIT(i), 0, err))
            return -1;
    return 0;
}

/*
 * A sample: the objects whose turn it is.  All that come before limit, and quota bytes of those
 * that are just there; besides, what was verified before due_ns.
 */
struct sample {
    bool all;
    int64_t now_ns, due_ns;
    int64_t limit;
    uint64_t quota;
};

struct age {
    int64_t turn;
    uint64_t bytes;
};

/*
 * When it was verified.  What never was, or by a clock that was ahead, comes before everything that
 * was, by its number in the catalog: the latest one must not push in front of it, or it would wait
 * for ever where a lot is new.
 */
static int64_t turn_of(const struct sample *sample, const struct tz_target *target)
{
    bool ever = target->verified_ns > 0 && target->verified_ns <= sample->now_ns;

    return ever ? target->verified_ns : target->object;
}

static int compare_ages(const void *a, const void *b)
{
    const struct age *left = a, *right = b;

    return (left->turn > right->turn) - (left->turn < right->turn);
}

static void choose(struct sample *sample, struct age *ages, size_t count, double wanted)
{
    uint64_t sum = 0, before = 0;
    size_t i;

    if (count == 0)
        return;
    qsort(ages, count, sizeof(*ages), compare_ages);
    for (i = 0; i < count; i++) {
        if (i > 0 && ages[i].turn != ages[i - 1].turn)
            before = sum;
        sum += ages[i].bytes;
        if ((double)sum >= wanted)
            break;
    }
    sample->limit = ages[TZ_MIN(i, count - 1)].turn;
    sample->quota = sum - before;
}

static bool is_chosen(struct sample *sample, const struct tz_target *target)
{
    uint64_t bytes = target->size * tz_check_count_bits(target->stores);

    int64_t turn = turn_of(sample, target);
    bool due = target->verified_ns > 0 && target->verified_ns < sample->due_ns;

    if (sample->all || target->damaged || due || turn < sample->limit)
        return true;
    if (turn > sample->limit || sample->quota == 0)
        return false;
    sample->quota -= TZ_MIN(sample->quota, bytes);
    return true;
}

struct census {
    struct age *ages;
    size_t count, cap;
    uint64_t objects, bytes;
};

static int count_target(struct census *census, const struct sample *sample,
                        const struct tz_target *target, struct tz_error *err)
{
    unsigned copies = tz_check_count_bits(target->stores);
    uint64_t bytes = target->size * copies;

    census->objects += copies;
    census->bytes += bytes;
    if (sample->all)
        return 0;
    if (tz_grow(&census->ages, census->count, &census->cap, sizeof(*census->ages), err))
        return -1;
    /* An empty object weighs something, so that it has its turn. */
    census->ages[census->count++] = (struct age){turn_of(sample, target), bytes ? bytes : 1};
    return 0;
}

static int take_census(struct tz_check *check, struct sample *sample, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_targets) struct tz_targets targets = {0};
    TZ_SCOPED(tz_scoped_free) struct age *ages = NULL;
    struct census census = {0};
    double share = check->options->sample_percent / 100;
    int failed = 0;

    sample->all = share <= 0 || share >= 1;
    for (unsigned part = 0; !failed && part < TZ_PARTS; part++) {
        failed = tz_targets_load(&targets, check->repo, check->alive, part, err);
        for (size_t i = 0; !failed && i < targets.count; i++)
            failed = count_target(&census, sample, &targets.items[i], err);
    }
    ages = census.ages;
    if (failed)
        return -1;
    check->progress.objects_total = census.objects;
    check->progress.bytes_total = census.bytes;
    if (!sample->all) {
        choose(sample, ages, census.count, share * (double)census.bytes);
        check->progress.bytes_total = (uint64_t)(share * (double)census.bytes);
        check->progress.objects_total = (uint64_t)(share * (double)census.objects);
    }
    return 0;
}

/* Packs that no index names: a full check holds them against their hash. */
static int check_unknown(struct tz_check *check, struct tz_checker *checker, struct tz_error *err)
{
    for (size_t i = 0; i < tz_mirror_count(check->mirror); i++) {
        const struct tz_check_names *unknown = &check->presence.stores[i].unknown;
        for (size_t k = 0; k < unknown->count; k++) {
            struct tz_check_task *task = NULL;
            if (!(check->alive & TZ_STORE_BIT(i)) ||
                tz_name_parse(unknown->items[k]).kind != TZ_NAME_IS_PACK)
                continue;
            if (tz_checker_task(checker, &task, err))
                return -1;
            (void)snprintf(task->name, sizeof(task->name), "%s", unknown->items[k]);
            task->stores = TZ_STORE_BIT(i);
            tz_checker_submit(checker, task);
        }
    }
    return 0;
}

static int check_parts(struct tz_check *check, struct tz_checker *checker, struct sample *sample,
                       struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_targets) struct tz_targets targets = {0};
    size_t turn = 0;

    for (unsigned part = 0; part < TZ_PARTS; part++) {
        if (tz_targets_load(&targets, check->repo, check->alive, part, err))
            return -1;
        for (size_t i = 0; i < targets.count; i++)
            if (is_chosen(sample, &targets.items[i]) &&
                submit_target(check, checker, &targets.items[i], turn++, err))
                return -1;
    }
    if (sample->all && check_unknown(check, checker, err))
        return -1;
    return tz_checker_drain(checker, err);
}

int tz_check_objects(struct tz_check *check, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_checker) struct tz_checker *checker = NULL;
    struct sample sample = {.now_ns = tz_now(), .due_ns = check->options->due_ns};
    struct tz_error ignored;

    if (take_census(check, &sample, err) || tz_checker_new(&checker, check->repo, done, check, err))
        return -1;
    if (check_parts(check, checker, &sample, err)) {
        /* What was found until now is true all the same. */
        if (flush_notes(check, &ignored))
            tz_debug("%s", ignored.message);
        return -1;
    }
    report(check, true);
    return flush_notes(check, err);
}
