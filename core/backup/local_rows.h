/*
 * What reader and writer of the local manifest share: the form of its files.
 *
 *   entries   blocks: u32 length, 16 check, then that many bytes: u64 number of the first row
 *             of chunks that the block's entries refer to, and the entries
 *   chunks    rows: 32 id, u64 pack, u32 check
 *   lists     rows: 32 id, u64 pack, u64 length, u32 offset, u32 check
 *   packs     rows: 32 hash, u64 number that the rows above mean it by, u32 check
 *   tags      rows: 16 tag; without a check: a damaged one only has its block stored anew;
 *             zeros for blocks in a hole, which are a hole here too
 *   last      struct local_info
 *
 * Checks are keyed hashes under a key of the folder's own; a row's covers its place too.
 */
#ifndef TOZAI_BACKUP_LOCAL_ROWS_H
#define TOZAI_BACKUP_LOCAL_ROWS_H

#include "local.h"
#include "rows.h"

#define LOCAL_BLOCK_HEAD  20U
#define LOCAL_BLOCK_FIRST 8U /* the number of the first row */
#define LOCAL_CHUNK_ROW   44U
#define LOCAL_LIST_ROW    56U
#define LOCAL_PACK_ROW    44U
#define LOCAL_NAME_SIZE   24U /* of a folder, with its NUL */
#define LOCAL_CHECK_SIZE  16U

/* The number of a file in its rows' checks. */
enum local_file { LOCAL_CHUNKS, LOCAL_LISTS, LOCAL_PACKS };

struct local_info {
    uint8_t magic[8]; /* "TZLAST 1" */
    char folder[LOCAL_NAME_SIZE];
    uint8_t start_ns[8];
    uint8_t bytes[8];
    uint8_t check[LOCAL_CHECK_SIZE]; /* of everything before it */
};
_Static_assert(sizeof(struct local_info) == 64, "the file 'last' has 64 bytes");
extern const uint8_t tz_local_magic[8];

void tz_local_folder_key(const struct tz_keys *keys, const char *folder, uint8_t key[TZ_KEY_SIZE]);
void tz_local_check(const uint8_t key[TZ_KEY_SIZE], const void *data, size_t len,
                    uint8_t check[LOCAL_CHECK_SIZE]);
/* The last four bytes of a row are its check: of those before it, its number and its file. */
void tz_local_seal_row(const uint8_t key[TZ_KEY_SIZE], enum local_file file, uint64_t number,
                       uint8_t *row, size_t row_size);
bool tz_local_row_good(const uint8_t key[TZ_KEY_SIZE], enum local_file file, uint64_t number,
                       const uint8_t *row, size_t row_size);

#endif
