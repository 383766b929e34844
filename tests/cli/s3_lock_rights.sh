#!/bin/bash
# The credentials of a host that is backed up: with the bucket policy of docs/security.md it backs up
# and keeps locks, and can neither delete nor shorten anything.  Governance mode.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

writer=writer$$
# Both stores are in one gateway: what is looked at is what rights do.
"$servers/rgw" user "$S3_PAIR/west" "$writer" "${writer}access" "${writer}secret"
(umask 077 && printf '[default]\naws_access_key_id = %saccess\naws_secret_access_key = %ssecret\n' \
    "$writer" "$writer" >"$work/writer.credentials" &&
    printf 'machine 127.0.0.1 login %saccess password %ssecret\n' "$writer" "$writer" \
        >"$work/netrc-writer")
endpoint[writer]=${endpoint[west]} region[writer]=${region[west]}
credentials[writer]=$work/writer.credentials

make_tree
write_s3_config west west
sed -i 's/^location = .*/&\nobject_lock = governance/' "$work/conf"
printf '[policy]\nallow_same_location = yes\n' >>"$work/conf"
tz 0 init
tz 0 doctor
[ "$(grep -c 'a locked object was written and could not be deleted' "$work/stdout")" -eq 2 ] ||
    fail 'the locks were not tried'

# The policy that the guide shows.
sed -n '/^<!-- policy of a writer: Ceph -->$/,/^```$/{/^{/,/^}/p}' \
    "$TOZAI_SOURCE_DIR/docs/security.md" |
    sed "s|BUCKET|$bucket|g; s|WRITER|$writer|g; s|OPERATOR|west|g; s|PREFIX/||g" >"$work/policy"
jq -e . "$work/policy" >/dev/null || fail 'no policy in the guide'
s3 204 west PUT "/$bucket?policy=" --data-binary @"$work/policy"

# The writer backs up, from a machine of its own.
sed "s|^credentials_file.*|credentials_file = $work/writer.credentials|
s|^state = .*|state = $work/state-writer|" "$work/conf" >"$work/conf-writer"
writes() {
    run "$1" -c "$work/conf-writer" "${@:2}"
}
writes 0 backup --json
json '.generations[0].state == "complete"'
id=$(value '.generations[0].id')
pack=$(s3_keys west east/packs/ | head -1)
s3 200 west HEAD "/$bucket/$pack"
head_has 'x-amz-object-lock-mode: governance'
before=$(tr -d '\r' <"$work/head" | sed -n 's/^x-amz-object-lock-retain-until-date: //Ip')
version=$(tr -d '\r' <"$work/head" | sed -n 's/^x-amz-version-id: //Ip')

# It extends locks, and shortens none.
printf '[retention]\nweekly = 9\n' >>"$work/conf-writer"
writes 0 backup --json
json '.generations[0].state == "complete"'
s3 200 west HEAD "/$bucket/$pack"
after=$(tr -d '\r' <"$work/head" | sed -n 's/^x-amz-object-lock-retain-until-date: //Ip')
[[ $after > $before ]] || fail "the lock ended $before and now ends $after"
echo "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>$before</RetainUntilDate></Retention>" \
    >"$work/shorter"
s3 403 writer PUT "/$bucket/$pack?retention=" --data-binary @"$work/shorter"
s3 403 writer PUT "/$bucket/$pack?retention=" --data-binary @"$work/shorter" \
    -H 'x-amz-bypass-governance-retention: true'

# It deletes nothing, whether locked or not.
s3 403 writer DELETE "/$bucket/$pack"
s3 403 writer DELETE "/$bucket/$pack?versionId=$version"
s3 403 writer DELETE "/$bucket/$pack?versionId=$version" \
    -H 'x-amz-bypass-governance-retention: true'
echo free >"$work/free"
s3_put west east/free "$work/free"
s3 403 writer DELETE "/$bucket/east/free"
s3 204 west DELETE "/$bucket/east/free"
# Nor does it change rights, or hold.
s3 403 writer PUT "/$bucket?policy=" --data-binary @"$work/policy"
writes 1 hold wiki
writes 0 list --json

# The doctor says so.
writes 0 doctor
stdout_has 'locks are set and shown, but these credentials may delete nothing'

# The operator may end a governance lock, if he has the right to.
s3 403 west DELETE "/$bucket/$pack?versionId=$version"
tz 0 verify --level content
rm -rf "$work/out"
tz 0 restore "wiki@$id" --target "$work/out" --verify
same_tree "$work/src" "$work/out"
