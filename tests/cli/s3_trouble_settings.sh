#!/bin/bash
# What is set up wrongly: each is said so that a person knows which store, what, and what to do; the
# other store carries on.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

remove_servers() {
    [ -z "${starting:-}" ] || wait "$starting" 2>/dev/null || true
    "$servers/swift" down "$work/south"
}
at_end+=(remove_servers)
port=$(free_ports 10)
"$servers/swift" up south ap-northeast-2 "$port" "$work/south" >"$work/south.err" 2>&1 &
starting=$!

s3_repository east west
tz 0 backup
cp "$work/conf" "$work/conf-good"

# west_with SED_SCRIPT: the configuration, changed in the section of west.
west_with() {
    sed "/^\[store west\]/,\$ { $1 }" "$work/conf-good" >"$work/conf"
}
# degraded CODE TEXT...: a backup is, and that is said of west; a restore comes from east.
degraded() {
    local text
    date +%N >"$work/src/file"
    took_at_most 90 tz 3 backup --json
    json '.generations[0].stores == {east: "present", west: "missing"}'
    stderr_has "store 'west'"
    for text in "$@"; do stderr_has "$text"; done
    rm -rf "$work/out"
    took_at_most 90 tz 0 restore wiki --target "$work/out"
    same_tree "$work/src" "$work/out"
}

west_with 's|^endpoint = .*|endpoint = http://no-such-host.invalid|'
degraded 'no-such-host.invalid'
west_with 's|^endpoint = .*|endpoint = http://127.0.0.1:1|'
degraded 'Failed to connect'
west_with 's|^url = .*|url = s3://no-such-bucket-here/west|'
degraded NoSuchBucket 'make the bucket'
# Something that is no S3 server, and says so or nods.
mkdir "$work/www"
: >"$work/www.log"
/usr/bin/python3 -u -m http.server --bind 127.0.0.1 --directory "$work/www" 0 >"$work/www.log" 2>&1 &
proxies+=($!)
for _ in $(seq 100); do
    web=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' "$work/www.log")
    [ -z "$web" ] || break
    sleep 0.05
done
west_with "s|^endpoint = .*|endpoint = http://127.0.0.1:$web|"
degraded 'no S3 server'

# Certificates.
tls=$(sed -n 's/^S3_TLS_ENDPOINT=//p' "$S3_PAIR/west/env")
authority=$(sed -n 's/^S3_CA_FILE=//p' "$S3_PAIR/west/env")
stranger=$(sed -n 's/^S3_CA_FILE=//p' "$S3_PAIR/east/env")
west_with "s|^endpoint = .*|endpoint = $tls|"
degraded certificate ca_file
west_with "s|^endpoint = .*|endpoint = $tls\nca_file = $stranger|"
degraded certificate
west_with "s|^endpoint = .*|endpoint = $tls\nca_file = $work/none|"
degraded "$work/none"
west_with "s|^endpoint = .*|endpoint = $tls\nca_file = $authority|"
tz 0 backup
same_stores

# Another repository, an empty bucket.
sed "s|^state = .*|state = $work/state-other|; s|^key_file = .*|key_file = $work/key-other|;
    s|s3://$bucket/|s3://$bucket/other-|" "$work/conf-good" >"$work/conf"
tz 0 init
s3_keys west other-west/ >"$work/before"
west_with "s|^url = .*|url = s3://$bucket/other-west|"
for command in backup sync verify 'sync --to west' 'verify --heal'; do
    # shellcheck disable=SC2086  # words
    tz 2 $command
    stderr_has "store 'west' holds another repository"
    stderr_has '[store west]'
done
sed "/^\[store east\]/,/^\[store west\]/ s|^url = .*|url = s3://$bucket/other-east|" \
    "$work/conf-good" >"$work/conf"
tz 2 backup
stderr_has "store 'east' holds another repository"
s3_keys west other-west/ | diff "$work/before" - || fail 'the other repository was changed'
west_with "s|^url = .*|url = s3://$bucket/nothing|"
date +%N >"$work/src/file"
tz 3 backup
stderr_has 'holds no repository'
stderr_has 'tozai sync --to west'
tz 3 verify
[ -z "$(s3_keys west nothing)" ] || fail 'an empty bucket was filled unasked'

# The wrong region, where the server cares.
wait "$starting" || skip "no Swift: $(tail -n 1 "$work/south.err")"
store south "$work/south"
s3 200 south PUT "/$bucket"
west_with "s|^endpoint = .*|endpoint = ${endpoint[south]}|; s|^region = .*|region = eu-west-1|;
    s|^credentials_file = .*|credentials_file = ${credentials[south]}|"
degraded "set 'region = ap-northeast-2'"
west_with "s|^endpoint = .*|endpoint = ${endpoint[south]}|; s|^region = .*|region = ap-northeast-2|;
    s|^credentials_file = .*|credentials_file = ${credentials[south]}|"
tz 0 sync --to west
tz 0 backup --json
json '.generations[0].state == "complete"'
store west "$work/south"
same_stores
