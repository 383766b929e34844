/*
 * Signing of S3 requests: AWS Signature Version 4 in the Authorization header, by the rules for S3
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html): the path is
 * encoded once and never normalised, and the hash of the body is a header of its own.
 *
 * A request is described once, here, and what is sent is made from the same description, so that
 * what was signed and what goes over the wire cannot differ.  Nothing is kept between calls; any
 * number of threads.  The secret is wiped from whatever was derived from it.
 */
#ifndef TOZAI_STORAGE_S3_SIGV4_H
#define TOZAI_STORAGE_S3_SIGV4_H

#include "tozai/storage/digest.h"
#include "tozai/util/buf.h"

#include <stdbool.h>

/* A query parameter or a header; both are plain, not encoded.  A parameter's value NULL: none
 * ("?uploads"), which is sent and signed as an empty one. */
struct tz_s3_pair {
    const char *name;
    const char *value;
};

/* For payload_hash: a body that is not hashed; only over TLS, and only where something else
 * protects it. */
#define TZ_S3_UNSIGNED_PAYLOAD tz_s3_unsigned_payload
extern const uint8_t tz_s3_unsigned_payload[TZ_HASH_SIZE];

struct tz_s3_signing {
    const char *method; /* "GET" */
    /* As the Host header will have it, so without a port that is the scheme's own:
     * "s3.example.com:8443". */
    const char *host;
    const char *path; /* decoded, with its leading '/': "/bucket/a b"; any bytes but NUL */
    const struct tz_s3_pair *query;
    size_t query_count;
    /* To be signed and sent beside host, x-amz-date and x-amz-content-sha256 (and
     * x-amz-security-token).  Names in any case; repeated ones too, but not every
     * server takes a signature over those (Ceph RGW 16 does not). */
    const struct tz_s3_pair *headers;
    size_t header_count;
    /* TZ_HASH_SIZE bytes, or TZ_S3_UNSIGNED_PAYLOAD.  NULL: there is no body. */
    const uint8_t *payload_hash;

    const char *access_key; /* may hold ':' */
    const char *secret_key;
    const char *session_token; /* NULL: none */
    const char *region;
    int64_t time_ns; /* of the server's clock, as far as it is known */
};

/*
 * The request's target and header lines:
 *
 *   target   "/bucket/a%20b?list-type=2&prefix=x", each query name with '=', in signed order
 *   lines    NUL-terminated "Name: value", one after the other: the given headers, x-amz-date,
 *            x-amz-content-sha256, x-amz-security-token, Authorization (not Host)
 *
 * Both are appended to, and end with a NUL that len does not count; that of lines is one more
 * than that of its last line.  After an error both are as they were.
 *
 * TZ_INVALID, with a message that holds neither secret key nor token:
 *
 *   method          not a token of HTTP (RFC 9110)
 *   path            does not begin with '/'
 *   query           an empty name
 *   header          its name is no token, or is that of one that the signer adds
 *   header's value  nothing but spaces (not every client sends such a header), or a control
 *                   character: a line break, but also a tab, which servers treat in two ways
 *   host, region, access key, session token
 *                   empty; a space or control character; what would end it early: "/?#@" in the
 *                   host, '/' and ',' in the region, ',' in the access key
 *   secret key      empty
 */
int tz_s3_sign(const struct tz_s3_signing *signing, struct tz_buf *target, struct tz_buf *lines,
               struct tz_error *err) TZ_MUST_CHECK;

/* The steps, for tests: both texts are appended to out, end without a line break, and with a NUL
 * that len does not count. */
int tz_s3_canonical_request(const struct tz_s3_signing *signing, struct tz_buf *out,
                            struct tz_error *err) TZ_MUST_CHECK;
int tz_s3_string_to_sign(const struct tz_s3_signing *signing, struct tz_buf *out,
                         struct tz_error *err) TZ_MUST_CHECK;

/* Percent-encode as S3 wants it: all but [A-Za-z0-9._~-], and '/' if keep_slash.  Appended to
 * out, with a NUL that len does not count. */
int tz_s3_encode(const char *text, bool keep_slash, struct tz_buf *out,
                 struct tz_error *err) TZ_MUST_CHECK;

#endif
