#!/bin/bash
# Archives and single files out of two stores that are far away: what is needed next is asked for in
# time, once, and what a store has lost comes from the other.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

# Small files, which share chunks, between others that have several of their own.
mkdir -p "$work/src"
for ((i = 10; i < 40; i++)); do
    mkdir "$work/src/$i"
    head -c 10000 /dev/urandom >"$work/src/$i/a"
    head -c 3000000 /dev/urandom >"$work/src/$i/b"
    head -c 10000 /dev/urandom >"$work/src/$i/c"
done
head -c 60000000 /dev/urandom >"$work/src/large"
size=$(du -sb --apparent-size "$work/src" | cut -f 1)
proxy near east
proxy far west
faults near
faults far
write_s3_config near far
tz 0 init
tz 0 backup
faults near '* .* delay 0.2'
faults far '* .* delay 0.2'

# same_archive: what it holds is the source.
same_archive() {
    rm -rf "$work/out"
    mkdir "$work/out"
    tar -xf "$work/all.tar" -C "$work/out"
    same_tree "$work/src" "$work/out"
}
received() {
    cat "$work/log-near" "$work/log-far" | awk '{ sum += $5 } END { print sum + 0 }'
}

forget_requests near && forget_requests far
tz 0 export --output "$work/all.tar" wiki
same_archive
got=$(received)
[ "$got" -lt $((size + size / 10)) ] || fail "$got bytes were fetched for $size"
# One after the other they would need one connection of each store.
used=$(awk '$2 ~ "/packs/" { print FILENAME, $7 }' "$work/log-near" "$work/log-far" | sort -u | wc -l)
[ "$used" -ge 6 ] || fail "only $used connections were used"

forget_requests near && forget_requests far
run 0 -c "$work/conf" cat wiki large
cmp "$work/stdout" "$work/src/large"
got=$(received)
[ "$got" -lt 72000000 ] || fail "$got bytes were fetched for a file of 60000000"

# Nothing that was asked for ahead holds up who wants no more.
{ "$TOZAI" -c "$work/conf" cat wiki large 2>"$work/stderr" || true; } | head -c 1000 >"$work/head-of-large"
cmp -n 1000 "$work/head-of-large" "$work/src/large"

# Each second pack is lost here, and each other one there.
turn=0
for pack in $(s3_keys west west/packs/ | sed 's|^west/||'); do
    turn=$((1 - turn))
    if [ $turn -eq 1 ]; then
        s3 204 west DELETE "/$bucket/west/$pack"
    else
        s3 204 east DELETE "/$bucket/east/$pack"
    fi
done
tz 0 export --overwrite --output "$work/all.tar" wiki
same_archive

# In both: that is told, with the path, and no archive is left that looks whole.
for pack in $(s3_keys west west/packs/ | sed 's|^west/||'); do
    s3 204 west DELETE "/$bucket/west/$pack"
    break
done
rm "$work/all.tar"
tz 4 export --output "$work/all.tar" wiki
stderr_has 'packs/'
[ ! -e "$work/all.tar" ] || fail 'an archive was left behind'
