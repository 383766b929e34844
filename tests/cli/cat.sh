#!/bin/bash
# cat: the content of one file.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"
make_repository
truncate -s 5M "$work/src/holes"
printf end >>"$work/src/holes"
back_up
echo "another" >"$work/src/index.txt"
back_up

for file in docs/big.bin holes nothing 日本語.txt; do
    tz 0 cat wiki "$file"
    cmp "$work/src/$file" "$work/stdout" || fail "$file"
    stderr_is ""
done
tz 0 cat wiki /docs/deep/note.txt
stdout_is "deep down"
tz 0 cat wiki "$work/src/docs/deep/note.txt"
stdout_is "deep down"
# The other name of a file; an earlier generation.
tz 0 cat wiki name-two.txt
stdout_is "another"
tz 0 list --json
tz 0 cat "wiki@$(value '.sources[0].generations[1].id')" index.txt
stdout_is "first page"

tz 2 cat wiki docs
stderr_has "'docs' is a directory, not a file"
tz 2 cat wiki link
stderr_has "it leads to 'docs/big.bin'"
tz 2 cat wiki pipe
stderr_has "fifo"
tz 1 cat wiki nowhere
stderr_has "'nowhere' is not in this generation"

# A reader that had enough is not worth a message.
{ "$TOZAI" -c "$work/conf" cat wiki holes 2>"$work/stderr" || true; } | head -c 10 >/dev/null
[ ! -s "$work/stderr" ] || fail "a closed pipe is reported"
code=0
"$TOZAI" -c "$work/conf" cat wiki holes >/dev/full 2>"$work/stderr" || code=$?
[ "$code" -eq 1 ] || fail "a full disk: exit code $code"

# Damage in one store is passed over, and told; in both it is damage.
for pack in "$work"/east/packs/*/*; do
    printf 'XXXXXXXX' | dd of="$pack" bs=1 seek=3000 conv=notrunc status=none
done
tz 0 cat wiki docs/big.bin
cmp "$work/src/docs/big.bin" "$work/stdout" || fail "content from the other store"
stderr_has "came from another"
for pack in "$work"/west/packs/*/*; do
    printf 'XXXXXXXX' | dd of="$pack" bs=1 seek=3000 conv=notrunc status=none
done
tz 4 cat wiki docs/big.bin
