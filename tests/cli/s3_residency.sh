#!/bin/bash
# Stores are where the policy wants them, by what the buckets say themselves, or get nothing.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

# configure EAST WEST SED_EXPRESSION...: write_s3_config, and more.
configure() {
    write_s3_config "$1" "$2"
    shift 2
    local expression
    for expression in "$@"; do sed -i "$expression" "$work/conf"; done
}
allow() {
    printf '\n[policy]\nallowed_regions = %s\n' "$1" >>"$work/conf"
}
empty_store() {
    [ -z "$(s3_keys "$1" "$1/")" ] || fail "$1 got something: $(s3_keys "$1" "$1/")"
}
finds() {
    jq -e --arg state "$1" --arg name "$2" --arg text "$3" \
        '.checks | any(.state == $state and .name == $name and ((.detail + .advice) | contains($text)))' \
        "$work/stdout" >/dev/null || fail "no $1 of $2: $3"
}

make_tree
proxy near east
proxy far west
faults near
faults far
for side in east west; do make_bucket "$side"; done
home=${region[east]} abroad=${region[west]}

# The configuration says that the bucket is at home, but it is abroad.
region[far]=$home
configure near far
allow "$home"
tz 2 init
stderr_has "store 'west' is in the region '$abroad', which is not among allowed_regions"
empty_store east
empty_store west
region[far]=$abroad

# Not even the configuration does.
configure near far
allow "$home"
tz 2 init
stderr_has "the region '$abroad' is not among allowed_regions"

# Both may be.
configure near far
allow "$home, $abroad"
tz 0 init
back_up
tz 0 doctor --json
finds ok 'store west: region' "$abroad"

# The policy changes: the run goes on without the store that may not be used, and writes nothing
# there.  What is there can be read.
region[far]=$home
configure near far
allow "$home"
forget_requests far
echo more >"$work/src/more"
tz 3 backup
stderr_has "store 'west' is left out: store 'west' is in the region '$abroad'"
! grep -E '^(PUT|POST)' "$work/log-far" | grep -v '/west/tozai ' | grep . ||
    fail 'a store outside of the policy got something'
faults near '* . reset-connect'
tz 0 restore "wiki@$id" --target "$work/out" --verify
faults near
tz 3 sync
stderr_has "store 'west' is left out"
# Nor without a key.
sed '/^key_file/d' "$work/conf" >"$work/conf-keyless"
forget_requests far
run 3 -c "$work/conf-keyless" sync
stderr_has "store 'west' is left out"
! grep -E '^(PUT|POST)' "$work/log-far" || fail 'a store outside of the policy got something'
tz 1 doctor --json
finds fail 'store west: region' "'$abroad', which is not among"
# Without a policy it is only odd.
configure near far
tz 3 doctor --json
finds warn 'store west: region' "the bucket is in '$abroad', the configuration says '$home'"
region[far]=$abroad

# The server does not say: the configuration counts.
faults far 'GET .location= status 403 AccessDenied'
configure near far
allow "$home, $abroad"
tz 3 doctor --json
finds warn 'store west: region' "the configuration says '$abroad'"
finds warn 'store west: region' s3:GetBucketLocation
tz 0 backup
configure near far "/^url = .*west$/,\$ { /^region/d }"
allow "$home, $abroad"
tz 3 backup
stderr_has "nobody says in which region store 'west' is"
faults far

# A store that was lost is filled only where it may be.
for key in $(s3_keys west west/); do s3 204 west DELETE "/$bucket/$key"; done
region[far]=$home
configure near far
allow "$home"
tz 3 sync
stderr_has "store 'west' is in the region '$abroad'"
empty_store west
region[far]=$abroad
configure near far
tz 0 sync

# One bucket of a server that has two names.
write_s3_config east near
sed -i "s|^state = .*|state = $work/state-alias|; s|^url = .*|url = s3://$bucket/alias|" "$work/conf"
tz 2 init
stderr_has "stores 'east' and 'west' are one place under two names"
[ -z "$(s3_keys east alias/)" ] || fail "something was left: $(s3_keys east alias/)"
# The second name comes later.
cp "$work/conf" "$work/conf.alias"
awk '/^\[/ { skip = ($0 == "[store west]") } !skip' "$work/conf.alias" >"$work/conf"
printf '\n[policy]\nmin_copies = 1\n' >>"$work/conf"
tz 0 init
tz 0 backup
cp "$work/conf.alias" "$work/conf"
tz 2 store add west
stderr_has "stores 'east' and 'west' are one place under two names"
[ -z "$(s3_keys east alias/probe)" ] || fail "something was left: $(s3_keys east alias/probe)"
# Nobody says so: what was written once is not counted twice, in this run or in a later one, even if
# somebody has looked before.
sed -i 's/min_copies = 1/min_copies = 2/' "$work/conf"
tz 0 list
for _ in 1 2; do
    date >>"$work/src/new"
    tz 3 backup
    stderr_has "stores 'east' and 'west' are one place under two names"
    tz 0 list --json
    json '.sources[0].generations[0].state == "degraded"'
done
[ -z "$(s3_keys east alias/probe)" ] || fail "something was left: $(s3_keys east alias/probe)"
# A place of its own.
sed -i "/^\[store west\]/,\$ s|^url = .*|url = s3://$bucket/alone|" "$work/conf"
tz 0 store add west
tz 0 backup
[ ! -s "$work/stderr" ] || fail "it is complained of: $(cat "$work/stderr")"
tz 0 list --json
json '.sources[0].generations | all(.state == "complete")'
rm "$work/src/new"

# Two stores in one bucket.
configure east east 's/^location = west/location = osaka/'
tz 2 list
stderr_has "[store east] and [store west] are both in the bucket '$bucket'"
printf '\n[policy]\nallow_same_location = yes\n' >>"$work/conf"
sed -i "s|^state = .*|state = $work/state-both|" "$work/conf"
run 1 -c "$work/conf" init
stderr_has 'holds a repository already'
sed -i "s|^url = .*/west|&/../east/x|; s|/west/../east/x|/east/x|" "$work/conf"
tz 2 list
stderr_has 'one lies inside the other'

# Swift refuses a wrong region, and says which is right.
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
make_bucket south
region[south]=us-west-1
configure east south "s|/east$|/new|; s|^state = .*|state = $work/state-new|"
tz 2 init
stderr_has "the bucket is in the region 'ap-northeast-2': set 'region = ap-northeast-2'"
# Without a region it goes by what the server says.
sed -i '/^region = us-west-1$/d' "$work/conf"
tz 0 init
tz 0 backup
tz 0 doctor --json
finds ok 'store west: region' ap-northeast-2
