#include "mirror_private.h"
#include "tozai/util/interrupt.h"
#include "tozai/util/log.h"
#include "tozai/util/time.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tozai/util/banned.h"

/* A store from which nothing came for so long is left for another one. */
#define PATIENCE_S 4U
/* And after that time one that needs so many times as long for the rest of the bytes as another one
 * for all of them. */
#define TOO_MANY_TIMES 4.0
/* Of each store's reason, in the error that names them all. */
#define REASON_TEXT 300

struct reading {
    struct tz_mirror *mirror;
    const struct tz_mirror_request *request;
    struct tz_buf *out;
    uint32_t failed; /* bits of stores that were not out and failed */
    /* Of each store that was asked. */
    enum tz_error_kind kinds[TZ_MIRROR_MAX_STORES];
    char reasons[TZ_MIRROR_MAX_STORES][REASON_TEXT];
};

enum rank { LOCAL, REMOTE, AVOIDED, OUT };

struct candidate {
    size_t store;
    enum rank rank;
    double expected_ns;
};

static enum rank rank(const struct tz_mirror_lane *lane, int64_t now_ns)
{
    if (lane->out)
        return OUT;
    if (now_ns < lane->pace.avoid_until_ns)
        return AVOIDED;
    return lane->local ? LOCAL : REMOTE;
}

static bool is_better(const struct candidate *a, const struct candidate *b)
{
    if (a->rank != b->rank)
        return a->rank < b->rank;
    return a->rank == REMOTE && a->expected_ns < b->expected_ns;
}

/* The stores that were opened, the best first; equal ones as they are configured. */
static size_t order(const struct reading *reading, struct candidate sorted[TZ_MIRROR_MAX_STORES])
{
    struct tz_mirror *mirror = reading->mirror;
    size_t count = 0;
    int64_t now_ns = tz_monotonic();

    tz_mirror_lock(mirror);
    for (size_t i = 0; i < mirror->count; i++) {
        const struct tz_mirror_lane *lane = &mirror->lanes[i];
        if (!lane->store)
            continue;
        const struct candidate fresh = {
            .store = i,
            .rank = rank(lane, now_ns),
            .expected_ns = tz_mirror_pace_expect(lane, reading->request->len, now_ns),
        };
        size_t at = count++;
        for (; at > 0 && is_better(&fresh, &sorted[at - 1]); at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = fresh;
    }
    tz_mirror_unlock(mirror);
    return count;
}

static bool is_unwanted(const struct tz_mirror_request *request)
{
    return request->unwanted && request->unwanted(request->arg);
}

/* A read from one store, which others could take over if it is hasty. */
struct attempt {
    const struct reading *reading;
    size_t store;
    bool hasty;
    int64_t began_ns;
    int64_t first_ns;   /* until the first byte came; 0: it did not */
    int64_t no_room_ns; /* since when it waits for room; 0: it does not */
    int64_t waited_ns;  /* for room, before */
    bool moving;        /* there is room, and the bytes come */
};

/* How long the best of the others needs for all of it; infinite if none was ever measured. */
static double expect_elsewhere(const struct attempt *attempt)
{
    struct tz_mirror *mirror = attempt->reading->mirror;
    const int64_t now_ns = tz_monotonic();
    double best_ns = INFINITY;

    tz_mirror_lock(mirror);
    for (size_t i = 0; i < mirror->count; i++) {
        const struct tz_mirror_lane *lane = &mirror->lanes[i];
        if (i != attempt->store && lane->store && rank(lane, now_ns) < AVOIDED &&
            lane->pace.rate_measured_ns != 0)
            best_ns = TZ_MIN(best_ns,
                             tz_mirror_pace_expect(lane, attempt->reading->request->len, now_ns));
    }
    tz_mirror_unlock(mirror);
    return best_ns;
}

/* Where the object's length is not known both times are of what was asked for. */
static bool is_too_slow(void *arg, uint64_t came, int64_t took_ns)
{
    const struct attempt *attempt = arg;
    const size_t len = attempt->reading->request->len;

    if (is_unwanted(attempt->reading->request))
        return true;
    if (!attempt->hasty || attempt->no_room_ns != 0)
        return false;
    took_ns -= attempt->waited_ns;
    if (took_ns < PATIENCE_S * TZ_SECOND_NS || came >= len)
        return false;
    double rest_ns = (double)took_ns / (double)TZ_MAX(came, (uint64_t)1) * (double)(len - came);
    return rest_ns > TOO_MANY_TIMES * expect_elsewhere(attempt);
}

/* The store has begun to answer: may it go on? */
static bool has_room(void *arg, struct tz_buf *out, size_t len)
{
    struct attempt *attempt = arg;
    const struct reading *reading = attempt->reading;
    const struct tz_mirror_request *request = reading->request;
    struct tz_mirror_lane *lane = &reading->mirror->lanes[attempt->store];
    int64_t now_ns = tz_monotonic();

    if (attempt->moving)
        return true;
    if (attempt->first_ns == 0)
        attempt->first_ns = now_ns - attempt->began_ns;
    if (request->room && !request->room(request->arg, out, len)) {
        attempt->no_room_ns = attempt->no_room_ns ? attempt->no_room_ns : now_ns;
        return false;
    }
    if (attempt->no_room_ns != 0)
        attempt->waited_ns = now_ns - attempt->no_room_ns;
    attempt->no_room_ns = 0;
    attempt->moving = true;
    tz_mirror_lock(reading->mirror);
    tz_mirror_pace_move(lane, true);
    tz_mirror_unlock(reading->mirror);
    return true;
}

/* Read, and note how long it took. */
static int read_timed(struct reading *reading, size_t i, bool hasty, struct tz_error *err)
{
    const struct tz_mirror_request *request = reading->request;
    struct attempt attempt = {.reading = reading, .store = i, .hasty = hasty};
    const struct tz_store_terms terms = {.once = hasty,
                                         .still_s = hasty ? PATIENCE_S : 0,
                                         .too_slow = is_too_slow,
                                         .room = has_room,
                                         .arg = &attempt};
    struct tz_mirror *mirror = reading->mirror;
    struct tz_mirror_lane *lane = &mirror->lanes[i];
    size_t before = reading->out->len;

    tz_mirror_lock(mirror);
    tz_mirror_pace_begin(lane, request->len);
    tz_mirror_unlock(mirror);
    attempt.began_ns = tz_monotonic();
    int status = tz_store_get_with(lane->store, request->name, request->offset, request->len,
                                   &terms, reading->out, err);
    const struct tz_mirror_sample sample = {
        .len = request->len,
        .came = status ? 0 : reading->out->len - before,
        .took_ns = tz_monotonic() - attempt.began_ns - attempt.waited_ns,
        .first_ns = attempt.first_ns,
        .reached = !status || err->kind != TZ_UNAVAILABLE || is_unwanted(request),
    };
    tz_mirror_lock(mirror);
    tz_mirror_pace_end(lane, &sample);
    if (attempt.moving)
        tz_mirror_pace_move(lane, false);
    tz_mirror_unlock(mirror);
    return status;
}

static int read_once(struct reading *reading, size_t i, bool hasty, struct tz_error *err)
{
    struct tz_buf *out = reading->out;
    size_t before = out->len;
    if (read_timed(reading, i, hasty, err))
        return -1;
    size_t came = out->len - before;
    int status = 0;
    if (reading->request->accept)
        status = reading->request->accept(reading->request->arg,
                                          out->data ? out->data + before : NULL, came, err);
    else if (came != reading->request->len)
        status = tz_fail(err, TZ_CORRUPT, "get '%s': %zu bytes instead of %zu",
                         reading->request->name, came, reading->request->len);
    if (status)
        out->len = before;
    return status;
}

static void note_failure(struct reading *reading, size_t i, bool out, const struct tz_error *why)
{
    struct tz_mirror *mirror = reading->mirror;
    tz_debug("store '%s': %s", mirror->lanes[i].name, why->message);
    reading->kinds[i] = why->kind;
    (void)snprintf(reading->reasons[i], REASON_TEXT, "%.*s", REASON_TEXT - 1, why->message);
    if (!out)
        reading->failed |= 1U << i;
}

static int fail_unwanted(const struct tz_mirror_request *request, struct tz_error *err)
{
    return tz_fail(err, TZ_INTERRUPTED, "get '%s': nobody wants it any more", request->name);
}

/* No other store could help. */
static bool is_ours(enum tz_error_kind kind)
{
    return kind == TZ_INTERRUPTED || kind == TZ_INVALID;
}

/*
 * Ask every store once; in a later round only those that could not be reached.  Returns 0 and
 * the store, or -1: with err set if it is of no use to go on.
 */
static int read_round(struct reading *reading, bool first, size_t *ret_store, struct tz_error *err)
{
    struct candidate sorted[TZ_MIRROR_MAX_STORES];
    size_t count = order(reading, sorted);
    for (size_t n = 0; n < count; n++) {
        size_t i = sorted[n].store;
        if (!first && reading->kinds[i] != TZ_UNAVAILABLE)
            continue;
        /* Only while there is another one to go on with. */
        bool hasty =
            reading->request->once || (first && n + 1 < count && sorted[n + 1].rank < AVOIDED);
        struct tz_error why = {0};
        if (is_unwanted(reading->request))
            return fail_unwanted(reading->request, err);
        if (!read_once(reading, i, hasty, &why)) {
            *ret_store = i;
            return 0;
        }
        note_failure(reading, i, sorted[n].rank == OUT, &why);
        if (is_unwanted(reading->request))
            return fail_unwanted(reading->request, err);
        if (is_ours(why.kind)) {
            *err = why;
            return -1;
        }
    }
    return -1;
}

/* A store that could not be opened may have the object: then nobody may say that it is missing. */
static void add_unopened(struct reading *reading)
{
    for (size_t i = 0; i < reading->mirror->count; i++) {
        struct tz_error why;
        if (reading->mirror->lanes[i].store || !tz_mirror_error(reading->mirror, i, &why))
            continue;
        reading->kinds[i] = why.kind == TZ_NOT_FOUND ? TZ_UNAVAILABLE : why.kind;
        (void)snprintf(reading->reasons[i], REASON_TEXT, "%.*s", REASON_TEXT - 1, why.message);
    }
}

/* Wrong bytes count more than not being reachable, and that more than not having it. */
static enum tz_error_kind worst(const struct reading *reading)
{
    enum tz_error_kind kind = TZ_NOT_FOUND;
    for (size_t i = 0; i < reading->mirror->count; i++) {
        if (reading->kinds[i] == TZ_CORRUPT)
            return TZ_CORRUPT;
        if (kind == TZ_NOT_FOUND && reading->kinds[i] != TZ_OK)
            kind = reading->kinds[i];
    }
    return kind;
}

static int fail_all(struct reading *reading, struct tz_error *err)
{
    char text[sizeof(err->message)] = "";
    size_t len = 0;
    add_unopened(reading);
    for (size_t i = 0; i < reading->mirror->count; i++) {
        if (!reading->reasons[i][0])
            continue;
        int more = snprintf(text + len, sizeof(text) - len, "%s%s: %s", len ? "; " : "",
                            reading->mirror->lanes[i].name, reading->reasons[i]);
        len = TZ_MIN(len + (size_t)TZ_MAX(more, 0), sizeof(text) - 1);
    }
    return tz_fail(err, worst(reading), "no store gives '%s': %s", reading->request->name, text);
}

/* How often those that could not be reached may be asked; 0 if there are none. */
static unsigned most_attempts(const struct reading *reading)
{
    unsigned most = 0;
    for (size_t i = 0; i < reading->mirror->count; i++)
        if (reading->kinds[i] == TZ_UNAVAILABLE)
            most = TZ_MAX(most, reading->mirror->lanes[i].attempts);
    return most;
}

static int read_with_retries(struct reading *reading, size_t *ret_store, struct tz_error *err)
{
    struct tz_mirror *mirror = reading->mirror;
    for (unsigned attempt = 1;; attempt++) {
        struct tz_error ours = {0};
        if (!read_round(reading, attempt == 1, ret_store, &ours))
            return 0;
        if (ours.kind != TZ_OK) {
            if (err)
                *err = ours;
            return -1;
        }
        if (reading->request->once || attempt >= most_attempts(reading))
            return fail_all(reading, err);
        tz_mirror_lock(mirror);
        bool again = tz_mirror_pause(mirror, NULL, attempt);
        tz_mirror_unlock(mirror);
        if (!again)
            return tz_interrupt_check(err) ? -1 : fail_all(reading, err);
    }
}

int tz_mirror_read(struct tz_mirror *mirror, const struct tz_mirror_request *request,
                   struct tz_buf *out, size_t *ret_store, uint32_t *ret_failed,
                   struct tz_error *err)
{
    struct reading reading = {.mirror = mirror, .request = request, .out = out};
    size_t store = 0;
    int status = read_with_retries(&reading, &store, err);
    if (ret_failed)
        *ret_failed = reading.failed;
    if (!status && ret_store)
        *ret_store = store;
    return status;
}

int tz_mirror_get(struct tz_mirror *mirror, const char *name, uint64_t offset, size_t len,
                  tz_mirror_accept_fn *accept, void *arg, struct tz_buf *out, size_t *ret_store,
                  uint32_t *ret_failed, struct tz_error *err)
{
    const struct tz_mirror_request request = {
        .name = name, .offset = offset, .len = len, .accept = accept, .arg = arg};

    return tz_mirror_read(mirror, &request, out, ret_store, ret_failed, err);
}

struct wanted {
    const char *name;
    const uint8_t *hash;
    size_t max;
};

static int accept_hash(void *arg, uint8_t *data, size_t len, struct tz_error *err)
{
    const struct wanted *wanted = arg;
    uint8_t hash[TZ_HASH_SIZE];
    if (len > wanted->max)
        return tz_fail(err, TZ_CORRUPT, "get '%s': it has more than the %zu bytes allowed",
                       wanted->name, wanted->max);
    if (tz_sha256(hash, data, len, err))
        return -1;
    if (memcmp(hash, wanted->hash, sizeof(hash)) != 0)
        return tz_fail(err, TZ_CORRUPT, "get '%s': its SHA-256 is not what it should be",
                       wanted->name);
    return 0;
}

int tz_mirror_get_hashed(struct tz_mirror *mirror, const char *name,
                         const uint8_t hash[TZ_HASH_SIZE], size_t max, struct tz_buf *out,
                         size_t *ret_store, struct tz_error *err)
{
    struct wanted wanted = {.name = name, .hash = hash, .max = max};
    /* One byte more than allowed shows an object that is too long. */
    size_t len = max < SIZE_MAX ? max + 1 : max;
    return tz_mirror_get(mirror, name, 0, len, accept_hash, &wanted, out, ret_store, NULL, err);
}
