/*
 * The parts of the signer, and what the tests need beside the public functions: the published
 * vectors are for another service than S3.
 */
#ifndef TOZAI_STORAGE_S3_SIGV4_PRIVATE_H
#define TOZAI_STORAGE_S3_SIGV4_PRIVATE_H

#include "sigv4.h"

#include "tozai/util/time.h"

/* What the services differ in. */
struct tz_sigv4_service {
    const char *name;  /* in the scope: "s3" */
    bool payload_line; /* x-amz-content-sha256 is sent and signed */
};
extern const struct tz_sigv4_service tz_sigv4_s3;

/* host, x-amz-date, x-amz-content-sha256, x-amz-security-token */
#define TZ_SIGV4_ADDED 4

/* All that signing gives, step by step; each text ends with a NUL that len does not count.
 * Zero-initialized is empty.  It borrows from the description. */
struct tz_sigv4 {
    char time[TZ_TIME_TEXT];                 /* "20130524T000000Z" */
    char payload[TZ_HASH_TEXT];              /* the body's hash, or "UNSIGNED-PAYLOAD" */
    struct tz_s3_pair added[TZ_SIGV4_ADDED]; /* host first */
    size_t added_count;
    struct tz_buf path, query; /* as they are sent and signed */
    struct tz_buf names;       /* "host;x-amz-date" */
    struct tz_buf canonical;
    struct tz_buf scope; /* "20130524/us-east-1/s3/aws4_request" */
    struct tz_buf to_sign;
    char signature[TZ_HASH_TEXT];
};
void tz_sigv4_clear(struct tz_sigv4 *steps);
static inline TZ_UNUSED void tz_scoped_sigv4(struct tz_sigv4 *steps)
{
    tz_sigv4_clear(steps);
}

/* Is there anything in it that must not be signed?  TZ_INVALID says what. */
int tz_sigv4_check(const struct tz_s3_signing *signing, struct tz_error *err) TZ_MUST_CHECK;

/* Names of headers, in the order in which they are signed: 0 if they differ in case only. */
int tz_sigv4_compare_names(const char *a, const char *b);
/* A header's value without the spaces around it: where it begins; its length in ret_len. */
const char *tz_sigv4_trim(const char *value, size_t *ret_len);

/* Everything up to steps->canonical, of what has been checked. */
int tz_sigv4_canonical(struct tz_sigv4 *steps, const struct tz_sigv4_service *service,
                       const struct tz_s3_signing *signing, struct tz_error *err) TZ_MUST_CHECK;

/* Check it and do all steps. */
int tz_sigv4_sign(struct tz_sigv4 *steps, const struct tz_sigv4_service *service,
                  const struct tz_s3_signing *signing, struct tz_error *err) TZ_MUST_CHECK;

#endif
