/*
 * Inside of a restore.
 */
#ifndef TOZAI_RESTORE_ENGINE_H
#define TOZAI_RESTORE_ENGINE_H

#include "tozai/core/chunkreader.h"
#include "tozai/core/manifest.h"
#include "tozai/core/restore.h"
#include "tozai/util/pool.h"

#include <pthread.h>
#include <stdatomic.h>

#define WINDOW_FILES 65536U
#define WINDOW_WANTS 131072U

/*
 * Where reads wait for a network many of them are on their way at once, each for several frames
 * that lie back to back.  One that is answered takes a tray, and others wait for their answers
 * meanwhile: at first half as many again as there are trays, more as long as trays are free, fewer
 * when one that is answered has to wait for one, which servers do not like to last.  What has come
 * is opened by no more threads than there are for it.  So the memory is that of the trays, 96 MiB,
 * and the line stays full although each answer is long in coming.  What is on its way since the
 * repository was opened is on trays that the others get when it is done with.
 */
#define REMOTE_READERS 64U
#define TRAYS          24U
#define FIRST_READS    (TRAYS + TRAYS / 2)
#define TRAY_WAITS     3U /* answered reads without a tray, after which no more are begun */
#define SPARE_TRAYS    6U /* free ones, with which one more may be */
/* Workers if nobody says how many and a store is at hand: each takes 8 MiB. */
#define LOCAL_WORKERS 8U

struct hole {
    uint64_t offset, len;
};

/* A file while its content is put together. */
struct file {
    struct tz_entry entry; /* without its extents */
    pthread_mutex_t mutex;
    bool opened;
    int fd;      /* -1: left as it is, or failed */
    bool shared; /* it has other names: only to be read, until it is written to */
    uint64_t old_size;
    struct hole *holes;
    size_t hole_count, hole_cap;
    atomic_uint pending; /* wants that are not done, and one while the plan is made */
    atomic_bool failed;
    bool done;
};

/* Bytes of a chunk that a file wants. */
struct want {
    struct file *file;
    uint64_t file_offset;
    int64_t pack;
    uint32_t frame;
    uint32_t chunk_at; /* of the chunk in the frame */
    uint32_t chunk_len;
    uint32_t offset; /* in the chunk */
    uint32_t len;
    bool satisfied;
    uint8_t id[TZ_ID_SIZE];
};

/* One for each thread that reads. */
struct worker {
    struct tz_idhash *hash;
    struct tz_buf sealed, local;
    bool has_tray; /* sealed is one */
    bool waits;    /* for one: its read was answered */
};

/* What it takes to open a frame; free ones are in a list. */
struct desk {
    struct desk *next;
    struct tz_frame_opener *opener;
    struct tz_buf plain;
};

/* All wants of one frame. */
struct frame_part {
    struct want *wants;
    size_t count;
    struct tz_frame_info info;
    uint32_t frame;
    bool needed; /* not everything is there already */
    bool taken;
};

/* Frames that lie back to back in a pack, fetched at once. */
struct frame_job {
    struct tz_job job;
    struct restore *restore;
    struct tz_catalog_pack pack;
    struct frame_part parts[TZ_RUN_FRAMES];
    size_t count;
    size_t len;             /* of all of them, sealed */
    struct tz_early *early; /* they are on their way already; NULL: they are not */
};

struct directory {
    struct tz_entry entry;
    bool finish; /* false: an ancestor of a partial restore's target */
};

struct restore {
    const struct tz_restore_options *options;
    struct tz_repo *repo;
    struct tz_place *place;
    struct tz_pool *pool;
    struct worker *workers;
    struct desk *desks;
    unsigned desk_count;
    struct desk *free_desks;
    pthread_mutex_t desk_mutex;
    pthread_cond_t desk_free;
    bool far;                   /* every read waits for a network */
    struct tz_buf trays[TRAYS]; /* where the bytes of far reads go: the first ones are free */
    unsigned free_trays;
    unsigned tray_waits;        /* workers that wait for one */
    unsigned reads, most_reads; /* on their way, and how many may be */
    pthread_mutex_t tray_mutex;
    pthread_cond_t turn;    /* one more read may be begun */
    size_t run_bytes;       /* that are fetched at once; one frame always is */
    struct frame_job *jobs; /* a ring */
    size_t job_count;
    bool incomplete;    /* parts of the manifest were lost, directories perhaps */
    bool compare;       /* second pass of --verify: nothing is written */
    const char *device; /* to_file: a block device that takes the content */
    char *file_name;    /* to_file: the name in the target's folder */

    struct file **files;
    size_t file_count;
    struct want *wants;
    size_t want_count;
    size_t window_files;    /* files of a window, which may all be open at once */
    struct tz_entry *links; /* hard links of the window */
    size_t link_count, link_cap;
    void *adopted; /* adopt.c: what stands in for first names that are not restored */
    struct tz_entry_finder *finder; /* adopt.c; NULL: not needed so far */
    struct directory *stack;        /* directories above the present entry */
    size_t depth, depth_cap;
    struct tz_entry *left; /* directories that the walk has left in this window */
    size_t left_count, left_cap;

    atomic_ullong entries, files_done, bytes, fetched, written, healed, failed, damaged;
    pthread_mutex_t warn_mutex;
    atomic_ullong warnings;
    pthread_mutex_t error_mutex; /* the first fault that ends the restore */
    struct tz_error error;
    atomic_bool stopped;
    uint64_t total_files, total_bytes;
    int64_t next_progress;
};

/* A path is not as it should be. */
void tz_restore_spoil(struct restore *restore, struct file *file, const struct tz_error *why);
void tz_restore_warn(struct restore *restore, const struct tz_entry *entry,
                     const struct tz_error *why);
void tz_restore_report(struct restore *restore, bool now);

/* file.c: open at the first use; false: nothing is to be done with it. */
bool tz_restore_open_file(struct restore *restore, struct file *file);
/* Before it is written to. */
int tz_restore_own_file(struct restore *restore, struct file *file,
                        struct tz_error *err) TZ_MUST_CHECK;
/* One want (or the plan's own hold) is done; the last one finishes the file. */
void tz_restore_release(struct restore *restore, struct file *file);
int tz_restore_add_hole(struct file *file, uint64_t offset, uint64_t len,
                        struct tz_error *err) TZ_MUST_CHECK;
void tz_restore_free_file(struct file *file);
/* adopt.c: is the path one that was asked for, or below one? */
bool tz_restore_is_wanted(const struct restore *restore, const char *path, size_t path_len);
/* A hard link whose first name is not restored becomes the file itself, or a link to the name that
 * became it. */
int tz_restore_adopt(struct restore *restore, struct tz_entry *link,
                     struct tz_error *err) TZ_MUST_CHECK;
void tz_restore_forget_adopted(struct restore *restore);
/* desk.c: as many threads open frames at once as there are desks. */
int tz_restore_make_desks(struct restore *restore, struct tz_error *err) TZ_MUST_CHECK;
struct desk *tz_restore_take_desk(struct restore *restore);
void tz_restore_leave_desk(struct restore *restore, struct desk *desk);
void tz_restore_free_desks(struct restore *restore);
/* tray.c */
/* All of them, but those that are added later. */
int tz_restore_make_trays(struct restore *restore, size_t count,
                          struct tz_error *err) TZ_MUST_CHECK;
/* Wait until one more read may be begun. */
void tz_restore_begin_read(struct restore *restore);
/* The worker's sealed bytes get one, unless he has one; false: none is free. */
bool tz_restore_take_tray(struct restore *restore, struct worker *worker);
/* The read is over, and the tray free. */
void tz_restore_end_read(struct restore *restore, struct worker *worker);
/* A tray for others: that on which something came early. */
void tz_restore_add_tray(struct restore *restore, struct tz_buf *tray);
void tz_restore_free_trays(struct restore *restore);
/* frame.c */
void tz_restore_run_frames(struct tz_job *job, unsigned worker);
/* window.c */
int tz_restore_plan_file(struct restore *restore, struct tz_entry *entry,
                         struct tz_error *err) TZ_MUST_CHECK;
int tz_restore_end_window(struct restore *restore, struct tz_error *err) TZ_MUST_CHECK;

#endif
