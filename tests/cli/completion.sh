#!/bin/bash
# Completions: right for their shells, and with the right words.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"

for shell in bash zsh fish; do
    run 0 completion "$shell"
    stderr_is ""
    cp "$work/stdout" "$work/tozai.$shell"
    # Every command and every option is in it.
    for name in $(commands); do
        grep -qw "$name" "$work/tozai.$shell" || fail "$shell: no '$name'"
        "$TOZAI" help "$name" | sed -n 's/^ .* --\([a-z-]*\).*/\1/p' | while read -r option; do
            grep -qE -- "(--|-l )$option\b" "$work/tozai.$shell" || fail "$shell: no --$option"
        done
    done
    if grep -qw manual "$work/tozai.$shell"; then fail "$shell: a hidden command"; fi
    # Where the shell is installed it reads the script.
    if command -v "$shell" >/dev/null; then
        "$shell" -n "$work/tozai.$shell" || fail "$shell cannot read it"
    fi
done
if command -v shellcheck >/dev/null; then
    shellcheck -s bash "$work/tozai.bash" || fail "shellcheck"
fi
run 2 completion tcsh
stderr_has "unknown word 'tcsh' behind 'completion'"

cat >"$work/tozai.conf" <<'END'
[repository]
state = /s
[store east]
url = file:///a
  [ store  西 ]  # the other one
url = file:///b
# [source none]
[source wiki]
type = command
[source wiki-db]
END
# shellcheck disable=SC1091
. "$work/tozai.bash"

# completes EXPECTED WORD...: what the last word becomes.
completes() {
    local expected=$1
    shift
    COMP_WORDS=("$@")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    # As a shell would: without stopping at the first thing that is not so.
    set +eu
    _tozai
    set -eu
    [ "${COMPREPLY[*]-}" = "$expected" ] || fail "'$*' becomes '${COMPREPLY[*]-}', not '$expected'"
}

export TOZAI_CONFIG=$work/tozai.conf
completes "verify version" tozai ver
completes "wiki wiki-db" tozai backup w
completes "wiki wiki-db" tozai backup wiki --tag a=b w
completes "wiki-db" tozai ls wiki-
completes "" tozai ls wiki w
completes "wiki wiki-db" tozai find pattern w
completes "east 西" tozai -q verify --store ""
completes "presence" tozai verify --level pre
completes "presence" tozai verify --level = pre
completes "presence ciphertext content" tozai verify --level =
completes "add" tozai key a
completes "operator writer" tozai key add --role ""
completes "--overwrite" tozai restore --ov
completes "--json" tozai --js
completes "$work/tozai.conf" tozai --config "$work/tozai.c"
completes "" tozai -c /dev/null backup ""
completes "restore" tozai help rest
