#include "tozai/core/generation.h"

#include "tozai/util/hex.h"
#include "tozai/util/time.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tozai/util/banned.h"

#define HEX_SIZE       ((size_t)2 * TZ_HASH_SIZE)
#define SOURCE_HEX     ((size_t)2 * TZ_SOURCE_ID_SIZE)
#define TIME_NAME_SIZE ((size_t)16) /* 20261122T053000Z */

static void write_hashed(char *name, const char *prefix, const uint8_t *hash, const char *suffix)
{
    char text[TZ_HASH_TEXT];
    tz_hex(text, hash, TZ_HASH_SIZE);
    (void)snprintf(name, TZ_NAME_TEXT, "%s%s%s", prefix, text, suffix);
}

void tz_name_pack(char name[TZ_NAME_TEXT], const uint8_t hash[TZ_HASH_SIZE])
{
    char prefix[16];
    (void)snprintf(prefix, sizeof(prefix), "packs/%02x/", hash[0]);
    write_hashed(name, prefix, hash, "");
}

void tz_name_index(char name[TZ_NAME_TEXT], const uint8_t hash[TZ_HASH_SIZE])
{
    write_hashed(name, "index/", hash, "");
}

void tz_name_key(char name[TZ_NAME_TEXT], const uint8_t hash[TZ_HASH_SIZE])
{
    write_hashed(name, "keys/", hash, "");
}

void tz_name_tombstone(char name[TZ_NAME_TEXT], const uint8_t hash[TZ_HASH_SIZE])
{
    write_hashed(name, "tombstones/", hash, "");
}

static void write_generation(char *name, const uint8_t *source_id, int64_t time_ns,
                             const uint8_t *hash, const char *suffix)
{
    char source[SOURCE_HEX + 1], time[TZ_TIME_TEXT], prefix[100];
    tz_hex(source, source_id, TZ_SOURCE_ID_SIZE);
    tz_time_format_name(time, time_ns);
    (void)snprintf(prefix, sizeof(prefix), "generations/%s/%s-", source, time);
    write_hashed(name, prefix, hash, suffix);
}

void tz_name_head(char name[TZ_NAME_TEXT], const uint8_t source_id[TZ_SOURCE_ID_SIZE],
                  int64_t time_ns, const uint8_t hash[TZ_HASH_SIZE])
{
    write_generation(name, source_id, time_ns, hash, "");
}

void tz_name_seal(char name[TZ_NAME_TEXT], const uint8_t source_id[TZ_SOURCE_ID_SIZE],
                  int64_t time_ns, const uint8_t hash[TZ_HASH_SIZE])
{
    write_generation(name, source_id, time_ns, hash, ".seal");
}

/* The part of a name behind prefix, or NULL. */
static const char *behind(const char *name, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(name, prefix, len) == 0 ? name + len : NULL;
}

/* <source id>/<time>-<hash>[.seal], with lengths that no other form has. */
static enum tz_name_kind parse_generation(struct tz_name *ret, const char *rest)
{
    static const size_t head_len = SOURCE_HEX + 1 + TIME_NAME_SIZE + 1 + HEX_SIZE;
    size_t len = strlen(rest);
    bool seal = len == head_len + strlen(".seal") && strcmp(rest + head_len, ".seal") == 0;
    if (!seal && len != head_len)
        return TZ_NAME_OTHER;

    char time[TIME_NAME_SIZE + 1] = {0};
    memcpy(time, rest + SOURCE_HEX + 1, TIME_NAME_SIZE);
    if (!tz_unhex(ret->source_id, TZ_SOURCE_ID_SIZE, rest) ||
        !tz_time_parse_name(time, &ret->time_ns) ||
        !tz_unhex(ret->hash, TZ_HASH_SIZE, rest + head_len - HEX_SIZE))
        return TZ_NAME_OTHER;
    return seal ? TZ_NAME_IS_SEAL : TZ_NAME_IS_HEAD;
}

static enum tz_name_kind parse_hashed(struct tz_name *ret, const char *rest, enum tz_name_kind kind)
{
    return strlen(rest) == HEX_SIZE && tz_unhex(ret->hash, TZ_HASH_SIZE, rest) ? kind
                                                                               : TZ_NAME_OTHER;
}

static enum tz_name_kind parse(struct tz_name *ret, const char *name)
{
    const char *rest;
    if (strcmp(name, TZ_NAME_DESCRIPTOR) == 0)
        return TZ_NAME_IS_DESCRIPTOR;
    if ((rest = behind(name, "packs/")))
        return strlen(rest) > 3 ? parse_hashed(ret, rest + 3, TZ_NAME_IS_PACK) : TZ_NAME_OTHER;
    if ((rest = behind(name, "index/")))
        return parse_hashed(ret, rest, TZ_NAME_IS_INDEX);
    if ((rest = behind(name, "keys/")))
        return parse_hashed(ret, rest, TZ_NAME_IS_KEY);
    if ((rest = behind(name, "tombstones/")))
        return parse_hashed(ret, rest, TZ_NAME_IS_TOMBSTONE);
    if ((rest = behind(name, "generations/")))
        return parse_generation(ret, rest);
    return TZ_NAME_OTHER;
}

/* The name that these parts make; "" for kinds without parts. */
static void write_again(char *text, const struct tz_name *name)
{
    text[0] = 0;
    if (name->kind == TZ_NAME_IS_PACK)
        tz_name_pack(text, name->hash);
    if (name->kind == TZ_NAME_IS_HEAD)
        tz_name_head(text, name->source_id, name->time_ns, name->hash);
    if (name->kind == TZ_NAME_IS_SEAL)
        tz_name_seal(text, name->source_id, name->time_ns, name->hash);
}

struct tz_name tz_name_parse(const char *name)
{
    struct tz_name found = {0};
    found.kind = parse(&found, name);
    /* Separators, directories and odd spellings of times: only what we would write is ours. */
    char again[TZ_NAME_TEXT];
    write_again(again, &found);
    if (found.kind == TZ_NAME_OTHER || (again[0] && strcmp(again, name) != 0))
        return (struct tz_name){.kind = TZ_NAME_OTHER};
    return found;
}

void tz_name_id(const struct tz_keys *keys, const char *kind, const char *name,
                uint8_t id[TZ_SOURCE_ID_SIZE])
{
    /* The kind is hashed into a key of its own, so that no two pairs run together. */
    uint8_t kind_key[TZ_KEY_SIZE], hash[TZ_HASH_SIZE];
    tz_keyed_hash(kind_key, tz_keys_name_key(keys), kind, strlen(kind));
    tz_keyed_hash(hash, kind_key, name, strlen(name));
    memcpy(id, hash, TZ_SOURCE_ID_SIZE);
    tz_wipe(kind_key, sizeof(kind_key));
}
