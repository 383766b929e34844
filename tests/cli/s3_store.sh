#!/bin/bash
# store add and remove between two gateways, through connections that break; reads leave a store
# that hangs.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"
make_bucket east
make_bucket west
make_tree
head -c 30000000 /dev/urandom >"$work/src/large"
proxy slow west
write_s3_config east slow
# Only one store at first.
printf '\n[policy]\nmin_copies = 1\n' >>"$work/conf"
cp "$work/conf" "$work/conf.two"
awk '/^\[/ { skip = ($0 == "[store west]") } !skip' "$work/conf.two" >"$work/conf"
tz 0 init
back_up

# A third of the uploads fails; no key is there.
cp "$work/conf.two" "$work/conf"
mv "$work/key" "$work/key.away"
faults slow 'PUT packs/ reset-up 100000 every=3'
tz 0 store add west --json
json '.store == "west" and .objects > 5 and .bytes > 30000000 and .level'
mv "$work/key.away" "$work/key"
s3_keys east east/ | sed 's/^east//' >"$work/in-east"
s3_keys west west/ | sed 's/^west//' >"$work/in-west"
diff "$work/in-east" "$work/in-west" >"$work/stderr" || fail "the stores are not level"
faults slow
tz 0 list --json
json '.sources[0].generations[0].stores == {"east": "present", "west": "present"}'
tz 0 store remove east --json
json '.copies == 1 and (.forgotten | not)'

# West hangs in mid body: every object comes from east within seconds.
faults slow 'GET packs/ hang 1000'
began=$(date +%s)
tz 0 restore wiki --target "$work/out"
[ $(($(date +%s) - began)) -lt 25 ] || fail "a store that hangs was waited for too long"
same_tree "$work/src" "$work/out"
rm -rf "$work/out"

# It is far slower: most comes from east.
faults slow '* .* rate 200000'
forget_requests slow
tz 0 restore wiki --target "$work/out"
same_tree "$work/src" "$work/out"
[ "$(requests slow 'GET .*packs/')" -le 4 ] || fail "the slow store was read from"
