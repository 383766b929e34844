# What the tests in this folder share.  Source it first: it makes a temporary folder $work, which
# is removed at the end, and defines the words below.
#
#   TOZAI              the program
#   TOZAI_SOURCE_DIR   the top of the source tree
#   TOZAI_SANITIZE     not empty if the program was built with sanitizers
# shellcheck shell=bash
set -euo pipefail
: "${TOZAI:?}" "${TOZAI_SOURCE_DIR:?}"
unset TOZAI_CONFIG TOZAI_PASSPHRASE
export LC_ALL=C.UTF-8

work=$(mktemp -d "${TMPDIR:-/tmp}/tozai-cli-XXXXXX")
trap 'rm -rf "$work"' EXIT

fail() {
    echo "FAILED: $*" >&2
    for part in stdout stderr; do
        [ ! -s "$work/$part" ] || sed "s/^/  $part: /" "$work/$part" >&2
    done
    exit 1
}

# run CODE ARGUMENT...: run tozai, which must exit with CODE; what it prints goes to $work/stdout
# and $work/stderr.
run() {
    local expected=$1 code=0
    shift
    "$TOZAI" "$@" >"$work/stdout" 2>"$work/stderr" </dev/null || code=$?
    [ "$code" -eq "$expected" ] || fail "tozai $*: exit code $code, not $expected"
}

# stdout_is TEXT, stderr_is TEXT: that and nothing else.
stdout_is() {
    [ "$(cat "$work/stdout")" = "$1" ] || fail "standard output is not: $1"
}
stderr_is() {
    [ "$(cat "$work/stderr")" = "$1" ] || fail "standard error is not: $1"
}
# stdout_has TEXT, stderr_has TEXT: some line holds it.
stdout_has() {
    grep -qF -- "$1" "$work/stdout" || fail "standard output lacks: $1"
}
stderr_has() {
    grep -qF -- "$1" "$work/stderr" || fail "standard error lacks: $1"
}

# What killed processes under faketime have left would stop the next one of that number.
if command -v faketime >/dev/null; then
    for part in /dev/shm/faketime_shm_* /dev/shm/sem.faketime_sem_*; do
        [ ! -e "$part" ] || [ -e "/proc/${part##*_}" ] || rm -f "$part"
    done
fi

# The names of all commands, as the help tells them.
commands() {
    "$TOZAI" help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

# --- A repository: what the tests of the commands that use one share.  They need jq. ---

# tz CODE ARGUMENT...: run with the configuration $work/conf.
tz() {
    local code=$1
    shift
    run "$code" -c "$work/conf" "$@"
}

# json EXPRESSION: standard output is one JSON document of which this is true.
json() {
    jq -e "$1" "$work/stdout" >/dev/null || fail "not so: $1"
}
# value EXPRESSION: that part of the document, as text.
value() {
    jq -r "$1" "$work/stdout"
}

# write_config: a configuration in $work/conf with two stores, a key file (no costly passphrase)
# and the source "wiki" of the directory $work/src.
write_config() {
    cat >"$work/conf" <<CONF
[repository]
state = $work/state
key_file = $work/key

[store east]
url = file://$work/east
location = tokyo

[store west]
url = file://$work/west
location = osaka

[source wiki]
type = directory
path = $work/src
CONF
}

# make_tree: a small tree of every common kind in $work/src.
make_tree() {
    mkdir -p "$work/src/docs/deep" "$work/src/empty"
    echo "first page" >"$work/src/index.txt"
    head -c 300000 /dev/urandom >"$work/src/docs/big.bin"
    echo "deep down" >"$work/src/docs/deep/note.txt"
    ln "$work/src/index.txt" "$work/src/name-two.txt"
    ln -s docs/big.bin "$work/src/link"
    mkfifo "$work/src/pipe"
    echo "名前" >"$work/src/日本語.txt"
    : >"$work/src/nothing"
    chmod 640 "$work/src/docs/deep/note.txt"
    touch -d '2020-02-29 12:34:56.789Z' "$work/src/docs/deep/note.txt"
}

# make_repository: all of this, initialized.
make_repository() {
    make_tree
    write_config
    tz 0 init
}

# back_up: make a generation of wiki; its id goes to $id.
back_up() {
    tz 0 backup wiki --json
    # shellcheck disable=SC2034  # for the script
    id=$(value '.generations[0].id')
}

# same_tree A B: content, types, modes and times of all entries agree.
same_tree() {
    diff <(tree_of "$1") <(tree_of "$2") >"$work/stderr" || fail "$1 and $2 differ"
}
tree_of() {
    (cd "$1" && find . -mindepth 1 -printf '%y %m %s %T@ %n %p %l\n' | sort -k6 |
        sed 's/^\(d [0-7]*\) [0-9]* /\1 - /' &&
        find . -type f -print0 | sort -z | xargs -0r sha256sum)
}

# damage_catalog: one table of it, where the opening does not look.
damage_catalog() {
    /usr/bin/python3 - "$work/state/catalog.db" <<'PY'
import sqlite3, sys
base = sqlite3.connect(sys.argv[1])
base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
size, = base.execute("PRAGMA page_size").fetchone()
root, = base.execute("SELECT rootpage FROM sqlite_master WHERE name = 'objects'").fetchone()
base.close()
with open(sys.argv[1], "r+b") as file:
    file.seek((root - 1) * size)
    file.write(b"\xff" * size)
PY
    rm -f "$work/state"/catalog.db-*
}
