#!/bin/bash
# A store that takes nothing in, though it answers otherwise: degraded, nothing half is stored, and
# the next sync makes both alike.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

proxy far west
faults far
s3_repository east far
number=0

for fault in 'reset-up 200000' ack-lost 'corrupt-up 1000'; do
    number=$((number + 1))
    head -c 3000000 /dev/urandom >"$work/src/up-$number"
    faults far "PUT /packs/ $fault"
    code=0
    "$TOZAI" -c "$work/conf" backup --json >"$work/stdout" 2>"$work/stderr" </dev/null || code=$?
    # What was stored and only not confirmed may count.
    [ $code -eq 3 ] || [ "$fault$code" = ack-lost0 ] || fail "$fault: exit code $code"
    honest east west
    faults far
    tz 0 sync
    same_stores
done
