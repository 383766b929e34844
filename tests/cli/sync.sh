#!/bin/bash
# sync: brings stores level, fills new ones.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"
make_repository
back_up

tz 0 sync
stdout_has "0 objects copied"
tz 0 sync --json
json '. == {"objects": 0, "bytes": 0, "failed": 0, "behind": 0, "level": true}'

# A store that is out may lack anything.
mv "$work/west" "$work/west.away"
tz 3 sync
stdout_has "not every store could be looked at"
tz 3 sync --json
json '.behind == 0 and (.level | not)'
echo more >>"$work/src/index.txt"
tz 3 backup
tz 3 sync
stdout_has "still missing"
mv "$work/west.away" "$work/west"
tz 0 sync --json
json '.objects > 2 and .bytes > 0 and .failed == 0 and .behind == 0'
level() {
    diff <(cd "$work/$1" && find . -type f | sort) <(cd "$work/$2" && find . -type f | sort) \
        >"$work/stderr" || fail "$1 and $2 are not level"
}
level east west
tz 0 list --json
json '.sources[0].generations | all(.state == "complete")'

# A new store is filled.
cat >>"$work/conf" <<CONF
[store third]
url = file://$work/third
location = nagoya
CONF
mkdir "$work/third"
tz 0 sync --from west --to third --json
json '.objects > 5 and .behind == 0'
level east third
tz 0 list --json
json '.sources[0].generations | all(.stores.third == "present")'
# It alone gives everything back.
mv "$work/east" "$work/east.away"
mv "$work/west" "$work/west.away"
rm -rf "$work/state"
tz 0 restore wiki --target "$work/out"
same_tree "$work/src" "$work/out"
mv "$work/east.away" "$work/east"
mv "$work/west.away" "$work/west"

tz 2 sync --from west --to west
stderr_has "the same store"
tz 2 sync --to wset
stderr_has "did you mean 'west'?"
exec 9>"$work/state/lock"
flock 9
tz 5 sync
exec 9>&-

# Nothing that is damaged is copied.
pack=$(cd "$work/east" && find packs -type f -printf '%s %p\n' | sort -n | tail -1 | cut -d' ' -f2)
for store in east third; do
    chmod u+w "$work/$store/$pack"
    printf 'XX' | dd of="$work/$store/$pack" bs=1 seek=5000 conv=notrunc status=none
done
rm "$work/west/$pack"
code=0
"$TOZAI" -c "$work/conf" sync >"$work/stdout" 2>"$work/stderr" || code=$?
[ "$code" -eq 4 ] || fail "exit code $code"
stdout_has "whole in no store"
[ ! -e "$work/west/$pack" ] || fail "a damaged object was copied"
