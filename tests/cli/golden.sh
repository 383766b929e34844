#!/usr/bin/env bash
# Repositories that older versions made must restore for ever (scripts/make-golden).
set -euo pipefail

golden=${TOZAI_SOURCE_DIR:?}/tests/golden
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0

for sample in "$golden"/v*; do
    here=$work/$(basename "$sample")
    mkdir -p "$here/lost"
    tar -C "$here" -xf "$sample/repository.tar"
    (umask 077 && printf 'a golden passphrase\n' > "$here/passphrase")
    cat > "$here/tozai.conf" <<CONF
[repository]
state = $here/state
passphrase_file = $here/passphrase
[store east]
url = file://$here/east
location = east
[store west]
url = file://$here/west
location = west
CONF
    # The other store is gone, and so is the state: one store alone must do.
    rmdir "$here/lost"
    "${TOZAI:?}" -c "$here/tozai.conf" restore tree --target "$here/tree" --verify
    "$TOZAI" -c "$here/tozai.conf" restore app --target "$here/app.db"
    (cd "$here/tree" && sha256sum --quiet -c "$sample/tree.sha256")
    (cd "$here/tree" && find . -printf '%P|%y|%m|%s|%T@|%n|%l\n' | grep -av '^|' | LC_ALL=C sort |
        sed 's/^\([^|]*|d|[0-9]*|\)[0-9]*|[^|]*|/\1/') > "$here/tree.list"
    diff "$sample/tree.list" "$here/tree.list"
    [ "$(sqlite3 "$here/app.db" 'select * from t' | sha256sum | cut -d' ' -f1)" = "$(cat "$sample/app.sha256")" ]
    [ "$("$TOZAI" -c "$here/tozai.conf" --json list tree | jq '.sources[0].generations | length')" = 2 ]
    count=$((count + 1))
done
[ "$count" -gt 0 ] || { echo "golden: there is no sample" >&2; exit 1; }
echo "golden: $count samples restored"
