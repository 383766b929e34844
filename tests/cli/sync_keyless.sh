#!/bin/bash
# sync without a key: both ways at once, by names and hashes; nothing damaged spreads, no generation
# comes before its packs, and what a prune has condemned stays away as far as this machine knows.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"

# no_key, with_key: what the configuration says from now on.
no_key() { sed -i '/^key_file/d; /^passphrase/d' "$work/conf"; }
with_key() {
    no_key
    sed -i "s|^state = .*|&\nkey_file = $work/key|" "$work/conf"
}
# same_objects A B: the same names, the same bytes.
same_objects() {
    diff -r --exclude=tmp "$work/$1" "$work/$2" >"$work/stderr" || fail "$1 and $2 differ"
}
# out STORE COMMAND...: while that store is away.
out() {
    local store=$1
    shift
    mv "$work/$store" "$work/$store.away"
    "$@"
    mv "$work/$store.away" "$work/$store"
}
heads() { find "$work/$1/generations" -type f ! -name '*.seal' 2>/dev/null | wc -l; }

make_repository
back_up

# --- Each store lacks what the other has. ---
echo 'only in east' >"$work/src/east.txt"
head -c 3000000 /dev/urandom >"$work/src/east.bin"
out west tz 3 backup
echo 'only in west' >"$work/src/west.txt"
head -c 3000000 /dev/urandom >"$work/src/west.bin"
out east tz 3 backup
no_key
tz 0 sync --json
json '.objects > 6 and .bytes > 6000000 and .failed == 0 and .behind == 0 and .keyless and .level'
stderr_has 'going on without a key, by names and hashes alone: there is no passphrase and no key file'
[ "$(wc -l <"$work/stderr")" -le 2 ] || fail 'it says more than a line'
same_objects east west
[ "$(heads east)" -eq 3 ] || fail 'a generation is missing'
tz 0 sync
stdout_has '0 objects copied'

# What came so is whole, and those with a key know it.
with_key
tz 0 list --json
json '.sources[0].generations | length == 3 and all(.state == "complete")'
tz 0 verify --level content
tz 0 sync --json
json '. == {"objects": 0, "bytes": 0, "failed": 0, "behind": 0, "level": true}'

# --- Keys that do not open; nobody is asked for one. ---
echo more >"$work/src/more"
out west tz 3 backup
sed -i "s|^key_file = .*|key_file = $work/none|" "$work/conf"
tz 0 sync --from east --to west --json
json '.objects > 2 and .level'
stderr_has "open key file '$work/none'"
same_objects east west
with_key
echo more >>"$work/src/more"
out west tz 3 backup
no_key
TOZAI_PASSPHRASE=wrong tz 0 sync --json
json '.objects > 2 and .level'
stderr_has 'wrong passphrase'
same_objects east west

# --- A store that is away: the others are brought level, and that is not all. ---
cat >>"$work/conf" <<CONF
[store third]
url = file://$work/third
location = nagoya
CONF
mkdir "$work/third"
out west tz 3 sync
stderr_has "store 'west' cannot be used"
stdout_has 'not every store could be looked at'
same_objects east third
out west tz 1 sync --to west
stderr_has "store 'west'"
tz 0 sync
same_objects east west
tz 2 sync --from west --to west

# --- A state of its own that knows nothing. ---
rm -rf "$work/third" "$work/state.kept"
mkdir "$work/third"
mv "$work/state" "$work/state.kept"
tz 0 sync
same_objects east third
[ ! -e "$work/state/catalog.db" ] || fail 'a catalog was made without a key'
rm -rf "$work/state"
mv "$work/state.kept" "$work/state"

# --- Stopped at any moment: no generation is there without its packs, and the next run goes on. ---
for delay in 0.005 0.01 0.02 0.03 0.05; do
    rm -rf "$work/third"
    mkdir "$work/third"
    "$TOZAI" -c "$work/conf" sync >/dev/null 2>&1 &
    pid=$!
    sleep "$delay"
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    if [ -n "$(find "$work/third/generations" "$work/third/index" -type f 2>/dev/null)" ]; then
        diff -r "$work/west/packs" "$work/third/packs" >/dev/null || fail 'heads before packs'
    fi
    tz 0 sync
    same_objects west third
done

# --- Another repository, and one in two runs. ---
sed "s|/east|/other-east|; s|/west|/other-west|; s|/third|/other-third|; s|^state.*|state = $work/state2|; s|^state = .*|&\nkey_file = $work/key2|" \
    "$work/conf" >"$work/other.conf"
run 0 -c "$work/other.conf" init
mv "$work/third" "$work/third.kept"
cp -a "$work/other-third" "$work/third"
tz 2 sync
stderr_has 'another repository'
diff -r "$work/other-third" "$work/third" || fail 'another repository was written to'
rm -rf "$work/third"
mv "$work/third.kept" "$work/third"
exec 9>"$work/state/lock"
flock 9
tz 5 sync
exec 9>&-

# --- Nothing that is damaged is copied: packs, and seals, whose names do not hold their hash. ---
damage() {
    chmod u+w "$1"
    printf 'XX' | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
pack=$(cd "$work/east" && find packs -type f -printf '%s %p\n' | sort -n | tail -1 | cut -d' ' -f2)
seal=$(cd "$work/east" && find generations -name '*.seal' | sort | tail -1)
cp -a "$work/east" "$work/east.good"
rm "$work/west/$pack" "$work/west/$seal" "$work/third/$seal"
damage "$work/east/$pack" 5000
damage "$work/east/$seal" 70
tz 4 sync --json
json '.failed == 1 and .level == false'
stderr_has "'$seal' in store 'east' is damaged"
cmp -s "$work/west/$pack" "$work/third/$pack" || fail 'the good copy was not taken'
for store in west third; do
    [ ! -e "$work/$store/$seal" ] || fail 'a damaged seal was copied'
done

# One that cannot be had holds back the generations of the stores that lack it, and of no other.
cp -a --remove-destination "$work/east.good/$seal" "$work/east/$seal"
tz 0 sync
rm "$work/third/$pack"
with_key
echo again >>"$work/src/more"
out west out third tz 3 backup --json
no_key
before=$(heads third)
tz 4 sync --from east
stdout_has 'whole in no store'
stdout_has 'generations wait'
[ ! -e "$work/third/$pack" ] || fail 'a damaged pack was copied'
[ "$(heads third)" -eq "$before" ] || fail 'a generation came without a pack'
[ "$(heads west)" -eq "$(heads east)" ] || fail 'a store that lacks nothing was held back'
tz 0 sync
same_objects west third
cp -a --remove-destination "$work/east.good/$pack" "$work/east/$pack"
same_objects east west

# --- Condemned: a prune deletes, and the store that slept has it all. ---
with_key
tz 0 sync
sed -i '/^\[store third\]/,$d' "$work/conf"
tz 0 store remove third
tz 0 verify --level content
rm -rf "$work/slept"
cp -a "$work/west" "$work/slept"
printf '[retention]\nlast = 1\nminimum_generations = 1\n' >>"$work/conf"
head -c 2000000 /dev/urandom >"$work/src/east.bin"
back_up
tz 0 prune --grace 0 --json
json '.forgotten | length > 2'
tz 0 sync
kept=$(heads east)
packs=$(find "$work/east/packs" -type f | wc -l)
cp -a "$work/slept/generations" "$work/slept/packs" "$work/west/"
[ "$(heads west)" -gt "$kept" ] || fail 'nothing had been forgotten'
no_key
tz 0 sync --to east
[ "$(heads east)" -eq "$kept" ] || fail 'a forgotten generation came back'
[ "$(find "$work/east/packs" -type f | wc -l)" -eq "$packs" ] || fail 'a deleted pack came back'
with_key
tz 0 prune --grace 0
tz 0 sync
same_objects east west
tz 0 verify --level content
