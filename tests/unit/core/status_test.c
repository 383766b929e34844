/* What is made of a source's generations: state, calendar, sums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/config/parse.h"
#include "core/status/internal.h"
#include "repo_fixture.h"
#include "tozai/util/time.h"

#include <string.h>

#define S   TZ_SECOND_NS
#define DAY (86400 * S)

#define HEAD                                                                                       \
    "[repository]\nstate = /s\n[store a]\nurl = file:///a\nlocation = x\n"                         \
    "[store b]\nurl = file:///b\nlocation = y\n[source w]\ntype = directory\npath = /w\n"

/* A source with points at these times; its memory is the test's. */
struct scene {
    struct tz_config *config;
    struct tz_status_source source;
    struct tz_status_point points[64];
    int64_t now;
};

static int64_t moment(const char *text)
{
    int64_t ret = 0;

    assert_int_equal(tz_time_parse(text, 0, &ret, NULL), 0);
    return ret;
}

static void make_scene(struct scene *scene, const char *more, const char *now)
{
    char text[1024];
    struct tz_error err = {0};

    (void)snprintf(text, sizeof(text), "%s%s", HEAD, more);
    *scene = (struct scene){.now = moment(now)};
    if (tz_config_parse(&scene->config, "x.conf", text, strlen(text), &err))
        fail_msg("%s", err.message);
    scene->source.name = (char *)"w";
    scene->source.points = scene->points;
}

/* Newest first. */
static struct tz_status_point *add(struct scene *scene, int64_t time_ns)
{
    struct tz_status_point *point = &scene->points[scene->source.point_count++];

    *point = (struct tz_status_point){.time_ns = time_ns,
                                      .bytes = 1000,
                                      .new_bytes = 100,
                                      .stored_bytes = 50,
                                      .stores = 3,
                                      .sealed = true,
                                      .complete = true};
    return point;
}

static void judge(struct scene *scene)
{
    struct tz_error err = {0};

    if (tz_status_judge_source(&scene->source, scene->config, scene->now, &err))
        fail_msg("%s", err.message);
}

static void end(struct scene *scene)
{
    tz_config_free(scene->config);
}

/* "1.0x": so many, none and none expected, missing. */
static void slots_are(const struct tz_status_slot *slots, size_t count, const char *expected)
{
    char found[16] = "";

    for (size_t i = 0; i < count; i++) {
        char sign = slots[i].missing ? 'x' : '.';
        if (slots[i].points > 0)
            sign = (char)('0' + slots[i].points);
        found[i] = sign;
    }
    assert_string_equal(found, expected);
}

static void a_daily_source_is_overdue_after_a_day_and_a_quarter(void **state)
{
    struct scene scene;

    (void)state;
    make_scene(&scene, "", "2026-11-27T12:00:00Z");
    add(&scene, scene.now - DAY - 5 * 3600 * S);
    judge(&scene);
    assert_int_equal(scene.source.state, TZ_STATUS_OK);
    assert_int_equal(scene.source.age_ns, DAY + 5 * 3600 * S);
    scene.now += 2 * 3600 * S;
    judge(&scene);
    assert_int_equal(scene.source.state, TZ_STATUS_OVERDUE);
    end(&scene);
}

static void one_without_a_generation_is_overdue(void **state)
{
    struct scene scene;

    (void)state;
    make_scene(&scene, "", "2026-11-27T12:00:00Z");
    judge(&scene);
    assert_int_equal(scene.source.state, TZ_STATUS_OVERDUE);
    assert_null(scene.source.last);
    slots_are(scene.source.days, TZ_STATUS_DAYS, ".......");
    end(&scene);
}

static void one_in_too_few_stores_is_degraded(void **state)
{
    struct scene scene;

    (void)state;
    make_scene(&scene, "", "2026-11-27T12:00:00Z");
    add(&scene, scene.now - 3600 * S)->degraded = true;
    judge(&scene);
    assert_int_equal(scene.source.state, TZ_STATUS_DEGRADED);
    end(&scene);
}

static void what_is_unfinished_or_in_the_future_does_not_count(void **state)
{
    struct scene scene;

    (void)state;
    make_scene(&scene, "", "2026-11-27T12:00:00Z");
    add(&scene, scene.now + 365 * DAY);
    add(&scene, scene.now - 60 * S)->complete = false;
    add(&scene, scene.now - 3600 * S);
    judge(&scene);
    assert_ptr_equal(scene.source.last, &scene.points[2]);
    slots_are(scene.source.days, TZ_STATUS_DAYS, "......1");
    assert_int_equal(scene.source.total_bytes, 2000);
    end(&scene);
}

static void a_source_that_left_the_configuration_is_not_due(void **state)
{
    struct scene scene;

    (void)state;
    make_scene(&scene, "", "2026-11-27T12:00:00Z");
    scene.source.name = (char *)"gone";
    scene.source.state = TZ_STATUS_LEFT;
    add(&scene, scene.now - 3 * DAY);
    judge(&scene);
    assert_int_equal(scene.source.state, TZ_STATUS_LEFT);
    assert_int_equal(scene.source.due_ns, 0);
    slots_are(scene.source.days, TZ_STATUS_DAYS, "...1...");
    end(&scene);
}

static void days_that_were_missed_are_holes(void **state)
{
    struct scene scene;

    (void)state;
    /* A Friday; the week began on the 23rd. */
    make_scene(&scene, "[retention]\ntimezone = UTC\n", "2026-11-27T12:00:00Z");
    add(&scene, moment("2026-11-26T23:59:59Z"));
    add(&scene, moment("2026-11-25T12:00:00Z"));
    add(&scene, moment("2026-11-25T00:00:00Z"));
    add(&scene, moment("2026-11-22T23:00:00Z"));
    add(&scene, moment("2026-11-06T03:00:00Z"));
    judge(&scene);
    slots_are(scene.source.days, TZ_STATUS_DAYS, "x1xx21.");
    slots_are(scene.source.weeks, TZ_STATUS_WEEKS, "1x13");
    assert_int_equal(scene.source.weeks[3].day, 23);
    assert_int_equal(scene.source.days[6].begin_ns, moment("2026-11-27T00:00:00Z"));
    end(&scene);
}

static void only_what_was_due_and_would_still_be_kept_can_be_missing(void **state)
{
    struct scene scene;

    (void)state;
    make_scene(&scene, "every = 7d\n[retention]\ntimezone = UTC\n", "2026-11-27T12:00:00Z");
    add(&scene, moment("2026-11-02T03:00:00Z"));
    judge(&scene);
    slots_are(scene.source.days, TZ_STATUS_DAYS, ".......");
    slots_are(scene.source.weeks, TZ_STATUS_WEEKS, "1xx.");
    end(&scene);

    make_scene(&scene, "cron = 0 3 * * mon-fri\n[retention]\ntimezone = UTC\ndaily = 4\n",
               "2026-11-27T12:00:00Z");
    add(&scene, moment("2026-11-02T03:00:00Z"));
    judge(&scene);
    slots_are(scene.source.days, TZ_STATUS_DAYS, "...xxx.");
    end(&scene);

    make_scene(&scene, "[retention]\ntimezone = UTC\nlast = 9\n[retention w]\nwithin = 3d\n",
               "2026-11-27T12:00:00Z");
    add(&scene, moment("2026-11-02T03:00:00Z"));
    judge(&scene);
    slots_are(scene.source.days, TZ_STATUS_DAYS, "....xx.");
    slots_are(scene.source.weeks, TZ_STATUS_WEEKS, "1...");
    end(&scene);

    /* Before the first one nothing is missing; a weekend is not either. */
    make_scene(&scene, "cron = 0 3 * * mon-fri\n[retention]\ntimezone = UTC\n",
               "2026-11-27T12:00:00Z");
    add(&scene, moment("2026-11-20T03:00:00Z"));
    judge(&scene);
    slots_are(scene.source.days, TZ_STATUS_DAYS, "..xxxx.");
    slots_are(scene.source.weeks, TZ_STATUS_WEEKS, "..1.");
    end(&scene);
}

static void days_are_those_of_the_time_zone(void **state)
{
    struct scene scene;

    (void)state;
    make_scene(&scene, "[retention]\ntimezone = Asia/Tokyo\n", "2026-11-27T16:00:00Z");
    add(&scene, moment("2026-11-27T15:30:00Z")); /* the 28th in Tokyo */
    add(&scene, moment("2026-11-27T14:30:00Z"));
    judge(&scene);
    slots_are(scene.source.days, TZ_STATUS_DAYS, ".....11");
    assert_int_equal(scene.source.days[6].day, 28);
    end(&scene);

    /* Days of 23 and 25 hours. */
    make_scene(&scene, "[retention]\ntimezone = Europe/Berlin\n", "2026-03-31T12:00:00Z");
    add(&scene, moment("2026-03-28T12:00:00Z"));
    judge(&scene);
    slots_are(scene.source.days, TZ_STATUS_DAYS, "...1xx.");
    assert_int_equal(scene.source.days[4].end_ns - scene.source.days[4].begin_ns, 23 * 3600 * S);
    end(&scene);
}

static void sums_ratios_and_growth(void **state)
{
    struct scene scene;

    (void)state;
    make_scene(&scene, "", "2026-11-27T12:00:00Z");
    add(&scene, scene.now - 3600 * S)->bytes = 5000;
    add(&scene, scene.now - 8 * DAY)->bytes = 6000;
    add(&scene, scene.now - 40 * DAY)->bytes = 1000;
    judge(&scene);
    assert_int_equal(scene.source.total_bytes, 12000);
    assert_true(scene.source.dedup == 40 && scene.source.compression == 2);
    assert_true(scene.source.knows_week && scene.source.growth_week == -1000);
    assert_true(scene.source.knows_month && scene.source.growth_month == 4000);
    end(&scene);
}

/* --- A real repository. --- */

static void collect(struct tz_repo *repo, int64_t now_ns, struct tz_status *status)
{
    struct tz_error err = {0};

    if (tz_status_collect(repo, now_ns, status, &err))
        fail_msg("%s", err.message);
}

static void stores_say_what_they_hold_and_lack(void **state)
{
    const struct tz_fixture_options options = {.files = true};
    struct tz_backup_result result = {0};
    struct tz_status status = {0};
    struct tz_fixture f;
    int64_t object = 0;

    (void)state;
    tz_fixture_make(&f, &options);
    tz_fixture_fill(&f, "one", 300000, 1);
    tz_fixture_run(&f, &result);
    struct tz_repo *repo = tz_fixture_open(&f, false);
    collect(repo, tz_now(), &status);
    assert_false(status.warn);
    assert_int_equal(status.store_count, 2);
    assert_true(status.stores[0].reachable && status.stores[0].held.objects >= 4);
    assert_true(status.stores[0].held.bytes > 300000);
    assert_int_equal(status.stores[1].held.objects, status.stores[0].held.objects);
    assert_int_equal(status.source_count, 1);
    assert_string_equal(status.sources[0].name, "tree");
    assert_int_equal(status.sources[0].state, TZ_STATUS_OK);
    tz_status_clear(&status);

    /* A pack that one store lost. */
    char name[TZ_NAME_TEXT];
    tz_name_pack(name, result.head.packs[0]);
    assert_int_equal(tz_catalog_find_object(tz_repo_catalog(repo), name, &object, NULL, NULL), 0);
    assert_int_equal(tz_catalog_set_copy(tz_repo_catalog(repo), object, tz_repo_store(repo, 1),
                                         TZ_COPY_MISSING, NULL),
                     0);
    collect(repo, tz_now(), &status);
    assert_true(status.warn);
    assert_true(tz_status_store_ok(&status.stores[0]));
    assert_int_equal(status.stores[1].held.behind_objects, 1);
    assert_true(status.stores[1].held.behind_bytes > 0);
    assert_int_equal(status.sources[0].state, TZ_STATUS_DEGRADED);
    tz_status_clear(&status);

    collect(repo, tz_now() + 3 * DAY, &status);
    assert_int_equal(status.sources[0].state, TZ_STATUS_OVERDUE);
    tz_status_clear(&status);
    tz_repo_free(repo);
    tz_backup_result_clear(&result);
    tz_fixture_clear(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_daily_source_is_overdue_after_a_day_and_a_quarter),
        cmocka_unit_test(one_without_a_generation_is_overdue),
        cmocka_unit_test(one_in_too_few_stores_is_degraded),
        cmocka_unit_test(what_is_unfinished_or_in_the_future_does_not_count),
        cmocka_unit_test(a_source_that_left_the_configuration_is_not_due),
        cmocka_unit_test(days_that_were_missed_are_holes),
        cmocka_unit_test(only_what_was_due_and_would_still_be_kept_can_be_missing),
        cmocka_unit_test(days_are_those_of_the_time_zone),
        cmocka_unit_test(sums_ratios_and_growth),
        cmocka_unit_test(stores_say_what_they_hold_and_lack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
