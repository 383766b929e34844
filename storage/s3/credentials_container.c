/*
 * The service beside a container (ECS, EKS pod identity): one GET, with a token if there is one.
 *
 * Where it is comes from the environment, and the token goes there: so it must be a place that
 * only this machine has, or TLS.
 */
#include "credentials_private.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <strings.h>

#include "tozai/util/banned.h"

#define SERVICE   "the container's service"
#define TIMEOUT_S 2
#define TRIES     3

static bool is_local_v4(const char *host)
{
    struct in_addr address, ecs, eks;
    if (inet_pton(AF_INET, host, &address) != 1)
        return false;
    (void)inet_pton(AF_INET, "169.254.170.2", &ecs);
    (void)inet_pton(AF_INET, "169.254.170.23", &eks);
    return ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET || address.s_addr == ecs.s_addr ||
           address.s_addr == eks.s_addr;
}

static bool is_local_v6(const char *host)
{
    struct in6_addr address, eks;
    if (inet_pton(AF_INET6, host, &address) != 1)
        return false;
    (void)inet_pton(AF_INET6, "fd00:ec2::23", &eks);
    return memcmp(&address, &in6addr_loopback, sizeof(address)) == 0 ||
           memcmp(&address, &eks, sizeof(address)) == 0;
}

/* The host of "host:port" or "[address]:port"; false if it is neither. */
static bool copy_host(const char *authority, size_t len, char *host, size_t size, bool *ret_v6)
{
    *ret_v6 = len > 0 && authority[0] == '[';
    const char *end = memchr(authority, *ret_v6 ? ']' : ':', len);
    if (*ret_v6 && !end)
        return false;
    const char *begin = authority + *ret_v6;
    size_t host_len = end ? (size_t)(end - begin) : len;
    const char *port = begin + host_len + *ret_v6;
    size_t port_len = (size_t)(authority + len - port);
    if (host_len == 0 || host_len >= size ||
        (port_len > 0 && (port[0] != ':' || strspn(port + 1, "0123456789") < port_len - 1)))
        return false;
    memcpy(host, begin, host_len);
    host[host_len] = '\0';
    return true;
}

/* "http://" and a host of this machine, or "https://" and any. */
static bool may_be_told(const char *url)
{
    for (const char *c = url; *c; c++)
        if (*c <= ' ' || *c == '\\' || *c == '\x7f')
            return false;
    bool is_tls = strncasecmp(url, "https://", strlen("https://")) == 0;
    if (!is_tls && strncasecmp(url, "http://", strlen("http://")) != 0)
        return false;
    const char *authority = url + strlen(is_tls ? "https://" : "http://");
    size_t len = strcspn(authority, "/?#");
    char host[256];
    bool v6;
    /* "http://127.0.0.1@elsewhere" goes elsewhere. */
    if (memchr(authority, '@', len) || !copy_host(authority, len, host, sizeof(host), &v6))
        return false;
    return is_tls ||
           (v6 ? is_local_v6(host) : is_local_v4(host) || strcasecmp(host, "localhost") == 0);
}

static int make_url(const struct tz_credentials_setup *setup, struct tz_buf *url,
                    struct tz_error *err)
{
    if (setup->container_path) {
        if (setup->container_path[0] != '/' || !tz_credentials_is_line(setup->container_path))
            return tz_fail(err, TZ_INVALID,
                           "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with '/'");
        return tz_buf_printf(url, err, "%s%s", setup->container_host, setup->container_path);
    }
    if (!may_be_told(setup->container_url)) {
        (void)tz_fail(err, TZ_INVALID, "AWS_CONTAINER_CREDENTIALS_FULL_URI may not be '%.200s'",
                      setup->container_url);
        return tz_hint(err, "it must begin with https://, or http:// and localhost, a loopback "
                            "address, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23]");
    }
    return tz_buf_printf(url, err, "%s", setup->container_url);
}

/* "Authorization: TOKEN", which may change with each reading; nothing without one. */
static int add_token(const struct tz_credentials_setup *setup, struct tz_buf *lines,
                     struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_secret) char *from_file = NULL;
    if (setup->container_token_file &&
        tz_credentials_read_token(setup->container_token_file, &from_file, err))
        return -1;
    const char *token = from_file ? from_file : setup->container_token;
    if (!token)
        return 0;
    if (!tz_credentials_is_line(token))
        return tz_fail(err, TZ_INVALID, "AWS_CONTAINER_AUTHORIZATION_TOKEN is more than a line");
    /* At once, so that the memory does not move. */
    return tz_buf_reserve(lines, strlen("Authorization: ") + strlen(token) + 3, err) ||
                   tz_buf_printf(lines, err, "Authorization: %s", token) ||
                   tz_buf_append(lines, "\0", 2, err)
               ? -1
               : 0;
}

int tz_credentials_ask_container(const struct tz_credentials_asker *asker,
                                 struct tz_credentials *ret, struct tz_error *err)
{
    const struct tz_credentials_setup *setup = asker->setup;
    if (!setup->container_path && !setup->container_url)
        return tz_fail(err, TZ_NOT_FOUND, "AWS_CONTAINER_CREDENTIALS_FULL_URI is not set");
    TZ_SCOPED(tz_scoped_buf) struct tz_buf url = {0};
    TZ_SCOPED(tz_scoped_secret_buf) struct tz_buf lines = {0};
    TZ_SCOPED(tz_scoped_secret_buf) struct tz_buf out = {0};
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    if (make_url(setup, &url, err) || add_token(setup, &lines, err))
        return -1;
    struct tz_http_request request = {.method = "GET",
                                      .url = (const char *)url.data,
                                      .lines = (const char *)lines.data,
                                      .timeout_s = TIMEOUT_S,
                                      .direct = true};
    if (tz_credentials_request(asker->http, &request, TRIES, &out, &response, err))
        return -1;
    if (response.status / 100 != 2)
        return tz_credentials_fail_status(&response, SERVICE, err);
    return tz_credentials_from_json(&out, SERVICE, ret, err);
}
