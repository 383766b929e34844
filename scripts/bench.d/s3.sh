# scripts/bench s3: two gateways on this machine, and tozai over them.
#
# For this the machine is client and servers at once, so wall times say more of the servers than of
# tozai; ratios of two runs against the same servers, and CPU seconds of tozai, are what counts.
# shellcheck shell=bash disable=SC2154 # the variables of scripts/bench

s3_size=${TOZAI_BENCH_S3_MIB:-1024} # MiB that cannot be compressed, in files of 32 MiB
s3_proxies=()

s3_down() {
    [ ${#s3_proxies[@]} -eq 0 ] || kill "${s3_proxies[@]}" 2>/dev/null || true
    local side
    for side in east west; do
        "$here/tests/servers/rgw" down "$top/s3/$side" >/dev/null 2>&1 || true
    done
}

# On a disk file, since a gateway in memory would take what it stores from the measurement's room.
s3_up() {
    local side port=28000
    rm -rf "$top/s3"
    mkdir -p "$top/s3"
    for side in east west; do
        "$here/tests/servers/rgw" up "$side" "bench-$side" "$port" "$top/s3/$side" --disk 40G \
            >>"$log" 2>&1 || die "no gateway could be started (scripts/setup --s3); see $log"
        port=$((port + 100))
    done
}

s3_setting() {
    sed -n "s/^$2=//p" "$top/s3/$1/env"
}

# s3_proxy SIDE: in front of it; its rules are in $work/rules-SIDE, its log in $work/requests-SIDE.
s3_proxy() {
    local side=$1 i
    : >"$work/rules-$side"
    : >"$work/requests-$side"
    /usr/bin/python3 "$here/tests/servers/faultproxy.py" 0 \
        "$(s3_setting "$side" S3_ENDPOINT | sed 's|^http://||')" "$work/rules-$side" \
        --log "$work/requests-$side" >"$work/proxy-$side" 2>>"$log" </dev/null &
    s3_proxies+=($!)
    for ((i = 0; i < 100; i++)); do
        ! grep -qs '^port ' "$work/proxy-$side" || break
        sleep 0.1
    done
    printf 'http://127.0.0.1:%s\n' "$(sed -n 's/^port //p' "$work/proxy-$side")" \
        >"$work/endpoint-$side"
}
s3_rules() {
    local side
    for side in east west; do
        printf '%s\n' "$@" >"$work/rules.new"
        mv "$work/rules.new" "$work/rules-$side"
    done
}

# s3_config NAME PROXIED SIDE...: a fresh repository of these stores, in buckets of its own.
s3_config() {
    local name=$1 proxied=$2 side endpoint
    shift 2
    mkdir -p "$work/$name"
    {
        printf '[repository]\nstate = %s\nkey_file = %s\n' "$work/$name/state" "$work/$name/key"
        for side in "$@"; do
            endpoint=$(s3_setting "$side" S3_ENDPOINT)
            [ "$proxied" = no ] || endpoint=$(cat "$work/endpoint-$side")
            printf '[store %s]\nurl = s3://bench-%s/tozai\nlocation = %s\n' "$side" "$name-$side" "$side"
            printf 'endpoint = %s\nregion = %s\ncredentials_file = %s\n' "$endpoint" \
                "$(s3_setting "$side" S3_REGION)" "$top/s3/$side/credentials"
        done
        [ $# -gt 1 ] || printf '[policy]\nmin_copies = 1\n'
        printf '[source data]\ntype = directory\npath = %s\n' "$work/source"
    } >"$work/$name/conf"
    "$tozai" -c "$work/$name/conf" init >>"$log" 2>&1 || die "init of $name failed; see $log"
}

# s3_run TITLE NAME COMMAND...: the figures are in $cpu, $wall and $peak (MiB) afterwards.
s3_run() {
    local title=$1 name=$2
    shift 2
    sync
    "$top/bin/measure" "$work/row" "$tozai" -c "$work/$name/conf" --no-progress "$@" \
        >>"$log" 2>&1 </dev/null || die "'$*' failed; see $log"
    read -r wall cpu peak < <(awk -F '\t' '{ print $2, $3 + $4, $5 / 1024 }' "$work/row")
    printf '%-44s %8.2f %8.2f %8.0f\n' "$title" "$cpu" "$wall" "$peak"
}
s3_restore() {
    local title=$1 name=$2
    shift 2
    rm -rf "$target"
    s3_run "$title" "$name" restore data --target "$target" "$@"
}

# s3_narrow NAME: the same repository as NAME-narrow, over lines of 64 MiB a second from each store.
s3_narrow() {
    mkdir -p "$work/$1-narrow"
    sed '/^location/a download_limit = 64M' "$work/$1/conf" >"$work/$1-narrow/conf"
}

s3_requests() {
    wc -l <"$work/requests-$1"
}
s3_received() {
    awk '{ sum += $5 } END { printf "%.0f\n", sum }' "$work/requests-$1"
}

# Every request that the proxies saw since their logs were emptied was held up.
s3_delayed() {
    local side
    for side in east west; do
        [ -s "$work/requests-$side" ] || die "no request went through the proxy of $side"
        ! awk '$6 != "delay"' "$work/requests-$side" | grep -q . ||
            die "a request through the proxy of $side was not held up"
    done
}

# s3_judge WHAT VALUE LIMIT: at most.
s3_judge() {
    awk -v what="$1" -v value="$2" -v limit="$3" 'BEGIN {
        printf "%-60s %8.2f  (at most %g)%s\n", what, value, limit, (value > limit ? "  MISS" : "") }' \
        >>"$work/verdicts"
}
ratio() {
    awk -v a="$1" -v b="$2" 'BEGIN { printf "%.4f\n", (b > 0 ? a / b : 0) }'
}

# s3_curls TURN: what plain curls do with the same objects: one after the other for each store, both
# at once.
s3_curls() {
    local side begin pids=()
    begin=$(date +%s%N)
    for side in east west; do
        (
            for file in "$work"/objects/*; do
                curl -sS -f --aws-sigv4 "aws:amz:$(s3_setting "$side" S3_REGION):s3" \
                    --user "$(s3_setting "$side" S3_ACCESS_KEY):$(s3_setting "$side" S3_SECRET_KEY)" \
                    -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' -T "$file" \
                    "$(s3_setting "$side" S3_ENDPOINT)/bench-two-$1-$side/plain/${file##*/}"
            done
        ) >>"$log" 2>&1 &
        pids+=($!)
    done
    wait "${pids[@]}" || die "curl failed; see $log"
    awk -v ns=$(($(date +%s%N) - begin)) 'BEGIN { print ns / 1e9 }'
}

# s3_note NAME: wall, cpu and peak of the last run belong to it.  s3_median and s3_most NAME FIGURE.
declare -A s3_notes=()
s3_note() {
    local figure
    for figure in wall cpu peak; do
        s3_notes[$1.$figure]+="${!figure} "
    done
}
s3_sorted() {
    tr ' ' '\n' <<<"${s3_notes[$1.$2]}" | grep . | sort -g
}
s3_median() {
    s3_sorted "$1" "$2" | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'
}
s3_most() {
    s3_sorted "$1" "$2" | tail -1
}
# s3_compare WHAT NAME OTHER FIGURE LIMIT: the median of the one by that of the other.
s3_compare() {
    s3_judge "$1" "$(ratio "$(s3_median "$2" "$4")" "$(s3_median "$3" "$4")")" "$5"
}

run_s3() {
    local side i
    # shellcheck disable=SC2034 # scripts/bench describes them
    peers=() corpora=()
    build
    start_results
    # shellcheck disable=SC2064 # as they are now
    trap "s3_down; rm -rf '$target' '$work' '$top/s3'" EXIT
    mkdir -p "$work/source" "$work/objects"
    s3_up
    s3_proxy east
    s3_proxy west
    for ((i = 0; i < s3_size / 32; i++)); do
        head -c 33554432 /dev/urandom >"$work/source/file-$i"
    done
    cat "$work"/source/* | split -b 16M - "$work/objects/"
    printf '%-44s %8s %8s %8s\n' "$s3_size MiB, incompressible" 'CPU s' 'wall s' 'peak MiB'

    # What is compared runs in turn, three times; medians are compared, since times vary by a third.
    for i in 1 2 3; do
        s3_config "one-$i" no east
        s3_run 'backup to one store' "one-$i" backup
        s3_note one
        s3_config "two-$i" no east west
        s3_run 'backup to two stores' "two-$i" backup
        s3_note two
        wall=$(s3_curls "$i")
        printf '%-44s %8s %8.2f\n' 'plain curl to both' '' "$wall"
        s3_note curl
    done
    s3_compare 'two stores by one, CPU' two one cpu 1.15
    s3_judge 'peak memory of a backup, MiB' "$(s3_most two peak)" 200
    s3_compare 'wall of the backup by that of curl (80 % of the rate)' two curl wall 1.25

    s3_narrow one-1
    s3_narrow two-1
    for i in 1 2 3; do
        s3_restore 'restore from one' one-1
        s3_note restore-one
        s3_restore 'restore from both' two-1
        s3_note restore-two
    done
    s3_restore 'restore from one, 64 MiB/s' one-1-narrow
    s3_note narrow-one
    s3_restore 'restore from both, 64 MiB/s each' two-1-narrow
    s3_note narrow-two
    s3_compare 'restore from both by from one, wall' restore-two restore-one wall 1
    s3_judge 'peak memory of a restore, MiB' "$(s3_most restore-two peak)" 200
    s3_compare 'the same over lines of 64 MiB/s' narrow-two narrow-one wall 1
    s3_run 'content verification of both' two-1 verify --level content
    s3_judge 'peak memory of a verification, MiB' "$peak" 200

    # The same way with and without the latency.
    for i in 1 2 3; do
        s3_rules
        s3_config "near-$i" yes east west
        s3_config "far-$i" yes east west
        s3_run 'backup through a proxy' "near-$i" backup
        s3_note near
        s3_restore 'restore through a proxy' "near-$i"
        s3_note near-restore
        s3_rules '* .* delay 0.2'
        for side in east west; do : >"$work/requests-$side"; done
        s3_run 'backup, 200 ms for each request' "far-$i" backup
        s3_note far
        s3_restore 'restore, 200 ms for each request' "far-$i"
        s3_note far-restore
        s3_delayed
    done
    s3_compare 'backup with 200 ms by without, wall' far near wall 1.2
    s3_judge 'peak memory of it, MiB' "$(s3_most far peak)" 200
    s3_compare 'restore with 200 ms by without, wall' far-restore near-restore wall 1.2
    s3_judge 'peak memory of it, MiB' "$(s3_most far-restore peak)" 200
    s3_run 'export, 200 ms for each request' far-1 export --output "$target.tar" data
    rm -f "$target.tar"
    s3_rules

    for side in east west; do : >"$work/requests-$side"; done
    s3_run 'backup, nothing changed' near-1 backup
    for side in east west; do
        s3_judge "requests for it to $side" "$(s3_requests "$side")" 9
        : >"$work/requests-$side"
    done
    head -c 1048576 "$work/source/file-0" >"$work/source/small"
    s3_run 'backup, one file of 1 MiB more' near-1 backup
    for side in east west; do : >"$work/requests-$side"; done
    s3_restore 'restore of one file of 1 MiB' near-1 small
    s3_judge 'MiB fetched for it' \
        "$(ratio "$(($(s3_received east) + $(s3_received west)))" 1048576)" 8
    printf '\n'
    cat "$work/verdicts"
}
