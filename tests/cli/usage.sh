#!/bin/bash
# Wrong usage: what is said, where, and the exit code.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"

# Nothing at all: the help, but not as a result.
run 2
stdout_is ""
stderr_has "Usage: tozai"

run 0 version
stdout_has "tozai "
stderr_is ""
run 0 --version
run 0 --json version
grep -qE '^\{"version":"[0-9.]+"\}$' "$work/stdout" || fail "version as JSON"
run 0 version --json -q -v --no-progress
run 0 -qv version
run 0 -c /nowhere version
run 0 -c/nowhere version
run 0 --config=/nowhere version
run 0 --config /nowhere version

run 2 bakcup
stdout_is ""
stderr_is "tozai: unknown command 'bakcup'
  hint: did you mean 'backup'?"
run 2 frobnicate
stderr_has "'tozai help' lists the commands"
# A hidden command is not proposed.
run 2 manuel
if grep -q "manual'" "$work/stderr"; then fail "a hidden command is proposed"; fi

run 2 version --jsno
stderr_is "tozai: unknown option '--jsno' of version
  hint: did you mean '--json'?"
run 2 --recursive ls
stderr_has "unknown option '--recursive'"
# Names cannot be shortened.
run 2 --js version
stderr_has "unknown option '--js'"
run 2 version -x
stderr_has "unknown option '-x'"
run 2 version --json=yes
stderr_is "tozai: --json takes no value"
run 2 version --config
stderr_has "--config needs a value"
run 2 version -c
stderr_has "--config needs a value"
run 2 version --config=
stderr_is "tozai: --config: the value is empty"
run 2 version extra
stderr_is "tozai: unexpected argument 'extra'
  hint: usage: tozai version"
run 2 version -- --json
stderr_has "unexpected argument '--json'"
run 2 ls
stderr_is "tozai: an argument is missing
  hint: usage: tozai ls SOURCE[@POINT] [PATH]"

run 2 restore wiki
stderr_is "tozai: 'restore' needs --target DIR"
run 2 restore wiki --target /x --target /y
stderr_is "tozai: --target is given twice"
run 2 restore wiki --target /x --overwrite sometimes
stderr_is "tozai: --overwrite is never, changed or always, not 'sometimes'"
run 2 verify --level all
stderr_has "--level is presence, ciphertext or content, not 'all'"

run 2 key
stderr_has "'key' needs to know what to do"
run 2 key remvoe x
stderr_is "tozai: unknown word 'remvoe' behind 'key'
  hint: did you mean 'key remove'?"
run 2 key add
stderr_is "tozai: 'key add' needs --role ROLE"
run 2 key list --role writer
stderr_is "tozai: --role is for 'key add' only"
run 2 key remove
stderr_has "usage: tozai key remove SLOT"
run 2 catalog check --store east
stderr_is "tozai: --store is for 'catalog rebuild' only"

# As JSON, wherever --json stands.
run 2 frobnicate --json
stdout_is ""
stderr_is '{"error":{"code":"invalid","message":"unknown command '"'frobnicate'"'","hint":"'"'tozai help'"' lists the commands"}}'
run 2 ls --json
stderr_has '"code":"invalid"'
run 2 frobnicate -- --json
stderr_has "tozai: unknown command"

# What comes from the command line cannot play tricks with the terminal.
run 2 $'back\033[31m\nup'
stderr_has 'unknown command '"'"'back\x1b[31m\nup'"'"
run 2 $'\xff'
stderr_has "unknown command '\\xff'"
run 2 --json $'\xff'
stderr_has "unknown command '�'"

# Results that did not arrive are a failure.
code=0
"$TOZAI" help >/dev/full 2>"$work/stderr" || code=$?
[ "$code" -eq 1 ] || fail "a full disk: exit code $code"
stderr_has "write to standard output"
# A reader that had enough is not worth a message.
code=0
{ "$TOZAI" completion bash 2>"$work/stderr" || echo $? >"$work/code"; } | true
[ ! -s "$work/stderr" ] || fail "a closed pipe is reported"
