#!/bin/bash
# Encryption by the server: asked for with every put, signed, looked for in the answers, and refused
# with a clear word where the server does not do it.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

# configure EAST WEST LINE...: with these settings for west.
configure() {
    write_s3_config "$1" "$2"
    printf '%s\n' "${@:3}" >>"$work/conf"
}
kind_of() {
    s3 200 west HEAD "/$bucket/$1"
    tr -d '\r' <"$work/head" | sed -n 's/^x-amz-server-side-encryption: //Ip'
}
encryption() {
    jq -e --arg state "$1" --arg text "$2" \
        '.checks | any(.name == "store west: encryption" and .state == $state and ((.detail + .advice) | contains($text)))' \
        "$work/stdout" >/dev/null || fail "the encryption of west is not $1: $2"
}

make_tree
proxy far west
faults far

# --- A key service. ---
configure east far 'sse = aws:kms' 'sse_kms_key_id = tozai-key'
large_packs
tz 0 init
tz 0 backup
in_parts far || fail 'nothing went up in parts'
for key in $(s3_keys west west/); do
    [ "$(kind_of "$key")" = aws:kms ] || fail "'$key' is not encrypted by the server"
    grep -qi 'x-amz-server-side-encryption-aws-kms-key-id: tozai-key' "$work/head" ||
        fail "'$key' has another key"
done
tz 0 doctor --json
encryption ok "the server encrypts what is put, too ('aws:kms')"
tz 0 verify --level content
tz 0 restore wiki --target "$work/out" --verify
same_tree "$work/src" "$work/out"
same_stores
honest west

# --- A header that is lost on the way: the signature does not fit any more. ---
echo more >"$work/src/more"
faults far 'PUT packs header x-amz-server-side-encryption'
tz 3 backup
stderr_has "store 'west' is left out"
faults far
tz 0 sync

# --- A key that is not there; Ceph 16 takes AES256, and does nothing. ---
sed -i 's/tozai-key/no-such-key/' "$work/conf"
echo more >>"$work/src/more"
tz 3 backup
stderr_has "store 'west' is left out: put"
sed -i '/^sse_kms_key_id/d; s/^sse = .*/sse = AES256/' "$work/conf"
tz 3 backup
stderr_has "the server took 'sse = AES256' and says 'none'"
tz 1 doctor --json
encryption fail "the server took 'sse = AES256' and says 'none'"

# --- Switched on later: what was there stays as it is. ---
bucket=$bucket-later
rm -rf "$work/state"
configure east far
tz 0 init
tz 0 backup
configure east far 'sse = aws:kms' 'sse_kms_key_id = tozai-key'
echo more >>"$work/src/more"
tz 0 backup --json
id=$(value '.generations[0].id')
tz 0 doctor --json
encryption ok 'the server encrypts'
head=$(s3_keys west west/generations/ | grep -- "-$id\$")
[ "$(kind_of "$head")" = aws:kms ] || fail 'the new generation is not encrypted by the server'
tz 0 verify --level content

# --- Swift refuses. ---
port=$(free_ports 30)
remove_swift() { "$servers/swift" down "$work/south"; }
at_end+=(remove_swift)
code=0
"$servers/swift" up south ap-northeast-2 "$port" "$work/south" 2>"$work/south.err" || code=$?
if [ $code -eq 77 ]; then
    echo "without Swift: $(tail -n 1 "$work/south.err")"
    exit
fi
[ $code -eq 0 ] || fail "swift up: $(cat "$work/south.err")"
store south "$work/south"
bucket=$bucket-less
rm -rf "$work/state"
configure east south 'sse = AES256'
tz 1 init
stderr_has "store 'west': put"
stderr_has "perhaps the server does not do 'sse = AES256'"
