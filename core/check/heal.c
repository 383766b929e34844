/*
 * What is damaged or missing in a store is brought back from another one.
 */
#include "../catalog/prune.h"
#include "check.h"

#include "tozai/core/lock.h"
#include "tozai/util/interrupt.h"
#include "tozai/util/log.h"
#include "tozai/util/time.h"

#include <string.h>

#include "tozai/util/banned.h"

struct heal {
    struct tz_check *check;
    size_t store;
    struct tz_buf bytes, back;
};

/* May store i have a good copy?  One whose content was found damaged under the right hash has not.
 */
static int is_source(const struct heal *heal, size_t i, int64_t object, bool *ret,
                     struct tz_error *err)
{
    enum tz_copy_state state = TZ_COPY_UNKNOWN;

    *ret = i != heal->store && (tz_presence_stores(heal->check->repo) & TZ_STORE_BIT(i));
    if (!*ret || !object)
        return 0;
    if (tz_catalog_get_copy(heal->check->catalog, object, tz_repo_store(heal->check->repo, i),
                            &state, err))
        return -1;
    *ret = state != TZ_COPY_DAMAGED && state != TZ_COPY_MISSING;
    return 0;
}

struct wanted {
    const struct heal *heal;
    const char *name;
};

static int is_wanted(void *arg, const uint8_t *data, size_t len, struct tz_error *err)
{
    const struct wanted *wanted = arg;

    return tz_check_bytes(wanted->heal->check->keys, wanted->name, data, len, false, err);
}

/* A version that somebody has hidden, in any store. */
static int fetch_hidden(struct heal *heal, const char *name, bool *ret_found, struct tz_error *err)
{
    struct tz_mirror *mirror = heal->check->mirror;
    size_t max = tz_check_size_max(tz_name_parse(name).kind) + 1;
    struct wanted wanted = {.heal = heal, .name = name};

    *ret_found = false;
    for (size_t i = 0; i < tz_mirror_count(mirror) && !*ret_found; i++) {
        struct tz_error why = {0};
        if (!(tz_presence_stores(heal->check->repo) & TZ_STORE_BIT(i)))
            continue;
        tz_buf_reset(&heal->bytes);
        if (tz_lock_recover(tz_mirror_store(mirror, i), name, max, is_wanted, &wanted, &heal->bytes,
                            ret_found, &why)) {
            if (why.kind == TZ_NOMEM || why.kind == TZ_INTERRUPTED)
                return tz_check_pass(err, &why);
            tz_debug("versions in store '%s': %s", tz_mirror_name(mirror, i), why.message);
        }
    }
    return 0;
}

static int fetch(struct heal *heal, const char *name, int64_t object, bool *ret_found,
                 struct tz_error *err)
{
    struct tz_mirror *mirror = heal->check->mirror;
    size_t max = tz_check_size_max(tz_name_parse(name).kind) + 1;

    if (strcmp(name, TZ_NAME_DESCRIPTOR) == 0) {
        const struct tz_buf *descriptor = &heal->check->descriptor;
        *ret_found = descriptor->len > 0;
        tz_buf_reset(&heal->bytes);
        return tz_buf_append(&heal->bytes, descriptor->data, descriptor->len, err);
    }
    for (size_t i = 0; i < tz_mirror_count(mirror); i++) {
        struct tz_error why = {0};
        bool source = false;
        if (is_source(heal, i, object, &source, err))
            return -1;
        if (!source)
            continue;
        tz_buf_reset(&heal->bytes);
        if (!tz_check_read(tz_mirror_store(mirror, i), name, 0, max, &heal->bytes, &why) &&
            !tz_check_bytes(heal->check->keys, name, heal->bytes.data, heal->bytes.len, false,
                            &why)) {
            *ret_found = true;
            return 0;
        }
        if (why.kind == TZ_NOMEM || why.kind == TZ_INTERRUPTED)
            return tz_check_pass(err, &why);
        tz_debug("'%s' of store '%s': %s", name, tz_mirror_name(mirror, i), why.message);
    }
    return fetch_hidden(heal, name, ret_found, err);
}

/* Write it, read it back, and only then believe it. */
static int store(struct heal *heal, const char *name, bool replace, struct tz_error *err)
{
    struct tz_store *to = tz_mirror_store(heal->check->mirror, heal->store);
    struct tz_error why = {0};

    if (replace) {
        if (tz_store_replace(to, name, heal->bytes.data, heal->bytes.len, err))
            return -1;
    } else if (tz_store_put(to, name, heal->bytes.data, heal->bytes.len, &why) &&
               why.kind != TZ_EXISTS) {
        return tz_check_pass(err, &why);
    }
    tz_buf_reset(&heal->back);
    if (tz_check_read(to, name, 0, heal->bytes.len + 1, &heal->back, err))
        return -1;
    if (heal->back.len != heal->bytes.len ||
        memcmp(heal->back.data, heal->bytes.data, heal->bytes.len) != 0)
        return tz_fail(err, TZ_CORRUPT, "'%s' reads back as other bytes", name);
    return 0;
}

/* An index or a head may not come back before its packs, nor a seal before its head. */
static int may_come(struct heal *heal, const char *name, int64_t index, bool *ret,
                    struct tz_error *err)
{
    struct tz_name parsed = tz_name_parse(name);
    struct tz_error why = {0};
    enum tz_copy_state state = TZ_COPY_PRESENT;
    char head[TZ_NAME_TEXT];
    int64_t object = 0;

    *ret = true;
    if (parsed.kind == TZ_NAME_IS_INDEX && index)
        return tz_catalog_index_whole(heal->check->catalog, index,
                                      tz_repo_store(heal->check->repo, heal->store), ret, err);
    if (parsed.kind != TZ_NAME_IS_HEAD && parsed.kind != TZ_NAME_IS_SEAL)
        return 0;
    if (tz_check_packs_present(heal->check->repo, &parsed, heal->store, ret, &why)) {
        *ret = false;
        return tz_check_is_fatal(why.kind) ? tz_check_pass(err, &why) : 0;
    }
    if (!*ret || parsed.kind == TZ_NAME_IS_HEAD)
        return 0;
    tz_name_head(head, parsed.source_id, parsed.time_ns, parsed.hash);
    if (tz_catalog_find_object(heal->check->catalog, head, &object, NULL, err) ||
        tz_catalog_get_copy(heal->check->catalog, object,
                            tz_repo_store(heal->check->repo, heal->store), &state, err))
        return -1;
    *ret = state == TZ_COPY_PRESENT;
    return 0;
}

static int heal_one(struct heal *heal, const char *name, bool replace, bool *ret_healed,
                    struct tz_error *err)
{
    struct tz_check *check = heal->check;
    struct tz_error why = {0};
    int64_t object = 0;
    bool found = false, may = true;

    *ret_healed = false;
    if (tz_interrupt_check(err) ||
        tz_catalog_find_object(check->catalog, name, &object, NULL, err) ||
        (!replace && may_come(heal, name, object, &may, err)))
        return -1;
    if (!may)
        return 0;
    if (fetch(heal, name, object, &found, err))
        return -1;
    if (!found)
        return 0;
    if (store(heal, name, replace, &why)) {
        if (why.kind == TZ_NOMEM || why.kind == TZ_INTERRUPTED)
            return tz_check_pass(err, &why);
        if (why.kind == TZ_UNAVAILABLE)
            tz_check_lose_store(check, heal->store, &why);
        return tz_check_fault(check, err, "'%s' could not be healed in store '%s': %s", name,
                              tz_mirror_name(check->mirror, heal->store), why.message);
    }
    *ret_healed = true;
    return object ? tz_catalog_set_verified(check->catalog, object,
                                            tz_repo_store(check->repo, heal->store), tz_now(), err)
                  : 0;
}

/* Heal what is of this kind in a list; what was healed moves to another one. */
static int heal_list(struct heal *heal, enum tz_name_kind kind, char **names, size_t *count,
                     bool replace, struct tz_error *err)
{
    struct tz_verify_store *store_result = heal->check->of[heal->store];
    size_t kept = 0;
    int failed = 0;

    for (size_t i = 0; i < *count; i++) {
        char *name = names[i];
        bool healed = false;
        if (!failed && tz_name_parse(name).kind == kind &&
            (heal->check->alive & TZ_STORE_BIT(heal->store)))
            failed = heal_one(heal, name, replace, &healed, err);
        if (!failed && healed)
            failed = tz_check_add(&store_result->healed, &store_result->healed_count, name, err);
        if (healed && !failed)
            free(name);
        else
            names[kept++] = name;
    }
    *count = kept;
    return failed;
}

static int heal_store(struct heal *heal, struct tz_error *err)
{
    static const enum tz_name_kind order[] = {
        TZ_NAME_IS_DESCRIPTOR, TZ_NAME_IS_PACK, TZ_NAME_IS_INDEX, TZ_NAME_IS_KEY,
        TZ_NAME_IS_TOMBSTONE,  TZ_NAME_IS_HEAD, TZ_NAME_IS_SEAL,
    };
    struct tz_verify_store *result = heal->check->of[heal->store];

    for (size_t k = 0; k < TZ_COUNT(order); k++)
        if (heal_list(heal, order[k], result->damaged, &result->damaged_count, true, err) ||
            heal_list(heal, order[k], result->missing, &result->missing_count, false, err))
            return -1;
    return 0;
}

int tz_check_heal(struct tz_check *check, struct tz_error *err)
{
    int failed = 0;

    for (size_t i = 0; !failed && i < tz_mirror_count(check->mirror); i++) {
        struct heal heal = {.check = check, .store = i};
        if (!(check->alive & TZ_STORE_BIT(i)))
            continue;
        failed = heal_store(&heal, err);
        tz_buf_clear(&heal.bytes);
        tz_buf_clear(&heal.back);
    }
    return failed ? tz_while(err, "heal") : 0;
}
