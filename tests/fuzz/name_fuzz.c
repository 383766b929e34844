/* Names of objects, as a store lists them. */
#include "fuzz.h"

#include "tozai/core/object.h"

#include <string.h>

static void write_again(char text[TZ_NAME_TEXT], const struct tz_name *name)
{
    switch (name->kind) {
    case TZ_NAME_OTHER:
        break;
    case TZ_NAME_IS_DESCRIPTOR:
        memcpy(text, TZ_NAME_DESCRIPTOR, sizeof(TZ_NAME_DESCRIPTOR));
        break;
    case TZ_NAME_IS_KEY:
        tz_name_key(text, name->hash);
        break;
    case TZ_NAME_IS_PACK:
        tz_name_pack(text, name->hash);
        break;
    case TZ_NAME_IS_INDEX:
        tz_name_index(text, name->hash);
        break;
    case TZ_NAME_IS_HEAD:
        tz_name_head(text, name->source_id, name->time_ns, name->hash);
        break;
    case TZ_NAME_IS_SEAL:
        tz_name_seal(text, name->source_id, name->time_ns, name->hash);
        break;
    case TZ_NAME_IS_TOMBSTONE:
        tz_name_tombstone(text, name->hash);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    TZ_SCOPED(tz_scoped_free) char *name = malloc(len + 1);
    check(name != NULL);
    if (len)
        memcpy(name, data, len);
    name[len] = 0;
    struct tz_name found = tz_name_parse(name);
    char again[TZ_NAME_TEXT] = "";
    write_again(again, &found);
    check(found.kind == TZ_NAME_OTHER || strcmp(again, name) == 0);
    return 0;
}
