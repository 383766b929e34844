/*
 * Encryption by the server: what it is asked for with each put, and whether it did that.
 *
 * All that is put is encrypted before it gets here.  This is for policies that demand it, and for
 * buckets that refuse anything else; so a server that ignores the wish has not stored the object.
 */
#include "s3.h"

#include <string.h>

#include "tozai/util/banned.h"

#define KMS_KEY TZ_S3_SSE "-aws-kms-key-id"

void tz_s3_add_storage(const struct tz_s3_store *store, struct tz_s3_call *call)
{
    if (store->storage_class)
        tz_s3_add_header(call, TZ_S3_CLASS, store->storage_class);
    if (store->sse)
        tz_s3_add_header(call, TZ_S3_SSE, store->sse);
    if (store->sse && store->sse_kms_key)
        tz_s3_add_header(call, KMS_KEY, store->sse_kms_key);
}

/* The key's name is not compared: an alias is answered by the ARN of its key. */
bool tz_s3_is_encrypted(const struct tz_s3_store *store, const struct tz_http_response *response)
{
    const char *said = tz_http_header(response, TZ_S3_SSE);

    return !store->sse || (said && strcmp(said, store->sse) == 0);
}

int tz_s3_check_encrypted(struct tz_s3_store *store, const char *name,
                          const struct tz_http_response *response, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response head = {0};
    struct tz_s3_call call = {.method = "HEAD", .verb = "look for", .name = name};

    if (!store->sse || (response && tz_s3_is_encrypted(store, response)))
        return 0;
    if (tz_s3_call(store, &call, &head, err))
        return -1;
    if (tz_s3_is_encrypted(store, &head))
        return 0;
    const char *said = tz_http_header(&head, TZ_S3_SSE);
    (void)tz_fail(err, TZ_UNSUPPORTED,
                  "put '%s' in 's3://%s': the server took 'sse = %s' and says '%.40s'", name,
                  store->bucket, store->sse, said ? said : "none");
    return tz_hint(err,
                   "it does not do this encryption: set 'sse' of the store to what it does, or "
                   "leave it out");
}
