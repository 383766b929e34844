#include "internal.h"

#include "tozai/util/hex.h"
#include "tozai/util/time.h"

#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "tozai/util/banned.h"

#define CANARY_LEN     4096
#define CANARY_ID      8
#define DESCRIPTOR_MAX 4096
#define NAME_LEN       160

/* All stores must be of one repository. */
struct round {
    const struct tz_doctor_options *options;
    const struct tz_config_store *config;
    struct tz_store *store;
    bool has_id;
    uint8_t id[TZ_REPO_ID_SIZE];
};

/* "store east: clock" */
static const char *name_of(char text[NAME_LEN], const struct round *round, const char *part)
{
    (void)snprintf(text, NAME_LEN, "store %s%s%s", round->config->name, part[0] ? ": " : "", part);
    return text;
}

static void tell_error(const struct round *round, const char *part, const struct tz_error *why)
{
    char name[NAME_LEN];

    tz_doctor_tell_error(round->options, name_of(name, round, part), why);
}

/* True if it is this repository's. */
static bool check_descriptor(struct round *round)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    struct tz_descriptor found;
    struct tz_error why = {0};
    char name[NAME_LEN], id[2 * TZ_REPO_ID_SIZE + 1];

    (void)name_of(name, round, "");
    if (tz_store_get(round->store, TZ_NAME_DESCRIPTOR, 0, DESCRIPTOR_MAX, &bytes, &why)) {
        if (why.kind == TZ_NOT_FOUND)
            tz_doctor_tell(round->options, TZ_FINDING_FAIL, name,
                           "'tozai sync' fills an empty store from the others, 'tozai init' makes "
                           "a new repository",
                           "it holds no repository");
        else
            tell_error(round, "", &why);
        return false;
    }
    if (tz_descriptor_read(&found, bytes.data, bytes.len, &why)) {
        tell_error(round, "", &why);
        return false;
    }
    tz_hex(id, found.repo_id, TZ_REPO_ID_SIZE);
    if (round->has_id && memcmp(round->id, found.repo_id, TZ_REPO_ID_SIZE) != 0)
        tz_doctor_tell(round->options, TZ_FINDING_FAIL, name, "check its url",
                       "it holds another repository, %s", id);
    else
        tz_doctor_tell(round->options, TZ_FINDING_OK, name, NULL, "it holds repository %s", id);
    if (!round->has_id)
        memcpy(round->id, found.repo_id, TZ_REPO_ID_SIZE);
    bool ours = memcmp(round->id, found.repo_id, TZ_REPO_ID_SIZE) == 0;
    round->has_id = true;
    return ours;
}

static int note_found(void *arg, const char *name, const struct tz_store_stat *stat,
                      struct tz_error *err)
{
    (void)name;
    (void)err;
    *(bool *)arg |= stat->exists && stat->size == CANARY_LEN;
    return 0;
}

/* Everything that backups and restores need of a store, once. */
static int try_canary(struct tz_store *store, const char *name, const uint8_t *data,
                      int64_t *ret_changed_ns, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf back = {0};
    struct tz_store_stat stat = {0};
    bool listed = false;

    if (tz_store_put(store, name, data, CANARY_LEN, err))
        return tz_while(err, "write an object");
    if (tz_store_get(store, name, 0, CANARY_LEN, &back, err))
        return tz_while(err, "read an object");
    if (back.len != CANARY_LEN || memcmp(back.data, data, CANARY_LEN) != 0)
        return tz_fail(err, TZ_CORRUPT, "an object is not what was written");
    tz_buf_reset(&back);
    if (tz_store_get(store, name, 100, 10, &back, err))
        return tz_while(err, "read a part of an object");
    if (back.len != 10 || memcmp(back.data, data + 100, 10) != 0)
        return tz_fail(err, TZ_CORRUPT, "a part of an object is not what was written");
    if (tz_store_list(store, name, note_found, &listed, err))
        return tz_while(err, "list objects");
    if (!listed)
        return tz_fail(err, TZ_FAILED, "an object that was written is not listed");
    if (tz_store_stat(store, name, &stat, err))
        return tz_while(err, "look at an object");
    *ret_changed_ns = stat.changed_ns;
    return 0;
}

static void check_access(const struct round *round)
{
    uint8_t data[CANARY_LEN], id[CANARY_ID];
    char hex[2 * CANARY_ID + 1], object[32], name[NAME_LEN];
    struct tz_error why = {0}, left = {0};
    int64_t changed_ns = 0;

    tz_random(data, sizeof(data));
    tz_random(id, sizeof(id));
    tz_hex(hex, id, sizeof(id));
    (void)snprintf(object, sizeof(object), "doctor/%s", hex);
    int64_t now_ns = tz_now();
    int failed = try_canary(round->store, object, data, &changed_ns, &why);
    int stays = tz_store_remove(round->store, object, &left);

    (void)name_of(name, round, "access");
    if (failed) {
        tell_error(round, "access", &why);
        return;
    }
    if (stays)
        tz_doctor_tell(round->options, TZ_FINDING_WARN, name,
                       "backups need no right to delete; pruning does, and the object stays until "
                       "then",
                       "objects can be written, read and listed, but not removed: %s",
                       left.message);
    else
        tz_doctor_tell(round->options, TZ_FINDING_OK, name, NULL,
                       "objects can be written, read, listed and removed");
    tz_doctor_clock(round->options, name_of(name, round, "clock"), changed_ns - now_ns);
}

/* What is locked could not be removed again: only the lock itself is tried. */
static void check_lock(const struct round *round)
{
    struct tz_error why = {0};
    char name[NAME_LEN];
    bool proven = false;

    if (tz_store_prove_lock(round->store, tz_store_lock_mode(round->store), &proven, &why)) {
        tell_error(round, "lock", &why);
        return;
    }
    (void)name_of(name, round, "lock");
    if (proven)
        tz_doctor_tell(round->options, TZ_FINDING_OK, name, NULL,
                       "a locked object was written and could not be deleted");
    else
        tz_doctor_tell(round->options, TZ_FINDING_OK, name,
                       "right for a host that is backed up; run doctor once with credentials that "
                       "may delete versions, to see that locks hold",
                       "locks are set and shown, but these credentials may delete nothing");
    tz_doctor_hidden(round->options, round->store, name_of(name, round, "versions"));
}

static void check_store(struct round *round)
{
    const struct tz_config_store *store = round->config;
    struct tz_store_options opening;
    struct tz_store_s3_options s3;
    struct tz_error why = {0};
    char name[NAME_LEN];

    tz_config_store_options(round->options->config, store, &opening, &s3);
    if (tz_store_open(&round->store, &opening, &why)) {
        tell_error(round, "", &why);
        return;
    }
    bool ours = check_descriptor(round);
    /* Others are probed (probe.c). */
    if (tz_store_lock_mode(round->store) != TZ_LOCK_NONE)
        check_lock(round);
    else if (tz_store_features(round->store) & TZ_STORE_LOCAL)
        check_access(round);
    if (strncmp(store->url, "file://", 7) == 0)
        tz_doctor_room(round->options, name_of(name, round, "room"), store->url + 7);
    if (ours)
        tz_doctor_leftovers(round->options, round->store, name_of(name, round, "leftovers"));
    tz_store_free(TZ_TAKE(round->store));
}

/* Two directories on one file system are one place, whatever they are called. */
static const struct tz_config_store *find_same_disk(const struct tz_config *config, size_t index)
{
    const char *url = config->stores[index].url;
    struct stat here, there;

    if (strncmp(url, "file://", 7) != 0 || stat(url + 7, &here))
        return NULL;
    for (size_t i = 0; i < index; i++) {
        const char *other = config->stores[i].url;
        if (strncmp(other, "file://", 7) == 0 && stat(other + 7, &there) == 0 &&
            here.st_dev == there.st_dev)
            return &config->stores[i];
    }
    return NULL;
}

/* What is "tokyo" to one and "osaka" to the other may be one region. */
static const struct tz_config_store *find_same_region(const struct tz_config *config, size_t index)
{
    const struct tz_config_store *store = &config->stores[index];
    const char *region = tz_config_pair_value(store->more, store->more_count, NULL, "region", 0);

    for (size_t i = 0; region && i < index; i++) {
        const struct tz_config_store *other = &config->stores[i];
        const char *its = tz_config_pair_value(other->more, other->more_count, NULL, "region", 0);
        if (its && strcasecmp(its, region) == 0)
            return other;
    }
    return NULL;
}

static void check_regions(const struct tz_doctor_options *options)
{
    for (size_t i = 0; i < options->config->store_count; i++) {
        const struct tz_config_store *same = find_same_region(options->config, i);
        bool placed = same && same->location && options->config->stores[i].location;
        if (same && !options->config->allow_same_location)
            tz_doctor_tell(options, placed ? TZ_FINDING_OK : TZ_FINDING_WARN, "places",
                           "one disaster takes both: put one of them into another region",
                           "stores %s and %s are in regions of one name", same->name,
                           options->config->stores[i].name);
    }
}

static void check_places(const struct tz_doctor_options *options)
{
    const struct tz_config *config = options->config;
    unsigned nameless = 0;

    for (size_t i = 0; i < config->store_count; i++) {
        const struct tz_config_store *same = find_same_disk(config, i);
        nameless += !config->stores[i].location;
        if (same)
            /* With locations the operator has said that these are two places. */
            tz_doctor_tell(
                options,
                config->stores[i].location && same->location ? TZ_FINDING_OK : TZ_FINDING_WARN,
                "places", "one broken disk takes both: put one of them elsewhere",
                "stores %s and %s are on the same file system", same->name, config->stores[i].name);
    }
    if (config->store_count < 2)
        tz_doctor_tell(options, TZ_FINDING_WARN, "places", "add a second store in another place",
                       "there is only one store");
    else if (nameless > 0)
        tz_doctor_tell(options, TZ_FINDING_OK, "locations", "give each store its 'location'",
                       "%u of %zu stores do not say where they are", nameless, config->store_count);
    else
        tz_doctor_tell(options, TZ_FINDING_OK, "locations", NULL, "every store says where it is");
    if (config->min_copies > 0 && config->min_copies < config->store_count)
        tz_doctor_tell(options, TZ_FINDING_OK, "policy", "set min_copies to the number of stores",
                       "a backup counts as done in %u of %zu stores", config->min_copies,
                       config->store_count);
}

void tz_doctor_stores(const struct tz_doctor_options *options)
{
    struct round round = {.options = options};

    check_places(options);
    check_regions(options);
    for (size_t i = 0; i < options->config->store_count; i++) {
        round.config = &options->config->stores[i];
        check_store(&round);
    }
}
