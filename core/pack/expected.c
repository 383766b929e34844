#include "expected.h"

#include "tozai/util/pool.h"

#include <assert.h>
#include <string.h>

/* Of 4 MiB each: enough for 100 MiB a second where an answer takes a third of a second. */
#define QUEUE 8U

struct item {
    struct tz_job job;
    struct tz_expected *expected;
    struct tz_catalog_pack pack;
    uint8_t key[TZ_KEY_SIZE];
    uint32_t frame;
    struct tz_frame_info info;
    unsigned wanted; /* uses */
    struct tz_buf plain;
    uint32_t failed_stores;
    int failed;
    struct tz_error why;
};

struct tz_expected {
    struct tz_mirror *mirror;
    struct tz_pool *pool;
    struct {
        struct tz_frame_opener *opener;
        struct tz_buf sealed;
    } workers[QUEUE];
    struct item items[QUEUE]; /* a ring */
    unsigned first, count;
};

static void run(struct tz_job *job, unsigned worker)
{
    struct item *item = (struct item *)(void *)job;
    struct tz_expected *expected = item->expected;

    item->failed =
        tz_frame_fetch(expected->mirror, expected->workers[worker].opener, &item->pack, item->key,
                       item->frame, &item->info, &expected->workers[worker].sealed, &item->plain,
                       &item->failed_stores, &item->why);
    tz_wipe(item->key, sizeof(item->key));
}

int tz_expected_new(struct tz_expected **ret, struct tz_mirror *mirror, struct tz_error *err)
{
    struct tz_expected *expected = calloc(1, sizeof(*expected));

    if (!expected)
        return tz_fail_nomem(err);
    expected->mirror = mirror;
    int failed = 0;
    for (unsigned i = 0; i < QUEUE && !failed; i++)
        failed = tz_frame_opener_new(&expected->workers[i].opener, err);
    if (failed || tz_pool_new(&expected->pool, QUEUE, err)) {
        tz_expected_free(expected);
        return -1;
    }
    *ret = expected;
    return 0;
}

static struct item *item_at(struct tz_expected *expected, unsigned i)
{
    return &expected->items[(expected->first + i) % QUEUE];
}

static struct item *take_first(struct tz_expected *expected)
{
    struct item *item = item_at(expected, 0);

    tz_pool_wait(expected->pool, &item->job);
    expected->first = (expected->first + 1) % QUEUE;
    expected->count--;
    return item;
}

void tz_expected_free(struct tz_expected *expected)
{
    if (!expected)
        return;
    tz_pool_free(expected->pool);
    for (unsigned i = 0; i < QUEUE; i++) {
        tz_buf_clear(&expected->items[i].plain);
        tz_buf_clear(&expected->workers[i].sealed);
        tz_frame_opener_free(expected->workers[i].opener);
    }
    free(expected);
}

bool tz_expected_has_room(const struct tz_expected *expected)
{
    return expected->count < QUEUE;
}

/* QUEUE: it is not there. */
static unsigned find(struct tz_expected *expected, int64_t pack, uint32_t frame)
{
    for (unsigned i = 0; i < expected->count; i++) {
        const struct item *item = item_at(expected, i);
        if (item->pack.pack == pack && item->frame == frame)
            return i;
    }
    return QUEUE;
}

bool tz_expected_want(struct tz_expected *expected, int64_t pack, uint32_t frame)
{
    unsigned i = find(expected, pack, frame);

    if (i == QUEUE)
        return false;
    item_at(expected, i)->wanted++;
    return true;
}

void tz_expected_fetch(struct tz_expected *expected, const struct tz_catalog_pack *pack,
                       const uint8_t key[TZ_KEY_SIZE], uint32_t frame,
                       const struct tz_frame_info *info)
{
    assert(tz_expected_has_room(expected));
    struct item *item = item_at(expected, expected->count++);
    item->job = (struct tz_job){.run = run};
    item->expected = expected;
    item->pack = *pack;
    memcpy(item->key, key, TZ_KEY_SIZE);
    item->frame = frame;
    item->info = *info;
    item->wanted = 1;
    item->failed_stores = 0;
    item->why = (struct tz_error){0};
    tz_pool_submit(expected->pool, &item->job);
}

int tz_expected_take(struct tz_expected *expected, int64_t pack, uint32_t frame,
                     struct tz_buf *plain, unsigned *ret_wanted, uint32_t *ret_failed_stores,
                     bool *ret_found, struct tz_error *err)
{
    unsigned i = find(expected, pack, frame);

    *ret_found = i < QUEUE;
    if (!*ret_found) {
        if (!tz_expected_has_room(expected))
            (void)take_first(expected);
        return 0;
    }
    for (; i > 0; i--)
        (void)take_first(expected);
    struct item *item = take_first(expected);
    if (item->failed) {
        if (err)
            *err = item->why;
        return -1;
    }
    struct tz_buf before = *plain;
    *plain = item->plain;
    item->plain = before;
    *ret_wanted = item->wanted;
    *ret_failed_stores = item->failed_stores;
    return 0;
}
