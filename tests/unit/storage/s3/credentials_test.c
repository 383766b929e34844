#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "key_services.h"
#include "storage/s3/credentials.h"
#include "tozai/util/file.h"
#include "tozai/util/interrupt.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

/*
 * These take the place of the C library's functions in this program: whatever is given back is
 * looked through for secrets that were not wiped.
 */
void __real_free(void *memory);
void __wrap_free(void *memory);
void *__wrap_realloc(void *memory, size_t size);
static atomic_uint leaked_secrets;

static void look_through(const void *memory)
{
    if (memory &&
        memmem(memory, malloc_usable_size((void *)memory), SECRET_MARK, strlen(SECRET_MARK)))
        atomic_fetch_add(&leaked_secrets, 1);
}

void __wrap_free(void *memory)
{
    look_through(memory);
    __real_free(memory);
}

void *__wrap_realloc(void *memory, size_t size)
{
    void *more = calloc(1, size ? size : 1);
    if (more && memory) {
        memcpy(more, memory, TZ_MIN(size, malloc_usable_size(memory)));
        __wrap_free(memory);
    }
    return more;
}

static const int64_t start_ns = 1800000000 * TZ_SECOND_NS;
static _Atomic int64_t clock_ns;
static int64_t read_clock(void)
{
    return atomic_load(&clock_ns);
}
static void move_clock(int64_t seconds)
{
    atomic_fetch_add(&clock_ns, seconds * TZ_SECOND_NS);
}

struct fixture {
    char *folder;
    struct key_services services;
    struct tz_http *http;
    struct tz_provider *provider;
    struct tz_credentials_options options;
    struct tz_credentials found;
    struct tz_error err;
};

static const char *const variables[] = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_ENDPOINT_URL_STS",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "http_proxy",
    "no_proxy",
};

static int enter(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    const char *base = getenv("TMPDIR");
    f->folder = tz_path_join(base && *base ? base : "/tmp", "tozai-test-XXXXXX");
    if (!mkdtemp(f->folder) || chdir(f->folder) || mkdir(".aws", 0700))
        return -1;
    for (size_t i = 0; i < TZ_COUNT(variables); i++)
        (void)unsetenv(variables[i]);
    (void)setenv("HOME", f->folder, 1);
    atomic_store(&clock_ns, start_ns);
    atomic_store(&leaked_secrets, 0);
    f->services.expires_ns = start_ns + 3600 * TZ_SECOND_NS;
    f->options.now = read_clock;
    f->options.metadata_endpoint = f->options.container_host = f->options.sts_endpoint =
        f->services.url;
    *state = f;
    const struct tz_http_options options = {.connections = 2, .connect_timeout_s = 1};
    return start_services(&f->services) || tz_http_new(&f->http, &options, NULL);
}

static int leave(void **state)
{
    struct fixture *f = *state;
    tz_credentials_clear(&f->found);
    tz_provider_free(f->provider);
    tz_http_free(f->http);
    stop_services(&f->services);
    static const char *const names[] = {".aws/credentials", "keys", "new", "token"};
    for (size_t i = 0; i < TZ_COUNT(names); i++)
        (void)unlink(names[i]);
    int result = rmdir(".aws") | chdir("/") | rmdir(f->folder);
    free(f->folder);
    free(f);
    if (atomic_load(&leaked_secrets))
        print_error("%u secrets were given back\n", atomic_load(&leaked_secrets));
    return result || atomic_load(&leaked_secrets);
}

static void write_keys(const char *path, const char *profile, const char *access_key)
{
    char text[500];
    (void)snprintf(text, sizeof(text),
                   "[%s]\naws_access_key_id=%s\naws_secret_access_key=" SECRET_MARK "file\n"
                   "aws_session_token=" SECRET_MARK "token\n",
                   profile, access_key);
    assert_int_equal(tz_file_replace(path, text, strlen(text), 0600, NULL), 0);
}

static void write_token(const char *text)
{
    assert_int_equal(tz_file_replace("token", text, strlen(text), 0600, NULL), 0);
}

static int get(struct fixture *f)
{
    tz_credentials_clear(&f->found);
    f->err = (struct tz_error){0};
    if (!f->provider)
        assert_int_equal(tz_provider_new(&f->provider, f->http, &f->options, &f->err), 0);
    return tz_provider_get(f->provider, &f->found, &f->err);
}

/* What the environment and the options say counts for a new one. */
static int get_anew(struct fixture *f)
{
    tz_provider_free(f->provider);
    f->provider = NULL;
    return get(f);
}

#define assert_key(f, key)                                                                         \
    do {                                                                                           \
        if (get(f))                                                                                \
            fail_msg("%s (%s)", (f)->err.message, (f)->err.hint);                                  \
        assert_string_equal((f)->found.access_key, key);                                           \
    } while (0)
#define assert_key_anew(f, key)                                                                    \
    do {                                                                                           \
        if (get_anew(f))                                                                           \
            fail_msg("%s (%s)", (f)->err.message, (f)->err.hint);                                  \
        assert_string_equal((f)->found.access_key, key);                                           \
    } while (0)
#define assert_refused(f, what)                                                                    \
    do {                                                                                           \
        assert_int_equal(get_anew(f), -1);                                                         \
        assert_int_equal((f)->err.kind, what);                                                     \
        assert_null((f)->found.access_key);                                                        \
    } while (0)

static void lock(struct fixture *f)
{
    (void)pthread_mutex_lock(&f->services.mutex);
}
static void unlock(struct fixture *f)
{
    (void)pthread_mutex_unlock(&f->services.mutex);
}

/* The services answer with this status, so often; 0: always, or as they should. */
static void answer_with(struct fixture *f, unsigned status, unsigned count)
{
    lock(f);
    f->services.status = status;
    f->services.status_count = count;
    unlock(f);
}

static unsigned count_asked(struct fixture *f)
{
    lock(f);
    unsigned n = f->services.asked;
    unlock(f);
    return n;
}

static unsigned count_given(struct fixture *f)
{
    lock(f);
    unsigned n = f->services.given;
    unlock(f);
    return n;
}

/* All six places are set up, and then one after the other is not. */
static void the_first_place_that_is_set_up_counts(void **state)
{
    struct fixture *f = *state;
    char url[200];
    (void)snprintf(url, sizeof(url), "%s/container/keys", f->services.url);
    write_keys("keys", "default", "CONFIGURED");
    write_keys(".aws/credentials", "default", "HOME");
    write_keys("new", "default", "SHARED");
    write_token("a.b.c");
    f->options.file = "keys";
    (void)setenv("AWS_ACCESS_KEY_ID", "ENVIRONMENT", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", SECRET_MARK "environment", 1);
    (void)setenv("AWS_SHARED_CREDENTIALS_FILE", "new", 1);
    (void)setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "token", 1);
    (void)setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/x", 1);
    (void)setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);

    assert_key_anew(f, "CONFIGURED");
    assert_string_equal(f->found.secret_key, SECRET_MARK "file");
    assert_string_equal(f->found.session_token, SECRET_MARK "token");
    f->options.file = NULL;
    assert_key_anew(f, "ENVIRONMENT");
    assert_string_equal(f->found.secret_key, SECRET_MARK "environment");
    assert_null(f->found.session_token);
    (void)unsetenv("AWS_ACCESS_KEY_ID");
    (void)unsetenv("AWS_SECRET_ACCESS_KEY");
    assert_key_anew(f, "SHARED");
    (void)unsetenv("AWS_SHARED_CREDENTIALS_FILE");
    assert_key_anew(f, "HOME");
    assert_int_equal(count_asked(f), 0);
    assert_int_equal(unlink(".aws/credentials"), 0);
    assert_key_anew(f, "ASIA1");
    assert_memory_equal(f->services.last, "POST / ", 7);
    (void)unsetenv("AWS_WEB_IDENTITY_TOKEN_FILE");
    assert_key_anew(f, "ASIA2");
    assert_memory_equal(f->services.last, "GET /container/keys ", 20);
    (void)unsetenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    assert_key_anew(f, "ASIA3");
    assert_memory_equal(f->services.last, "GET " ROLES "backup-role ", strlen(ROLES) + 16);
    (void)setenv("AWS_EC2_METADATA_DISABLED", "True", 1);
    assert_refused(f, TZ_DENIED);
    assert_string_equal(f->err.message, "no keys for the store");
    assert_non_null(
        strstr(f->err.hint, "credentials_file is not set; AWS_ACCESS_KEY_ID is not set"));
    assert_non_null(strstr(f->err.hint, ".aws/credentials"));
    assert_non_null(strstr(f->err.hint, "AWS_EC2_METADATA_DISABLED is true"));
}

static void what_is_named_must_be_there(void **state)
{
    struct fixture *f = *state;
    write_keys(".aws/credentials", "default", "HOME");
    f->options.file = "keys";
    assert_refused(f, TZ_DENIED);
    assert_non_null(strstr(f->err.message, "'keys'"));
    f->options.file = NULL;
    (void)setenv("AWS_SHARED_CREDENTIALS_FILE", "keys", 1);
    assert_refused(f, TZ_DENIED);
    (void)unsetenv("AWS_SHARED_CREDENTIALS_FILE");
    (void)setenv("AWS_ACCESS_KEY_ID", "A", 1);
    assert_refused(f, TZ_DENIED);
    assert_non_null(strstr(f->err.message, "AWS_SECRET_ACCESS_KEY is not"));
    (void)unsetenv("AWS_ACCESS_KEY_ID");
    f->options.profile = "east";
    assert_refused(f, TZ_DENIED);
    assert_string_equal(f->err.hint, "it has 'default'");
    f->options.profile = NULL;
    assert_key_anew(f, "HOME");
    assert_int_equal(chmod(".aws/credentials", 0644), 0);
    assert_refused(f, TZ_DENIED);
    assert_non_null(strstr(f->err.hint, "chmod"));
    assert_int_equal(unlink(".aws/credentials"), 0);
    (void)setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "token", 1);
    assert_refused(f, TZ_DENIED);
    assert_non_null(strstr(f->err.message, "AWS_ROLE_ARN is not"));
    (void)setenv("AWS_ROLE_ARN", "arn", 1);
    assert_refused(f, TZ_DENIED);
    assert_non_null(strstr(f->err.message, "'token'"));
    assert_int_equal(count_asked(f), 0);
}

static void the_file_at_home_may_hold_other_things(void **state)
{
    struct fixture *f = *state;
    write_keys(".aws/credentials", "east", "EAST");
    assert_key_anew(f, "ASIA1");
    (void)setenv("AWS_PROFILE", "east", 1);
    assert_key_anew(f, "EAST");
    f->options.profile = "default";
    assert_refused(f, TZ_DENIED);
}

static void variables_lose_the_blanks_around_them(void **state)
{
    struct fixture *f = *state;
    (void)setenv("AWS_ACCESS_KEY_ID", " account:user\n", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", SECRET_MARK "x\r\n", 1);
    (void)setenv("AWS_SESSION_TOKEN", "", 1);
    assert_key_anew(f, "account:user");
    assert_string_equal(f->found.secret_key, SECRET_MARK "x");
    assert_null(f->found.session_token);
    (void)setenv("AWS_SECRET_ACCESS_KEY", SECRET_MARK "x\r\ny", 1);
    assert_refused(f, TZ_DENIED);
    assert_null(strstr(f->err.message, SECRET_MARK));
}

static void a_changed_file_is_read_again(void **state)
{
    struct fixture *f = *state;
    f->options.file = "keys";
    write_keys("keys", "default", "FIRST");
    assert_key(f, "FIRST");
    write_keys("keys", "default", "SECOND");
    assert_key(f, "SECOND");
    /* What is wrong now may be right in a moment, and nobody has taken the keys back. */
    assert_int_equal(chmod("keys", 0604), 0);
    assert_key(f, "SECOND");
    assert_int_equal(unlink("keys"), 0);
    assert_key(f, "SECOND");
    write_keys("keys", "default", "THIRD");
    assert_key(f, "SECOND");
    move_clock(10);
    assert_key(f, "THIRD");
    /* The server takes them back: then they are read, whatever the file looks like. */
    assert_int_equal(unlink("keys"), 0);
    tz_provider_refused(f->provider, "SECOND");
    assert_key(f, "THIRD");
    tz_provider_refused(f->provider, "THIRD");
    assert_int_equal(get(f), -1);
    assert_int_equal(f->err.kind, TZ_DENIED);
    write_keys("keys", "default", "FOURTH");
    assert_key(f, "FOURTH");
}

static void metadata_gives_keys(void **state)
{
    struct fixture *f = *state;
    /* It is not asked through a proxy. */
    (void)setenv("http_proxy", "http://127.0.0.1:9", 1);
    assert_key(f, "ASIA1");
    assert_string_equal(f->found.secret_key, SECRET_MARK "1");
    assert_string_equal(f->found.session_token, SECRET_MARK "token1");
    assert_int_equal(f->found.expires_ns, f->services.expires_ns);
    assert_int_equal(count_asked(f), 3);
    /* They are kept. */
    assert_key(f, "ASIA1");
    assert_int_equal(count_asked(f), 3);
    f->options.metadata_endpoint = NULL;
    char url[100];
    (void)snprintf(url, sizeof(url), "%s//", f->services.url);
    (void)setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url, 1);
    assert_key_anew(f, "ASIA2");
}

static void metadata_that_has_none_is_told_from_what_fails(void **state)
{
    struct fixture *f = *state;
    static const struct {
        unsigned status;
        enum tz_error_kind kind;
        unsigned asked;
    } answers[] = {{403, TZ_DENIED, 1},
                   {404, TZ_DENIED, 1},
                   {500, TZ_UNAVAILABLE, 2},
                   {429, TZ_UNAVAILABLE, 2},
                   {503, TZ_UNAVAILABLE, 2}};
    for (size_t i = 0; i < TZ_COUNT(answers); i++) {
        unsigned before = count_asked(f);
        answer_with(f, answers[i].status, 0);
        assert_refused(f, answers[i].kind);
        assert_int_equal(count_asked(f) - before, answers[i].asked);
    }
    answer_with(f, 503, 1);
    assert_key_anew(f, "ASIA1");
    f->services.no_role = "yes";
    assert_refused(f, TZ_DENIED);
    assert_non_null(strstr(f->err.hint, "this instance has no role"));
}

static void wrong_answers_are_no_keys(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        enum tz_error_kind kind;
    } answers[] = {
        {"", TZ_UNAVAILABLE},
        {"[]", TZ_UNAVAILABLE},
        {"{\"Code\": \"Success\"", TZ_UNAVAILABLE},
        {"{\"Code\": \"Success\"}", TZ_UNAVAILABLE},
        {"{\"Code\": \"AssumeRoleUnauthorizedAccess\", \"Message\": \"m\"}", TZ_DENIED},
        {"{\"AccessKeyId\": \"A\", \"SecretAccessKey\": 1}", TZ_UNAVAILABLE},
        {"{\"AccessKeyId\": \"A\", \"SecretAccessKey\": \"\"}", TZ_UNAVAILABLE},
        {"{\"AccessKeyId\": \"A\\nB\", \"SecretAccessKey\": \"" SECRET_MARK "\"}", TZ_DENIED},
        {"{\"AccessKeyId\": \"A\\u0000\", \"SecretAccessKey\": \"" SECRET_MARK "\"}",
         TZ_UNAVAILABLE},
        {"{\"AccessKeyId\": \"A\", \"SecretAccessKey\": \"" SECRET_MARK "\", "
         "\"Expiration\": \"-3h\"}",
         TZ_UNAVAILABLE},
        {"{\"AccessKeyId\": \"A\", \"SecretAccessKey\": \"" SECRET_MARK "\", "
         "\"Expiration\": \"2020-01-01T00:00:00Z\"}",
         TZ_UNAVAILABLE},
    };
    (void)setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/container/keys", 1);
    for (size_t i = 0; i < TZ_COUNT(answers); i++) {
        f->services.text = answers[i].text;
        assert_refused(f, answers[i].kind);
        assert_null(strstr(f->err.message, SECRET_MARK));
    }
    /* Without an end they are for ever. */
    f->services.text = "{\"AccessKeyId\": \"A\", \"SecretAccessKey\": \"" SECRET_MARK "\"}";
    assert_key_anew(f, "A");
    assert_null(f->found.session_token);
    move_clock(INT64_C(1000000));
    assert_key(f, "A");
}

static void a_huge_answer_is_no_keys(void **state)
{
    struct fixture *f = *state;
    char text[7000];
    memset(text, ' ', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    f->services.text = text;
    assert_refused(f, TZ_UNAVAILABLE);
}

static void nobody_is_there(void **state)
{
    struct fixture *f = *state;
    int64_t begin_ns = tz_monotonic();
    /* Where nobody listens; said by somebody, so it should be there. */
    f->options.metadata_endpoint = "http://127.0.0.1:9";
    assert_refused(f, TZ_UNAVAILABLE);
    (void)setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/keys", 1);
    assert_refused(f, TZ_UNAVAILABLE);
    assert_true(tz_monotonic() - begin_ns < 10 * TZ_SECOND_NS);
}

static void a_service_that_hangs_is_given_up(void **state)
{
    struct fixture *f = *state;
    f->services.delay_ms = 1500;
    int64_t begin_ns = tz_monotonic();
    assert_refused(f, TZ_UNAVAILABLE);
    assert_true(tz_monotonic() - begin_ns < 8 * TZ_SECOND_NS);
    assert_true(count_asked(f) <= 2);
}

static void a_container_gets_keys_with_its_token(void **state)
{
    struct fixture *f = *state;
    f->services.permission = "Basic abc";
    (void)setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/container/keys", 1);
    assert_refused(f, TZ_DENIED);
    (void)setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc", 1);
    assert_key_anew(f, "ASIA1");
    /* The file counts more, and is read each time. */
    (void)setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "token", 1);
    assert_refused(f, TZ_DENIED);
    write_token("other");
    assert_refused(f, TZ_DENIED);
    write_token("Basic abc\n");
    assert_key(f, "ASIA2");
    move_clock(3600 - 200);
    lock(f);
    f->services.permission = "Basic def";
    f->services.expires_ns += 3600 * TZ_SECOND_NS;
    unlock(f);
    write_token("Basic def\n");
    assert_key(f, "ASIA3");
    (void)setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@127.0.0.1:9/keys", 1);
    assert_refused(f, TZ_INVALID);
}

static void the_address_of_a_container_is_of_this_machine(void **state)
{
    struct fixture *f = *state;
    static const char *const refused[] = {
        "http://192.0.2.1/keys",
        "http://169.254.170.3/keys",
        "http://example.com/keys",
        "http://localhost.example.com/keys",
        "http://127.0.0.1.example.com/keys",
        "http://127.0.0.1@192.0.2.1/keys",
        "http://127.0.0.1:80@192.0.2.1/keys",
        "http://127.0.0.1\\@192.0.2.1/keys",
        "http://192.0.2.1#@127.0.0.1/keys",
        "http://192.0.2.1?@127.0.0.1/keys",
        "http://127.1/keys",
        "http://2130706433/keys",
        "http://0x7f000001/keys",
        "http://[::2]/keys",
        "http://[::ffff:192.0.2.1]/keys",
        "http://[::1/keys",
        "http://[::1]x/keys",
        "http://127.0.0.1:8x/keys",
        "http:///keys",
        "http://:80/keys",
        "https://",
        "ftp://127.0.0.1/keys",
        "file:///etc/passwd",
        "127.0.0.1/keys",
        "http://127.0.0.1/ke ys",
    };
    for (size_t i = 0; i < TZ_COUNT(refused); i++) {
        (void)setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", refused[i], 1);
        if (get_anew(f) == 0 || f->err.kind != TZ_INVALID)
            fail_msg("'%s': %s", refused[i], f->err.message);
    }
    /* These may be asked, but nobody is there. */
    static const char *const allowed[] = {
        "http://127.0.0.1:9/keys", "http://127.8.8.8:9/keys", "HTTP://LocalHost:9/keys?a=b@c",
        "http://[::1]:9/keys",     "http://[0:0::1]:9",       "https://127.0.0.1:9/keys"};
    for (size_t i = 0; i < TZ_COUNT(allowed); i++) {
        (void)setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", allowed[i], 1);
        assert_refused(f, TZ_UNAVAILABLE);
    }
}

static void sts_exchanges_the_token(void **state)
{
    struct fixture *f = *state;
    (void)setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "token", 1);
    (void)setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/backup", 1);
    write_token("a.b+/=&c\n");
    assert_key(f, "ASIA1");
    assert_string_equal(f->found.secret_key, SECRET_MARK "&1");
    assert_string_equal(f->found.session_token, SECRET_MARK "token1");
    assert_int_equal(f->found.expires_ns, f->services.expires_ns);
    assert_non_null(strstr(f->services.last,
                           "\r\n\r\nAction=AssumeRoleWithWebIdentity&Version=2011-06-15"
                           "&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fbackup"
                           "&RoleSessionName=tozai&WebIdentityToken=a.b%2B%2F%3D%26c"));
    assert_non_null(strstr(f->services.last, "application/x-www-form-urlencoded\r\n"));
    assert_null(strcasestr(f->services.last, "authorization:"));
    /* The cluster has put another one there. */
    write_token("d.e.f");
    (void)setenv("AWS_ROLE_SESSION_NAME", "ignored-now", 1);
    move_clock(3600);
    lock(f);
    f->services.expires_ns += 3600 * TZ_SECOND_NS;
    unlock(f);
    assert_key(f, "ASIA2");
    assert_non_null(strstr(f->services.last, "&RoleSessionName=tozai&WebIdentityToken=d.e.f"));
}

static void sts_says_why_not(void **state)
{
    struct fixture *f = *state;
    static const char expired[] =
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>"
        "<Type>Sender</Type><Code>ExpiredTokenException</Code><Message>Token expired</Message>"
        "</Error><RequestId>1</RequestId></ErrorResponse>";
    (void)setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "token", 1);
    (void)setenv("AWS_ROLE_ARN", "arn", 1);
    write_token("a");
    f->services.text = expired;
    answer_with(f, 400, 0);
    assert_refused(f, TZ_DENIED);
    assert_non_null(strstr(f->err.message, "ExpiredTokenException: Token expired"));
    f->services.text =
        "<ErrorResponse><Error><Code>IDPCommunicationError</Code></Error></ErrorResponse>";
    assert_refused(f, TZ_UNAVAILABLE);
    f->services.text = "not XML";
    assert_refused(f, TZ_DENIED);
    answer_with(f, 200, 0);
    assert_refused(f, TZ_UNAVAILABLE);
    f->services.text = "<a><Credentials><AccessKeyId>A</AccessKeyId></Credentials></a>";
    assert_refused(f, TZ_UNAVAILABLE);
    assert_non_null(strstr(f->err.message, "STS answers without keys"));
    f->services.text = "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>";
    assert_refused(f, TZ_UNAVAILABLE);
    f->services.text = NULL;
    answer_with(f, 503, 2);
    assert_key_anew(f, "ASIA1");
}

static void keys_are_fetched_before_they_end(void **state)
{
    struct fixture *f = *state;
    assert_key(f, "ASIA1");
    move_clock(3600 - 301);
    assert_key(f, "ASIA1");
    move_clock(1);
    assert_key(f, "ASIA1");
    lock(f);
    f->services.expires_ns += 3600 * TZ_SECOND_NS;
    unlock(f);
    move_clock(1);
    assert_key(f, "ASIA2");
    assert_int_equal(count_given(f), 2);
}

static void old_keys_serve_while_the_service_fails(void **state)
{
    struct fixture *f = *state;
    assert_key(f, "ASIA1");
    move_clock(3600 - 290);
    answer_with(f, 500, 0);
    unsigned before = count_asked(f);
    assert_key(f, "ASIA1");
    assert_int_equal(count_asked(f), before + 2);
    /* Not again within ten seconds. */
    for (int i = 0; i < 9; i++) {
        move_clock(1);
        assert_key(f, "ASIA1");
    }
    assert_int_equal(count_asked(f), before + 2);
    move_clock(1);
    assert_key(f, "ASIA1");
    assert_int_equal(count_asked(f), before + 4);
    /* 30 s before their end that is over. */
    move_clock(250);
    assert_key(f, "ASIA1");
    move_clock(1);
    assert_int_equal(get(f), -1);
    assert_int_equal(f->err.kind, TZ_UNAVAILABLE);
    assert_null(f->found.access_key);
    lock(f);
    f->services.expires_ns += 3600 * TZ_SECOND_NS;
    unlock(f);
    answer_with(f, 0, 0);
    assert_key(f, "ASIA2");
}

/* A service may go on with the same keys until they end. */
static void short_lived_keys_are_not_fetched_all_the_time(void **state)
{
    struct fixture *f = *state;
    f->services.expires_ns = start_ns + 120 * TZ_SECOND_NS;
    assert_key(f, "ASIA1");
    assert_key(f, "ASIA1");
    move_clock(9);
    assert_key(f, "ASIA1");
    assert_int_equal(count_given(f), 1);
    move_clock(1);
    assert_key(f, "ASIA2");
    /* A clock that is set back is no reason to wait. */
    move_clock(-5);
    assert_key(f, "ASIA3");
}

static void a_place_that_gave_keys_is_not_left(void **state)
{
    struct fixture *f = *state;
    assert_key(f, "ASIA1");
    write_keys(".aws/credentials", "default", "HOME");
    move_clock(3600);
    lock(f);
    f->services.expires_ns += 7200 * TZ_SECOND_NS;
    f->services.no_role = "yes";
    unlock(f);
    assert_int_equal(get(f), -1);
    assert_int_equal(f->err.kind, TZ_UNAVAILABLE);
    lock(f);
    f->services.no_role = NULL;
    unlock(f);
    assert_key(f, "ASIA2");
}

static void refused_keys_are_fetched_anew_once(void **state)
{
    struct fixture *f = *state;
    assert_key(f, "ASIA1");
    /* They have only just come. */
    tz_provider_refused(f->provider, "ASIA1");
    assert_key(f, "ASIA1");
    move_clock(60);
    tz_provider_refused(f->provider, "ASIA0");
    assert_key(f, "ASIA1");
    tz_provider_refused(f->provider, "ASIA1");
    assert_key(f, "ASIA2");
    /* Others that used the old ones hear of it later. */
    tz_provider_refused(f->provider, "ASIA1");
    assert_key(f, "ASIA2");
    assert_int_equal(count_given(f), 2);
    move_clock(60);
    answer_with(f, 500, 0);
    tz_provider_refused(f->provider, "ASIA2");
    assert_int_equal(get(f), -1);
    assert_int_equal(f->err.kind, TZ_UNAVAILABLE);
    answer_with(f, 0, 0);
    assert_key(f, "ASIA3");
    (void)setenv("AWS_ACCESS_KEY_ID", "A", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "B", 1);
    assert_key_anew(f, "A");
    tz_provider_refused(f->provider, "A");
    assert_key(f, "A");
}

static void an_interrupt_ends_the_wait(void **state)
{
    struct fixture *f = *state;
    answer_with(f, 500, 0);
    (void)setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/container/keys", 1);
    tz_interrupt_request();
    assert_refused(f, TZ_INTERRUPTED);
}

static void the_region_is_part_of_a_name(void **state)
{
    struct fixture *f = *state;
    struct tz_provider *provider = NULL;
    f->options.sts_endpoint = NULL;
    f->options.region = "x.example.com/";
    assert_int_equal(tz_provider_new(&provider, f->http, &f->options, &f->err), 0);
    tz_provider_free(provider);
    provider = NULL;
    (void)setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "token", 1);
    assert_int_equal(tz_provider_new(&provider, f->http, &f->options, &f->err), -1);
    assert_int_equal(f->err.kind, TZ_INVALID);
    assert_null(provider);
    (void)setenv("AWS_ENDPOINT_URL_STS", f->services.url, 1);
    (void)setenv("AWS_ROLE_ARN", "arn", 1);
    write_token("a");
    assert_key_anew(f, "ASIA1");
}

#define THREADS 16

struct asker {
    struct fixture *fixture;
    pthread_t thread;
    unsigned rounds;
    bool refuses; /* says now and then that the server does not take the first ones */
    unsigned failed, got_old, got_new;
};

static void *ask_on(void *state)
{
    struct asker *asker = state;
    for (unsigned i = 0; i < asker->rounds; i++) {
        struct tz_credentials found = {0};
        if (tz_provider_get(asker->fixture->provider, &found, NULL))
            asker->failed++;
        else if (strncmp(found.secret_key, SECRET_MARK, strlen(SECRET_MARK)) != 0 ||
                 strcmp(found.access_key + 4, found.secret_key + strlen(SECRET_MARK)) != 0)
            asker->failed++;
        else if (strcmp(found.access_key, "ASIA1") == 0)
            asker->got_old++;
        else
            asker->got_new++;
        if (asker->refuses && i % 8 == 7)
            tz_provider_refused(asker->fixture->provider, "ASIA1");
        tz_credentials_clear(&found);
        (void)usleep(200);
    }
    return NULL;
}

static void run_askers(struct fixture *f, struct asker *askers, unsigned rounds, bool refuse)
{
    for (int i = 0; i < THREADS; i++) {
        askers[i] = (struct asker){.fixture = f, .rounds = rounds, .refuses = refuse};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_on, &askers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(askers[i].thread, NULL);
}

static void many_threads_wait_for_one_fetch(void **state)
{
    struct fixture *f = *state;
    struct asker askers[THREADS];
    f->services.delay_ms = 100;
    assert_int_equal(tz_provider_new(&f->provider, f->http, &f->options, NULL), 0);
    run_askers(f, askers, 20, true);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(askers[i].failed, 0);
    assert_int_equal(count_given(f), 1);
}

static void one_thread_fetches_while_others_go_on(void **state)
{
    struct fixture *f = *state;
    struct asker askers[THREADS];
    unsigned got_old = 0;
    assert_key(f, "ASIA1");
    f->services.delay_ms = 200;
    f->services.expires_ns += 3600 * TZ_SECOND_NS;
    move_clock(3600 - 200);
    run_askers(f, askers, 5000, false);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(askers[i].failed, 0);
        assert_true(askers[i].got_new > 0);
        got_old += askers[i].got_old > 0;
    }
    assert_int_equal(count_given(f), 2);
    /* All but the one, and it if it was not the first to ask. */
    assert_true(got_old >= THREADS - 1);
}

static void many_threads_are_refused_at_once(void **state)
{
    struct fixture *f = *state;
    struct asker askers[THREADS];
    assert_key(f, "ASIA1");
    f->services.delay_ms = 20;
    move_clock(60);
    run_askers(f, askers, 200, true);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(askers[i].failed, 0);
        assert_true(askers[i].got_new > 0);
    }
    assert_int_equal(count_given(f), 2);
}

static void all_who_wait_hear_of_the_failure(void **state)
{
    struct fixture *f = *state;
    struct asker askers[THREADS];
    f->services.delay_ms = 100;
    answer_with(f, 500, 0);
    assert_int_equal(tz_provider_new(&f->provider, f->http, &f->options, NULL), 0);
    run_askers(f, askers, 1, false);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(askers[i].failed, 1);
    /* Who came after its end asked again, but not each for himself. */
    assert_true(count_asked(f) <= 4);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, enter, leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_place_that_is_set_up_counts),
        TEST(what_is_named_must_be_there),
        TEST(the_file_at_home_may_hold_other_things),
        TEST(variables_lose_the_blanks_around_them),
        TEST(a_changed_file_is_read_again),
        TEST(metadata_gives_keys),
        TEST(metadata_that_has_none_is_told_from_what_fails),
        TEST(wrong_answers_are_no_keys),
        TEST(a_huge_answer_is_no_keys),
        TEST(nobody_is_there),
        TEST(a_service_that_hangs_is_given_up),
        TEST(a_container_gets_keys_with_its_token),
        TEST(the_address_of_a_container_is_of_this_machine),
        TEST(sts_exchanges_the_token),
        TEST(sts_says_why_not),
        TEST(keys_are_fetched_before_they_end),
        TEST(old_keys_serve_while_the_service_fails),
        TEST(short_lived_keys_are_not_fetched_all_the_time),
        TEST(a_place_that_gave_keys_is_not_left),
        TEST(refused_keys_are_fetched_anew_once),
        TEST(the_region_is_part_of_a_name),
        TEST(many_threads_wait_for_one_fetch),
        TEST(one_thread_fetches_while_others_go_on),
        TEST(many_threads_are_refused_at_once),
        TEST(all_who_wait_hear_of_the_failure),
        TEST(an_interrupt_ends_the_wait), /* the last: the wish stays */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
