/*
 * An S3 store in front of a server whose answers a test makes.
 */
#ifndef TOZAI_TESTS_S3_FIXTURE_H
#define TOZAI_TESTS_S3_FIXTURE_H

#include "http_server.h"

#include "storage/s3/s3.h"

#include "tozai/util/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define S3_FIXTURE_KEYS "[default]\naws_access_key_id = access\naws_secret_access_key = secret\n"

struct s3_fixture {
    struct http_server *server;
    struct tz_store *store;
    char folder[64], keys[96];
};

static inline void s3_fixture_write_keys(const struct s3_fixture *fixture, const char *text)
{
    FILE *file = fopen(fixture->keys, "w");

    assert_non_null(file);
    assert_int_equal(fchmod(fileno(file), 0600), 0);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* With these options beside those that every test needs; either may be NULL. */
static inline void s3_fixture_open_with(struct s3_fixture *fixture, http_handler *handler,
                                        void *arg, const struct tz_store_options *wanted,
                                        const struct tz_store_s3_options *wanted_s3)
{
    const char *top = getenv("TMPDIR");

    (void)snprintf(fixture->folder, sizeof(fixture->folder), "%s/tozai-s3-XXXXXX",
                   top && strlen(top) < 40 ? top : "/tmp");
    assert_non_null(mkdtemp(fixture->folder));
    (void)snprintf(fixture->keys, sizeof(fixture->keys), "%s/keys", fixture->folder);
    s3_fixture_write_keys(fixture, S3_FIXTURE_KEYS);
    fixture->server = http_server_start(handler, arg, HTTP_PLAIN);
    struct tz_store_s3_options s3 = {0};
    struct tz_store_options options = {0};
    if (wanted_s3)
        s3 = *wanted_s3;
    if (wanted)
        options = *wanted;
    s3.endpoint = http_server_url(fixture->server);
    s3.region = "r";
    s3.credentials_file = fixture->keys;
    options.name = "east";
    options.url = "s3://bucket/top";
    options.timeout_s = 2;
    options.s3 = &s3;
    assert_int_equal(tz_store_open(&fixture->store, &options, NULL), 0);
}

static inline void s3_fixture_open(struct s3_fixture *fixture, http_handler *handler, void *arg)
{
    s3_fixture_open_with(fixture, handler, arg, NULL, NULL);
}

static inline void s3_fixture_close(struct s3_fixture *fixture)
{
    tz_store_free(fixture->store);
    http_server_stop(fixture->server);
    (void)unlink(fixture->keys);
    (void)rmdir(fixture->folder);
}

/* An answer with a status, header lines (each with "\r\n") and a body. */
static inline void s3_fixture_answer(struct http_call *call, unsigned status, const char *lines,
                                     const char *body)
{
    (void)http_read_body(call, NULL);
    (void)http_print(call, "HTTP/1.1 %u x\r\n%sContent-Length: %zu\r\n\r\n", status, lines,
                     strlen(body));
    if (strcmp(call->method, "HEAD") != 0)
        (void)http_write(call, body, strlen(body));
}

#endif
