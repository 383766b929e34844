#!/bin/bash
# find: which generations hold a file, and where it changed.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"
make_repository
back_up; first=$id
back_up; second=$id
echo "other words" >"$work/src/docs/deep/note.txt"
touch "$work/src/index.txt"
echo x >"$work/src/docs/fresh.txt"
back_up; third=$id
rm "$work/src/docs/deep/note.txt"
back_up; fourth=$id
echo "again" >"$work/src/docs/deep/note.txt"
back_up; fifth=$id

tz 0 find note.txt
stdout_has "wiki: docs/deep/note.txt"
stdout_has "${first:0:12}"
stdout_has "  gone"
stdout_has "changed: content, mtime"

tz 0 find note.txt --json
json '.matches | length == 1'
json '.matches[0] | .source == "wiki" and .path == "docs/deep/note.txt" and .gone == null'
json ".matches[0].generations | map(.id) == [\"$first\", \"$second\", \"$third\", \"$fifth\"]"
json '.matches[0].generations | map(.changed) == [["new"], [], ["content", "mtime"], ["new"]]'
json '.matches[0].generations[0] | .size == 10 and .mtime == "2020-02-29T12:34:56.789000000Z"'
# The same bytes with another time are no change of content.
tz 0 find index.txt wiki --json
json '.matches[0].generations | map(.changed) == [["new"], [], ["mtime"], [], []]'

# Another name of a file has its size.
tz 0 find name-two.txt wiki --json
json '.matches[0].generations | map(.size) | unique == [11]'

# Where it went.
rm "$work/src/docs/fresh.txt"
back_up
tz 0 find fresh.txt --json
json ".matches[0] | .gone == \"$id\" and (.generations | map(.id) == [\"$third\", \"$fourth\", \"$fifth\"])"

# Patterns: a name anywhere; with a slash the whole path, of which '*' does not cross one.
names() {
    tz 0 find "$@" --json
    value '.matches[].path' | tr '\n' ' '
}
[ "$(names '*.txt')" = "docs/deep/note.txt docs/fresh.txt index.txt name-two.txt 日本語.txt " ] || fail "*.txt"
[ "$(names 'docs/*.txt')" = "docs/fresh.txt " ] || fail "docs/*.txt"
[ "$(names 'docs/**/*.txt')" = "docs/deep/note.txt docs/fresh.txt " ] || fail "docs/**/*.txt"
[ "$(names '/*.txt')" = "index.txt name-two.txt 日本語.txt " ] || fail "/*.txt"
[ "$(names "$work/src/*.txt" wiki)" = "index.txt name-two.txt 日本語.txt " ] || fail "an absolute pattern"
[ "$(names 'dee[opq]')" = "docs/deep " ] || fail "dee[opq]"
[ "$(names 'nope*')" = "" ] || fail "nope*"

# Every source, or one.
cat >>"$work/conf" <<CONF
[source other]
type = directory
path = $work/src/docs
CONF
tz 0 backup other
tz 0 find note.txt --json
json '.matches | map(.source) == ["other", "wiki"]'
tz 0 find note.txt other --json
json '.matches | map(.path) == ["deep/note.txt"]'
tz 2 find note.txt othre
stderr_has "did you mean 'other'?"

# A generation whose manifest is damaged does not hide the others.
tz 0 find '*.txt' wiki --json
before=$(value '.matches | length')
(cd "$work/east/packs" && find . -type f | sort) >"$work/packs"
echo "only here" >"$work/src/last.txt"
back_up
for pack in $(cd "$work/east/packs" && find . -type f | sort | comm -13 "$work/packs" -); do
    for store in east west; do
        chmod u+w "$work/$store/packs/$pack"
        size=$(stat -c %s "$work/$store/packs/$pack")
        head -c "$size" /dev/zero >"$work/$store/packs/$pack"
    done
done
tz 3 find '*.txt' wiki --json
stderr_has "generation ${id:0:12} of 'wiki' cannot be searched"
json ".matches | length == $before"
