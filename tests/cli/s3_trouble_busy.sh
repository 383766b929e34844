#!/bin/bash
# A store that says 503: now and then it is tried again, as it asks to be; all the time, and it is
# given up soon.  The next run makes both stores alike.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

proxy near east
proxy far west
faults near
faults far
s3_repository near far
head -c 20000000 /dev/urandom >"$work/src/large"

# Every third request.
faults near '* . status 503 every=3'
faults far '* . status 503 SlowDown 0 every=3'
tz 0 backup --json
json '.generations[0].state == "complete"'
faults near
faults far
same_stores
honest east west

# It says when to come back.
echo 1 >"$work/src/one"
faults far 'PUT /packs/ status 503 SlowDown 3 once'
begin=$SECONDS
tz 0 backup
[ $((SECONDS - begin)) -ge 3 ] || fail 'it came back too soon'
same_stores

# All the time, from the start: one store is enough, and nothing hammers the other.
echo 2 >"$work/src/two"
forget_requests far
faults far '* . status 503 SlowDown 0'
took_at_most 120 tz 3 backup --json
json '.generations[0].state == "degraded" and .generations[0].stores == {east: "present", west: "missing"}'
stderr_has "store 'west'"
stderr_has 503
[ "$(requests far .)" -le 20 ] || fail "$(requests far .) requests to a store that is busy"
honest east west

# In mid-run.
echo 3 >"$work/src/three"
head -c 10000000 /dev/urandom >"$work/src/large2"
faults far
tz 0 sync
forget_requests far
faults far 'PUT /packs/ status 503 SlowDown 0'
took_at_most 120 tz 3 backup --json
json '.generations[0].stores == {east: "present", west: "missing"}'
[ "$(requests far ' 503 ')" -le 60 ] || fail "$(requests far ' 503 ') requests to a store that is busy"
honest east west
faults far
tz 0 sync --json
json '.behind == 0'
same_stores
