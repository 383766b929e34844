#!/bin/bash
# The main job over two S3 stores: backups, lists, both verifications, damage healed from the other
# side, a store that was away caught up with, and each store alone is enough.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

make_tree
head -c 40000000 /dev/urandom >"$work/src/large"
proxy far west
faults far
write_s3_config east far

tz 0 init
tz 0 backup --json
json '.generations[0].state == "complete" and .generations[0].stores == {east: "present", west: "present"}'
tz 0 verify --level content --json
json '.ok'
# Nothing changed: few requests, however many key slots there are.
tz 0 key add --role writer --out "$work/writer" --label host
tz 0 key add --role operator --out "$work/other" --label other
forget_requests far
tz 0 backup
[ "$(requests far .)" -lt 9 ] || fail "$(requests far .) requests for nothing: $(cat "$work/log-far")"
# The slot that opened last time is the first to be tried, but only that: another key takes another
# one, and a slot that was removed opens nothing.
forget_requests far
tz 0 list
[ "$(requests far 'prefix=.*keys')" -eq 0 ] || fail 'the slots were listed though one opened'
sed "s|^key_file = .*|key_file = $work/writer|" "$work/conf" >"$work/conf-writer"
run 0 -c "$work/conf-writer" backup
run 1 -c "$work/conf-writer" restore wiki --target "$work/out"
stderr_has 'writer'
run 0 -c "$work/conf-writer" list
tz 0 cat wiki index.txt
tz 0 key remove host
run 1 -c "$work/conf-writer" backup
stderr_has 'wrong key file'

# The same objects are in both.
same_stores() {
    local side
    for side in east west; do
        s3_keys "$side" "$side/" | sed "s|^$side/||" >"$work/keys-$side"
    done
    diff "$work/keys-east" "$work/keys-west" || fail 'the stores hold different objects'
}
same_stores

# Each store alone, on a machine that knows nothing.
proxy near east
write_s3_config near far
for away in near far; do
    rm -rf "$work/out"
    faults near && faults far
    faults "$away" '* . reset-connect'
    sed "s|^state = .*|state = $work/state-$away|" "$work/conf" >"$work/conf-alone"
    run 0 -c "$work/conf-alone" restore wiki --target "$work/out" --verify
    same_tree "$work/src" "$work/out"
done
faults near && faults far

# A lost object is healed.
pack=$(s3_keys west west/packs/ | head -1)
s3 204 west DELETE "/$bucket/$pack"
tz 4 verify --json
json ".stores.west.missing == [\"${pack#west/}\"]"
tz 0 verify --heal
tz 0 verify --level content
same_stores

# West is away: degraded.  The next run brings it what it lacks.
faults far '* . reset-connect'
echo more >"$work/src/more"
tz 3 backup --json
json '.generations[0].state == "degraded" and .generations[0].stores.west == "missing"'
rm -rf "$work/out"
tz 0 restore wiki --target "$work/out" --verify
same_tree "$work/src" "$work/out"
faults far
tz 0 backup
same_stores
tz 0 list --json
json '[.sources[].generations[].stores[] | select(. != "present")] == []'
