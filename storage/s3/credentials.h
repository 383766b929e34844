/*
 * Where the keys for a store come from, in this order, the first that is set up:
 *
 *   1. credentials_file of the configuration: AWS format, the profile of that name
 *   2. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *   3. AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials, profile AWS_PROFILE or "default"
 *   4. web identity: AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, exchanged at STS (EKS)
 *   5. container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI, with
 *      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE or _TOKEN (ECS, EKS pod identity)
 *   6. instance metadata, IMDSv2 only, unless AWS_EC2_METADATA_DISABLED=true
 *
 * A place that is named but does not do what it should (a file that is missing, a profile that it
 * does not have, one key of two, a service that refuses) is an error; the next one is not asked,
 * since it may belong to somebody else.  Only ~/.aws/credentials may be missing or hold other
 * things, and metadata may stay silent.  The place that gave the first keys is the only one that
 * is asked later.  The environment is read once, when the provider is made.
 *
 * Temporary ones are fetched anew five minutes before they end, by whichever thread asks first,
 * while the others go on with what is still valid.  A file is read again when it has changed.  If
 * that fails, what is there serves on while it is valid for 30 s, with a new try after 10 s.
 *
 * Secrets are wiped when they are replaced, and the memory that they passed through, apart from
 * what libcurl, jansson and expat keep for themselves while they work.  Several threads may use
 * one provider.
 */
#ifndef TOZAI_STORAGE_S3_CREDENTIALS_H
#define TOZAI_STORAGE_S3_CREDENTIALS_H

#include "http.h"

struct tz_credentials_options {
    const char *file;    /* NULL: none in the configuration */
    const char *profile; /* NULL: AWS_PROFILE, else "default" */
    const char *region;  /* for the address of STS */
    /* For tests: where the services are; NULL: the real ones. */
    const char *metadata_endpoint; /* also AWS_EC2_METADATA_SERVICE_ENDPOINT */
    const char *container_host;    /* "http://169.254.170.2" */
    const char *sts_endpoint;      /* also AWS_ENDPOINT_URL_STS */
    int64_t (*now)(void);          /* NULL: tz_now; any thread may call it */
};

struct tz_credentials {
    char *access_key, *secret_key;
    char *session_token; /* NULL: none */
    int64_t expires_ns;  /* 0: never */
};
/* Wipes. */
void tz_credentials_clear(struct tz_credentials *credentials);
static inline TZ_UNUSED void tz_scoped_credentials(struct tz_credentials *credentials)
{
    tz_credentials_clear(credentials);
}

struct tz_provider;
/*
 * http is borrowed, for the services: one of its own, since a store's may be busy, slowed down, or
 * trust nobody but the store.  No network or file is used yet.  TZ_INVALID: the region cannot be
 * part of STS' name, and that is needed.
 */
int tz_provider_new(struct tz_provider **ret, struct tz_http *http,
                    const struct tz_credentials_options *options,
                    struct tz_error *err) TZ_MUST_CHECK;
void tz_provider_free(struct tz_provider *provider);
TZ_DEFINE_SCOPED(struct tz_provider *, tz_scoped_provider, tz_provider_free)

/*
 * A copy of the present ones.  Errors, never TZ_NOT_FOUND or TZ_CORRUPT, which are for objects:
 *
 *   TZ_DENIED       there are none, and the hint says what was looked at; a named file or profile
 *                   that does not exist; a file that may be read by others than its owner and
 *                   group; a service that refuses
 *   TZ_INVALID      a file that is not in the format; an address that may not be asked
 *   TZ_UNAVAILABLE  a service does not answer, or not with valid keys, and nothing is left
 *   TZ_INTERRUPTED  tz_interrupt_request() while a service was asked
 */
int tz_provider_get(struct tz_provider *provider, struct tz_credentials *ret,
                    struct tz_error *err) TZ_MUST_CHECK;
/* The server refused these (ExpiredToken, InvalidAccessKeyId): fetch or read them anew next time,
 * unless there are others by now, or a service gave just these less than 10 s ago. */
void tz_provider_refused(struct tz_provider *provider, const char *access_key);

#endif
