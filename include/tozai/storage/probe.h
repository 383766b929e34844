/*
 * What a store was seen to do.
 *
 * Servers that speak S3 differ, and some accept what they then ignore.  A probe tries things out on
 * the store itself; what it did not prove is not used (tz_store_trust()).
 *
 * A probe needs one object, which it puts again with its own bytes under conditions that a good
 * server refuses: a writer, who may not delete, leaves nothing behind.  With canary it also puts
 * objects of its own, if it may remove them again.
 */
#ifndef TOZAI_STORAGE_PROBE_H
#define TOZAI_STORAGE_PROBE_H

#include "tozai/storage/store.h"

enum tz_probe_part {
    TZ_PROBE_READ,        /* an object can be read as soon as it was written */
    TZ_PROBE_LIST,        /* and is listed */
    TZ_PROBE_RANGES,      /* a part of an object can be read */
    TZ_PROBE_CONDITIONAL, /* a put of a name that is taken can be refused */
    TZ_PROBE_BATCH,       /* many objects can be deleted at once */
    TZ_PROBE_HASH,        /* bytes that were damaged on the way are refused */
    TZ_PROBE_VERSIONING,  /* the old version stays behind one that is written or deleted */
    TZ_PROBE_REMOVE,      /* these credentials may delete */
    TZ_PROBE_PARTS,
};

enum tz_probe_answer { TZ_PROBE_UNKNOWN, TZ_PROBE_NO, TZ_PROBE_YES };

struct tz_probe {
    int64_t time_ns;
    enum tz_probe_answer parts[TZ_PROBE_PARTS];
    bool has_region; /* the store said where it lies */
    char region[TZ_STORE_REGION_MAX];
    int64_t ahead_ns; /* by how much its clock is before ours; not kept */
    /* Does it encrypt as it was told to?  Unknown where nobody told it.  Not kept, as each put
     * looks for itself. */
    enum tz_probe_answer encrypts;
    struct tz_error no_encryption; /* why it does not */
};

/* "conditional_put" */
const char *tz_probe_part_name(enum tz_probe_part part);
/* "unknown", "no", "yes" */
const char *tz_probe_answer_name(enum tz_probe_answer answer);
/* What tz_store_trust() may be told. */
unsigned tz_probe_features(const struct tz_probe *probe);

struct tz_probe_options {
    const char *name; /* of an object that is there and is small */
    bool canary;      /* put and remove objects in "probe/", if that can be undone */
};

/*
 * Try the store out.  Something that could not be found out is unknown and no error; TZ_NOT_FOUND
 * if the object is not there, TZ_UNAVAILABLE if the store cannot be reached.
 */
int tz_store_probe(struct tz_store *store, const struct tz_probe_options *options,
                   struct tz_probe *ret, struct tz_error *err) TZ_MUST_CHECK;

/* For keeping: address says of what the probe is, and is compared when it is read. */
int tz_probe_write(const struct tz_probe *probe, const char *address, struct tz_buf *out,
                   struct tz_error *err) TZ_MUST_CHECK;
/* False if it is of another address, or cannot be understood. */
bool tz_probe_read(const void *data, size_t len, const char *address, struct tz_probe *ret);

#endif
