#!/bin/bash
# ls: entries of a generation, for people and for programs.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"
make_repository
setfattr -n user.comment -v "a note" "$work/src/nothing" 2>/dev/null || true
back_up

# Without a path: what is in the top directory.
tz 0 ls wiki
grep -qE "^drwxr-xr-x +[^ ]+ +[^ ]+ +[0-9]+ [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8} docs$" "$work/stdout" ||
    fail "the line of a directory"
grep -qE "^-rw-r--r-- .* 11 .* index.txt$" "$work/stdout" || fail "the line of a file"
grep -qE "^lrwxrwxrwx .* link -> docs/big.bin$" "$work/stdout" || fail "the line of a link"
grep -qE "^prw" "$work/stdout" || fail "the line of a pipe"
grep -qE "^hrw-r--r-- .* 11 .* name-two.txt link to index.txt$" "$work/stdout" || fail "the line of a hard link"
stdout_has "日本語.txt"
if grep -q "docs/" <(grep -v -- '->' "$work/stdout"); then fail "something below is listed"; fi
[ "$(wc -l <"$work/stdout")" -eq 8 ] || fail "not eight entries"

# A directory, with and without slashes; the absolute path of a file; a single file.
for path in docs /docs docs/ ./docs// "$work/src/docs"; do
    tz 0 ls wiki "$path"
    [ "$(wc -l <"$work/stdout")" -eq 2 ] || fail "not the two entries of $path"
    stdout_has "docs/big.bin"
    stdout_has "docs/deep"
done
tz 0 ls wiki docs/deep/note.txt
[ "$(wc -l <"$work/stdout")" -eq 1 ] || fail "not one entry"
stdout_has "-rw-r-----"
tz 0 ls wiki empty
stdout_is ""
for path in / . ""; do
    tz 0 ls wiki "$path"
    stdout_has "index.txt"
done

# Everything below.
tz 0 ls wiki --recursive
[ "$(wc -l <"$work/stdout")" -eq "$(find "$work/src" -mindepth 1 | wc -l)" ] || fail "not all entries"
tz 0 ls -R wiki docs
[ "$(wc -l <"$work/stdout")" -eq 3 ] || fail "not all of docs"

# As JSON.
tz 0 ls "wiki@${id:0:12}" docs/deep --json
json '.entries | length == 1'
json '.entries[0] | .path == "docs/deep/note.txt" and .type == "file" and .size == 10'
json '.entries[0] | .mode == "0640" and .mtime == "2020-02-29T12:34:56.789000000Z"'
json ".entries[0] | .uid == $(id -u) and .gid == $(id -g) and .user == \"$(id -un)\" and .link == null"
tz 0 ls wiki --json
json '.entries | map(select(.path == "link"))[0] | .type == "symlink" and .link == "docs/big.bin"'
json '.entries | map(select(.path == "name-two.txt"))[0] | .type == "hardlink" and .link == "index.txt" and .size == 11'
json '.entries | map(.type) | sort | unique == ["directory", "fifo", "file", "hardlink", "symlink"]'
if getfattr -n user.comment "$work/src/nothing" >/dev/null 2>&1; then
    json '.entries | map(select(.path == "nothing"))[0].xattrs == {"user.comment": "a note"}'
fi
tz 0 ls wiki empty --json
json '.entries == []'

# Special bits, as ls shows them.
chmod 1770 "$work/src/empty"
chmod 6755 "$work/src/nothing"
chmod 4600 "$work/src/docs/big.bin"
back_up
tz 0 ls wiki -R
grep -qE '^drwxrwx--T .* empty$' "$work/stdout" || fail "sticky"
grep -qE '^-rwsr-sr-x .* nothing$' "$work/stdout" || fail "setuid and setgid"
grep -qE '^-rwS------ .* docs/big.bin$' "$work/stdout" || fail "setuid without x"
tz 0 ls wiki nothing --json
json '.entries[0].mode == "6755"'

# Names that are no UTF-8, and that could play tricks, survive.
touch "$work/src/empty/"$'wrong\xff' "$work/src/empty/"$'new\nline'
back_up
tz 0 ls wiki empty
grep -qaF $'wrong\xff' "$work/stdout" || fail "the bytes of a name"
tz 0 ls wiki empty --json
json '.entries | map(.path_base64) | index("'"$(printf 'empty/wrong\xff' | base64)"'") != null'
json '.entries | map(.path) | index("empty/new\nline") != null'

# What is not there.
tz 1 ls wiki nowhere
stderr_has "'nowhere' is not in this generation"
tz 2 ls wiki ../etc
tz 2 ls wikki
tz 1 ls wiki@ffffffff
stderr_has "has no generation 'ffffffff'"
tz 2 ls wiki@

# A writer cannot.
tz 0 key add --role writer --out "$work/writer"
sed -i "s|^key_file = .*|key_file = $work/writer|" "$work/conf"
for command in "ls wiki" "cat wiki index.txt" "find x" "diff wiki wiki"; do
    # shellcheck disable=SC2086
    tz 1 $command
    stderr_has "operator"
    stdout_is ""
done
