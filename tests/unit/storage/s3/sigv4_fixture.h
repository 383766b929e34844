/*
 * What the tests of the signer share.
 */
#ifndef TOZAI_TESTS_SIGV4_FIXTURE_H
#define TOZAI_TESTS_SIGV4_FIXTURE_H

#include "storage/s3/sigv4_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* 2013-05-24T00:00:00Z, the moment of the examples in the documentation of S3. */
#define EXAMPLE_NS (INT64_C(1369353600) * TZ_SECOND_NS)

static const TZ_UNUSED struct tz_s3_signing example = {
    .method = "GET",
    .host = "examplebucket.s3.amazonaws.com",
    .path = "/",
    .access_key = "AKIAIOSFODNN7EXAMPLE",
    .secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    .region = "us-east-1",
    .time_ns = EXAMPLE_NS,
};

static inline TZ_UNUSED const char *text_of(const struct tz_buf *buf)
{
    assert_int_equal(strlen((char *)buf->data), buf->len);
    return (char *)buf->data;
}

#endif
