#!/bin/bash
# Object Lock: all that a run puts is locked, the next run extends the locks of what it rests on, what
# is locked cannot be deleted, what somebody hides is noticed and comes back, stores that do not keep
# locks are refused, a generation is held and released.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

# write_lock_config EAST WEST MODE: the latter's objects are locked.
write_lock_config() {
    write_s3_config "$1" "$2"
    echo "object_lock = $3" >>"$work/conf"
}
# lock_of STORE KEY: the object's head, which tells of its lock.
lock_of() {
    s3 200 "$1" HEAD "/$bucket/$2"
}
# end_of KEY: until when the object in west is locked.
end_of() {
    lock_of west "$1"
    date -d "$(tr -d '\r' <"$work/head" | sed -n 's/^x-amz-object-lock-retain-until-date: //Ip')" +%s
}
# versions STORE PREFIX: lines KEY VERSION_ID, without marks.
versions() {
    s3 200 "$1" GET "/$bucket?prefix=$(jq -rn --arg text "$2" '$text | @uri')&versions="
    (sed 's/<Version>/\n&/g; s/<DeleteMarker>/\n&/g' "$work/body" && echo) |
        sed -n 's/^<Version>.*<Key>\([^<]*\)<.*<VersionId>\([^<]*\)<.*/\1 \2/p'
}

make_tree
proxy far west
faults far
write_lock_config east far compliance
large_packs

# --- Everything is locked. ---
tz 0 init
back_up
in_parts far || fail 'nothing went up in parts'
tz 0 list --json
json '.sources[0].generations[0] | .state == "complete" and .held == false'
locked_until=$(date -d "$(value '.sources[0].generations[0].locked_until')" +%s)
weeks=$(((locked_until - $(date +%s)) / 604800))
[ "$weeks" -eq 4 ] || fail "locked for $weeks weeks instead of 4"
# What proved that locks hold is in no listing.
s3_keys west west/ >"$work/keys"
[ "$(grep -c '^west/packs/' "$work/keys")" -ge 2 ] || fail 'too few packs for the test'
while read -r key; do
    [ "$(end_of "$key")" -ge "$locked_until" ] || fail "'$key' is not locked until $locked_until"
    head_has 'x-amz-object-lock-mode: compliance'
done <"$work/keys"
! grep -v '^west/\(packs/\|index/\|keys/\|generations/\|tozai$\)' "$work/keys" || fail 'an odd object'

# Nobody can delete it; its versions are all there.
pack=$(grep -m1 '^west/packs/' "$work/keys")
read -r _ version < <(versions west "$pack")
s3 403 west DELETE "/$bucket/$pack?versionId=$version"
s3 403 west DELETE "/$bucket/$pack?versionId=$version" -H 'x-amz-bypass-governance-retention: true'
tz 0 verify
stdout_before=$(cat "$work/stdout")
[ -n "$stdout_before" ] || fail 'verify says nothing'

# --- Nothing new: nothing is extended, few requests. ---
forget_requests far
tz 0 backup
[ "$(requests far 'retention')" -eq 0 ] || fail 'locks were extended too early'
[ "$(requests far .)" -le 25 ] || fail "$(requests far .) requests for nothing: $(cat "$work/log-far")"

# --- A longer retention: the next run extends what it rests on, once. ---
printf '[retention]\nweekly = 8\n' >>"$work/conf"
before=$(end_of "$pack")
forget_requests far
tz 0 backup
after=$(end_of "$pack")
[ $((after - before)) -ge $((27 * 86400)) ] || fail "the lock grew by $((after - before)) s only"
[ "$(requests far "PUT .*${pack#west/}.retention")" -eq 1 ] || fail 'extended more than once'
forget_requests far
tz 0 backup
[ "$(requests far 'retention')" -eq 0 ] || fail 'locks were extended again'
tz 0 list --json
json '.sources[0].generations[0].locked_until > .sources[0].generations[-1].locked_until'

# A machine that knows nothing asks before it extends; a probe writes the
# descriptor anew.
rm -rf "$work/state"
forget_requests far
tz 0 backup
[ "$(requests far 'west/[gikp].*retention')" -eq 0 ] ||
    fail 'locks were extended that were long enough'
[ "$(end_of "$pack")" -eq "$after" ] || fail 'the end of the lock changed'

# --- Extending fails: the generation does not count as stored there. ---
sed -i 's/^weekly.*/weekly = 12/' "$work/conf"
faults far 'PUT retention status 403 AccessDenied'
tz 3 backup --json
json '.generations[0].state == "degraded" and .generations[0].stores == {east: "present", west: "missing"}'
stderr_has "store 'west' is left out: extend the lock"
faults far
tz 0 backup --json
json '.generations[0].state == "complete"'
[ "$(end_of "$pack")" -gt "$after" ] || fail 'the lock was not extended'

# --- Hold and release. ---
id=$(value '.generations[0].id')
tz 0 hold "wiki@$id" --json
json ".held and .id == \"$id\" and .stores == {east: \"cannot\", west: \"held\"}"
lock_of west "$pack"
head_has 'x-amz-object-lock-legal-hold: on'
tz 0 list
stdout_has 'held'
tz 0 list --json
json "[.sources[0].generations[] | select(.held).id] == [\"$id\"]"
tz 0 hold "wiki@$id" --release
stdout_has 'released wiki'
lock_of west "$pack"
! grep -qi 'legal-hold: on' "$work/head" || fail 'still held'
tz 0 list --json
json '[.sources[0].generations[] | select(.held)] == []'

# --- Somebody hides things in both stores: a pack, a head, the descriptor. ---
head=$(s3_keys west west/generations/ | grep -v seal | tail -1)
for key in "$pack" "$head" west/tozai; do
    s3 204 west DELETE "/$bucket/$key"
    s3 204 east DELETE "/$bucket/east/${key#west/}"
done
index=$(s3_keys west west/index/ | head -1)
echo evil >"$work/evil"
s3_put west "$index" "$work/evil"
s3_put east "east/${index#west/}" "$work/evil"
tz 1 doctor
stdout_has 'locked objects were removed'
tz 4 verify --json
json ".stores.west.missing | index(\"${pack#west/}\")"
tz 0 verify --heal --level ciphertext
stderr_has 'somebody has removed or changed its descriptor'
tz 0 verify --level content
rm -rf "$work/out"
tz 0 restore "wiki@$id" --target "$work/out" --verify
same_tree "$work/src" "$work/out"
tz 0 doctor

echo more >"$work/src/more"
tz 0 backup
