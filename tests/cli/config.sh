#!/bin/bash
# Which configuration is read, and how one that is wrong is reported.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/lib.sh"

run 2 -c "$work/none.conf" list
stdout_is ""
stderr_has "$work/none.conf"
stderr_has "  hint: "

cat >"$work/bad.conf" <<'END'
[repository]
state = /var/lib/tozai
[store east]
url = file:///a
frob = 1
locatoin = tokyo
END
run 2 -c "$work/bad.conf" list
stderr_is "tozai: $work/bad.conf:5: unknown key 'frob' in [store east]
  hint: tozai.conf(5) lists the keys of every section"
sed -i /frob/d "$work/bad.conf"
run 2 list -c "$work/bad.conf"
stderr_is "tozai: $work/bad.conf:5: unknown key 'locatoin' in [store east]; did you mean 'location'?"
run 2 --json -c "$work/bad.conf" list
stderr_has '{"error":{"code":"invalid","message":"'"$work/bad.conf:5: unknown key"

# The environment names it, and the option wins.
TOZAI_CONFIG=$work/bad.conf run 2 list
stderr_has "bad.conf:5"
TOZAI_CONFIG=$work/bad.conf run 2 -c "$work/none.conf" list
stderr_has "none.conf"
TOZAI_CONFIG='' run 2 -c "$work/bad.conf" list
stderr_has "bad.conf:5"

# A directory, and a file that may not be read: wrong configurations, too.
run 2 -c "$work" list
if [ "$(id -u)" -ne 0 ]; then
    chmod 000 "$work/bad.conf"
    run 2 -c "$work/bad.conf" list
    stderr_has "Permission denied"
fi
