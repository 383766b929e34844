#!/bin/bash
# Stores that take locks and do not keep them are refused, each for what it does: Swift knows none
# and answers 200, a bucket may have been made without, a server may show a lock and delete all the
# same, another may forget to extend.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

lock_west() {
    write_s3_config east "$1"
    echo 'object_lock = compliance' >>"$work/conf"
}
make_tree

# --- A bucket without Object Lock. ---
lock_west west
make_bucket west
make_bucket east
tz 1 init
stderr_has "store 'west'"
stderr_has 'prove that locks hold'
[ -z "$(s3_keys west west/keys/)" ] || fail 'init began in a store that it refuses'

# --- One that shows locks and keeps none. ---
bucket=$bucket-liar
proxy liar west
faults liar '* . lie-lock'
lock_west liar
tz 1 init
stderr_has "store 'west' takes a lock and deletes the locked object all the same"
stderr_has "take 'object_lock' out of [store west]"
[ -z "$(s3_keys west west/keys/)" ] || fail 'init began in a store that it refuses'

# It begins to lie later: a new machine tries it again, and so does the doctor.
faults liar
tz 0 init
back_up
tz 0 doctor
faults liar '* . lie-lock'
tz 1 doctor
stdout_has 'deletes the locked object all the same'
rm -rf "$work/state"
tz 3 backup --json
json '.generations[0].stores == {east: "present", west: "missing"}'
stderr_has "store 'west' is left out"
faults liar
tz 0 backup

# A known one that shows nothing of what it was told: each put is looked at.
faults liar 'PUT /packs/ lie-lock'
echo new >"$work/src/new"
tz 3 backup --json
json '.generations[0].stores.west == "missing"'
stderr_has "does not keep the lock of 'packs/"
faults liar
tz 0 backup --json
json '.generations[0].state == "complete"'

# One that says that it extends, and does not.
printf '[retention]\nweekly = 10\n' >>"$work/conf"
faults liar 'PUT retention lie-lock'
tz 3 backup --json
json '.generations[0].stores.west == "missing"'
stderr_has 'does not keep the lock of'
faults liar
tz 0 backup --json
json '.generations[0].state == "complete"'

# --- Swift ---
end_swift() {
    "$servers/swift" down "$work/south"
}
"$servers/swift" up south ap-northeast-2 "$(free_ports 6)" "$work/south" >"$work/south.out" 2>&1 ||
    skip "no Swift: $(tail -1 "$work/south.out")"
at_end+=(end_swift)
store south "$work/south"
bucket=$bucket-swift
lock_west south
rm -rf "$work/state" "$work/key"
tz 1 init
stderr_has "store 'west' does not keep the lock of"
stderr_has 'its bucket needs Object Lock'
[ -z "$(s3_keys south west/keys/)" ] || fail 'init began in a store that it refuses'
sed -i '/^object_lock/d' "$work/conf"
tz 0 init
tz 0 backup
