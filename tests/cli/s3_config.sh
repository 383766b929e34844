#!/bin/bash
# A configuration with two S3 stores is right for tozai, and their buckets are there.
. "${TOZAI_SOURCE_DIR:?}/tests/cli/s3lib.sh"

mkdir "$work/src"
write_s3_config east west
for side in east west; do
    make_bucket "$side"
    s3_put "$side" "$side/hello" "$work/conf"
    [ "$(s3_keys "$side" "$side/")" = "$side/hello" ] || fail "$side has other keys"
done
"$TOZAI" -c "$work/conf" doctor --json >"$work/stdout" 2>"$work/stderr" </dev/null || true
json '.checks[] | select(.name == "configuration") | .state == "ok"'
json '.checks[] | select(.name == "locations") | .state == "ok"'
