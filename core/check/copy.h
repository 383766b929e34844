/*
 * The copies of one object while a worker checks them.
 */
#ifndef TOZAI_CORE_CHECK_COPY_H
#define TOZAI_CORE_CHECK_COPY_H

#include "check.h"

/* How much is read at once.  From a local store not more than stays in the processor's cache. */
#define TZ_WINDOW_LOCAL ((size_t)1 << 20)
/* A frame, at least. */
#define TZ_WINDOW_REMOTE (((size_t)4 << 20) + 4096)

struct tz_store *tz_copy_store(const struct tz_check_task *task, size_t i);
/* Note what an error in reading or checking a copy says of it; the first fatal one is kept. */
void tz_copy_judge(struct tz_check_task *task, size_t store, const struct tz_error *why);
/* Replace what is in out by a part of the store's copy. */
int tz_copy_read(struct tz_check_task *task, size_t store, uint64_t offset, size_t len,
                 struct tz_buf *out, struct tz_error *err) TZ_MUST_CHECK;
/* Is the copy's SHA-256 its name?  Only packs. */
int tz_copy_check_hash(struct tz_check_task *task, struct tz_check_worker *worker, size_t store,
                       struct tz_error *err) TZ_MUST_CHECK;
/* The copies in these stores are good if their hash is right. */
void tz_copy_settle_by_hash(struct tz_check_task *task, struct tz_check_worker *worker,
                            uint32_t stores);

/* content.c: a pack that the catalog describes; one that it does not. */
void tz_check_content(struct tz_check_task *task, struct tz_check_worker *worker);
void tz_check_undescribed(struct tz_check_task *task, struct tz_check_worker *worker);

#endif
