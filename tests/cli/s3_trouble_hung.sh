#!/bin/bash
# A store that takes a request and never answers, or stops in the middle: `timeout` ends it, and who
# reads asks the other store after a few seconds.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

proxy near east
proxy far west
faults near
faults far
s3_repository near far
sed -i '/^path_style/a timeout = 2s' "$work/conf"
head -c 20000000 /dev/urandom >"$work/src/large"
tz 0 backup

# Once in a while: tried again.
head -c 3000000 /dev/urandom >"$work/src/second"
faults far 'PUT /packs/ hang-up 100000 once' 'GET list-type hang 10 once'
tz 0 backup --json
json '.generations[0].state == "complete"'
same_stores

# For good, from the start and in mid-run.
echo 1 >"$work/src/one"
faults far '* . hang'
took_at_most 90 tz 3 backup
stderr_has "store 'west'"
stderr_has 'nothing has moved for 2 s'
head -c 3000000 /dev/urandom >"$work/src/third"
faults far 'PUT /packs/ hang-up 100000'
took_at_most 120 tz 3 backup --json
json '.generations[0].stores == {east: "present", west: "missing"}'
honest east west
faults far
tz 0 sync
same_stores

# Restores do not wait as long as the configuration allows.
sed -i 's/^timeout = .*/timeout = 10m/' "$work/conf"
for fault in '* . hang' 'GET list-type hang' 'GET /keys/ hang' 'GET /packs/ hang 100000' \
    '* . status 503' 'GET list-type status 503' '* . reset-connect'; do
    rm -rf "$work/out"
    faults near "$fault"
    took_at_most 60 tz 0 restore wiki --target "$work/out" --verify
    same_tree "$work/src" "$work/out"
done
# Nor for one that moves, but so slowly that the other one has long given all of it.
for slow in near far; do
    rm -rf "$work/out"
    faults near
    faults far
    faults "$slow" 'GET /packs/ rate 20000'
    took_at_most 60 tz 0 restore wiki --target "$work/out" --verify
    same_tree "$work/src" "$work/out"
done
# Where there is no other, what is slow but moves is no reason to give up.
faults near 'GET /packs/ rate 5000000'
faults far 'GET /packs/ status 503'
rm -rf "$work/out"
tz 0 restore wiki --target "$work/out" --verify
same_tree "$work/src" "$work/out"
