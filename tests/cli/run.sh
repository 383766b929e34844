#!/bin/bash
# run: what is due, hooks, limits, and that only one works at a time.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"
make_repository
cp "$work/conf" "$work/plain"

# configure LINE...: the plain configuration and these lines; those before the first section belong
# to the source wiki.
configure() {
    cp "$work/plain" "$work/conf"
    printf '%s\n' "$@" >>"$work/conf"
}

# Due at first, then not for a day.
tz 0 run
stdout_has "wiki: ok, "
stdout_has "sync: ok"
stdout_has "verify: ok"
stdout_has "run: ok"
tz 0 run
stdout_has "wiki: not due"
tz 0 run --json
json '.result == "ok" and .sources[0].result == "not due" and .sources[0].generation == null'
json '.sync.result == "ok" and .verify.result == "ok" and .verify.percent > 0 and .failed_hooks == []'
json '.prune == {"result": "ok", "message": null, "seconds": .prune.seconds, "forgotten": 0,
    "deleted_packs": 0, "freed_bytes": 0}'
tz 0 run --all --json
json '.sources[0] | .result == "ok" and .generation.state == "complete" and .name == "wiki"'
tz 0 list --json
json '.sources[0].generations | length == 2'

# Hooks are told what happened; those of the source stand around its backup.
# shellcheck disable=SC2016  # for the shell of the hook
say='echo "$TOZAI_HOOK:$TOZAI_SOURCE:$TOZAI_RESULT:$${#TOZAI_GENERATION}"'
say="$say >>$work/said"
configure "before = $say" "after = $say" "on_failure = $say" '[hooks]' "before = $say" \
    "after = $say" "on_failure = $say"
tz 0 run --all
diff - "$work/said" <<SAID || fail "the hooks"
before:::0
before:wiki::0
after:wiki:ok:64
after::ok:0
SAID

# A before hook that fails: no backup, and the others know.
rm "$work/said"
configure "before = echo not today; exit 3" "after = $say" "on_failure = $say" '[hooks]' \
    "on_failure = $say" "after = $say"
tz 1 run --all
stdout_has "wiki: failed"
stderr_has "not today"
stderr_has "exit status 3"
diff - "$work/said" <<SAID || fail "the hooks after a failure"
on_failure:wiki:failed:0
after:wiki:failed:0
on_failure::failed:0
after::failed:0
SAID
tz 1 run --all --json
json '.result == "failed" and (.failed_hooks | map([.name, .source]) == [["before", "wiki"]])'
json '.failed_hooks[0].output == "not today\n" and .sync.result == "ok"'
# One of the whole run: nothing is done.
rm "$work/said"
configure '[hooks]' 'before = false' "after = $say"
tz 1 run --all
[ "$(cat "$work/said")" = "after::failed:0" ] || fail "no hook after"
# An after hook that fails does not undo the backup, and is not passed over.
configure "after = false"
tz 3 run --all
stdout_has "wiki: ok"
stdout_has "run: degraded"
# Hooks that hang and print without end.
configure "before = yes" '[hooks]' 'timeout = 1s'
tz 1 run --all
stderr_has "took longer"

# A source that fails does not stop the others, and is due again.
configure '[source bad]' 'type = command' "command = test -e $work/good && echo x"
tz 1 run --json
json '(.sources | map({(.name): .result}) | add) == {"wiki": "not due", "bad": "failed"}'
json '.overdue == 1 and .sync.result == "ok"'
: >"$work/good"
tz 0 run --json
json '(.sources | map({(.name): .result}) | add) == {"wiki": "not due", "bad": "ok"}'

# A store that is away: done in the other.
mv "$work/west" "$work/away"
configure
tz 3 run --all
stdout_has "wiki: degraded"
mv "$work/away" "$work/west"
tz 0 run
stdout_has "wiki: not due"
mv "$work/west" "$work/away"
tz 3 run
stdout_has "not every store could be looked at"
mv "$work/away" "$work/west"
tz 0 run
tz 0 status

# Damage is found by the share that is verified, and healed.
find "$work/west/packs" -type f | while read -r pack; do
    chmod u+w "$pack"
    printf 'XXXXXXXX' | dd of="$pack" bs=1 seek=300 conv=notrunc status=none
done
configure '[run]' 'verify_within = 1s'
sleep 1
tz 0 run --json
json '.verify.percent == 100 and .verify.healed > 1 and .verify.damaged == 0'
stderr_has "were healed"
tz 0 verify
tz 0 status --json
json '.stores | map(.unverified_objects) == [0, 0]'
configure '[run]' 'verify_within = 0'
tz 0 run --json
json '.verify.result == "not due"'

# The files of the status; where they cannot be written the run has still been made.
configure '[run]' "html = $work/page.html" "prometheus = $work/metrics"
tz 0 run
[ -s "$work/page.html" ] || fail "no page"
[ -s "$work/metrics" ] || fail "no metrics"
# Without any store they say what the catalog remembers, and that all is not well.
mv "$work/east" "$work/away-east"
mv "$work/west" "$work/away-west"
tz 1 run
stdout_has "no store can be used"
mv "$work/away-east" "$work/east"
mv "$work/away-west" "$work/west"
grep -qx 'tozai_status_ok 0' "$work/metrics" || fail "the metrics say that all is well"
grep -q '^tozai_source_bytes{source="wiki"} [1-9]' "$work/metrics" || fail "no sizes"
grep -q 'No store could be asked' "$work/page.html" || fail "the page does not say why"
grep -q 'class="point' "$work/page.html" || fail "the page has no recovery points"

configure '[run]' "html = $work/no/page.html" "prometheus = $work/metrics"
tz 0 run
stderr_has "write the page"

# Only one at a time; the other one is told at once who works, and runs no hook.
rm -f "$work/said" "$work/go"
configure "before = $say; until test -e $work/go; do sleep 0.1; done" '[run]' 'nice = 7' \
    'ionice = idle'
"$TOZAI" -c "$work/conf" run --all >"$work/first" 2>&1 </dev/null &
first=$!
for _ in $(seq 200); do
    [ ! -e "$work/said" ] || break
    sleep 0.1
done
tz 5 run --all
stderr_has "another run (process $first)"
stderr_has "tozai run, since 20"
tz 5 backup
[ "$(wc -l <"$work/said")" -eq 1 ] || fail "the hook of the second run"
[ "$(ps -o ni= -p "$first" | tr -d ' ')" = 7 ] || fail "nice"
ionice -p "$first" | grep -q '^idle' || fail "ionice"
# A wish to stop: the hook ends, those that clear up come, and the exit code says it.
kill -TERM "$first"
code=0
wait "$first" || code=$?
[ "$code" -eq 130 ] || fail "interrupted: $code: $(cat "$work/first")"

# A time limit.
configure "after = $say" '[source slow]' 'type = command' 'command = sleep 60; echo x' '[run]' \
    'time_limit = 2s' '[hooks]' "after = $say"
rm -f "$work/said"
tz 1 run --all
stdout_has "the time limit of 2s is over"
grep -qx 'after::failed:0' "$work/said" || fail "no hook after the time limit"

# A catalog that is damaged where the opening does not look: what it is, and what helps.
damage_catalog
configure
tz 4 run --all
stdout_has "hint: run 'tozai catalog rebuild'"
tz 0 catalog rebuild
tz 0 run --all

# What a hook printed last is what tells.
configure "before = yes | head -c 100000; echo; echo THE REASON; exit 4"
tz 1 run --all
stderr_has "THE REASON"

# An error of the schedule names its line.
configure '[run]' 'every = 1d' 'cron = @daily'
tz 2 run
stderr_has "conf:$(grep -n '^cron' "$work/conf" | cut -d: -f1): [run] has both"

# Due again when the time has come, also long after it.
if [ -z "${TOZAI_SANITIZE:-}" ] && command -v faketime >/dev/null; then
    # at [CODE] TIME ARGUMENT...
    at() {
        local code=0
        [ "${#1}" -gt 1 ] || { code=$1 && shift; }
        printf '#!/bin/sh\nexec env FAKETIME_DONT_FAKE_MONOTONIC=1 faketime "%s" "%s" "$@"\n' \
            "$1" "$real" >"$work/later"
        chmod +x "$work/later"
        shift
        TOZAI=$work/later tz "$code" "$@"
    }
    real=$TOZAI
    configure 'cron = 30 3 * * *' '[retention]' 'timezone = Asia/Tokyo'
    rm -rf "$work/east" "$work/west" "$work/state"
    tz 0 init
    at '2026-11-20 12:00:00 UTC' run
    stdout_has "wiki: ok"
    at '2026-11-20 18:29:00 UTC' run
    stdout_has "wiki: not due"
    at '2026-11-20 18:30:30 UTC' run
    stdout_has "wiki: ok"
    at '2026-11-24 01:00:00 UTC' run
    stdout_has "wiki: ok"
    at '2026-11-24 02:00:00 UTC' run
    stdout_has "wiki: not due"
    # A daily one whose timer comes a little early is not passed over.
    configure 'every = 1d'
    at '2026-11-25 00:55:00 UTC' run
    stdout_has "wiki: ok"
    # The day on which the clocks go forward has 23 hours, and is a day.
    rm -rf "$work/east" "$work/west" "$work/state"
    configure '[retention]' 'timezone = Europe/Berlin'
    tz 0 init
    at '2027-03-27 02:00:00 UTC' run
    at '2027-03-28 01:00:00 UTC' run
    stdout_has "wiki: ok"
    at '2027-03-29 01:00:00 UTC' run
    stdout_has "wiki: ok"
    at '2027-03-29 01:30:00 UTC' status --json
    json '.sources[0].days | map(select(.missing)) == []'
    # The clock was a year ahead for one run: then it must be said once which of the two is right.
    at '2028-03-30 01:00:00 UTC' run
    at 1 '2027-03-30 01:00:00 UTC' run
    stdout_has "one of the two is wrong"
    at 2 '2027-03-30 02:00:00 UTC' prune
    stderr_has "tozai prune --force"
    at '2027-03-30 02:00:00 UTC' prune --force --dry-run
    at 2 '2027-03-30 02:00:00 UTC' prune
    at '2027-03-30 02:00:00 UTC' prune --force
    at '2027-03-31 01:00:00 UTC' run
    stdout_has "wiki: ok"
    stdout_has "prune: ok"
    rm -rf "$work/east" "$work/west" "$work/state"
    configure
    tz 0 init
    # What is verified in each run comes round in time.
    configure '[run]' 'verify_within = 6d'
    for day in 26 27 28 29 30; do
        head -c 100000 /dev/urandom >"$work/src/new-$day"
        at "2026-11-$day 02:00:00 UTC" run --all
        stdout_has "verify: ok"
    done
    for day in 01 02 03 04 05 06 07; do
        at "2026-12-$day 02:00:00 UTC" run --json
        json '.verify.percent > 17 and .verify.percent < 20'
    done
    at '2026-12-07 03:00:00 UTC' status --json
    json '.stores | all(.oldest_verified > "2026-11-30T03:00:00Z" and .unverified_objects < 10)'
fi
