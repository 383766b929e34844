/*
 * A store around another one that fails, damages or waits as a test tells it to.
 *
 * Threads: the control may be used while the store is at work.
 */
#ifndef TOZAI_TESTS_FAULTY_STORE_H
#define TOZAI_TESTS_FAULTY_STORE_H

#include "tozai/storage/store.h"

/* Kinds of calls.  A replace is a put. */
#define FAULTY_PUT    1U
#define FAULTY_GET    2U
#define FAULTY_STAT   4U
#define FAULTY_LIST   8U
#define FAULTY_REMOVE 16U
#define FAULTY_ALL    31U
/* Extending a lock and holding; FAULTY_AFTER: it says that it did, and does nothing. */
#define FAULTY_LOCK 32U

enum faulty_way {
    FAULTY_BEFORE,   /* fail without doing anything */
    FAULTY_AFTER,    /* do it, then fail: the reply was lost */
    FAULTY_FLIP,     /* one bit of what a get returns is wrong */
    FAULTY_TRUNCATE, /* the second half of what a get returns is missing */
};

#define FAULTY_FOR_GOOD (~0U)

struct faulty_plan {
    unsigned calls; /* the kinds that are counted and hit */
    unsigned at;    /* the first counted call that is hit: 1, 2...; 0: none */
    unsigned times; /* how many from there on; 0: one */
    enum faulty_way way;
    enum tz_error_kind kind; /* of the failure; 0: TZ_IO */
    unsigned delay_ms;       /* before each counted call */
    unsigned
        move_ms; /* of a get, from its first byte on: then it asks for room, as far stores do */
};

struct faulty_store; /* lives as long as the store */

/* inner becomes the new store's, on failure, too. */
int faulty_store_new(struct tz_store **ret, struct faulty_store **ret_control,
                     struct tz_store *inner, struct tz_error *err) TZ_MUST_CHECK;

/* What tz_store_features() says, if not the same as for inner. */
void faulty_store_features(struct faulty_store *control, unsigned features);
/* From now on; counting starts anew. */
void faulty_store_plan(struct faulty_store *control, const struct faulty_plan *plan);
/* Is called before every call of the store, by the thread that makes it; it may wait.  It is set
 * before the store is used. */
void faulty_store_hook(struct faulty_store *control, void (*hook)(void *arg, unsigned call),
                       void *arg);
/* Counted calls that have begun. */
unsigned faulty_store_count(struct faulty_store *control);
/* Wait until n counted calls have begun. */
void faulty_store_await(struct faulty_store *control, unsigned n);
/* Counted calls begin, and then wait until they are let go. */
void faulty_store_hold(struct faulty_store *control);
void faulty_store_let_go(struct faulty_store *control);
/* The names of the puts that succeeded, in order, each followed by a space; to be freed. */
char *faulty_store_journal(struct faulty_store *control);

#endif
