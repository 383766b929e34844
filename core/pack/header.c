#include "tozai/core/pack.h"

#include <string.h>

/* The header as it lies in a pack; all integers little-endian. */
struct header {
    uint8_t magic[8]; /* "TZPACK\r\n" */
    uint8_t version[4];
    uint8_t kind[4];
    uint8_t repo_id[TZ_REPO_ID_SIZE];
    uint8_t epoch[4];
    uint8_t zero_1[4];
    uint8_t sealed_key[TZ_KEY_SIZE + TZ_SEAL_EXTRA];
    uint8_t zero_2[8];
};
_Static_assert(sizeof(struct header) == TZ_PACK_HEADER_SIZE, "pack header has 128 bytes");

static const uint8_t magic[8] = {'T', 'Z', 'P', 'A', 'C', 'K', '\r', '\n'};

int tz_pack_header_make(const struct tz_keys *keys, enum tz_pack_kind kind,
                        uint8_t header[TZ_PACK_HEADER_SIZE], uint8_t key[TZ_KEY_SIZE],
                        struct tz_error *err)
{
    struct header h = {0};

    memcpy(h.magic, magic, sizeof(magic));
    tz_store_le32(h.version, TZ_FORMAT_VERSION);
    tz_store_le32(h.kind, (uint32_t)kind);
    memcpy(h.repo_id, tz_keys_repo_id(keys), sizeof(h.repo_id));
    tz_store_le32(h.epoch, tz_keys_epoch(keys));
    tz_random(key, TZ_KEY_SIZE);
    if (tz_keys_seal_pack_key(keys, key, h.sealed_key, err))
        return tz_while(err, "make a pack's key");
    memcpy(header, &h, sizeof(h));
    return 0;
}

int tz_pack_header_check(const struct tz_keys *keys, const uint8_t header[TZ_PACK_HEADER_SIZE],
                         uint32_t *ret_kind, struct tz_error *err)
{
    const struct header *h = (const struct header *)header;
    static const uint8_t zeros[sizeof(h->zero_2)];
    uint32_t kind = tz_load_le32(h->kind), version = tz_load_le32(h->version);

    if (memcmp(h->magic, magic, sizeof(magic)) != 0)
        return tz_fail(err, TZ_CORRUPT, "this is not a pack");
    if (version > TZ_FORMAT_VERSION) {
        (void)tz_fail(err, TZ_UNSUPPORTED, "pack format %u is newer than this tozai", version);
        return tz_hint(err, "install a newer tozai");
    }
    if (version == 0 || tz_load_le32(h->zero_1) != 0 ||
        memcmp(h->zero_2, zeros, sizeof(zeros)) != 0)
        return tz_fail(err, TZ_CORRUPT, "the pack's header is damaged");
    if (memcmp(h->repo_id, tz_keys_repo_id(keys), sizeof(h->repo_id)) != 0)
        return tz_fail(err, TZ_CORRUPT, "the pack belongs to another repository");
    if (kind != TZ_PACK_DATA && kind != TZ_PACK_MANIFEST)
        return tz_fail(err, TZ_CORRUPT, "the pack is of an unknown kind (%u)", kind);
    *ret_kind = kind;
    return 0;
}

int tz_pack_header_open(const struct tz_keys *keys, const uint8_t header[TZ_PACK_HEADER_SIZE],
                        uint8_t key[TZ_KEY_SIZE], struct tz_error *err)
{
    const struct header *h = (const struct header *)header;
    uint32_t kind;

    if (tz_pack_header_check(keys, header, &kind, err))
        return -1;
    return tz_keys_open_pack_key(keys, tz_load_le32(h->epoch), h->sealed_key, key, err);
}
