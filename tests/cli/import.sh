#!/bin/bash
# import: archives of other programs, with bad ones among them, become generations or do not.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"
make_repository
truncate -s 5M "$work/src/sparse"
echo end >>"$work/src/sparse"

# nothing_stays: the scratch directory is empty, whatever happened.
nothing_stays() {
    [ -z "$(ls -A "$work/state/scratch" 2>/dev/null)" ] || fail "the scratch directory is not empty"
}
# generations SOURCE: how many there are.
generations() {
    "$TOZAI" -c "$work/conf" list --json | jq "[.sources[] | select(.name == \"$1\") | .generations[]] | length"
}

# Archives of GNU tar, as they are, compressed, and through a pipe.
number=0
for options in "" -z -J "--format=gnu" "--format=posix" "--sparse --format=gnu" "--sparse --format=posix"; do
    # shellcheck disable=SC2086
    tar $options -cf "$work/gnu.tar" -C "$work/src" .
    number=$((number + 1))
    tz 0 import "gnu-$number" --input "$work/gnu.tar" --json
    json '.generations[0] | .type == "archive" and .state == "complete" and .warnings == []'
    tz 0 restore "gnu-$number" --target "$work/out-$number"
    case $options in
    *posix*) same_tree "$work/src" "$work/out-$number" ;;
    *) # without fractions of seconds
        diff -r --no-dereference "$work/src/docs" "$work/out-$number/docs"
        cmp "$work/src/sparse" "$work/out-$number/sparse"
        [ "$work/out-$number/index.txt" -ef "$work/out-$number/name-two.txt" ] || fail "the hard link"
        ;;
    esac
    rm -rf "$work/out-$number"
done
nothing_stays
tar -cz -C "$work/src" . | "$TOZAI" -c "$work/conf" import piped --input - >"$work/stdout" 2>"$work/stderr" ||
    fail "from a pipe"
tz 0 restore piped --target "$work/piped"
cmp "$work/src/docs/big.bin" "$work/piped/docs/big.bin"

# What is exported comes back the same.
back_up
for ending in tar tar.zst tar.gz tar.xz; do
    tz 0 export wiki --output "$work/own.$ending"
    tz 0 import own --input "$work/own.$ending"
    stdout_has "own: "
    tz 0 restore own --target "$work/own"
    same_tree "$work/src" "$work/own"
    rm -rf "$work/own"
done

# A configured source takes archives, too; a time of its own; nothing but words on a dry run.
tz 0 import wiki --input "$work/own.tar" --time 2001-02-03T04:05:06Z --json
json '.generations[0].time == "2001-02-03T04:05:06Z" and .generations[0].new_bytes == 0'
tz 0 restore wiki@2001-02-04 --target "$work/old"
same_tree "$work/src" "$work/old"
tz 0 ls wiki@latest index.txt
before=$(generations wiki)
tz 0 import wiki --input "$work/own.tar" --dry-run
stdout_has "nothing was stored"
[ "$(generations wiki)" -eq "$before" ] || fail "a dry run made a generation"
tz 0 backup
tz 0 restore wiki --target "$work/new"
same_tree "$work/src" "$work/new"

# Wrong use.
tz 2 import "no/name" --input "$work/own.tar"
tz 2 import -- "-x" --input "$work/own.tar"
tz 2 import x --input "$work/own.tar" --time tomorrow
tz 2 import x --input "$work/own.tar" --time 2200-01-01
stderr_has "in the future"
tz 2 import x --input "$work/own.tar" --max-size much
tz 2 import x --input "$work/own.tar" --charset KLINGON
stderr_has "no character set 'KLINGON'"
tz 1 import x --input "$work/nowhere.tar"
tz 2 import x --input "$work/conf"
stderr_has "no format that is known here"
: >"$work/nothing"
tz 2 import x --input "$work/nothing"
stderr_has "is empty"
[ "$(generations x)" -eq 0 ] || fail "a generation was made of nothing"

# Too much.
tz 1 import x --input "$work/own.tar.gz" --max-size 1M
stderr_has "larger than --max-size allows"
nothing_stays

# Cut and damaged: no generation.
size=$(stat -c %s "$work/own.tar.gz")
head -c $((size / 2)) "$work/own.tar.gz" >"$work/cut.tar.gz"
tz 1 import x --input "$work/cut.tar.gz"
stderr_has "archive '$work/cut.tar.gz': at byte "
head -c $((size - 4)) "$work/own.tar.gz" >"$work/cut.tar.gz"
tz 1 import x --input "$work/cut.tar.gz"
cp "$work/own.tar.xz" "$work/bad.tar.xz"
printf 'XXXX' | dd of="$work/bad.tar.xz" bs=1 seek=$((size / 3)) conv=notrunc status=none
tz 1 import x --input "$work/bad.tar.xz" --json
jq -e '.error.code == "failed"' "$work/stderr" >/dev/null || fail "the error as JSON"
[ "$(generations x)" -eq 0 ] || fail "a generation was made of damage"
nothing_stays

# Encrypted.
if command -v zip >/dev/null; then
    (cd "$work/src" && zip -q -P secret "$work/encrypted.zip" index.txt)
    tz 1 import x --input "$work/encrypted.zip"
    stderr_has "is encrypted"
    stderr_has "hint: unpack it"
    (cd "$work/src" && zip -qry "$work/plain.zip" docs index.txt link 日本語.txt)
    tz 0 import zipped --input "$work/plain.zip"
    tz 0 restore zipped --target "$work/zipped"
    diff -r --no-dereference "$work/src/docs" "$work/zipped/docs"
    { [ -L "$work/zipped/link" ] && [ -f "$work/zipped/日本語.txt" ]; } || fail "the zip"
fi

python=/usr/bin/python3
[ -x $python ] || exit 0

# Hostile ones.  Nothing of them leaves the target, now or later.
$python - "$work" <<'PYTHON'
import io, sys, tarfile, zipfile
work = sys.argv[1]
t = tarfile.open(work + '/hostile.tar', 'w')
def add(name, kind=tarfile.REGTYPE, link='', data=b'evil'):
    i = tarfile.TarInfo(name)
    i.type, i.linkname, i.mode = kind, link, 0o755
    i.size = len(data) if kind == tarfile.REGTYPE else 0
    t.addfile(i, io.BytesIO(data))
add('/absolute/file')
add('../outside')
add('dir/../../outside')
add('link', tarfile.SYMTYPE, work)
add('link/outside')
add('hard', tarfile.LNKTYPE, work + '/secret')
add('up', tarfile.LNKTYPE, '../secret')
add('dup', data=b'first')
add('dup', data=b'second')
add('good/file', data=b'good')
t.close()
z = zipfile.ZipFile(work + '/cp932.zip', 'w')
i = zipfile.ZipInfo('AAAAAA')
z.writestr(i, 'x')
z.close()
data = open(work + '/cp932.zip', 'rb').read()
open(work + '/cp932.zip', 'wb').write(data.replace(b'AAAAAA', '東京!!'.encode('cp932')))
z = zipfile.ZipFile(work + '/bomb.zip', 'w', zipfile.ZIP_DEFLATED)
z.writestr('zeros', bytes(200 << 20))
z.close()
PYTHON
echo mine >"$work/secret"
tz 3 import hostile --input "$work/hostile.tar"
stderr_has "../outside: it is left out: its path leads upward (..)"
stderr_has "absolute/file: its path was absolute"
stderr_has "link/outside: it is left out: what it is below of is not a directory"
stderr_has "hard: it is left out: a hard link to what is not in the archive"
stderr_has "dup: the archive has several entries of this name: the last one counts"
tz 0 restore hostile --target "$work/target/hostile"
[ "$(cd "$work/target" && find . | sort | tr '\n' ' ')" = \
    ". ./hostile ./hostile/absolute ./hostile/absolute/file ./hostile/dup ./hostile/good ./hostile/good/file ./hostile/link " ] ||
    fail "not those entries"
[ "$(cat "$work/target/hostile/dup")" = second ] || fail "the last one does not count"
{ [ ! -e "$work/outside" ] && [ ! -e "$work/target/outside" ]; } || fail "something got out"

# Names in an old character set.
tz 0 import kanji --input "$work/cp932.zip" --charset CP932
tz 0 ls kanji --recursive
stdout_has "東京!!"

# A bomb: 200 MiB in 200 KiB.
tz 1 import bomb --input "$work/bomb.zip" --max-size 100M
nothing_stays

# No room for the content: said as such, and the room comes back.
if unshare -m true 2>/dev/null; then
    mkdir "$work/small"
    head -c 60M /dev/zero >"$work/zeros"
    tar -czf "$work/zeros.tar.gz" -C "$work" zeros
    sed "s|^state = .*|state = $work/small/state|" "$work/conf" >"$work/small.conf"
    # shellcheck disable=SC2016
    unshare -m bash -c '
        mount -t tmpfs -o size=40m tozai-test "$1/small" 2>/dev/null || exit 0
        code=0
        "$TOZAI" -c "$1/small.conf" import x --input "$1/zeros.tar.gz" >"$1/stdout" 2>"$1/stderr" || code=$?
        [ $code -eq 1 ] && grep -q "no room is left" "$1/stderr" &&
            [ "$(df --output=avail "$1/small" | tail -1)" -gt 35000 ]
    ' bash "$work" || fail "a full disk"
fi
