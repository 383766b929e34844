#!/bin/bash
# A store whose quota is reached: it is said, the other one carries on, and with more room both are
# alike.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

remove_server() {
    wait 2>/dev/null || true
    "$servers/rgw" down "$work/own"
}
at_end+=(remove_server)
"$servers/rgw" up own us-west-2 "$(free_ports 30)" "$work/own" --memory 1G 2>"$work/own.err" ||
    fail "rgw up: $(cat "$work/own.err")"
store west "$work/own"
"$servers/rgw" user "$work/own" small smallaccess smallsecret --quota 3000000
(umask 077 && sed -n '/^\[small\]/,$p' "$work/own/credentials" | sed 's/^\[small\]/[default]/' \
    >"$work/small")
printf 'machine 127.0.0.1 login smallaccess password smallsecret\n' >"$work/netrc-west"
credentials[west]=$work/small access_key[west]=smallaccess

s3_repository east west
tz 0 backup
head -c 30000000 /dev/urandom >"$work/src/large"
took_at_most 120 tz 3 backup --json
json '.generations[0].stores == {east: "present", west: "missing"}'
stderr_has "store 'west' "
stderr_has QuotaExceeded
stderr_has 'has reached its quota'
honest east west
rm -rf "$work/out"
tz 0 restore wiki --target "$work/out" --verify
same_tree "$work/src" "$work/out"

radosgw-admin -c "$work/own/ceph.conf" -n client.rgw.own quota set --quota-scope=user --uid=small \
    --max-size=1000000000 >"$work/quota" 2>&1 || fail "$(cat "$work/quota")"
# The gateway may remember the old one for a while.
for _ in $(seq 20); do
    "$TOZAI" -c "$work/conf" sync >"$work/stdout" 2>"$work/stderr" && break
    sleep 1
done
tz 0 sync --json
json '.behind == 0'
same_stores
honest east west
