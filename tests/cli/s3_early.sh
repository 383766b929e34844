#!/bin/bash
# A restore of everything asks for its first data together with what opens the repository; whatever
# happens to that, the restore goes well, and who wants no more than a part asks for no more.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

mkdir -p "$work/src"
for ((i = 0; i < 12; i++)); do
    head -c 5000000 /dev/urandom >"$work/src/file-$i"
done
echo small >"$work/src/small"
size=$(du -sb --apparent-size "$work/src" | cut -f 1)
proxy near east
proxy far west
both() {
    faults near "$@"
    faults far "$@"
}
forget_all() {
    forget_requests near
    forget_requests far
}
all_requests() {
    cat "$work/log-near" "$work/log-far"
}
received() {
    all_requests | awk '{ sum += $5 } END { print sum + 0 }'
}
# Reads of packs that were answered before any list of objects was.
before_lists() {
    local name
    for name in near far; do
        awk '/list-type=/ { exit } $1 == "GET" && $2 ~ "/packs/" && $5 > 100000' "$work/log-$name"
    done | wc -l
}
# restores CODE ARGUMENT...: to a new place; what is there then is the source.
restores() {
    rm -rf "$work/out"
    tz 0 restore wiki --target "$work/out" "$@"
    same_tree "$work/src" "$work/out"
}
# Once each, and no more than that.
each_once() {
    local got
    got=$(received)
    [ "$got" -lt $((size + size / 10)) ] || fail "$got bytes were fetched for $size"
    all_requests | awk '$1 == "GET" && $2 ~ "/packs/" && $5 > 100000 { print $2, $5 }' | sort >"$work/reads"
    [ "$(wc -l <"$work/reads")" -ge 12 ] || fail 'too few reads for the test'
}
both
write_s3_config near far
tz 0 init
tz 0 backup

# --- Lists take long: data has come before them, from both stores, and each byte once. ---
both '* list-type= delay 1'
forget_all
restores --verify
[ "$(before_lists)" -ge 8 ] || fail "only $(before_lists) reads before the lists"
forget_all
restores
each_once

# --- Not for a part, a dry run, or where something stands already. ---
forget_all
rm -rf "$work/out"
tz 0 restore wiki small --target "$work/out"
[ "$(before_lists)" -eq 0 ] || fail 'data came early for one small file'
cmp "$work/src/small" "$work/out/small"
got=$(received)
[ "$got" -lt 6000000 ] || fail "$got bytes were fetched for one small file"
tz 0 restore wiki --target "$work/none" --dry-run
[ "$(before_lists)" -eq 0 ] || fail 'data came early for a dry run'
both
restores
forget_all
tz 0 restore wiki --target "$work/out"
same_tree "$work/src" "$work/out"
got=$(received)
[ "$got" -lt 1000000 ] || fail "$got bytes were fetched although everything was there"

# --- What comes early is damaged, refused, cut short, or does not come: another copy does. ---
for fault in 'corrupt 70000' 'status 503 SlowDown' 'status 404 NoSuchKey' 'truncate 100000' 'reset 50000'; do
    faults near "GET packs/ $fault"
    faults far
    restores --verify
done
# All of it is asked for again when no answer is any good at first.
both 'GET packs/ status 500 InternalError once'
restores --verify
# A store that is silent is given up after seconds, not minutes.
faults near 'GET packs/ hang'
faults far
took_at_most 25 restores

faults near 'GET packs/ rate 20000'
took_at_most 25 restores
faults near

# --- Nobody waits for it in vain: the target cannot be made, or a key does not open. ---
both 'GET packs/ rate 20000'
: >"$work/a-file"
took_at_most 15 tz 1 restore wiki --target "$work/a-file/out"
cp "$work/key" "$work/key.kept"
head -c 200 /dev/urandom | base64 >"$work/key"
took_at_most 15 tz 1 restore wiki --target "$work/out-2"
cp "$work/key.kept" "$work/key"

# --- A second generation shares most: it is guessed from the packs of both. ---
both
rm "$work/src/file-3" "$work/src/file-4"
head -c 3000000 /dev/urandom >"$work/src/file-new"
tz 0 backup
restores --verify
rm -rf "$work/out"
tz 0 restore wiki@latest --target "$work/out"
same_tree "$work/src" "$work/out"
