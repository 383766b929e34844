/*
 * From "s3://bucket/prefix" and an endpoint to the address of requests.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "s3.h"

#include <stdio.h>
#include <string.h>

#include "tozai/util/banned.h"

#define BUCKET_MAX 63

static bool bucket_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' ||
           (c >= 'A' && c <= 'Z');
}

static int set_bucket(struct tz_s3_store *store, const char *text, size_t len, struct tz_error *err)
{
    if (len < 3 || len > BUCKET_MAX)
        return tz_fail(err, TZ_INVALID, "'%.*s' is not the name of a bucket", (int)len, text);
    for (size_t i = 0; i < len; i++)
        if (!bucket_char(text[i]))
            return tz_fail(err, TZ_INVALID, "'%.*s' is not the name of a bucket", (int)len, text);
    store->bucket = strndup(text, len);
    return store->bucket ? 0 : tz_fail_nomem(err);
}

/* With one '/' at its end, unless it is empty. */
static int set_prefix(struct tz_s3_store *store, const char *text, struct tz_error *err)
{
    size_t len = strlen(text);

    while (len > 0 && text[len - 1] == '/')
        len--;
    if (len > 0 && text[0] == '/')
        return tz_fail(err, TZ_INVALID, "the prefix '%s' begins with '/'", text);
    if (len + 1 + TZ_STORE_NAME_MAX > TZ_S3_KEY_MAX)
        return tz_fail(err, TZ_INVALID, "the prefix '%s' is too long", text);
    if (asprintf(&store->prefix, "%.*s%s", (int)len, text, len ? "/" : "") < 0) {
        store->prefix = NULL;
        return tz_fail_nomem(err);
    }
    return 0;
}

static int split_url(struct tz_s3_store *store, const char *url, struct tz_error *err)
{
    static const char scheme[] = "s3://";

    if (strncmp(url, scheme, strlen(scheme)) != 0) {
        (void)tz_fail(err, TZ_INVALID, "'%s' does not name a bucket", url);
        return tz_hint(err, "write s3://bucket/prefix");
    }
    const char *bucket = url + strlen(scheme);
    size_t len = strcspn(bucket, "/");
    if (set_bucket(store, bucket, len, err))
        return -1;
    return set_prefix(store, bucket[len] ? bucket + len + 1 : "", err);
}

/* "https://host:port" without a path; *ret_host points behind the "//". */
static int check_endpoint(const char *endpoint, size_t *ret_len, const char **ret_host,
                          struct tz_error *err)
{
    bool plain = strncmp(endpoint, "http://", 7) == 0;

    if (!plain && strncmp(endpoint, "https://", 8) != 0)
        return tz_fail(err, TZ_INVALID,
                       "the endpoint '%s' begins neither with https:// nor http://", endpoint);
    *ret_host = endpoint + (plain ? 7 : 8);
    size_t len = strcspn(*ret_host, "/?#");
    if (len == 0 || strspn(*ret_host + len, "/") != strlen(*ret_host + len) ||
        memchr(*ret_host, '@', len))
        return tz_fail(err, TZ_INVALID, "the endpoint '%s' is more, or less, than scheme and host",
                       endpoint);
    *ret_len = len;
    return 0;
}

static int set_host(const struct tz_s3_store *store, struct tz_s3_address *address,
                    const char *scheme, int scheme_len, const char *host, int len,
                    struct tz_error *err)
{
    int status = store->path_style ? asprintf(&address->host, "%.*s", len, host)
                                   : asprintf(&address->host, "%s.%.*s", store->bucket, len, host);
    if (status < 0) {
        address->host = NULL;
        return tz_fail_nomem(err);
    }
    if (asprintf(&address->base, "%.*s%s", scheme_len, scheme, address->host) < 0) {
        address->base = NULL;
        return tz_fail_nomem(err);
    }
    return 0;
}

/* What HTTP leaves away: the port that the scheme means anyway. */
static size_t without_default_port(const char *endpoint, const char *host, size_t len)
{
    bool tls = strncmp(endpoint, "https:", 6) == 0;
    const char *port = tls ? ":443" : ":80";
    size_t port_len = strlen(port);

    return len > port_len && memcmp(host + len - port_len, port, port_len) == 0 ? len - port_len
                                                                                : len;
}

static int set_region(const struct tz_s3_store *store, const char *region,
                      struct tz_s3_address *address, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *own = NULL;
    const char *endpoint = store->endpoint, *host = NULL;
    size_t len = 0;

    address->region = strdup(region);
    if (!address->region)
        return tz_fail_nomem(err);
    if (!endpoint) {
        bool china = strncmp(region, "cn-", 3) == 0;
        if (asprintf(&own, "https://s3.%s.amazonaws.com%s", region, china ? ".cn" : "") < 0) {
            own = NULL;
            return tz_fail_nomem(err);
        }
        endpoint = own;
    }
    if (check_endpoint(endpoint, &len, &host, err))
        return -1;
    len = without_default_port(endpoint, host, len);
    return set_host(store, address, endpoint, (int)(host - endpoint), host, (int)len, err);
}

int tz_s3_set_address(struct tz_s3_store *store, const char *url, const char *endpoint,
                      const char *region, enum tz_store_path path_style, struct tz_error *err)
{
    bool given = endpoint && *endpoint;

    if (split_url(store, url, err))
        return -1;
    if (given && !(store->endpoint = strdup(endpoint)))
        return tz_fail_nomem(err);
    /* Few servers beside AWS have a name for each bucket; one with dots fits no certificate. */
    store->path_style = path_style == TZ_STORE_PATH_DEFAULT ? given || strchr(store->bucket, '.')
                                                            : path_style == TZ_STORE_PATH_YES;
    store->open_region = !region || !*region;
    return set_region(store, store->open_region ? TZ_S3_DEFAULT_REGION : region,
                      &store->addresses[0], err);
}

void tz_s3_clear_address(struct tz_s3_store *store)
{
    for (size_t i = 0; i < TZ_COUNT(store->addresses); i++) {
        free(store->addresses[i].base);
        free(store->addresses[i].host);
        free(store->addresses[i].region);
    }
    free(store->bucket);
    free(store->prefix);
    free(store->endpoint);
}

const struct tz_s3_address *tz_s3_address(struct tz_s3_store *store)
{
    (void)pthread_mutex_lock(&store->mutex);
    const struct tz_s3_address *address = &store->addresses[store->address];
    (void)pthread_mutex_unlock(&store->mutex);
    return address;
}

/* It becomes a part of a host's name and of a signature. */
static bool is_region(const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++)
        if (!bucket_char(text[i]) || text[i] == '.')
            return false;
    return len > 0 && len < TZ_STORE_REGION_MAX;
}

bool tz_s3_move(struct tz_s3_store *store, const struct tz_s3_address *asked, const char *region)
{
    bool moved = false;

    (void)pthread_mutex_lock(&store->mutex);
    if (asked != &store->addresses[store->address]) {
        moved = true; /* somebody else was faster */
    } else if (store->open_region && is_region(region) && strcmp(region, asked->region) != 0) {
        store->open_region = false;
        moved = set_region(store, region, &store->addresses[1], NULL) == 0;
        store->address = moved;
    }
    (void)pthread_mutex_unlock(&store->mutex);
    return moved;
}
