/*
 * In a bucket that locks objects whoever may put may also hide: by a mark of deletion, or by a
 * newer version.  Nothing of ours is removed while it is locked but key slots.
 */
#include "internal.h"

#include "tozai/util/time.h"

#include <inttypes.h>
#include <string.h>

#include "tozai/util/banned.h"

/* Locks that are asked for: more change nothing about the advice. */
#define ASK_MAX 200
#define ID_TEXT 1024

struct look {
    struct tz_store *store;
    int64_t now_ns;
    unsigned asked;
    uint64_t removed, replaced, slots_there, slots_removed;
    char first[TZ_STORE_NAME_MAX + 1]; /* that was hidden */
    /* The object whose versions are coming. */
    char name[TZ_STORE_NAME_MAX + 1];
    bool latest_removed;
    uint64_t latest_size;
    char oldest[ID_TEXT]; /* "": none with bytes */
    uint64_t oldest_size;
};

static bool is_locked(struct look *look)
{
    struct tz_store_lock lock = {0};

    if (look->asked++ >= ASK_MAX)
        return true;
    return !tz_store_read_version_lock(look->store, look->name, look->oldest, &lock, NULL) &&
           (lock.held || (lock.mode != TZ_LOCK_NONE && lock.until_ns > look->now_ns));
}

/* All versions of the object were seen. */
static void judge(struct look *look)
{
    enum tz_name_kind kind = tz_name_parse(look->name).kind;
    bool hidden = look->latest_removed || look->latest_size != look->oldest_size;

    if (kind == TZ_NAME_IS_KEY && !look->latest_removed)
        look->slots_there++;
    if (kind == TZ_NAME_OTHER || kind == TZ_NAME_IS_TOMBSTONE || !hidden || !look->oldest[0] ||
        !is_locked(look))
        return;
    if (kind == TZ_NAME_IS_KEY && look->latest_removed) {
        look->slots_removed++;
        return;
    }
    if (!look->first[0])
        memcpy(look->first, look->name, sizeof(look->first));
    look->removed += look->latest_removed;
    look->replaced += !look->latest_removed;
}

static int see(void *arg, const struct tz_store_version *version, struct tz_error *err)
{
    struct look *look = arg;

    (void)err;
    if (!tz_store_name_valid(version->name))
        return 0;
    if (strcmp(version->name, look->name) != 0) {
        if (look->name[0])
            judge(look);
        (void)snprintf(look->name, sizeof(look->name), "%s", version->name);
        look->latest_removed = version->removed;
        look->latest_size = version->size;
        look->oldest[0] = '\0';
    }
    if (!version->removed) {
        (void)snprintf(look->oldest, sizeof(look->oldest), "%s", version->id);
        look->oldest_size = version->size;
    }
    return 0;
}

void tz_doctor_hidden(const struct tz_doctor_options *options, struct tz_store *store,
                      const char *name)
{
    struct look look = {.store = store, .now_ns = tz_now()};
    struct tz_error why = {0};

    if (tz_store_versions(store, "", see, &look, &why)) {
        tz_doctor_tell(options, TZ_FINDING_OK, name, NULL,
                       "not looked at: these credentials may not list them");
        return;
    }
    if (look.name[0])
        judge(&look);
    if (look.slots_there == 0)
        look.removed += look.slots_removed;
    if (look.removed + look.replaced > 0)
        tz_doctor_tell(options, TZ_FINDING_FAIL, name,
                       "somebody has the keys to this store: change them; 'tozai verify --heal "
                       "--level ciphertext' brings the locked versions back",
                       "%" PRIu64 " locked objects were removed and %" PRIu64
                       " written over, '%s' among them; the locked versions are still there",
                       look.removed, look.replaced, look.first[0] ? look.first : "every key slot");
    else
        tz_doctor_tell(options, TZ_FINDING_OK, name, NULL,
                       "no locked object was removed or written over");
}
