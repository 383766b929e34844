#!/bin/bash
# One store away, empty, read-only or damaged: the other one carries on, it is said, and sync makes
# both alike again.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"

make_repository
back_up

# Away: degraded, and level again with the next run.
mv "$work/west" "$work/west-away"
echo new >"$work/src/new.txt"
tz 3 backup wiki --json
json '.generations[0].state == "degraded"'
json '.generations[0].stores == {"east": "present", "west": "missing"}'
stderr_has "west"
tz 0 restore wiki --target "$work/out" --verify
same_tree "$work/src" "$work/out"
mv "$work/west-away" "$work/west"
tz 0 backup wiki --json
json '.generations[0].state == "complete"'
diff -r "$work/east/packs" "$work/west/packs" || fail "packs differ"
diff -r "$work/east/generations" "$work/west/generations" || fail "generations differ"

# Both away: nothing was done.
mv "$work/west" "$work/west-away"
mv "$work/east" "$work/east-away"
tz 1 backup wiki
stderr_has "hint:"
tz 1 restore wiki --target "$work/none"
[ ! -e "$work/none" ] || fail "a target was made for nothing"
mv "$work/west-away" "$work/west"
mv "$work/east-away" "$work/east"

# Emptied: sync fills it, and it alone is enough.
rm -rf "$work/east"
mkdir "$work/east"
echo newer >"$work/src/newer.txt"
tz 3 backup wiki
stderr_has "tozai sync --to east"
tz 0 sync --to east
mv "$work/west" "$work/west-away"
rm -rf "$work/out" "$work/state"
tz 0 restore wiki --target "$work/out" --verify
same_tree "$work/src" "$work/out"
mv "$work/west-away" "$work/west"
tz 0 backup wiki
tz 0 verify

# A flipped bit in every pack of one store: restores heal it by the other, verify --heal for good.
find "$work/west/packs" -type f | while read -r pack; do
    chmod u+w "$pack"
    printf 'XXXXXXXX' | dd of="$pack" bs=1 seek=200 conv=notrunc status=none
done
rm -rf "$work/out"
tz 0 restore wiki --target "$work/out" --verify
same_tree "$work/src" "$work/out"
tz 4 verify --level ciphertext
tz 0 verify --level ciphertext --heal
tz 0 verify --level content

# In both: it is damage, it is said which files, and the rest is restored.
big=$(find "$work/east/packs" -type f -size +250k | head -1)
for store in east west; do
    pack=$work/$store/${big#"$work"/east/}
    chmod u+w "$pack"
    printf 'XXXX' | dd of="$pack" bs=1 seek=100000 conv=notrunc status=none
done
rm -rf "$work/out"
tz 4 restore wiki --target "$work/out"
stderr_has "big.bin"
[ -e "$work/out/index.txt" ] || fail "other files are missing"
# The source is still there: a run after a verify that has seen it stores it anew.
tz 4 verify --level ciphertext
tz 4 verify --level ciphertext --heal

# A new repository.
rm -rf "$work/state" "$work/east" "$work/west" "$work/key" "$work/out"
tz 0 init
tz 0 backup wiki
# One after the other: what only the store that is away has is stored anew.
mv "$work/west" "$work/west-away"
head -c 3000000 /dev/urandom >"$work/src/turns"
tz 3 backup wiki
mv "$work/east" "$work/east-away"
mv "$work/west-away" "$work/west"
tz 3 backup wiki --json
json '.generations[0].stores == {"east": "missing", "west": "present"}'
rm -rf "$work/out"
tz 0 restore wiki --target "$work/out" --verify
same_tree "$work/src" "$work/out"
mv "$work/east-away" "$work/east"
tz 0 backup wiki
tz 0 verify --level content
diff -r "$work/east/packs" "$work/west/packs" || fail "packs differ"
