#!/bin/bash
# backup: what it makes, what it tells, and how it ends.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"
make_repository

# A dry run stores nothing.
before=$(cd "$work/east" && find . -type f | sort)
tz 0 backup --dry-run
stdout_has "nothing was stored"
tz 0 backup --dry-run --json
json '.generations[0] | .id == "" and .state == "dry-run" and .entries > 5 and .new_bytes > 300000'
[ "$before" = "$(cd "$work/east" && find . -type f | sort)" ] || fail "a dry run stored something"
tz 0 list --json
json '.sources[0].generations == []'

# One line for each source.
tz 0 backup
stdout_has "wiki: "
stdout_has " entries, "
[ "$(wc -l <"$work/stdout")" -eq 1 ] || fail "more than one line"
stderr_is ""

# The document of the contract.
echo more >>"$work/src/index.txt"
tz 0 --json backup wiki --tag reason=test --tag by=hand
json '(.generations | length == 1) and (has("failed") | not)'
json '.generations[0] | .source == "wiki" and .state == "complete" and .warnings == []'
json '.generations[0] | (.id | test("^[0-9a-f]{64}$")) and (.time | test("Z$")) and .seconds >= 0'
json '.generations[0].stores == {"east": "present", "west": "present"}'
json '.generations[0] | .new_bytes < 100 and .bytes > 300000 and .stored_bytes > 0'
tz 0 list --json
json '.sources[0].generations[0].tags == {"reason": "test", "by": "hand"}'
tz 2 backup --tag nothing
stderr_has "is not KEY=VALUE"
tz 2 backup --tag =x
stderr_has "is not KEY=VALUE"
tz 2 backup --tag tozai:id=x
stderr_has "tozai's own"

# Unknown sources: nothing is done.
tz 2 backup wiki wikki
stderr_has "there is no source 'wikki'"
stderr_has "did you mean 'wiki'?"
stdout_is ""
# Named twice, made once.
tz 0 --json backup wiki wiki
json '.generations | length == 1'

# One source that fails does not stop the others.
cat >>"$work/conf" <<CONF
[source missing]
type = directory
path = $work/not-there
[source dump]
type = command
command = echo dumped; exit \${DUMP_EXIT}
[source db]
type = postgres
conninfo = host=/nowhere
slot = x
CONF
export DUMP_EXIT=0
tz 1 backup --json
json '.generations | map(.source) == ["wiki", "dump"]'
json '.failed | map(.source) == ["missing", "db"]'
json '.failed[1].error.code == "unsupported"'
stderr_has '"code":"not-found"'
tz 0 backup dump
DUMP_EXIT=3 tz 1 backup dump wiki
stdout_has "wiki: "
stderr_has "dump"

# Files that cannot be read are warnings; root reads all, so a file that vanishes does instead.
sed -i '/^\[source missing\]/,$d' "$work/conf"
if [ "$(id -u)" -ne 0 ]; then
    chmod 000 "$work/src/docs/deep/note.txt"
    tz 3 backup
    stderr_has "docs/deep/note.txt: "
    tz 3 backup -q
    stderr_is ""
    tz 3 backup --json
    json '.generations[0].warnings[0].path == "docs/deep/note.txt"'
    chmod 640 "$work/src/docs/deep/note.txt"
fi

# A store that is out: degraded; the next backup brings it level first.
mv "$work/west" "$work/west.away"
tz 3 backup
stdout_has "degraded: missing in west"
stderr_has "west"
tz 3 backup --json
json '.generations[0] | .state == "degraded" and .stores == {"east": "present", "west": "missing"}'
mv "$work/west.away" "$work/west"
tz 0 backup
tz 0 list --json
json '.sources[0].generations | all(.state == "complete")'

# min_copies is what done means.
printf '[policy]\nmin_copies = 1\n' >>"$work/conf"
mv "$work/west" "$work/west.away"
tz 0 backup --json
json '.generations[0] | .state == "complete" and .stores.west == "missing"'
mv "$work/east" "$work/east.away"
tz 1 backup
stderr_has "no store can be used"
mv "$work/east.away" "$work/east"
mv "$work/west.away" "$work/west"

# One run at a time.
exec 9>"$work/state/lock"
flock 9
tz 5 backup
stderr_has "another run"
tz 0 list
exec 9>&-
tz 0 backup

# A writer can back up.
tz 0 key add --role writer --out "$work/writer"
sed -i "s|^key_file = .*|key_file = $work/writer|" "$work/conf"
tz 0 backup

# Without a source there is nothing to do.
sed -i '/^\[source wiki\]/,/^path/d' "$work/conf"
tz 2 backup
stderr_has "names no source"
