#!/bin/bash
# The fault proxy makes each of its faults, and a client sees what it would with a real one.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

proxy faulty east
make_bucket east
head -c 300000 /dev/urandom >"$work/small"
head -c 3000000 /dev/urandom >"$work/large"
s3_put east kept "$work/large"

# last FIELDS: the end of the log's last line but for the connection.
last() {
    local line
    line=$(tail -n 1 "$work/log-faulty" | sed 's/ [0-9]*$//')
    [[ " $line" == *" $1" ]] || fail "the log says: $line"
}
# curl_ended CODE...: one of those.
curl_ended() {
    [[ " $* " == *" $curl "* ]] || fail "curl ended with $curl: $(cat "$work/stderr")"
}
absent() {
    s3 404 east HEAD "/$bucket/$1"
}
body_has_bytes() {
    [ "$(stat -c %s "$work/body")" -eq "$1" ] || fail "the body has not $1 bytes"
}
# took_ms LEAST COMMAND...
took_ms() {
    local least=$1 begin ms
    shift
    begin=$(date +%s%N)
    "$@"
    ms=$((($(date +%s%N) - begin) / 1000000))
    [ "$ms" -ge "$least" ] || fail "it took only $ms ms: $*"
}

# Nothing asked for: all goes through, with and without "Expect: 100-continue".
s3_put faulty small "$work/small" -H 'Expect: 100-continue'
s3_put faulty large "$work/large"
last 'PUT /'"$bucket"'/large 200 3000000 0 -'
s3_get faulty large
body_is "$work/large"
last '200 0 3000000 -'
s3 206 faulty GET "/$bucket/large" -r 1000000-1000099
body_has_bytes 100
s3 200 faulty HEAD "/$bucket/large"
s3 204 faulty DELETE "/$bucket/small"
[ "$(s3_keys faulty)" = $'kept\nlarge' ] || fail 'a list is not what it should be'

# A connection is kept for the next request, whatever the answer (these are not signed).
forget_requests faulty
curl -s --noproxy '*' "${endpoint[faulty]}/$bucket/"{kept,large,kept} >/dev/null
[ "$(requests faulty '^GET .* 403 ')" -eq 3 ] || fail 'not all requests are in the log'
[ "$(sed 's/.* //' "$work/log-faulty" | sort -u | wc -l)" -eq 1 ] || fail 'it was not kept'

# Answers of its own, with and without a body on the way; counts.
faults faulty "PUT /$bucket/ status 503 once"
s3 503 faulty PUT "/$bucket/a" --data-binary @"$work/large"
error_is SlowDown
head_has 'retry-after: 1'
last '503 0 0 status'
absent a
s3_put faulty a "$work/small"
faults faulty "PUT /$bucket/ status 503 SlowDown 7"
s3 503 faulty PUT "/$bucket/a" --data-binary @"$work/small" -H 'Expect:'
head_has 'retry-after: 7'
faults faulty "* /a$ status 500" "GET . status 403 InvalidAccessKeyId"
s3 500 faulty GET "/$bucket/a"
error_is InternalError
s3 500 faulty HEAD "/$bucket/a"
s3 403 faulty GET "/$bucket/kept"
error_is InvalidAccessKeyId
faults faulty "HEAD . status 500 after=2 every=2"
for code in 200 200 200 500 200 500; do s3 "$code" faulty HEAD "/$bucket/a"; done
faults faulty "HEAD . status 500 after=1 once"
for code in 200 500 200 200; do s3 "$code" faulty HEAD "/$bucket/a"; done
faults faulty "HEAD . explode"
s3 500 faulty GET "/$bucket/a"
error_is FaultProxyRules

# Broken on the way up.
faults faulty "PUT . reset-connect"
s3 0 faulty PUT "/$bucket/b" --data-binary @"$work/small"
curl_ended 52 55 56
absent b
faults faulty "PUT . reset-up 2000000"
s3 0 faulty PUT "/$bucket/b" --data-binary @"$work/large"
curl_ended 55 56
last '- 2000000 0 reset-up'
absent b
faults faulty "PUT . hang-up 2000000"
s3_limit=2
s3 0 faulty PUT "/$bucket/b" --data-binary @"$work/large"
curl_ended 28
s3_limit=60
absent b
faults faulty "PUT . corrupt-up 123456"
s3_hash=$(sha256sum "$work/large" | cut -d ' ' -f 1)
s3 400 faulty PUT "/$bucket/b" --data-binary @"$work/large"
error_is XAmzContentSHA256Mismatch
s3_hash=
absent b
s3_put faulty b "$work/large"
s3_get east b
[ "$(cmp -l "$work/large" "$work/body" | awk '{ print $1 }')" = 123457 ] ||
    fail 'not that one byte was stored wrong'

# Done, but the client does not learn it.
faults faulty "PUT . ack-lost"
s3 0 faulty PUT "/$bucket/c" --data-binary @"$work/large"
curl_ended 52 55 56
last '200 3000000 0 ack-lost'
s3_get east c
body_is "$work/large"
faults faulty "PUT . hang"
s3_limit=2
s3 0 faulty PUT "/$bucket/d" --data-binary @"$work/small"
curl_ended 28
s3_limit=60
s3_get east d
body_is "$work/small"
faults faulty "GET . drop-status"
s3 0 faulty GET "/$bucket/d"
curl_ended 1 8

# Broken on the way down.
faults faulty "GET . reset 1500000"
s3 0 faulty GET "/$bucket/kept"
curl_ended 56
faults faulty "GET . truncate 1500000"
s3 0 faulty GET "/$bucket/kept"
curl_ended 18
body_has_bytes 1500000
last '200 0 1500000 truncate'
faults faulty "GET . hang 1500000"
s3_limit=2
s3 0 faulty GET "/$bucket/kept"
curl_ended 28
body_has_bytes 1500000
s3_limit=60
faults faulty "GET . corrupt 2999999"
s3_get faulty kept
[ "$(cmp -l "$work/large" "$work/body" | awk '{ print $1 }')" = 3000000 ] ||
    fail 'not that one byte is wrong'

# Slow.
faults faulty "GET . delay 0.5"
took_ms 500 s3_get faulty d
faults faulty "* . rate 500000"
took_ms 500 s3_get faulty d
body_is "$work/small"
took_ms 500 s3_put faulty d "$work/small"

# A list that is behind: what it was when it was asked for without the fault.
faults faulty
before=$(s3_keys faulty)
s3_put faulty fresh "$work/small"
faults faulty "GET list-type=2 stale-list"
[ "$(s3_keys faulty)" = "$before" ] || fail 'the list is not stale'
faults faulty
s3_keys faulty | grep -qx fresh || fail 'the list stays stale'

# Locks that are confirmed and not set; the bucket could not have any.
until=$(date -u -d '+1 day' +%Y-%m-%dT%H:%M:%SZ)
lock=(-H "x-amz-object-lock-mode: COMPLIANCE" -H "x-amz-object-lock-retain-until-date: $until")
faults faulty "* . lie-lock"
s3_put faulty locked "$work/small" "${lock[@]}"
s3 200 faulty HEAD "/$bucket/locked"
head_has "x-amz-object-lock-mode: compliance"
head_has "x-amz-object-lock-retain-until-date: ${until,,}"
s3 200 faulty GET "/$bucket/locked?retention="
grep -qF "<RetainUntilDate>$until<" "$work/body" || fail 'the retention is not shown'
s3 200 east HEAD "/$bucket/locked"
if grep -qi object-lock "$work/head"; then fail 'it is locked'; fi
s3 204 faulty DELETE "/$bucket/locked"
absent locked

# Another clock: refused until the client goes by it.
faults faulty "* . skew 7200"
s3 403 faulty GET "/$bucket/d"
error_is RequestTimeTooSkewed
date=$(sed -n 's/^[Dd]ate: //p' "$work/head" | tr -d '\r')
ahead=$(($(date -d "$date" +%s) - $(date +%s)))
[ "$(((ahead - 7200) / 5))" -eq 0 ] || fail "the clock is ahead by $ahead s"
s3_curl=(env FAKETIME_DONT_FAKE_MONOTONIC=1 faketime -f +2h curl)
s3_get faulty d
body_is "$work/small"
s3 403 east GET "/$bucket/d"
s3_curl=(curl)

# A store that does not know a condition.
faults faulty
s3 412 faulty PUT "/$bucket/d" --data-binary @"$work/small" -H 'If-None-Match: *'
faults faulty "PUT . header If-None-Match"
s3 200 faulty PUT "/$bucket/d" --data-binary @"$work/small" -H 'If-None-Match: *'
last '200 300000 0 header'

# Many at once.
faults faulty
forget_requests faulty
urls=()
for i in $(seq 40); do urls+=("${endpoint[faulty]}/$bucket/nothing-$i"); done
curl -s --noproxy '*' -Z --parallel-max 20 "${urls[@]}" >/dev/null
[ "$(requests faulty ' 40[34] ')" -eq 40 ] || fail 'not every request is in the log'
[ ! -s "$work/proxy-faulty.err" ] || [ "$(grep -vc 'rules: line 1' "$work/proxy-faulty.err")" -eq 0 ] ||
    fail "the proxy says: $(cat "$work/proxy-faulty.err")"
