#include "sigv4_private.h"

#include "tozai/util/hex.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "tozai/util/banned.h"

#define ALGORITHM  "AWS4-HMAC-SHA256"
#define TERMINATOR "aws4_request"
#define DATE_LEN   8 /* "20130524" */

const uint8_t tz_s3_unsigned_payload[TZ_HASH_SIZE] = {0};
const struct tz_sigv4_service tz_sigv4_s3 = {.name = "s3", .payload_line = true};

void tz_sigv4_clear(struct tz_sigv4 *steps)
{
    tz_buf_clear(&steps->path);
    tz_buf_clear(&steps->query);
    tz_buf_clear(&steps->names);
    tz_buf_clear(&steps->canonical);
    tz_buf_clear(&steps->scope);
    tz_buf_clear(&steps->to_sign);
}

/* mac may be the key. */
static int hmac(uint8_t mac[TZ_HASH_SIZE], const void *key, size_t key_len, const char *text,
                struct tz_error *err)
{
    size_t size = 0;
    if (!EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key, key_len, (const uint8_t *)text,
                   strlen(text), mac, TZ_HASH_SIZE, &size) ||
        size != TZ_HASH_SIZE)
        return tz_fail(err, TZ_FAILED, "libcrypto: HMAC-SHA-256 failed");
    return 0;
}

/* The key of one day. */
static int day_key(uint8_t key[TZ_HASH_SIZE], const char *secret, const char *date,
                   struct tz_error *err)
{
    static const char prefix[] = {'A', 'W', 'S', '4'};
    size_t secret_len = strlen(secret), len = sizeof(prefix) + secret_len;
    char *text = malloc(len + 1);
    if (!text)
        return tz_fail_nomem(err);
    memcpy(text, prefix, sizeof(prefix));
    memcpy(text + sizeof(prefix), secret, secret_len + 1);
    int status = hmac(key, text, len, date, err);
    OPENSSL_cleanse(text, len);
    free(text);
    return status;
}

/* From key to key, each for less than the one before; the last one's output is the signature. */
static int compute_signature(struct tz_sigv4 *steps, const struct tz_sigv4_service *service,
                             const struct tz_s3_signing *signing, struct tz_error *err)
{
    char date[DATE_LEN + 1];
    (void)snprintf(date, sizeof(date), "%.*s", DATE_LEN, steps->time);
    const char *texts[] = {signing->region, service->name, TERMINATOR,
                           (const char *)steps->to_sign.data};
    uint8_t key[TZ_HASH_SIZE];
    int status = day_key(key, signing->secret_key, date, err);
    for (size_t i = 0; !status && i < TZ_COUNT(texts); i++)
        status = hmac(key, key, sizeof(key), texts[i], err);
    if (!status)
        tz_hex(steps->signature, key, sizeof(key));
    OPENSSL_cleanse(key, sizeof(key));
    return status;
}

/*
 *   AWS4-HMAC-SHA256
 *   20130524T000000Z
 *   20130524/us-east-1/s3/aws4_request
 *   7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972
 */
static int make_string_to_sign(struct tz_sigv4 *steps, const struct tz_sigv4_service *service,
                               const struct tz_s3_signing *signing, struct tz_error *err)
{
    uint8_t hash[TZ_HASH_SIZE];
    char text[TZ_HASH_TEXT];
    if (tz_sha256(hash, steps->canonical.data, steps->canonical.len, err))
        return -1;
    tz_hex(text, hash, sizeof(hash));
    if (tz_buf_printf(&steps->scope, err, "%.*s/%s/%s/" TERMINATOR, DATE_LEN, steps->time,
                      signing->region, service->name))
        return -1;
    return tz_buf_printf(&steps->to_sign, err, ALGORITHM "\n%s\n%s\n%s", steps->time,
                         (char *)steps->scope.data, text);
}

int tz_sigv4_sign(struct tz_sigv4 *steps, const struct tz_sigv4_service *service,
                  const struct tz_s3_signing *signing, struct tz_error *err)
{
    if (tz_sigv4_check(signing, err) || tz_sigv4_canonical(steps, service, signing, err) ||
        make_string_to_sign(steps, service, signing, err) ||
        compute_signature(steps, service, signing, err))
        return tz_while(err, "sign a request");
    return 0;
}

static int append_line(struct tz_buf *out, const struct tz_s3_pair *header, struct tz_error *err)
{
    size_t len;
    const char *value = tz_sigv4_trim(header->value, &len);
    if (tz_buf_printf(out, err, "%s: ", header->name) || tz_buf_append(out, value, len, err) ||
        tz_buf_append(out, "", 1, err))
        return -1;
    return 0;
}

static int append_lines(struct tz_buf *out, const struct tz_sigv4 *steps,
                        const struct tz_s3_signing *signing, struct tz_error *err)
{
    for (size_t i = 0; i < signing->header_count; i++)
        if (append_line(out, &signing->headers[i], err))
            return -1;
    /* Host is the client's business. */
    for (size_t i = 1; i < steps->added_count; i++)
        if (append_line(out, &steps->added[i], err))
            return -1;
    if (tz_buf_printf(out, err,
                      "Authorization: " ALGORITHM " Credential=%s/%s, SignedHeaders=%s, "
                      "Signature=%s",
                      signing->access_key, (char *)steps->scope.data, (char *)steps->names.data,
                      steps->signature) ||
        tz_buf_append(out, "", 1, err))
        return -1;
    return tz_buf_printf(out, err, "%s", "");
}

int tz_s3_sign(const struct tz_s3_signing *signing, struct tz_buf *target, struct tz_buf *lines,
               struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_sigv4) struct tz_sigv4 steps = {0};
    if (tz_sigv4_sign(&steps, &tz_sigv4_s3, signing, err))
        return -1;
    size_t target_len = target->len, lines_len = lines->len;
    if (tz_buf_printf(target, err, "%s%s%s", (char *)steps.path.data, steps.query.len ? "?" : "",
                      (char *)steps.query.data) ||
        append_lines(lines, &steps, signing, err)) {
        target->len = target_len;
        lines->len = lines_len;
        return -1;
    }
    return 0;
}

int tz_s3_canonical_request(const struct tz_s3_signing *signing, struct tz_buf *out,
                            struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_sigv4) struct tz_sigv4 steps = {0};
    if (tz_sigv4_sign(&steps, &tz_sigv4_s3, signing, err))
        return -1;
    return tz_buf_printf(out, err, "%s", (char *)steps.canonical.data);
}

int tz_s3_string_to_sign(const struct tz_s3_signing *signing, struct tz_buf *out,
                         struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_sigv4) struct tz_sigv4 steps = {0};
    if (tz_sigv4_sign(&steps, &tz_sigv4_s3, signing, err))
        return -1;
    return tz_buf_printf(out, err, "%s", (char *)steps.to_sign.data);
}
