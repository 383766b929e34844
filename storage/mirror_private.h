/*
 * What the parts of the mirror share.
 *
 * One mutex guards all of it; it is never held while a store works.
 */
#ifndef TOZAI_STORAGE_MIRROR_PRIVATE_H
#define TOZAI_STORAGE_MIRROR_PRIVATE_H

#include "tozai/storage/mirror.h"

#include <pthread.h>

/* An object on its way to one store, and then the result of it. */
struct tz_mirror_item {
    struct tz_mirror_item *next;
    struct tz_blob *blob; /* NULL in a result, and while it is in a file */
    uint64_t weight;      /* what it counts in a queue */
    char *file;           /* in the spool; NULL: none */
    size_t len;           /* of the file, and its hash */
    uint8_t hash[TZ_HASH_SIZE];
    uint64_t tag;
    size_t store;
    bool stored;
    bool back;  /* from a file */
    bool alone; /* neither before what came earlier nor behind what comes later */
    char name[TZ_STORE_NAME_MAX + 1];
};

/* First in, first out. */
struct tz_mirror_items {
    struct tz_mirror_item *first;
    struct tz_mirror_item **end;
};

#define TZ_MIRROR_WRITERS_MAX 16

/* Where a store's objects wait that have no room in memory (mirror_spool.c). */
struct tz_mirror_spool {
    char *folder; /* NULL: none */
    uint64_t max_bytes, bytes;
    uint64_t back;  /* bytes of objects that came back and are being written */
    size_t waiting; /* objects of the queue that are there */
    uint64_t next;  /* number of a file */
};

/* How fast a store gives what it is asked for (mirror_pace.c). */
struct tz_mirror_pace {
    double latency_ns, ns_per_byte;                /* means */
    int64_t latency_measured_ns, rate_measured_ns; /* by tz_monotonic(); 0: never */
    unsigned asked;                                /* reads on their way */
    unsigned moving;                               /* of them, whose bytes come */
    int64_t moving_ns, since_ns;      /* time in which some were, up to the last change of it */
    uint64_t moved_bytes;             /* of reads that ended in that time */
    uint64_t asked_bytes;             /* of them */
    int64_t avoid_ns, avoid_until_ns; /* a read could not reach it */
};

/* One store and its writer threads. */
struct tz_mirror_lane {
    struct tz_mirror *mirror;
    struct tz_store *store; /* NULL: could not be opened */
    size_t number;
    char *name;
    bool local;
    bool out;
    struct tz_error error;        /* why it is out */
    struct tz_mirror_items queue; /* without the one that is being written */
    uint64_t queue_bytes;         /* with it, but without what waits in files */
    struct tz_mirror_spool spool;
    unsigned busy;     /* writers that write */
    bool alone;        /* what is being written lets nothing beside it */
    unsigned attempts; /* tries of one operation */
    struct tz_mirror_pace pace;
    pthread_cond_t work;
    pthread_t threads[TZ_MIRROR_WRITERS_MAX];
    unsigned started;
};

struct tz_mirror {
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* a queue became shorter, a store went out, the end */
    bool stopping;
    struct tz_mirror_options options; /* without zeros */
    struct tz_mirror_items results;
    uint64_t memory_bytes; /* of all queues, what is in several counted once */
    int64_t first_put_ns;  /* by tz_monotonic(); 0: none */
    int64_t patient_ns;    /* spent on waiting for memory where a spool had room */
    size_t count;
    struct tz_mirror_lane lanes[TZ_MIRROR_MAX_STORES];
};

void tz_mirror_lock(struct tz_mirror *mirror);
void tz_mirror_unlock(struct tz_mirror *mirror);
/* Locked: wait on mirror->changed for at most this long. */
void tz_mirror_wait(struct tz_mirror *mirror, int64_t duration_ns);
/*
 * Locked: the pause after the attempt-th try that failed (1, 2...), with lane or NULL.  False if
 * it was cut short: interrupted, or the mirror is being freed, or the lane went out.
 */
bool tz_mirror_pause(struct tz_mirror *mirror, const struct tz_mirror_lane *lane, unsigned attempt);

/* Locked: the lane takes no more objects; what was queued for it becomes results. */
void tz_mirror_lane_fail(struct tz_mirror_lane *lane, const struct tz_error *why);
/* Locked: -1, with the reason of each store in the text, if no store of the mask can be written. */
int tz_mirror_check_usable(struct tz_mirror *mirror, uint32_t mask, struct tz_error *err);

/* Locked. */
bool tz_mirror_spool_has_room(const struct tz_mirror_lane *lane, uint64_t weight);
/* Not locked, only by the thread that puts: the blob becomes a file. */
int tz_mirror_spool_write(struct tz_mirror_lane *lane, struct tz_mirror_item *item,
                          struct tz_error *err) TZ_MUST_CHECK;
/* Not locked: the file becomes a blob again. */
int tz_mirror_spool_read(struct tz_mirror_item *item, struct tz_error *err) TZ_MUST_CHECK;
/* Remove the file, if there is one. */
void tz_mirror_spool_drop(struct tz_mirror_item *item);

/* Locked, all of them.  In which time a read of len bytes from there is likely to come. */
double tz_mirror_pace_expect(const struct tz_mirror_lane *lane, size_t len, int64_t now_ns);
void tz_mirror_pace_begin(struct tz_mirror_lane *lane, size_t len);
/* How a read went. */
struct tz_mirror_sample {
    size_t len, came; /* bytes that were asked for, and that came */
    int64_t took_ns;  /* the store's time */
    int64_t first_ns; /* of it, until the first byte; 0: the store does not say */
    bool reached;     /* the store did answer */
};
/* The bytes of one more read come, or (begun false) of one less. */
void tz_mirror_pace_move(struct tz_mirror_lane *lane, bool begun);
void tz_mirror_pace_end(struct tz_mirror_lane *lane, const struct tz_mirror_sample *sample);

/* The writer thread; arg is the lane. */
void *tz_mirror_write_lane(void *arg);

void tz_mirror_items_add(struct tz_mirror_items *items, struct tz_mirror_item *item);
/* NULL if there is none. */
struct tz_mirror_item *tz_mirror_items_take(struct tz_mirror_items *items);
/* Free them all. */
void tz_mirror_items_clear(struct tz_mirror_items *items);

#endif
