#!/bin/bash
# verify: what it finds, heals and says.  What each level notices is tested with the library.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"
make_repository
back_up

for level in presence ciphertext content; do
    tz 0 verify --level $level
    [ "$(grep -c ': good$' "$work/stdout")" -eq 2 ] || fail "not two good stores"
done
tz 0 verify --json
json '.ok and .faults == [] and (.stores | keys == ["east", "west"])'
json '.stores.east | .objects > 4 and .bytes > 300000 and .checked_bytes >= .bytes'
json '.stores[] | .missing == [] and .damaged == [] and .healed == []'
tz 0 verify --store west --json
json '.stores | keys == ["west"]'
tz 0 verify --sample 10%
tz 2 verify --store wset
stderr_has "did you mean 'west'?"
for sample in 0 -1 101 nan x 10x; do
    tz 2 verify --sample=$sample
    stderr_has "--sample '$sample' is not a percentage"
done
tz 0 list --json
json '.sources[0].generations[0].verified != null'

# One object damaged in one store, another missing in the other.
mapfile -t packs < <(cd "$work/east" && find packs -type f -printf '%s %p\n' | sort -n | cut -d' ' -f2)
[ "${#packs[@]}" -ge 2 ] || fail "not two packs"
chmod u+w "$work/east/${packs[0]}"
printf 'XX' | dd of="$work/east/${packs[0]}" bs=1 seek=200 conv=notrunc status=none
rm "$work/west/${packs[1]}"
tz 4 verify
stdout_has "damaged: ${packs[0]}"
stdout_has "missing: ${packs[1]}"
stdout_has "verify --heal"
tz 4 verify --json
json ".ok == false and .stores.east.damaged == [\"${packs[0]}\"]"
json ".stores.west.missing == [\"${packs[1]}\"]"
tz 0 verify --heal --json
json ".ok and .stores.east.healed == [\"${packs[0]}\"] and .stores.west.healed == [\"${packs[1]}\"]"
cmp "$work/east/${packs[0]}" "$work/west/${packs[0]}" || fail "not healed"
cmp "$work/east/${packs[1]}" "$work/west/${packs[1]}" || fail "not healed"
tz 0 verify --level content

# Damaged in both: nothing can heal it.
for store in east west; do
    chmod u+w "$work/$store/${packs[0]}"
    printf 'YY' | dd of="$work/$store/${packs[0]}" bs=1 seek=200 conv=notrunc status=none
done
tz 4 verify --heal
stdout_has "some damage could not be healed"

# A store that is away is told, and is no damage.
rm -rf "$work/east" "$work/west" "$work/state" "$work/key"
tz 0 init
back_up
mv "$work/west" "$work/west.away"
tz 3 verify --json
json '.stores.west.reachable == false and .stores.east.reachable'
mv "$work/west.away" "$work/west"

# A writer checks ciphertext, not content.
tz 0 key add --role writer --out "$work/writer"
sed -i "s|^key_file = .*|key_file = $work/writer|" "$work/conf"
tz 0 verify
tz 1 verify --level content
stderr_has "operator"
