/*
 * What can only be seen with new objects: that they are read, listed and deleted at once.
 *
 * First something is deleted that never was, which tells whether anything may be: without that
 * right nothing is put.  Where the bucket keeps versions, they are removed as well.
 */
#include "s3.h"
#include "xml.h"

#include <inttypes.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "tozai/util/banned.h"

#define CANARIES     2
#define CANARY_LEN   1024
#define NAME_LEN     64
#define VERSIONS_MAX 16
#define VERSION_LEN  128

struct canaries {
    struct tz_s3_store *store;
    struct tz_probe *probe;
    char prefix[NAME_LEN];          /* of this probe: "probe/0123456789abcdef-" */
    char names[CANARIES][NAME_LEN]; /* behind it */
    const char *list[CANARIES];
    uint8_t data[CANARY_LEN];
};

static int name_canaries(struct canaries *canaries, struct tz_error *err)
{
    uint64_t number;

    if (RAND_bytes(canaries->data, CANARY_LEN) != 1)
        return tz_fail(err, TZ_FAILED, "libcrypto has no random numbers");
    memcpy(&number, canaries->data, sizeof(number));
    (void)snprintf(canaries->prefix, sizeof(canaries->prefix), "probe/%016" PRIx64 "-", number);
    for (size_t i = 0; i < CANARIES; i++) {
        (void)snprintf(canaries->names[i], NAME_LEN, "%.40s%zu", canaries->prefix, i);
        canaries->list[i] = canaries->names[i];
    }
    return 0;
}

/* One version, or marker of a deletion. */
struct version {
    char key[NAME_LEN], id[VERSION_LEN];
};
struct versions {
    const struct canaries *canaries;
    struct version next, found[VERSIONS_MAX];
    size_t count;
};

/* Cut text is no name of ours, and removes nothing. */
static int see_version(void *arg, const char *path, const char *text, size_t len,
                       struct tz_error *err)
{
    struct versions *versions = arg;
    const char *prefix = versions->canaries->store->prefix;
    static const char root[] = "ListVersionsResult/";

    (void)len;
    (void)err;
    if (strncmp(path, root, strlen(root)) != 0)
        return 0;
    path += strlen(root);
    bool marker = strncmp(path, "DeleteMarker", 12) == 0;
    if (!marker && strncmp(path, "Version", 7) != 0)
        return 0;
    path += marker ? 12 : 7;
    if (strcmp(path, "/Key") == 0 && strncmp(text, prefix, strlen(prefix)) == 0)
        (void)snprintf(versions->next.key, NAME_LEN, "%s", text + strlen(prefix));
    else if (strcmp(path, "/VersionId") == 0)
        (void)snprintf(versions->next.id, VERSION_LEN, "%s", text);
    if (*path)
        return 0;
    if (versions->count < VERSIONS_MAX && versions->next.id[0] &&
        strncmp(versions->next.key, versions->canaries->prefix,
                strlen(versions->canaries->prefix)) == 0)
        versions->found[versions->count++] = versions->next;
    versions->next = (struct version){0};
    return 0;
}

static int remove_version(struct tz_s3_store *store, const struct version *version,
                          struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct tz_s3_call call = {.method = "DELETE",
                              .verb = "remove a version of",
                              .name = version->key,
                              .accept = {404},
                              .clearing_up = true};

    tz_s3_add_query(&call, "versionId", version->id);
    return tz_s3_call(store, &call, &response, err);
}

/* Everything that this probe wrote: nothing of it is left when this returns 0. */
static int remove_versions(const struct canaries *canaries, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf prefix = {0};
    struct versions versions = {.canaries = canaries};
    struct tz_s3_call call = {.method = "GET", .verb = "list the versions in", .clearing_up = true};

    if (canaries->probe->parts[TZ_PROBE_VERSIONING] == TZ_PROBE_NO)
        return 0;
    if (tz_buf_printf(&prefix, err, "%s%s", canaries->store->prefix, canaries->prefix))
        return -1;
    tz_s3_add_query(&call, "versions", NULL);
    tz_s3_add_query(&call, "prefix", (const char *)prefix.data);
    if (tz_s3_call(canaries->store, &call, &response, err) ||
        tz_xml_read(response.text.data, response.text.len, see_version, &versions, err))
        return -1;
    for (size_t i = 0; i < versions.count; i++)
        if (remove_version(canaries->store, &versions.found[i], err))
            return -1;
    return 0;
}

static int put(struct canaries *canaries, const char *name, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct tz_s3_call call = {.name = name, .body = canaries->data, .body_len = CANARY_LEN};

    return tz_s3_probe_put(canaries->store, &call, &response, err);
}

static int try_read(struct canaries *canaries, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf back = {0};
    struct tz_error why = {0};

    if (tz_store_driver_s3.get(canaries->store, canaries->names[0], 0, CANARY_LEN, 0, &back,
                               &why) &&
        why.kind != TZ_NOT_FOUND) {
        if (err)
            *err = why;
        return -1;
    }
    bool same = back.len == CANARY_LEN && memcmp(back.data, canaries->data, CANARY_LEN) == 0;
    canaries->probe->parts[TZ_PROBE_READ] = same ? TZ_PROBE_YES : TZ_PROBE_NO;
    return 0;
}

static int count_found(void *arg, const char *name, const struct tz_store_stat *stat,
                       struct tz_error *err)
{
    (void)name;
    (void)err;
    *(size_t *)arg += stat->size == CANARY_LEN;
    return 0;
}

static int try_list(struct canaries *canaries, struct tz_error *err)
{
    size_t found = 0;

    if (tz_s3_list(canaries->store, canaries->prefix, NULL, count_found, &found, err))
        return -1;
    canaries->probe->parts[TZ_PROBE_LIST] = found == CANARIES ? TZ_PROBE_YES : TZ_PROBE_NO;
    return 0;
}

static int try_batch(struct canaries *canaries, struct tz_error *err)
{
    bool removed[CANARIES] = {false};
    struct tz_error why = {0};
    bool gone = true;

    if (tz_s3_remove_batch(canaries->store, canaries->list, CANARIES, removed, &why)) {
        canaries->probe->parts[TZ_PROBE_BATCH] = TZ_PROBE_NO;
        return 0;
    }
    for (size_t i = 0; i < CANARIES; i++) {
        struct tz_store_stat stat;
        if (tz_s3_stat(canaries->store, canaries->names[i], &stat, err))
            return -1;
        gone = gone && !stat.exists;
    }
    canaries->probe->parts[TZ_PROBE_BATCH] = gone ? TZ_PROBE_YES : TZ_PROBE_NO;
    return 0;
}

static int try_all(struct canaries *canaries, struct tz_error *err)
{
    static int (*const trials[])(struct canaries * canaries,
                                 struct tz_error * err) = {try_read, try_list, try_batch};

    for (size_t i = 0; i < CANARIES; i++)
        if (put(canaries, canaries->names[i], err))
            return -1;
    for (size_t i = 0; i < TZ_COUNT(trials); i++)
        if (trials[i](canaries, err))
            return -1;
    return 0;
}

/* May anything be deleted for good?  Where there are versions, a delete leaves a marker. */
static int may_remove(struct canaries *canaries, bool *ret, struct tz_error *err)
{
    struct tz_error why = {0};

    *ret = !tz_s3_remove(canaries->store, canaries->names[0], &why);
    if (*ret || why.kind == TZ_DENIED)
        canaries->probe->parts[TZ_PROBE_REMOVE] = *ret ? TZ_PROBE_YES : TZ_PROBE_NO;
    if (*ret && remove_versions(canaries, &why))
        *ret = false;
    if (*ret || tz_s3_is_answer_unknown(&why))
        return 0;
    if (err)
        *err = why;
    return -1;
}

int tz_s3_probe_canary(struct tz_s3_store *store, struct tz_probe *probe, struct tz_error *err)
{
    struct canaries canaries = {.store = store, .probe = probe};
    struct tz_error why = {0};
    bool may = false;

    if (name_canaries(&canaries, err) || may_remove(&canaries, &may, err))
        return -1;
    if (!may)
        return 0;
    int status = try_all(&canaries, &why);
    for (size_t i = 0; i < CANARIES; i++)
        if (probe->parts[TZ_PROBE_BATCH] != TZ_PROBE_YES &&
            tz_s3_remove(store, canaries.names[i], status ? NULL : &why))
            status = -1;
    if (remove_versions(&canaries, status ? NULL : &why))
        status = -1;
    if (!status || tz_s3_is_answer_unknown(&why))
        return 0;
    if (err)
        *err = why;
    return -1;
}
