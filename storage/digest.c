#include "tozai/storage/digest.h"

#include <openssl/evp.h>
#include <pthread.h>

#include "tozai/util/banned.h"

struct tz_sha256 {
    EVP_MD_CTX *context;
};

/* Looking an algorithm up takes longer than hashing a small object, so it is done once. */
static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static EVP_MD *fetched;

static void fetch(void)
{
    fetched = EVP_MD_fetch(NULL, "SHA256", NULL);
}

static const EVP_MD *algorithm(struct tz_error *err)
{
    (void)pthread_once(&fetch_once, fetch);
    if (!fetched)
        tz_error_set(err, TZ_UNSUPPORTED, 0, "libcrypto does not offer SHA-256");
    return fetched;
}

int tz_sha256(uint8_t hash[TZ_HASH_SIZE], const void *data, size_t len, struct tz_error *err)
{
    const EVP_MD *sha256 = algorithm(err);
    if (!sha256)
        return -1;
    if (!EVP_Digest(data, len, hash, NULL, sha256, NULL))
        return tz_fail(err, TZ_FAILED, "libcrypto cannot compute SHA-256");
    return 0;
}

static int start(struct tz_sha256 *digest, struct tz_error *err)
{
    const EVP_MD *sha256 = algorithm(err);
    if (!sha256)
        return -1;
    if (!EVP_DigestInit_ex2(digest->context, sha256, NULL))
        return tz_fail(err, TZ_FAILED, "libcrypto cannot start SHA-256");
    return 0;
}

int tz_sha256_new(struct tz_sha256 **ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_sha256) struct tz_sha256 *digest = calloc(1, sizeof(*digest));
    if (!digest)
        return tz_fail_nomem(err);
    digest->context = EVP_MD_CTX_new();
    if (!digest->context)
        return tz_fail_nomem(err);
    if (start(digest, err))
        return -1;
    *ret = TZ_TAKE(digest);
    return 0;
}

void tz_sha256_free(struct tz_sha256 *digest)
{
    if (!digest)
        return;
    EVP_MD_CTX_free(digest->context);
    free(digest);
}

int tz_sha256_add(struct tz_sha256 *digest, const void *data, size_t len, struct tz_error *err)
{
    if (!EVP_DigestUpdate(digest->context, data, len))
        return tz_fail(err, TZ_FAILED, "libcrypto cannot compute SHA-256");
    return 0;
}

int tz_sha256_end(struct tz_sha256 *digest, uint8_t hash[TZ_HASH_SIZE], struct tz_error *err)
{
    if (!EVP_DigestFinal_ex(digest->context, hash, NULL))
        return tz_fail(err, TZ_FAILED, "libcrypto cannot finish SHA-256");
    return start(digest, err);
}
