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
json '.sources[0].generations[0] | .locked_until == null and .verified == null and .drilled == null'
json '.sources[0].generations[0] | .state == "complete" and .stores == {"east": "present", "west": "present"}'
json '.sources[0].generations[0] | .bytes > 300000 and (.time | test("^20.*Z$")) and .tags == {}'

# Retention says how many labels there are.
printf '[retention]\ndaily = 0\n[retention wiki]\nweekly = 1\ntimezone = Asia/Tokyo\n' >>"$work/conf"
tz 0 list --json
json '.sources[0].generations | map(.labels) == [["weekly"], []]'

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

# Sources that are only in the stores are listed too; unknown ones are not.
sed -i "s/^\[source wiki\]/[source other]/; s/^\[retention wiki\]/[retention other]/" "$work/conf"
tz 0 list --json
json '.sources | map(.name) == ["other", "wiki"]'
tz 0 list wiki
tz 2 list wikki
stderr_has "did you mean 'wiki'?"

# A writer may list.
tz 0 key add --role writer --out "$work/writer"
sed -i "s|^key_file = .*|key_file = $work/writer|" "$work/conf"
tz 0 list
stdout_has "wiki (directory)"
