#include "internal.h"

#include <string.h>

int tz_repo_unlock_secret(const struct tz_config *config, bool no_prompt, bool confirm,
                          struct tz_unlock *ret, struct tz_error *err)
{
    struct tz_unlock_source source = {
        .passphrase_file = config->passphrase_file,
        .passphrase_command = config->passphrase_command,
        .key_file = config->key_file,
        .environment = true,
        .prompt = !no_prompt,
        .confirm = confirm,
        .prompt_text = confirm ? "New passphrase" : "Passphrase",
    };
    return tz_unlock_read(ret, &source, err);
}

/* What each store lists of slots. */
struct slot_lists {
    struct tz_repo *repo;
    struct tz_listing stores[TZ_MIRROR_MAX_STORES];
    bool listed[TZ_MIRROR_MAX_STORES];
    struct tz_error errors[TZ_MIRROR_MAX_STORES];
};

static void slot_lists_clear(struct slot_lists *lists)
{
    for (size_t i = 0; i < TZ_MIRROR_MAX_STORES; i++)
        tz_listing_clear(&lists->stores[i]);
}

/* In any thread. */
static void list_here(void *arg, size_t i)
{
    struct slot_lists *lists = arg;

    lists->listed[i] = !tz_listing_read(&lists->stores[i], tz_mirror_store(lists->repo->mirror, i),
                                        "keys/", &lists->errors[i]);
}

static int add_slots(struct tz_listing *slots, const struct tz_listing *here, struct tz_error *err)
{
    for (size_t k = 0; k < here->count; k++) {
        bool known = false;
        for (size_t m = 0; m < slots->count; m++)
            known |= strcmp(slots->items[m].name, here->items[k].name) == 0;
        if (!known && tz_name_parse(here->items[k].name).kind == TZ_NAME_IS_KEY &&
            tz_listing_add(slots, here->items[k].name, here->items[k].size, err))
            return -1;
    }
    return 0;
}

/* Slots of every store, each once. */
static int list_slots(struct tz_repo *repo, struct tz_listing *slots, struct tz_error *err)
{
    TZ_SCOPED(slot_lists_clear) struct slot_lists lists = {.repo = repo};
    const char *why = "no store can be used";
    bool any = false;

    if (tz_repo_visit_stores(repo, list_here, &lists, err))
        return -1;
    for (size_t i = 0; i < tz_mirror_count(repo->mirror); i++) {
        any = any || lists.listed[i];
        if (lists.listed[i] && add_slots(slots, &lists.stores[i], err))
            return -1;
        if (lists.errors[i].kind != TZ_OK)
            why = lists.errors[i].message;
    }
    return any ? 0 : tz_fail(err, TZ_UNAVAILABLE, "list the key slots: %s", why);
}

/* The oldest slot, if all that count is one repository's. */
static bool agree(const struct tz_slot_info *info, bool any, struct tz_slot_info *ret)
{
    if (any && memcmp(info->repo_id, ret->repo_id, TZ_REPO_ID_SIZE) != 0)
        return false;
    if (!any || info->created_ns < ret->created_ns)
        *ret = *info;
    return true;
}

bool tz_repo_whose_slots(struct tz_repo *repo, size_t i, struct tz_slot_info *ret)
{
    TZ_SCOPED(tz_scoped_listing) struct tz_listing slots = {0};
    struct tz_store *store = tz_mirror_store(repo->mirror, i);
    bool any = false;

    if (tz_listing_read(&slots, store, "keys/", NULL))
        return false;
    for (size_t k = 0; k < slots.count; k++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
        struct tz_name name = tz_name_parse(slots.items[k].name);
        struct tz_slot_info info;
        uint8_t hash[TZ_HASH_SIZE];

        if (name.kind != TZ_NAME_IS_KEY ||
            tz_store_get(store, slots.items[k].name, 0, SLOT_MAX, &bytes, NULL) ||
            tz_sha256(hash, bytes.data, bytes.len, NULL) ||
            memcmp(hash, name.hash, TZ_HASH_SIZE) != 0 ||
            tz_slot_info(&info, bytes.data, bytes.len, NULL))
            continue;
        if (!agree(&info, any, ret))
            return false;
        any = true;
    }
    return any;
}

/* A slot, and what it is. */
struct slot {
    struct tz_slot_entry entry;
    struct tz_buf bytes;
};
struct slots {
    struct slot *items;
    size_t count;
};

static void slot_clear(struct slot *slot)
{
    tz_buf_clear(&slot->bytes);
}

static void slots_clear(struct slots *slots)
{
    for (size_t i = 0; i < slots->count; i++)
        tz_buf_clear(&slots->items[i].bytes);
    free(slots->items);
    *slots = (struct slots){0};
}

static int read_slots(struct tz_repo *repo, struct slots *ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_listing) struct tz_listing listed = {0};

    if (list_slots(repo, &listed, err))
        return -1;
    ret->items = calloc(listed.count + 1, sizeof(ret->items[0]));
    if (!ret->items)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < listed.count; i++) {
        struct slot *slot = &ret->items[ret->count];
        struct tz_name name = tz_name_parse(listed.items[i].name);
        struct tz_error why = {0};

        if (tz_mirror_get_hashed(repo->mirror, listed.items[i].name, name.hash, SLOT_MAX,
                                 &slot->bytes, NULL, &why) ||
            tz_slot_info(&slot->entry.info, slot->bytes.data, slot->bytes.len, &why)) {
            tz_repo_warn(repo, "key slot '%s' cannot be read: %s", listed.items[i].name,
                         why.message);
            tz_buf_clear(&slot->bytes);
            continue;
        }
        memcpy(slot->entry.hash, name.hash, TZ_HASH_SIZE);
        slot->entry.current = memcmp(slot->entry.hash, repo->slot, TZ_HASH_SIZE) == 0;
        ret->count++;
    }
    return 0;
}

int tz_repo_slots(struct tz_repo *repo, struct tz_slot_entry **ret, size_t *ret_count,
                  struct tz_error *err)
{
    TZ_SCOPED(slots_clear) struct slots slots = {0};

    if (read_slots(repo, &slots, err))
        return -1;
    struct tz_slot_entry *entries = calloc(slots.count + 1, sizeof(*entries));
    if (!entries)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < slots.count; i++)
        entries[i] = slots.items[i].entry;
    *ret = entries;
    *ret_count = slots.count;
    return 0;
}

static int try_slot(struct tz_repo *repo, const struct slot *slot, const struct tz_unlock *unlock,
                    struct tz_error *err)
{
    if (tz_slot_open(&repo->keys, slot->bytes.data, slot->bytes.len, unlock, err))
        return -1;
    memcpy(repo->slot, slot->entry.hash, TZ_HASH_SIZE);
    return 0;
}

/* Slots that this secret may open: operators first when one is needed, else writers. */
static int open_any(struct tz_repo *repo, const struct slots *slots, const struct tz_unlock *unlock,
                    bool operator_first, struct tz_error *err)
{
    size_t tried = 0;
    struct tz_error why = {0};

    for (int pass = 0; pass < 2; pass++) {
        enum tz_role role = (pass == 0) == operator_first ? TZ_ROLE_OPERATOR : TZ_ROLE_WRITER;
        for (size_t i = 0; i < slots->count; i++) {
            const struct tz_slot_info *info = &slots->items[i].entry.info;
            if (info->kind != unlock->kind || info->role != role ||
                memcmp(info->repo_id, repo->descriptor.repo_id, TZ_REPO_ID_SIZE) != 0)
                continue;
            tried++;
            if (!try_slot(repo, &slots->items[i], unlock, &why))
                return 0;
            if (why.kind != TZ_KEY)
                tz_repo_warn(repo, "a key slot cannot be opened: %s", why.message);
        }
    }
    if (unlock->kind == TZ_UNLOCK_KEY_FILE)
        (void)tz_fail(err, TZ_KEY, "wrong key file: it opens none of %zu key slots", tried);
    else
        (void)tz_fail(err, TZ_KEY, "wrong passphrase: it opens none of %zu key slots", tried);
    return tz_hint(err, "check passphrase_file, passphrase_command or key_file in '%s'",
                   repo->config->file);
}

/* No slot is of the repository that the descriptor names: that one is damaged, then. */
static int check_slots(struct tz_repo *repo, const struct slots *slots, struct tz_error *err)
{
    struct tz_slot_info oldest = {0};

    if (slots->count == 0) {
        (void)tz_fail(err, TZ_KEY, "the stores hold no readable key slot");
        return tz_hint(err, "with the paper copy: tozai key recover");
    }
    for (size_t i = 0; i < slots->count; i++)
        if (memcmp(slots->items[i].entry.info.repo_id, repo->descriptor.repo_id, TZ_REPO_ID_SIZE) ==
                0 ||
            !agree(&slots->items[i].entry.info, i > 0, &oldest))
            return 0;
    return tz_repo_adopt(repo, &oldest, err);
}

/* The slot that opened last time, if it came ahead and is of the repository and the kind that it
 * takes now. */
static bool usual_slot(struct tz_repo *repo, const struct tz_repo_options *options,
                       struct slot *ret)
{
    struct tz_slot_info *info = &ret->entry.info;

    if (!tz_ahead_slot(repo, &ret->bytes) ||
        tz_slot_info(info, ret->bytes.data, ret->bytes.len, NULL) ||
        memcmp(info->repo_id, repo->descriptor.repo_id, TZ_REPO_ID_SIZE) != 0 ||
        (options->need_operator && info->role != TZ_ROLE_OPERATOR))
        return false;
    memcpy(ret->entry.hash, repo->usual_slot, TZ_HASH_SIZE);
    return true;
}

int tz_repo_open_keys(struct tz_repo *repo, const struct tz_repo_options *options,
                      struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock unlock = {0};
    TZ_SCOPED(slots_clear) struct slots slots = {0};
    TZ_SCOPED(slot_clear) struct slot usual = {0};

    bool ahead = usual_slot(repo, options, &usual);
    if ((!ahead && (read_slots(repo, &slots, err) || check_slots(repo, &slots, err))) ||
        tz_repo_unlock_secret(repo->config, options->no_prompt, false, &unlock, err))
        return -1;
    if (ahead && usual.entry.info.kind == unlock.kind && !try_slot(repo, &usual, &unlock, NULL))
        return 0;
    if (ahead && (read_slots(repo, &slots, err) || check_slots(repo, &slots, err)))
        return -1;
    if (open_any(repo, &slots, &unlock, options->need_operator, err))
        return -1;
    if (options->need_operator)
        return tz_keys_need_operator(repo->keys, options->purpose, err);
    return 0;
}
