/*
 * Inside of the pack writer: frames on their way through the workers, packs that take them in,
 * packs on their way into the stores.
 */
#ifndef TOZAI_PACK_PACKER_H
#define TOZAI_PACK_PACKER_H

#include "tozai/core/packwriter.h"
#include "tozai/util/recycle.h"

#include "idset.h"

#define PACKER_KINDS 2 /* data, manifest */

/* Header and frames of a pack: its directory, and padding of an eighth, must fit behind them. */
#define PACKER_CONTENT_MAX ((size_t)TZ_PACK_SIZE_MAX / 4 * 3)

/* A pack that takes frames. */
struct open_pack {
    struct open_pack *next; /* of all that are not in a store's queue yet */
    struct tz_blob *blob;
    struct tz_pack_info info;
    uint8_t *key; /* guarded */
    enum tz_pack_kind kind;
    uint32_t frames;    /* assigned */
    uint32_t collected; /* of them, in the blob */
    uint64_t expected;  /* bytes that assigned, uncollected frames will probably take */
    uint64_t reserved;  /* and that they take at most */
    bool closed;        /* takes no more */
    bool pad;
};

enum work_kind { WORK_FRAME, WORK_FINISH };

/* A job for the workers. */
struct work {
    struct tz_job job;
    enum work_kind kind;
    struct tz_packer *packer;
    struct open_pack *pack;
    struct work *next;
    struct tz_error err;
    int failed;
    /* frame */
    uint8_t *buffer;
    size_t len;
    bool large;
    uint32_t number;
    uint64_t expected;
    struct tz_chunk_ref *chunks;
    uint32_t chunk_count;
    size_t sealed_len;
    uint8_t codec;
};

/* An object on its way into the stores. */
struct flight {
    struct flight *next;
    uint64_t tag;
    char name[TZ_NAME_TEXT];
    uint64_t size;
    struct tz_pack_info info; /* of a pack; hash all zero for others */
    bool is_pack, is_index;
    struct tz_buf names; /* hashes of the packs that an index describes */
    uint32_t waiting;    /* stores that have not reported */
    uint32_t stored;
};

/* Chunks that wait until they fill a frame. */
struct lane {
    uint8_t *buffer;
    size_t len;
    struct tz_chunk_ref *chunks;
    uint32_t count, cap;
};

struct tz_packer {
    struct tz_repo *repo;
    struct tz_pool *pool;
    bool dry_run;
    size_t frame_size, pack_size;
    size_t content_max;               /* no pack has more bytes before its directory */
    struct tz_frame_sealer **sealers; /* one for each worker */
    unsigned sealer_count;
    struct work *first, *last; /* in the order of submission */
    unsigned works;
    struct open_pack *open[PACKER_KINDS];
    struct open_pack *packs;
    struct flight *flights;
    uint64_t next_tag;
    struct lane lanes[TZ_PACKER_LANES];
    struct tz_idset fresh;
    struct tz_buf index;
    uint32_t index_packs;
    int64_t index_since_ns; /* the oldest of them */
    int unindexed_fd;       /* -1 in a dry run */
    uint64_t unindexed_len;
    bool unindexed_stays;        /* some of it cannot be indexed now */
    struct tz_recycler *buffers; /* of frames */
    struct tz_blob_shelf *blobs; /* of packs */
    double ratio;                /* of sealed to plain, recently */
    struct tz_packer_stats stats;
};

/* packs.c */
/* The pack that takes the next frame of this kind, of len plain bytes: there is room for it. */
int tz_packer_open_pack(struct tz_packer *packer, enum tz_pack_kind kind, size_t len,
                        struct open_pack **ret, struct tz_error *err) TZ_MUST_CHECK;
/* The open pack of this kind, if there is one, takes no more; it is finished when its frames are
 * in. */
int tz_packer_close_pack(struct tz_packer *packer, enum tz_pack_kind kind, bool pad,
                         struct tz_error *err) TZ_MUST_CHECK;
void tz_packer_free_pack(struct tz_packer *packer, struct open_pack *pack);
int tz_packer_collect_frame(struct tz_packer *packer, struct work *work,
                            struct tz_error *err) TZ_MUST_CHECK;
int tz_packer_launch(struct tz_packer *packer, struct open_pack *pack,
                     struct tz_error *err) TZ_MUST_CHECK;
/* flights.c */
/* Send an index object with this body to the stores of the mask. */
int tz_packer_send_index(struct tz_packer *packer, const struct tz_buf *body, uint32_t mask,
                         struct tz_error *err) TZ_MUST_CHECK;
int tz_packer_send_pack(struct tz_packer *packer, struct tz_blob *blob, struct tz_pack_info *info,
                        struct tz_error *err) TZ_MUST_CHECK;
/* Take in results that are there; wait: until none is outstanding. */
int tz_packer_land(struct tz_packer *packer, bool wait, struct tz_error *err) TZ_MUST_CHECK;
int tz_packer_write_index(struct tz_packer *packer, struct tz_error *err) TZ_MUST_CHECK;
void tz_packer_free_flights(struct tz_packer *packer);
/* unindexed.c */
/* Open the file of packs without an index, and send what an earlier run left in it. */
int tz_packer_recall_unindexed(struct tz_packer *packer, struct tz_error *err) TZ_MUST_CHECK;
int tz_packer_note_unindexed(struct tz_packer *packer, const struct tz_pack_info *info,
                             struct tz_error *err) TZ_MUST_CHECK;
/* An index is in a store. */
int tz_packer_note_indexed(struct tz_packer *packer, struct tz_error *err) TZ_MUST_CHECK;
/* packer.c */
int tz_packer_submit(struct tz_packer *packer, struct work *work,
                     struct tz_error *err) TZ_MUST_CHECK;

#endif
