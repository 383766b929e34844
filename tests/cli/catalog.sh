#!/bin/bash
# catalog: rebuild, check, export.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"
make_repository
back_up

tz 0 catalog check
stdout_is "the catalog is whole"
tz 0 catalog check --json
json '. == {"ok": true, "faults": []}'

tz 0 catalog export "$work/copy.db"
[ "$(head -c 15 "$work/copy.db")" = "SQLite format 3" ] || fail "no database"
[ "$(stat -c %a "$work/copy.db")" = 600 ] || fail "mode of the copy"
tz 1 catalog export "$work/copy.db"
stderr_has "copy.db"

# Lost: made anew by the next command.
rm -rf "$work/state"
tz 0 cat wiki index.txt
stdout_is "first page"

# From all stores, from one, and from one that is the only one left.
tz 0 catalog rebuild
stdout_has "made the catalog anew from the stores"
tz 0 list --json
json ".sources[0].generations | map(.id) == [\"$id\"] and all(.state == \"complete\")"
tz 0 catalog rebuild --store west
stdout_has "from store west"
tz 0 cat wiki index.txt
stdout_is "first page"
tz 2 catalog rebuild --store wset
stderr_has "did you mean 'west'?"
mv "$work/east" "$work/east.away"
rm -rf "$work/state"
tz 0 catalog rebuild
tz 0 list --json
json '.sources[0].generations[0] | .stores.west == "present"'
tz 0 restore wiki --target "$work/out"
same_tree "$work/src" "$work/out"
mv "$work/east.away" "$work/east"

# One that is damaged where the opening does not look: told everywhere, and made anew.
damage_catalog
tz 4 prune
stderr_has "tozai catalog rebuild"
tz 0 catalog rebuild
tz 0 list --json
json '.sources[0].generations[0] | .stores == {"east": "present", "west": "present"}'
tz 0 prune

# A damaged one is put aside.
printf 'garbage, certainly no database at all' >"$work/state/catalog.db"
rm -f "$work/state"/catalog.db-*
tz 0 list
stderr_has "put aside"
tz 0 catalog check
