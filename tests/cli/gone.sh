#!/bin/bash
# Packs that have gone from a store behind tozai's back: the next backup notices.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"
make_repository
back_up

# packs_of STORE: the names of its packs.
packs_of() {
    (cd "$work/$1" && find packs -type f | sort)
}
# lose STORE...: all packs but the smallest.
lose() {
    local store pack
    for store in "$@"; do
        for pack in $(cd "$work/$store" && find packs -type f -printf '%s %p\n' | sort -n |
            tail -n +2 | cut -d' ' -f2); do
            rm "$work/$store/$pack"
        done
    done
}
# whole_without STORE: the other one alone gives the newest generation back.
whole_without() {
    rm -rf "$work/out"
    mv "$work/$1" "$work/hidden"
    tz 0 restore wiki --target "$work/out"
    mv "$work/hidden" "$work/$1"
    same_tree "$work/src" "$work/out"
}
for n in 1 2 3; do
    echo "page $n" >"$work/src/page-$n"
    back_up
done
[ "$(packs_of west | wc -l)" -ge 4 ] || fail "too few packs for this test"

# One store has lost them, the other has them: they are brought back before the backup.
packs_of west >"$work/before"
lose west
tz 0 backup
grep -Fxvf <(packs_of west) "$work/before" >"$work/stderr" && fail "they were not brought back"
tz 0 verify
whole_without east

# run does the same.
lose east
tz 0 run --all
tz 0 verify
whole_without west

# No store has them any more: what they held is read and stored again, from files that are as they
# were.  Older generations are lost, and are told to be.
lose east west
tz 0 backup --json
json '.generations[0] | .state == "complete" and .new_bytes > 300000 and .warnings_total == 0'
whole_without west
whole_without east
tz 4 verify --level presence
tz 0 list --json
json '.sources[0].generations | .[0].state == "complete" and any(.[1:][]; .state != "complete")'
# Once.
tz 0 backup --json
json '.generations[0] | .state == "complete" and .new_bytes < 100000'

# The store that still has them is away: the generation is whole in the one that is there.
lose west
mv "$work/east" "$work/away"
tz 3 backup --json
json '.generations[0] | .stores == {"east": "missing", "west": "present"} and .new_bytes > 300000'
rm -rf "$work/out"
tz 0 restore wiki --target "$work/out"
same_tree "$work/src" "$work/out"
mv "$work/away" "$work/east"
tz 0 backup
whole_without west

# Packs that have become shorter: the generation is not told to be whole there.
for pack in $(packs_of west); do
    chmod u+w "$work/west/$pack"
    truncate -s -1 "$work/west/$pack"
done
tz 3 backup --json
json '.generations[0].stores == {"east": "present", "west": "missing"}'
# Some are lost in every store, since before.
tz 4 verify --heal
tz 0 backup --json
json '.generations[0].state == "complete"'
diff -r "$work/east/packs" "$work/west/packs" >"$work/stderr" || fail "they were not healed"

# A listing that fails takes nothing for missing.
folder=$(dirname "$pack")
mv "$work/west/$folder" "$work/elsewhere"
ln -s "$work/elsewhere" "$work/west/$folder"
tz 3 backup --json
json '.generations[0] | .stores == {"east": "present", "west": "missing"} and .new_bytes < 100000'
rm "$work/west/$folder"
mv "$work/elsewhere" "$work/west/$folder"
tz 0 backup --json
json '.generations[0].state == "complete"'
