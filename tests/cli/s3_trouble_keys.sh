#!/bin/bash
# Credentials that are wrong, end in mid-run, or may only read; and clocks that differ.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

proxy far west
faults far
s3_repository east far
sed "s|^credentials_file = ${credentials[west]}|credentials_file = $work/keys|" "$work/conf" \
    >"$work/conf.new"
mv "$work/conf.new" "$work/conf"
give_keys() {
    (umask 077 && sed "$1" "${credentials[west]}" >"$work/keys.new")
    mv "$work/keys.new" "$work/keys"
}
give_keys ''
tz 0 backup

# Wrong: said at once, not tried again.
for change in s/westsecret/wrong/ s/westaccess/nobody/; do
    date +%N >"$work/src/file"
    give_keys "$change"
    forget_requests far
    took_at_most 60 tz 3 backup --json
    json '.generations[0].stores == {east: "present", west: "missing"}'
    stderr_has "store 'west'"
    stderr_has 'check the access key and its secret'
    # Once more after the credentials were read again.
    awk '{ n[$1 $2]++ } END { for (r in n) if (n[r] > 2) exit 1 }' "$work/log-far" ||
        fail "too many requests with wrong keys: $(cat "$work/log-far")"
    [ "$(requests far .)" -le 8 ] || fail "$(requests far .) requests with wrong keys"
    rm -rf "$work/out"
    took_at_most 60 tz 0 restore wiki --target "$work/out"
    same_tree "$work/src" "$work/out"
done
# No file, or one that others can read.
chmod 644 "$work/keys"
tz 3 backup
stderr_has "$work/keys"
rm "$work/keys"
tz 3 backup
stderr_has "$work/keys"
give_keys ''
tz 0 backup
same_stores

# A session that ends in mid-run: new keys are there, or not.
head -c 3000000 /dev/urandom >"$work/src/second"
faults far 'PUT /packs/ status 400 ExpiredToken once'
tz 0 backup
same_stores
head -c 3000000 /dev/urandom >"$work/src/third"
faults far 'PUT /(index|generations)/ status 400 ExpiredToken'
took_at_most 60 tz 3 backup --json
json '.generations[0].stores == {east: "present", west: "missing"}'
stderr_has 'the session has ended'
honest east west
faults far
tz 0 backup
same_stores

# Someone who may only read.
cat >"$work/policy" <<JSON
{"Version":"2012-10-17","Statement":[
 {"Effect":"Deny","Principal":{"AWS":["arn:aws:iam:::user/west"]},"Action":["s3:PutObject"],
  "Resource":["arn:aws:s3:::$bucket/*"]}]}
JSON
s3 204 west PUT "/$bucket?policy=" --data-binary @"$work/policy"
echo 1 >"$work/src/one"
took_at_most 60 tz 3 backup --json
json '.generations[0].stores == {east: "present", west: "missing"}'
stderr_has AccessDenied
stderr_has s3:PutObject
honest east west
s3 200 west DELETE "/$bucket?policy="
tz 0 sync
same_stores

# The server's clock, and ours.
echo 2 >"$work/src/two"
faults far '* . skew 7200'
tz 0 backup
faults far
same_stores
command -v faketime >/dev/null || skip 'faketime is not installed'
echo 3 >"$work/src/three"
program=$TOZAI
printf '#!/bin/bash\nexec faketime -f "${AHEAD:?}" %q "$@"\n' "$program" >"$work/late"
chmod +x "$work/late"
TOZAI=$work/late
export FAKETIME_DONT_FAKE_MONOTONIC=1
for AHEAD in -3h +1d; do
    export AHEAD
    date +%N >"$work/src/three"
    tz 0 backup
    # A HEAD has no words for its refusal.
    faults far 'GET . skew 0'
    tz 0 sync
    faults far
done
TOZAI=$program
same_stores
honest east west
