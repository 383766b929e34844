#!/bin/bash
# prune: what goes and what stays, beside other commands and after kills, and what is left behind
# many days.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"

rounds=${ROUNDS:-20}
[ -z "${TOZAI_LONG:-}" ] || rounds=200
RANDOM=${TOZAI_SEED:-1}

# on DAY CODE ARGUMENT...: run at three o'clock of that day of 2025, counted from 1.
on() {
    local day=$1 code=$2 got=0
    shift 2
    faketime -f "@$(date -u -d "2025-01-01 +$((day - 1)) days 03:00" '+%F %T')" \
        "$TOZAI" -c "$work/conf" "$@" >"$work/stdout" 2>"$work/stderr" </dev/null || got=$?
    [ "$got" -eq "$code" ] || fail "day $day, tozai $*: exit code $got, not $code"
}
export TZ=UTC
bytes_of() {
    find "$1" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum + 0 }'
}
# restorable: every generation restores from either store alone, to what it was.
restorable() {
    local store id day
    for store in east west; do
        sed "/^\[store $store\]/,/^location/!{/^\[store/,/^location/d}" "$work/conf" >"$work/one"
        sed -i "s|^state = .*|state = $work/state-$store|" "$work/one"
        printf '\n[policy]\nmin_copies = 1\n' >>"$work/one"
        run 0 -c "$work/one" list --json
        jq -r '.sources[].generations[].id' "$work/stdout" >"$work/ids"
        while read -r id; do
            rm -rf "$work/out"
            run 0 -c "$work/one" restore "wiki@$id" --target "$work/out" --verify
            day=$(cat "$work/out/day")
            (cd "$work/out" && find . -type f -print0 | sort -z | xargs -0 sha256sum) |
                diff - "$work/sums-$day" || fail "day $day is not what it was in $store"
        done <"$work/ids"
    done
}

# --- Nothing to do, no right to do it, wrong usage ---
make_repository
back_up
tz 0 prune --json
json '.kept[0].id == "'"$id"'" and .forgotten == [] and .deleted_packs == 0 and .dry_run == false'
json '.kept[0].labels | index("daily")'
tz 2 prune nobody
tz 2 prune --grace never
tz 2 prune --live 101
mv "$work/west" "$work/away"
tz 1 prune
stderr_has "west"
stderr_has "--without west"
tz 0 prune --without west
mv "$work/away" "$work/west"

# --- 75 days: exactly the right generations, each restorable, and no more bytes than they need ---
rm -rf "$work/state" "$work/east" "$work/west" "$work/key" "$work/src"
mkdir -p "$work/src/small"
for i in $(seq 60); do head -c 30000 /dev/urandom >"$work/src/file-$i"; done
many_days() {
    local days=75 day left fresh
    on 1 0 init
    for day in $(seq "$days"); do
        echo "$day" >"$work/src/day"
        head -c 30000 /dev/urandom >"$work/src/file-$((day % 60 + 1))"
        head -c 2000 /dev/urandom >"$work/src/small/$((day % 10))"
        (cd "$work/src" && find . -type f -print0 | sort -z | xargs -0 sha256sum) >"$work/sums-$day"
        on "$day" 0 backup wiki
        [ $((day % 10)) -ne 0 ] || {
            on "$day" 0 prune --grace 12h --dry-run --json
            jq 'del(.dry_run)' "$work/stdout" >"$work/dry"
        }
        on "$day" 0 prune --grace 12h --json
        if [ $((day % 10)) -eq 0 ]; then
            jq 'del(.dry_run)' "$work/stdout" | diff "$work/dry" - ||
                fail "the dry run of day $day said something else"
        fi
    done
    on "$days" 0 prune --grace 0 --json
    on "$days" 0 list --json
    # 7 days (69 to 75 are 10 to 16 March) and the Sundays of 4 weeks, this one's newest being a day.
    jq -r '.sources[0].generations[].time[0:10]' "$work/stdout" >"$work/times"
    for day in 75 74 73 72 71 70 69 68 61 54; do
        date -u -d "2025-01-01 +$((day - 1)) days" +%F
    done | sort -ru >"$work/expected"
    diff "$work/expected" "$work/times" || fail "other generations are left"
    on "$days" 0 verify --level content
    diff <(cd "$work/east" && find . -type f | sort) <(cd "$work/west" && find . -type f | sort) ||
        fail "the stores are not equal"
    restorable
    # A fresh repository of just these generations, and of the same keys: other keys cut the content
    # elsewhere, which is a tenth more or less of so little.
    sed "s|^state = .*|state = $work/fresh-state|; s|/east\$|/fresh-east|; s|/west\$|/fresh-west|
        s|^path = .*|path = $work/again|" "$work/conf" >"$work/fresh"
    for store in east west; do
        (cd "$work/$store" && find . -maxdepth 1 -type f -print0 | xargs -0 -I{} \
            install -D {} "$work/fresh-$store/{}" && cp -r keys "$work/fresh-$store/")
    done
    tac "$work/times" | while read -r time; do
        rm -rf "$work/again"
        tz 0 restore "wiki@${time}T12:00:00Z" --target "$work/again"
        run 0 -c "$work/fresh" backup
    done
    left=$(bytes_of "$work/east") fresh=$(bytes_of "$work/fresh-east")
    echo "after $days days: $left bytes, fresh: $fresh"
    [ $((left * 10)) -le $((fresh * 11)) ] || fail "more than 10 % above a fresh repository"
}
# Under sanitizers a program may hang at its start when its clock is faked.
[ -n "${TOZAI_SANITIZE:-}" ] || many_days

# --- A clock that was ahead: what it condemned waits for a day, not for a year ---
clock_ahead() {
    rm -rf "$work/state" "$work/east" "$work/west" "$work/key"
    cp "$work/conf" "$work/plain"
    printf '[retention]\nlast = 1\nminimum_generations = 1\n' >>"$work/conf"
    on 1 0 init
    local day
    for day in 1 2; do
        head -c 100000 /dev/urandom >"$work/src/file-1"
        on "$day" 0 backup
    done
    on 400 0 prune --json
    json '.tombstoned_packs > 0 and .deleted_packs == 0'
    on 4 0 prune --json
    json '.waiting_packs > 0 and .deleted_packs == 0'
    on 6 0 prune --json
    json '.waiting_packs == 0 and .deleted_packs > 0'
    on 6 0 verify
    cp "$work/plain" "$work/conf"
    rm -rf "$work/state" "$work/east" "$work/west" "$work/key"
}
[ -n "${TOZAI_SANITIZE:-}" ] || clock_ahead

# --- What has lost something in every store goes in its time, and not before ---
damaged_everywhere() {
    rm -rf "$work/state" "$work/east" "$work/west" "$work/key"
    cp "$work/conf" "$work/plain"
    printf '[retention]\nlast = 2\ndaily = 0\nweekly = 0\nminimum_generations = 1\n' >>"$work/conf"
    tz 0 init
    head -c 1000000 /dev/urandom >"$work/src/file-1"
    back_up
    local first=$id pack store
    pack=$(cd "$work/east" && find packs -type f -size +900k | head -n 1)
    for store in east west; do
        chmod u+w "$work/$store/$pack"
        printf 'damage' | dd of="$work/$store/$pack" bs=1 seek=5000 conv=notrunc 2>/dev/null
    done
    tz 4 verify
    head -c 1000000 /dev/urandom >"$work/src/file-1"
    back_up
    tz 4 prune --grace 0 --json
    json '.forgotten == [] and (.broken | length) == 2'
    back_up
    tz 0 prune --grace 0 --json
    json ".forgotten == [\"$first\"]"
    tz 0 prune --grace 0
    tz 0 verify --level content
    for store in east west; do
        [ ! -e "$work/$store/$pack" ] || fail "the damaged pack is still in $store"
    done
    cp "$work/plain" "$work/conf"
    rm -rf "$work/state" "$work/east" "$work/west" "$work/key"
}
damaged_everywhere

# --- Killed at any moment ---
# kill_after MILLISECONDS ARGUMENT...: run tozai and kill it after that time.
kill_after() {
    local delay=$1 pid
    shift
    "$TOZAI" -c "$work/conf" "$@" >"$work/stdout" 2>"$work/stderr" </dev/null &
    pid=$!
    sleep "$((delay / 1000)).$(printf %03d $((delay % 1000)))"
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
}
rm -rf "$work"/state* "$work/east" "$work/west" "$work/key" "$work"/sums-*
printf '\n[retention]\nlast = 2\ndaily = 0\nweekly = 0\nminimum_generations = 1\n' >>"$work/conf"
tz 0 init
next=0
grow() {
    next=$((next + 1))
    echo "$next" >"$work/src/day"
    head -c 30000 /dev/urandom >"$work/src/file-$((next % 60 + 1))"
    (cd "$work/src" && find . -type f -print0 | sort -z | xargs -0 sha256sum) >"$work/sums-$next"
    tz 0 backup
}
for _ in 1 2 3 4; do grow; done
begin=$(date +%s%N)
tz 0 prune --grace 0
longest=$((($(date +%s%N) - begin) / 1000000 + 1))
for _ in $(seq "$rounds"); do
    grow
    kill_after $((RANDOM % (longest * 12 / 10))) prune --grace 0
    # Whatever still counts as complete is whole.
    "$TOZAI" -c "$work/conf" list --json >"$work/stdout"
    jq -e '.sources[0].generations | length >= 2' "$work/stdout" >"$work/stderr" ||
        fail "generations are missing"
    tz 0 restore wiki --target "$work/out" --overwrite always
done
tz 0 prune --grace 0 --json
# A head that a killed prune was about to seal is nobody's, and stays until it is surely so.
json '([.kept[] | select(.labels != ["unfinished"])] | length) == 2 and .broken == []'
tz 0 prune --grace 0 --json
json '.forgotten == [] and .tombstoned_packs == 0 and .deleted_packs == 0 and .waiting_packs == 0'
tz 0 verify --level content
diff <(cd "$work/east" && find packs generations index -type f | sort) \
    <(cd "$work/west" && find packs generations index -type f | sort) || fail "stores differ"
restorable

# --- Two machines at once: backup, prune, sync, restore and rebuild, each as often as it can ---
sed "s|^state = .*|state = $work/other|; s|^\[source wiki\]|[source notes]|" "$work/conf" \
    >"$work/conf2"
run 0 -c "$work/conf2" backup
seconds=8
[ -z "${TOZAI_LONG:-}" ] || seconds=120
# again CODES CONFIG ARGUMENT...: over and over until the time is up.
again() {
    local codes=$1 config=$2 code number=0 log
    shift 2
    log=$work/log-$1-$(basename "$config")
    while [ "$(date +%s)" -lt "$end" ]; do
        code=0
        "$TOZAI" -c "$config" "$@" >"$log" 2>&1 </dev/null || code=$?
        case " $codes 5 " in
        *" $code "*) ;;
        *) echo "tozai $* ends with $code" >>"$work/trouble" && cat "$log" >>"$work/trouble" ;;
        esac
        number=$((number + 1))
    done
}
end=$(($(date +%s) + seconds))
# A backup that finds its packs condemned says so with 1, and a restore that comes too late, too.
again "0 1" "$work/conf2" backup &
again "0 3" "$work/conf" sync &
again "0" "$work/conf" prune --grace 0 --json &
again "0" "$work/conf2" prune notes --grace 0 --json &
again "0 1" "$work/conf2" restore notes --target "$work/out2" --overwrite always &
again "0" "$work/conf" catalog rebuild &
wait
[ ! -s "$work/trouble" ] || { cat "$work/trouble" >&2 && fail "trouble"; }
run 0 -c "$work/conf2" backup
tz 0 sync
tz 0 prune --grace 0
tz 0 verify --level content
run 0 -c "$work/conf2" verify --level content
rm -rf "$work/out"
run 0 -c "$work/conf2" restore notes --target "$work/out" --verify
same_tree "$work/src" "$work/out"
