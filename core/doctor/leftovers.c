/*
 * Puts that never ended: of runs that were killed, or lost their network.
 *
 * What is young may be a put that is running, on this machine or another one.  So only that goes
 * of which nothing has moved for a day, by the store's own clock.
 */
#include "internal.h"

#include "tozai/util/time.h"

#include <inttypes.h>
#include <string.h>

#include "tozai/util/banned.h"

#define STILL_NS   (INT64_C(24) * 3600 * TZ_SECOND_NS)
#define HOUR_NS    (INT64_C(3600) * TZ_SECOND_NS)
#define REMOVE_MAX 1000 /* the next doctor removes more */
#define ID_TEXT    512
#define AGE_TEXT   32
#define LINE_TEXT  256

struct old {
    char name[TZ_STORE_NAME_MAX + 1]; /* "": nobody knows */
    char id[ID_TEXT];
    int64_t age_ns;
};

struct look {
    struct tz_store *store;
    struct old *old; /* that may be removed */
    size_t old_count;
    uint64_t count, bytes; /* of all */
    uint64_t others;       /* that are not ours */
    int64_t oldest_ns;
    /* What became of them. */
    uint64_t removed, freed;
    struct tz_error failure; /* the first */
};

static int add_old(struct look *look, const struct tz_store_leftover *leftover,
                   struct tz_error *err)
{
    if (look->old_count == REMOVE_MAX || strlen(leftover->id) >= ID_TEXT)
        return 0;
    if (!look->old) {
        look->old = calloc(REMOVE_MAX, sizeof(*look->old));
        if (!look->old)
            return tz_fail_nomem(err);
    }
    struct old *old = &look->old[look->old_count++];
    old->age_ns = leftover->age_ns;
    (void)snprintf(old->name, sizeof(old->name), "%s", leftover->name ? leftover->name : "");
    (void)snprintf(old->id, sizeof(old->id), "%s", leftover->id);
    return 0;
}

static int see(void *arg, const struct tz_store_leftover *leftover, struct tz_error *err)
{
    struct look *look = arg;

    /* Somebody else may use the bucket, too. */
    if (leftover->name && tz_name_parse(leftover->name).kind == TZ_NAME_OTHER) {
        look->others++;
        return 0;
    }
    look->count++;
    look->bytes += leftover->bytes;
    look->oldest_ns = TZ_MAX(look->oldest_ns, leftover->age_ns);
    return leftover->age_ns > STILL_NS ? add_old(look, leftover, err) : 0;
}

static void remove_old(struct look *look)
{
    for (size_t i = 0; i < look->old_count; i++) {
        const struct old *old = &look->old[i];
        const struct tz_store_leftover leftover = {
            .name = old->name[0] ? old->name : NULL, .id = old->id, .age_ns = old->age_ns};
        struct tz_error why = {0};
        uint64_t bytes = 0;
        bool removed = false;
        if (tz_store_remove_leftover(look->store, &leftover, STILL_NS, &removed, &bytes, &why)) {
            look->failure = why;
            return;
        }
        look->removed += removed;
        look->freed += bytes;
    }
}

/* "5 minutes", "3 hours", "12 days" */
static void write_age(char text[AGE_TEXT], int64_t age_ns)
{
    int64_t hours = age_ns / HOUR_NS;

    if (hours < 1)
        (void)snprintf(text, AGE_TEXT, "%" PRId64 " minutes", age_ns / (HOUR_NS / 60));
    else if (hours < 48)
        (void)snprintf(text, AGE_TEXT, "%" PRId64 " hours", hours);
    else
        (void)snprintf(text, AGE_TEXT, "%" PRId64 " days", hours / 24);
}

/* "3 puts that never ended were removed (45.0 MiB); the oldest was begun 12 days ago; 1 is left" */
static void write_removed(char text[LINE_TEXT], const struct look *look)
{
    char bytes[TZ_SIZE_TEXT], age[AGE_TEXT];
    bool one = look->removed == 1;
    uint64_t left = look->count - TZ_MIN(look->removed, look->count);

    tz_size_format(bytes, look->freed);
    write_age(age, look->oldest_ns);
    (void)snprintf(text, LINE_TEXT, "%" PRIu64 " %s never ended %s removed (%s); %s begun %s ago",
                   look->removed, one ? "put that" : "puts that", one ? "was" : "were", bytes,
                   look->count == 1 ? "it was" : "the oldest was", age);
    size_t len = strlen(text);
    if (left > 0)
        (void)snprintf(text + len, LINE_TEXT - len, "; %" PRIu64 " %s left", left,
                       left == 1 ? "is" : "are");
}

/* "2 puts have not ended, 16.0 MiB; the oldest was begun 3 hours ago" */
static void write_left(char text[LINE_TEXT], const struct look *look)
{
    char bytes[TZ_SIZE_TEXT], age[AGE_TEXT];

    tz_size_format(bytes, look->bytes);
    write_age(age, look->oldest_ns);
    (void)snprintf(text, LINE_TEXT, "%" PRIu64 " %s not ended%s%s; the oldest was begun %s ago",
                   look->count, look->count == 1 ? "put has" : "puts have",
                   look->bytes > 0 ? ", " : "", look->bytes > 0 ? bytes : "", age);
}

/* That it may not be done, or cannot, is no reason to worry. */
static enum tz_finding_state state_of(const struct tz_error *why)
{
    return why->kind == TZ_UNAVAILABLE || why->kind == TZ_CORRUPT ? TZ_FINDING_WARN : TZ_FINDING_OK;
}

static void tell(const struct tz_doctor_options *options, const char *name, const struct look *look)
{
    char text[LINE_TEXT];

    if (look->failure.kind != TZ_OK) {
        write_left(text, look);
        tz_doctor_tell(options, state_of(&look->failure), name, look->failure.hint,
                       "%s; not all could be removed: %s", text, look->failure.message);
    } else if (look->removed > 0) {
        write_removed(text, look);
        tz_doctor_tell(options, TZ_FINDING_OK, name, NULL, "%s", text);
    } else if (look->count > 0) {
        write_left(text, look);
        tz_doctor_tell(options, TZ_FINDING_OK, name,
                       "a run may be at it; what has not moved for a day is removed by doctor",
                       "%s", text);
    } else if (look->others > 0) {
        tz_doctor_tell(options, TZ_FINDING_OK, name, NULL,
                       "no put was left unfinished; %" PRIu64 " of somebody else's were",
                       look->others);
    } else {
        tz_doctor_tell(options, TZ_FINDING_OK, name, NULL, "no put was left unfinished");
    }
}

void tz_doctor_leftovers(const struct tz_doctor_options *options, struct tz_store *store,
                         const char *name)
{
    struct look look = {.store = store};
    struct tz_error why = {0};

    if (tz_store_leftovers(store, see, &look, &why)) {
        tz_doctor_tell(options, state_of(&why), name, why.hint,
                       "unfinished puts cannot be seen: %s", why.message);
    } else {
        remove_old(&look);
        tell(options, name, &look);
    }
    free(look.old);
}
