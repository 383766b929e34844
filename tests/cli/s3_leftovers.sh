#!/bin/bash
# Uploads in parts that never ended: doctor counts them, and removes those that nothing has moved for
# a day, by the server's clock.  Running ones and others' stay, whatever the keys may do.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

# begin STORE KEY: an upload of that key; its id goes to $upload.
begin() {
    s3 200 "$1" POST "/$bucket/$2?uploads="
    upload=$(sed -n 's/.*<UploadId>\([^<]*\)<.*/\1/p' "$work/body")
    [ -n "$upload" ] || fail 'no upload was begun'
}
# part STORE KEY: one of 5 MiB for it.
part() {
    s3 200 "$1" PUT "/$bucket/$2?partNumber=1&uploadId=$(jq -rn --arg text "$upload" '$text | @uri')" \
        --data-binary @"$work/part"
}
# uploads STORE [COUNT]: so many are there.
uploads() {
    s3 200 "$1" GET "/$bucket?uploads="
    local found
    found=$(sed 's/<Upload>/\n&/g' "$work/body" | grep -c '^<Upload>' || true)
    [ "$found" -eq "$2" ] || fail "$found uploads instead of $2: $(cat "$work/body")"
}
# leftovers STORE STATE TEXT: what doctor said of that store.
leftovers() {
    jq -e --arg name "store $1: leftovers" --arg state "$2" --arg text "$3" \
        '.checks | any(.name == $name and .state == $state and ((.detail + " " + .advice) | contains($text)))' \
        "$work/stdout" >/dev/null || fail "$1 is not $2: $3"
}
name_of() { printf '%s/packs/%s/%s' "$1" "${2:0:2}" "$2"; }

head -c 5242880 /dev/urandom >"$work/part"
hash=$(printf 'abcd%.0s' {1..16})
other=$(printf '0123%.0s' {1..16})
make_tree
proxy near east
faults near
make_bucket east
write_s3_config near west
tz 0 init
tz 0 doctor --json
leftovers east ok 'no put was left unfinished'
leftovers west ok 'no put was left unfinished'

# --- Young ones are counted: they may belong to a run that is at it. ---
begin east "$(name_of east "$hash")"
part east "$(name_of east "$hash")"
begin east "$(name_of east "$other")"
tz 0 doctor --json
leftovers east ok '2 puts have not ended; the oldest was begun 0 minutes ago'
leftovers east ok 'doctor'
leftovers west ok 'no put was left unfinished'
uploads east 2

# --- Others' in the bucket, and beside the prefix, are let alone. ---
begin east east/holiday.jpg
begin east elsewhere/"$(name_of east "$hash")"
begin east eastern/"$(name_of east "$hash")"
uploads east 5

# --- Two days later, by the server's clock alone. ---
faults near '* . skew 180000'
tz 3 doctor --json
leftovers east ok '2 puts that never ended were removed (5.0 MiB); the oldest was begun 2 days ago'
uploads east 3
tz 3 doctor --json
leftovers east ok "no put was left unfinished; 1 of somebody else's were"
uploads east 3

# One of which a part came an hour ago is running.  (Parts know their time by the true clock.)
begin east "$(name_of east "$hash")"
faults near 'GET uploadId= skew 3600' '* . skew 180000'
tz 3 doctor --json
uploads east 3
begin east "$(name_of east "$hash")"
part east "$(name_of east "$hash")"
tz 3 doctor --json
leftovers east ok '1 put has not ended; the oldest was begun 2 days ago'
uploads east 4

# --- A server that does not know, keys that may not, an answer that is none: said, no failure. ---
faults near '* . skew 180000'
faults near 'GET uploads= status 501 NotImplemented'
tz 0 doctor --json
leftovers east ok 'unfinished puts cannot be seen'
faults near 'GET uploads= status 403 AccessDenied'
tz 0 doctor --json
leftovers east ok 's3:ListBucketMultipartUploads'
faults near 'DELETE uploadId= status 403 AccessDenied' '* . skew 180000'
tz 3 doctor --json
leftovers east ok 'not all could be removed'
leftovers east ok 's3:AbortMultipartUpload'
faults near 'GET uploadId= status 403 AccessDenied' '* . skew 180000'
tz 3 doctor --json
leftovers east ok 's3:ListMultipartUploadParts'
uploads east 4
faults near '* . skew 180000'
tz 3 doctor --json
leftovers east ok '1 put that never ended was removed'
uploads east 3

# --- What a killed run leaves is seen, and a run is not harmed by a doctor beside it. ---
faults near
large_packs
faults near 'PUT partNumber=3 hang'
"$TOZAI" -c "$work/conf" backup >/dev/null 2>&1 &
pid=$!
for ((i = 0; i < 300; i++)); do
    ! in_parts near || break
    sleep 0.1
done
in_parts near || fail 'no upload in parts was begun'
kill -9 $pid
wait $pid 2>/dev/null || true
faults near
tz 0 doctor --json
leftovers east ok '1 put has not ended'
faults near '* . skew 180000'
tz 3 doctor --json
leftovers east ok '1 put that never ended was removed'
uploads east 3
faults near
tz 0 backup
tz 0 verify


# --- Swift. ---
port=$(free_ports 30)
remove_swift() { "$servers/swift" down "$work/south"; }
at_end+=(remove_swift)
code=0
"$servers/swift" up south ap-northeast-2 "$port" "$work/south" 2>"$work/south.err" || code=$?
if [ $code -eq 77 ]; then
    echo "without Swift: $(tail -n 1 "$work/south.err")"
    exit
fi
[ $code -eq 0 ] || fail "swift up: $(cat "$work/south.err")"
store south "$work/south"
proxy less south
faults less
rm -rf "$work/state"
write_s3_config less west
sed -i "s|$bucket/west|$bucket/second|" "$work/conf"
tz 0 init
tz 0 doctor --json
leftovers east ok 'no put was left unfinished'
begin south "$(name_of east "$hash")"
part south "$(name_of east "$hash")"
tz 0 doctor --json
leftovers east ok '1 put has not ended'
faults less '* . skew 180000'
tz 3 doctor --json
leftovers east ok '1 put that never ended was removed (5.0 MiB)'
uploads south 0
