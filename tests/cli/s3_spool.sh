#!/bin/bash
# A run over a slow store: what it has not taken yet waits in files, and the run goes on.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"
make_bucket east
make_bucket west
make_tree
proxy slow west
write_s3_config east slow
sed -i "s|^state = .*|&\npack_size = 1M|" "$work/conf"
tz 0 init
head -c 40000000 /dev/urandom >"$work/src/large"
# The upload of 40 MB, about eleven packs, takes minutes; 6 MiB fit into memory.
faults slow 'PUT packs/ rate 50000'

east_packs() {
    s3_keys east east/packs/ | wc -l
}
slow_run() {
    "$TOZAI" -c "$work/conf" backup >"$work/stdout" 2>"$work/stderr" &
    pid=$!
}
# Everything is in east while west still waits for most of it.
await_east() {
    local i
    for ((i = 0; i < 600; i++)); do
        if [ "$(east_packs)" -ge 10 ]; then return; fi
        kill -0 "$pid" 2>/dev/null || fail "the run has ended"
        sleep 0.1
    done
    fail "east waits for west"
}
slow_run
await_east
waiting=$(find "$work/state/spool/west" -type f | wc -l)
[ "$waiting" -ge 4 ] || fail "only $waiting files wait"
find "$work/state/spool" -perm /077 | grep . >"$work/stdout" && fail "others may read the spool"
! grep -qr "first page" "$work/state/spool" || fail "plain text"

# Killed: the next run removes what was left, and both stores have everything in the end.
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
[ -n "$(find "$work/state/spool" -type f)" ] || fail "nothing was left"
faults slow
tz 0 backup --json
json '.generations[0].stores == {"east": "present", "west": "present"}'
[ -z "$(find "$work/state/spool" -type f)" ] || fail "files stay in the spool"

# Without a spool the fast store waits, too.
sed -i '/^\[store west\]/a spool = 0' "$work/conf"
faults slow 'PUT packs/ rate 500000'
head -c 40000000 /dev/urandom >"$work/src/large"
before=$(east_packs)
slow_run
sleep 5
[ $(($(east_packs) - before)) -lt 8 ] || fail "east did not wait"
[ -z "$(find "$work/state/spool" -type f 2>/dev/null)" ] || fail "files in a spool that is none"
faults slow
code=0
wait "$pid" || code=$?
[ "$code" -eq 0 ] || fail "exit code $code"
tz 0 verify
