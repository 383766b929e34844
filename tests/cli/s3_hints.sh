#!/bin/bash
# What is wrong with a store is said so that a person can mend it.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

umask 077
make_tree
make_bucket east
make_bucket west
write_s3_config east west
cp "$work/conf" "$work/good"
# with EXPRESSION: the good configuration, but for this of store west.
with() {
    sed "/^\[store west\]/,\$ { $1; }" "$work/good" >"$work/conf"
}
# keys ACCESS SECRET: such ones in $work/keys.
keys() {
    printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$1" "$2" >"$work/keys"
}

with "s|^credentials_file.*|credentials_file = $work/keys|"
keys "${access_key[west]}" wrong
tz 1 init
stderr_has "list 's3://$bucket': 403 SignatureDoesNotMatch"
stderr_has 'check the access key and its secret'
keys nobody wrong
tz 1 init
stderr_has InvalidAccessKeyId
stderr_has 'check the access key and its secret'

with 's|^endpoint.*|endpoint = http://127.0.0.1:1|'
tz 1 init
stderr_has "check 'endpoint' ('http://127.0.0.1:1') and the network"
with 's|^endpoint.*|endpoint = http://no-such-host.invalid|'
tz 1 init
stderr_has 'no-such-host.invalid'
with "s|^endpoint.*|endpoint = https://${endpoint[west]#http://}|"
tz 1 init
stderr_has 'the server does not speak TLS there'
with "s|^endpoint.*|endpoint = $(sed -n 's/^S3_TLS_ENDPOINT=//p' "$S3_PAIR/west/env")|"
tz 1 init
stderr_has ca_file
with 's|^path_style.*|&\nobject_lock = compliance|'
tz 1 init
stderr_has 'perhaps the bucket was made without Object Lock'
[ -z "$(s3_keys east)$(s3_keys west)" ] || fail 'something was made'

cp "$work/good" "$work/conf"
tz 0 init
with "s|^url.*|url = s3://$bucket-none/west|"
tz 0 list
stderr_has 'NoSuchBucket'
stderr_has "make the bucket at the provider, or correct 'url'"

with 's|^path_style.*|&\nstorage_class = UNKNOWN|'
date +%N >"$work/src/new"
tz 3 backup
stderr_has "perhaps the server does not know 'storage_class = UNKNOWN'"

# An HTTP proxy of which the keys are wrong.
/usr/bin/python3 - >"$work/proxy" <<'PY' &
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    with server.accept()[0] as client:
        client.recv(65536)
        client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                       b"Proxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n")
PY
proxies+=($!)
for _ in $(seq 100); do
    if [ -s "$work/proxy" ]; then break; fi
    sleep 0.05
done
authority=$(sed -n 's/^S3_CA_FILE=//p' "$S3_PAIR/west/env")
with "s|^endpoint.*|endpoint = $(sed -n 's/^S3_TLS_ENDPOINT=//p' "$S3_PAIR/west/env")\nca_file = $authority|"
https_proxy=http://127.0.0.1:$(cat "$work/proxy") no_proxy='' tz 0 list
stderr_has 'CONNECT tunnel failed'
stderr_has 'the HTTP proxy asks for other credentials'
cp "$work/good" "$work/conf"
http_proxy=http://127.0.0.1:$(cat "$work/proxy") no_proxy='' tz 1 list
stderr_has '407 (no code); the HTTP proxy asks for other credentials'

# Rights and time, as servers refuse them.
proxy odd west
refused() {
    faults odd "$1"
    with "s|^endpoint.*|endpoint = ${endpoint[odd]}|"
    date +%N >"$work/src/new"
    tz 3 backup
    stderr_has "$2"
    faults odd
    tz 0 sync
}
refused 'GET . status 403 AccessDenied' 's3:GetObject for its objects, and s3:ListBucket'
refused 'GET list-type status 403 AccessDenied' 's3:ListBucket for the bucket'
refused 'PUT . status 403 AccessDenied' 's3:PutObject for its objects'
refused '* . status 403 RequestTimeTooSkewed' 'set the clock of this machine'
refused '* . status 301 PermanentRedirect' "'region' of the store to the bucket's"

# A quota that is reached in mid-run.
"$servers/rgw" user "$S3_PAIR/west" "$bucket" "$bucket-access" secret --quota 1000000
keys "$bucket-access" secret
with "s|^credentials_file.*|credentials_file = $work/keys|; s|^url.*|url = s3://$bucket-small/west|"
sed -i "s|^state = .*|state = $work/state-small|; s|/east$|/east-small|" "$work/conf"
tz 0 init
head -c 3000000 /dev/urandom >"$work/src/large"
tz 3 backup
stderr_has "store 'west' has failed: put "
stderr_has 'the bucket or the account has reached its quota'
stdout_has 'degraded: missing in west'
