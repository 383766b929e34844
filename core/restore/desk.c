#include "engine.h"

int tz_restore_make_desks(struct restore *restore, struct tz_error *err)
{
    restore->desks = calloc(restore->desk_count, sizeof(*restore->desks));
    if (!restore->desks)
        return tz_fail_nomem(err);
    for (unsigned i = 0; i < restore->desk_count; i++) {
        struct desk *desk = &restore->desks[i];
        if (tz_frame_opener_new(&desk->opener, err))
            return -1;
        desk->next = restore->free_desks;
        restore->free_desks = desk;
    }
    return 0;
}

struct desk *tz_restore_take_desk(struct restore *restore)
{
    (void)pthread_mutex_lock(&restore->desk_mutex);
    while (!restore->free_desks)
        (void)pthread_cond_wait(&restore->desk_free, &restore->desk_mutex);
    struct desk *desk = restore->free_desks;
    restore->free_desks = desk->next;
    (void)pthread_mutex_unlock(&restore->desk_mutex);
    return desk;
}

void tz_restore_leave_desk(struct restore *restore, struct desk *desk)
{
    (void)pthread_mutex_lock(&restore->desk_mutex);
    desk->next = restore->free_desks;
    restore->free_desks = desk;
    (void)pthread_cond_signal(&restore->desk_free);
    (void)pthread_mutex_unlock(&restore->desk_mutex);
}

void tz_restore_free_desks(struct restore *restore)
{
    for (unsigned i = 0; restore->desks && i < restore->desk_count; i++) {
        tz_frame_opener_free(restore->desks[i].opener);
        tz_buf_clear(&restore->desks[i].plain);
    }
    free(restore->desks);
    restore->desks = NULL;
}
