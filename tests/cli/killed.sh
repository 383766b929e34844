#!/bin/bash
# Killed at any moment, backup, restore and init go on where they were: nothing that was said to be
# is lost, nothing half is taken for whole, and no rubbish gathers.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"

rounds=15
[ -z "${TOZAI_LONG:-}" ] || rounds=200
RANDOM=${TOZAI_SEED:-1}

# kill_after MILLISECONDS ARGUMENT...: run tozai and kill it after that time; it may have
# ended before.
kill_after() {
    local delay=$1 pid
    shift
    "$TOZAI" -c "$work/conf" "$@" >"$work/stdout" 2>"$work/stderr" </dev/null &
    pid=$!
    sleep "$((delay / 1000)).$(printf %03d $((delay % 1000)))"
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
}
# took ARGUMENT...: how many milliseconds that takes, in $milliseconds.
took() {
    local begin
    begin=$(date +%s%N)
    "$@"
    milliseconds=$((($(date +%s%N) - begin) / 1000000 + 1))
}
# A number below $1, of 15 bits and more.
below() {
    drawn=$(((RANDOM * 32768 + RANDOM) % $1))
}
files_of() {
    find "$@" -type f | wc -l
}
# Verify the stores: nothing is damaged, and what one of them lacks is a seal at most (both seals
# are put at the same time, and the kill may have come between).
only_seals_missing() {
    local code=0
    "$TOZAI" -c "$work/conf" verify --level ciphertext --json >"$work/stdout" \
        2>"$work/stderr" </dev/null || code=$?
    [ "$code" -eq 0 ] || [ "$code" -eq 4 ] || fail "verify ends with $code"
    jq -e '[.stores[] | .damaged + (.missing | map(select(endswith(".seal") | not)))] | add == []' \
        "$work/stdout" >/dev/null || fail "a kill did damage: $(cat "$work/stdout")"
}
# A tree that takes a moment.
grow_tree() {
    head -c 6000000 /dev/urandom >"$work/src/docs/large-$1"
    for i in $(seq 20); do echo "$1 $i" >"$work/src/docs/$1-$i"; done
}

make_tree
write_config
grow_tree first

# init: after a kill it works, at once or after another init.
took tz 0 init
longest=$milliseconds
for _ in $(seq "$rounds"); do
    rm -rf "$work/state" "$work/east" "$work/west" "$work/key"
    below $((longest * 12 / 10))
    kill_after "$drawn" init
    if ! "$TOZAI" -c "$work/conf" list >"$work/stdout" 2>"$work/stderr" </dev/null ||
        [ ! -f "$work/west/tozai" ] || [ ! -f "$work/east/tozai" ]; then
        # A store that has its descriptor alone is filled; else init begins anew.
        if [ -f "$work/east/tozai" ] || [ -f "$work/west/tozai" ]; then
            tz 0 sync
        else
            tz 0 init
        fi
    fi
    tz 0 backup
done

# Killed behind the key slots: what they belong to never was.
rm -rf "$work/state" "$work/east" "$work/west" "$work/key"
tz 0 init
rm "$work/east/tozai" "$work/west/tozai"
tz 0 init
tz 0 backup
tz 0 verify --level content
# A store that has more than that is somebody's.
rm "$work/east/tozai" "$work/west/tozai"
tz 1 init
stderr_has "is not empty"

# backup
rm -rf "$work/state" "$work/east" "$work/west" "$work/key"
tz 0 init
took tz 0 backup
longest=$milliseconds
for round in $(seq "$rounds"); do
    grow_tree "round-$round"
    below $((longest * 11 / 10))
    kill_after "$drawn" backup
    # What is complete is whole: the latest generation restores, if not to the tree of now.
    if [ $((round % 5)) -eq 0 ]; then
        rm -rf "$work/out"
        tz 0 restore wiki --target "$work/out" --verify
        only_seals_missing
    fi
    tz 0 backup
    rm -rf "$work/out"
    tz 0 restore wiki --target "$work/out" --verify
    same_tree "$work/src" "$work/out"
    rm -f "$work"/src/docs/large-round-*
done
tz 0 backup
tz 0 verify --level content
# One local manifest for each source, no scratch files; both stores hold the same.
[ "$(files_of "$work"/state/sources)" -le 6 ] || fail "old local manifests stay"
[ "$(files_of "$work"/state/scratch)" -eq 0 ] || fail "scratch files stay"
# Packs that no index tells of may lie in one store only: they wait for a prune.
"$TOZAI" -c "$work/conf" verify --level presence --json >"$work/stdout"
jq -r '.stores[].unknown[]' "$work/stdout" >"$work/unknown"
objects_of() {
    (cd "$1" && find packs index generations keys -type f | grep -vxF -f "$work/unknown" | sort)
}
diff <(objects_of "$work/east") <(objects_of "$work/west") || fail "stores differ"

# Any one store is enough, on a machine that knows nothing.
for store in east west; do
    rm -rf "$work/other-state" "$work/out"
    sed "s|^state = .*|state = $work/other-state|" "$work/conf" >"$work/conf-$store"
    mv "$work/$store" "$work/$store-away"
    run 0 -c "$work/conf-$store" restore wiki --target "$work/out" --verify
    same_tree "$work/src" "$work/out"
    mv "$work/$store-away" "$work/$store"
done

# restore: what was begun is finished by the next, to the same tree.
rm -rf "$work/out"
took tz 0 restore wiki --target "$work/out"
longest=$milliseconds
for overwrite in always changed; do
    rm -rf "$work/out"
    for _ in $(seq "$rounds"); do
        below $((longest * 11 / 10))
        kill_after "$drawn" restore wiki --target "$work/out" --overwrite "$overwrite"
        [ $((RANDOM % 3)) -ne 0 ] || rm -rf "$work/out"
    done
    tz 0 restore wiki --target "$work/out" --overwrite "$overwrite" --verify
    same_tree "$work/src" "$work/out"
done
