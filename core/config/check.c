#include "parse.h"
#include "value.h"

#include "tozai/core/retention.h"
#include "tozai/storage/mirror.h"

#include <string.h>
#include <strings.h>

#include "tozai/util/banned.h"

/* tz_fail() with "FILE:LINE: " in front. */
#define fail_at(err, config, line, ...)                                                            \
    ((void)tz_fail((err), TZ_INVALID, __VA_ARGS__),                                                \
     tz_while((err), "%s:%d", (config)->file, (line)))

bool tz_config_list_has(const struct tz_config_list *list, const char *word)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcasecmp(list->items[i], word) == 0)
            return true;
    }
    return false;
}

/* Data residency: is this store where stores may be? */
static int check_residency(const struct tz_config *config, const struct tz_config_store *store,
                           struct tz_error *err)
{
    const char *region = tz_config_pair_value(store->more, store->more_count, NULL, "region", 0);

    if (config->allowed_locations.count > 0 && !store->location)
        return fail_at(err, config, store->line,
                       "[store %s] has no location, and [policy] allows only some", store->name);
    if (config->allowed_locations.count > 0 &&
        !tz_config_list_has(&config->allowed_locations, store->location))
        return fail_at(err, config, store->line,
                       "[store %s]: the location '%s' is not among allowed_locations of [policy]",
                       store->name, store->location);
    if (config->allowed_regions.count > 0 && region &&
        !tz_config_list_has(&config->allowed_regions, region))
        return fail_at(err, config, store->line,
                       "[store %s]: the region '%s' is not among allowed_regions of [policy]",
                       store->name, region);
    return 0;
}

/* The server of an S3 store: "https://host:port" without what goes without saying. */
struct server {
    const char *host;
    size_t len;
};

static struct server server_of(const struct tz_config_store *store)
{
    const char *endpoint =
        tz_config_pair_value(store->more, store->more_count, NULL, "endpoint", 0);
    bool plain = endpoint && strncasecmp(endpoint, "http://", 7) == 0;
    struct server server = {.host = ""};

    /* Names of buckets are one space in all of AWS. */
    if (!endpoint || strstr(endpoint, ".amazonaws.com"))
        return server;
    const char *host = strstr(endpoint, "://");
    server.host = host ? host + 3 : endpoint;
    server.len = strcspn(server.host, "/");
    size_t port_len = plain ? 3 : 4;
    if (server.len > port_len &&
        memcmp(server.host + server.len - port_len, plain ? ":80" : ":443", port_len) == 0)
        server.len -= port_len;
    return server;
}

static bool same_server(const struct tz_config_store *first, const struct tz_config_store *second)
{
    struct server a = server_of(first), b = server_of(second);

    return a.len == b.len && strncasecmp(a.host, b.host, a.len) == 0;
}

/* "bucket/prefix" of "s3://bucket/prefix//"; *ret_len without the slashes at its end. */
static const char *bucket_of(const char *url, size_t *ret_len)
{
    if (strncmp(url, "s3://", 5) != 0)
        return NULL;
    *ret_len = strlen(url + 5);
    while (*ret_len > 0 && url[5 + *ret_len - 1] == '/')
        (*ret_len)--;
    return url + 5;
}

/* Whether "a/b" is "a" or beneath it. */
static bool beneath(const char *path, size_t len, const char *top, size_t top_len)
{
    return len >= top_len && memcmp(path, top, top_len) == 0 &&
           (len == top_len || path[top_len] == '/');
}

/* Two buckets, or two places in one. */
static int check_two_buckets(const struct tz_config *config, const struct tz_config_store *first,
                             const struct tz_config_store *second, struct tz_error *err)
{
    size_t a_len = 0, b_len = 0;
    const char *a = bucket_of(first->url, &a_len), *b = bucket_of(second->url, &b_len);

    if (!a || !b || !same_server(first, second))
        return 0;
    if (beneath(a, a_len, b, b_len) || beneath(b, b_len, a, a_len))
        return fail_at(err, config, second->line,
                       "[store %s] and [store %s] are in one bucket, and one lies inside the other",
                       first->name, second->name);
    size_t bucket_len = strcspn(a, "/");
    if (config->allow_same_location || !beneath(b, b_len, a, bucket_len))
        return 0;
    (void)fail_at(err, config, second->line,
                  "[store %s] and [store %s] are both in the bucket '%.*s'", first->name,
                  second->name, (int)bucket_len, a);
    return tz_hint(err, "whoever loses the bucket loses both: use another one, or say "
                        "'allow_same_location = yes' in [policy]");
}

/* Two stores are only worth two if they are two places. */
static int check_two_stores(const struct tz_config *config, const struct tz_config_store *first,
                            const struct tz_config_store *second, struct tz_error *err)
{
    const char *first_path = tz_url_path(first->url);
    const char *second_path = tz_url_path(second->url);
    bool buckets = strncmp(first->url, "s3:", 3) == 0;

    /* At two servers two buckets may have one name. */
    if (!buckets && strcmp(first->url, second->url) == 0)
        return fail_at(err, config, second->line, "[store %s] has the same url as [store %s]",
                       second->name, first->name);
    if (first_path && second_path &&
        (tz_path_inside(first_path, second_path) || tz_path_inside(second_path, first_path)))
        return fail_at(err, config, second->line,
                       "one of [store %s] and [store %s] lies inside the other", first->name,
                       second->name);
    if (check_two_buckets(config, first, second, err))
        return -1;
    if (first->location && second->location && !config->allow_same_location &&
        strcasecmp(first->location, second->location) == 0) {
        (void)fail_at(err, config, second->line,
                      "[store %s] and [store %s] are both in the location '%s'", first->name,
                      second->name, second->location);
        return tz_hint(err, "one disaster would take both: use another place, or say "
                            "'allow_same_location = yes' in [policy]");
    }
    return 0;
}

static int check_count(const struct tz_config *config, struct tz_error *err)
{
    if (config->store_count == 0) {
        (void)tz_fail(err, TZ_INVALID, "%s: there is no store", config->file);
        return tz_hint(err, "add two sections [store NAME], each with a url");
    }
    if (config->store_count == 1 && config->min_copies != 1) {
        (void)fail_at(err, config, config->stores[0].line, "there is only one store");
        return tz_hint(err, "add a second [store NAME], or say 'min_copies = 1' in [policy] if one "
                            "copy is all you want");
    }
    if (config->store_count > TZ_MIRROR_MAX_STORES)
        return tz_fail(err, TZ_INVALID, "%s: there are %zu stores; %d are possible", config->file,
                       config->store_count, TZ_MIRROR_MAX_STORES);
    if (config->min_copies > config->store_count)
        return tz_fail(err, TZ_INVALID, "%s: min_copies = %u, but there are only %zu stores",
                       config->file, config->min_copies, config->store_count);
    return 0;
}

/* A key is for the one that asks for it. */
static int check_encryption(const struct tz_config *config, const struct tz_config_store *store,
                            struct tz_error *err)
{
    const char *sse = tz_config_pair_value(store->more, store->more_count, NULL, "sse", 0);
    const char *key =
        tz_config_pair_value(store->more, store->more_count, NULL, "sse_kms_key_id", 0);

    if (!key || (sse && strcmp(sse, "aws:kms") == 0))
        return 0;
    (void)fail_at(err, config, store->line,
                  "[store %s]: sse_kms_key_id is nothing without "
                  "'sse = aws:kms'",
                  store->name);
    return tz_hint(err, "add that line, or take the key out");
}

static int check_stores(const struct tz_config *config, struct tz_error *err)
{
    if (check_count(config, err))
        return -1;
    for (size_t i = 0; i < config->store_count; i++) {
        if (check_residency(config, &config->stores[i], err) ||
            check_encryption(config, &config->stores[i], err))
            return -1;
        for (size_t j = 0; j < i; j++) {
            if (check_two_stores(config, &config->stores[j], &config->stores[i], err))
                return -1;
        }
    }
    return 0;
}

static int check_repository(const struct tz_config *config, struct tz_error *err)
{
    if (!config->state) {
        (void)tz_fail(err, TZ_INVALID, "%s: [repository] has no state", config->file);
        return tz_hint(err, "add 'state = /var/lib/tozai' (or another directory) to [repository]");
    }
    if (config->pack_size != 0 && config->frame_size > config->pack_size)
        return tz_fail(err, TZ_INVALID, "%s: frame_size is larger than pack_size", config->file);
    for (size_t i = 0; i < config->store_count; i++) {
        const char *path = tz_url_path(config->stores[i].url);
        if (path && (tz_path_inside(config->state, path) || tz_path_inside(path, config->state)))
            return fail_at(err, config, config->stores[i].line,
                           "[store %s]: the state directory '%s' and the store lie one inside the "
                           "other",
                           config->stores[i].name, config->state);
    }
    return 0;
}

/* A source that a backup itself changes would never come to rest. */
static int check_source_place(const struct tz_config *config, const struct tz_config_source *source,
                              const char *path, struct tz_error *err)
{
    if (tz_path_inside(path, config->state))
        return fail_at(err, config, source->line,
                       "[source %s]: '%s' lies inside the state directory '%s'", source->name, path,
                       config->state);
    for (size_t i = 0; i < config->store_count; i++) {
        const char *store = tz_url_path(config->stores[i].url);
        if (store && tz_path_inside(path, store))
            return fail_at(err, config, source->line, "[source %s]: '%s' lies inside [store %s]",
                           source->name, path, config->stores[i].name);
    }
    return 0;
}

static int check_source_paths(const struct tz_config *config, const struct tz_config_source *source,
                              struct tz_error *err)
{
    for (size_t i = 0; i < source->paths.count; i++) {
        const char *path = source->paths.items[i];
        if (check_source_place(config, source, path, err))
            return -1;
        for (size_t j = 0; j < i; j++) {
            const char *other = source->paths.items[j];
            if (strcmp(path, other) == 0)
                return fail_at(err, config, source->line, "[source %s]: the path '%s' comes twice",
                               source->name, path);
            /* With one_file_system the inner one may be a mount that the outer leaves out. */
            if (!source->one_file_system &&
                (tz_path_inside(path, other) || tz_path_inside(other, path)))
                return fail_at(err, config, source->line,
                               "[source %s]: of the paths '%s' and '%s' one holds the other",
                               source->name, other, path);
        }
    }
    return 0;
}

static int check_source(const struct tz_config *config, const struct tz_config_source *source,
                        struct tz_error *err)
{
    const char *type = tz_source_type_name(source->type);

    switch (source->type) {
    case TZ_SOURCE_DIRECTORY:
        if (source->paths.count == 0)
            return fail_at(err, config, source->line, "[source %s] has no path", source->name);
        break;
    case TZ_SOURCE_SQLITE:
    case TZ_SOURCE_IMAGE:
        if (source->paths.count != 1)
            return fail_at(err, config, source->line,
                           "[source %s] needs exactly one path, as 'type = %s'", source->name,
                           type);
        break;
    case TZ_SOURCE_COMMAND:
        if (!source->command)
            return fail_at(err, config, source->line, "[source %s] has no command", source->name);
        break;
    case TZ_SOURCE_POSTGRES:
    case TZ_SOURCE_MARIADB:
        break;
    }
    if (source->block_size & (source->block_size - 1))
        return fail_at(err, config, source->line, "[source %s]: block_size is not a power of two",
                       source->name);
    return check_source_paths(config, source, err);
}

/* Only one of the two can be meant. */
static int check_times(const struct tz_config *config, const struct tz_config_pair *pairs,
                       size_t count, const char *section, const char *name, int line,
                       struct tz_error *err)
{
    if (tz_config_pair_value(pairs, count, section, "every", 0) &&
        tz_config_pair_value(pairs, count, section, "cron", 0))
        return fail_at(err, config, line, "%s has both 'every' and 'cron'", name);
    return 0;
}

/* The line of a key of the general part. */
static int line_of(const struct tz_config *config, const char *section, const char *key)
{
    for (size_t i = 0; i < config->later_count; i++)
        if (strcmp(config->later[i].section, section) == 0 &&
            strcmp(config->later[i].key, key) == 0)
            return config->later[i].line;
    return 0;
}

int tz_config_check(const struct tz_config *config, struct tz_error *err)
{
    if (check_times(config, config->later, config->later_count, "run", "[run]",
                    line_of(config, "run", "cron"), err))
        return -1;
    if (check_stores(config, err) || check_repository(config, err))
        return -1;
    for (size_t i = 0; i < config->source_count; i++) {
        const struct tz_config_source *source = &config->sources[i];
        if (check_source(config, source, err) ||
            check_times(config, source->more, source->more_count, NULL, "this source", source->line,
                        err))
            return -1;
    }
    return tz_retention_check(config, err);
}
