#!/bin/bash
# key: slots, roles, passphrases, and the paper copy.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"
make_repository
back_up

tz 0 key list
stdout_has "operator  key file"
tz 0 key list --json
json '.slots | length == 1'
json '.slots[0] | .role == "operator" and .kind == "key-file" and .current and (.slot | test("^[0-9a-f]{64}$"))'
operator=$(value '.slots[0].slot')

# The last operator cannot go.
tz 2 key remove "$operator"
stderr_has "the last operator slot"

# A writer's key file.
tz 0 key add --role writer --out "$work/web" --label "web サーバー" --json
json '.role == "writer" and .label == "web サーバー"'
writer=$(value .slot)
[ "$(stat -c %a "$work/web")" = 600 ] || fail "mode of the key file"
for store in east west; do
    [ -f "$work/$store/keys/$writer" ] || fail "no slot in $store"
done
tz 1 key add --role writer --out "$work/web"
stderr_has "exists already"
sed "s|^key_file = .*|key_file = $work/web|" "$work/conf" >"$work/web.conf"
run 0 -c "$work/web.conf" backup
run 1 -c "$work/web.conf" cat wiki index.txt
stderr_has "operator"
run 1 -c "$work/web.conf" key paper
stderr_has "operator"
stdout_is ""
run 1 -c "$work/web.conf" key remove "$operator"
run 1 -c "$work/web.conf" key add --role operator --out "$work/op"
[ ! -e "$work/op" ] || fail "a key file was left"
run 1 -c "$work/web.conf" key passwd "$operator" --out "$work/op"
[ ! -e "$work/op" ] || fail "a key file was left"
# It may change its own.
run 0 -c "$work/web.conf" key passwd "web サーバー" --out "$work/web2"
stderr_has "key_file = $work/web2"
run 1 -c "$work/web.conf" list
stderr_has "wrong key file"
sed -i "s|^key_file = .*|key_file = $work/web2|" "$work/web.conf"
run 0 -c "$work/web.conf" list
tz 0 key list --json
json '.slots | length == 2 and (map(select(.role == "writer"))[0].label == "web サーバー")'

# Without a secret to wrap it with there is no slot.
tz 2 key add --role operator
stderr_has "give --passphrase-file or --out"
tz 2 key add --role operator --out "$work/x" --passphrase-file "$work/y"
stderr_has "exclude each other"
tz 2 key list --out "$work/x"
stderr_has "does not go with 'key list'"
tz 2 key add --role writer --out "$work/x" --label "$(printf '%064d' 0)"
stderr_has "more than 63 bytes"
[ ! -e "$work/x" ] || fail "a key file was made"

# A passphrase, changed.
echo "correct horse" >"$work/pass"
echo "battery staple" >"$work/pass2"
chmod 600 "$work/pass" "$work/pass2"
tz 0 key add --role operator --passphrase-file "$work/pass" --label chief
sed "s|^key_file = .*|passphrase_file = $work/pass|" "$work/conf" >"$work/pass.conf"
run 0 -c "$work/pass.conf" cat wiki index.txt
stdout_is "first page"
run 0 -c "$work/pass.conf" key list --json
json '.slots | map(select(.label == "chief"))[0] | .current and .kind == "passphrase"'
tz 0 key passwd chief --passphrase-file "$work/pass2"
run 1 -c "$work/pass.conf" list
stderr_has "wrong passphrase"
mv "$work/pass2" "$work/pass"
run 0 -c "$work/pass.conf" list

# Slots are named by label or by the beginning of the id, if it is the only one.
tz 2 key remove nobody
stderr_has "there is no key slot 'nobody'"
tz 0 key add --role writer --out "$work/a" --label twin
tz 0 key add --role writer --out "$work/b" --label twin
tz 2 key remove twin
stderr_has "'twin' means 2 key slots"
tz 0 key list --json
slot=$(value '.slots | map(select(.label == "twin"))[0].slot')
tz 0 key remove "${slot:0:10}"
for store in east west; do
    [ ! -e "$work/$store/keys/$slot" ] || fail "the slot is still in $store"
done
tz 0 key remove twin

# A slot goes to every store or to none.
mv "$work/west" "$work/west.away"
tz 1 key add --role writer --out "$work/c"
stderr_has "every store"
[ ! -e "$work/c" ] || fail "a key file was left"
mv "$work/west.away" "$work/west"

# The paper copy gives the repository back without any other key.
tz 0 key paper
cp "$work/stdout" "$work/paper"
tz 0 key paper --json
json '.paper | length > 100'
tz 0 key remove chief
rm "$work/key"
tz 1 list
stderr_has "open key file"
"$TOZAI" -c "$work/conf" key recover --out "$work/key" <"$work/paper" >"$work/stdout" 2>"$work/stderr" ||
    fail "recover"
stdout_has "added an operator slot"
stderr_is ""
tz 0 cat wiki index.txt
stdout_is "first page"
# Typed in as people do; a mistake is found, and the line is named.
tr 'A-Z-' 'a-z ' <"$work/paper" >"$work/typed"
tz 0 key recover --input "$work/typed" --passphrase-file "$work/pass"
stderr_has "put the new passphrase where"
run 0 -c "$work/pass.conf" list
sed '/^03: /{s/9/8/;t;s/[A-Z]/9/}' "$work/paper" >"$work/wrong"
if cmp -s "$work/paper" "$work/wrong"; then fail "the mistake was not made"; fi
run 1 -c "$work/conf" key recover --input "$work/wrong" --out "$work/d"
stderr_has "line 3"
[ ! -e "$work/d" ] || fail "a key file was left"
