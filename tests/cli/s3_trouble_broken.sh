#!/bin/bash
# Connections that break now and then at every phase, and bytes that are damaged on the way up: it is
# tried again, nothing half is ever stored, and a lost answer costs no second object.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

proxy near east
proxy far west
faults near
faults far
s3_repository near far

# Each once in a while, on the way up.
number=0
for fault in reset-connect 'reset-up 200000' 'truncate 10' 'reset 10' ack-lost drop-status \
    'corrupt-up 1000'; do
    number=$((number + 1))
    head -c 3000000 /dev/urandom >"$work/src/up-$number"
    faults far "PUT . $fault every=2" "GET list-type $fault every=3"
    [[ $fault != corrupt-up* ]] || faults far "PUT . $fault every=2"
    tz 0 backup --json
    json '.generations[0].state == "complete"'
    [ "$(requests far " ${fault%% *} ")" -gt 0 ] || fail "$fault did not happen"
    forget_requests far
done
faults far
same_stores
honest east west

