#!/bin/bash
# diff: what differs between two generations.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"
make_repository
back_up; first=$id
tz 0 diff "wiki@$first" "wiki@$first"
stdout_is ""

touch -r "$work/src/docs" "$work/docs-time"
echo "other words" >"$work/src/docs/deep/note.txt"       # content, size and time
touch -d 2001-01-01 "$work/src/docs/big.bin"             # time alone
chmod 600 "$work/src/日本語.txt"                         # mode alone
rm "$work/src/nothing"
ln -sfn index.txt "$work/src/link"                       # another target
rm "$work/src/pipe"; echo file >"$work/src/pipe"         # another type
mkdir "$work/src/docs/new"; echo x >"$work/src/docs/new/x"
printf 'FIRST page\n' >"$work/bytes"
touch -r "$work/src/index.txt" "$work/bytes"
cat "$work/bytes" >"$work/src/index.txt"                 # content of the same size and time
touch -r "$work/bytes" "$work/src/index.txt"
touch -r "$work/docs-time" "$work/src/docs"
back_up

tz 0 diff "wiki@$first" wiki
grep -qxE 'M ct? +docs/deep/note.txt' "$work/stdout" || fail "note.txt"
grep -qxE 'M t +docs/big.bin' "$work/stdout" || fail "big.bin"
grep -qxE 'M m +日本語.txt' "$work/stdout" || fail "日本語.txt"
grep -qxE 'M c +index.txt' "$work/stdout" || fail "index.txt"
grep -qxE 'M T +pipe' "$work/stdout" || fail "pipe"
grep -qxE '\+ +docs/new/' "$work/stdout" || fail "docs/new"
grep -qxE '\+ +docs/new/x' "$work/stdout" || fail "docs/new/x"
grep -qxE -- '- +nothing' "$work/stdout" || fail "nothing"
if grep -qE ' docs/$' "$work/stdout"; then fail "docs did not change"; fi

tz 0 --json diff "wiki@$first" wiki@latest
json '.added == ["docs/new", "docs/new/x"] and .removed == ["nothing"]'
json '.changed | map(select(.path == "docs/big.bin"))[0].what == ["mtime"]'
json '.changed | map(select(.path == "index.txt"))[0].what == ["content"]'
json '.changed | map(select(.path == "pipe"))[0].what == ["type"]'
json '.changed | map(select(.path == "link"))[0].what | index("content") != null'
json '(has("added_bytes") or has("removed_bytes")) | not'

# The other way round.
tz 0 diff wiki "wiki@$first" --json
json '.removed == ["docs/new", "docs/new/x"] and .added == ["nothing"]'

# The same bytes in other chunks are no change: a neighbour moved everything.
tz 0 list --json
second=$(value '.sources[0].generations[0].id')
touch "$work/src/index.txt" "$work/src/docs/deep/note.txt"
echo "in front" >"$work/src/aaa"
back_up
tz 0 diff "wiki@$second" wiki --json
json '.added == ["aaa"]'
json '.changed | map(select(.path == "index.txt" or .path == "docs/deep/note.txt")) | all(.what == ["mtime"])'

# Exact bytes of names that are no UTF-8.
touch "$work/src/empty/"$'\xff'
back_up
tz 0 diff "wiki@$second" wiki --json
json '.added_bytes == [{"path": "empty/�", "path_base64": "'"$(printf 'empty/\xff' | base64)"'"}]'

# Two sources may be compared, too.
printf '[source other]\ntype = directory\npath = %s\n' "$work/src" >>"$work/conf"
tz 0 backup other
tz 0 diff wiki other
stdout_is ""
tz 2 diff wiki othre
tz 1 diff wiki@-5d wiki
