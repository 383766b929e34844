#!/bin/bash
# A large image with little in it: what the next run needs to know of it is as little.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"

mkdir "$work/src"
truncate -s 64G "$work/src/disk.img"
put() { # OFFSET_IN_MIB
    head -c 1000000 /dev/urandom | dd of="$work/src/disk.img" bs=1M seek="$1" conv=notrunc status=none
}
state_is_small() {
    local size
    size=$(du -s --block-size=1M "$work/state" | cut -f1)
    [ "$size" -lt 20 ] || fail "$1: the state takes $size MiB"
}
for place in 0 1000 1003 30000 65534; do put $place; done
write_config
tz 0 init
back_up
state_is_small "the first run"

# Not read again: what is known of it moves on.
echo x >"$work/src/other"
back_up
state_is_small "a run that does not read it"

# Only what has changed is stored, also where a hole was.
put 30000
put 50000
tz 0 backup wiki --json
json '.generations[0].stored_bytes < 3000000'
state_is_small "a run that reads it"
tz 0 restore wiki --target "$work/out" --verify
[ "$(stat -c %s "$work/out/disk.img")" -eq "$(stat -c %s "$work/src/disk.img")" ] || fail "the length"
[ "$(du --block-size=1M "$work/out/disk.img" | cut -f1)" -lt 20 ] || fail "the holes were filled"
for place in 0 1000 1003 30000 50000 65534; do
    cmp <(tail -c +$((place * 1048576 + 1)) "$work/src/disk.img" | head -c 1048576) \
        <(tail -c +$((place * 1048576 + 1)) "$work/out/disk.img" | head -c 1048576) ||
        fail "other bytes at $place MiB"
done
