/*
 * Uploads in parts that nobody completed or aborted: ListMultipartUploads and ListParts.
 *
 * The bucket keeps their parts, which no listing of objects shows, until somebody aborts them.  How
 * old they are is the server's to say: its Date with the answer, less its own note of when.
 */
#include "s3.h"
#include "xml.h"

#include "tozai/util/time.h"

#include <curl/curl.h>
#include <string.h>

#include "tozai/util/banned.h"

#define PAGE_UPLOADS 2000 /* more than any server gives at once */
#define PAGES_MAX    1000

struct item {
    char *key, *id;
    int64_t begun_ns; /* 0: it does not say */
};

struct page {
    struct item items[PAGE_UPLOADS];
    size_t count;
    struct item next;
    char *key_marker, *id_marker;
    int64_t now_ns;
    bool encoded, truncated;
    bool whole; /* it is such a listing, to its end */
};

static void item_clear(struct item *item)
{
    free(item->key);
    free(item->id);
    *item = (struct item){0};
}

static void page_clear(struct page *page)
{
    for (size_t i = 0; i < page->count; i++)
        item_clear(&page->items[i]);
    item_clear(&page->next);
    free(page->key_marker);
    free(page->id_marker);
    page->key_marker = page->id_marker = NULL;
    page->count = 0;
    page->encoded = page->truncated = page->whole = false;
}

static void page_free(struct page *page)
{
    if (page)
        page_clear(page);
    free(page);
}
TZ_DEFINE_SCOPED(struct page *, scoped_page, page_free)

static int end_item(struct page *page, struct tz_error *err)
{
    if (!page->next.key || !page->next.id)
        return tz_fail(err, TZ_CORRUPT, "a list of uploads has one without a key or an id");
    if (page->count == PAGE_UPLOADS)
        return tz_fail(err, TZ_CORRUPT, "a page of a list of uploads is too long");
    page->items[page->count++] = page->next;
    page->next = (struct item){0};
    return 0;
}

static int see_upload(void *arg, const char *path, const char *text, size_t len,
                      struct tz_error *err)
{
    static const char root[] = "ListMultipartUploadsResult/";
    struct page *page = arg;

    (void)len;
    if (strcmp(path, "ListMultipartUploadsResult") == 0)
        page->whole = true;
    if (strncmp(path, root, strlen(root)) != 0)
        return 0;
    path += strlen(root);
    if (strcmp(path, "Upload/Key") == 0)
        return tz_s3_keep_text(&page->next.key, text, err);
    if (strcmp(path, "Upload/UploadId") == 0)
        return tz_s3_keep_text(&page->next.id, text, err);
    if (strcmp(path, "Upload/Initiated") == 0)
        return tz_s3_read_time(text, &page->next.begun_ns, err);
    if (strcmp(path, "Upload") == 0)
        return end_item(page, err);
    /* Empty on the last page. */
    if (strcmp(path, "NextKeyMarker") == 0)
        return *text ? tz_s3_keep_text(&page->key_marker, text, err) : 0;
    if (strcmp(path, "NextUploadIdMarker") == 0)
        return *text ? tz_s3_keep_text(&page->id_marker, text, err) : 0;
    if (strcmp(path, "IsTruncated") == 0)
        page->truncated = strcmp(text, "true") == 0;
    else if (strcmp(path, "EncodingType") == 0)
        page->encoded = strcmp(text, "url") == 0;
    return 0;
}

/* The server's clock: without a Date ours must do. */
static int64_t time_of(const struct tz_http_response *response)
{
    const char *date = tz_http_header(response, "date");
    time_t seconds = date ? curl_getdate(date, NULL) : -1;

    return seconds > 0 ? (int64_t)seconds * TZ_SECOND_NS : tz_now();
}

static int decode(struct page *page, struct tz_error *err)
{
    for (size_t i = 0; page->encoded && i < page->count; i++)
        if (!tz_s3_decode_key(page->items[i].key))
            return tz_fail(err, TZ_CORRUPT, "a list of uploads has the key '%s'",
                           page->items[i].key);
    if (page->encoded && page->key_marker && !tz_s3_decode_key(page->key_marker))
        return tz_fail(err, TZ_CORRUPT, "a list of uploads goes on at '%s'", page->key_marker);
    return 0;
}

/* Some servers take it for another listing. */
static int check_page(const struct page *page, struct tz_error *err)
{
    if (!page->whole)
        return tz_fail(err, TZ_UNSUPPORTED, "the answer is no list of uploads");
    if (page->truncated && !page->key_marker)
        return tz_fail(err, TZ_CORRUPT, "a page says neither that it is the last nor how to go on");
    return 0;
}

struct asking {
    struct tz_s3_store *store;
    const char *key_marker, *id_marker;
    struct page *page;
};

static int ask_for_page(void *arg, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    const struct asking *asking = arg;
    struct page *page = asking->page;
    struct tz_s3_call call = {.method = "GET", .verb = "list the uploads in"};

    page_clear(page);
    tz_s3_add_query(&call, "uploads", NULL);
    tz_s3_add_query(&call, "encoding-type", "url");
    tz_s3_add_query(&call, "prefix", asking->store->prefix);
    if (asking->key_marker)
        tz_s3_add_query(&call, "key-marker", asking->key_marker);
    if (asking->key_marker && asking->id_marker)
        tz_s3_add_query(&call, "upload-id-marker", asking->id_marker);
    if (tz_s3_call(asking->store, &call, &response, err))
        return -1;
    page->now_ns = time_of(&response);
    if (tz_xml_read(response.text.data, response.text.len, see_upload, page, err) ||
        check_page(page, err) || decode(page, err))
        return tz_s3_while(asking->store, &call, err);
    return 0;
}

/* Keys that are no names are others'. */
static int emit_page(struct tz_s3_store *store, const struct page *page,
                     tz_store_leftover_fn *found, void *arg, struct tz_error *err)
{
    size_t skip = strlen(store->prefix);

    for (size_t i = 0; i < page->count; i++) {
        const struct item *item = &page->items[i];
        if (strncmp(item->key, store->prefix, skip) != 0 || !tz_store_name_valid(item->key + skip))
            continue;
        const struct tz_store_leftover leftover = {
            .name = item->key + skip,
            .id = item->id,
            .age_ns = item->begun_ns > 0 ? page->now_ns - item->begun_ns : 0,
        };
        if (found(arg, &leftover, err))
            return -1;
    }
    return 0;
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

int tz_s3_leftovers(void *state, tz_store_leftover_fn *found, void *arg, struct tz_error *err)
{
    struct tz_s3_store *store = state;
    TZ_SCOPED(tz_scoped_free) char *key_marker = NULL;
    TZ_SCOPED(tz_scoped_free) char *id_marker = NULL;
    TZ_SCOPED(scoped_page) struct page *page = calloc(1, sizeof(*page));

    if (!page)
        return tz_fail_nomem(err);
    bool more = true;
    for (unsigned i = 0; more; i++) {
        struct asking asking = {store, key_marker, id_marker, page};
        if (tz_s3_ask_for_page(ask_for_page, &asking, err) ||
            emit_page(store, page, found, arg, err))
            return -1;
        more = page->truncated;
        /* Servers differ in the order of keys, so a larger circle only ends by its length. */
        if (more && (i == PAGES_MAX ||
                     (same(page->key_marker, key_marker) && same(page->id_marker, id_marker))))
            return tz_fail(err, TZ_CORRUPT, "uploads in 's3://%s': the pages go round in a circle",
                           store->bucket);
        free(key_marker);
        free(id_marker);
        key_marker = TZ_TAKE(page->key_marker);
        id_marker = TZ_TAKE(page->id_marker);
    }
    return 0;
}

/* --- One upload --- */

struct parts {
    uint64_t bytes;
    int64_t newest_ns; /* 0: there are none */
    bool whole, truncated;
};

static int see_part(void *arg, const char *path, const char *text, size_t len, struct tz_error *err)
{
    struct parts *parts = arg;
    uint64_t size = 0;
    int64_t time_ns = 0;

    (void)len;
    if (strcmp(path, "ListPartsResult") == 0) {
        parts->whole = true;
    } else if (strcmp(path, "ListPartsResult/IsTruncated") == 0) {
        parts->truncated = strcmp(text, "true") == 0;
    } else if (strcmp(path, "ListPartsResult/Part/Size") == 0) {
        if (tz_s3_read_size(text, &size, err))
            return -1;
        parts->bytes += size;
    } else if (strcmp(path, "ListPartsResult/Part/LastModified") == 0) {
        if (tz_s3_read_time(text, &time_ns, err))
            return -1;
        parts->newest_ns = TZ_MAX(parts->newest_ns, time_ns);
    }
    return 0;
}

/* *ret_gone: there is no such upload any more. */
static int look_at_parts(struct tz_s3_store *store, const struct tz_store_leftover *leftover,
                         struct parts *parts, int64_t *ret_still_ns, bool *ret_gone,
                         struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct tz_s3_call call = {
        .method = "GET", .verb = "list the parts of", .name = leftover->name, .accept = {404}};

    tz_s3_add_query(&call, "uploadId", leftover->id);
    if (tz_s3_call(store, &call, &response, err))
        return -1;
    *ret_gone = response.status == 404;
    if (*ret_gone)
        return 0;
    if (tz_xml_read(response.text.data, response.text.len, see_part, parts, err))
        return tz_s3_while(store, &call, err);
    if (!parts->whole)
        return tz_fail(err, TZ_UNSUPPORTED, "list the parts of '%s': the answer is no such list",
                       leftover->name);
    *ret_still_ns = parts->newest_ns > 0 ? time_of(&response) - parts->newest_ns : leftover->age_ns;
    return 0;
}

int tz_s3_remove_leftover(void *state, const struct tz_store_leftover *leftover, int64_t still_ns,
                          bool *ret_removed, uint64_t *ret_bytes, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct tz_s3_call call = {
        .method = "DELETE", .verb = "abort the upload of", .name = leftover->name, .accept = {404}};
    struct parts parts = {0};
    int64_t since_ns = 0;
    bool gone = false;

    if (look_at_parts(state, leftover, &parts, &since_ns, &gone, err))
        return -1;
    /* More parts than one answer holds are not ours, and the last of them was not seen. */
    if (!gone && (parts.truncated || since_ns <= still_ns || leftover->age_ns <= still_ns))
        return 0;
    tz_s3_add_query(&call, "uploadId", leftover->id);
    if (!gone && tz_s3_call(state, &call, &response, err))
        return -1;
    *ret_removed = true;
    *ret_bytes = gone || response.status == 404 ? 0 : parts.bytes;
    return 0;
}
