#!/bin/bash
# export: other programs read what it writes, nothing half-written is left, and what it says.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"
make_repository
setfattr -n user.colour -v blue "$work/src/index.txt" 2>/dev/null || true
setfacl -m u:1234:rw "$work/src/docs/deep/note.txt" 2>/dev/null || true
truncate -s 5M "$work/src/sparse"
echo end >>"$work/src/sparse"
back_up

# leftovers: is there a temporary file?
leftovers() {
    [ -z "$(find "$work" -maxdepth 1 -name '.tozai-*')" ] || fail "a temporary file is left"
}

# GNU tar, with all that it can restore.  Only its own compression programs may be missing.
for ending in tar tar.gz tar.xz tar.bz2 tar.zst; do
    case $ending in
    tar.zst) command -v zstd >/dev/null || continue ;;
    tar.bz2) command -v bzip2 >/dev/null || continue ;;
    esac
    tz 0 export wiki --output "$work/x.$ending"
    stdout_has "wiki ${id:0:12} of "
    stderr_is ""
    mkdir "$work/gnu.$ending"
    tar --acls --xattrs --xattrs-include='*' -xpf "$work/x.$ending" -C "$work/gnu.$ending"
    same_tree "$work/src" "$work/gnu.$ending"
    if command -v rsync >/dev/null && [ "$(id -u)" -eq 0 ]; then
        rsync -aHAXnci --delete "$work/src/" "$work/gnu.$ending/" >"$work/stdout"
        stdout_is ""
    fi
    # (With an ACL the mode says what the owning group may, where a stat says what the mask allows.)
    tar --compare -f "$work/x.$ending" -C "$work/src" --exclude=note.txt || fail "tar sees a difference"
    [ "$(stat -c %b "$work/gnu.$ending/sparse")" -lt 1000 ] || fail "a hole became zeros"
done
[ "$(stat -c %s "$work/x.tar")" -lt 1000000 ] || fail "holes are written out"
[ "$(stat -c %a "$work/x.tar")" = 600 ] || fail "others can read the archive"
leftovers

# bsdtar where it is installed, and Python.
if command -v bsdtar >/dev/null; then
    mkdir "$work/bsd"
    bsdtar -xpf "$work/x.tar.gz" -C "$work/bsd"
    same_tree "$work/src" "$work/bsd"
fi
python=/usr/bin/python3
if [ -x $python ]; then
    $python - "$work" <<'PYTHON' || fail "Python reads other things"
import hashlib, os, sys, tarfile, zipfile
work = sys.argv[1]
tar = tarfile.open(work + '/x.tar')
names = tar.getnames()
assert '日本語.txt' in names and 'docs/deep/note.txt' in names and len(names) == len(set(names))
note = tar.getmember('docs/deep/note.txt')
st = os.stat(work + '/src/docs/deep/note.txt')
assert abs(note.mtime - 1582979696.789) < 1e-3 and note.uid == st.st_uid
assert tar.extractfile('sparse').read() == open(work + '/src/sparse', 'rb').read()
assert tar.getmember('name-two.txt').islnk() and tar.getmember('pipe').isfifo()
PYTHON
fi

# What a zip cannot hold is told once for each kind, and what is not in it by name.
rm -f "$work/src/pipe"
python_zip() {
    [ ! -x $python ] || $python - "$work" <<'PYTHON' || fail "Python reads another zip"
import sys, zipfile
work = sys.argv[1]
z = zipfile.ZipFile(work + '/x.zip')
assert z.testzip() is None
assert z.read('docs/big.bin') == open(work + '/src/docs/big.bin', 'rb').read()
assert z.read('name-two.txt') == z.read('index.txt')
assert '日本語.txt' in z.namelist() and '/' not in z.namelist() and './' not in z.namelist()
PYTHON
}
tz 3 export wiki --output "$work/x.zip"
stderr_has "warning: pipe: zip cannot hold named pipes"
stderr_has "warning: zip holds no fractions of seconds: "
[ "$(grep -c fractions "$work/stderr")" -eq 1 ] || fail "told more than once"
python_zip
! command -v unzip >/dev/null || unzip -tq "$work/x.zip" >/dev/null || fail "unzip -t"
back_up
tz 0 export wiki --output "$work/y.7z"
stderr_has "7zip holds no owners"
tz 0 export wiki --output "$work/y.cpio.gz"
if command -v cpio >/dev/null; then
    mkdir "$work/cpio"
    (cd "$work/cpio" && gzip -dc ../y.cpio.gz | cpio -idm --quiet)
    cmp "$work/cpio/docs/big.bin" "$work/src/docs/big.bin"
    [ "$work/cpio/index.txt" -ef "$work/cpio/name-two.txt" ] || fail "the hard link in the cpio"
fi

# An earlier point, as JSON.
echo changed >"$work/src/index.txt"
first=$id
back_up
tz 0 export "wiki@$first" --output "$work/first.tar" --json
json ".source == \"wiki\" and .id == \"$first\" and .format == \"pax\" and .filter == null"
json ".output == \"$work/first.tar\" and .left_out == 0 and .warnings == [] and .lost == []"
json ".archive_bytes == $(stat -c %s "$work/first.tar") and .entries > 5 and .bytes > 5000000"
tar -xOf "$work/first.tar" index.txt | grep -qx "first page" || fail "another point"

# Standard output.
run_out() {
    "$TOZAI" -c "$work/conf" export wiki --output - "$@" >"$work/pipe.tar" 2>"$work/stderr"
}
run_out --format tar+gzip
tar -xzOf "$work/pipe.tar" index.txt | grep -qx changed || fail "standard output"
run_out --format tar --json
stderr_has '"archive_bytes":'
tar -tf "$work/pipe.tar" >/dev/null
tz 2 export wiki --output -
stderr_has "needs --format"
code=0
"$TOZAI" -c "$work/conf" export wiki --output - --format tar >/dev/full 2>"$work/stderr" || code=$?
[ $code -eq 1 ] || fail "a full disk: exit code $code"
stderr_has "No space left on device"

# Names that tell nothing, and files that are there.
tz 2 export wiki --output "$work/x.unknown"
stderr_has "does not tell the format"
stderr_has "hint: "
tz 2 export wiki --output "$work/x.tar" --format tarr
stderr_has "there is no archive format 'tarr'"
tz 2 export wiki --output "$work/x.iso"
cp "$work/x.tar" "$work/before"
tz 1 export wiki --output "$work/x.tar"
stderr_has "exists already"
cmp "$work/x.tar" "$work/before" || fail "it was written to"
tz 0 export wiki --output "$work/x.tar" --overwrite
tar -xOf "$work/x.tar" index.txt | grep -qx changed || fail "not overwritten"
tz 1 export wiki --output "$work/no/where.tar"
tz 2 export wikki --output "$work/z.tar"
stderr_has "did you mean 'wiki'?"
tz 1 export wiki@-3d --output "$work/z.tar"
[ ! -e "$work/z.tar" ] || fail "something was written"
leftovers

# Content that is damaged in every store: no archive at all.
find "$work/east/packs" "$work/west/packs" -type f | while read -r pack; do
    chmod u+w "$pack"
    printf 'XXXXXXXX' | dd of="$pack" bs=1 seek=2000 conv=notrunc status=none
done
tz 4 export wiki --output "$work/damaged.tar"
stderr_has "export 'wiki': "
[ ! -e "$work/damaged.tar" ] || fail "a damaged archive was left"
leftovers

# No compression takes much memory, with however many threads.
if [ -z "${TOZAI_SANITIZE:-}" ]; then
    mkdir "$work/text"
    seq 4000000 >"$work/text/numbers"
    sed "s|^state = .*|threads = 4\n&|" "$work/conf" >"$work/threads.conf"
    printf '\n[source text]\ntype = directory\npath = %s\n' "$work/text" >>"$work/threads.conf"
    run 0 -c "$work/threads.conf" backup text
    for format in tar+xz tar+zstd 7zip; do
        peak=$(python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)' \
            "$TOZAI" -c "$work/threads.conf" export text --format $format --output "$work/text.$format")
        [ "$peak" -lt 100 ] || fail "$format took $peak MiB"
    done
fi
