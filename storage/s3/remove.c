/*
 * Deleting many objects with one request: DeleteObjects, at most 1000 keys.
 */
#include "s3.h"
#include "xml.h"

#include <openssl/evp.h>
#include <string.h>

#include "tozai/util/banned.h"

#define BATCH_MAX 1000
#define MD5_SIZE  16

int tz_s3_content_md5(char ret[TZ_S3_MD5_TEXT], const void *data, size_t len, struct tz_error *err)
{
    uint8_t hash[MD5_SIZE];

    if (!EVP_Digest(data, len, hash, NULL, EVP_md5(), NULL))
        return tz_fail(err, TZ_UNSUPPORTED, "libcrypto does not offer MD5");
    (void)EVP_EncodeBlock((unsigned char *)ret, hash, sizeof(hash));
    return 0;
}

/* Names are harmless, but a prefix may hold what XML takes for markup. */
static int add_escaped(struct tz_buf *body, const char *text, struct tz_error *err)
{
    for (; *text; text++) {
        const char *escaped = *text == '&' ? "&amp;" : *text == '<' ? "&lt;" : NULL;
        if (*text == '>')
            escaped = "&gt;";
        if (escaped ? tz_buf_append(body, escaped, strlen(escaped), err)
                    : tz_buf_append(body, text, 1, err))
            return -1;
    }
    return 0;
}

/* <Delete><Quiet>true</Quiet><Object><Key>tozai/packs/ab/...</Key></Object>...</Delete> */
static int make_body(const struct tz_s3_store *store, const char *const *names, size_t count,
                     struct tz_buf *body, struct tz_error *err)
{
    if (tz_buf_printf(body, err,
                      "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                      "<Quiet>true</Quiet>"))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (tz_buf_printf(body, err, "<Object><Key>") || add_escaped(body, store->prefix, err) ||
            tz_buf_printf(body, err, "%s</Key></Object>", names[i]))
            return -1;
    return tz_buf_printf(body, err, "</Delete>");
}

/* What the answer says.  It names only what was not deleted. */
struct answer {
    struct tz_s3_store *store;
    const char *const *names;
    size_t count;
    bool *removed;
    bool *again;     /* may go well, one by one */
    bool understood; /* it is such an answer */
    size_t key;      /* of the error that is being read; count: none of ours */
    char code[64], message[256];
    struct tz_error first;
};

static void copy_text(char *to, size_t size, const char *text, size_t len)
{
    len = TZ_MIN(len, size - 1);
    memcpy(to, text, len);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            to[i] = ' ';
    to[len] = '\0';
}

static size_t find_name(const struct answer *answer, const char *key)
{
    size_t skip = strlen(answer->store->prefix), i = 0;

    if (strncmp(key, answer->store->prefix, skip) != 0)
        return answer->count;
    while (i < answer->count && strcmp(answer->names[i], key + skip) != 0)
        i++;
    return i;
}

static int end_error(struct answer *answer, struct tz_error *err)
{
    struct tz_s3_refusal refusal;
    size_t key = answer->key;

    if (key == answer->count)
        return tz_fail(err, TZ_CORRUPT,
                       "delete in 's3://%s': the answer names an object that was not to be deleted",
                       answer->store->bucket);
    tz_s3_read_code(answer->code, &refusal);
    if (refusal.kind != TZ_NOT_FOUND) {
        answer->removed[key] = false;
        answer->again[key] = refusal.again;
    }
    if (refusal.kind != TZ_NOT_FOUND && !refusal.again && !answer->first.kind) {
        (void)tz_fail(&answer->first, refusal.kind, "remove '%s' in 's3://%s': %s: %s",
                      answer->names[key], answer->store->bucket, answer->code, answer->message);
        if (refusal.hint)
            (void)tz_hint(&answer->first, "%s", refusal.hint);
    }
    answer->key = answer->count;
    answer->code[0] = answer->message[0] = '\0';
    return 0;
}

static int see_element(void *arg, const char *path, const char *text, size_t len,
                       struct tz_error *err)
{
    struct answer *answer = arg;

    if (strcmp(path, "DeleteResult/Error/Key") == 0)
        answer->key = find_name(answer, text);
    else if (strcmp(path, "DeleteResult/Error/Code") == 0)
        copy_text(answer->code, sizeof(answer->code), text, len);
    else if (strcmp(path, "DeleteResult/Error/Message") == 0)
        copy_text(answer->message, sizeof(answer->message), text, len);
    else if (strcmp(path, "DeleteResult/Error") == 0)
        return end_error(answer, err);
    else if (strcmp(path, "DeleteResult") == 0)
        answer->understood = true;
    return 0;
}

static int ask(struct answer *answer, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    struct tz_s3_call call = {.method = "POST", .verb = "delete objects in", .accept = {405, 501}};
    char md5[TZ_S3_MD5_TEXT];

    if (make_body(answer->store, answer->names, answer->count, &body, err) ||
        tz_s3_content_md5(md5, body.data, body.len, err))
        return -1;
    call.body = body.data;
    call.body_len = body.len;
    tz_s3_add_query(&call, "delete", NULL);
    tz_s3_add_header(&call, "Content-MD5", md5);
    tz_s3_add_header(&call, "Content-Type", "application/xml");
    if (tz_s3_call(answer->store, &call, &response, err))
        return -1;
    if (response.status >= 300)
        return tz_fail(err, TZ_UNSUPPORTED, "'s3://%s' cannot delete many objects at once",
                       answer->store->bucket);
    for (size_t i = 0; i < answer->count; i++)
        answer->removed[i] = true;
    if (tz_xml_read(response.text.data, response.text.len, see_element, answer, err) == 0 &&
        answer->understood)
        return 0;
    /* Nobody knows what was deleted: nothing, then. */
    memset(answer->removed, 0, answer->count * sizeof(answer->removed[0]));
    return answer->understood
               ? -1
               : tz_fail(err, TZ_CORRUPT, "delete in 's3://%s': the answer cannot be understood",
                         answer->store->bucket);
}

int tz_s3_remove_batch(struct tz_s3_store *store, const char *const *names, size_t count,
                       bool *removed, struct tz_error *err)
{
    bool again[BATCH_MAX] = {false};
    struct answer answer = {
        .store = store,
        .names = names,
        .count = count,
        .removed = removed,
        .again = again,
        .key = count,
    };

    if (ask(&answer, err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        struct tz_error why = {0};
        if (!again[i])
            continue;
        removed[i] = tz_s3_remove(store, names[i], &why) == 0;
        if (!removed[i] && !answer.first.kind)
            answer.first = why;
    }
    if (!answer.first.kind)
        return 0;
    if (err)
        *err = answer.first;
    return -1;
}

static bool may_batch(struct tz_s3_store *store)
{
    (void)pthread_mutex_lock(&store->mutex);
    bool may = store->batch;
    (void)pthread_mutex_unlock(&store->mutex);
    return may;
}

/* It worked once and does not now: the server was changed. */
static void stop_batches(struct tz_s3_store *store)
{
    (void)pthread_mutex_lock(&store->mutex);
    store->batch = false;
    (void)pthread_mutex_unlock(&store->mutex);
}

static int remove_some(struct tz_s3_store *store, const char *const *names, size_t count,
                       bool *removed, struct tz_error *err)
{
    struct tz_error why = {0};

    if (count > 1 && may_batch(store)) {
        if (!tz_s3_remove_batch(store, names, count, removed, &why))
            return 0;
        if (why.kind != TZ_UNSUPPORTED) {
            if (err)
                *err = why;
            return -1;
        }
        stop_batches(store);
    }
    return tz_store_remove_each(tz_s3_remove, store, names, count, removed, err);
}

int tz_s3_remove_many(void *state, const char *const *names, size_t count, bool *removed,
                      struct tz_error *err)
{
    struct tz_error first = {0};

    for (size_t i = 0; i < count; i += BATCH_MAX) {
        struct tz_error why = {0};
        if (!remove_some(state, names + i, TZ_MIN(count - i, (size_t)BATCH_MAX), removed + i, &why))
            continue;
        if (!first.kind)
            first = why;
        if (why.kind == TZ_UNAVAILABLE || why.kind == TZ_INTERRUPTED)
            break;
    }
    if (!first.kind)
        return 0;
    if (err)
        *err = first;
    return -1;
}
