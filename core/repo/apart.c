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

int tz_repo_check_apart(struct tz_repo *repo, size_t i, size_t *ret_other, struct tz_error *err)
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
    if (other == tz_mirror_count(repo->mirror))
        return 0;
    if (ret_other)
        *ret_other = other;
    return tz_repo_one_place(repo, other, i, err);
}

static void alias_key(char key[KEY_MAX], const struct tz_repo *repo, size_t i)
{
    (void)snprintf(key, KEY_MAX, "alias:%.200s", tz_mirror_name(repo->mirror, i));
}

/* Both addresses: with another one it has to be seen again. */
static int alias_text(const struct tz_repo *repo, size_t i, size_t other, struct tz_buf *ret,
                      struct tz_error *err)
{
    return tz_repo_address(repo, i, ret, err) || tz_buf_append(ret, "\n\n", 2, err) ||
                   tz_repo_address(repo, other, ret, err)
               ? -1
               : 0;
}

int tz_repo_note_alias(struct tz_repo *repo, size_t i, size_t other, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};
    char key[KEY_MAX];

    alias_key(key, repo, i);
    return alias_text(repo, i, other, &text, err) ||
                   tz_catalog_set_value(repo->catalog, key, text.data, text.len, err) ||
                   tz_catalog_forget_store(repo->catalog, tz_mirror_name(repo->mirror, i), err) ||
                   tz_repo_number_stores(repo, err)
               ? -1
               : 0;
}

bool tz_repo_is_alias(struct tz_repo *repo, size_t i, size_t *ret_other)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf kept = {0};
    char key[KEY_MAX];
    bool found = false;

    alias_key(key, repo, i);
    if (tz_catalog_get_value(repo->catalog, key, &kept, &found, NULL) || !found)
        return false;
    for (size_t k = 0; k < tz_mirror_count(repo->mirror); k++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};
        if (k == i || alias_text(repo, i, k, &text, NULL) || text.len != kept.len ||
            memcmp(text.data, kept.data, text.len) != 0)
            continue;
        *ret_other = k;
        return true;
    }
    return false;
}

int tz_repo_one_place(const struct tz_repo *repo, size_t i, size_t k, struct tz_error *err)
{
    (void)tz_fail(err, TZ_INVALID, "stores '%s' and '%s' are one place under two names",
                  tz_mirror_name(repo->mirror, i), tz_mirror_name(repo->mirror, k));
    return tz_hint(err, "give each store a place of its own");
}
