#include "expected.h"

#include <string.h>

/* Frames kept open: what manifests and single files need, not more. */
#define CACHED_FRAMES 4

struct cached {
    int64_t pack;
    uint32_t frame;
    uint64_t used;   /* 0: free */
    unsigned wanted; /* uses that are expected */
    struct tz_buf plain;
};

struct tz_chunk_reader {
    struct tz_repo *repo;
    struct tz_frame_opener *opener;
    struct tz_idhash *hash;
    struct tz_buf sealed;
    struct cached cache[CACHED_FRAMES];
    uint64_t clock;
    uint64_t healed;
    bool far;                     /* a read waits for a network */
    struct tz_expected *expected; /* NULL: nothing was so far */
    uint8_t last[TZ_ID_SIZE];     /* the chunk that was expected last */
};

struct open_args {
    struct tz_frame_opener *opener;
    const struct tz_catalog_pack *pack;
    const uint8_t *key;
    uint32_t frame;
    const struct tz_frame_info *info;
    uint8_t *plain;
};

/* A copy from a store is good when the frame opens. */
static int accept_frame(void *arg, uint8_t *data, size_t len, struct tz_error *err)
{
    struct open_args *args = arg;

    if (len != args->info->sealed_len)
        return tz_fail(err, TZ_CORRUPT, "the pack is too short");
    return tz_frame_open(args->opener, args->pack->header, args->key, args->frame, args->info, data,
                         args->plain, err);
}

int tz_frame_fetch(struct tz_mirror *mirror, struct tz_frame_opener *opener,
                   const struct tz_catalog_pack *pack, const uint8_t key[TZ_KEY_SIZE],
                   uint32_t frame, const struct tz_frame_info *info, struct tz_buf *sealed,
                   struct tz_buf *plain, uint32_t *ret_failed_stores, struct tz_error *err)
{
    char name[TZ_NAME_TEXT];
    struct open_args args = {opener, pack, key, frame, info, NULL};

    tz_buf_reset(plain);
    tz_buf_reset(sealed);
    if (tz_buf_reserve(plain, info->plain_len, err))
        return -1;
    args.plain = plain->data;
    tz_name_pack(name, pack->hash);
    struct tz_error why = {0};
    if (tz_mirror_get(mirror, name, info->offset, info->sealed_len, accept_frame, &args, sealed,
                      NULL, ret_failed_stores, &why)) {
        if (why.kind == TZ_NOT_FOUND) { /* the catalog has it of an index: it should be there */
            why.kind = TZ_CORRUPT;
            (void)tz_hint(&why, "run 'tozai verify --heal': it says what is lost");
        }
        if (err)
            *err = why;
        return -1;
    }
    plain->len = info->plain_len;
    return 0;
}

int tz_chunk_reader_new(struct tz_chunk_reader **ret, struct tz_repo *repo, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_chunk_reader) struct tz_chunk_reader *reader = calloc(1, sizeof(*reader));
    if (!reader)
        return tz_fail_nomem(err);
    reader->repo = repo;
    reader->far = tz_mirror_is_far(tz_repo_mirror(repo));
    if (tz_frame_opener_new(&reader->opener, err) ||
        tz_idhash_new(&reader->hash, tz_keys_chunk_id_key(tz_repo_keys(repo)), err))
        return -1;
    *ret = TZ_TAKE(reader);
    return 0;
}

void tz_chunk_reader_free(struct tz_chunk_reader *reader)
{
    if (!reader)
        return;
    tz_expected_free(reader->expected);
    for (size_t i = 0; i < CACHED_FRAMES; i++)
        tz_buf_clear(&reader->cache[i].plain);
    tz_buf_clear(&reader->sealed);
    tz_frame_opener_free(reader->opener);
    tz_idhash_free(reader->hash);
    free(reader);
}

uint64_t tz_chunk_reader_healed(const struct tz_chunk_reader *reader)
{
    return reader->healed;
}

/* NULL: it is not. */
static struct cached *find_cached(struct tz_chunk_reader *reader, int64_t pack, uint32_t frame)
{
    for (size_t i = 0; i < CACHED_FRAMES; i++) {
        struct cached *c = &reader->cache[i];
        if (c->used && c->pack == pack && c->frame == frame)
            return c;
    }
    return NULL;
}

/* For another frame: the one that was used longest ago, rather one that nobody expects to use. */
static struct cached *find_place(struct tz_chunk_reader *reader)
{
    struct cached *place = &reader->cache[0];

    for (size_t i = 1; i < CACHED_FRAMES; i++) {
        struct cached *c = &reader->cache[i];
        bool wanted = c->wanted > 0, other_wanted = place->wanted > 0;
        if (wanted != other_wanted ? !wanted : c->used < place->used)
            place = c;
    }
    return place;
}

/* If it came while the repository was opened, and is good. */
static bool open_likely(struct tz_chunk_reader *reader, struct tz_buf *plain,
                        const struct tz_catalog_pack *pack, const uint8_t key[TZ_KEY_SIZE],
                        uint32_t frame, const struct tz_frame_info *info)
{
    struct tz_error ignored = {0};

    tz_buf_reset(plain);
    if (!tz_repo_take_likely(reader->repo, pack->hash, info, &reader->sealed) ||
        tz_buf_reserve(plain, info->plain_len, &ignored) ||
        tz_frame_open(reader->opener, pack->header, key, frame, info, reader->sealed.data,
                      plain->data, &ignored))
        return false;
    plain->len = info->plain_len;
    return true;
}

struct whereabouts {
    struct tz_catalog_pack pack;
    struct tz_frame_info info;
    uint8_t key[TZ_KEY_SIZE];
};

/* The key is to be wiped. */
static int look_up(struct tz_chunk_reader *reader, int64_t pack, uint32_t frame,
                   struct whereabouts *ret, struct tz_error *err)
{
    struct tz_catalog *catalog = tz_repo_catalog(reader->repo);

    if (tz_catalog_get_pack(catalog, pack, &ret->pack, err) ||
        tz_catalog_get_frame(catalog, pack, frame, &ret->info, err))
        return -1;
    return tz_pack_header_open(tz_repo_keys(reader->repo), ret->pack.header, ret->key, err);
}

static int fetch(struct tz_chunk_reader *reader, struct cached *slot, int64_t pack, uint32_t frame,
                 uint32_t *ret_failed, struct tz_error *err)
{
    struct whereabouts at;
    int rc = 0;

    if (look_up(reader, pack, frame, &at, err))
        return -1;
    if (!open_likely(reader, &slot->plain, &at.pack, at.key, frame, &at.info))
        rc = tz_frame_fetch(tz_repo_mirror(reader->repo), reader->opener, &at.pack, at.key, frame,
                            &at.info, &reader->sealed, &slot->plain, ret_failed, err);
    tz_wipe(at.key, sizeof(at.key));
    return rc;
}

static int load_frame(struct tz_chunk_reader *reader, struct cached *slot, int64_t pack,
                      uint32_t frame, struct tz_error *err)
{
    uint32_t failed = 0;
    bool found = false;

    slot->used = slot->wanted = 0;
    if (reader->expected && tz_expected_take(reader->expected, pack, frame, &slot->plain,
                                             &slot->wanted, &failed, &found, err))
        return -1;
    if (!found && fetch(reader, slot, pack, frame, &failed, err))
        return -1;
    if (failed)
        reader->healed++;
    slot->pack = pack;
    slot->frame = frame;
    return 0;
}

/* Ask for the frame.  What goes wrong is told to who reads it. */
static void ask_for(struct tz_chunk_reader *reader, int64_t pack, uint32_t frame)
{
    struct whereabouts at;
    struct tz_error ignored = {0};

    if (!look_up(reader, pack, frame, &at, &ignored))
        tz_expected_fetch(reader->expected, &at.pack, at.key, frame, &at.info);
    tz_wipe(at.key, sizeof(at.key));
}

/* Its threads are started when a frame is asked for, not where all that is read lies in one. */
static bool make_queue(struct tz_chunk_reader *reader)
{
    struct tz_error ignored = {0};

    if (!reader->expected &&
        tz_expected_new(&reader->expected, tz_repo_mirror(reader->repo), &ignored))
        reader->far = false; /* it goes without */
    return reader->expected != NULL;
}

bool tz_chunk_expect(struct tz_chunk_reader *reader, const uint8_t id[TZ_ID_SIZE])
{
    struct tz_chunk_place place;
    struct tz_error ignored = {0};
    bool found = false;

    if (!reader->far || memcmp(reader->last, id, TZ_ID_SIZE) == 0)
        return true;
    if (reader->expected && !tz_expected_has_room(reader->expected))
        return false;
    memcpy(reader->last, id, TZ_ID_SIZE);
    if (tz_catalog_find_chunk(tz_repo_catalog(reader->repo), id, &place, &found, &ignored) ||
        !found)
        return true;
    struct cached *cached = find_cached(reader, place.pack, place.frame);
    if (cached)
        cached->wanted++;
    else if (make_queue(reader) && !tz_expected_want(reader->expected, place.pack, place.frame))
        ask_for(reader, place.pack, place.frame);
    return true;
}

bool tz_chunk_reader_is_far(const struct tz_chunk_reader *reader)
{
    return reader->far;
}

int tz_chunk_read(struct tz_chunk_reader *reader, const uint8_t id[TZ_ID_SIZE], const uint8_t **ret,
                  uint32_t *ret_len, struct tz_error *err)
{
    struct tz_chunk_place place;
    uint8_t check[TZ_ID_SIZE];
    bool found = false;

    if (tz_catalog_find_chunk(tz_repo_catalog(reader->repo), id, &place, &found, err))
        return -1;
    if (!found)
        return (void)tz_fail(err, TZ_CORRUPT, "a chunk is in no pack that the stores' index names"),
               tz_hint(err, "run 'tozai verify --heal', or 'tozai catalog rebuild'");
    struct cached *slot = find_cached(reader, place.pack, place.frame);
    if (!slot) {
        slot = find_place(reader);
        if (load_frame(reader, slot, place.pack, place.frame, err))
            return -1;
    }
    slot->used = ++reader->clock;
    slot->wanted -= slot->wanted > 0;

    if ((uint64_t)place.offset + place.len > slot->plain.len)
        return (void)tz_fail(err, TZ_CORRUPT, "the catalog's place of a chunk is wrong"),
               tz_hint(err, "run 'tozai catalog rebuild'");
    const uint8_t *data = slot->plain.data + place.offset;
    if (tz_idhash(reader->hash, data, place.len, check, err))
        return -1;
    if (memcmp(check, id, TZ_ID_SIZE) != 0)
        return tz_fail(err, TZ_CORRUPT, "a chunk's content is not what its id says");
    *ret = data;
    *ret_len = place.len;
    return 0;
}
