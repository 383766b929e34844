#!/bin/bash
# Answers that break, or are damaged on the way down, with the other store to ask and without it.
# Nobody takes that for damage in the store.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

proxy near east
proxy far west
faults near
faults far
s3_repository near far
head -c 20000000 /dev/urandom >"$work/src/large"
tz 0 backup

# On the way down, of a restore that has the other store, and of one that has not.
for fault in 'reset 100000' 'truncate 100000' 'corrupt 100000' 'corrupt 100' drop-status; do
    rm -rf "$work/out"
    faults near "GET /packs/ $fault"
    took_at_most 60 tz 0 restore wiki --target "$work/out" --verify
    same_tree "$work/src" "$work/out"
    rm -rf "$work/out"
    faults near "GET /packs/ $fault every=2"
    [[ $fault == corrupt* ]] || faults far "GET /packs/ $fault every=2"
    tz 0 restore wiki --target "$work/out" --verify
    same_tree "$work/src" "$work/out"
    faults near
    faults far
done

# Small objects damaged on the way down are no damage in the store.
rm -rf "$work/state" "$work/out"
faults near 'GET /(index|generations|keys)/ corrupt 50'
tz 0 restore wiki --target "$work/out"
same_tree "$work/src" "$work/out"
faults near
tz 0 backup
tz 0 verify --level content
same_stores
