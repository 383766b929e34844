#!/bin/bash
# A store that is not what it was: its listing is old, its bucket is an earlier copy, or was emptied.
# It gets what it lacks, nothing of the other one is given up, and nothing is claimed before it is so.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

proxy far west
faults far
s3_repository east far
tz 0 backup

# copy_keys FROM TO: the objects of west, from one prefix to another.
copy_keys() {
    local key
    for key in $(s3_keys west "$1/"); do
        s3 200 west PUT "/$bucket/$2/${key#"$1"/}" -H "x-amz-copy-source: /$bucket/$key"
    done
}
remove_keys() {
    local key
    for key in $(s3_keys west "$1/"); do s3 204 west DELETE "/$bucket/$key"; done
}
copy_keys west earlier
head -c 3000000 /dev/urandom >"$work/src/second"
tz 0 backup
sums east >"$work/before-east"

# An old listing.
faults far
tz 0 list
faults far 'GET list-type=2 stale-list'
date +%N >"$work/src/file"
tz 0 backup
tz 0 list --json
faults far
tz 0 backup
tz 0 verify --level content
same_stores
honest east west

# An earlier copy of the bucket.
remove_keys west
copy_keys earlier west
honest west
date +%N >"$work/src/file"
# While it may not be filled nothing is claimed to be there.
faults far 'PUT /packs/ status 403 AccessDenied'
tz 3 backup --json
json '.generations[0].stores == {east: "present", west: "missing"}'
honest east west
tz 0 list --json
json '.sources[0].generations[0].state == "degraded"'
faults far
tz 0 backup --json
json '.generations[0].state == "complete"'
same_stores
honest east west
tz 0 list --json
json '[.sources[].generations[].stores[] | select(. != "present")] == []'

# Emptied, but for other people's objects.
remove_keys west
date +%N >"$work/src/file"
tz 3 backup --json
json '.generations[0].stores == {east: "present", west: "missing"}'
stderr_has 'holds no repository'
stderr_has 'tozai sync --to west'
tz 3 verify
rm -rf "$work/out"
tz 0 restore wiki --target "$work/out" --verify
same_tree "$work/src" "$work/out"
[ -z "$(s3_keys west west/)" ] || fail 'it was filled unasked'
tz 0 sync --to west
same_stores
honest east west
# What east had before is as it was.
sums east | join -v 1 "$work/before-east" - >"$work/lost"
[ ! -s "$work/lost" ] || fail "lost: $(cat "$work/lost")"
