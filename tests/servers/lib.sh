# What the scripts that run real servers share.  A server lives in one folder:
#
#   run/NAME.pid   the processes, in the order in which they were started
#   log/           what they printed
#   env            S3_ENDPOINT and so on, to be sourced
#   credentials    the keys again, in the format of AWS
#
# A process counts as ours only if its command line names the folder, so a pid that somebody else
# has got meanwhile is never touched.
# $folder is set by who sources this.
# shellcheck shell=bash disable=SC2154
set -euo pipefail
export LC_ALL=C.UTF-8
program=${0##*/}

die() {
    echo "$program: $*" >&2
    exit 1
}

# Whatever is not installed ends the script with 77, "skipped" for ctest.
need() {
    local name missing=()
    for name in "$@"; do
        command -v "$name" >/dev/null || missing+=("$name")
    done
    [ ${#missing[@]} -eq 0 ] && return
    echo "$program: not installed: ${missing[*]} (scripts/setup --s3)" >&2
    exit 77
}

# --- processes ---

# The pid in $folder/run/$1.pid if that process runs and is ours.
pid_of() {
    local pid
    pid=$(cat "$folder/run/$1.pid" 2>/dev/null) || return 1
    tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$folder/" || return 1
    echo "$pid"
}
runs() {
    pid_of "$1" >/dev/null
}

# spawn NAME COMMAND...: in a session of its own, which holds nothing of ours open.  The process
# notes its pid itself: there is no moment in which it runs and nobody knows.
spawn() {
    local name=$1
    shift
    setsid bash -c 'echo $$ >"$1"; shift; exec "$@"' "$folder/" "$folder/run/$name.pid" "$@" \
        >>"$folder/log/$name.log" 2>&1 </dev/null &
    disown
    wait_until 5 "$name to start" test -s "$folder/run/$name.pid"
}

# wait_until SECONDS WHAT COMMAND...: until it succeeds.
wait_until() {
    local limit=$1 what=$2 end
    shift 2
    end=$((SECONDS + limit))
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || die "waited $limit s for $what"
        sleep 0.05
    done
}

# signal SIGNAL NAME...: nothing happens to what does not run.
signal() {
    local signal=$1 name pid
    shift
    for name in "$@"; do
        if pid=$(pid_of "$name"); then kill -s "$signal" "$pid" 2>/dev/null || true; fi
    done
}

# gone NAME: it has ended; a zombie that nobody waits for has no command line and counts, too.
gone() {
    ! runs "$1"
}

# end SIGNAL SECONDS NAME...: those processes end, in this order; who does not in that time is killed.
end() {
    local signal=$1 limit=$2 name pid
    shift 2
    for name in "$@"; do
        signal "$signal" "$name"
        (wait_until "$limit" "$name to end" gone "$name") 2>/dev/null || signal KILL "$name"
        wait_until 10 "$name to end" gone "$name"
        rm -f "$folder/run/$name.pid"
    done
}

# --- ports ---

port_taken() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# ports_free FIRST COUNT
ports_free() {
    local port
    for ((port = $1; port < $1 + $2; port++)); do
        if port_taken "$port"; then return 1; fi
    done
}

# free_ports COUNT TEXT: the first of so many, somewhere that depends on the text.
free_ports() {
    local block=$(($(cksum <<<"$2" | cut -d ' ' -f 1) % 120)) i port
    for ((i = 0; i < 120; i++)); do
        port=$((18000 + (block + i) % 120 * 100))
        if ports_free "$port" "$1"; then
            echo "$port"
            return
        fi
    done
    die "no $1 ports are free"
}

# --- setting up ---

number() {
    [[ $1 =~ ^[0-9]+$ ]] || die "not a number: '$1'"
    echo "$1"
}

# check_ports FIRST COUNT: so many ports from there can be had, below those that the kernel gives away.
check_ports() {
    if [ "$(number "$1")" -lt 1024 ] || [ $(($1 + $2)) -gt 32768 ]; then
        die "no port for a server: $1"
    fi
    ports_free "$1" "$2" || die "something listens on a port of $1 to $(($1 + $2 - 1)) already"
}

# While a server is being set up: after any failure nothing runs and the folder is gone, and what
# the logs said last has been shown.
begin_setup() {
    [ ! -e "$folder" ] || [ -z "$(ls -A "$folder")" ] || die "'$folder' is not empty"
    trap 'undo_setup' EXIT
    trap 'exit 130' INT TERM HUP
    mkdir -p "$folder/run" "$folder/log"
    chmod 700 "$folder"
}
undo_setup() {
    local file
    trap - EXIT
    set +e
    jobs -p | xargs -r kill 2>/dev/null
    for file in "$folder"/log/*; do
        [ -s "$file" ] || continue
        echo "--- ${file##*/}" >&2
        tail -n 15 "$file" >&2
    done
    for file in "$folder"/run/*.pid; do
        [ -e "$file" ] && end KILL 10 "$(basename "$file" .pid)"
    done
    rm -rf "$folder"
    exit 1
}
end_setup() {
    trap - EXIT INT TERM HUP
}

# write_keys ACCESS SECRET LINE...: env, with those lines more, and credentials.
write_keys() {
    local access=$1 secret=$2
    shift 2
    (
        umask 077
        printf '%s\n' "$@" "S3_ACCESS_KEY=$access" "S3_SECRET_KEY=$secret" >"$folder/env"
        write_profile default "$access" "$secret" >"$folder/credentials"
    )
}
write_profile() {
    printf '[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$@"
}

# make_certificate: an authority ca.pem, and tls.pem with key and certificate for this machine.
make_certificate() {
    local curve=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30)
    need openssl
    (
        umask 077
        cd "$folder"
        openssl req -x509 "${curve[@]}" -subj '/CN=tozai test authority' -keyout ca.key -out ca.pem
        openssl req -x509 "${curve[@]}" -subj '/CN=localhost' -CA ca.pem -CAkey ca.key \
            -addext 'subjectAltName=IP:127.0.0.1,DNS:localhost' \
            -addext 'basicConstraints=critical,CA:FALSE' -keyout tls.key -out tls.crt
        cat tls.key tls.crt >tls.pem
        rm ca.key tls.key tls.crt
    ) >"$folder/log/certificate.log" 2>&1
}

# answers URL: some HTTP answer comes.
answers() {
    curl -s -o /dev/null --noproxy '*' --max-time 5 "$1"
}
