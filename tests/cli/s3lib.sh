# What the tests against real S3 servers share; source it instead of lib.sh.  They are named
# s3_*.sh.  A test that needs programs which are not installed is skipped.
#
#   S3_PAIR   the folder of tests/servers/pair, with the stores "east" and "west"
#
# Every test has buckets of its own, so that several can run at once.
# shellcheck shell=bash
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"
servers=$TOZAI_SOURCE_DIR/tests/servers
bucket=$(basename "$0" .sh | tr _ -)-$$

skip() {
    echo "SKIPPED: $*" >&2
    exit 77
}

command -v curl >/dev/null || skip 'curl is not installed (scripts/setup --s3)'
cat "${S3_PAIR:?}"/{east,west}/env >/dev/null 2>&1 ||
    skip 'no S3 servers: radosgw is not installed (scripts/setup --s3)'

# free_ports COUNT: the first of so many.
free_ports() {
    bash -c '. "$1/lib.sh"; free_ports "$2" "$3"' ports "$servers" "$1" "$work"
}

# What is to be done at the end beside removing $work; each is a function.
at_end=()
end_test() {
    local step
    for step in "${at_end[@]}"; do "$step" || true; done
    rm -rf "$work"
}
trap end_test EXIT

# --- Stores.  Each has a name, by which the words below know it. ---

declare -A endpoint=() region=() access_key=() credentials=()

# store NAME FOLDER: one that tests/servers has started.
store() {
    local setting
    for setting in S3_ENDPOINT S3_REGION S3_ACCESS_KEY S3_SECRET_KEY; do
        local "$setting=$(sed -n "s/^$setting=//p" "$2/env")"
    done
    endpoint[$1]=$S3_ENDPOINT region[$1]=$S3_REGION access_key[$1]=$S3_ACCESS_KEY
    credentials[$1]=$2/credentials
    # A file, since a key may have a colon, which curl takes for the end of it.
    (umask 077 && printf 'machine 127.0.0.1 login %s password %s\n' "$S3_ACCESS_KEY" \
        "$S3_SECRET_KEY" >"$work/netrc-$1")
}
store east "$S3_PAIR/east"
store west "$S3_PAIR/west"

# s3 CODE STORE METHOD TARGET CURL_ARGUMENT...: a signed request, whose answer must have that
# status; 0: no complete answer.  Its body is in $work/body, its head in $work/head, curl's own
# exit code in $curl.  The target is encoded, its query sorted and with a "=" in each part.
# s3_limit is how many seconds it may take; s3_curl is the program with arguments that come first.
s3_curl=(curl)
s3_limit=60
s3() {
    local code=$1 store=$2 method=$3 target=$4 status
    shift 4
    local request=(-X "$method")
    [ "$method" != HEAD ] || request=(--head)
    curl=0
    : >"$work/body"
    : >"$work/head"
    status=$("${s3_curl[@]}" -sS --noproxy '*' --path-as-is --max-time "$s3_limit" \
        --netrc-file "$work/netrc-$store" --aws-sigv4 "aws:amz:${region[$store]}:s3" \
        -H "x-amz-content-sha256: ${s3_hash:-UNSIGNED-PAYLOAD}" "${request[@]}" "$@" \
        -o "$work/body" -D "$work/head" -w '%{http_code}' "${endpoint[$store]}$target" \
        2>"$work/stderr") || curl=$?
    if [ "$curl" -ne 0 ]; then status=0; fi
    [ "$status" -eq "$code" ] ||
        fail "$method $target at $store: status $status (curl $curl), not $code: $(head -c 500 "$work/body")"
}
# error_is CODE: what the server calls it.
error_is() {
    grep -qF "<Code>$1</Code>" "$work/body" || fail "the error is not $1: $(cat "$work/body")"
}
# s3_put STORE KEY FILE, s3_get STORE KEY; into $bucket, which make_bucket makes.
make_bucket() {
    s3 200 "$1" PUT "/$bucket" "${@:2}"
}
s3_put() {
    s3 200 "$1" PUT "/$bucket/$2" --data-binary @"$3" "${@:4}"
}
s3_get() {
    s3 200 "$1" GET "/$bucket/$2" "${@:3}"
}
# s3_keys STORE [PREFIX]: the first thousand keys, a line each, on standard output.
s3_keys() {
    s3 200 "$1" GET "/$bucket?list-type=2&prefix=$(jq -rn --arg text "${2:-}" '$text | @uri')"
    sed 's/<Key>/\n&/g' "$work/body" | sed -n 's/^<Key>\([^<]*\)<.*/\1/p'
}
# body_is FILE, head_has TEXT (in lower case)
body_is() {
    cmp -s "$1" "$work/body" || fail "the body is not $1"
}
head_has() {
    tr '[:upper:]' '[:lower:]' <"$work/head" | grep -qF -- "$1" || fail "the answer's head lacks: $1"
}

# --- Faults ---

proxies=()
end_proxies() {
    [ ${#proxies[@]} -eq 0 ] || kill "${proxies[@]}"
}
at_end+=(end_proxies)

# proxy NAME STORE: a store of that name, which is the other one behind a fault proxy.
proxy() {
    local name=$1 store=$2 i
    /usr/bin/python3 "$servers/faultproxy.py" 0 "${endpoint[$store]#http://}" \
        "$work/rules-$name" --log "$work/log-$name" --credentials "${credentials[$store]}" \
        >"$work/proxy-$name" 2>"$work/proxy-$name.err" </dev/null &
    proxies+=($!)
    for ((i = 0; i < 200; i++)); do
        if grep -q '^port ' "$work/proxy-$name"; then break; fi
        sleep 0.05
    done
    endpoint[$name]=http://127.0.0.1:$(sed -n 's/^port //p' "$work/proxy-$name")
    region[$name]=${region[$store]} access_key[$name]=${access_key[$store]}
    credentials[$name]=${credentials[$store]}
    cp "$work/netrc-$store" "$work/netrc-$name"
}
# faults NAME RULE...: from now on these (tests/servers/fault_rules.py), none without any.  Their
# counts begin anew.
faults() {
    local name=$1
    shift
    printf '%s\n' "$@" >"$work/rules-$name.new"
    mv "$work/rules-$name.new" "$work/rules-$name"
}
# requests NAME PATTERN: how many lines of that proxy's log fit; forget_requests NAME begins anew.
# A line is METHOD TARGET STATUS BYTES_UP BYTES_DOWN FAULT CONNECTION.
requests() {
    grep -cE -- "$2" "$work/log-$1" || true
}
forget_requests() {
    : >"$work/log-$1"
}

# --- tozai ---

# write_s3_config EAST WEST: a configuration in $work/conf with two stores in $bucket, of those
# names here, so that one can be a proxy; a key file and the source "wiki".
write_s3_config() {
    local name side
    cat >"$work/conf" <<CONF
[repository]
state = $work/state
key_file = $work/key

[source wiki]
type = directory
path = $work/src
CONF
    for side in east west; do
        name=$1
        shift
        cat >>"$work/conf" <<CONF

[store $side]
url = s3://$bucket/$side
location = $side
endpoint = ${endpoint[$name]}
region = ${region[$name]}
credentials_file = ${credentials[$name]}
path_style = yes
CONF
    done
}

# --- Bad days: what must hold whatever has happened. ---

# s3_repository EAST WEST: the tree of make_tree, a configuration as above, initialized.
s3_repository() {
    make_tree
    write_s3_config "$@"
    tz 0 init
}
# took_at_most SECONDS COMMAND...
took_at_most() {
    local most=$1 begin=$SECONDS
    shift
    "$@"
    [ $((SECONDS - begin)) -le "$most" ] || fail "it took $((SECONDS - begin)) s: $*"
}
# sums SIDE: the name and the SHA-256 of each object in that store.
sums() {
    local key keys
    keys=$(s3_keys "$1" "$1/")
    for key in $keys; do
        s3_get "$1" "$key"
        printf '%s %s\n' "${key#"$1"/}" "$(sha256sum <"$work/body")"
    done
}
# Both stores hold the same objects, with the same bytes.
same_stores() {
    sums east >"$work/sums-east"
    sums west >"$work/sums-west"
    [ -s "$work/sums-east" ] || fail 'the stores are empty'
    diff "$work/sums-east" "$work/sums-west" >"$work/stderr" || fail 'the stores differ'
}
# honest SIDE...: what that store claims to have is there: a machine that knows nothing else finds
# no damage in its generations.
honest() {
    local side
    for side in "$@"; do
        sed "s|^state = .*|state = $work/state-alone|; /^\[store /,/^\$/d" "$work/conf" \
            >"$work/conf-alone"
        printf '[policy]\nmin_copies = 1\n[store %s]\nurl = s3://%s/%s\nlocation = %s\n' \
            "$side" "$bucket" "$side" "$side" >>"$work/conf-alone"
        printf 'endpoint = %s\nregion = %s\ncredentials_file = %s\npath_style = yes\n' \
            "${endpoint[$side]}" "${region[$side]}" "${credentials[$side]}" >>"$work/conf-alone"
        rm -rf "$work/state-alone"
        run 0 -c "$work/conf-alone" verify --level content
    done
}

# --- What goes up in parts: a pack of more than 64 MiB. ---

# A pack is closed where it is nearest to its size, which is below or above it as the frames fall.
# These chunks, a file each, make frames that are always full, and 17 of them are nearest.
large_packs() {
    sed -i 's/^key_file.*/&\npack_size = 64M\nframe_size = 3924K/' "$work/conf"
    mkdir -p "$work/src/large"
    head -c 70000000 /dev/urandom | split -a 4 -b 16000 - "$work/src/large/"
}
# in_parts NAME: that proxy saw it.
in_parts() {
    [ "$(requests "$1" 'POST .*uploads=')" -gt 0 ]
}
