#include "value.h"

#include "tozai/util/time.h"

#include <string.h>

#include "tozai/util/banned.h"

#define DEFAULT_SPOOL (UINT64_C(1) << 30)

static const char *setting(const struct tz_config_store *store, const char *key)
{
    return tz_config_pair_value(store->more, store->more_count, NULL, key, 0);
}

/* Numbers were checked when the configuration was read. */
static uint64_t number(const struct tz_config_store *store, const char *key)
{
    const char *text = setting(store, key);
    uint64_t value = 0;

    return text && !tz_size_parse(text, &value, NULL) ? value : 0;
}

uint64_t tz_config_store_spool(const struct tz_config_store *store, bool local)
{
    if (!setting(store, "spool"))
        return local ? 0 : DEFAULT_SPOOL;
    return number(store, "spool");
}

static enum tz_store_path path_style(const struct tz_config_store *store)
{
    const char *text = setting(store, "path_style");

    if (!text)
        return TZ_STORE_PATH_DEFAULT;
    return strcmp(text, "yes") == 0 ? TZ_STORE_PATH_YES : TZ_STORE_PATH_NO;
}

static enum tz_lock_mode lock_mode(const struct tz_config_store *store)
{
    const char *text = setting(store, "object_lock");

    for (enum tz_lock_mode mode = TZ_LOCK_GOVERNANCE; mode <= TZ_LOCK_COMPLIANCE; mode++)
        if (text && strcmp(text, tz_lock_mode_name(mode)) == 0)
            return mode;
    return TZ_LOCK_NONE;
}

/* NULL: nothing is said. */
static const char *encryption(const struct tz_config_store *store)
{
    const char *text = setting(store, "sse");

    return text && strcmp(text, "none") != 0 ? text : NULL;
}

/* Checked as well. */
static void read_limits(const struct tz_config_store *store, const char *key,
                        struct tz_store_limit ret[TZ_STORE_LIMITS])
{
    const char *text = setting(store, key);

    if (text && tz_value_limits(ret, text, NULL))
        memset(ret, 0, TZ_STORE_LIMITS * sizeof(ret[0]));
}

void tz_config_store_options(const struct tz_config *config, const struct tz_config_store *store,
                             struct tz_store_options *ret, struct tz_store_s3_options *ret_s3)
{
    *ret_s3 = (struct tz_store_s3_options){
        .endpoint = setting(store, "endpoint"),
        .region = setting(store, "region"),
        .credentials_file = setting(store, "credentials_file"),
        .path_style = path_style(store),
        .ca_file = setting(store, "ca_file"),
        .storage_class = setting(store, "storage_class"),
        .sse = encryption(store),
        .sse_kms_key = setting(store, "sse_kms_key_id"),
        .connections = (unsigned)number(store, "connections"),
        .lock_bucket = lock_mode(store) != TZ_LOCK_NONE,
    };
    *ret = (struct tz_store_options){
        .name = store->name,
        .url = store->url,
        .location = store->location,
        .timeout_s = store->timeout_s,
        .zone =
            tz_config_pair_value(config->later, config->later_count, "retention", "timezone", 0),
        .lock = lock_mode(store),
        /* They must go when the packs that they name have gone. */
        .unlocked = "tombstones/",
        .s3 = ret_s3,
    };
    read_limits(store, "upload_limit", ret->upload);
    read_limits(store, "download_limit", ret->download);
}

const struct tz_config_store *tz_config_find_store(const struct tz_config *config, const char *name)
{
    for (size_t i = 0; i < config->store_count; i++)
        if (strcmp(config->stores[i].name, name) == 0)
            return &config->stores[i];
    return NULL;
}
