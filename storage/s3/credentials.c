/*
 * The provider: which keys are there now, and who fetches the next ones while the others wait, or
 * go on with what they have.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "credentials_private.h"
#include "tozai/util/log.h"

#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "tozai/util/banned.h"

/* Temporary keys are fetched anew so long before their end ... */
#define EARLY_NS (300 * TZ_SECOND_NS)
/* ... and not used any more with less than this to live. */
#define LEAST_LEFT_NS (30 * TZ_SECOND_NS)
/* Between two tries while there are valid ones. */
#define PAUSE_NS (10 * TZ_SECOND_NS)

struct tz_provider {
    struct tz_credentials_setup setup; /* never changes */
    struct tz_http *http;
    int64_t (*now)(void);

    pthread_mutex_t mutex; /* for what follows */
    pthread_cond_t changed;
    struct tz_credentials present;
    bool refused;  /* the server does not take them */
    bool fetching; /* a thread is at it, without the mutex */
    bool failed;   /* the last fetch did, with this: */
    struct tz_error error;
    uint64_t fetches; /* that have ended */
    int64_t tried_ns; /* when the last one ended */
    size_t place;     /* where they come from */
    struct stat file; /* as it was before it was read */
};

void tz_credentials_clear(struct tz_credentials *credentials)
{
    tz_credentials_wipe(credentials->access_key);
    tz_credentials_wipe(credentials->secret_key);
    tz_credentials_wipe(credentials->session_token);
    *credentials = (struct tz_credentials){0};
}

static int copy_text(char **ret, const char *text, struct tz_error *err)
{
    *ret = text ? strdup(text) : NULL;
    return *ret || !text ? 0 : tz_fail_nomem(err);
}

static int copy_present(const struct tz_provider *provider, struct tz_credentials *ret,
                        struct tz_error *err)
{
    const struct tz_credentials *present = &provider->present;
    TZ_SCOPED(tz_scoped_credentials)
    struct tz_credentials copy = {.expires_ns = present->expires_ns};
    if (copy_text(&copy.access_key, present->access_key, err) ||
        copy_text(&copy.secret_key, present->secret_key, err) ||
        copy_text(&copy.session_token, present->session_token, err))
        return -1;
    tz_credentials_move(ret, &copy);
    return 0;
}

int tz_provider_new(struct tz_provider **ret, struct tz_http *http,
                    const struct tz_credentials_options *options, struct tz_error *err)
{
    static const struct tz_credentials_options none;
    struct tz_provider *provider = calloc(1, sizeof(*provider));
    if (!provider)
        return tz_fail_nomem(err);
    if (tz_credentials_setup_read(&provider->setup, options ? options : &none, err)) {
        free(provider);
        return -1;
    }
    provider->http = http;
    provider->now = options && options->now ? options->now : tz_now;
    provider->place = TZ_CREDENTIALS_NO_PLACE;
    (void)pthread_mutex_init(&provider->mutex, NULL);
    (void)pthread_cond_init(&provider->changed, NULL);
    *ret = provider;
    return 0;
}

void tz_provider_free(struct tz_provider *provider)
{
    if (!provider)
        return;
    (void)pthread_cond_destroy(&provider->changed);
    (void)pthread_mutex_destroy(&provider->mutex);
    tz_credentials_clear(&provider->present);
    tz_credentials_setup_clear(&provider->setup);
    free(provider);
}

static bool same_moment(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* A file that is gone has not changed: its keys may be good still. */
static bool file_has_changed(const struct tz_provider *provider)
{
    const char *path = tz_credentials_place_file(&provider->setup, provider->place);
    struct stat now;
    if (!path || stat(path, &now))
        return false;
    const struct stat *then = &provider->file;
    return now.st_dev != then->st_dev || now.st_ino != then->st_ino ||
           now.st_size != then->st_size || now.st_mode != then->st_mode ||
           !same_moment(now.st_mtim, then->st_mtim) || !same_moment(now.st_ctim, then->st_ctim);
}

/* How much there is to do before keys can be given. */
enum need {
    NEED_NOTHING,
    NEED_SOON, /* one thread fetches new ones, for the others the present ones will do */
    NEED_NOW,
};

static enum need what_is_needed(const struct tz_provider *provider)
{
    const struct tz_credentials *present = &provider->present;
    int64_t now_ns = provider->now();
    int64_t left_ns = present->expires_ns ? present->expires_ns - now_ns : INT64_MAX;
    if (!present->access_key || provider->refused || left_ns < LEAST_LEFT_NS)
        return NEED_NOW;
    /* A clock that was set back makes no pause. */
    bool pausing = now_ns >= provider->tried_ns && now_ns - provider->tried_ns < PAUSE_NS;
    if (provider->fetching)
        return NEED_NOTHING;
    if (left_ns < EARLY_NS && !pausing)
        return NEED_SOON;
    return !(provider->failed && pausing) && file_has_changed(provider) ? NEED_SOON : NEED_NOTHING;
}

/* Without the mutex: only this thread is at it. */
static int ask(const struct tz_provider *provider, size_t *place, struct stat *file,
               struct tz_credentials *ret, struct tz_error *err)
{
    const struct tz_credentials_asker asker = {
        .setup = &provider->setup, .http = provider->http, .now_ns = provider->now()};
    struct stat config = {0}, shared = {0};
    /* Before they are read, so that a change while they are is not missed. */
    if (asker.setup->file)
        (void)stat(asker.setup->file, &config);
    if (asker.setup->shared_file)
        (void)stat(asker.setup->shared_file, &shared);
    if (tz_credentials_find(&asker, place, ret, err))
        return -1;
    const char *path = tz_credentials_place_file(asker.setup, *place);
    *file = path == asker.setup->file ? config : shared;
    return 0;
}

/* The mutex is held before and after. */
static void fetch(struct tz_provider *provider)
{
    TZ_SCOPED(tz_scoped_credentials) struct tz_credentials found = {0};
    struct tz_error why = {0};
    struct stat file;
    size_t place = provider->place;

    provider->fetching = true;
    (void)pthread_mutex_unlock(&provider->mutex);
    int status = ask(provider, &place, &file, &found, &why);
    (void)pthread_mutex_lock(&provider->mutex);

    provider->fetching = false;
    provider->fetches++;
    provider->failed = status != 0;
    provider->error = why;
    provider->tried_ns = provider->now();
    if (status == 0) {
        struct tz_credentials old = provider->present;
        provider->present = found;
        found = old; /* wiped */
        provider->refused = false;
        provider->place = place;
        provider->file = file;
    } else {
        tz_debug("keys: %s", why.message);
    }
    (void)pthread_cond_broadcast(&provider->changed);
}

/* Wait for the end of the fetch that another thread is at. */
static void wait_for_fetch(struct tz_provider *provider)
{
    uint64_t before = provider->fetches;
    while (provider->fetches == before)
        (void)pthread_cond_wait(&provider->changed, &provider->mutex);
}

static int get_locked(struct tz_provider *provider, struct tz_credentials *ret,
                      struct tz_error *err)
{
    if (what_is_needed(provider) != NEED_NOTHING) {
        if (provider->fetching)
            wait_for_fetch(provider);
        else
            fetch(provider);
        if (provider->failed && what_is_needed(provider) == NEED_NOW) {
            if (err)
                *err = provider->error;
            return -1;
        }
    }
    return copy_present(provider, ret, err);
}

int tz_provider_get(struct tz_provider *provider, struct tz_credentials *ret, struct tz_error *err)
{
    (void)pthread_mutex_lock(&provider->mutex);
    int status = get_locked(provider, ret, err);
    (void)pthread_mutex_unlock(&provider->mutex);
    return status;
}

/* A service that gave the same keys a moment ago would do so again. */
static bool is_new(const struct tz_provider *provider)
{
    int64_t age_ns = provider->now() - provider->tried_ns;
    return !provider->failed && age_ns >= 0 && age_ns < PAUSE_NS &&
           !tz_credentials_place_file(&provider->setup, provider->place);
}

void tz_provider_refused(struct tz_provider *provider, const char *access_key)
{
    (void)pthread_mutex_lock(&provider->mutex);
    const char *present = provider->present.access_key;
    if (present && strcmp(present, access_key) == 0 && !is_new(provider) &&
        !tz_credentials_place_is_fixed(provider->place))
        provider->refused = true;
    (void)pthread_mutex_unlock(&provider->mutex);
}
