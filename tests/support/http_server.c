#define _GNU_SOURCE /* memmem(), POLLRDHUP */
#include "http_server.h"

#include "http_certificate.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "tozai/util/banned.h"

#define HEAD_MAX 65536

struct http_connection {
    struct http_server *server;
    struct http_connection *next;
    pthread_t thread;
    int fd;   /* -1: closed; guarded by the server's mutex */
    SSL *ssl; /* NULL: plain */
    unsigned number;
    bool closed;
    char head[HEAD_MAX]; /* what was read and not used */
    size_t held;
    uint64_t body_left;
};

struct http_server {
    http_handler *handler;
    void *arg;
    SSL_CTX *tls;
    char ca[64];
    int fd;
    unsigned port;
    char url[64];
    pthread_t thread;
    pthread_mutex_t mutex;
    atomic_bool stopping;
    atomic_uint requests, connection_count;
    struct http_connection *connections; /* of the accepting thread until that is joined */
};

static void need(bool good, const char *what)
{
    if (good)
        return;
    perror(what);
    abort();
}

/* -- bytes ------------------------------------------------------------------------------- */

static size_t receive(struct http_connection *connection, void *data, size_t len)
{
    if (connection->closed)
        return 0;
    ssize_t got = connection->ssl ? SSL_read(connection->ssl, data, (int)TZ_MIN(len, 1U << 20))
                                  : recv(connection->fd, data, len, 0);
    if (got <= 0)
        connection->closed = true;
    return got > 0 ? (size_t)got : 0;
}

bool http_write(struct http_call *call, const void *data, size_t len)
{
    struct http_connection *connection = call->connection;
    const char *next = data;

    while (len > 0 && !connection->closed) {
        ssize_t put = connection->ssl ? SSL_write(connection->ssl, next, (int)TZ_MIN(len, 1U << 20))
                                      : send(connection->fd, next, len, MSG_NOSIGNAL);
        if (put <= 0) {
            connection->closed = true;
            break;
        }
        next += put;
        len -= (size_t)put;
    }
    return !connection->closed;
}

bool http_print(struct http_call *call, const char *format, ...)
{
    char text[8192];
    va_list args;

    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    need(len >= 0 && (size_t)len < sizeof(text), "http_print: too long");
    return http_write(call, text, (size_t)len);
}

bool http_answer(struct http_call *call, unsigned status, const void *body, size_t len)
{
    return http_print(call, "HTTP/1.1 %u Some Words\r\nContent-Length: %zu\r\n\r\n", status, len) &&
           http_write(call, body, len);
}

size_t http_read_some(struct http_call *call, void *data, size_t len)
{
    struct http_connection *connection = call->connection;
    size_t wanted = (size_t)TZ_MIN(len, connection->body_left);
    size_t got = TZ_MIN(wanted, connection->held);

    if (got > 0) {
        memcpy(data, connection->head, got);
        connection->held -= got;
        memmove(connection->head, connection->head + got, connection->held);
    } else if (wanted > 0) {
        got = receive(connection, data, wanted);
    }
    connection->body_left -= got;
    return got;
}

bool http_read_body(struct http_call *call, uint8_t *hash)
{
    TZ_SCOPED(tz_scoped_sha256) struct tz_sha256 *digest = NULL;
    TZ_SCOPED(tz_scoped_free) char *data = malloc(1U << 18);

    need(data && tz_sha256_new(&digest, NULL) == 0, "http_read_body");
    if (call->continues && !http_print(call, "HTTP/1.1 100 Continue\r\n\r\n"))
        return false;
    call->continues = false;
    call->body_read = true;
    while (call->connection->body_left > 0) {
        size_t len = http_read_some(call, data, 1U << 18);
        if (len == 0)
            return false;
        if (hash)
            need(tz_sha256_add(digest, data, len, NULL) == 0, "tz_sha256_add");
    }
    if (hash)
        need(tz_sha256_end(digest, hash, NULL) == 0, "tz_sha256_end");
    return true;
}

void http_close(struct http_call *call)
{
    call->connection->closed = true;
}

void http_reset(struct http_call *call)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(call->connection->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    call->connection->closed = true;
}

void http_hang(struct http_call *call)
{
    while (!http_server_stopping(call->server)) {
        struct pollfd waited = {.fd = call->connection->fd, .events = POLLRDHUP};
        if (poll(&waited, 1, 50) > 0)
            break;
    }
    call->connection->closed = true;
}

/* -- requests ---------------------------------------------------------------------------- */

char *http_header(const struct http_call *call, const char *name)
{
    size_t name_len = strlen(name);
    for (const char *line = call->headers; *line; line = strstr(line, "\r\n") + 2) {
        if (strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
            continue;
        const char *value = line + name_len + 1;
        value += strspn(value, " ");
        return strndup(value, (size_t)(strstr(value, "\r\n") - value));
    }
    return NULL;
}

/* The head of the next request, and what comes behind it moved to the front of the buffer. */
static char *read_head(struct http_connection *connection)
{
    for (;;) {
        char *end =
            connection->held ? memmem(connection->head, connection->held, "\r\n\r\n", 4) : NULL;
        if (end) {
            size_t len = (size_t)(end - connection->head) + 4;
            char *head = strndup(connection->head, len - 2);
            need(head != NULL, "strndup");
            connection->held -= len;
            memmove(connection->head, connection->head + len, connection->held);
            return head;
        }
        need(connection->held < HEAD_MAX, "a request's head is too long");
        size_t got =
            receive(connection, connection->head + connection->held, HEAD_MAX - connection->held);
        if (got == 0)
            return NULL;
        connection->held += got;
    }
}

static void serve_one(struct http_connection *connection, char *head, unsigned number)
{
    struct http_server *server = connection->server;
    struct http_call call = {.server = server,
                             .connection = connection,
                             .connection_number = connection->number,
                             .number = number,
                             .headers = strstr(head, "\r\n") + 2,
                             .arg = server->arg};

    need(sscanf(head, "%15s %4095s HTTP/1.1\r\n", call.method, call.target) == 2, head);
    TZ_SCOPED(tz_scoped_free) char *length = http_header(&call, "Content-Length");
    TZ_SCOPED(tz_scoped_free) char *expect = http_header(&call, "Expect");
    call.body_len = connection->body_left = length ? strtoull(length, NULL, 10) : 0;
    call.continues = expect != NULL;
    atomic_fetch_add(&server->requests, 1);
    server->handler(&call);

    char dropped[4096];
    if (call.continues) /* a body that was never asked for does not come, or it does */
        connection->closed = true;
    while (connection->body_left > 0 && http_read_some(&call, dropped, sizeof(dropped)) > 0)
        ;
}

static void *serve(void *arg)
{
    struct http_connection *connection = arg;
    struct http_server *server = connection->server;

    if (server->tls) {
        connection->ssl = SSL_new(server->tls);
        need(connection->ssl && SSL_set_fd(connection->ssl, connection->fd) == 1, "SSL_new");
        connection->closed = SSL_accept(connection->ssl) != 1;
    }
    for (unsigned number = 1; !connection->closed; number++) {
        TZ_SCOPED(tz_scoped_free) char *head = read_head(connection);
        if (head)
            serve_one(connection, head, number);
    }
    if (connection->ssl)
        (void)SSL_shutdown(connection->ssl);
    SSL_free(connection->ssl);
    (void)pthread_mutex_lock(&server->mutex);
    (void)close(TZ_TAKE_FD(connection->fd));
    (void)pthread_mutex_unlock(&server->mutex);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct http_server *server = arg;
    const int on = 1;

    for (;;) {
        int fd = accept(server->fd, NULL, NULL);
        if (fd < 0)
            return NULL; /* shut down */
        struct http_connection *connection = calloc(1, sizeof(*connection));
        need(connection != NULL, "calloc");
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        connection->server = server;
        connection->fd = fd;
        connection->number = atomic_fetch_add(&server->connection_count, 1) + 1;
        connection->next = server->connections;
        server->connections = connection;
        need(pthread_create(&connection->thread, NULL, serve, connection) == 0, "pthread_create");
    }
}

/* -- the server -------------------------------------------------------------------------- */

static void prepare_tls(struct http_server *server, bool old)
{
    (void)snprintf(server->ca, sizeof(server->ca), "/tmp/tozai-test-XXXXXX");
    int fd = mkstemp(server->ca);
    need(fd >= 0 && close(fd) == 0 && http_certificate_write(server->ca), "certificate");

    server->tls = SSL_CTX_new(TLS_server_method());
    need(server->tls &&
             SSL_CTX_use_certificate_file(server->tls, server->ca, SSL_FILETYPE_PEM) == 1 &&
             SSL_CTX_use_PrivateKey_file(server->tls, server->ca, SSL_FILETYPE_PEM) == 1,
         "SSL_CTX");
    SSL_CTX_set_mode(server->tls, SSL_MODE_AUTO_RETRY);
    if (old) {
        SSL_CTX_set_security_level(server->tls, 0);
        need(SSL_CTX_set_min_proto_version(server->tls, TLS1_VERSION) == 1 &&
                 SSL_CTX_set_max_proto_version(server->tls, TLS1_1_VERSION) == 1,
             "SSL_CTX_set_max_proto_version");
    }
}

static void listen_somewhere(struct http_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    server->fd = socket(AF_INET, SOCK_STREAM, 0);
    need(server->fd >= 0 && bind(server->fd, (struct sockaddr *)&address, len) == 0 &&
             listen(server->fd, 128) == 0 &&
             getsockname(server->fd, (struct sockaddr *)&address, &len) == 0,
         "listen");
    server->port = ntohs(address.sin_port);
    (void)snprintf(server->url, sizeof(server->url), "http%s://127.0.0.1:%u",
                   server->tls ? "s" : "", server->port);
}

struct http_server *http_server_start(http_handler *handler, void *arg, enum http_server_tls tls)
{
    struct http_server *server = calloc(1, sizeof(*server));

    need(server != NULL, "calloc");
    (void)signal(SIGPIPE, SIG_IGN); /* SSL_write() */
    (void)pthread_mutex_init(&server->mutex, NULL);
    server->handler = handler;
    server->arg = arg;
    if (tls != HTTP_PLAIN)
        prepare_tls(server, tls == HTTP_TLS_OLD);
    listen_somewhere(server);
    need(pthread_create(&server->thread, NULL, accept_all, server) == 0, "pthread_create");
    return server;
}

void http_server_stop(struct http_server *server)
{
    if (!server)
        return;
    atomic_store(&server->stopping, true);
    (void)shutdown(server->fd, SHUT_RDWR);
    (void)pthread_join(server->thread, NULL);
    (void)close(server->fd);
    for (struct http_connection *c = server->connections, *next; c; c = next) {
        next = c->next;
        (void)pthread_mutex_lock(&server->mutex);
        if (c->fd >= 0)
            (void)shutdown(c->fd, SHUT_RDWR);
        (void)pthread_mutex_unlock(&server->mutex);
        (void)pthread_join(c->thread, NULL);
        free(c);
    }
    (void)pthread_mutex_destroy(&server->mutex);
    SSL_CTX_free(server->tls);
    if (server->ca[0])
        (void)unlink(server->ca);
    free(server);
}

const char *http_server_url(const struct http_server *server)
{
    return server->url;
}

unsigned http_server_port(const struct http_server *server)
{
    return server->port;
}

const char *http_server_ca(const struct http_server *server)
{
    return server->ca[0] ? server->ca : NULL;
}

unsigned http_server_connections(struct http_server *server)
{
    return atomic_load(&server->connection_count);
}

unsigned http_server_requests(struct http_server *server)
{
    return atomic_load(&server->requests);
}

bool http_server_stopping(struct http_server *server)
{
    return atomic_load(&server->stopping);
}
