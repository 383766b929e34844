#!/bin/bash
# Parts of a manifest are lost in every store: what the other parts list is restored, and it is said
# what is not.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"

for folder in $(seq 100 159); do
    mkdir -p "$work/src/$folder"
    for i in $(seq 150); do echo "$folder $i" >"$work/src/$folder/a file of which the name is long $i"; done
done
# In what is left, with its first name in what is lost.
ln "$work/src/100/a file of which the name is long 1" "$work/src/130/a file of which the name is long 7 link"
write_config
tz 0 init
sleep 0.2 # what changed right before a backup is read again by the next one
back_up
# The packs that hold this manifest; the next one shares most of it.
manifests() {
    (cd "$work/east" && for pack in packs/??/*; do
        [ "$(od -An -tu4 -j12 -N4 "$pack" | tr -d ' ')" != 2 ] || echo "$pack"
    done)
}
manifests | sort >"$work/first"
echo changed >"$work/src/130/a file of which the name is long 7"
back_up
[ "$(manifests | wc -l)" -gt "$(wc -l <"$work/first")" ] || fail "no manifest pack was written"
while read -r pack; do rm "$work/east/$pack" "$work/west/$pack"; done <"$work/first"

tz 4 ls wiki --recursive
stderr_has "all is lost from"
grep -q "130/a file of which the name is long 7" "$work/stdout" || fail "what is left is not listed"
listed=$(wc -l <"$work/stdout")
[ "$listed" -lt 9000 ] || fail "nothing was lost"

tz 4 restore wiki --target "$work/out"
stderr_has "all is lost from here"
[ "$(cat "$work/out/130/a file of which the name is long 7")" = changed ] ||
    fail "what is left was not restored"
[ "$(cd "$work/out" && find . -type f | wc -l)" -le "$listed" ] || fail "too much was restored"
(cd "$work/out" && find . -type f -print0 | while IFS= read -r -d '' name; do
    cmp "$name" "$work/src/$name" || exit 1
done) || fail "something is not what it was"

# The same as JSON, and with everything read back.
tz 4 restore wiki --target "$work/out2" --verify --json
json '.damaged >= 1'
diff -r "$work/out" "$work/out2" >/dev/null || fail "the second is not like the first"
# A path that lies in what is lost: that is damage, too, whether the packs are damaged or gone.
lost=$(comm -23 <(cd "$work/src" && find . -type f | sort) <(cd "$work/out" && find . -type f | sort) |
    sed -n '1s|^./||p')
tz 4 restore wiki "$lost" --target "$work/out3"
stderr_has "read the manifest"

# An archive has the same files, whatever the format.
for format in tar newc zip; do
    tz 4 export wiki --format $format --output "$work/out.$format" --json
    json '.damaged >= 1 and (.warnings | map(.error) | join(" ") | contains("all is lost from here"))'
    [ $format != newc ] || command -v cpio >/dev/null || continue
    mkdir "$work/$format"
    case $format in
    tar) tar -xf "$work/out.tar" -C "$work/tar" ;;
    newc) (cd "$work/newc" && cpio --quiet -idm <"$work/out.newc") ;;
    zip) python3 -m zipfile -e "$work/out.zip" "$work/zip" ;;
    esac
    diff -r "$work/out" "$work/$format" >/dev/null || fail "the $format does not have what is left"
done
tz 4 export wiki --output "$work/text.tar"
stderr_has "all is lost from here"
# The keys decide where a manifest is cut, and so whether that name is in a part that is left.
[ -e "$work/out/100/a file of which the name is long 1" ] ||
    stderr_has "the other name of this file, '100/a file of which the name is long 1', is lost"
