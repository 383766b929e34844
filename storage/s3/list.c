/*
 * Listing: ListObjectsV2, a page of at most 1000 keys at a time.
 */
#include "s3.h"
#include "xml.h"

#include "tozai/util/hex.h"
#include "tozai/util/log.h"
#include "tozai/util/time.h"

#include <string.h>

#include "tozai/util/banned.h"

#define PAGE_KEYS   2000 /* more than any server gives at once */
#define PAGE_TRIES  3
#define EMPTY_PAGES 10000 /* one behind the other; a few are usual where much was deleted */

struct item {
    char *key; /* as the server wrote it */
    struct tz_store_stat stat;
    bool has_size;
};

struct page {
    struct item items[PAGE_KEYS];
    size_t count;
    struct item next; /* the one whose elements are coming */
    bool encoded;     /* keys are percent-encoded */
    bool truncated;
    bool last;  /* it says that it is */
    bool whole; /* the document is a listing, to its end */
    char *token;
};

static void page_clear(struct page *page)
{
    for (size_t i = 0; i < page->count; i++)
        free(page->items[i].key);
    free(page->next.key);
    free(page->token);
    page->next = (struct item){0};
    page->count = 0;
    page->token = NULL;
    page->encoded = page->truncated = page->last = page->whole = false;
}

static void page_free(struct page *page)
{
    if (page)
        page_clear(page);
    free(page);
}
TZ_DEFINE_SCOPED(struct page *, scoped_page, page_free)

int tz_s3_keep_text(char **to, const char *text, struct tz_error *err)
{
    free(*to);
    *to = strdup(text);
    return *to ? 0 : tz_fail_nomem(err);
}

int tz_s3_read_size(const char *text, uint64_t *ret, struct tz_error *err)
{
    uint64_t size = 0;

    if (!*text)
        return tz_fail(err, TZ_CORRUPT, "a listing has no size of an object");
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9' || size > UINT64_MAX / 10 - 1)
            return tz_fail(err, TZ_CORRUPT, "a listing has '%s' for a size", text);
        size = size * 10 + (uint64_t)(*p - '0');
    }
    *ret = size;
    return 0;
}

/* In whole seconds, as a HEAD says it. */
int tz_s3_read_time(const char *text, int64_t *ret_ns, struct tz_error *err)
{
    if (tz_time_parse(text, 0, ret_ns, NULL))
        return tz_fail(err, TZ_CORRUPT, "a listing has '%.40s' for a time", text);
    *ret_ns -= *ret_ns % TZ_SECOND_NS;
    return 0;
}

static int end_item(struct page *page, struct tz_error *err)
{
    if (!page->next.key || !page->next.has_size)
        return tz_fail(err, TZ_CORRUPT, "a listing has an object without %s",
                       page->next.key ? "a size" : "a key");
    if (page->count == PAGE_KEYS)
        return tz_fail(err, TZ_CORRUPT, "a page of a listing is too long");
    page->next.stat.exists = true;
    page->items[page->count++] = page->next;
    page->next = (struct item){0};
    return 0;
}

/* Called at the end of each element. */
static int see_element(void *arg, const char *path, const char *text, size_t len,
                       struct tz_error *err)
{
    static const char root[] = "ListBucketResult/";
    struct page *page = arg;

    if (strcmp(path, "ListBucketResult") == 0)
        page->whole = true;
    if (strncmp(path, root, strlen(root)) != 0)
        return 0;
    path += strlen(root);
    (void)len;
    if (strcmp(path, "Contents/Key") == 0)
        return tz_s3_keep_text(&page->next.key, text, err);
    if (strcmp(path, "Contents/Size") == 0) {
        page->next.has_size = true;
        return tz_s3_read_size(text, &page->next.stat.size, err);
    }
    if (strcmp(path, "Contents/LastModified") == 0)
        return tz_s3_read_time(text, &page->next.stat.changed_ns, err);
    if (strcmp(path, "Contents") == 0)
        return end_item(page, err);
    if (strcmp(path, "NextContinuationToken") == 0)
        return tz_s3_keep_text(&page->token, text, err);
    if (strcmp(path, "IsTruncated") == 0) {
        page->truncated = strcmp(text, "true") == 0;
        page->last = strcmp(text, "false") == 0;
    } else if (strcmp(path, "EncodingType") == 0)
        page->encoded = strcmp(text, "url") == 0;
    return 0;
}

struct asking {
    struct tz_s3_store *store;
    const char *prefix, *token;
    const struct tz_store_terms *terms;
    struct page *page;
};

static int ask_for_page(void *arg, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    const struct asking *asking = arg;
    struct tz_s3_store *store = asking->store;
    struct page *page = asking->page;
    struct tz_s3_call call = {.method = "GET", .verb = "list", .terms = asking->terms};

    page_clear(page);
    tz_s3_add_query(&call, "list-type", "2");
    tz_s3_add_query(&call, "encoding-type", "url");
    tz_s3_add_query(&call, "prefix", asking->prefix);
    if (asking->token)
        tz_s3_add_query(&call, "continuation-token", asking->token);
    if (tz_s3_call(store, &call, &response, err))
        return -1;
    if (tz_xml_read(response.text.data, response.text.len, see_element, page, err))
        return tz_while(err, "list 's3://%s/%s'", store->bucket, asking->prefix);
    if (!page->whole) {
        (void)tz_fail(err, TZ_CORRUPT, "list 's3://%s/%s': the answer is no listing", store->bucket,
                      asking->prefix);
        return tz_hint(err, TZ_S3_NO_SERVER);
    }
    if (page->truncated ? !page->token : !page->last)
        return tz_fail(err, TZ_CORRUPT,
                       "list 's3://%s/%s': a page says neither that it is the "
                       "last nor how to go on",
                       store->bucket, asking->prefix);
    return 0;
}

int tz_s3_ask_for_page(tz_s3_page_fn *ask, void *asking, struct tz_error *err)
{
    struct tz_error why = {0};

    for (unsigned tries = 1; ask(asking, &why); tries++) {
        if (why.kind != TZ_CORRUPT || tries == PAGE_TRIES) {
            if (err)
                *err = why;
            return -1;
        }
        tz_debug("attempt %u: %s", tries, why.message);
    }
    return 0;
}

/* In place, as forms are encoded: '+' is a space. */
bool tz_s3_decode_key(char *key)
{
    for (char *p = key; *p; p++)
        if (*p == '+')
            *p = ' ';
    return tz_percent_decode(key);
}

struct listing {
    struct tz_s3_store *store;
    const char *prefix;
    const struct tz_store_terms *terms;
    tz_store_found_fn *found;
    void *arg;
    char last[TZ_STORE_NAME_MAX + 1];
    unsigned empty; /* pages without a key, one behind the other */
};

/* Names that no store has are others' objects. */
static int emit(struct listing *listing, const struct item *item, struct tz_error *err)
{
    size_t skip = strlen(listing->store->prefix);

    if (strncmp(item->key, listing->store->prefix, skip) != 0 ||
        strncmp(item->key + skip, listing->prefix, strlen(listing->prefix)) != 0)
        return tz_fail(err, TZ_CORRUPT, "the listing has '%s', which was not asked for", item->key);
    const char *name = item->key + skip;
    if (!tz_store_name_valid(name))
        return 0;
    if (listing->last[0] && strcmp(listing->last, name) >= 0)
        return tz_fail(err, TZ_CORRUPT, "the listing has '%s' behind '%s'", name, listing->last);
    memcpy(listing->last, name, strlen(name) + 1);
    return listing->found(listing->arg, name, &item->stat, err);
}

static int emit_page(struct listing *listing, struct page *page, struct tz_error *err)
{
    for (size_t i = 0; i < page->count; i++) {
        if (page->encoded && !tz_s3_decode_key(page->items[i].key))
            return tz_fail(err, TZ_CORRUPT, "the listing has the key '%s'", page->items[i].key);
        if (emit(listing, &page->items[i], err))
            return -1;
    }
    return 0;
}

/* The tokens of pages that bring nothing may go round in a circle: one is remembered, for twice as
 * many pages each time (Brent). */
struct circle {
    char *token;
    unsigned steps, limit;
};

static void circle_clear(struct circle *circle)
{
    free(circle->token);
}

static int see_token(struct circle *circle, const char *token, bool *ret_round,
                     struct tz_error *err)
{
    *ret_round = circle->token && strcmp(circle->token, token) == 0;
    if (circle->steps++ < circle->limit)
        return 0;
    circle->steps = 0;
    circle->limit = circle->limit ? 2 * circle->limit : 1;
    return tz_s3_keep_text(&circle->token, token, err);
}

/* One page; *token becomes that of the next one, NULL behind the last. */
static int list_page(struct listing *listing, const char *prefix, char **token, struct page *page,
                     struct tz_error *err)
{
    struct asking asking = {listing->store, prefix, *token, listing->terms, page};

    if (tz_s3_ask_for_page(ask_for_page, &asking, err) || emit_page(listing, page, err))
        return -1;
    listing->empty = page->count > 0 ? 0 : listing->empty + 1;
    free(*token);
    *token = page->truncated ? TZ_TAKE(page->token) : NULL;
    return 0;
}

int tz_s3_list(void *state, const char *prefix, const struct tz_store_terms *terms,
               tz_store_found_fn *found, void *arg, struct tz_error *err)
{
    struct tz_s3_store *store = state;
    struct listing listing = {
        .store = store, .prefix = prefix, .terms = terms, .found = found, .arg = arg};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf key = {0};
    TZ_SCOPED(tz_scoped_free) char *token = NULL;
    TZ_SCOPED(circle_clear) struct circle circle = {0};
    TZ_SCOPED(scoped_page) struct page *page = calloc(1, sizeof(*page));

    if (!page)
        return tz_fail_nomem(err);
    if (tz_buf_printf(&key, err, "%s%s", store->prefix, prefix))
        return -1;
    while (!list_page(&listing, (const char *)key.data, &token, page, err)) {
        bool round = false;
        if (!token)
            return 0;
        if (see_token(&circle, token, &round, err))
            return -1;
        if (round || listing.empty == EMPTY_PAGES)
            return tz_fail(err, TZ_CORRUPT, "list 's3://%s/%s': the pages %s", store->bucket,
                           (const char *)key.data,
                           round ? "go round in a circle" : "do not end and bring nothing");
    }
    return -1;
}
