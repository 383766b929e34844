/* tozai init: makes a repository. */
#include "common.h"

#include "tozai/util/hex.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "tozai/util/banned.h"

static const struct tz_option options[] = {
    {.name = "store",
     .metavar = "URL",
     .repeated = true,
     .help = "with no configuration file yet: write one, with this store"},
    {.name = "location",
     .metavar = "NAME",
     .repeated = true,
     .help = "where the store is; one for each --store, in their order"},
    {.name = "passphrase-file",
     .metavar = "FILE",
     .complete = TZ_COMPLETE_FILE,
     .help = "protect the keys with the first line of this file"},
    {.name = "key-file",
     .metavar = "FILE",
     .complete = TZ_COMPLETE_FILE,
     .help = "protect the keys with this file instead; made if it is missing"},
    {.name = "state",
     .metavar = "DIR",
     .complete = TZ_COMPLETE_DIRECTORY,
     .help = "keep the catalog here in the new configuration, not in /var/lib/tozai"},
};

static size_t count_values(const struct tz_context *context, const char *name)
{
    size_t count = 0;

    while (tz_option_nth(context, name, count))
        count++;
    return count;
}

static int check_usage(const struct tz_context *context, bool exists, struct tz_error *err)
{
    size_t stores = count_values(context, "store"), locations = count_values(context, "location");

    if (tz_option_value(context, "passphrase-file") && tz_option_value(context, "key-file"))
        return tz_fail(err, TZ_INVALID, "--passphrase-file and --key-file exclude each other");
    if (locations > 0 && locations != stores)
        return tz_fail(err, TZ_INVALID,
                       "%zu stores, but %zu locations: one --location for each "
                       "--store",
                       stores, locations);
    if (exists && (stores > 0 || tz_option_value(context, "state"))) {
        (void)tz_fail(err, TZ_INVALID, "configuration '%s' exists already", context->config_path);
        return tz_hint(err, "run init without --store, --location and --state to use it, or name "
                            "another file with -c");
    }
    if (!exists && stores == 0) {
        (void)tz_fail(err, TZ_INVALID, "there is no configuration '%s'", context->config_path);
        return tz_hint(err, "'tozai init --store URL --store URL' writes one");
    }
    return 0;
}

/* Paths of the command line are relative to here; those of the file must not be. */
static int absolute_option(const struct tz_context *context, const char *name, char **ret,
                           struct tz_error *err)
{
    const char *value = tz_option_value(context, name);

    return value ? tz_absolute_path(value, ret, err) : 0;
}

static int write_config(const struct tz_context *context, struct tz_error *err)
{
    size_t count = count_values(context, "store");
    TZ_SCOPED(tz_scoped_free) const char **urls = calloc(count + 1, sizeof(urls[0]));
    TZ_SCOPED(tz_scoped_free) const char **locations = calloc(count + 1, sizeof(locations[0]));
    TZ_SCOPED(tz_scoped_free) char *state = NULL;
    TZ_SCOPED(tz_scoped_free) char *passphrase_file = NULL;
    TZ_SCOPED(tz_scoped_free) char *key_file = NULL;

    if (!urls || !locations)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < count; i++) {
        urls[i] = tz_option_nth(context, "store", i);
        locations[i] = tz_option_nth(context, "location", i);
    }
    if (absolute_option(context, "state", &state, err) ||
        absolute_option(context, "passphrase-file", &passphrase_file, err) ||
        absolute_option(context, "key-file", &key_file, err))
        return -1;
    const struct tz_config_template template = {
        .store_urls = urls,
        .locations = locations,
        .store_count = count,
        .state = state,
        .passphrase_file = passphrase_file,
        .key_file = key_file,
    };
    return tz_config_write_template(context->config_path, &template, err);
}

/* Will the commands after this one find what protects the keys? */
static void advise(struct tz_context *context, const struct tz_config *config, const char *key,
                   const char *value, const char *configured)
{
    if (!configured || strcmp(configured, value) != 0)
        tz_warn(context,
                "put '%s = %s' into [repository] of '%s', or the repository cannot be "
                "opened",
                key, value, config->file);
}

/* An option given on the command line takes the place of what the file says. */
static int replace_secret(struct tz_context *context, struct tz_config *config,
                          struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *passphrase_file = NULL;
    TZ_SCOPED(tz_scoped_free) char *key_file = NULL;

    if (absolute_option(context, "passphrase-file", &passphrase_file, err) ||
        absolute_option(context, "key-file", &key_file, err))
        return -1;
    if (!passphrase_file && !key_file)
        return 0;
    if (passphrase_file)
        advise(context, config, "passphrase_file", passphrase_file, config->passphrase_file);
    else
        advise(context, config, "key_file", key_file, config->key_file);
    free(config->passphrase_file);
    free(config->passphrase_command);
    free(config->key_file);
    config->passphrase_file = TZ_TAKE(passphrase_file);
    config->passphrase_command = NULL;
    config->key_file = TZ_TAKE(key_file);
    return 0;
}

static int print_text(const struct tz_context *context, const struct tz_config *config,
                      const char *id, bool written, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};

    if (tz_buf_printf(&text, err, "made repository %s\n", id))
        return -1;
    for (size_t i = 0; i < config->store_count; i++) {
        const struct tz_config_store *store = &config->stores[i];
        if (tz_buf_printf(&text, err, "  store %s: %s%s%s\n", store->name, store->url,
                          store->location ? " in " : "", store->location ? store->location : ""))
            return -1;
    }
    if (tz_buf_printf(&text, err, "configuration: %s%s\n", context->config_path,
                      written ? " (new; name your sources in it)" : ""))
        return -1;
    (void)fwrite(text.data, 1, text.len, stdout);
    (void)fputs(
        "\n"
        "Without a key nothing can ever be restored.  Print a paper copy and lock it away:\n"
        "  tozai key paper\n",
        stdout);
    return 0;
}

static int print_json(const struct tz_context *context, const struct tz_config *config,
                      const char *id, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_json) json_t *document = json_object();
    json_t *stores = json_array();

    if (!document)
        return tz_fail_nomem(err);
    if (tz_json_set(document, "repository", json_string(id), err) ||
        tz_json_set(document, "stores", stores, err))
        return -1;
    for (size_t i = 0; i < config->store_count; i++) {
        const struct tz_config_store *store = &config->stores[i];
        if (tz_json_append(stores,
                           json_pack("{s:s, s:s, s:s?}", "name", store->name, "url", store->url,
                                     "location", store->location),
                           err))
            return -1;
    }
    if (tz_json_path(document, "config", context->config_path, strlen(context->config_path), err))
        return -1;
    return tz_json_print(document, err);
}

static int print(struct tz_context *context, const struct tz_config *config, const uint8_t *id,
                 bool written, struct tz_error *err)
{
    char hex[2 * TZ_REPO_ID_SIZE + 1];

    tz_hex(hex, id, TZ_REPO_ID_SIZE);
    return context->json ? print_json(context, config, hex, err)
                         : print_text(context, config, hex, written, err);
}

static int make(struct tz_context *context, struct tz_config **ret_config,
                uint8_t ret_id[TZ_REPO_ID_SIZE], struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_config) struct tz_config *config = NULL;

    if (tz_context_config(context, &config, err) || replace_secret(context, config, err))
        return -1;
    const struct tz_repo_init_options wanted = {
        .config = config,
        .warn = tz_warn_text,
        .warn_arg = context,
    };
    if (tz_repo_init(&wanted, ret_id, err))
        return -1;
    *ret_config = TZ_TAKE(config);
    return 0;
}

static int run(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_config) struct tz_config *config = NULL;
    uint8_t id[TZ_REPO_ID_SIZE];
    struct stat stat;
    bool exists = lstat(context->config_path, &stat) == 0 || errno != ENOENT;

    if (check_usage(context, exists, err) || (!exists && write_config(context, err)))
        return -1;
    if (make(context, &config, id, err)) {
        /* It was written by this very run, and nothing belongs to it. */
        if (!exists)
            (void)unlink(context->config_path);
        return -1;
    }
    return print(context, config, id, !exists, err) ? -1 : TZ_EXIT_OK;
}

const struct tz_command tz_command_init = {
    .name = "init",
    .summary = "make the repository in every configured store, and its keys",
    .arguments = "",
    TZ_OPTIONS(options),
    .run = run,
};
