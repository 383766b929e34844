#!/bin/bash
# The S3 servers that the tests rely on do what they are relied on for: they check signatures, keep
# what they have across crashes, can be away, and leave nothing behind.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

head -c 300000 /dev/urandom >"$work/small"
head -c 3000000 /dev/urandom >"$work/large"

# A server of our own takes a while to start, hence in the background.  Whatever happens here,
# none stays.
remove_servers() {
    wait "$starting_own" "$starting_south" 2>/dev/null || true
    "$servers/rgw" down "$work/own"
    "$servers/swift" down "$work/south"
}
starting_own='' starting_south=''
at_end+=(remove_servers)
port=$(free_ports 40)
"$servers/rgw" up own us-west-2 "$port" "$work/own" --disk 2G 2>"$work/own.err" &
starting_own=$!
"$servers/swift" up south ap-northeast-2 $((port + 30)) "$work/south" 2>"$work/south.err" &
starting_south=$!

# processes FOLDER: how many there are of it.
processes() {
    pgrep -cf -- "^(ceph-|radosgw|memcached|[^ ]*python3 [^ ]*swift_server).* $1/" || true
}
nothing_left() {
    [ ! -e "$work/$1" ] || fail "the folder of '$1' is left"
    [ "$(processes "$work/$1")" -eq 0 ] || fail "processes of '$1' are left"
}
round_trip() {
    s3_put "$1" kept "$work/large"
    s3_put "$1" other "$work/small"
    s3_get "$1" kept
    body_is "$work/large"
    s3 206 "$1" GET "/$bucket/kept" -r 5-6
    s3 404 "$1" GET "/$bucket/missing"
    error_is NoSuchKey
    [ "$(s3_keys "$1")" = $'kept\nother' ] || fail "$1 lists something else"
    s3 204 "$1" DELETE "/$bucket/other"
    [ "$(s3_keys "$1")" = kept ] || fail "$1 still lists it"
}

# east and west: each in its region, with its own keys.
for side in east west; do
    make_bucket "$side"
    round_trip "$side"
    s3 200 "$side" GET "/$bucket?location="
    grep -qF ">${region[$side]}<" "$work/body" || fail "$side is in another region"
    [ "$(stat -c %a "${credentials[$side]}")" = 600 ] || fail 'others can read the keys'
    # Other tests may have added theirs.
    [ "$(head -n 1 "${credentials[$side]}")" = '[default]' ] || fail 'the first profile is another'
done
[ "${region[east]} ${region[west]}" = 'ap-northeast-1 ap-northeast-3' ] || fail 'wrong regions'
cp "$work/netrc-west" "$work/netrc-stranger"
endpoint[stranger]=${endpoint[east]} region[stranger]=${region[east]}
s3 403 stranger GET "/$bucket/kept"
error_is InvalidAccessKeyId
sed -i 's/secret$/other/' "$work/netrc-stranger"
sed -i 's/westaccess/eastaccess/' "$work/netrc-stranger"
s3 403 stranger GET "/$bucket/kept"
error_is SignatureDoesNotMatch

# TLS, with a certificate that only its own authority vouches for.
endpoint[tls]=$(sed -n 's/^S3_TLS_ENDPOINT=//p' "$S3_PAIR/east/env")
authority=$(sed -n 's/^S3_CA_FILE=//p' "$S3_PAIR/east/env")
region[tls]=${region[east]}
cp "$work/netrc-east" "$work/netrc-tls"
s3_get tls kept --cacert "$authority"
body_is "$work/large"
s3 0 tls GET "/$bucket/kept"
[ "$curl" -eq 60 ] || fail "a stranger's certificate: curl ended with $curl"
endpoint[tls]=${endpoint[tls]/127.0.0.1/localhost}
sed -i s/127.0.0.1/localhost/ "$work/netrc-tls"
s3_get tls kept --cacert "$authority"

# What must be refused, without anything being started.
code=0
"$servers/rgw" up late us-west-2 "${endpoint[east]##*:}" "$work/late" 2>"$work/stderr" || code=$?
[ $code -eq 1 ] || fail "on a port that is taken: exit code $code"
stderr_has 'something listens on a port'
[ ! -e "$work/late" ] || fail 'a folder was made for nothing'
code=0
"$servers/rgw" stop "$S3_PAIR" 2>"$work/stderr" || code=$?
[ $code -eq 1 ] || fail "without a server: exit code $code"
stderr_has 'there is no gateway'

# One on a disk: it keeps what it has.
wait $starting_own || fail "rgw up: $(cat "$work/own.err")"
store own "$work/own"
[ "$(processes "$work/own")" -eq 3 ] || fail 'there should be three processes'
ss -ltnH | awk '{ print $4 }' |
    awk -F: -v low="$port" '$NF >= low && $NF < low + 30 && $1 != "127.0.0.1"' >"$work/open"
[ ! -s "$work/open" ] || fail "open to others: $(cat "$work/open")"
make_bucket own
round_trip own
"$servers/rgw" kill "$work/own"
[ "$(processes "$work/own")" -eq 0 ] || fail 'processes survive a kill'
s3 0 own GET "/$bucket/kept"
[ "$curl" -eq 7 ] || fail "killed: curl ended with $curl"
"$servers/rgw" start "$work/own"
s3_get own kept
body_is "$work/large"
s3_put own second "$work/small"
"$servers/rgw" stop "$work/own"
[ "$(processes "$work/own")" -eq 0 ] || fail 'processes survive a stop'
"$servers/rgw" start "$work/own"
s3_get own second
body_is "$work/small"
"$servers/rgw" gateway-kill "$work/own"
[ "$(processes "$work/own")" -eq 2 ] || fail 'the gateway alone should be gone'
s3 0 own GET "/$bucket/kept"
"$servers/rgw" gateway-start "$work/own"
s3_get own kept
body_is "$work/large"

# A user with little room.
"$servers/rgw" user "$work/own" small smallaccess smallsecret --quota 1000000
grep -qx '\[small\]' "$work/own/credentials" || fail 'no profile for the user'
printf 'machine 127.0.0.1 login smallaccess password smallsecret\n' >"$work/netrc-small"
endpoint[small]=${endpoint[own]} region[small]=${region[own]}
s3 200 small PUT "/$bucket-small"
s3 200 small PUT "/$bucket-small/fits" --data-binary @"$work/small"
s3 403 small PUT "/$bucket-small/large" --data-binary @"$work/large"
error_is QuotaExceeded
s3 403 small GET "/$bucket/kept"
"$servers/rgw" down "$work/own"
nothing_left own

# A start that fails, too, and says why.
code=0
"$servers/rgw" up own us-west-2 "$port" "$work/own" --disk 10K 2>"$work/stderr" || code=$?
[ $code -eq 1 ] || fail "on no disk: exit code $code"
stderr_has 'make_objects failed'
stderr_has '--- make.log'
nothing_left own

# Swift, and how it is different.
code=0
wait $starting_south || code=$?
if [ $code -eq 77 ]; then
    echo "without Swift: $(tail -n 1 "$work/south.err")"
    exit
fi
[ $code -eq 0 ] || fail "swift up: $(cat "$work/south.err")"
store south "$work/south"
[[ ${access_key[south]} == *:* ]] || fail 'its access key should have a colon'
make_bucket south
round_trip south
proxy faulty south
s3_get faulty kept
body_is "$work/large"
[ "$(s3_keys faulty)" = kept ] || fail 'it lists something else through a proxy'
s3 200 south PUT "/$bucket/locked" --data-binary @"$work/small" \
    -H 'x-amz-object-lock-mode: COMPLIANCE' \
    -H "x-amz-object-lock-retain-until-date: $(date -u -d '+1 day' +%Y-%m-%dT%H:%M:%SZ)"
s3 204 south DELETE "/$bucket/locked"
s3 501 south PUT "/$bucket/kept" --data-binary @"$work/small" -H 'If-None-Match: *'
region[stranger]=us-east-9 endpoint[stranger]=${endpoint[south]}
cp "$work/netrc-south" "$work/netrc-stranger"
s3 400 stranger GET "/$bucket/kept"
error_is AuthorizationHeaderMalformed
"$servers/swift" kill "$work/south"
s3 0 south GET "/$bucket/kept"
"$servers/swift" start "$work/south"
s3_get south kept
body_is "$work/large"
"$servers/swift" down "$work/south"
nothing_left south
