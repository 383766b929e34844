#!/bin/bash
# store add, remove and replace: without a key, stopped in the middle, with damage, on a full disk.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"

# The small disk is a tmpfs in a mount namespace of our own, where that is allowed.
if [ -z "${TOZAI_IN_NAMESPACE:-}" ] && unshare -m true 2>/dev/null; then
    TOZAI_IN_NAMESPACE=1 exec unshare -m bash "$0"
fi

make_repository
for i in 1 2 3; do
    head -c 3000000 /dev/urandom >"$work/src/page-$i"
    back_up
done
# add_section NAME: [store NAME] in $work/NAME.
add_section() {
    printf '\n[store %s]\nurl = file://%s\nlocation = %s\n' "$1" "$work/$1" "$1" >>"$work/conf"
}
# drop_section NAME
drop_section() {
    awk -v name="[store $1]" '/^\[/ { skip = ($0 == name) } !skip' "$work/conf" >"$work/conf.new"
    mv "$work/conf.new" "$work/conf"
}
level() {
    diff <(cd "$work/$1" && find . -type f ! -path './tmp/*' | sort) \
        <(cd "$work/$2" && find . -type f ! -path './tmp/*' | sort) >"$work/stderr" ||
        fail "$1 and $2 are not level"
}

# What is not configured cannot be filled.
mkdir "$work/third"
tz 2 store add third
stderr_has "there is no store 'third'"
add_section third

# A store that is another one by a second name.
ln -s "$work/east" "$work/alias"
add_section alias
tz 2 store add alias
stderr_has 'are one place under two names'
[ -z "$(find "$work/east/" -name 'probe*')" ] || fail 'something was left in the store'
drop_section alias

# Without a key.
mv "$work/key" "$work/key.away"
tz 0 store add third --json
json '.store == "third" and .objects > 10 and .bytes > 9000000 and .failed == 0 and .level'
level east third
tz 0 store add third
stdout_has "0 objects copied"
stdout_has "is level"
mv "$work/key.away" "$work/key"
tz 0 list --json
json '.sources[0].generations | length == 3 and all(.stores.third == "present")'
# It alone gives everything back.
cp -a "$work/state" "$work/state.kept"
mv "$work/east" "$work/east.away"
mv "$work/west" "$work/west.away"
rm -rf "$work/state"
tz 0 restore wiki --target "$work/out" --verify
same_tree "$work/src" "$work/out"
mv "$work/east.away" "$work/east"
mv "$work/west.away" "$work/west"
rm -rf "$work/state" "$work/out"
mv "$work/state.kept" "$work/state"

# Take the first one out: looked at while it is configured, forgotten when it is not.
tz 0 store remove east --json
json '.generations == 3 and .copies == 2 and (.forgotten | not)'
drop_section east
tz 0 store remove east --json
json '.forgotten'
tz 1 store remove east
stderr_has "there never was a store 'east'"
tz 0 catalog check
tz 0 verify

# Not while the others lack something.
head -c 100000 /dev/urandom >"$work/src/new"
mv "$work/west" "$work/west.away"
tz 3 backup
mv "$work/west.away" "$work/west"
tz 1 store remove third
stderr_has "1 of 4 generations would have fewer than 1 copies"
tz 0 sync
pack=$(cd "$work/west" && find packs -type f | sort | head -1)
mv "$work/west/$pack" "$work/pack.away"
tz 1 store remove third
stderr_has "would have fewer than 1 copies"
mv "$work/pack.away" "$work/west/$pack"
tz 0 store remove third
stdout_has "take [store third] out"

# Another repository is not touched.
mkdir "$work/other"
sed "s|$work/west|$work/other|; s|$work/third|$work/other2|; s|state = .*|state = $work/state2|; s|key_file = .*|key_file = $work/key2|" \
    "$work/conf" >"$work/conf2"
run 0 -c "$work/conf2" init
add_section other
tz 2 store add other
stderr_has "another repository"
# Not even if it has lost its descriptor.
mv "$work/other/tozai" "$work/tozai.away"
tz 2 store add other
stderr_has "key slots of another repository"
drop_section other

# Stopped at any moment: no generation is there without its packs, and the next run goes on.
add_section fourth
sed -i "s|key_file = .*|key_file = $work/none|" "$work/conf"
for delay in 0.005 0.01 0.02 0.03 0.05; do
    rm -rf "$work/fourth"
    mkdir "$work/fourth"
    "$TOZAI" -c "$work/conf" store add fourth >/dev/null 2>&1 &
    pid=$!
    sleep "$delay"
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    if [ -n "$(find "$work/fourth/generations" "$work/fourth/index" -type f 2>/dev/null)" ]; then
        diff -r "$work/west/packs" "$work/fourth/packs" >/dev/null || fail "heads before packs"
    fi
    tz 0 store add fourth
    level west fourth
done

# A damaged copy is not taken while there is a good one; the only copy is not taken at all.
rm -rf "$work/fourth"
mkdir "$work/fourth"
chmod u+w "$work/third/$pack"
printf 'XX' | dd of="$work/third/$pack" bs=1 seek=5000 conv=notrunc status=none
mv "$work/west/$pack" "$work/pack.away"
tz 4 store add fourth --json
json '.failed == 1 and .held_back > 4 and (.level | not)'
stderr_has "is damaged"
[ ! -e "$work/fourth/$pack" ] || fail "a damaged pack was copied"
[ -z "$(find "$work/fourth/generations" -type f 2>/dev/null)" ] || fail "generations without a pack"
mv "$work/pack.away" "$work/west/$pack"
tz 0 store add fourth
level west fourth
cmp "$work/west/$pack" "$work/fourth/$pack"

# replace: the new one is filled before the old one goes.
sed -i "s|key_file = .*|key_file = $work/key|" "$work/conf"
add_section fifth
mkdir "$work/fifth"
tz 2 store replace fifth fifth
tz 1 store replace thrid fifth
stderr_has "there never was a store 'thrid'"
[ -z "$(ls -A "$work/fifth")" ] || fail 'a store was filled for a mistyped name'
tz 0 store replace third fifth --json
json '.add.level and (.remove.forgotten | not) and .remove.generations == 4'
level west fifth
drop_section third
tz 0 store remove third
stdout_has "store third is forgotten"

# A full disk.
if mkdir "$work/small" && [ -n "${TOZAI_IN_NAMESPACE:-}" ] &&
    mount -t tmpfs -o size=4m tozai-test "$work/small" 2>/dev/null; then
    trap 'umount "$work/small"; rm -rf "$work"' EXIT
    add_section small
    tz 3 store add small --json
    json '.level | not'
    stderr_has "No space left"
    [ -z "$(find "$work/small/generations" -type f 2>/dev/null)" ] || fail "heads on a full disk"
    mount -o remount,size=60m "$work/small"
    tz 0 store add small
    level west small
fi
