#!/bin/bash
# Every command explains itself, in 80 columns, on standard output.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"

check_width() {
    LC_ALL=C.UTF-8 awk 'length > 80 { bad = 1; print "too wide: " $0 }
        / $/ { bad = 1; print "blank at the end: " $0 }
        END { exit bad }' "$work/stdout" >&2 || fail "$1"
}

run 0 help
stderr_is ""
check_width "help"
cp "$work/stdout" "$work/overview"
run 0 --help
cmp "$work/stdout" "$work/overview" || fail "--help is not help"
run 0 -h

# The contract: each of these is there.
for name in init backup list ls cat find diff restore export import verify sync key catalog doctor \
    completion help version; do
    commands | grep -qx "$name" || fail "no command '$name'"
done
if commands | grep -qx manual; then fail "a hidden command is shown"; fi

for name in $(commands); do
    run 0 help "$name"
    stderr_is ""
    check_width "help $name"
    stdout_has "Usage: tozai $name"
    stdout_has "Global options:"
    cp "$work/stdout" "$work/text"
    run 0 "$name" --help
    cmp "$work/stdout" "$work/text" || fail "$name --help is not help $name"
    # Help is given whatever else is wrong.
    run 0 "$name" -h a b c d e f
done

run 2 help bakcup
stderr_has "did you mean 'backup'?"
run 2 help a b
