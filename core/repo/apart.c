#include "internal.h"

#include "tozai/util/hex.h"
#include "tozai/util/log.h"

#include <string.h>

/* At the top, where no folder stays behind. */
static void random_name(char name[TZ_NAME_TEXT])
{
    uint8_t number[8];
    char hex[2 * sizeof(number) + 1];

    tz_random(number, sizeof(number));
    tz_hex(hex, number, sizeof(number));
    (void)snprintf(name, TZ_NAME_TEXT, "probe-%s", hex);
}

/* The first other store in which it is seen, or the number of stores. */
static size_t find_elsewhere(struct tz_repo *repo, size_t i, const char *name)
{
    size_t count = tz_mirror_count(repo->mirror);

    for (size_t k = 0; k < count; k++) {
        struct tz_store_stat stat = {0};
        struct tz_error ignored = {0};
        if (k != i && tz_mirror_usable(repo->mirror, k) &&
            !tz_store_stat(tz_mirror_store(repo->mirror, k), name, &stat, &ignored) && stat.exists)
            return k;
    }
    return count;
}

int tz_repo_check_apart(struct tz_repo *repo, size_t i, struct tz_error *err)
{
    struct tz_store *store = tz_mirror_store(repo->mirror, i);
    struct tz_error why = {0};
    char name[TZ_NAME_TEXT];

    if (tz_store_lock_mode(store) != TZ_LOCK_NONE)
        return 0;
    random_name(name);
    if (tz_store_put(store, name, name, strlen(name), &why)) {
        tz_debug("%s", why.message);
        return 0;
    }
    size_t other = find_elsewhere(repo, i, name);
    if (tz_store_remove(store, name, &why))
        tz_debug("%s", why.message);
    return other < tz_mirror_count(repo->mirror) ? tz_repo_one_place(repo, other, i, err) : 0;
}

int tz_repo_one_place(const struct tz_repo *repo, size_t i, size_t k, struct tz_error *err)
{
    (void)tz_fail(err, TZ_INVALID, "stores '%s' and '%s' are one place under two names",
                  tz_mirror_name(repo->mirror, i), tz_mirror_name(repo->mirror, k));
    return tz_hint(err, "give each store a place of its own");
}
