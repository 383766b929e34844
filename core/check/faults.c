/*
 * What no store has whole any more, and which generations that concerns.
 */
#include "check.h"

#include "tozai/util/hex.h"
#include "tozai/util/time.h"

#include <stdarg.h>
#include <string.h>

#include "tozai/util/banned.h"

#define USERS_NAMED 20 /* generations that one line names */

int tz_check_fault(struct tz_check *check, struct tz_error *err, const char *format, ...)
{
    char text[4096];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return tz_check_add(&check->result->faults, &check->result->fault_count, text, err);
}

struct users {
    struct tz_buf text;
    size_t count;
};

static int add_user(void *arg, const struct tz_generation *generation, struct tz_error *err)
{
    struct users *users = arg;
    char id[TZ_HASH_TEXT], time[TZ_TIME_TEXT];

    if (users->count++ >= USERS_NAMED)
        return 0;
    tz_hex(id, generation->id, TZ_HASH_SIZE);
    tz_time_format(time, generation->time_ns);
    return tz_buf_printf(&users->text, err, "%s%s@%s (%s)", users->count > 1 ? ", " : "",
                         generation->source, id, time);
}

/* "wiki@3fa9… (2026-11-22T05:30:00Z), …" */
static int name_users(struct users *users, struct tz_error *err)
{
    if (users->count > USERS_NAMED)
        return tz_buf_printf(&users->text, err, " and %zu more", users->count - USERS_NAMED);
    return users->count ? 0 : tz_buf_printf(&users->text, err, "none");
}

static int add_fault(struct tz_check *check, const struct tz_buf *text, struct tz_error *err)
{
    return tz_check_add(&check->result->faults, &check->result->fault_count,
                        (const char *)text->data, err);
}

static int pack_fault(struct tz_check *check, const char *name, int64_t object, const char *what,
                      struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};
    struct users users = {0};

    int failed = tz_catalog_each_user(check->catalog, object, add_user, &users, err) ||
                 name_users(&users, err) ||
                 tz_buf_printf(&text, err, "'%s' %s; generations affected: %s", name, what,
                               (const char *)users.text.data) ||
                 add_fault(check, &text, err);
    tz_buf_clear(&users.text);
    return failed ? -1 : 0;
}

static int generation_fault(struct tz_check *check, const char *name, const struct tz_name *parsed,
                            struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    char id[TZ_HASH_TEXT];

    tz_hex(id, parsed->hash, TZ_HASH_SIZE);
    if (tz_catalog_get_head(check->catalog, parsed->hash, &body, NULL) ||
        tz_head_read(&head, body.data, body.len, NULL))
        return tz_check_fault(check, err, "'%s' is whole in no store", name);
    return tz_check_fault(
        check, err, "'%s' is whole in no store; generation affected: %s@%s%s", name, head.source,
        id, parsed->kind == TZ_NAME_IS_SEAL ? " (it cannot be told to be complete)" : "");
}

/* One line for an object without a good copy. */
static int object_fault(struct tz_check *check, const char *name, struct tz_error *err)
{
    struct tz_name parsed = tz_name_parse(name);
    uint32_t good = 0;
    int64_t object = 0;

    if (tz_catalog_find_object(check->catalog, name, &object, NULL, err))
        return -1;
    if (!object)
        return tz_check_fault(check, err, "'%s' is damaged; no generation needs it", name);
    /* A copy of a store that was not checked may still be good. */
    if (tz_check_copies(check->repo, object, TZ_STATE_PRESENT, &good, err) || good)
        return good ? 0 : -1;
    switch (parsed.kind) {
    case TZ_NAME_IS_PACK:
        return pack_fault(check, name, object, "is whole in no store", err);
    case TZ_NAME_IS_HEAD:
    case TZ_NAME_IS_SEAL:
        return generation_fault(check, name, &parsed, err);
    case TZ_NAME_IS_INDEX:
        return tz_check_fault(check, err,
                              "'%s' is whole in no store: other hosts cannot learn the packs that "
                              "it names",
                              name);
    default:
        return tz_check_fault(check, err, "'%s' is whole in no store", name);
    }
}

/* The names of every store's list, each once. */
static int gather(struct tz_check *check, struct tz_check_names *all, struct tz_error *err)
{
    for (size_t i = 0; i < check->result->store_count; i++) {
        const struct tz_verify_store *store = &check->result->stores[i];
        for (size_t k = 0; k < store->missing_count; k++)
            if (tz_check_names_add(all, store->missing[k], err))
                return -1;
        for (size_t k = 0; k < store->damaged_count; k++)
            if (tz_check_names_add(all, store->damaged[k], err))
                return -1;
    }
    tz_check_names_sort(all);
    return 0;
}

static int undescribed_fault(struct tz_check *check, const char *name, struct tz_error *err)
{
    struct tz_catalog_pack pack;
    struct tz_error why = {0};
    int64_t object = 0;

    if (tz_catalog_find_object(check->catalog, name, &object, NULL, err))
        return -1;
    if (!object || !tz_catalog_get_pack(check->catalog, object, &pack, &why))
        return 0;
    if (why.kind != TZ_NOT_FOUND)
        return tz_check_pass(err, &why);
    return pack_fault(check, name, object,
                      "is in no index that can be read ('tozai catalog rebuild' with an operator "
                      "key reads its own directory)",
                      err);
}

int tz_check_faults(struct tz_check *check, struct tz_error *err)
{
    struct tz_check_names all = {0};

    int failed = gather(check, &all, err);
    for (size_t i = 0; !failed && i < all.count; i++)
        failed = object_fault(check, all.items[i], err);
    for (size_t i = 0; !failed && i < check->undescribed.count; i++)
        if (!tz_check_names_has(&all, check->undescribed.items[i]))
            failed = undescribed_fault(check, check->undescribed.items[i], err);
    tz_check_names_clear(&all);
    return failed ? -1 : 0;
}
