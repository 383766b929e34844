#!/bin/bash
# restore: what lands where, what is refused, and how it ends.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"
make_repository
back_up
first=$id
between=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
cp -a "$work/src" "$work/src.first"
echo "second edition" >"$work/src/index.txt"
rm "$work/src/docs/deep/note.txt"
back_up

# The newest, into a directory that is made.
tz 0 restore wiki --target "$work/out/new"
stdout_has "wiki ${id:0:12} of "
same_tree "$work/src" "$work/out/new"
# Again: it is right already, and nothing is touched.
numbers() { (cd "$1" && find . -type f -printf '%p %i %n %C@\n' | sort); }
numbers "$work/out/new" >"$work/numbers"
for when in always changed never; do
    tz 0 restore wiki --target "$work/out/new" --overwrite $when --json
    json '.written_bytes == 0 and .warnings == []'
    numbers "$work/out/new" | cut -d' ' -f1-3 | cmp - <(cut -d' ' -f1-3 "$work/numbers") ||
        fail "files were made anew"
done
tz 0 restore wiki --target "$work/out/new" --json --verify
json '.written_bytes == 0 and .verified == true'

# Points: an id, a prefix, a time, an age.
tz 0 restore "wiki@$first" --target "$work/out/first"
same_tree "$work/src.first" "$work/out/first"
tz 0 restore "wiki@${first:0:10}" --target "$work/out/prefix" --json
json ".id == \"$first\" and .source == \"wiki\" and .warnings == [] and .healed == 0"
json '.entries > 5 and .bytes > 300000 and .seconds >= 0 and .verified == false'
tz 0 restore "wiki@$between" --target "$work/out/time" --json
json ".id == \"$first\""
tz 1 restore wiki@-3d --target "$work/out/no"
stderr_has "no generation at or before '-3d'"
stderr_has "hint: the nearest one after it"
tz 2 restore wiki@tomorrowish --target "$work/out/no"
tz 2 restore wikki --target "$work/out/no"
stderr_has "did you mean 'wiki'?"
[ ! -e "$work/out/no" ] || fail "a target was made"

# Some paths only; the absolute path of a file is understood.
tz 0 restore "wiki@$first" docs/deep ./index.txt --target "$work/out/some"
[ "$(cd "$work/out/some" && find . -type f | sort | tr '\n' ' ')" = "./docs/deep/note.txt ./index.txt " ] ||
    fail "not those paths"
tz 0 restore "wiki@$first" "$work/src/docs/deep/" --target "$work/out/absolute"
[ -f "$work/out/absolute/docs/deep/note.txt" ] || fail "the absolute path"
tz 1 restore wiki docs/deep/note.txt --target "$work/out/none"
stderr_has "docs/deep/note.txt"
tz 2 restore wiki ../x --target "$work/out/none"
stderr_has "'..'"

# --overwrite.
echo "mine" >"$work/out/first/index.txt"
touch -r "$work/src.first/index.txt" "$work/out/first/index.txt"
tz 0 restore "wiki@$first" --target "$work/out/first" --overwrite never
grep -qx mine "$work/out/first/index.txt" || fail "never wrote"
tz 0 restore "wiki@$first" --target "$work/out/first"
same_tree "$work/src.first" "$work/out/first"
# What else is in the target stays.
echo x >"$work/out/first/other"
tz 0 restore "wiki@$first" --target "$work/out/first" --overwrite changed
[ -f "$work/out/first/other" ] || fail "another file was removed"

# A dry run writes nothing.
tz 0 restore wiki --target "$work/out/dry" --dry-run
stdout_has "would go to"
[ ! -e "$work/out/dry" ] || fail "a dry run wrote"

# Never into what the backups live on.
ln -s "$work/east" "$work/alias"
for target in "$work/east" "$work/west/sub/dir" "$work/state/x" "$work/alias/new"; do
    tz 2 restore wiki --target "$target"
    stderr_has "lies inside"
done
tz 2 restore wiki --target "$work/none/../east/x"
stderr_has "'..'"
[ ! -e "$work/none" ] || fail "something was made"
[ ! -e "$work/west/sub" ] || fail "something was made in a store"
# Another directory whose name begins alike is another one.
tz 0 restore wiki nothing --target "$work/east-restored"

# A writer cannot.
tz 0 key add --role writer --out "$work/writer"
sed "s|^key_file = .*|key_file = $work/writer|" "$work/conf" >"$work/writer.conf"
run 1 -c "$work/writer.conf" restore wiki --target "$work/out/writer"
stderr_has "operator"
[ ! -e "$work/out/writer" ] || fail "a writer made a target"

# A source of several paths: each under its own full path.
cat >>"$work/conf" <<CONF
[source two]
type = directory
path = $work/src/docs
path = $work/src/empty
[source app]
type = sqlite
path = $work/app.db
[source disk]
type = image
path = $work/disk.img
CONF
python3 - "$work/app.db" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("CREATE TABLE t(x)")
db.executemany("INSERT INTO t VALUES(?)", [(i,) for i in range(1000)])
db.commit()
PY
head -c 200000 /dev/urandom >"$work/disk.img"
tz 0 backup two app disk
# Only root may give the directories above to their owner.
expected=0
[ "$(id -u)" -eq 0 ] || expected=3
tz $expected restore two --target "$work/out/two"
[ -f "$work/out/two$work/src/docs/big.bin" ] || fail "the full path"

# A database lands under the very name, or in a directory.
tz 0 restore app --target "$work/out/copy.db"
[ "$(sqlite3 "$work/out/copy.db" 'SELECT sum(x) FROM t' 2>/dev/null ||
    python3 -c 'import sqlite3,sys; print(sqlite3.connect(sys.argv[1]).execute("SELECT sum(x) FROM t").fetchone()[0])' \
        "$work/out/copy.db")" = 499500 ] || fail "the database"
mkdir "$work/out/dbs"
tz 0 restore app --target "$work/out/dbs"
[ -f "$work/out/dbs/app.db" ] || fail "the database in a directory"
tz 0 restore app --target "$work/out/dbs2/"
[ -f "$work/out/dbs2/app.db" ] || fail "the database in a new directory"
tz 0 restore app "$work/app.db" --target "$work/out/dbs3"
[ -f "$work/out/dbs3/app.db" ] || fail "the database by its absolute path"
: >"$work/out/device"
tz 0 restore disk --target "$work/out/device"
cmp "$work/disk.img" "$work/out/device" || fail "the image"

# Damage in one store comes from the other; in both it is told.
rm -rf "$work/state"
for pack in "$work"/east/packs/*/*; do
    printf 'XXXXXXXX' | dd of="$pack" bs=1 seek=3000 conv=notrunc status=none
done
# The store that answers sooner is read first, and that may be the good one.
for _ in 1 2 3 4 5; do
    rm -rf "$work/out/healed"
    tz 0 restore wiki --target "$work/out/healed" --json
    [ "$(value .healed)" -eq 0 ] || break
done
json '.healed > 0'
same_tree "$work/src" "$work/out/healed"
for _ in 1 2 3 4 5; do
    rm -rf "$work/out/healed2"
    tz 0 restore wiki --target "$work/out/healed2"
    ! grep -q "verify --heal" "$work/stdout" || break
done
stdout_has "verify --heal"
