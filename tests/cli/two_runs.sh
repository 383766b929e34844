#!/bin/bash
# Two runs at the same time: the second one says who works, and leaves it alone.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"

make_repository
cat >>"$work/conf" <<CONF

[source slow]
type = command
command = echo begun; while [ ! -e $work/go ]; do sleep 0.1; done; echo done
CONF

"$TOZAI" -c "$work/conf" backup slow >"$work/first" 2>&1 </dev/null &
first=$!
# It has the lock when its source has begun to write.
for _ in $(seq 100); do
    if pgrep -P "$first" >/dev/null; then break; fi
    sleep 0.1
done
tz 5 backup wiki
stdout_is ""
stderr_has "another run (process $first)"
stderr_has "hint:"
tz 5 --json backup wiki
grep -q '"code":"busy"' "$work/stderr" || fail "no busy as JSON"
# Looking is no run.
tz 0 list
: >"$work/go"
wait "$first" || fail "the first run failed: $(cat "$work/first")"
tz 0 backup wiki
tz 0 list --json
json '[.sources[].generations | length] == [1, 1]'
rm "$work/go"

# A lock goes with the process that had it.
"$TOZAI" -c "$work/conf" backup slow >/dev/null 2>&1 </dev/null &
first=$!
for _ in $(seq 100); do
    if pgrep -P "$first" >/dev/null; then break; fi
    sleep 0.1
done
kill -9 "$first"
wait "$first" 2>/dev/null || true
: >"$work/go"
tz 0 backup
