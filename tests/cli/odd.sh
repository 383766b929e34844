#!/usr/bin/env bash
# A tree with every odd file goes through backup and restore unchanged: by rsync's judgement for all that
# rsync can hold, by our own comparison for the rest (paths beyond PATH_MAX, inode flags, nanoseconds).
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
: "${ODD_TREE:?}"
trap '"$ODD_TREE" remove "$work/tree" || true; "$ODD_TREE" remove "$work/out" || true; rm -rf "$work"' EXIT

mkdir "$work/tree"
"$ODD_TREE" make "$work/tree" 2>"$work/skipped"
cat > "$work/conf" <<CONF
[repository]
state = $work/state
key_file = $work/key
[store east]
url = file://$work/east
location = tokyo
[store west]
url = file://$work/west
location = osaka
[source odd]
type = directory
path = $work/tree
exclude_nodump = no
CONF
tz 0 init
tz 0 backup odd
tz 0 restore odd --target "$work/out" --verify
"$ODD_TREE" compare "$work/tree" "$work/out" >"$work/differences" || fail "$(head -5 "$work/differences")"

# What rsync can reach: it gives up on paths that are too long (23, 24), which the comparison above has seen.
code=0
rsync -aHAXnci --delete --ignore-errors "$work/tree/" "$work/out/" >"$work/seen" 2>"$work/stderr" || code=$?
grep -v '^IO error encountered' "$work/seen" >"$work/stdout" || true
[ "$code" = 0 ] || [ "$code" = 23 ] || fail "rsync ends with $code"
[ ! -s "$work/stdout" ] || fail "rsync sees differences"

# Nothing of it can be read in the stores: no name, no text.  (Words long enough not to come up by chance.)
if grep -rlaE 'symlink|hardlink|aaaaaaaaaaaa' "$work/east" "$work/west" >"$work/stdout"; then
    fail "the stores show names"
fi
# A further backup stores nothing new.  (The first one came so soon after the files that it could not be sure.)
tz 0 backup odd
tz 0 --json backup odd
[ "$(jq '.generations[0].new_bytes' "$work/stdout")" = 0 ] || fail "unchanged files were stored again"
