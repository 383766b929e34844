/*
 * A bounded queue between the threads of a pipeline; it passes ownership of what goes through.
 *
 * Any number of threads may push and pop.  After tz_queue_close() pushes are refused and pops
 * drain what is left.
 */
#ifndef TOZAI_UTIL_QUEUE_H
#define TOZAI_UTIL_QUEUE_H

#include "tozai/util/error.h"

#include <stdbool.h>
#include <stddef.h>

struct tz_queue;

int tz_queue_new(struct tz_queue **ret, size_t capacity, struct tz_error *err) TZ_MUST_CHECK;
/* The queue must be empty or its items plain memory of somebody else: nothing is freed. */
void tz_queue_free(struct tz_queue *queue);
TZ_DEFINE_SCOPED(struct tz_queue *, tz_scoped_queue, tz_queue_free)

/* Waits for room.  False: the queue is closed, and the caller still owns the item. */
bool tz_queue_push(struct tz_queue *queue, void *item) TZ_MUST_CHECK;
/* Waits for an item.  NULL: closed and drained. */
void *tz_queue_pop(struct tz_queue *queue);
/* NULL if there is none right now. */
void *tz_queue_try_pop(struct tz_queue *queue);
void tz_queue_close(struct tz_queue *queue);

#endif
