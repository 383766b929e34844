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

# The names of all commands, as the help tells them.
commands() {
    "$TOZAI" help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}
