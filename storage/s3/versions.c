/*
 * Versions: what a bucket keeps of objects that were removed or written over.
 */
#include "s3.h"
#include "xml.h"

#include <string.h>

#include "tozai/util/banned.h"

#define PAGE_VERSIONS 2000 /* more than any server gives at once */
#define PURGE_MAX     1000 /* versions of one object */

struct item {
    char *key, *id;
    bool latest, removed;
    uint64_t size;
    int64_t changed_ns;
};

struct page {
    struct item items[PAGE_VERSIONS];
    size_t count;
    struct item next;
    char *key_marker, *id_marker;
    bool encoded, truncated;
    bool whole, last; /* it is such a listing, to its end; it says that nothing follows */
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
    page->encoded = page->truncated = page->whole = page->last = false;
}

static void page_free(struct page *page)
{
    if (page)
        page_clear(page);
    free(page);
}
TZ_DEFINE_SCOPED(struct page *, scoped_page, page_free)

static int end_item(struct page *page, bool removed, struct tz_error *err)
{
    if (!page->next.key || !page->next.id)
        return tz_fail(err, TZ_CORRUPT, "a listing has a version without a key or an id");
    if (page->count == PAGE_VERSIONS)
        return tz_fail(err, TZ_CORRUPT, "a page of a listing is too long");
    page->next.removed = removed;
    page->items[page->count++] = page->next;
    page->next = (struct item){0};
    return 0;
}

static int see_part(struct page *page, const char *part, const char *text, struct tz_error *err)
{
    if (strcmp(part, "Key") == 0)
        return tz_s3_keep_text(&page->next.key, text, err);
    if (strcmp(part, "VersionId") == 0)
        return tz_s3_keep_text(&page->next.id, text, err);
    if (strcmp(part, "Size") == 0)
        return tz_s3_read_size(text, &page->next.size, err);
    if (strcmp(part, "LastModified") == 0)
        return tz_s3_read_time(text, &page->next.changed_ns, err);
    if (strcmp(part, "IsLatest") == 0)
        page->next.latest = strcmp(text, "true") == 0;
    return 0;
}

static int see_element(void *arg, const char *path, const char *text, size_t len,
                       struct tz_error *err)
{
    static const char root[] = "ListVersionsResult/", version[] = "Version",
                      mark[] = "DeleteMarker";
    struct page *page = arg;

    (void)len;
    if (strcmp(path, "ListVersionsResult") == 0)
        page->whole = true;
    if (strncmp(path, root, strlen(root)) != 0)
        return 0;
    path += strlen(root);
    if (strcmp(path, version) == 0 || strcmp(path, mark) == 0)
        return end_item(page, strcmp(path, mark) == 0, err);
    if (strncmp(path, "Version/", strlen(version) + 1) == 0)
        return see_part(page, path + strlen(version) + 1, text, err);
    if (strncmp(path, "DeleteMarker/", strlen(mark) + 1) == 0)
        return see_part(page, path + strlen(mark) + 1, text, err);
    if (strcmp(path, "NextKeyMarker") == 0)
        return tz_s3_keep_text(&page->key_marker, text, err);
    if (strcmp(path, "NextVersionIdMarker") == 0)
        return tz_s3_keep_text(&page->id_marker, text, err);
    if (strcmp(path, "IsTruncated") == 0) {
        page->truncated = strcmp(text, "true") == 0;
        page->last = strcmp(text, "false") == 0;
    } else if (strcmp(path, "EncodingType") == 0)
        page->encoded = strcmp(text, "url") == 0;
    return 0;
}

/* In place: keys and the marker, which goes back as it is meant. */
static int decode(struct page *page, struct tz_error *err)
{
    if (!page->encoded)
        return 0;
    for (size_t i = 0; i < page->count; i++)
        if (!tz_s3_decode_key(page->items[i].key))
            return tz_fail(err, TZ_CORRUPT, "a listing has the key '%s'", page->items[i].key);
    if (page->key_marker && !tz_s3_decode_key(page->key_marker))
        return tz_fail(err, TZ_CORRUPT, "a listing goes on at '%s'", page->key_marker);
    return 0;
}

/* Some servers take it for another listing: that none is in there says nothing. */
static int check_page(const struct page *page, struct tz_error *err)
{
    if (!page->whole)
        return tz_fail(err, TZ_UNSUPPORTED, "the answer is no list of versions");
    if (page->truncated ? !page->key_marker : !page->last)
        return tz_fail(err, TZ_CORRUPT, "a page says neither that it is the last nor how to go on");
    return 0;
}

struct asking {
    struct tz_s3_store *store;
    const char *prefix, *key_marker, *id_marker;
    struct page *page;
};

static int ask_for_page(void *arg, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    const struct asking *asking = arg;
    struct tz_s3_call call = {.method = "GET", .verb = "list versions of"};

    page_clear(asking->page);
    tz_s3_add_query(&call, "versions", NULL);
    tz_s3_add_query(&call, "encoding-type", "url");
    tz_s3_add_query(&call, "prefix", asking->prefix);
    if (asking->key_marker)
        tz_s3_add_query(&call, "key-marker", asking->key_marker);
    if (asking->key_marker && asking->id_marker)
        tz_s3_add_query(&call, "version-id-marker", asking->id_marker);
    if (tz_s3_call(asking->store, &call, &response, err) ||
        tz_xml_read(response.text.data, response.text.len, see_element, asking->page, err) ||
        check_page(asking->page, err) || decode(asking->page, err))
        return tz_while(err, "versions in 's3://%s/%s'", asking->store->bucket, asking->prefix);
    return 0;
}

static int emit_page(struct tz_s3_store *store, const struct page *page, tz_store_version_fn *found,
                     void *arg, struct tz_error *err)
{
    size_t skip = strlen(store->prefix);

    for (size_t i = 0; i < page->count; i++) {
        const struct item *item = &page->items[i];
        if (strncmp(item->key, store->prefix, skip) != 0)
            return tz_fail(err, TZ_CORRUPT, "the listing has '%s', which was not asked for",
                           item->key);
        const struct tz_store_version version = {
            .name = item->key + skip,
            .id = item->id,
            .latest = item->latest,
            .removed = item->removed,
            .size = item->size,
            .changed_ns = item->changed_ns,
        };
        if (found(arg, &version, err))
            return -1;
    }
    return 0;
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

int tz_s3_versions(void *state, const char *prefix, tz_store_version_fn *found, void *arg,
                   struct tz_error *err)
{
    struct tz_s3_store *store = state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf key = {0};
    TZ_SCOPED(tz_scoped_free) char *key_marker = NULL;
    TZ_SCOPED(tz_scoped_free) char *id_marker = NULL;
    TZ_SCOPED(scoped_page) struct page *page = calloc(1, sizeof(*page));

    if (!page)
        return tz_fail_nomem(err);
    if (tz_buf_printf(&key, err, "%s%s", store->prefix, prefix))
        return -1;
    for (bool more = true; more;) {
        struct asking asking = {store, (const char *)key.data, key_marker, id_marker, page};
        if (tz_s3_ask_for_page(ask_for_page, &asking, err) ||
            emit_page(store, page, found, arg, err))
            return -1;
        more = page->truncated;
        if (more && same(key_marker, page->key_marker) && same(id_marker, page->id_marker))
            return tz_fail(err, TZ_CORRUPT, "versions in '%s': the pages go round in a circle",
                           store->bucket);
        free(key_marker);
        free(id_marker);
        key_marker = TZ_TAKE(page->key_marker);
        id_marker = TZ_TAKE(page->id_marker);
    }
    return 0;
}

int tz_s3_get_version(void *state, const char *name, const char *id, size_t max, struct tz_buf *out,
                      struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct tz_s3_call call = {
        .method = "GET", .verb = "get a version of", .name = name, .out = out, .max = max};

    tz_s3_add_query(&call, "versionId", id);
    return tz_s3_call(state, &call, &response, err);
}

/* --- Purge --- */

static int remove_version(struct tz_s3_store *store, const char *name, const char *id,
                          struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct tz_s3_call call = {.method = "DELETE", .verb = "delete a version of", .name = name};
    struct tz_error why = {0};

    tz_s3_add_query(&call, "versionId", id);
    if (!tz_s3_call(store, &call, &response, &why) || why.kind == TZ_NOT_FOUND)
        return 0;
    if (err)
        *err = why;
    return -1;
}

struct purge {
    const char *name;
    char *ids[PURGE_MAX];
    size_t count;
};

static void purge_clear(struct purge *purge)
{
    for (size_t i = 0; i < purge->count; i++)
        free(purge->ids[i]);
}

static int note_version(void *arg, const struct tz_store_version *version, struct tz_error *err)
{
    struct purge *purge = arg;

    if (strcmp(version->name, purge->name) != 0)
        return 0;
    if (purge->count == PURGE_MAX)
        return tz_fail(err, TZ_FAILED, "'%s' has more than %d versions", purge->name, PURGE_MAX);
    purge->ids[purge->count] = strdup(version->id);
    return purge->ids[purge->count++] ? 0 : tz_fail_nomem(err);
}

/* Without the right to list versions the newest one can still be asked for. */
static int purge_newest(struct tz_s3_store *store, const char *name, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct tz_s3_call call = {.method = "HEAD", .verb = "look for", .name = name, .accept = {404}};

    if (tz_s3_call(store, &call, &response, err))
        return -1;
    const char *id = tz_http_header(&response, "x-amz-version-id");
    if (response.status == 404 || !id)
        return tz_s3_remove(store, name, err);
    return remove_version(store, name, id, err);
}

int tz_s3_purge(void *state, const char *name, struct tz_error *err)
{
    TZ_SCOPED(purge_clear) struct purge purge = {.name = name};
    struct tz_error why = {0};

    if (tz_s3_versions(state, name, note_version, &purge, &why)) {
        if (why.kind == TZ_DENIED || why.kind == TZ_UNSUPPORTED)
            return purge_newest(state, name, err);
        if (err)
            *err = why;
        return -1;
    }
    /* The oldest first: when a lock stops it, what can be read is as before. */
    for (size_t i = purge.count; i > 0; i--)
        if (remove_version(state, name, purge.ids[i - 1], err))
            return -1;
    return 0;
}
