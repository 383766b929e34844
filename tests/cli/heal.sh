#!/bin/bash
# verify --heal over many objects: both ways, what cannot be healed, what must not be.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"
make_repository
list_packs() {
    (cd "$work/east" && find packs -type f | sort)
}
for i in 1 2 3; do
    list_packs >"$work/packs.before" 2>"$work/stderr" || :
    head -c 200000 /dev/urandom >"$work/src/page-$i"
    back_up
done
# One that only the last generation needs.
pack=$(list_packs | comm -13 "$work/packs.before" - | head -1)
cp -a "$work/east" "$work/good"

as_it_was() {
    diff -r "$work/good" "$work/$1" >"$work/stderr" || fail "$1 is not what it was"
}
# lose STORE FIRST: every third object, from the first-th.
lose() {
    (cd "$work/$1" && find . -type f ! -name tozai | sort | awk -v first="$2" 'NR % 3 == first') |
        while read -r name; do rm "$work/$1/$name"; done
}

# Each store has lost another third.
lose east 0
lose west 1
tz 4 verify --level presence --json
json '(.stores.east.missing | length > 3) and (.stores.west.missing | length > 3)'
json '.faults == []'
tz 0 verify --heal --json
json '.ok and (.stores.east.healed | length > 3) and (.stores.west.healed | length > 3)'
json '.stores[] | .missing == [] and .damaged == []'
as_it_was east
as_it_was west
tz 0 verify --level content

# Every pack of a store has a flipped bit.
find "$work/west/packs" -type f | while read -r file; do
    chmod u+w "$file"
    printf 'XXXXXXXX' | dd of="$file" bs=1 seek=300 conv=notrunc status=none
done
tz 4 verify --level content
stdout_has "damage was found"
tz 0 verify --level content --heal
as_it_was west

# With a writer's key, which cannot read them.
tz 0 key add --role writer --out "$work/writer"
rm -rf "$work/good"
cp -a "$work/east" "$work/good"
sed -i "s|^key_file = .*|key_file = $work/writer|" "$work/conf"
lose west 2
tz 0 verify --heal
as_it_was west
sed -i "s|^key_file = .*|key_file = $work/key|" "$work/conf"

# A disk that is not mounted is not filled.
mv "$work/west" "$work/west.away"
mkdir "$work/west"
tz 3 verify --heal --json
json '.stores.west | .reachable == false and .missing == [] and .healed == []'
[ -z "$(ls -A "$work/west")" ] || fail "something was written to an empty directory"
rmdir "$work/west"
mv "$work/west.away" "$work/west"
tz 0 verify

# Gone from both: the generations that it concerns are named, the others are restored.
latest=$id
rm "$work/east/$pack" "$work/west/$pack"
before=$(find "$work/east" "$work/west" -type f | wc -l)
tz 4 verify --heal --json
json ".faults | any(contains(\"$pack\") and contains(\"wiki@$latest\"))"
json ".stores.east.missing == [\"$pack\"] and .stores.west.missing == [\"$pack\"]"
tz 4 verify --level content --json
json ".faults | any(startswith(\"generation $latest of 'wiki'\"))"
[ "$before" -eq "$(find "$work/east" "$work/west" -type f | wc -l)" ] || fail "files came or went"
first=$("$TOZAI" -c "$work/conf" list --json | jq -r '.sources[0].generations[-1].id')
tz 0 restore "wiki@$first" --target "$work/out"
[ -e "$work/out/page-1" ] || fail "the first generation was not restored"
# An index does not come back before its packs: others would take them for being there.
count_index() {
    find "$work/$1/index" -type f | wc -l
}
rm "$work"/west/index/*
tz 4 verify --heal
[ "$(count_index west)" -lt "$(count_index east)" ] || fail "an index came back without its packs"
# Brought back by hand, all is well.
cp "$work/good/$pack" "$work/west/$pack"
tz 0 verify --heal
as_it_was east
as_it_was west
tz 0 verify --level content
