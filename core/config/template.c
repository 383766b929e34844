#include "parse.h"

#include "tozai/util/file.h"

#include <string.h>

#include "tozai/util/banned.h"

#define DEFAULT_STATE "/var/lib/tozai"

static const char head_text[] =
    "# Configuration of tozai; tozai.conf(5) explains every key.\n"
    "#\n"
    "# Sizes take K, M, G and T, durations s, m, h, d and w.  ${NAME} is replaced from the\n"
    "# environment, and $$ is a dollar sign.  ' #' begins a comment; a value that holds one goes\n"
    "# into double quotes.\n"
    "\n"
    "[repository]\n"
    "# The catalog, the spool and the last manifests of each source: on a local disk.\n";

static const char tuning_text[] =
    "# pack_size = 16M\n"
    "# frame_size = 4M\n"
    "# compression = 3                  # 1 (fast) to 19 (small)\n"
    "# threads = 4                      # one for each processor, 3 at most, if it is not given\n"
    "\n"
    "# The stores.  Every backup goes to all of them.\n"
    "\n";

static const char s3_text[] =
    "# endpoint = https://s3.example.com\n"
    "# region = ap-northeast-1\n"
    "# credentials_file = /etc/tozai/store.credentials\n"
    "# path_style = yes\n"
    "# object_lock = compliance         # none, governance or compliance\n"
    "# ca_file = /etc/tozai/ca.pem\n"
    "# storage_class = STANDARD_IA\n"
    "# sse = aws:kms                    # none, AES256 or aws:kms: the server encrypts, too\n"
    "# sse_kms_key_id = alias/tozai\n"
    "# connections = 32\n";

static const char limits_text[] = "# timeout = 60s\n"
                                  "# upload_limit = 20M, 08:00-20:00 2M    # a second\n"
                                  "# download_limit = 100M\n"
                                  "\n";

static const char rest_text[] =
    "[policy]\n"
    "# allowed_locations = tokyo, osaka\n"
    "# allowed_regions = ap-northeast-1, ap-northeast-3\n"
    "# min_copies = 2                   # every store if it is not given\n"
    "# allow_same_location = yes\n"
    "\n"
    "[retention]\n"
    "daily = 7\n"
    "weekly = 4\n"
    "monthly = 12\n"
    "window = 7d                        # any moment of it can be restored\n"
    "minimum_generations = 3\n"
    "# last = 3\n"
    "# hourly = 24\n"
    "# yearly = 5\n"
    "# within = 2d\n"
    "# timezone = Asia/Tokyo\n"
    "# audit = 365d\n"
    "\n"
    "# What is backed up: take the '#' off what fits and change it, as often as needed.\n"
    "\n"
    "# [source files]\n"
    "# type = directory\n"
    "# path = /srv/files                # as many as you like\n"
    "# exclude = *.tmp                  # as in .gitignore, as many as you like\n"
    "# exclude_file = /etc/tozai/excludes\n"
    "# exclude_caches = yes\n"
    "# one_file_system = yes\n"
    "\n"
    "# [source app]\n"
    "# type = sqlite\n"
    "# path = /srv/app/app.db\n"
    "\n"
    "# [source disk]\n"
    "# type = image\n"
    "# path = /dev/vg0/vm-snap\n"
    "\n"
    "# [source ldap]\n"
    "# type = command\n"
    "# command = slapcat -n 1\n"
    "\n"
    "# [source wiki-db]\n"
    "# type = postgres\n"
    "# conninfo = host=/run/postgresql user=backup dbname=postgres\n"
    "# slot = tozai\n"
    "\n"
    "# [source shop]\n"
    "# type = mariadb\n"
    "# defaults_file = /etc/tozai/shop.cnf\n"
    "\n"
    "# [hooks]\n"
    "# before = /usr/local/bin/before-backup\n"
    "# after = /usr/local/bin/after-backup\n"
    "# on_failure = /usr/local/bin/page-me\n"
    "\n"
    "# [notify]\n"
    "# mail_to = ops@example.jp\n"
    "# mail_from = tozai@example.jp\n"
    "# smtp_url = smtp://mail.example.jp\n"
    "# webhook = https://chat.example.jp/hook\n"
    "# on = failure, degraded, restore, drill\n"
    "\n"
    "# [drill wiki-db]\n"
    "# every = 7d\n"
    "# sql = SELECT count(*) > 0 FROM page\n";

static int add_text(struct tz_buf *out, const char *text, struct tz_error *err)
{
    return tz_buf_append(out, text, strlen(text), err);
}

/* Would the reader take something off this value if it stood alone? */
static bool needs_quotes(const char *value)
{
    size_t len = strlen(value);

    return strstr(value, " #") || strstr(value, " ;") || strstr(value, "\t#") ||
           strstr(value, "\t;") || value[0] == ' ' || value[0] == '\t' ||
           (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'));
}

/* "key = value", such that it reads as this very value. */
static int add_setting(struct tz_buf *out, const char *key, const char *value, struct tz_error *err)
{
    bool quotes = needs_quotes(value);

    /* A line break would begin another setting; the reader finds every other oddity. */
    if (strpbrk(value, "\r\n") || (quotes && strchr(value, '"')))
        return tz_fail(err, TZ_INVALID, "%s: '%s' cannot be written into a configuration", key,
                       value);
    if (tz_buf_printf(out, err, "%s = %s", key, quotes ? "\"" : ""))
        return -1;
    for (const char *at = value; *at; at++) {
        if (tz_buf_append(out, at, 1, err) || (*at == '$' && tz_buf_append(out, "$", 1, err)))
            return -1;
    }
    return add_text(out, quotes ? "\"\n" : "\n", err);
}

static int add_setting_or(struct tz_buf *out, const char *key, const char *value,
                          const char *otherwise, struct tz_error *err)
{
    return value ? add_setting(out, key, value, err) : add_text(out, otherwise, err);
}

static int add_store(struct tz_buf *out, const struct tz_config_template *template, size_t i,
                     struct tz_error *err)
{
    static const char *const names[] = {"east", "west"};
    const char *url = template->store_urls[i];
    const char *location = template->locations ? template->locations[i] : NULL;
    int failed = i < TZ_COUNT(names) ? tz_buf_printf(out, err, "[store %s]\n", names[i])
                                     : tz_buf_printf(out, err, "[store store-%zu]\n", i + 1);

    if (failed || add_setting(out, "url", url, err) ||
        add_setting_or(out, "location", location, "# location = tokyo\n", err))
        return -1;
    if (strncmp(url, "s3:", 3) == 0 && add_text(out, s3_text, err))
        return -1;
    return add_text(out, limits_text, err);
}

static int make_text(struct tz_buf *out, const struct tz_config_template *template,
                     struct tz_error *err)
{
    if (add_text(out, head_text, err) ||
        add_setting(out, "state", template->state ? template->state : DEFAULT_STATE, err) ||
        add_text(out,
                 "# What unlocks the keys: one of these, or $TOZAI_PASSPHRASE, or the terminal.\n",
                 err) ||
        add_setting_or(out, "passphrase_file", template->passphrase_file,
                       "# passphrase_file = /etc/tozai/passphrase\n", err) ||
        add_text(out, "# passphrase_command = pass show tozai\n", err) ||
        add_setting_or(out, "key_file", template->key_file, "# key_file = /etc/tozai/key\n", err) ||
        add_text(out, tuning_text, err))
        return -1;
    for (size_t i = 0; i < template->store_count; i++) {
        if (add_store(out, template, i, err))
            return -1;
    }
    return add_text(out, rest_text, err);
}

/* What is written must be readable: errors are found before there is a file. */
static int check_text(const char *path, const struct tz_buf *text, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_config) struct tz_config *config = NULL;

    if (tz_config_parse(&config, path, text->data, text->len, err))
        return tz_while(err, "the new configuration would be wrong");
    return 0;
}

static int make_parent(const char *path, struct tz_error *err)
{
    const char *base = tz_path_base(path);
    if (base == path)
        return 0;
    TZ_SCOPED(tz_scoped_free) char *parent = strndup(path, (size_t)(base - path));
    if (!parent)
        return tz_fail_nomem(err);
    return tz_make_dirs(parent, 0755, err);
}

int tz_config_write_template(const char *path, const struct tz_config_template *template,
                             struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};

    if (template->store_count < 2) {
        (void)tz_fail(err, TZ_INVALID, "a configuration needs two stores");
        return tz_hint(err, "name a second one; for a single store write the file by hand, with "
                            "'min_copies = 1' in [policy]");
    }
    if (make_text(&text, template, err) || check_text(path, &text, err) || make_parent(path, err))
        return -1;
    return tz_file_create(path, text.data, text.len, 0600, err)
               ? tz_while(err, "create the configuration")
               : 0;
}
