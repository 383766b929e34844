#!/bin/bash
# A full disk under a store, the state or a restore's target: said as such, nothing lost, and after
# some room was made the next run works.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"

# The small disks are tmpfs in a mount namespace of our own.
if [ -z "${TOZAI_IN_NAMESPACE:-}" ]; then
    if ! unshare -m true 2>/dev/null; then
        echo "skipped: this user cannot make a mount namespace"
        exit 0
    fi
    TOZAI_IN_NAMESPACE=1 exec unshare -m bash "$0"
fi
mkdir "$work/small"
if ! mount -t tmpfs -o size=3m tozai-test "$work/small" 2>/dev/null; then
    echo "skipped: this user cannot mount a tmpfs"
    exit 0
fi
trap 'umount "$work/small"; rm -rf "$work"' EXIT

refresh() {
    umount "$work/small"
    mount -t tmpfs -o "size=$1" tozai-test "$work/small"
    rm -rf "$work/state" "$work/key" "$work/east" "$work/west"
}

# A store: the other one is complete.
make_tree
write_config
sed -i "s|file://$work/west|file://$work/small/west|" "$work/conf"
tz 0 init
tz 0 backup
head -c 8000000 /dev/urandom >"$work/src/large"
tz 3 backup --json
json '.generations[0].stores == {"east": "present", "west": "missing"}'
tz 0 restore wiki --target "$work/out" --verify
same_tree "$work/src" "$work/out"
[ "$(find "$work/small/west/tmp" -type f 2>/dev/null | wc -l)" -eq 0 ] || fail "half a pack stays"
mount -o remount,size=40m "$work/small"
tz 0 backup --json
json '.generations[0].state == "complete"'
diff -r "$work/east/packs" "$work/small/west/packs" || fail "packs differ"
tz 0 verify --level content

# A run makes room in the store that has none for what is new.
if [ -z "${TOZAI_SANITIZE:-}" ] && command -v faketime >/dev/null; then
    refresh 3m
    cp "$work/conf" "$work/plain"
    printf '[retention]\ndaily = 1\nminimum_generations = 1\n' >>"$work/conf"
    rm "$work/src/large"
    tz 0 init
    real=$TOZAI
    on_day() {
        printf '#!/bin/sh\nexec faketime -f "@2026-11-0%s 0%s:00:00" "%s" "$@"\n' "$1" "$3" "$real" >"$work/later"
        chmod +x "$work/later"
        TOZAI=$work/later tz "$2" run
    }
    for day in 1 2; do
        head -c 1100000 /dev/urandom >"$work/src/large"
        on_day "$day" 0 4
    done
    # Before the end of the grace period nothing may go.
    head -c 1100000 /dev/urandom >"$work/src/large"
    sed -i 's/^type = directory/&\nevery = 1h/' "$work/conf"
    on_day 3 3 1
    stdout_has "is in 1 of 2 stores"
    stdout_has "copies are missing"
    stdout_has "prune: ok, 1 generation forgotten, 0 packs deleted"
    sed -i '/^every = 1h/d' "$work/conf"
    on_day 3 0 5
    stdout_has "wiki: not due"
    stdout_has "sync: ok"
    stdout_has "2 packs deleted"
    stdout_has "run: ok"
    cp "$work/plain" "$work/conf"
    mount -o remount,size=40m "$work/small"
    tz 0 verify
fi

# Both stores.
refresh 3m
sed -i "s|file://$work/east|file://$work/small/east|" "$work/conf"
rm -f "$work/src/large"
tz 0 init
tz 0 backup
head -c 8000000 /dev/urandom >"$work/src/large"
tz 1 backup
stderr_has "No space left on device"
tz 0 list --json
json '.sources[0].generations | length == 1'
mount -o remount,size=60m "$work/small"
tz 0 backup
rm -rf "$work/out"
tz 0 restore wiki --target "$work/out" --verify
same_tree "$work/src" "$work/out"

# The state.
refresh 2m
write_config
sed -i "s|^state = .*|state = $work/small/state|" "$work/conf"
rm "$work/src/large"
tz 0 init
tz 0 backup
mkdir "$work/src/many"
for i in $(seq 12000); do echo "$i" >"$work/src/many/a-rather-long-name-for-a-little-file-$i"; done
code=0
dd if=/dev/zero of="$work/small/ballast" bs=4k 2>/dev/null || code=$?
code=0
"$TOZAI" -c "$work/conf" backup >"$work/stdout" 2>"$work/stderr" </dev/null || code=$?
[ "$code" -eq 1 ] || fail "a full state directory: exit code $code"
rm "$work/small/ballast"
mount -o remount,size=60m "$work/small"
tz 0 backup
rm -rf "$work/out"
tz 0 restore wiki --target "$work/out" --verify
same_tree "$work/src" "$work/out"
tz 0 verify --level content

# The target.
umount "$work/small"
mount -t tmpfs -o size=3m tozai-test "$work/small"
write_config
rm -rf "$work/src/many" "$work/state" "$work/east" "$work/west" "$work/key"
head -c 8000000 /dev/urandom >"$work/src/large"
tz 0 init
tz 0 backup
tz 1 restore wiki --target "$work/small/out"
stderr_has "No space left on device"
mount -o remount,size=40m "$work/small"
tz 0 restore wiki --target "$work/small/out" --verify
same_tree "$work/src" "$work/small/out"
