#!/bin/bash
# doctor: what it finds, and how it ends.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"
make_repository

tz 0 doctor
stdout_has "ok    configuration: "
stdout_has "ok    store east: access: objects can be written, read, listed and removed"
stdout_has "ok    store west: clock: "
stdout_has "ok    source wiki: "
stdout_has "tozai key paper"
stderr_is ""
tz 0 doctor --json
json '.ok and (.checks | length > 10) and (.checks | all(.state == "ok"))'
json '.checks[0] | has("name") and has("detail") and has("advice")'
# Nothing of it stays.
[ -z "$(find "$work/east" "$work/west" -path '*doctor/*')" ] || fail "a test object stayed"

# fails NAME TEXT, warns NAME TEXT: the check of this name.
finds() {
    jq -e --arg state "$1" --arg name "$2" --arg text "$3" \
        '.checks | any(.state == $state and .name == $name and ((.detail + .advice) | contains($text)))' \
        "$work/stdout" >/dev/null || fail "no $1 of $2: $3"
}

# Permissions.
chmod 755 "$work/state"
chmod 666 "$work/conf"
tz 3 doctor --json
json .ok
finds warn state "chmod 700"
finds warn configuration "chmod go-w"
chmod 700 "$work/state"
chmod 600 "$work/conf"
chmod 644 "$work/key"
tz 1 doctor --json
json '.ok | not'
finds fail key_file "chmod 600"
finds fail repository "open to other users"
chmod 600 "$work/key"

# A store that is away, one that is empty, one of another repository.
mv "$work/west" "$work/west.away"
tz 1 doctor --json
finds fail "store west" "west"
finds ok "store east: access" ""
mkdir "$work/west"
tz 1 doctor --json
finds fail "store west" "tozai sync"
rmdir "$work/west" 2>/dev/null || rm -r "$work/west"
sed "s|/east|/other-east|; s|/west|/west|; s|^state.*|state = $work/state2|; s|^key_file.*|key_file = $work/key2|" \
    "$work/conf" >"$work/other.conf"
run 0 -c "$work/other.conf" init
tz 1 doctor --json
finds fail "store west" "another repository"
rm -r "$work/west"
mv "$work/west.away" "$work/west"
tz 0 doctor

# Sources.
cat >>"$work/conf" <<CONF
[source gone]
type = directory
path = $work/nowhere
[source app]
type = sqlite
path = $work/src/docs/big.bin
[source disk]
type = image
path = $work/src/docs
[source dump]
type = command
command = true
[source db]
type = postgres
conninfo = host=/nowhere
slot = x
CONF
tz 1 doctor --json
finds fail "source gone" "$work/nowhere"
finds fail "source app" "not an SQLite database"
finds fail "source disk" "neither a file nor a block device"
finds ok "source dump" ""
finds fail "source db" "not part of this program"
sed -i '/^\[source gone\]/,$d' "$work/conf"

# Places: the same disk is one place, and a single store is none too many.
sed -i '/^location/d' "$work/conf"
tz 3 doctor --json
finds warn places "same file system"
finds ok locations "location"
sed -i '/^\[store west\]/,/^url/d' "$work/conf"
printf '[policy]\nmin_copies = 1\n' >>"$work/conf"
tz 3 doctor --json
finds warn places "only one store"

# The wrong key, and no configuration.
run 0 -c "$work/other.conf" version
sed -i "s|^key_file.*|key_file = $work/key2|" "$work/conf"
tz 1 doctor
stdout_has "fail  repository: wrong key file"
echo "[nonsense]" >>"$work/conf"
tz 1 doctor --json
json '.checks | length == 1'
finds fail configuration "nonsense"
run 1 -c "$work/none.conf" doctor
stdout_has "fail  configuration: "
