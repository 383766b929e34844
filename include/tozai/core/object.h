/*
 * Small sealed objects: index, generation head, seal, tombstone (docs/format.md).
 *
 *   0   8  magic "TZOBJECT"      8  4  format version     12  4  type
 *  16  16  repository id        32  4  key epoch          36  4  0
 *  40  24  random nonce         64  n  XChaCha20-Poly1305 of {u8 codec, varint length of the body,
 *                                      varint length as stored, the stored bytes, zeros}
 *
 * The associated data are the first 64 bytes and the position, the object's name without its
 * hash, so none can be read as another type, in another place or in another repository.  The
 * zeros bring the object to a Padmé size.
 */
#ifndef TOZAI_CORE_OBJECT_H
#define TOZAI_CORE_OBJECT_H

#include "tozai/core/keys.h"

#define TZ_FORMAT_VERSION     1U
#define TZ_OBJECT_HEADER_SIZE 64
#define TZ_OBJECT_MAX         (64U << 20) /* a small object is never larger */

enum tz_object_type {
    TZ_OBJECT_INDEX = 1,
    TZ_OBJECT_HEAD = 2,
    TZ_OBJECT_SEAL = 3,
    TZ_OBJECT_TOMBSTONE = 4,
};

/* Append the sealed object to out. */
int tz_object_seal(const struct tz_keys *keys, enum tz_object_type type, const char *position,
                   const void *body, size_t len, struct tz_buf *out,
                   struct tz_error *err) TZ_MUST_CHECK;
/* Append the body to out.  Another type, place, repository, or any changed bit: TZ_CORRUPT; a newer
 * version: TZ_UNSUPPORTED; a key epoch that these keys lack: TZ_KEY. */
int tz_object_open(const struct tz_keys *keys, enum tz_object_type type, const char *position,
                   const void *data, size_t len, struct tz_buf *out,
                   struct tz_error *err) TZ_MUST_CHECK;

/* The Padmé size of len: at most 12 % more, few distinct sizes (Nikitin et al., PETS 2019). */
uint64_t tz_padme(uint64_t len);

/* Names of objects. */
#define TZ_NAME_DESCRIPTOR "tozai"
#define TZ_NAME_TEXT       201
void tz_name_pack(char name[TZ_NAME_TEXT], const uint8_t hash[TZ_HASH_SIZE]);  /* packs/ab/… */
void tz_name_index(char name[TZ_NAME_TEXT], const uint8_t hash[TZ_HASH_SIZE]); /* index/… */
void tz_name_key(char name[TZ_NAME_TEXT], const uint8_t hash[TZ_HASH_SIZE]);   /* keys/… */
void tz_name_tombstone(char name[TZ_NAME_TEXT],
                       const uint8_t hash[TZ_HASH_SIZE]); /* tombstones/… */
/* generations/<source id>/<time>-<hash>; the source id is 16 bytes. */
#define TZ_SOURCE_ID_SIZE 16
void tz_name_head(char name[TZ_NAME_TEXT], const uint8_t source_id[TZ_SOURCE_ID_SIZE],
                  int64_t time_ns, const uint8_t hash[TZ_HASH_SIZE]);
void tz_name_seal(char name[TZ_NAME_TEXT], const uint8_t source_id[TZ_SOURCE_ID_SIZE],
                  int64_t time_ns, const uint8_t hash[TZ_HASH_SIZE]);

/* What a name says. */
enum tz_name_kind {
    TZ_NAME_OTHER, /* not one of ours */
    TZ_NAME_IS_DESCRIPTOR,
    TZ_NAME_IS_KEY,
    TZ_NAME_IS_PACK,
    TZ_NAME_IS_INDEX,
    TZ_NAME_IS_HEAD,
    TZ_NAME_IS_SEAL,
    TZ_NAME_IS_TOMBSTONE,
};
struct tz_name {
    enum tz_name_kind kind;
    uint8_t hash[TZ_HASH_SIZE];           /* of the object; of the head for a seal */
    uint8_t source_id[TZ_SOURCE_ID_SIZE]; /* heads and seals */
    int64_t time_ns;                      /* heads and seals, whole seconds */
};
/* Parse a name; anything odd is TZ_NAME_OTHER. */
struct tz_name tz_name_parse(const char *name);

#endif
