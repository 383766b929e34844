#include "engine.h"

_Static_assert(TZ_EARLY_RUNS <= TRAYS, "what comes early is on trays");

/* The memory is touched when it is used. */
int tz_restore_make_trays(struct restore *restore, size_t count, struct tz_error *err)
{
    for (; restore->free_trays < count; restore->free_trays++)
        if (tz_buf_reserve(&restore->trays[restore->free_trays], restore->run_bytes, err))
            return -1;
    restore->most_reads = FIRST_READS;
    return 0;
}

void tz_restore_begin_read(struct restore *restore)
{
    (void)pthread_mutex_lock(&restore->tray_mutex);
    while (restore->reads >= restore->most_reads || restore->tray_waits >= TRAY_WAITS)
        (void)pthread_cond_wait(&restore->turn, &restore->tray_mutex);
    restore->reads++;
    (void)pthread_mutex_unlock(&restore->tray_mutex);
}

/* Locked: as many as may begin now. */
static void call_turns(struct restore *restore)
{
    if (restore->tray_waits >= TRAY_WAITS)
        return;
    for (unsigned i = restore->reads; i < restore->most_reads; i++)
        (void)pthread_cond_signal(&restore->turn);
}

/* Locked. */
static void set_waits(struct restore *restore, struct worker *worker, bool waits)
{
    if (waits == worker->waits)
        return;
    worker->waits = waits;
    restore->tray_waits += waits ? 1U : -1U;
    if (waits)
        restore->most_reads = TZ_MAX(restore->most_reads - 1, TRAYS);
    else
        call_turns(restore);
}

bool tz_restore_take_tray(struct restore *restore, struct worker *worker)
{
    if (worker->has_tray)
        return true;
    (void)pthread_mutex_lock(&restore->tray_mutex);
    if (restore->free_trays > 0) {
        tz_buf_clear(&worker->sealed); /* of a store that does not ask */
        worker->sealed = restore->trays[--restore->free_trays];
        restore->trays[restore->free_trays] = (struct tz_buf){0};
        worker->has_tray = true;
    }
    set_waits(restore, worker, !worker->has_tray);
    (void)pthread_mutex_unlock(&restore->tray_mutex);
    return worker->has_tray;
}

void tz_restore_end_read(struct restore *restore, struct worker *worker)
{
    (void)pthread_mutex_lock(&restore->tray_mutex);
    set_waits(restore, worker, false);
    if (worker->has_tray) {
        tz_buf_reset(&worker->sealed);
        restore->trays[restore->free_trays++] = worker->sealed;
        worker->sealed = (struct tz_buf){0};
        worker->has_tray = false;
    }
    restore->reads--;
    if (restore->free_trays >= SPARE_TRAYS && restore->most_reads < REMOTE_READERS)
        restore->most_reads++;
    call_turns(restore);
    (void)pthread_mutex_unlock(&restore->tray_mutex);
}

void tz_restore_add_tray(struct restore *restore, struct tz_buf *tray)
{
    tz_buf_reset(tray);
    (void)pthread_mutex_lock(&restore->tray_mutex);
    restore->trays[restore->free_trays++] = *tray;
    (void)pthread_mutex_unlock(&restore->tray_mutex);
    *tray = (struct tz_buf){0};
}

void tz_restore_free_trays(struct restore *restore)
{
    for (unsigned i = 0; i < restore->free_trays; i++)
        tz_buf_clear(&restore->trays[i]);
}
