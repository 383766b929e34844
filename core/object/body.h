/*
 * What the bodies of small objects have in common: a version byte in front, and nothing behind.
 */
#ifndef TOZAI_CORE_OBJECT_BODY_H
#define TOZAI_CORE_OBJECT_BODY_H

#include "tozai/util/wire.h"

/* Read the version; a newer one is TZ_UNSUPPORTED.  what: "index". */
static inline int tz_body_begin(struct tz_cursor *c, uint8_t version, const char *what,
                                struct tz_error *err)
{
    uint8_t found = tz_get_u8(c);
    if (found > version) {
        (void)tz_fail(err, TZ_UNSUPPORTED, "the %s has format %u, newer than this tozai", what,
                      found);
        return tz_hint(err, "install a newer tozai");
    }
    if (found != version)
        return tz_fail(err, TZ_CORRUPT, "the %s is damaged: it has no format version", what);
    return 0;
}

#endif
