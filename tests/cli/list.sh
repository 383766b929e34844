#!/bin/bash
# list: generations, labels, states and stores.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"
make_repository

tz 0 list
stdout_is "wiki (directory): no generation yet"
tz 0 list --json
json '. == {"sources": [{"name": "wiki", "type": "directory", "generations": [], "windows": [], "gaps": []}]}'

back_up
first=$id
back_up
tz 0 list
stdout_has "${id:0:12}  "
stdout_has "daily, weekly"
stdout_has "complete"
stdout_has "east, west"
# The newest one first; only it is the day's and the week's.
[ "$(sed -n 3p "$work/stdout" | cut -c1-12)" = "${id:0:12}" ] || fail "the order"
tz 0 list wiki --json
json '.sources | length == 1'
json ".sources[0].generations | map(.id) == [\"$id\", \"$first\"]"
json '.sources[0].generations | map(.labels) == [["daily", "weekly"], []]'
json '.sources[0].generations | map(.keep) == [["daily", "weekly"], ["minimum"]]'
json '.sources[0].generations[0] | .locked_until == null and .verified == null and .drilled == null'
json '.sources[0].generations[0] | .state == "complete" and .stores == {"east": "present", "west": "present"}'
json '.sources[0].generations[0] | .bytes > 300000 and (.time | test("^20.*Z$")) and .tags == {}'

# Retention says how many labels there are.
printf '[retention]\ndaily = 0\n[retention wiki]\nweekly = 1\ntimezone = Asia/Tokyo\n' >>"$work/conf"
tz 0 list --json
json '.sources[0].generations | map(.labels) == [["weekly"], []]'
json '.sources[0].generations | map(.keep) == [["weekly"], ["minimum"]]'
sed -i 's/^weekly = 1$/weekly = 1\nlast = 1\nhourly = 1\nmonthly = 2\nyearly = 1\nwithin = 2d\nwindow = 7d/' "$work/conf"
tz 0 list --json
json '.sources[0].generations[0].labels == ["hourly", "weekly", "monthly", "yearly"]'
json '.sources[0].generations | map(.keep) == [["last", "hourly", "weekly", "monthly", "yearly", "within", "window"], ["within", "window"]]'
tz 0 list
stdout_has "  last, hourly, weekly, monthly, yearly, within, window  "
stdout_has "  within, window  "
sed -i '/^\(last\|hourly\|monthly\|yearly\|within\|window\) = /d' "$work/conf"

# Policies that cannot be meant are found by every command.
cp "$work/conf" "$work/good"
sed -i 's/^weekly = 1$/weekly = 0/' "$work/conf"
tz 2 list
stderr_has "conf:$(grep -n '^weekly = 0' "$work/conf" | cut -d: -f1): [retention wiki] keeps no generation at all"
stderr_has "  hint: say how many"
tz 1 doctor
stdout_has "keeps no generation at all"
sed 's/^weekly = 1$/&\nminimum_generations = 2/' "$work/good" >"$work/conf"
tz 2 list
stderr_has "minimum_generations = 2 is more than the 1 that the policy keeps at most"
sed 's|Asia/Tokyo|Asia/Tokio|' "$work/good" >"$work/conf"
tz 2 list
stderr_has ": timezone: there is no time zone 'Asia/Tokio'"
[ ! -e /usr/share/zoneinfo/zone.tab ] || stderr_has "  hint: did you mean 'Asia/Tokyo'?"
sed 's|Asia/Tokyo|JST|' "$work/good" >"$work/conf"
tz 2 list
stderr_has "  hint: zones are the files below /usr/share/zoneinfo"
mv "$work/good" "$work/conf"

# A generation that one store lacks.
seal=$(find "$work/west/generations" -name "*-$id.seal")
mv "$seal" "$work/seal"
tz 0 list --json
json '.sources[0].generations[0] | .state == "degraded" and .stores.west == "missing"'
mv "$work/seal" "$seal"

# A head without a seal anywhere is unfinished, and no point to restore.
mkdir "$work/kept"
for store in east west; do
    mv "$work/$store"/generations/*/*"-$id.seal" "$work/kept/$store"
done
rm -rf "$work/state"
tz 0 list
stdout_has "unfinished"
tz 0 list --json
json '.sources[0].generations | map(.labels) == [[], ["weekly"]]'
json '.sources[0].generations | map(.keep) == [["unknown"], ["weekly"]]'

# Sources that are only in the stores are listed too; unknown ones are not.
sed -i "s/^\[source wiki\]/[source other]/; s/^\[retention wiki\]/[retention other]/" "$work/conf"
tz 0 list --json
json '.sources | map(.name) == ["other", "wiki"]'
# No policy is asked for what is not configured.
json '.sources[1].generations | map(.labels == [] and .keep == ["unconfigured"]) | all'
tz 0 list wiki
tz 2 list wikki
stderr_has "did you mean 'wiki'?"

# A writer may list.
tz 0 key add --role writer --out "$work/writer"
sed -i "s|^key_file = .*|key_file = $work/writer|" "$work/conf"
tz 0 list
stdout_has "wiki (directory)"
