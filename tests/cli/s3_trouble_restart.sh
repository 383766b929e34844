#!/bin/bash
# A store whose server ends in mid-run, and comes back soon, or late.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

remove_server() {
    wait 2>/dev/null || true
    "$servers/rgw" down "$work/own"
}
at_end+=(remove_server)
"$servers/rgw" up own us-west-2 "$(free_ports 30)" "$work/own" --disk 4G 2>"$work/own.err" ||
    fail "rgw up: $(cat "$work/own.err")"
store west "$work/own"
s3_repository east west
sed -i '/^endpoint = .*'"${endpoint[west]##*:}"'/a upload_limit = 10M' "$work/conf"
tz 0 backup

# Only its gateway restarts, while 40 MB are on their way: nobody notices.
head -c 40000000 /dev/urandom >"$work/src/large"
(
    sleep 1.5
    "$servers/rgw" gateway-kill "$work/own"
    "$servers/rgw" gateway-start "$work/own"
) >"$work/restart" 2>&1 &
restart=$!
tz 0 backup --json
json '.generations[0].state == "complete"'
wait $restart || fail "$(cat "$work/restart")"
same_stores

# It dies and stays away: degraded.  It comes back with all that it has confirmed.
head -c 30000000 /dev/urandom >"$work/src/large2"
(sleep 1.5 && "$servers/rgw" kill "$work/own") >"$work/restart" 2>&1 &
restart=$!
took_at_most 120 tz 3 backup --json
json '.generations[0].stores == {east: "present", west: "missing"}'
stderr_has "store 'west' "
wait $restart || fail "$(cat "$work/restart")"
honest east
rm -rf "$work/out"
took_at_most 60 tz 0 restore wiki --target "$work/out" --verify
same_tree "$work/src" "$work/out"
"$servers/rgw" start "$work/own"
honest west
tz 0 sync --json
json '.behind == 0'
same_stores
honest east west
