/*
 * An HTTP/1.1 server on a port of its own of 127.0.0.1, whose answers a test makes: as odd as it
 * likes, since they are written byte by byte.
 *
 * Each connection has its own thread, which reads a request's head and calls the test's handler.
 * After that the rest of the body is read and dropped, and the next request is awaited, unless
 * the handler closed the connection.  The process ends if the server itself cannot work.
 */
#ifndef TOZAI_TESTS_HTTP_SERVER_H
#define TOZAI_TESTS_HTTP_SERVER_H

#include "tozai/storage/digest.h"

#include <stdbool.h>

struct http_server;

/* One request. */
struct http_call {
    struct http_server *server;
    struct http_connection *connection;
    unsigned connection_number; /* from 1 on */
    unsigned number;            /* of the request on this connection, from 1 on */
    char method[16];
    char target[4096];
    const char *headers; /* "Name: value\r\n" lines as they came */
    uint64_t body_len;   /* Content-Length */
    bool continues;      /* it waits for "100 Continue" */
    bool body_read;
    void *arg; /* the handler's */
};

typedef void http_handler(struct http_call *call);

enum http_server_tls {
    HTTP_PLAIN,
    HTTP_TLS,     /* by a new certificate for 127.0.0.1 that signs itself */
    HTTP_TLS_OLD, /* the same, but nothing newer than TLS 1.1 */
};

struct http_server *http_server_start(http_handler *handler, void *arg, enum http_server_tls tls);
/* Ends all connections and waits for the handlers.  NULL is allowed. */
void http_server_stop(struct http_server *server);
TZ_DEFINE_SCOPED(struct http_server *, scoped_http_server, http_server_stop)

/* "http://127.0.0.1:12345" */
const char *http_server_url(const struct http_server *server);
unsigned http_server_port(const struct http_server *server);
/* The file with its certificate; NULL for HTTP_PLAIN. */
const char *http_server_ca(const struct http_server *server);
/* How many connections and requests there were. */
unsigned http_server_connections(struct http_server *server);
unsigned http_server_requests(struct http_server *server);
/* The handlers' wish to go on for ever ends here. */
bool http_server_stopping(struct http_server *server);

/* -- for handlers -- */

/* The value of a header, to be freed; NULL if there is none. */
char *http_header(const struct http_call *call, const char *name);
/* These return false once the connection is gone. */
bool http_write(struct http_call *call, const void *data, size_t len);
bool http_print(struct http_call *call, const char *format, ...) TZ_PRINTF(2, 3);
/* A whole answer with Content-Length. */
bool http_answer(struct http_call *call, unsigned status, const void *body, size_t len);
/* Read the whole body, after "100 Continue" if it is waited for; its hash, unless NULL. */
bool http_read_body(struct http_call *call, uint8_t *hash);
/* Up to len bytes of the body, as they come.  0: gone. */
size_t http_read_some(struct http_call *call, void *data, size_t len);
void http_close(struct http_call *call);
/* The peer gets a reset instead of an end. */
void http_reset(struct http_call *call);
/* Wait until the server is stopped or the peer is gone. */
void http_hang(struct http_call *call);

#endif
