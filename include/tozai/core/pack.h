/*
 * Packs: writing and reading the data objects of a repository (docs/format.md).
 *
 * A pack is a header, sealed frames back to back, a sealed directory and a sealed trailer.  A frame
 * is one zstd frame (or raw bytes) of consecutive chunks under the pack's own random key, with the
 * header as associated data and the frame's number as nonce.
 */
#ifndef TOZAI_CORE_PACK_H
#define TOZAI_CORE_PACK_H

#include "tozai/core/packinfo.h"
#include "tozai/storage/blob.h"

/* A trailer is 8 bytes (the directory's length) and a tag. */
#define TZ_PACK_TRAILER_SIZE 24
/* Nonces that no frame has. */
#define TZ_NONCE_DIRECTORY UINT64_MAX
#define TZ_NONCE_TRAILER   (UINT64_MAX - 1)

/* Fill in a new pack's header, with a fresh key that is returned. */
int tz_pack_header_make(const struct tz_keys *keys, enum tz_pack_kind kind,
                        uint8_t header[TZ_PACK_HEADER_SIZE], uint8_t key[TZ_KEY_SIZE],
                        struct tz_error *err) TZ_MUST_CHECK;
/* Check a header's fixed parts: magic, version, repository; *ret_kind. */
int tz_pack_header_check(const struct tz_keys *keys, const uint8_t header[TZ_PACK_HEADER_SIZE],
                         uint32_t *ret_kind, struct tz_error *err) TZ_MUST_CHECK;
/* The pack's key; needs an operator. */
int tz_pack_header_open(const struct tz_keys *keys, const uint8_t header[TZ_PACK_HEADER_SIZE],
                        uint8_t key[TZ_KEY_SIZE], struct tz_error *err) TZ_MUST_CHECK;

/*
 * Seals frames: compress, encrypt, then decrypt, decompress and compare with what went in.  One
 * for each thread.
 */
struct tz_frame_sealer;
/* level: of zstd, 1 to 19; 0: the default, tuned between 2 and 3. */
int tz_frame_sealer_new(struct tz_frame_sealer **ret, int level,
                        struct tz_error *err) TZ_MUST_CHECK;
void tz_frame_sealer_free(struct tz_frame_sealer *sealer);
TZ_DEFINE_SCOPED(struct tz_frame_sealer *, tz_scoped_frame_sealer, tz_frame_sealer_free)
/* Is what follows of large files?  With the default level it is compressed in another way. */
int tz_frame_sealer_large(struct tz_frame_sealer *sealer, bool large,
                          struct tz_error *err) TZ_MUST_CHECK;
/* data has len plain bytes and room for TZ_AEAD_TAG more; it gets the sealed frame.  A frame that
 * does not read back as it was is TZ_CORRUPT: the machine or a library is at fault. */
int tz_frame_seal(struct tz_frame_sealer *sealer, const uint8_t header[TZ_PACK_HEADER_SIZE],
                  const uint8_t key[TZ_KEY_SIZE], uint32_t number, uint8_t *data, size_t len,
                  size_t *ret_sealed_len, uint8_t *ret_codec, struct tz_error *err) TZ_MUST_CHECK;

/* Opens frames.  One for each thread. */
struct tz_frame_opener;
int tz_frame_opener_new(struct tz_frame_opener **ret, struct tz_error *err) TZ_MUST_CHECK;
void tz_frame_opener_free(struct tz_frame_opener *opener);
TZ_DEFINE_SCOPED(struct tz_frame_opener *, tz_scoped_frame_opener, tz_frame_opener_free)
/* sealed is decrypted in place; out gets exactly info->plain_len bytes. */
int tz_frame_open(struct tz_frame_opener *opener, const uint8_t header[TZ_PACK_HEADER_SIZE],
                  const uint8_t key[TZ_KEY_SIZE], uint32_t number, const struct tz_frame_info *info,
                  uint8_t *sealed, uint8_t *out, struct tz_error *err) TZ_MUST_CHECK;

/*
 * Append the directory (with pad zeros inside it so that the pack gets a Padmé size, if pad) and
 * the trailer to the pack in blob, which has the header and all frames; fills in info->hash and
 * size. Needs room: see tz_pack_tail_max().
 */
int tz_pack_finish(struct tz_blob *blob, struct tz_pack_info *info, const uint8_t key[TZ_KEY_SIZE],
                   bool pad, struct tz_error *err) TZ_MUST_CHECK;
size_t tz_pack_tail_max(const struct tz_pack_info *info, size_t size_before);

/* Read a whole pack's directory (operator): info without the hash.  info is zero before, and to be
 * cleared on failure too. */
int tz_pack_directory(const struct tz_keys *keys, const uint8_t *data, size_t len,
                      struct tz_pack_info *info, struct tz_error *err) TZ_MUST_CHECK;

#endif
