#include "check.h"

#include "tozai/util/log.h"

#include <string.h>

#include "tozai/util/banned.h"

static void free_names(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

void tz_verify_result_clear(struct tz_verify_result *result)
{
    for (size_t i = 0; i < result->store_count; i++) {
        struct tz_verify_store *store = &result->stores[i];
        free_names(store->missing, store->missing_count);
        free_names(store->damaged, store->damaged_count);
        free_names(store->healed, store->healed_count);
        free_names(store->unknown, store->unknown_count);
    }
    free(result->stores);
    free_names(result->faults, result->fault_count);
    *result = (struct tz_verify_result){0};
}

void tz_check_lose_store(struct tz_check *check, size_t store, const struct tz_error *why)
{
    if (check->alive & TZ_STORE_BIT(store))
        tz_repo_warn(check->repo, "store '%s' cannot be checked: %s",
                     tz_mirror_name(check->mirror, store), why->message);
    check->alive &= ~TZ_STORE_BIT(store);
    if (check->of[store])
        check->of[store]->reachable = false;
}

/* A place in the result for each store that was asked for. */
static int select_stores(struct tz_check *check, struct tz_error *err)
{
    size_t count = tz_mirror_count(check->mirror), only = 0;
    const char *name = check->options->store;
    uint32_t there = tz_presence_stores(check->repo);

    if (name && tz_check_find_store(check->repo, name, &only, err))
        return -1;
    check->result->stores = calloc(count, sizeof(*check->result->stores));
    if (!check->result->stores)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < count; i++) {
        if (name && i != only)
            continue;
        struct tz_verify_store *store = &check->result->stores[check->result->store_count++];
        store->name = tz_mirror_name(check->mirror, i);
        store->reachable = there & TZ_STORE_BIT(i);
        check->of[i] = store;
        check->selected |= TZ_STORE_BIT(i);
        check->alive |= there & TZ_STORE_BIT(i);
    }
    if (check->alive)
        return 0;
    struct tz_error why = {0};
    if (name && tz_mirror_error(check->mirror, only, &why)) {
        (void)tz_check_pass(err, &why);
        return tz_while(err, "store '%s'", name);
    }
    return tz_fail(err, TZ_UNAVAILABLE, "no store can be reached");
}

static int list_stores(struct tz_check *check, struct tz_error *err)
{
    check->presence.repo = check->repo;
    for (size_t i = 0; i < tz_mirror_count(check->mirror); i++) {
        if (!(check->alive & TZ_STORE_BIT(i)))
            continue;
        if (tz_presence_list(&check->presence, i, "", err))
            return -1;
        if (!(check->presence.listed & TZ_STORE_BIT(i)))
            tz_check_lose_store(check, i, &check->presence.stores[i].error);
    }
    return tz_presence_finish(&check->presence, err);
}

static int hand_over_presence(struct tz_check *check, struct tz_error *err)
{
    for (size_t i = 0; i < tz_mirror_count(check->mirror); i++) {
        struct tz_verify_store *store = check->of[i];
        if (!(check->alive & TZ_STORE_BIT(i)))
            continue;
        store->objects += check->presence.stores[i].objects;
        store->bytes += check->presence.stores[i].bytes;
        for (size_t k = 0; k < check->presence.stores[i].unknown.count; k++)
            if (tz_check_add(&store->unknown, &store->unknown_count,
                             check->presence.stores[i].unknown.items[k], err))
                return -1;
    }
    return 0;
}

static void sort_names(char ***items, size_t *count)
{
    struct tz_check_names names = {.items = *items, .count = *count};

    tz_check_names_sort(&names);
    *items = names.items;
    *count = names.count;
}

static void sort_result(struct tz_verify_result *result)
{
    for (size_t i = 0; i < result->store_count; i++) {
        struct tz_verify_store *store = &result->stores[i];
        sort_names(&store->missing, &store->missing_count);
        sort_names(&store->damaged, &store->damaged_count);
        sort_names(&store->healed, &store->healed_count);
        sort_names(&store->unknown, &store->unknown_count);
    }
}

/* For list, status and the operator's memory. */
static int note_checks(struct tz_check *check, struct tz_error *err)
{
    static const char *const levels[] = {"presence", "ciphertext", "content"};

    for (size_t i = 0; i < tz_mirror_count(check->mirror); i++) {
        const struct tz_verify_store *store = check->of[i];
        if (!store || !store->reachable)
            continue;
        uint64_t bytes = check->options->level == TZ_VERIFY_PRESENCE ? 0 : store->checked_bytes;
        if (tz_catalog_add_check(check->catalog, tz_repo_store(check->repo, i),
                                 levels[check->options->level], store->objects, bytes,
                                 store->missing_count + store->damaged_count, err))
            return -1;
    }
    return 0;
}

static bool is_ok(const struct tz_verify_result *result)
{
    for (size_t i = 0; i < result->store_count; i++)
        if (result->stores[i].missing_count > 0 || result->stores[i].damaged_count > 0)
            return false;
    return result->fault_count == 0;
}

static int run(struct tz_check *check, struct tz_error *err)
{
    const struct tz_verify_options *options = check->options;

    if (select_stores(check, err) || list_stores(check, err) || tz_check_descriptors(check, err) ||
        hand_over_presence(check, err) ||
        (options->level > TZ_VERIFY_PRESENCE && tz_check_objects(check, err)) ||
        tz_check_report_presence(check, err))
        return -1;
    sort_result(check->result);
    if ((options->heal && tz_check_heal(check, err)) ||
        (options->level == TZ_VERIFY_CONTENT && tz_check_generations(check, err)) ||
        tz_check_faults(check, err) || note_checks(check, err))
        return -1;
    sort_result(check->result);
    check->result->ok = is_ok(check->result);
    return 0;
}

static void clear(struct tz_check *check)
{
    tz_presence_clear(&check->presence);
    tz_check_names_clear(&check->undescribed);
    tz_buf_clear(&check->descriptor);
}

int tz_verify(const struct tz_verify_options *options, struct tz_verify_result *ret,
              struct tz_error *err)
{
    struct tz_verify_result result = {0};
    struct tz_check check = {
        .options = options,
        .repo = options->repo,
        .mirror = tz_repo_mirror(options->repo),
        .catalog = tz_repo_catalog(options->repo),
        .keys = tz_repo_keys(options->repo),
        .result = &result,
        .progress.store = "",
    };

    if (!(options->sample_percent >= 0 && options->sample_percent <= 100))
        return tz_fail(err, TZ_INVALID, "a sample is 0 to 100 percent");
    if (options->level == TZ_VERIFY_CONTENT &&
        tz_keys_need_operator(check.keys, "verify the content", err))
        return -1;
    int failed = run(&check, err);
    clear(&check);
    if (failed) {
        tz_verify_result_clear(&result);
        return tz_while(err, "verify");
    }
    *ret = result;
    return 0;
}
