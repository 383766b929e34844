#!/bin/bash
# Every command and every key has its place in the manual, and the pages are right.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"

"$TOZAI_SOURCE_DIR/scripts/make-manual" "$TOZAI" "$TOZAI_SOURCE_DIR/docs/man" "$work/out" ||
    fail "make-manual"
man1=$work/out/man/man1
man5=$work/out/man/man5

[ -s "$man1/tozai.1" ] || fail "no overview"
for name in $(commands); do
    page=$man1/tozai-$name.1
    [ -s "$page" ] || fail "no page for '$name'"
    grep -qx ".It Xr tozai-$name 1" "$man1/tozai.1" || fail "the overview lacks '$name'"
    for section in NAME SYNOPSIS DESCRIPTION OPTIONS 'EXIT STATUS' EXAMPLES 'SEE ALSO'; do
        grep -qx ".Sh $section" "$page" || fail "tozai-$name(1) lacks $section"
    done
    # Every option that the help tells.
    "$TOZAI" help "$name" | sed -n '/^Options:/,/^$/s/^ .* --\([a-z-]*\).*/\1/p' |
        while read -r option; do
            grep -q "^\.It .*Fl -$option" "$page" || fail "tozai-$name(1) lacks --$option"
        done
done
# No page without a command, and no prose that nobody reads.
for page in "$TOZAI_SOURCE_DIR"/docs/man/tozai-*.1.in; do
    name=$(basename "$page" .1.in)
    commands | grep -qx "${name#tozai-}" || fail "no command for $page"
done

# Every page that is referred to is there.
grep -rhoE '^\.(It )?Xr tozai[a-z.-]* [15]' "$work/out/man" | sed 's/.*Xr //' | sort -u |
    while read -r name section; do
        [ -s "$work/out/man/man$section/$name.$section" ] || fail "no page $name($section)"
    done

# Every configuration key is explained; the keys are those of the parser's table.
table=$TOZAI_SOURCE_DIR/core/config/table.c
keys=$(grep -oE '(\.name = |KEEP\(|SPAN\()"[a-z_]+"' "$table" | sed 's/.*"\(.*\)"/\1/' | sort -u)
[ "$(echo "$keys" | wc -l)" -gt 40 ] || fail "the keys are not found in $table"
for key in $keys; do
    grep -q "^\.It Cm $key No = " "$man5/tozai.conf.5" || fail "tozai.conf(5) lacks '$key'"
done

# The example in the page is right: the program fails only behind it, at stores that are not there.
sed -n '/^\.Sh EXAMPLES/,/^\.Ed/p' "$man5/tozai.conf.5" | grep -v '^\.' >"$work/example.conf"
[ "$(wc -l <"$work/example.conf")" -gt 20 ] || fail "the example is not found"
"$TOZAI" -c "$work/example.conf" list 2>"$work/stderr" && fail "the stores of the example are there"
if grep -F "$work/example.conf" "$work/stderr"; then fail "the example is wrong"; fi

if command -v mandoc >/dev/null; then
    for page in "$man1"/*.1 "$man5"/*.5; do
        mandoc -T lint -W warning "$page" >"$work/lint" 2>&1 || {
            cat "$work/lint" >&2
            fail "mandoc: $page"
        }
        # What is left unformatted would show as a marker or a macro.
        mandoc -T ascii "$page" | sed 's/.\x08//g' >"$work/text"
        if grep -nE '^@|^ *\.[A-Z][a-z] ' "$work/text"; then fail "unformatted text in $page"; fi
    done
fi

# An unknown marker and a missing page are errors.
cp -r "$TOZAI_SOURCE_DIR/docs/man" "$work/man"
echo '@nothing@' >>"$work/man/tozai-ls.1.in"
run 1 manual "$work/man" "$work/out2"
stderr_has "tozai-ls.1.in: unknown marker '@nothing@'"
rm "$work/man/tozai-ls.1.in"
run 1 manual "$work/man" "$work/out2"
stderr_has "tozai-ls.1.in"
