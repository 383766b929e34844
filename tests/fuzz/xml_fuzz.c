/* XML of a server on any bytes: what is reported keeps within the promised limits. */
#include "fuzz.h"

#include "storage/s3/xml.h"
#include "tozai/util/utf8.h"

#include <string.h>

static int take(void *arg, const char *path, const char *text, size_t len, struct tz_error *err)
{
    unsigned *left = arg;
    unsigned depth = 1;

    check(strlen(path) <= TZ_XML_PATH_MAX && tz_utf8_valid(path, strlen(path)));
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/'))
        depth++;
    check(depth <= TZ_XML_DEPTH_MAX);
    check(len <= TZ_XML_TEXT_MAX && strlen(text) == len && tz_utf8_valid(text, len));
    if (*left == 0)
        return tz_fail(err, TZ_BUSY, "enough");
    --*left;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct tz_error err = {0};
    unsigned left = 100;

    if (tz_xml_read(data, len, take, &left, &err))
        check(err.kind == TZ_CORRUPT || err.kind == TZ_NOMEM || (err.kind == TZ_BUSY && left == 0));
    else
        check(left < 100); /* there is a root element */
    return 0;
}
