#!/bin/bash
# Damage to the files of a store, class by class and way by way: verify notices, --heal brings the
# very same bytes back.  The finer points are tested with the library.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"
make_repository
back_up
echo more >>"$work/src/index.txt"
back_up
tz 0 verify --level content
cp -a "$work/west" "$work/good"

# flip FILE OFFSET: one bit of it.
flip() {
    local byte
    byte=$(od -An -tu1 -j "$2" -N1 "$1" | tr -d ' ')
    # shellcheck disable=SC2059
    printf "\\x$(printf %02x $((byte ^ 16)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# damage WAY FILE [OTHER]
damage() {
    local size
    size=$(stat -c %s "$2")
    chmod u+w "$2"
    case $1 in
    delete) rm "$2" ;;
    cut) truncate -s $((size - 1)) "$2" ;;
    empty) truncate -s 0 "$2" ;;
    append) printf x >>"$2" ;;
    first) flip "$2" 0 ;;
    middle) flip "$2" $((size / 2)) ;;
    last) flip "$2" $((size - 1)) ;;
    swap)
        mv "$2" "$work/swap"
        mv "$3" "$2"
        mv "$work/swap" "$3"
        ;;
    esac
}

# try WAY NAME [OTHER]: damage it in west, and see.
try() {
    local way=$1 name=$2 list=damaged count=1
    [ "$way" != delete ] || list=missing
    damage "$way" "$work/west/$name" ${3:+"$work/west/$3"}
    [ -z "${3-}" ] || count=2
    case $way in
    delete | cut | empty | append)
        tz 4 verify --level presence --json
        json ".stores.west.$list == [\"$name\"]"
        ;;
    esac
    tz 4 verify --json
    json "(.ok | not) and (.stores.west.$list | index(\"$name\") != null and length == $count)"
    json ".stores.east.missing == [] and .stores.east.damaged == []"
    if [ "$name" != tozai ]; then
        tz 4 verify --level content --json
        json ".stores.west.$list | index(\"$name\") != null and length == $count"
    fi
    tz 0 verify --heal --json
    json ".ok and (.stores.west.healed | index(\"$name\") != null and length == $count)"
    diff -r "$work/good" "$work/west" >"$work/stderr" || fail "$way $name: not what it was"
}

# names PATTERN: of west's objects, by size.
names() {
    (cd "$work/west" && find . -type f -printf '%s %P\n' | grep -E " $1\$" | sort -n | cut -d' ' -f2)
}

hash='[0-9a-f]{64}'
for class in "tozai" "keys/$hash" "packs/../$hash" "index/$hash" "generations/.*-$hash" \
    "generations/.*\.seal"; do
    mapfile -t found < <(names "$class")
    [ "${#found[@]}" -ge 1 ] || fail "nothing is $class"
    for way in delete cut empty append first middle last; do
        try "$way" "${found[0]}"
    done
    [ "${#found[@]}" -lt 2 ] || try swap "${found[0]}" "${found[-1]}"
done
tz 0 verify --level content

# What is not ours, and copies under other names, are left alone.
pack=$(names "packs/../$hash" | tail -1)
other=00
[ "${pack:6:2}" != 00 ] || other=01
mkdir -p "$work/west/lost+found" "$work/west/packs/$other"
echo note >"$work/west/README"
cp "$work/west/$pack" "$work/west/packs/$other/$other${pack:11}"
tz 0 verify --level presence --json
json '.ok and (.stores.west.unknown | length == 2)'
tz 4 verify --heal --json
json ".stores.west.damaged == [\"packs/$other/$other${pack:11}\"] and .stores.west.healed == []"
[ -e "$work/west/README" ] || fail "a foreign file was deleted"
[ -e "$work/west/packs/$other/$other${pack:11}" ] || fail "a copy was deleted"
rm "$work/west/packs/$other/$other${pack:11}"
tz 0 verify
