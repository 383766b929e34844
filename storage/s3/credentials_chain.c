/*
 * The places that are asked, in their order.
 */
#include "credentials_private.h"

#include <string.h>

#include "tozai/util/banned.h"

/* A service that gives what has ended already, or nearly, has not given anything. */
#define LEAST_LEFT_NS (30 * TZ_SECOND_NS)

static int copy_text(char **ret, const char *text, struct tz_error *err)
{
    *ret = text ? strdup(text) : NULL;
    return *ret || !text ? 0 : tz_fail_nomem(err);
}

/* A file that somebody named must be there. */
static int must_exist(struct tz_error *err)
{
    if (err && err->kind == TZ_NOT_FOUND)
        err->kind = TZ_DENIED;
    return -1;
}

static int ask_file(const struct tz_credentials_asker *asker, struct tz_credentials *ret,
                    struct tz_error *err)
{
    const struct tz_credentials_setup *setup = asker->setup;
    if (!setup->file)
        return tz_fail(err, TZ_NOT_FOUND, "credentials_file is not set");
    return tz_credentials_read_file(setup->file, setup->profile, ret, err) ? must_exist(err) : 0;
}

static int ask_environment(const struct tz_credentials_asker *asker, struct tz_credentials *ret,
                           struct tz_error *err)
{
    const struct tz_credentials_setup *setup = asker->setup;
    if (!setup->access_key && !setup->secret_key)
        return tz_fail(err, TZ_NOT_FOUND, "AWS_ACCESS_KEY_ID is not set");
    if (!setup->access_key || !setup->secret_key)
        return tz_fail(err, TZ_DENIED, "%s is set, but %s is not",
                       setup->access_key ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                       setup->access_key ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
    if (copy_text(&ret->access_key, setup->access_key, err) ||
        copy_text(&ret->secret_key, setup->secret_key, err) ||
        copy_text(&ret->session_token, setup->session_token, err))
        return -1;
    return 0;
}

/* The one in the home folder may be missing, out of reach, or for something else. */
static int ask_shared_file(const struct tz_credentials_asker *asker, struct tz_credentials *ret,
                           struct tz_error *err)
{
    const struct tz_credentials_setup *setup = asker->setup;
    if (!setup->shared_file)
        return tz_fail(err, TZ_NOT_FOUND, "HOME is not set");
    if (tz_credentials_read_file(setup->shared_file, setup->profile, ret, err) == 0)
        return 0;
    if (setup->shared_named || (setup->profile_named && access(setup->shared_file, R_OK) == 0))
        return must_exist(err);
    if (err && err->kind == TZ_DENIED && err->sys_errno)
        err->kind = TZ_NOT_FOUND;
    return -1;
}

static const struct {
    const char *name;
    int (*ask)(const struct tz_credentials_asker *asker, struct tz_credentials *ret,
               struct tz_error *err);
    bool is_fixed; /* gives the same again and again */
} places[] = {
    {"the configuration's credentials_file", ask_file, false},
    {"the environment", ask_environment, true},
    {"the shared credentials file", ask_shared_file, false},
    {"the web identity", tz_credentials_ask_identity, false},
    {"the container", tz_credentials_ask_container, false},
    {"the instance metadata", tz_credentials_ask_metadata, false},
};
enum { PLACE_FILE = 0, PLACE_SHARED_FILE = 2 };

const char *tz_credentials_place_file(const struct tz_credentials_setup *setup, size_t place)
{
    return place == PLACE_FILE          ? setup->file
           : place == PLACE_SHARED_FILE ? setup->shared_file
                                        : NULL;
}

bool tz_credentials_place_is_fixed(size_t place)
{
    return place < TZ_COUNT(places) && places[place].is_fixed;
}

/* What goes into header lines must be fit for it, whoever gave it. */
static int check_found(const struct tz_credentials *found, size_t place, int64_t now_ns,
                       struct tz_error *err)
{
    if (!tz_credentials_is_line(found->access_key) || !tz_credentials_is_line(found->secret_key) ||
        (found->session_token && !tz_credentials_is_line(found->session_token)))
        return tz_fail(err, TZ_DENIED, "%s gave keys with control characters", places[place].name);
    if (found->expires_ns == 0 || found->expires_ns - now_ns >= LEAST_LEFT_NS)
        return 0;
    char text[TZ_TIME_TEXT];
    tz_time_format(text, found->expires_ns);
    (void)tz_fail(err, TZ_UNAVAILABLE, "%s gave keys that end at %s", places[place].name, text);
    return tz_hint(err, "is the clock of this machine right?");
}

static int ask(size_t place, const struct tz_credentials_asker *asker, struct tz_credentials *ret,
               struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_credentials) struct tz_credentials found = {0};
    if (places[place].ask(asker, &found, err) || check_found(&found, place, asker->now_ns, err))
        return -1;
    tz_credentials_move(ret, &found);
    return 0;
}

/* A place that gave some before does so again, or this is a failure that passes. */
static int ask_again(size_t place, const struct tz_credentials_asker *asker,
                     struct tz_credentials *ret, struct tz_error *err)
{
    if (ask(place, asker, ret, err) == 0)
        return 0;
    if (err && err->kind == TZ_NOT_FOUND)
        err->kind = TZ_UNAVAILABLE;
    return tz_while(err, "get keys from %s", places[place].name);
}

int tz_credentials_find(const struct tz_credentials_asker *asker, size_t *place,
                        struct tz_credentials *ret, struct tz_error *err)
{
    if (*place != TZ_CREDENTIALS_NO_PLACE)
        return ask_again(*place, asker, ret, err);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf missing = {0};
    for (size_t i = 0; i < TZ_COUNT(places); i++) {
        struct tz_error why = {0};
        if (ask(i, asker, ret, &why) == 0) {
            *place = i;
            return 0;
        }
        if (why.kind != TZ_NOT_FOUND) {
            if (err)
                *err = why;
            return tz_while(err, "get keys from %s", places[i].name);
        }
        if (tz_buf_printf(&missing, err, "%s%s", i ? "; " : "", why.message))
            return -1;
    }
    (void)tz_fail(err, TZ_DENIED, "no keys for the store");
    return tz_hint(err, "set credentials_file; looked at: %s", (const char *)missing.data);
}
