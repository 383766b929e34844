#!/bin/bash
# init: the repository, the configuration that it writes, and what it refuses.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"
cd "$work"

# A configuration is written, and used.
run 0 -c new.conf init --store "file://$work/a" --store "file://$work/b" --location tokyo \
    --location osaka --state state --key-file key
stdout_has "made repository "
stdout_has "store east: file://$work/a in tokyo"
stdout_has "new.conf"
stdout_has "tozai key paper"
[ "$(stat -c %a new.conf)" = 600 ] || fail "mode of the configuration"
[ "$(stat -c %a key)" = 600 ] || fail "mode of the key file"
# Paths of the command line are made absolute.
grep -qx "key_file = $work/key" new.conf || fail "key_file in the configuration"
grep -qx "state = $work/state" new.conf || fail "state in the configuration"
cmp a/tozai b/tozai || fail "descriptors differ"
[ "$(ls a/keys)" = "$(ls b/keys)" ] || fail "slots differ"
run 0 -c new.conf list

# It is never done twice.
run 1 -c new.conf init
stderr_has "holds a repository already"
run 2 -c new.conf init --store "file://$work/c" --store "file://$work/d"
stderr_has "'new.conf' exists already"
[ ! -e c ] || fail "a store was made"

# Wrong usage makes nothing.
run 2 -c other.conf init
stderr_has "there is no configuration 'other.conf'"
run 2 -c other.conf init --store "file://$work/c" --store "file://$work/d" --location tokyo
stderr_has "2 stores, but 1 locations"
run 2 -c other.conf init --store "file://$work/c" --store "file://$work/d" --location tokyo \
    --location tokyo --state s --key-file k
stderr_has "both in the location 'tokyo'"
run 2 -c other.conf init --store "file://$work/c" --state s --key-file k
stderr_has "needs two stores"
run 2 -c other.conf init --store "file://$work/c" --store "file://$work/d" --key-file k \
    --passphrase-file p
stderr_has "exclude each other"
for made in other.conf c d; do
    [ ! -e $made ] || fail "$made was made"
done

# If it fails, the configuration that it wrote goes again.
mkdir full && echo x >full/x
run 1 -c other.conf init --store "file://$work/full" --store "file://$work/d" --state s \
    --key-file k
stderr_has "is not empty"
[ ! -e other.conf ] || fail "the configuration stayed"
[ "$(ls full)" = x ] || fail "the other one's directory was changed"

# With a passphrase file, as JSON; one that others may read is refused.
echo "correct horse" >pass
chmod 644 pass
run 2 -c third.conf init --store "file://$work/e" --store "file://$work/f" --state s3 \
    --passphrase-file pass
stderr_has "open to other users"
[ ! -e third.conf ] || fail "the configuration stayed"
chmod 600 pass
run 0 --json -c third.conf init --store "file://$work/e" --store "file://$work/f" --state s3 \
    --passphrase-file pass
json '(.repository | test("^[0-9a-f]{32}$")) and (.stores | map(.name) == ["east", "west"])'
json '.stores[0].location == null and .config == "third.conf"'
grep -qx "passphrase_file = $work/pass" third.conf || fail "passphrase_file in the configuration"
run 0 -c third.conf list
echo "wrong horse" >pass
run 1 -c third.conf list
stderr_has "wrong passphrase"

# An existing configuration is used; a catalog of another repository is put aside.
write_config
cp -r state/. state2
sed -i "s|^state = .*|state = $work/state2|" conf
tz 0 init
stderr_has "held the catalog of another repository"
[ -n "$(find state2 -name 'catalog.db.bad-*')" ] || fail "the old catalog is not there"
tz 0 list
stdout_has "wiki (directory): no generation yet"

# A secret that only the command line names would be forgotten.
rm -rf east west state2
sed -i '/^key_file/d' conf
tz 0 init --key-file "$work/key2"
stderr_has "put 'key_file = $work/key2' into [repository]"

# One place under two names.
rm -rf east west state2
mkdir east
ln -s "$work/east" "$work/west"
tz 2 init --key-file "$work/key2"
stderr_has "stores 'east' and 'west' are one place under two names"
[ -z "$(find east -type f)" ] || fail "something was left: $(find east -type f)"
printf '\n[policy]\nallow_same_location = yes\n' >>conf
tz 2 init --key-file "$work/key2"
stderr_has "one place under two names"
