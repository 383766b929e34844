#!/bin/bash
# No store can be reached: a clear failure, the local state is intact, and the next run stores
# nothing twice.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

proxy near east
proxy far west
faults near
faults far
s3_repository near far
tz 0 backup
head -c 20000000 /dev/urandom >"$work/src/large"

# From the start, in several ways.
for fault in reset-connect 'status 503 SlowDown 0'; do
    faults near "* . $fault"
    faults far "* . $fault"
    took_at_most 120 tz 1 backup
    stderr_has "no store"
    [ "$fault" = reset-connect ] || continue
    took_at_most 120 tz 1 restore wiki --target "$work/none"
    [ ! -e "$work/none" ] || fail 'a target was made for nothing'
    took_at_most 120 tz 1 sync
    took_at_most 120 tz 1 verify
done

# In mid-run, both at once.
faults near 'PUT /(index|generations)/ reset-connect'
faults far 'PUT /(index|generations)/ reset-connect'
took_at_most 120 tz 1 backup
stderr_has 'east'
stderr_has 'west'
honest east west
faults near
faults far
s3_keys east east/packs/ | sort >"$work/before"
forget_requests near
tz 0 backup --json
json '.generations[0].state == "complete"'
# The 20 MB were there already.
[ "$(awk '$1 == "PUT" { sum += $4 } END { print sum + 0 }' "$work/log-near")" -lt 2000000 ] ||
    fail "stored again: $(cat "$work/log-near")"
same_stores
honest east west
rm -rf "$work/out"
tz 0 restore wiki --target "$work/out" --verify
same_tree "$work/src" "$work/out"
