/*
 * What the options and the environment say.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "credentials_private.h"
#include "tozai/util/file.h"

#include <pwd.h>
#include <stddef.h>
#include <strings.h>

#include "tozai/util/banned.h"

#define MEMBER(name) offsetof(struct tz_credentials_setup, name)

/* One line for each text of the setup that the environment can give. */
static const struct {
    const char *variable;
    size_t offset;
} variables[] = {
    {"AWS_PROFILE", MEMBER(profile)},
    {"AWS_ACCESS_KEY_ID", MEMBER(access_key)},
    {"AWS_SECRET_ACCESS_KEY", MEMBER(secret_key)},
    {"AWS_SESSION_TOKEN", MEMBER(session_token)},
    {"AWS_SHARED_CREDENTIALS_FILE", MEMBER(shared_file)},
    {"AWS_WEB_IDENTITY_TOKEN_FILE", MEMBER(identity_file)},
    {"AWS_ROLE_ARN", MEMBER(role_arn)},
    {"AWS_ROLE_SESSION_NAME", MEMBER(session_name)},
    {"AWS_ENDPOINT_URL_STS", MEMBER(sts)},
    {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", MEMBER(container_path)},
    {"AWS_CONTAINER_CREDENTIALS_FULL_URI", MEMBER(container_url)},
    {"AWS_CONTAINER_AUTHORIZATION_TOKEN", MEMBER(container_token)},
    {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", MEMBER(container_token_file)},
    {"AWS_EC2_METADATA_SERVICE_ENDPOINT", MEMBER(metadata)},
};

static char **member_at(struct tz_credentials_setup *setup, size_t offset)
{
    return (char **)((char *)setup + offset);
}

/* Text of no characters counts as not set; an option, unless NULL, takes the place of what is
 * there. */
static int set_text(char **member, const char *text, struct tz_error *err)
{
    if (!text)
        return 0;
    TZ_SCOPED(tz_scoped_secret) char *copy = tz_credentials_trim(text, strlen(text));
    if (!copy)
        return tz_fail_nomem(err);
    tz_credentials_wipe(*member);
    *member = *copy ? TZ_TAKE(copy) : NULL;
    return 0;
}

/* The same unless there is something already. */
static int set_default(char **member, const char *text, struct tz_error *err)
{
    return *member ? 0 : set_text(member, text, err);
}

static int read_environment(struct tz_credentials_setup *setup, struct tz_error *err)
{
    for (size_t i = 0; i < TZ_COUNT(variables); i++)
        if (set_text(member_at(setup, variables[i].offset), getenv(variables[i].variable), err))
            return -1;
    const char *disabled = getenv("AWS_EC2_METADATA_DISABLED");
    setup->metadata_disabled = disabled && strcasecmp(disabled, "true") == 0;
    return 0;
}

/* "~/.aws/credentials"; none without a home. */
static int set_home_file(struct tz_credentials_setup *setup, struct tz_error *err)
{
    const char *home = getenv("HOME");
    char text[4096];
    struct passwd entry;
    struct passwd *found = NULL;
    if (!home && getpwuid_r(geteuid(), &entry, text, sizeof(text), &found) == 0 && found)
        home = found->pw_dir;
    if (!home || !*home)
        return 0;
    setup->shared_file = tz_path_join(home, ".aws/credentials");
    return setup->shared_file ? 0 : tz_fail_nomem(err);
}

static bool is_region(const char *text)
{
    return *text && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(text);
}

/* Those of China have a domain of their own. */
static int set_sts(struct tz_credentials_setup *setup, const char *region, struct tz_error *err)
{
    if (!region)
        region = getenv("AWS_REGION");
    if (!region)
        region = getenv("AWS_DEFAULT_REGION");
    if (!region || !*region)
        return set_text(&setup->sts, "https://sts.amazonaws.com", err);
    if (!is_region(region))
        return setup->identity_file
                   ? tz_fail(err, TZ_INVALID, "'%s' is not a region that STS has", region)
                   : 0;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf url = {0};
    const char *domain = strncmp(region, "cn-", 3) == 0 ? "amazonaws.com.cn" : "amazonaws.com";
    return tz_buf_printf(&url, err, "https://sts.%s.%s", region, domain) ||
                   set_text(&setup->sts, (const char *)url.data, err)
               ? -1
               : 0;
}

static int set_endpoints(struct tz_credentials_setup *setup,
                         const struct tz_credentials_options *options, struct tz_error *err)
{
    if (set_text(&setup->sts, options->sts_endpoint, err) ||
        set_text(&setup->metadata, options->metadata_endpoint, err) ||
        set_text(&setup->container_host, options->container_host, err))
        return -1;
    if (!setup->sts && set_sts(setup, options->region, err))
        return -1;
    setup->metadata_named = setup->metadata != NULL;
    const char *mode = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    const char *metadata =
        mode && strcasecmp(mode, "ipv6") == 0 ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
    return set_default(&setup->metadata, metadata, err) ||
                   set_default(&setup->container_host, "http://169.254.170.2", err)
               ? -1
               : 0;
}

static void cut_slashes(char *url)
{
    size_t len = url ? strlen(url) : 0;
    while (len > 0 && url[len - 1] == '/')
        url[--len] = '\0';
}

static int fill(struct tz_credentials_setup *setup, const struct tz_credentials_options *options,
                struct tz_error *err)
{
    if (read_environment(setup, err) || set_text(&setup->file, options->file, err) ||
        set_text(&setup->profile, options->profile, err) || set_endpoints(setup, options, err))
        return -1;
    setup->profile_named = setup->profile != NULL;
    setup->shared_named = setup->shared_file != NULL;
    if (set_default(&setup->profile, "default", err) ||
        (!setup->shared_file && set_home_file(setup, err)))
        return -1;
    cut_slashes(setup->sts);
    cut_slashes(setup->metadata);
    cut_slashes(setup->container_host);
    return 0;
}

int tz_credentials_setup_read(struct tz_credentials_setup *ret,
                              const struct tz_credentials_options *options, struct tz_error *err)
{
    struct tz_credentials_setup setup = {0};
    if (fill(&setup, options, err)) {
        tz_credentials_setup_clear(&setup);
        return -1;
    }
    *ret = setup;
    return 0;
}

void tz_credentials_setup_clear(struct tz_credentials_setup *setup)
{
    for (size_t i = 0; i < TZ_COUNT(variables); i++)
        tz_credentials_wipe(*member_at(setup, variables[i].offset));
    free(setup->file);
    free(setup->container_host);
    *setup = (struct tz_credentials_setup){0};
}

bool tz_credentials_is_line(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == '\x7f')
            return false;
    return true;
}

char *tz_credentials_trim(const char *text, size_t len)
{
    static const char blanks[] = " \t\r\n";
    while (len > 0 && strchr(blanks, text[0])) {
        text++;
        len--;
    }
    while (len > 0 && strchr(blanks, text[len - 1]))
        len--;
    return strndup(text, len);
}

void tz_credentials_wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

void tz_credentials_wipe_buf(struct tz_buf *buf)
{
    if (buf->data)
        explicit_bzero(buf->data, buf->cap);
    tz_buf_clear(buf);
}
