#include "internal.h"

#include "tozai/util/file.h"
#include "tozai/util/time.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/rand.h>
#include <string.h>

#include "tozai/util/banned.h"

#define FOLDER   "notices"
#define SUFFIX   ".json"
#define TOLD     "told"
#define DAY_NS   (INT64_C(86400) * TZ_SECOND_NS)
#define KEPT_NS  (7 * DAY_NS)
#define KEPT_MAX 100

static int make_path(const struct tz_config *config, const char *name, char **ret,
                     struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *folder = tz_path_join(config->state, FOLDER);

    if (!folder)
        return tz_fail_nomem(err);
    if (tz_make_dirs(folder, 0700, err))
        return -1;
    *ret = name ? tz_path_join(folder, name) : TZ_TAKE(folder);
    return *ret ? 0 : tz_fail_nomem(err);
}

int tz_kept_add(const struct tz_config *config, const struct tz_pending *pending,
                struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};
    TZ_SCOPED(tz_scoped_free) char *path = NULL;
    char name[64];
    uint32_t random;

    if (RAND_bytes((unsigned char *)&random, sizeof(random)) != 1)
        return tz_fail(err, TZ_FAILED, "no random numbers");
    /* In the order of time. */
    (void)snprintf(name, sizeof(name), "%020" PRId64 "-%08" PRIx32 SUFFIX, pending->time_ns,
                   random);
    if (make_path(config, name, &path, err) || tz_pending_write(pending, true, &text, err))
        return -1;
    return tz_file_create(path, text.data, text.len, 0600, err);
}

static int is_notice(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return len > strlen(SUFFIX) && strcmp(entry->d_name + len - strlen(SUFFIX), SUFFIX) == 0;
}

struct listing {
    struct dirent **entries;
    int count;
};

static void clear_listing(struct listing *listing)
{
    for (int i = 0; i < listing->count; i++)
        free(listing->entries[i]);
    free(listing->entries);
}

/* Deliver one; what is left to do stays, what is done or hopeless goes. */
static int try_one(const char *path, bool too_many, tz_kept_fn *found, void *arg,
                   struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf left = {0};
    TZ_SCOPED(tz_scoped_pending) struct tz_pending pending = {0};

    bool good = !too_many && tz_file_read(path, TZ_NOTICE_MAX * 8, &text, NULL) == 0 &&
                tz_pending_read(&pending, text.data, text.len, NULL) == 0 &&
                tz_now() - pending.time_ns < KEPT_NS;
    unsigned before = pending.channels;
    if (good)
        found(arg, &pending);
    if (!good || pending.channels == 0)
        return unlink(path) && errno != ENOENT ? tz_fail_errno(err, errno, "remove '%s'", path) : 0;
    if (pending.channels == before)
        return 0;
    if (tz_pending_write(&pending, true, &left, err))
        return -1;
    return tz_file_replace(path, left.data, left.len, 0600, err);
}

int tz_kept_each(const struct tz_config *config, tz_kept_fn *found, void *arg, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *folder = NULL;
    TZ_SCOPED(clear_listing) struct listing listing = {0};

    if (make_path(config, NULL, &folder, err))
        return -1;
    listing.count = scandir(folder, &listing.entries, is_notice, alphasort);
    if (listing.count < 0) {
        listing.count = 0;
        return tz_fail_errno(err, errno, "list '%s'", folder);
    }
    for (int i = 0; i < listing.count; i++) {
        TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(folder, listing.entries[i]->d_name);
        if (!path)
            return tz_fail_nomem(err);
        if (try_one(path, listing.count - i > KEPT_MAX, found, arg, err))
            return -1;
    }
    return 0;
}

/* The file holds when, and the topic. */
bool tz_kept_is_told(const struct tz_config *config, const char *topic)
{
    TZ_SCOPED(tz_scoped_free) char *path = NULL;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf old = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};
    int64_t now = tz_now();

    if (make_path(config, TOLD, &path, NULL))
        return false;
    if (tz_file_read(path, TZ_NOTICE_MAX, &old, NULL) == 0 &&
        tz_buf_append(&old, "", 1, NULL) == 0) {
        char *end = NULL;
        int64_t then = strtoll((const char *)old.data, &end, 10);
        if (*end == ' ' && strcmp(end + 1, topic) == 0 && then <= now && now - then < DAY_NS)
            return true;
    }
    if (tz_buf_printf(&text, NULL, "%" PRId64 " %s", now, topic) == 0 &&
        tz_file_replace(path, text.data, text.len, 0600, NULL))
        return false;
    return false;
}

void tz_kept_forget_topic(const struct tz_config *config)
{
    TZ_SCOPED(tz_scoped_free) char *path = NULL;

    if (make_path(config, TOLD, &path, NULL) == 0)
        (void)unlink(path);
}
