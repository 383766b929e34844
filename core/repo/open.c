#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "internal.h"

#include "tozai/core/lock.h"
#include "tozai/util/file.h"
#include "tozai/util/log.h"
#include "tozai/util/time.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>

const struct tz_config *tz_repo_config(const struct tz_repo *repo)
{
    return repo->config;
}

struct tz_mirror *tz_repo_mirror(const struct tz_repo *repo)
{
    return repo->mirror;
}

const struct tz_keys *tz_repo_keys(const struct tz_repo *repo)
{
    return repo->keys;
}

struct tz_catalog *tz_repo_catalog(const struct tz_repo *repo)
{
    return repo->catalog;
}

bool tz_repo_is_offline(const struct tz_repo *repo)
{
    return repo->offline;
}

const struct tz_error *tz_repo_offline_reason(const struct tz_repo *repo)
{
    return repo->offline ? &repo->away : NULL;
}

int64_t tz_repo_store(const struct tz_repo *repo, size_t i)
{
    return repo->store_ids[i];
}

const char *tz_repo_state(const struct tz_repo *repo)
{
    return repo->config->state;
}

void tz_repo_warn(const struct tz_repo *repo, const char *format, ...)
{
    char text[2048];
    va_list args;

    if (!repo->warn)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    repo->warn(repo->warn_arg, text);
}

int tz_repo_state_dir(const struct tz_repo *repo, const char *name, char **ret,
                      struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(repo->config->state, name);
    if (!path)
        return tz_fail_nomem(err);
    if (tz_make_dirs(path, 0700, err))
        return -1;
    *ret = TZ_TAKE(path);
    return 0;
}

/* What the holder wrote: its number, and in a second line what it does. */
static int fail_busy(int fd, const char *state, struct tz_error *err)
{
    char holder[160] = "";
    ssize_t got = pread(fd, holder, sizeof(holder) - 1, 0);
    size_t len = strcspn(holder, "\n");
    const char *what = got > 0 && holder[len] ? holder + len + 1 : "";

    (void)tz_fail(err, TZ_BUSY, "another run (process %.*s) is working in '%s'%s%.*s",
                  (int)TZ_MAX(len, 1U), len > 0 ? holder : "?", state, what[0] ? ": " : "",
                  (int)strcspn(what, "\n"), what);
    return tz_hint(err, "wait for it, or stop it");
}

/* The lock is the file's, not its existence's: it goes with the process. */
int tz_repo_lock(const struct tz_config *config, const char *what, int *ret_fd,
                 struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(config->state, "lock");
    char holder[160], since[TZ_TIME_TEXT];

    if (!path)
        return tz_fail_nomem(err);
    TZ_SCOPED(tz_scoped_fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return tz_fail_errno(err, errno, "open the lock '%s'", path);
    if (flock(fd, LOCK_EX | LOCK_NB))
        return errno == EWOULDBLOCK ? fail_busy(fd, config->state, err)
                                    : tz_fail_errno(err, errno, "lock '%s'", path);
    tz_time_format_local(since, tz_now());
    int len = snprintf(holder, sizeof(holder), "%ld\n%.64s%ssince %s\n", (long)getpid(),
                       what ? what : "", what ? ", " : "", since);
    if (ftruncate(fd, 0))
        return tz_fail_errno(err, errno, "write the lock '%s'", path);
    if (tz_pwrite_all(fd, holder, (size_t)len, 0, err))
        return -1;
    *ret_fd = TZ_TAKE_FD(fd);
    return 0;
}

static const struct tz_config_store *configured(const struct tz_repo *repo, size_t i)
{
    const char *name = tz_mirror_name(repo->mirror, i);

    for (size_t k = 0; k < repo->config->store_count; k++)
        if (strcmp(repo->config->stores[k].name, name) == 0)
            return &repo->config->stores[k];
    return NULL;
}

int tz_repo_number_stores(struct tz_repo *repo, struct tz_error *err)
{
    for (size_t i = 0; i < tz_mirror_count(repo->mirror); i++) {
        const struct tz_config_store *found = configured(repo, i);

        if (tz_catalog_store(
                repo->catalog, tz_mirror_name(repo->mirror, i), found ? found->url : "",
                found && found->location ? found->location : "", &repo->store_ids[i], err))
            return -1;
    }
    return 0;
}

/* A damaged catalog is only a cache: it is put aside and made anew from the stores. */
static int open_catalog(struct tz_repo *repo, struct tz_error *err)
{
    struct tz_error why = {0};

    if (tz_catalog_open(&repo->catalog, repo->config->state, repo->descriptor.repo_id, &why)) {
        if (why.kind != TZ_CORRUPT) {
            if (err)
                *err = why;
            return -1;
        }
        tz_repo_warn(repo, "%s; it is put aside and made anew from the stores", why.message);
        if (tz_catalog_put_aside(repo->config->state, err) ||
            tz_catalog_open(&repo->catalog, repo->config->state, repo->descriptor.repo_id, err))
            return -1;
    }
    return tz_repo_number_stores(repo, err);
}

/* Without a store nobody can say whose the repository is but the catalog. */
static int open_offline(struct tz_repo *repo, const struct tz_error *why, struct tz_error *err)
{
    const char *state = repo->config->state;

    if (!tz_catalog_whose(state, repo->descriptor.repo_id)) {
        if (err)
            *err = *why;
        return tz_hint(err,
                       "there is no catalog in '%s' either, which would remember what the "
                       "stores hold; bring a store back",
                       state);
    }
    if (tz_catalog_open(&repo->catalog, state, repo->descriptor.repo_id, err) ||
        tz_repo_number_stores(repo, err))
        return tz_while(err, "%s", why->message);
    repo->offline = true;
    repo->away = *why;
    tz_repo_warn(repo, "%s; going by what the catalog in '%s' remembers", why->message, state);
    return 0;
}

int tz_repo_set_reach(struct tz_repo *repo, struct tz_error *err)
{
    struct tz_mirror *mirror = repo->mirror;
    int64_t stores[TZ_MIRROR_MAX_STORES];
    size_t count = 0;

    for (size_t i = 0; i < tz_mirror_count(mirror); i++)
        if (tz_mirror_usable(mirror, i))
            stores[count++] = repo->store_ids[i];
    return tz_catalog_set_reach(repo->catalog, stores, count < tz_mirror_count(mirror) ? count : 0,
                                err);
}

/* Under the lock: what stands in the folders belongs to nobody else. */
static int open_spools(struct tz_repo *repo, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *spool = tz_path_join(repo->config->state, "spool");

    if (!spool)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < tz_mirror_count(repo->mirror); i++) {
        const struct tz_config_store *store = configured(repo, i);
        if (!store || !tz_mirror_usable(repo->mirror, i))
            continue;
        bool local = tz_store_features(tz_mirror_store(repo->mirror, i)) & TZ_STORE_LOCAL;
        TZ_SCOPED(tz_scoped_free) char *folder = tz_path_join(spool, store->name);
        if (!folder)
            return tz_fail_nomem(err);
        if (tz_mirror_spool(repo->mirror, i, folder, tz_config_store_spool(store, local), err))
            return tz_while(err, "spool of store '%s'", store->name);
    }
    return 0;
}

static int see_end(void *arg, const struct tz_generation *generation, struct tz_error *err)
{
    int64_t *latest_ns = arg;

    (void)err;
    *latest_ns = TZ_MAX(*latest_ns, generation->locked_until_ns);
    return 0;
}

/* Copies that are healed or brought level may belong to any generation. */
static int set_locks(struct tz_repo *repo, struct tz_error *err)
{
    int64_t until_ns = tz_lock_end(repo->config, NULL, tz_now());

    if (!tz_lock_wanted(repo))
        return 0;
    if (repo->catalog && tz_catalog_each_generation(repo->catalog, NULL, see_end, &until_ns, err))
        return -1;
    return tz_lock_set(repo, until_ns, err);
}

/* For one who can do without. */
static int try_keys(struct tz_repo *repo, const struct tz_repo_options *options,
                    struct tz_error *err)
{
    struct tz_repo_options trial = *options;
    struct tz_error why = {0};

    trial.no_prompt = true;
    if (!tz_repo_open_keys(repo, &trial, &why))
        return 0;
    if (why.kind == TZ_INTERRUPTED || why.kind == TZ_NOMEM || why.kind == TZ_UNAVAILABLE) {
        if (err)
            *err = why;
        return -1;
    }
    tz_repo_warn(repo, "going on without a key, by names and hashes alone: %s", why.message);
    return 0;
}

/* What it remembers is read if it is ours; nothing is learnt, so it need not be there. */
static void borrow_catalog(struct tz_repo *repo)
{
    uint8_t id[TZ_REPO_ID_SIZE];
    struct tz_error why = {0};

    if (tz_catalog_whose(repo->config->state, id) &&
        memcmp(id, repo->descriptor.repo_id, TZ_REPO_ID_SIZE) == 0 &&
        tz_catalog_open(&repo->catalog, repo->config->state, id, &why))
        tz_debug("%s", why.message);
}

/* Open the catalog, and let it hear what the stores hold. */
static int learn(struct tz_repo *repo, const struct tz_repo_options *options, struct tz_error *err)
{
    bool writes = options->writes && !options->read_only;

    return open_catalog(repo, err) || set_locks(repo, err) ||
                   tz_repo_use_probes(repo, writes, err) || tz_repo_refresh(repo, err) ||
                   tz_repo_set_reach(repo, err) ||
                   tz_repo_note_slot(repo, options->need_operator, err)
               ? -1
               : 0;
}

/* Keys and catalog, or neither. */
static int unlock(struct tz_repo *repo, const struct tz_repo_options *options, struct tz_error *err)
{
    bool writes = options->writes && !options->read_only;
    struct tz_error why = {0};

    if (!options->keyless && (options->key_optional ? try_keys(repo, options, err)
                                                    : tz_repo_open_keys(repo, options, err)))
        return -1;
    if (!repo->keys) {
        borrow_catalog(repo);
        return tz_repo_use_probes(repo, writes, err);
    }
    if (!learn(repo, options, &why))
        return 0;
    /* It could be opened, and what is wrong lies deeper: a new one must not ask the old one. */
    if (!options->anew || why.kind != TZ_CORRUPT) {
        if (err)
            *err = why;
        return -1;
    }
    tz_repo_warn(repo, "%s; it is put aside", why.message);
    tz_catalog_free(repo->catalog);
    repo->catalog = NULL;
    return tz_catalog_put_aside(repo->config->state, err) || learn(repo, options, err) ? -1 : 0;
}

static int open_stores(struct tz_repo *repo, const struct tz_repo_options *options,
                       struct tz_error *err)
{
    struct tz_error why = {0};

    if (tz_repo_open_stores(&repo->mirror, repo->config, options, false, err) ||
        tz_repo_ask_ahead(repo, options, err))
        return -1;
    if (!tz_repo_check_stores(repo, options, &why))
        return 0;
    if (options->offline && (why.kind == TZ_UNAVAILABLE || why.kind == TZ_NOT_FOUND))
        return open_offline(repo, &why, err);
    if (err)
        *err = why;
    return -1;
}

int tz_repo_open(struct tz_repo **ret, const struct tz_repo_options *options, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = calloc(1, sizeof(*repo));
    if (!repo)
        return tz_fail_nomem(err);
    repo->lock_fd = -1;
    repo->config = options->config;
    repo->fill = options->fill;
    repo->soon = options->soon;
    repo->any_order = options->any_order;
    repo->warn = options->warn;
    repo->warn_arg = options->warn_arg;

    if (tz_make_dirs(repo->config->state, 0700, err))
        return tz_while(err, "make the state directory");
    if (options->exclusive && tz_repo_lock(repo->config, options->purpose, &repo->lock_fd, err))
        return -1;
    if (open_stores(repo, options, err))
        return -1;
    if (!repo->offline && ((options->exclusive && options->spool && open_spools(repo, err)) ||
                           unlock(repo, options, err) || set_locks(repo, err)))
        return -1;
    *ret = TZ_TAKE(repo);
    return 0;
}

void tz_repo_free(struct tz_repo *repo)
{
    if (!repo)
        return;
    tz_catalog_free(repo->catalog);
    tz_keys_free(repo->keys);
    tz_early_free(repo->early);
    tz_mirror_free(repo->mirror);
    tz_ahead_clear(repo);
    tz_buf_clear(&repo->descriptor_bytes);
    if (repo->lock_fd >= 0)
        (void)close(repo->lock_fd);
    free(repo);
}
