/*
 * The services that give keys, on a port of this machine: instance metadata, a container's, STS.
 *
 * One thread answers one request after the other.  Every answer has new keys, "ASIA1", "ASIA2",
 * ..., with secrets that begin with SECRET_MARK.  The fields may be changed with the mutex held.
 */
#ifndef TOZAI_TESTS_KEY_SERVICES_H
#define TOZAI_TESTS_KEY_SERVICES_H

#include "tozai/util/time.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECRET_MARK  "WipeMe/+="
#define ROLES        "/latest/meta-data/iam/security-credentials/"
#define REQUEST_SIZE 16384

struct key_services {
    pthread_mutex_t mutex;
    int64_t expires_ns;      /* of the keys that are given; 0: says nothing about it */
    unsigned status;         /* of every answer, 0: what is right */
    unsigned status_count;   /* for so many answers, 0: always */
    const char *text;        /* instead of the keys */
    const char *no_role;     /* the instance has none */
    const char *permission;  /* what Authorization must be at /container, NULL: nothing */
    unsigned delay_ms;       /* before each answer */
    unsigned given;          /* keys */
    unsigned asked;          /* requests */
    char last[REQUEST_SIZE]; /* the last one */

    int listener;
    char url[64];
    pthread_t thread;
};

static inline const char *find_header(const char *request, const char *name, char *value,
                                      size_t size)
{
    const char *line = strcasestr(request, name);
    if (!line || strncmp(line - 2, "\r\n", 2) != 0)
        return NULL;
    line += strlen(name);
    line += strspn(line, ": ");
    (void)snprintf(value, size, "%.*s", (int)strcspn(line, "\r\n"), line);
    return value;
}

static inline bool has_header(const char *request, const char *name, const char *wanted)
{
    char value[4096];
    return find_header(request, name, value, sizeof(value)) && strcmp(value, wanted) == 0;
}

static inline void make_keys(struct key_services *services, bool xml, char *out, size_t size)
{
    char end[TZ_TIME_TEXT];
    unsigned n = ++services->given;
    tz_time_format(end, services->expires_ns);
    if (xml)
        (void)snprintf(out, size,
                       "<?xml version=\"1.0\"?>\n<AssumeRoleWithWebIdentityResponse "
                       "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
                       "<AssumeRoleWithWebIdentityResult><Audience>sts</Audience><Credentials>"
                       "<AccessKeyId>ASIA%u</AccessKeyId>\n"
                       "<SecretAccessKey>" SECRET_MARK "&amp;%u</SecretAccessKey>"
                       "<SessionToken>" SECRET_MARK "token%u</SessionToken>"
                       "<Expiration>%s</Expiration></Credentials>"
                       "</AssumeRoleWithWebIdentityResult>"
                       "<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>"
                       "</AssumeRoleWithWebIdentityResponse>",
                       n, n, n, end);
    else
        (void)snprintf(out, size,
                       "{\"Code\": \"Success\", \"AccessKeyId\": \"ASIA%u\", \"SecretAccessKey\": "
                       "\"" SECRET_MARK "%u\", \"Token\": \"" SECRET_MARK "token%u\"%s%s%s}",
                       n, n, n, services->expires_ns ? ", \"Expiration\": \"" : "",
                       services->expires_ns ? end : "", services->expires_ns ? "\"" : "");
}

/* The status, and the body in out; as the real services answer. */
static inline unsigned answer_request(struct key_services *services, char *out, size_t size)
{
    const char *request = services->last;
    if (strncmp(request, "PUT /latest/api/token ", 22) == 0) {
        bool right = has_header(request, "x-aws-ec2-metadata-token-ttl-seconds", "300");
        (void)snprintf(out, size, "TOKEN==");
        return right ? 200 : 400;
    }
    bool roles = strncmp(request, "GET " ROLES " ", strlen(ROLES) + 5) == 0;
    bool keys = strncmp(request, "GET " ROLES "backup-role ", strlen(ROLES) + 16) == 0;
    if ((roles || keys) && !has_header(request, "x-aws-ec2-metadata-token", "TOKEN=="))
        return 401;
    if (roles) {
        (void)snprintf(out, size, "backup-role\n");
        return services->no_role ? 404 : 200;
    }
    if (strncmp(request, "GET /container/keys ", 20) == 0) {
        keys = true;
        if (services->permission && !has_header(request, "authorization", services->permission))
            return 403;
    }
    bool sts = strncmp(request, "POST / ", 7) == 0;
    if (!keys && !sts)
        return 404;
    if (services->text)
        (void)snprintf(out, size, "%s", services->text);
    else
        make_keys(services, sts, out, size);
    return 200;
}

/* The header and as much of a body as it says. */
static inline bool read_request(int fd, char *request, size_t size)
{
    size_t len = 0;
    for (;;) {
        ssize_t n = read(fd, request + len, size - 1 - len);
        if (n <= 0)
            return false;
        len += (size_t)n;
        request[len] = '\0';
        const char *end = strstr(request, "\r\n\r\n");
        char value[32];
        if (!end)
            continue;
        size_t body = find_header(request, "content-length", value, sizeof(value))
                          ? (size_t)strtoul(value, NULL, 10)
                          : 0;
        if (len >= (size_t)(end - request) + 4 + body)
            return true;
    }
}

static inline void answer_one(struct key_services *services, int fd)
{
    char request[REQUEST_SIZE], body[8192] = "", head[256];
    if (!read_request(fd, request, sizeof(request)))
        return;
    (void)pthread_mutex_lock(&services->mutex);
    (void)snprintf(services->last, sizeof(services->last), "%s", request);
    services->asked++;
    unsigned delay_ms = services->delay_ms, status = services->status;
    if (status == 0)
        status = answer_request(services, body, sizeof(body));
    else if (services->text)
        (void)snprintf(body, sizeof(body), "%s", services->text);
    if (services->status_count > 0 && --services->status_count == 0)
        services->status = 0;
    (void)pthread_mutex_unlock(&services->mutex);
    (void)usleep(delay_ms * 1000);
    int len = snprintf(head, sizeof(head),
                       "HTTP/1.1 %u Answer\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                       status, strlen(body));
    (void)send(fd, head, (size_t)len, MSG_NOSIGNAL);
    (void)send(fd, body, strlen(body), MSG_NOSIGNAL);
}

static inline void *run_services(void *state)
{
    struct key_services *services = state;
    for (;;) {
        int fd = accept(services->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        answer_one(services, fd);
        (void)shutdown(fd, SHUT_WR);
        (void)close(fd);
    }
}

static inline int start_services(struct key_services *services)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    (void)pthread_mutex_init(&services->mutex, NULL);
    services->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (services->listener < 0 || bind(services->listener, (void *)&address, len) ||
        listen(services->listener, 64) || getsockname(services->listener, (void *)&address, &len))
        return -1;
    (void)snprintf(services->url, sizeof(services->url), "http://127.0.0.1:%u",
                   ntohs(address.sin_port));
    return pthread_create(&services->thread, NULL, run_services, services);
}

static inline void stop_services(struct key_services *services)
{
    (void)shutdown(services->listener, SHUT_RDWR);
    (void)pthread_join(services->thread, NULL);
    (void)close(services->listener);
    (void)pthread_mutex_destroy(&services->mutex);
}

#endif
