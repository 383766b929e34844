#!/bin/bash
# status: recovery points, what is overdue, the stores; as text, JSON, metrics and a page.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"
make_repository

tz 3 status
stdout_has "wiki (directory): overdue"
stdout_has "no generation yet"

back_up
tz 0 status
stdout_has "wiki (directory): ok"
stdout_has "east (tokyo): ok"
tz 0 status --json
json '.ok and (.sources | length == 1) and (.stores | length == 2)'
json ".sources[0] | .name == \"wiki\" and .state == \"ok\" and .last_generation_id == \"$id\""
json '.sources[0] | .age_seconds < 100 and .rpo_seconds < 100 and .windows == [] and .last_drill == null'
json '.sources[0].days | length == 7 and .[6].generations == 1 and all(.missing | not)'
json '.sources[0].weeks | length == 4 and .[3].generations == 1'
json '.stores | map([.name, .location, .reachable]) == [["east", "tokyo", true], ["west", "osaka", true]]'
json '.stores[0] | .objects > 3 and .bytes > 300000 and .behind_objects == 0 and .last_verified == null'

tz 0 verify
tz 0 status --json
json '.stores | all(.last_verified != null and .last_level == "ciphertext" and .last_bad == 0)'

# A run that holds the lock does not matter.
(
    flock 9
    tz 0 status
) 9>>"$work/state/lock"

# A store that is out of reach: the others still tell.
mv "$work/west" "$work/away"
tz 3 status
stdout_has "west (osaka): out of reach"
tz 3 status --json
json '.stores[1] | .reachable == false and (.why | length > 0)'
back_up_code=0
"$TOZAI" -c "$work/conf" -q backup >/dev/null 2>&1 || back_up_code=$?
[ "$back_up_code" -eq 3 ] || fail "a degraded backup: $back_up_code"
mv "$work/away" "$work/west"
tz 3 status --json
json '.sources[0].state == "degraded" and .stores[1].behind_objects > 0 and .stores[1].behind_bytes > 0'
tz 0 sync
tz 0 status

# Metrics: what the official parser reads.  A name with quotes cannot be configured, a location can.
sed -i 's|^location = osaka|location = "os\\aka <b>\&"|' "$work/conf"
tz 0 status --prometheus "$work/metrics"
stdout_is ""
[ "$(stat -c %a "$work/metrics")" = 644 ] || fail "the mode of the metrics"
grep -qF 'tozai_store_reachable{store="west",location="os\\aka <b>&"} 1' "$work/metrics" ||
    fail "the label is not escaped"
if /usr/bin/python3 -c 'import prometheus_client' 2>/dev/null; then
    /usr/bin/python3 - "$work/metrics" <<'PY' || fail "the metrics cannot be parsed"
import sys
from prometheus_client.parser import text_string_to_metric_families
found = {}
for family in text_string_to_metric_families(open(sys.argv[1]).read()):
    assert family.type == "gauge" and family.documentation, family
    for sample in family.samples:
        key = (sample.name, tuple(sorted(sample.labels.items())))
        assert key not in found, key
        found[key] = sample.value
assert found[("tozai_status_ok", ())] == 1
assert found[("tozai_source_overdue", (("source", "wiki"),))] == 0
assert found[("tozai_source_bytes", (("source", "wiki"),))] > 300000
west = (("location", "os\\aka <b>&"), ("store", "west"))
assert found[("tozai_store_reachable", west)] == 1
assert found[("tozai_store_objects", west)] > 3
assert len(found) > 25, len(found)
PY
fi
# Written anew or not at all.
before=$(stat -c %i "$work/metrics")
tz 0 status --prometheus "$work/metrics"
[ "$(stat -c %i "$work/metrics")" != "$before" ] || fail "the metrics were written over"
tz 1 status --prometheus "$work/no/such/folder"
stderr_has "write metrics"

# The page: well-formed, with nothing from elsewhere and nothing that is not escaped.
tz 0 status --html "$work/page.html"
/usr/bin/python3 - "$work/page.html" <<'PY' || fail "the page is wrong"
import re, sys
from html.parser import HTMLParser
text = open(sys.argv[1], encoding="utf-8").read()
VOID = {"meta", "br", "img", "link", "input", "hr"}
class Checker(HTMLParser):
    stack, ids, words, points = [], set(), [], 0
    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, attrs)
        assert tag not in ("script", "link", "img", "iframe", "object"), tag
        for name, value in attrs:
            assert name not in ("src", "href", "srcset", "action", "data") and not name.startswith("on"), name
        self.points += ("class", "point") in attrs
        if tag not in VOID:
            self.stack.append(tag)
    def handle_startendtag(self, tag, attrs):
        assert self.stack and "svg" in self.stack, tag
    def handle_endtag(self, tag):
        assert self.stack and self.stack.pop() == tag, tag
    def handle_data(self, data):
        self.words.append(data)
checker = Checker()
checker.feed(text)
checker.close()
assert checker.stack == [], checker.stack
words = " ".join(checker.words)
assert "os\\aka <b>&" in words and "wiki" in words, "the names"
assert checker.points == 2, checker.points
assert not re.search(r"https?://|//|url\(|@import", text), "something from elsewhere"
assert "<!DOCTYPE html>" in text and "default-src 'none'" in text
assert "prefers-color-scheme" in text
PY

# What the policy keeps, and how much of it there is.
cp "$work/conf" "$work/plain"
tz 0 status
stdout_has "  keeps   1 of 7 daily, 1 of 4 weekly, at least 3"
tz 0 status --json
json '.sources[0] | .minimum_generations == 3 and .rules == [
    {"rule": "daily", "wanted": 7, "span_seconds": null, "generations": 1},
    {"rule": "weekly", "wanted": 4, "span_seconds": null, "generations": 1}]'
printf '[retention wiki]\nlast = 7\nwithin = 13w\nwindow = 36h\n' >>"$work/conf"
tz 0 status
stdout_has " of 7 last, "
stdout_has " within 91d, "
stdout_has " window 36h, at least 3"
tz 0 status --html "$work/page.html"
grep -q ' within 91d' "$work/page.html" || fail "no policy in the page"
cp "$work/plain" "$work/conf"

# Later: overdue, and holes.  The clock of a program with a sanitizer cannot be moved this way.
if [ -z "${TOZAI_SANITIZE:-}" ] && command -v faketime >/dev/null; then
    later() {
        local code=$1 when=$2
        shift 2
        TOZAI_REAL=$TOZAI
        printf '#!/bin/sh\nexec faketime "%s" "%s" "$@"\n' "$when" "$TOZAI_REAL" >"$work/later"
        chmod +x "$work/later"
        TOZAI=$work/later tz "$code" "$@"
    }
    later 0 "+23 hours" status
    later 3 "+31 hours" status
    stdout_has "wiki (directory): overdue"
    later 3 "+3 days" status --json
    json '.sources[0].state == "overdue" and (.sources[0].days | map(select(.missing)) | length == 2)'
    later 3 "+3 days" status --html "$work/page.html"
    grep -q 'class="hole"' "$work/page.html" || fail "no hole in the page"
    later 3 "+3 days" status --prometheus "$work/metrics"
    grep -qx 'tozai_source_overdue{source="wiki"} 1' "$work/metrics" || fail "not overdue"
    # Every so often, as the source says.
    printf 'every = 7d\n' >>"$work/conf"
    later 0 "+3 days" status
    # A clock that was ahead once: what it made does not hide that nothing comes.
    later 0 "+300 days" backup
    later 3 "+12 days" status
fi

# Links are followed, and what is no file is not replaced by one.
sed -i '/^every = /d' "$work/conf"
ln -s target "$work/link"
: >"$work/target"
tz 0 status --prometheus "$work/link"
[ -L "$work/link" ] || fail "the link was replaced"
grep -q '^tozai_status_ok' "$work/target" || fail "nothing came through the link"
mkfifo "$work/pipe"
tz 1 status --html "$work/pipe"
[ -p "$work/pipe" ] || fail "the pipe was replaced"
cat "$work/pipe" >"$work/read" &
for _ in $(seq 100); do
    code=0
    "$TOZAI" -c "$work/conf" status --html "$work/pipe" 2>/dev/null || code=$?
    [ "$code" -ne 0 ] || break
    sleep 0.1
done
wait $!
grep -q '</html>' "$work/read" || fail "nothing came through the pipe"

# Without any store the catalog tells what it remembers.
tz 0 status --json
before=$(value '.sources | map([.name, .last_generation_id, .generations, .bytes, .total_stored_bytes])')
held=$(value '.stores | map([.name, .objects, .bytes])')
json '.offline == false'
check_offline() {
    tz 3 status
    stdout_has "No store could be asked"
    stdout_has "wiki (directory): ok"
    stdout_has "east (tokyo): out of reach"
    stdout_has "$1"
    stderr_has "going by what the catalog"
    tz 3 status --json
    json '.offline and (.ok | not) and .sources[0].age_seconds != null'
    json '.stores | all((.reachable | not) and (.why | length > 0))'
    [ "$(value '.sources | map([.name, .last_generation_id, .generations, .bytes, .total_stored_bytes])')" = "$before" ] ||
        fail "not the generations of before"
    [ "$(value '.stores | map([.name, .objects, .bytes])')" = "$held" ] || fail "not what they held"
    tz 3 status --prometheus "$work/metrics" --html "$work/page.html"
    grep -qx 'tozai_status_ok 0' "$work/metrics" || fail "the metrics say that all is well"
    grep -qF 'tozai_store_reachable{store="east",location="tokyo"} 0' "$work/metrics" ||
        fail "the metrics say that a store is in reach"
    grep -q '^tozai_source_bytes{source="wiki"} [1-9]' "$work/metrics" || fail "no sizes"
    grep -q 'look here' "$work/page.html" || fail "the page says that all is well"
    grep -q 'No store could be asked' "$work/page.html" || fail "the page does not say why"
    grep -q 'class="point' "$work/page.html" || fail "the page has no recovery points"
}
mv "$work/east" "$work/away-east"
mv "$work/west" "$work/away-west"
check_offline "No such file or directory"
# Disks that are not mounted: empty directories.
mkdir "$work/east" "$work/west"
check_offline "it holds no repository"
rmdir "$work/east" "$work/west"
# No key is asked for.
mv "$work/key" "$work/no-key"
tz 3 status
mv "$work/no-key" "$work/key"

# When nothing can be found out nothing goes on saying that all is well.
mv "$work/state/catalog.db" "$work/catalog.db"
tz 1 status --prometheus "$work/metrics" --html "$work/page.html"
stderr_has "no store can be used"
stderr_has "there is no catalog in '$work/state' either"
grep -qx 'tozai_status_ok 0' "$work/metrics" || fail "the metrics know nothing of it"
grep -q 'look here' "$work/page.html" || fail "the page says that all is well"
grep -q 'no store can be used' "$work/page.html" || fail "the page does not say why"
rm "$work/metrics" "$work/page.html"
cp "$work/conf" "$work/plain"
printf '[run]\nprometheus = %s\nhtml = %s\n' "$work/metrics" "$work/page.html" >>"$work/conf"
tz 1 run
grep -qx 'tozai_status_ok 0' "$work/metrics" || fail "the metrics of a run know nothing of it"
grep -q 'no store can be used' "$work/page.html" || fail "the page of a run does not say why"
[ ! -e "$work/state/catalog.db" ] || fail "an empty catalog was made"
mv "$work/catalog.db" "$work/state/catalog.db"
mv "$work/plain" "$work/conf"
mv "$work/away-east" "$work/east"
mv "$work/away-west" "$work/west"

# A schedule that makes no sense is an error of the configuration.
sed -i '/^every = /d' "$work/conf"
printf 'cron = 0 0 30 2 *\n' >>"$work/conf"
tz 2 status
stderr_has "never fires"
sed -i 's/^cron = .*/cron = 0 3 * * *\nevery = 1d/' "$work/conf"
tz 2 status
stderr_has "both 'every' and 'cron'"
