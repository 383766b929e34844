#!/bin/bash
# Prune where objects are locked for real, in both modes: what is locked is kept, counted and dated,
# nothing fails, and it goes when the locks have ended.
#
# Locks last nine days at least, and the server's clock is the true one.  So the backups are made by
# a clock that is nine days behind, less a minute: their locks end in a minute.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"
[ -z "${TOZAI_SANITIZE:-}" ] || skip "no faked clock under sanitizers"
command -v faketime >/dev/null || skip 'faketime is not installed'

left=60 # seconds
program=$TOZAI
printf '#!/bin/bash\nFAKETIME_DONT_FAKE_MONOTONIC=1 exec faketime -f %q %q "$@"\n' \
    "-$((9 * 86400 - left))s" "$program" >"$work/behind"
chmod +x "$work/behind"
# behind CODE ARGUMENT...: tz by that clock.
behind() { TOZAI=$work/behind tz "$@"; }
# versions STORE: the keys of all versions and marks in the repository's part of the bucket.
versions() {
    s3 200 "$1" GET "/$bucket?prefix=$1%2F&versions="
    (sed 's/<Version>/\n&/g; s/<DeleteMarker>/\n&/g' "$work/body" && echo) |
        sed -n 's/^<\(Version\|DeleteMarker\)>.*<Key>\([^<]*\)<.*/\2/p' | grep -v '/tmp/' | sort
}

make_tree
proxy near east
proxy far west
faults near
faults far
write_s3_config near far
sed -i '/^\[store east\]/a object_lock = governance' "$work/conf"
sed -i '/^\[store west\]/a object_lock = compliance' "$work/conf"
printf '[retention]\nlast = 1\nminimum_generations = 1\n' >>"$work/conf"

# Two generations that share nothing large, and packs of a run that came to no generation.
begun=$(date +%s)
behind 0 init # whose proof that locks hold goes by the clock of the server
head -c 3000000 /dev/urandom >"$work/src/docs/big.bin"
behind 0 backup --json
old=$(value '.generations[0].id')
head -c 3000000 /dev/urandom >"$work/src/docs/big.bin"
behind 0 backup --json
new=$(value '.generations[0].id')
cp -p "$work/src/docs/big.bin" "$work/big.bin"
head -c 3000000 /dev/urandom >"$work/src/docs/big.bin"
faults near 'PUT generations/ status 403 AccessDenied'
faults far 'PUT generations/ status 403 AccessDenied'
behind 1 backup
faults near
faults far
cp -p "$work/big.bin" "$work/src/docs/big.bin"
for side in east west; do
    versions $side >"$work/before-$side"
    [ "$(grep -c "^$side/packs/" "$work/before-$side")" -ge 4 ] || fail "too few packs in $side"
done

# --- While they are locked. ---
tz 0 prune --grace 0 --live 0 --json
[ $(($(date +%s) - begun)) -lt $left ] || skip 'this machine is too slow for the test'
json ".forgotten == [] and .deleted_packs == 0 and .freed_bytes == 0"
json ".kept | any(.id == \"$old\" and (.labels | index(\"locked\")))"
json ".kept | any(.id == \"$new\")"
json '.locked_packs >= 1 and .tombstoned_packs >= 1'
until=$(date -d "$(value '[.locked_until, .kept[].locked_until] | map(select(.)) | max')" +%s)
[[ $until -ge $begun && $until -le $((begun + 3 * left)) ]] ||
    fail "locked until $(date -d "@$until")"
tz 0 prune --grace 0 --live 0
stdout_has 'locked, the last until'
[ $(($(date +%s) - begun)) -lt $left ] || skip 'this machine is too slow for the test'
for side in east west; do
    versions $side >"$work/now"
    [ -z "$(comm -23 "$work/before-$side" "$work/now")" ] || fail "something went from $side"
done
tz 0 verify --level content

# --- When they have ended. ---
while [ "$(date +%s)" -le $((until + 2)) ]; do sleep 1; done
tz 0 prune --grace 0 --live 0 --json
json ".forgotten == [\"$old\"] and .locked_packs == 0 and .deleted_packs >= 2 and .freed_bytes > 6000000"
json ".kept | length == 1 and .[0].id == \"$new\""
for side in east west; do
    versions $side >"$work/now"
    gone=$(comm -23 "$work/before-$side" "$work/now")
    [ "$(grep -c "^$side/packs/" <<<"$gone")" -ge 2 ] || fail "what had to go is still in $side"
    ! grep -q "$old" "$work/now" || fail "the old generation is still in $side"
    grep -q "$new" "$work/now" || fail "the new generation has gone from $side"
done
tz 0 verify --level content
tz 0 restore wiki --target "$work/out" --verify
same_tree "$work/src" "$work/out"
tz 0 backup
