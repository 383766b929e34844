#!/bin/bash
# Notices: what is told to whom, and what becomes of those that cannot be delivered.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"
if ! /usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null; then
    echo "skipped: no aiosmtpd"
    exit 77
fi
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
make_repository
cp "$work/conf" "$work/plain"

mkdir "$work/got"
/usr/bin/python3 "$TOZAI_SOURCE_DIR/tests/servers/notify.py" "$work/got" &
server=$!
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in $(seq 300); do
    [ ! -s "$work/got/ports" ] || break
    sleep 0.1
done
declare -A port
while read -r name number; do port[$name]=$number; done <"$work/got/ports"
[ "${#port[@]}" -eq 7 ] || fail "the servers do not run"

# configure LINE...: the plain configuration, with these lines as [notify], a time limit of 3 s and
# a source that fails unless $work/good is there.
configure() {
    cp "$work/plain" "$work/conf"
    printf '%s\n' '[source bad]' 'type = command' "command = test -e $work/good && echo x" \
        '[notify]' 'timeout = 3s' "$@" >>"$work/conf"
    rm -f "$work"/got/mail.* "$work"/got/http.*
}
# How many the server got of a kind, and the last of them.
count() {
    find "$work/got" -name "$1.[0-9]*" | wc -l
}
last() {
    find "$work/got" -name "$1.[0-9]*" | sort -t . -k 3n | tail -1
}
kept() {
    find "$work/state/notices" -name '*.json' 2>/dev/null | wc -l
}
# check_mail EXPRESSION...: the last mail, parsed; head is its envelope.
check_mail() {
    /usr/bin/python3 - "$(last mail)" "$@" <<'PY' || fail "the mail: $*"
import email, email.policy, json, sys
head, _, rest = open(sys.argv[1], "rb").read().partition(b"\n")
head, mail = json.loads(head), email.message_from_bytes(rest, policy=email.policy.default)
text = mail.get_content()
for expression in sys.argv[2:]:
    assert eval(expression), (expression, head, mail.items(), text)
PY
}

# All is well: nobody is told but who wants to be pinged.
: >"$work/good"
configure "mail_to = ops@example.jp" "smtp_url = smtp://127.0.0.1:${port[mail]}" \
    "webhook = http://127.0.0.1:${port[http]}/hook" "ping_url = http://127.0.0.1:${port[http]}/ping?k=1"
tz 0 run
[ "$(count mail)" -eq 0 ] || fail "a mail though all is well"
[ "$(count http)" -eq 2 ] || fail "$(count http) pings"
[ "$(cat "$work"/got/http.* | jq -r .path | paste -sd' ')" = "/ping/start?k=1 /ping?k=1" ] ||
    fail "the pings"
stderr_is ""

# A failure: mail, webhook, ping.
rm "$work/good"
configure "mail_to = ops@example.jp, boss@example.jp" "mail_from = tozai@example.jp" \
    "smtp_url = smtp://127.0.0.1:${port[mail]}" "webhook = http://127.0.0.1:${port[http]}/hook" \
    "ping_url = http://127.0.0.1:${port[http]}/ping"
tz 1 run --all
check_mail 'head["to"] == ["ops@example.jp", "boss@example.jp"]' \
    'head["from"] == "tozai@example.jp"' 'mail["Subject"].startswith("tozai: failed: ")' \
    '"bad: failed" in text and "wiki: ok" in text' 'mail["X-Tozai-Event"] == "failure"' \
    'mail["Auto-Submitted"] == "auto-generated"' 'mail["Date"].datetime and mail["Message-ID"]' \
    'mail["To"].addresses[1].addr_spec == "boss@example.jp"'
grep -lq '"/hook"' "$work"/got/http.* || fail "no webhook"
hook=$(grep -l '"/hook"' "$work"/got/http.* | head -1)
sed 1d "$hook" | jq -e '.event == "failure" and (.events | index("failure")) and (.text | contains("bad: failed"))
    and (.time | test("^20.*Z$")) and (.host | length > 0)' >/dev/null || fail "the webhook's object"
head -1 "$hook" | jq -e '.method == "POST" and .type == "application/json"' >/dev/null || fail "its head"
grep -lq '"/ping/fail"' "$work"/got/http.* || fail "no ping of the failure"
[ "$(kept)" -eq 0 ] || fail "a notice that was delivered is kept"
# The same again: the webhook each time, the mail once a day.
configure "mail_to = ops@example.jp" "smtp_url = smtp://127.0.0.1:${port[mail]}" \
    "webhook = http://127.0.0.1:${port[http]}/hook"
tz 1 run --all
[ "$(count mail)" -eq 0 ] || fail "the mail came twice"
[ "$(count http)" -eq 1 ] || fail "the webhook did not come again"
# Well in between: it is news again.
: >"$work/good"
tz 0 run --all
rm "$work/good"
tz 1 run --all
[ "$(count mail)" -eq 1 ] || fail "no mail of the new failure"

# A subject and names that are not ASCII.
rm -rf "$work/state/notices"
configure "mail_to = ops@example.jp" "smtp_url = smtp://127.0.0.1:${port[mail]}" \
    '[source 写真と動画の保管庫と書類の控え]' 'type = command' 'command = exit 3'
sed -i '/^\[source bad\]/,/^command/d' "$work/conf"
tz 1 run --all
check_mail '"写真と動画の保管庫と書類の控え: failed" in text' 'mail["Subject"].startswith("tozai: failed")'

# TLS and a password; without TLS no password is sent, without trust neither.
for kind in starttls smtps; do
    rm -rf "$work/state/notices"
    scheme=smtp
    [ "$kind" = starttls ] || scheme=smtps
    configure "mail_to = ops@example.jp" "ca_file = $work/got/tls.pem" \
        "smtp_url = $scheme://me%40example:p%20w@127.0.0.1:${port[$kind]}"
    tz 1 run --all
    check_mail 'head["user"] == "me@example"' 'head["tls"] or "'$kind'" == "smtps"'
    configure "mail_to = ops@example.jp" \
        "smtp_url = $scheme://me%40example:p%20w@127.0.0.1:${port[$kind]}"
    rm -rf "$work/state/notices"
    tz 1 run --all
    stderr_has "could not be delivered by mail"
    [ "$(count mail)" -eq 0 ] || fail "a mail over a connection that is not trusted"
    configure "mail_to = ops@example.jp" "ca_file = $work/got/tls.pem" \
        "smtp_url = $scheme://me%40example:geheim@127.0.0.1:${port[$kind]}"
    rm -rf "$work/state/notices"
    tz 1 run --all
    [ "$(count mail)" -eq 0 ] || fail "a mail with a wrong password"
    if grep -q geheim "$work/stderr"; then fail "the password is shown"; fi
done
rm -rf "$work/state/notices"
configure "mail_to = ops@example.jp" "smtp_url = smtp://me:geheim@127.0.0.1:${port[mail]}"
tz 1 run --all
stderr_has "could not be delivered by mail"
[ "$(count mail)" -eq 0 ] || fail "a mail though TLS is not offered"

# One recipient of several is refused.
rm -rf "$work/state/notices"
configure "mail_to = nobody@example.jp, ops@example.jp" "smtp_url = smtp://127.0.0.1:${port[some]}"
tz 1 run --all
check_mail 'head["to"] == ["ops@example.jp"]'

# Servers that refuse, fail, hang or are not there: the run is what it is, and the notice is kept.
for url in "smtp://127.0.0.1:${port[refuse]}" "smtp://127.0.0.1:${port[hang]}" "smtp://127.0.0.1:1"; do
    rm -rf "$work/state/notices"
    configure "mail_to = ops@example.jp" "smtp_url = $url"
    SECONDS=0
    tz 1 run --all
    [ "$SECONDS" -lt 20 ] || fail "$url took $SECONDS s"
    stderr_has "could not be delivered by mail"
    [ "$(kept)" -eq 1 ] || fail "$url: $(kept) notices are kept"
done
for answer in 500 404 302 hang; do
    rm -rf "$work/state/notices"
    configure "webhook = http://127.0.0.1:${port[http]}/secret-token" \
        "ping_url = http://127.0.0.1:${port[http]}/secret-ping"
    echo "$answer" >"$work/got/status"
    [ "$answer" != hang ] || sed -i "s/:${port[http]}/:${port[hang]}/" "$work/conf"
    SECONDS=0
    tz 1 run --all
    [ "$SECONDS" -lt 30 ] || fail "$answer took $SECONDS s"
    stderr_has "could not be delivered by webhook"
    stderr_has "the ping URL"
    if grep -q secret "$work/stderr"; then fail "a URL is shown"; fi
    [ "$(kept)" -eq 1 ] || fail "$answer: $(kept) notices are kept"
done
rm "$work/got/status"
# The next run delivers what was kept, to the channel that lacks it alone, though all is well now.
: >"$work/good"
configure "webhook = http://127.0.0.1:${port[http]}/hook" "mail_to = ops@example.jp" \
    "smtp_url = smtp://127.0.0.1:${port[mail]}"
tz 0 run --all
[ "$(count http)" -eq 1 ] || fail "the kept notice did not come"
[ "$(count mail)" -eq 0 ] || fail "it came by mail, too"
[ "$(kept)" -eq 0 ] || fail "it is still kept"
# What cannot be read is put away.
echo '{"host":1' >"$work/state/notices/1.json"
tz 0 run
[ "$(kept)" -eq 0 ] || fail "a damaged notice is kept"

# No store can be reached: that is told, too.
rm "$work/good"
configure "webhook = http://127.0.0.1:${port[http]}/hook"
mv "$work/east" "$work/away-east"
mv "$work/west" "$work/away-west"
tz 1 run
sed 1d "$(last http)" | jq -e '.event == "failure" and (.text | contains("no store"))' >/dev/null ||
    fail "no word of it"
mv "$work/away-east" "$work/east"
tz 1 run --all
sed 1d "$(last http)" | jq -e '.text | contains("wiki: degraded")' >/dev/null || fail "not degraded"
mv "$work/away-west" "$work/west"

# A generation that is not whole is not told as something else, and says what it lacks.
sed 1d "$(last http)" | jq -e '.text | contains("'"'wiki' is in 1 of 2 stores"'")' >/dev/null ||
    fail "not told why"
if [ "$(id -u)" -ne 0 ]; then
    : >"$work/good"
    configure "webhook = http://127.0.0.1:${port[http]}/hook"
    chmod 000 "$work/src/index.txt"
    tz 3 run --all
    sed 1d "$(last http)" | jq -e '.event == "degraded" and
        (.subject | contains("not all of '"'wiki'"' could be read") and contains("index.txt"))' \
        >/dev/null || fail "the subject of a backup with a warning"
    chmod 640 "$work/src/index.txt"
    rm "$work/good"
fi
# Another hook that fails is news.
: >"$work/good"
configure "mail_to = ops@example.jp" "smtp_url = smtp://127.0.0.1:${port[mail]}" '[hooks]' \
    'after = false'
tz 3 run --all
[ "$(count mail)" -eq 1 ] || fail "no mail of a hook"
sed -i '/^\[source wiki\]/a after = false' "$work/conf"
tz 3 run --all
[ "$(count mail)" -eq 2 ] || fail "no mail of another hook"
# What keeps a run from beginning is told as well.
configure "webhook = http://127.0.0.1:${port[http]}/hook" \
    "ping_url = http://127.0.0.1:${port[http]}/ping"
sed -i "s|^state = .*|state = $work/good/state|" "$work/conf"
# shellcheck disable=SC2016  # for the shell of the hook
printf '[hooks]\non_failure = echo "$TOZAI_RESULT" >%s\n' "$work/hooked" >>"$work/conf"
tz 1 run
[ "$(cat "$work/hooked")" = failed ] || fail "no hook of it"
sed 1d "$(grep -l '"/hook"' "$work"/got/http.*)" | jq -e '.event == "failure"' >/dev/null ||
    fail "nobody is told of a state directory that cannot be made"
grep -lq '"/ping/fail"' "$work"/got/http.* || fail "no ping of it"
rm "$work/good"

# Only what is asked for.
configure "webhook = http://127.0.0.1:${port[http]}/hook" "on = degraded, damage"
tz 1 run --all
[ "$(count http)" -eq 0 ] || fail "told though nobody asked"
tz 0 sync
find "$work/west/packs" -type f | head -1 | while read -r pack; do
    chmod u+w "$pack"
    printf 'XXXXXXXX' | dd of="$pack" bs=1 seek=300 conv=notrunc status=none
done
printf '[run]\nverify_within = 1s\n' >>"$work/conf"
: >"$work/good"
sleep 1
tz 0 run
sed 1d "$(last http)" | jq -e '.event == "damage"' >/dev/null || fail "damage that was healed"

# A restore.
configure "webhook = http://127.0.0.1:${port[http]}/hook" "on = restore"
tz 0 restore wiki --target "$work/out"
sed 1d "$(last http)" | jq -e '.event == "restore" and (.text | contains("wiki"))' >/dev/null ||
    fail "no word of the restore"
rm -rf "$work/out"
configure "webhook = http://127.0.0.1:${port[http]}/hook"
tz 0 restore wiki --target "$work/out"
[ "$(count http)" -eq 0 ] || fail "told of a restore"
