/*
 * Where the keys for a store come from, in this order, the first that is set up:
 *
 *   1. credentials_file of the configuration: AWS format, the profile of that name
 *   2. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *   3. AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials, profile AWS_PROFILE or "default"
 *   4. web identity: AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, exchanged at STS (EKS)
 *   5. container: AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI, with
 *      AWS_CONTAINER_AUTHORIZATION_TOKEN(_FILE) (ECS, EKS pod identity)
 *   6. instance metadata, IMDSv2 only, unless AWS_EC2_METADATA_DISABLED=true
 *
 * Temporary ones are fetched anew five minutes before they end, by whichever thread asks first,
 * while the others go on with what is still valid.  A file is read again when it has changed.
 * Secrets are wiped when they are replaced.  Several threads may use one provider.
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
    int64_t (*now)(void);          /* NULL: tz_now */
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
/* http is borrowed, for the services.  No network is used yet. */
int tz_provider_new(struct tz_provider **ret, struct tz_http *http,
                    const struct tz_credentials_options *options,
                    struct tz_error *err) TZ_MUST_CHECK;
void tz_provider_free(struct tz_provider *provider);
TZ_DEFINE_SCOPED(struct tz_provider *, tz_scoped_provider, tz_provider_free)

/*
 * A copy of the present ones.  TZ_DENIED with a hint that lists what was looked at if there are
 * none, or a file may be read by others than its owner and group; TZ_UNAVAILABLE if a service
 * does not answer and nothing valid is left.
 */
int tz_provider_get(struct tz_provider *provider, struct tz_credentials *ret,
                    struct tz_error *err) TZ_MUST_CHECK;
/* The server refused these (ExpiredToken, InvalidAccessKeyId): fetch or read them anew next time,
 * unless that was done already since. */
void tz_provider_refused(struct tz_provider *provider, const char *access_key);

#endif
