#!/bin/bash
# What stores do is found out, kept, shown and used, and nothing else is: on a good server, on one
# that knows no conditions, on one that ignores what it is asked, and with keys that may not delete.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

# probed STORE PART ANSWER: what doctor --json says.
probed() {
    json ".checks[] | select(.name == \"store $1: abilities\") | .probe.$2 == \"$3\""
}
# Every unchanged backup of these tests takes few requests.
few_requests() {
    [ "$(requests "$1" .)" -lt "$2" ] ||
        fail "$(requests "$1" .) requests for nothing: $(cat "$work/log-$1")"
}
nothing_stays() {
    s3_keys "$1" >"$work/keys"
    ! grep -qE '/(probe|doctor)/' "$work/keys" || fail "objects of a probe stay: $(cat "$work/keys")"
}

make_tree
proxy near east
proxy far west
faults near
faults far
write_s3_config near far

# init has probed, so the first backup does not, and puts once for each object.
tz 0 init
nothing_stays east
forget_requests near
tz 0 backup
[ "$(requests near '/east/tozai')" -eq 1 ] || fail 'it was probed again'
[ "$(requests near '^HEAD ')" -eq 0 ] || fail 'it asks before it puts'
forget_requests near
forget_requests far
tz 0 backup
few_requests near 10
few_requests far 10

tz 0 doctor --json
for part in read_after_write list_after_write range_reads conditional_put batch_delete hash_check \
    delete; do
    probed east $part yes
done
probed east versioning no
json ".checks[] | select(.name == \"store east: region\") | .state == \"ok\""
json ".checks[] | select(.name == \"store east: abilities\") | .probe.region == \"${region[east]}\""
nothing_stays east
nothing_stays west
tz 0 doctor
stdout_has 'ok    store east: abilities: proven: read_after_write'

# A store at another address is another one: it is probed, even by a run.  This one does not know
# If-None-Match and takes damaged bytes.
proxy other east
faults other 'PUT . header If-None-Match'
write_s3_config other far
forget_requests other
tz 0 backup
[ "$(requests other '^PUT .*/tozai 200 ')" -eq 1 ] || fail 'it was not probed'
[ "$(requests other '^HEAD .*/generations/')" -gt 0 ] || fail 'what was not proven is used'
forget_requests other
tz 0 backup
[ "$(requests other '/east/tozai')" -eq 1 ] || fail 'it was probed again'
few_requests other 12
tz 0 doctor --json
probed east conditional_put no
faults other 'PUT . header x-amz-content-sha256 UNSIGNED-PAYLOAD'
tz 3 doctor --json
probed east hash_check no
probed east conditional_put yes
json '.checks[] | select(.name == "store east: abilities") | .state == "warn"'
tz 0 verify

# Where batches do not work, nothing is sure but that single ones do.
faults other 'POST .delete= status 501'
tz 0 doctor --json
probed east batch_delete no
probed east delete yes
nothing_stays east

# A probe that fails stops nobody, and reads need none.
proxy bad east
faults bad 'PUT .*/tozai status 403 AccessDenied'
write_s3_config bad far
forget_requests bad
tz 0 restore wiki --target "$work/out" --verify
[ "$(requests bad '^PUT ')" -eq 0 ] || fail 'a restore has put something'
tz 0 backup
tz 3 doctor --json
probed east conditional_put unknown
faults bad

# Keys that may put, get and list: nothing of a probe is left.
writer_of() {
    printf '{"Version":"2012-10-17","Statement":[
      {"Effect":"Allow","Principal":{"AWS":["arn:aws:iam:::user/%s"]},
       "Action":["s3:ListBucket","s3:GetBucketLocation"],"Resource":"arn:aws:s3:::%s"},
      {"Effect":"Allow","Principal":{"AWS":["arn:aws:iam:::user/%s"]},
       "Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::%s/*"}]}' \
        "$1" "$bucket" "$1" "$bucket"
}
"$servers/rgw" user "$S3_PAIR/east" "$bucket" "$bucket-access" writersecret
writer_of "$bucket" >"$work/policy"
s3_hash=$(sha256sum "$work/policy" | cut -d' ' -f1) s3 204 east PUT "/$bucket?policy=" \
    --data-binary @"$work/policy"
(umask 077 && printf '[default]\naws_access_key_id = %s-access\naws_secret_access_key = %s\n' \
    "$bucket" writersecret >"$work/writer")
proxy writer east
faults writer
credentials[writer]=$work/writer
write_s3_config writer far
tz 0 backup
tz 0 doctor --json
probed east conditional_put yes
probed east delete no
probed east batch_delete unknown
json '.checks[] | select(.name == "store east: access") | (.state == "ok") and (.detail | test("not removed"))'
nothing_stays east

# Where versions are kept, no version of a canary is.
s3 200 west PUT "/$bucket?versioning=" --data-binary \
    '<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>'
tz 0 doctor --json
probed west versioning yes
probed west batch_delete yes
s3 200 west GET "/$bucket?versions="
! grep -q '/probe/' "$work/body" || fail "versions of a probe stay: $(cat "$work/body")"

# Swift knows no conditions; all else works.
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
write_s3_config less far
sed -i "s|$bucket/west|$bucket/second|" "$work/conf"
tz 0 init
tz 0 backup
forget_requests less
tz 0 backup
few_requests less 14
tz 0 doctor --json
probed east conditional_put no
probed east batch_delete yes
probed east hash_check yes
nothing_stays south
tz 0 verify --level content
