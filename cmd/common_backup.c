#include "common.h"

#include <string.h>

#include "tozai/util/banned.h"

json_t *tz_json_backup(const struct tz_session *session, const struct tz_backup_result *result,
                       const char *state)
{
    static const uint8_t none[TZ_HASH_SIZE];
    const struct tz_head *head = &result->head;
    bool made = memcmp(head->id, none, TZ_HASH_SIZE) != 0;
    TZ_SCOPED(tz_scoped_json) json_t *item = json_object();

    if (!item ||
        tz_json_set(item, "source", tz_json_text(head->source, strlen(head->source)), NULL) ||
        tz_json_set(item, "id", made ? tz_json_hex(head->id, TZ_HASH_SIZE) : json_string(""),
                    NULL) ||
        tz_json_set(item, "time", tz_json_time(head->time_ns), NULL) ||
        tz_json_set(item, "state", json_string(state), NULL) ||
        tz_json_set(item, "entries", json_integer((json_int_t)head->entries), NULL) ||
        tz_json_set(item, "bytes", json_integer((json_int_t)head->bytes), NULL) ||
        tz_json_set(item, "new_bytes", json_integer((json_int_t)head->new_bytes), NULL) ||
        tz_json_set(item, "stored_bytes", json_integer((json_int_t)head->stored_bytes), NULL) ||
        tz_json_path_warnings(item, result->warnings, result->warning_count, NULL) ||
        tz_json_set(item, "warnings_total", json_integer((json_int_t)result->warnings_total),
                    NULL) ||
        tz_json_set(item, "stores", tz_json_stores(session, result->stores), NULL) ||
        tz_json_set(item, "seconds", json_real(result->seconds), NULL))
        return NULL;
    return TZ_TAKE(item);
}
