/*
 * Backups, prunes and syncs of several machines at once over two stores in memory, their calls of
 * the stores interleaved under a seed; some of them die on the way.
 *
 * One machine at a time has the turn, for a few calls or for very many: so others sleep at any
 * point while it goes on.  Whatever happens, where head and seal of a generation are, its packs
 * are.
 *
 * TOZAI_LONG=1: 10,000 seeds instead of 200 (with sanitizers 15); TOZAI_SEED=N: just that one.
 */
#include "check_fixture.h"
#include "seeded.h"

#include "tozai/core/prune.h"

#include <pthread.h>
#include <time.h>

#ifdef TOZAI_SANITIZED
#define SEEDS 15U
#else
#define SEEDS 200U
#endif
#define ACTORS 5
#define SOURCES                                                                                    \
    "[retention]\nlast = 2\ndaily = 0\nweekly = 0\nminimum_generations = 1\n"                      \
    "[source tree]\ntype = directory\npath = %s\n[source twin]\ntype = directory\npath = %s\n"

enum role { BACK_UP, BACK_UP_TWIN, PRUNE, SYNC };

/* Who has the turn. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct seeded seeded;
    unsigned holder;      /* an actor */
    unsigned left;        /* calls until it passes on */
    uint64_t calls;       /* of the holder, so that others see it stand still */
    bool waiting[ACTORS]; /* one of its threads wants to call */
    bool done[ACTORS];
} turn = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

struct actor {
    unsigned number;
    enum role role;
    unsigned rounds;
    unsigned lifetime; /* calls, until every further one fails; 0: it lives */
    unsigned long calls;
    struct tz_fixture fixture;
    pthread_t thread;
};

static void pass_on(void)
{
    unsigned first = (unsigned)seeded_below(&turn.seeded, ACTORS);

    turn.left = seeded_one_in(&turn.seeded, 4) ? 200 : 1 + (unsigned)seeded_below(&turn.seeded, 12);
    for (unsigned i = 0; i < ACTORS; i++) {
        unsigned next = (first + i) % ACTORS;
        if (turn.waiting[next] && !turn.done[next] && next != turn.holder) {
            turn.holder = next;
            break;
        }
    }
    (void)pthread_cond_broadcast(&turn.changed);
}

/* Wait for the turn.  A holder that makes no call for a moment computes, or waits for itself. */
static void take_turn(void *arg, unsigned call)
{
    struct actor *actor = arg;

    (void)call;
    (void)pthread_mutex_lock(&turn.mutex);
    turn.waiting[actor->number] = true;
    while (turn.holder != actor->number) {
        uint64_t before = turn.calls;
        struct timespec until;
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 2000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        int code = pthread_cond_timedwait(&turn.changed, &turn.mutex, &until);
        if (code != 0 && turn.calls == before && turn.holder != actor->number) {
            turn.holder = actor->number;
            turn.left = 1 + (unsigned)seeded_below(&turn.seeded, 12);
        }
    }
    turn.waiting[actor->number] = false;
    turn.calls++;
    actor->calls++;
    if (--turn.left == 0)
        pass_on();
    (void)pthread_mutex_unlock(&turn.mutex);
}

static void end_turn(struct actor *actor)
{
    (void)pthread_mutex_lock(&turn.mutex);
    turn.done[actor->number] = true;
    if (turn.holder == actor->number)
        pass_on();
    (void)pthread_mutex_unlock(&turn.mutex);
}

/* A machine of its own: its state is not that of the others. */
static void join_in(struct tz_fixture *f, const struct tz_fixture *shared, unsigned number)
{
    char name[4096], text[8192];

    *f = *shared;
    f->config = NULL;
    f->state = NULL;
    (void)snprintf(name, sizeof(name), "%s/conf-%u", shared->folder, number);
    f->file = strdup(name);
    assert_non_null(f->file);
    (void)snprintf(text, sizeof(text), SOURCES, shared->tree, shared->tree);
    const struct tz_fixture_options options = {.sources = text};
    (void)snprintf(name, sizeof(name), "%s/state-%u", shared->folder, number);
    tz_fixture_configure(f, &options, name, NULL);
}

static void leave_it(struct tz_fixture *f)
{
    tz_config_free(f->config);
    free(f->state);
    free(f->file);
}

static void try_prune(struct tz_repo *repo, struct tz_error *err)
{
    const struct tz_prune_options options = {.repo = repo};
    struct tz_prune_result result = {0};

    if (tz_prune(&options, &result, err))
        return;
    /* Not cmocka's: this is not the main thread. */
    if (result.broken_count > 0) {
        (void)fprintf(stderr, "a prune has found a broken generation\n");
        abort();
    }
    tz_prune_result_clear(&result);
}

/* Failures are allowed: what a prune condemned, what a death broke off. */
static void act(struct actor *actor, struct tz_repo *repo)
{
    struct tz_error why = {0};

    if (actor->role == PRUNE) {
        try_prune(repo, &why);
    } else if (actor->role == SYNC) {
        const struct tz_sync_options options = {.repo = repo, .full = true};
        struct tz_sync_result result = {0};
        if (tz_sync(&options, &result, &why))
            return;
    } else {
        struct tz_backup_result result = {0};
        if (!tz_fixture_try_backup(repo, actor->role == BACK_UP ? "tree" : "twin", &result, &why))
            tz_backup_result_clear(&result);
    }
}

static void *run_actor(void *arg)
{
    struct actor *actor = arg;

    for (unsigned round = 0; round < actor->rounds; round++) {
        struct tz_repo *repo = NULL;
        const struct tz_repo_options options = {
            .config = actor->fixture.config, .exclusive = true, .no_prompt = true};
        struct tz_error why = {0};

        if (tz_repo_open(&repo, &options, &why))
            continue;
        for (size_t i = 0; i < STORES; i++) {
            struct faulty_store *control = tz_fixture_spoil(repo, i);
            const struct faulty_plan plan = {.calls = FAULTY_ALL,
                                             .at = actor->lifetime,
                                             .times = FAULTY_FOR_GOOD,
                                             .way = actor->lifetime % 2 ? FAULTY_BEFORE
                                                                        : FAULTY_AFTER};
            faulty_store_hook(control, take_turn, actor);
            if (round == 0 && actor->lifetime)
                faulty_store_plan(control, &plan);
        }
        act(actor, repo);
        tz_repo_free(repo);
    }
    end_turn(actor);
    return NULL;
}

/* Where head and seal are, the packs are. */
static void check_store(const struct tz_fixture *f, size_t i, uint64_t seed)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open((struct tz_fixture *)f, true);
    TZ_SCOPED(tz_scoped_store) struct tz_store *store = inside(f, i);
    TZ_SCOPED(tz_scoped_listing) struct tz_listing seals = {0};

    list_class(store, TZ_NAME_IS_SEAL, 0, &seals);
    for (size_t k = 0; k < seals.count; k++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
        TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
        struct tz_name parsed = tz_name_parse(seals.items[k].name);
        char name[TZ_NAME_TEXT];

        tz_name_head(name, parsed.source_id, parsed.time_ns, parsed.hash);
        if (!is_there(store, name))
            continue;
        MUST(tz_catalog_get_head(tz_repo_catalog(repo), parsed.hash, &body, err));
        MUST(tz_head_read(&head, body.data, body.len, err));
        for (uint32_t p = 0; p < head.pack_count; p++) {
            tz_name_pack(name, head.packs[p]);
            if (!is_there(store, name))
                fail_msg("seed %llu: store %zu lacks '%s' of a complete generation",
                         (unsigned long long)seed, i, name);
        }
    }
}

/* Some of the files change, so that some packs are shared and others are not. */
static void change(const struct tz_fixture *f, struct seeded *seeded)
{
    char name[32];

    for (unsigned i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof(name), "file-%u", (unsigned)seeded_below(seeded, 5));
        tz_fixture_fill(f, name, 70000 + (size_t)seeded_below(seeded, 3), seeded_below(seeded, 4));
    }
}

static void run_actors(struct actor *actors, struct seeded *seeded)
{
    static const enum role roles[ACTORS] = {BACK_UP, BACK_UP_TWIN, PRUNE, PRUNE, SYNC};

    turn.seeded.state = seeded_next(seeded);
    turn.holder = 0;
    turn.left = 1;
    memset(turn.waiting, 0, sizeof(turn.waiting));
    memset(turn.done, 0, sizeof(turn.done));
    for (unsigned i = 0; i < ACTORS; i++) {
        actors[i].number = i;
        actors[i].role = roles[i];
        actors[i].rounds = 1 + (unsigned)seeded_below(seeded, 2);
        actors[i].lifetime = seeded_one_in(seeded, 4) ? 1 + (unsigned)seeded_below(seeded, 120) : 0;
    }
    for (unsigned i = 0; i < ACTORS; i++)
        assert_int_equal(pthread_create(&actors[i].thread, NULL, run_actor, &actors[i]), 0);
    for (unsigned i = 0; i < ACTORS; i++)
        assert_int_equal(pthread_join(actors[i].thread, NULL), 0);
}

/* The next prune ends clean, a second one finds nothing to do, and all is there to restore. */
static void check_end(struct actor *actors, uint64_t seed)
{
    struct tz_fixture *f = &actors[0].fixture;
    struct tz_backup_result backed = {0};

    for (size_t i = 0; i < STORES; i++)
        check_store(f, i, seed);
    {
        TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(f, true);
        const struct tz_prune_options options = {.repo = repo};
        const struct tz_sync_options level = {.repo = repo, .full = true};
        struct tz_sync_result synced = {0};
        tz_fixture_backup(repo, "tree", &backed);
        tz_backup_result_clear(&backed);
        MUST(tz_sync(&level, &synced, err));
        for (int again = 0; again < 2; again++) {
            struct tz_prune_result result = {0};
            MUST(tz_prune(&options, &result, err));
            assert_int_equal(result.broken_count, 0);
            assert_int_equal(result.waiting_packs, 0);
            if (again)
                assert_int_equal(
                    result.forgotten_count + result.tombstoned_packs + result.deleted_packs, 0);
            tz_prune_result_clear(&result);
        }
    }
    for (size_t i = 0; i < STORES; i++)
        check_store(f, i, seed);
    tz_fixture_check(f, "east");
    tz_fixture_check(f, "west");
}

static void run_seed(uint64_t seed)
{
    struct seeded seeded = {seed};
    struct actor actors[ACTORS] = {{0}};
    struct tz_fixture shared;
    const struct tz_fixture_options options = {0};

    tz_fixture_make(&shared, &options);
    for (unsigned i = 0; i < ACTORS; i++)
        join_in(&actors[i].fixture, &shared, i);
    for (unsigned i = 0; i < 5; i++)
        change(&shared, &seeded);
    for (unsigned i = 0; i < 3; i++) {
        TZ_SCOPED(tz_scoped_repo)
        struct tz_repo *repo = tz_fixture_open(&actors[i % 2].fixture, true);
        struct tz_backup_result result = {0};
        tz_fixture_backup(repo, i % 2 ? "twin" : "tree", &result);
        tz_backup_result_clear(&result);
        change(&shared, &seeded);
    }
    run_actors(actors, &seeded);
    check_end(actors, seed);
    for (unsigned i = 0; i < ACTORS; i++)
        leave_it(&actors[i].fixture);
    tz_fixture_clear(&shared);
}

static void nothing_complete_ever_lacks_a_pack(void **state)
{
    const char *one = getenv("TOZAI_SEED");
    uint64_t count = getenv("TOZAI_LONG") ? 10000 : SEEDS;

    (void)state;
    if (one) {
        run_seed(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= count; seed++)
        run_seed(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_complete_ever_lacks_a_pack),
    };

    return cmocka_run_group_tests_name("prune_sim", tests, NULL, NULL);
}
