#include "table.h"

#include "value.h"

#include "tozai/storage/mirror.h"

#include <stddef.h>
#include <string.h>

#include "tozai/util/banned.h"

#define CONFIG(member) .offset = offsetof(struct tz_config, member)
#define STORE(member)  .offset = offsetof(struct tz_config_store, member)
#define SOURCE(member) .offset = offsetof(struct tz_config_source, member)

/* The first members are the names, which no key sets: so offset 0 can mean "a pair". */
_Static_assert(offsetof(struct tz_config, file) == 0, "offset 0 is not a setting");
_Static_assert(offsetof(struct tz_config_store, name) == 0, "offset 0 is not a setting");
_Static_assert(offsetof(struct tz_config_source, name) == 0, "offset 0 is not a setting");
/* A word is stored as its index. */
_Static_assert(sizeof(enum tz_source_type) == sizeof(unsigned), "an enum is stored as unsigned");

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define DAY ((uint64_t)24 * 60 * 60)

static const char *const source_types[] = {
    [TZ_SOURCE_DIRECTORY] = "directory", [TZ_SOURCE_SQLITE] = "sqlite",
    [TZ_SOURCE_IMAGE] = "image",         [TZ_SOURCE_COMMAND] = "command",
    [TZ_SOURCE_POSTGRES] = "postgres",   [TZ_SOURCE_MARIADB] = "mariadb",
    [TZ_SOURCE_MARIADB + 1] = NULL,
};
static const char *const encryptions[] = {"none", "AES256", "aws:kms", NULL};
static const char *const lock_modes[] = {"none", "governance", "compliance", NULL};
static const char *const events[] = {"failure", "degraded", "restore", "drill",
                                     "overdue", "damage",   NULL};
static const char *const io_classes[] = {"none", "best-effort", "idle", NULL};

static const struct tz_key_rule repository_keys[] = {
    {.name = "state", .kind = TZ_VALUE_PATH, CONFIG(state)},
    {.name = "passphrase_file", .kind = TZ_VALUE_PATH, CONFIG(passphrase_file)},
    {.name = "passphrase_command", .kind = TZ_VALUE_COMMAND, CONFIG(passphrase_command)},
    {.name = "key_file", .kind = TZ_VALUE_PATH, CONFIG(key_file)},
    {.name = "pack_size", .kind = TZ_VALUE_SIZE, .min = MIB, .max = 64 * MIB, CONFIG(pack_size)},
    {.name = "frame_size",
     .kind = TZ_VALUE_SIZE,
     .min = 256 * KIB,
     .max = 4 * MIB,
     CONFIG(frame_size)},
    {.name = "compression", .kind = TZ_VALUE_NUMBER, .min = 1, .max = 19, CONFIG(compression)},
    {.name = "threads", .kind = TZ_VALUE_NUMBER, .min = 0, .max = 1024, CONFIG(threads)},
};

static const struct tz_key_rule store_keys[] = {
    {.name = "url", .kind = TZ_VALUE_TEXT, .check = tz_check_store_url, STORE(url)},
    {.name = "location", .kind = TZ_VALUE_TEXT, STORE(location)},
    {.name = "timeout", .kind = TZ_VALUE_DURATION, .min = 1, .max = DAY, STORE(timeout_s)},
    {.name = "upload_limit", .kind = TZ_VALUE_TEXT, .check = tz_check_limits},
    {.name = "spool", .kind = TZ_VALUE_SIZE, .max = UINT64_MAX},
    {.name = "download_limit", .kind = TZ_VALUE_TEXT, .check = tz_check_limits},
    {.name = "connections", .kind = TZ_VALUE_NUMBER, .min = 1, .max = 256, .fits = TZ_FITS_S3},
    {.name = "endpoint", .kind = TZ_VALUE_TEXT, .check = tz_check_endpoint, .fits = TZ_FITS_S3},
    {.name = "region", .kind = TZ_VALUE_TEXT, .check = tz_check_token, .fits = TZ_FITS_S3},
    {.name = "credentials_file", .kind = TZ_VALUE_PATH, .fits = TZ_FITS_S3},
    {.name = "path_style", .kind = TZ_VALUE_BOOL, .fits = TZ_FITS_S3},
    {.name = "object_lock", .kind = TZ_VALUE_WORD, .words = lock_modes, .fits = TZ_FITS_S3},
    {.name = "ca_file", .kind = TZ_VALUE_PATH, .fits = TZ_FITS_S3},
    {.name = "storage_class", .kind = TZ_VALUE_TEXT, .check = tz_check_token, .fits = TZ_FITS_S3},
    {.name = "sse", .kind = TZ_VALUE_WORD, .words = encryptions, .fits = TZ_FITS_S3},
    {.name = "sse_kms_key_id",
     .kind = TZ_VALUE_TEXT,
     .check = tz_check_kms_key,
     .fits = TZ_FITS_S3},
};

static const struct tz_key_rule policy_keys[] = {
    {.name = "allowed_locations", .kind = TZ_VALUE_LIST, CONFIG(allowed_locations)},
    {.name = "allowed_regions", .kind = TZ_VALUE_LIST, CONFIG(allowed_regions)},
    {.name = "min_copies",
     .kind = TZ_VALUE_NUMBER,
     .min = 1,
     .max = TZ_MIRROR_MAX_STORES,
     CONFIG(min_copies)},
    {.name = "allow_same_location", .kind = TZ_VALUE_BOOL, CONFIG(allow_same_location)},
};

#define KEEP(key)                                                                                  \
    {                                                                                              \
        .name = (key), .kind = TZ_VALUE_NUMBER, .max = 1000000                                     \
    }
#define SPAN(key)                                                                                  \
    {                                                                                              \
        .name = (key), .kind = TZ_VALUE_DURATION, .max = 36500 * DAY                               \
    }

static const struct tz_key_rule retention_keys[] = {
    KEEP("last"),
    KEEP("hourly"),
    KEEP("daily"),
    KEEP("weekly"),
    KEEP("monthly"),
    KEEP("yearly"),
    SPAN("within"),
    SPAN("window"),
    KEEP("minimum_generations"), /* not 0, which the policy's check explains */
    {.name = "timezone", .kind = TZ_VALUE_TEXT, .check = tz_check_timezone},
    {.name = "audit",
     .kind = TZ_VALUE_DURATION,
     .min = DAY,
     .max = 36500 * DAY,
     .plain_only = true},
};

#define IS(type)  TZ_FITS_TYPE(TZ_SOURCE_##type)
#define HAS_PATHS (IS(DIRECTORY) | IS(SQLITE) | IS(IMAGE))

static const struct tz_key_rule source_keys[] = {
    {.name = "type", .kind = TZ_VALUE_WORD, .words = source_types, SOURCE(type)},
    {.name = "path", .kind = TZ_VALUE_PATH, .repeated = true, .fits = HAS_PATHS, SOURCE(paths)},
    {.name = "exclude",
     .kind = TZ_VALUE_TEXT,
     .repeated = true,
     .fits = IS(DIRECTORY),
     SOURCE(excludes)},
    {.name = "exclude_file",
     .kind = TZ_VALUE_PATH,
     .repeated = true,
     .fits = IS(DIRECTORY),
     SOURCE(exclude_files)},
    {.name = "exclude_caches",
     .kind = TZ_VALUE_BOOL,
     .fits = IS(DIRECTORY),
     SOURCE(exclude_caches)},
    {.name = "exclude_nodump",
     .kind = TZ_VALUE_BOOL,
     .fits = IS(DIRECTORY),
     SOURCE(exclude_nodump)},
    {.name = "one_file_system",
     .kind = TZ_VALUE_BOOL,
     .fits = IS(DIRECTORY),
     SOURCE(one_file_system)},
    {.name = "command", .kind = TZ_VALUE_COMMAND, .fits = IS(COMMAND), SOURCE(command)},
    {.name = "block_size",
     .kind = TZ_VALUE_SIZE,
     .min = 4 * KIB,
     .max = MIB,
     .fits = IS(IMAGE) | IS(SQLITE),
     SOURCE(block_size)},
    {.name = "conninfo", .kind = TZ_VALUE_COMMAND, .fits = IS(POSTGRES)},
    {.name = "slot", .kind = TZ_VALUE_TEXT, .check = tz_check_slot, .fits = IS(POSTGRES)},
    {.name = "defaults_file", .kind = TZ_VALUE_PATH, .fits = IS(MARIADB)},
    {.name = "before", .kind = TZ_VALUE_COMMAND},
    {.name = "after", .kind = TZ_VALUE_COMMAND},
    {.name = "on_failure", .kind = TZ_VALUE_COMMAND},
    {.name = "every", .kind = TZ_VALUE_DURATION, .min = 60, .max = 36500 * DAY},
    {.name = "cron", .kind = TZ_VALUE_TEXT, .check = tz_check_cron},
};

static const struct tz_key_rule run_keys[] = {
    {.name = "every", .kind = TZ_VALUE_DURATION, .min = 60, .max = 36500 * DAY},
    {.name = "cron", .kind = TZ_VALUE_TEXT, .check = tz_check_cron},
    {.name = "verify_within", .kind = TZ_VALUE_DURATION, .max = 36500 * DAY},
    {.name = "time_limit", .kind = TZ_VALUE_DURATION, .min = 1, .max = 365 * DAY},
    {.name = "nice", .kind = TZ_VALUE_NUMBER, .min = 0, .max = 19},
    {.name = "ionice", .kind = TZ_VALUE_WORD, .words = io_classes},
    {.name = "html", .kind = TZ_VALUE_PATH},
    {.name = "prometheus", .kind = TZ_VALUE_PATH},
};

static const struct tz_key_rule hooks_keys[] = {
    {.name = "before", .kind = TZ_VALUE_COMMAND},
    {.name = "after", .kind = TZ_VALUE_COMMAND},
    {.name = "on_failure", .kind = TZ_VALUE_COMMAND},
    {.name = "timeout", .kind = TZ_VALUE_DURATION, .min = 1, .max = 365 * DAY},
};

static const struct tz_key_rule notify_keys[] = {
    {.name = "mail_to", .kind = TZ_VALUE_LIST, .check = tz_check_mail},
    {.name = "mail_from", .kind = TZ_VALUE_TEXT, .check = tz_check_mail},
    {.name = "smtp_url", .kind = TZ_VALUE_TEXT, .check = tz_check_smtp_url},
    {.name = "webhook", .kind = TZ_VALUE_TEXT, .check = tz_check_http_url},
    {.name = "ping_url", .kind = TZ_VALUE_TEXT, .check = tz_check_http_url},
    {.name = "ca_file", .kind = TZ_VALUE_PATH},
    {.name = "timeout", .kind = TZ_VALUE_DURATION, .min = 1, .max = 600},
    {.name = "on", .kind = TZ_VALUE_LIST, .words = events},
};

static const struct tz_key_rule drill_keys[] = {
    {.name = "every", .kind = TZ_VALUE_DURATION, .min = 60, .max = 36500 * DAY},
    {.name = "sql", .kind = TZ_VALUE_COMMAND, .repeated = true},
};

#define SECTION(text, name, to, list)                                                              \
    {                                                                                              \
        .word = (text), .naming = (name), .target = (to), .keys = (list),                          \
        .key_count = TZ_COUNT(list)                                                                \
    }

static const struct tz_section_rule sections[] = {
    SECTION("repository", TZ_NAME_NONE, TZ_TO_CONFIG, repository_keys),
    SECTION("store", TZ_NAME_OWN, TZ_TO_STORE, store_keys),
    SECTION("policy", TZ_NAME_NONE, TZ_TO_CONFIG, policy_keys),
    SECTION("retention", TZ_NAME_SOURCE_OR_NONE, TZ_TO_CONFIG, retention_keys),
    SECTION("source", TZ_NAME_OWN, TZ_TO_SOURCE, source_keys),
    SECTION("run", TZ_NAME_NONE, TZ_TO_CONFIG, run_keys),
    SECTION("hooks", TZ_NAME_NONE, TZ_TO_CONFIG, hooks_keys),
    SECTION("notify", TZ_NAME_NONE, TZ_TO_CONFIG, notify_keys),
    SECTION("drill", TZ_NAME_SOURCE, TZ_TO_CONFIG, drill_keys),
};

const struct tz_section_rule *tz_section_rules(size_t *ret_count)
{
    *ret_count = TZ_COUNT(sections);
    return sections;
}

const struct tz_section_rule *tz_section_rule_find(const char *word)
{
    for (size_t i = 0; i < TZ_COUNT(sections); i++) {
        if (strcmp(sections[i].word, word) == 0)
            return &sections[i];
    }
    return NULL;
}

const struct tz_key_rule *tz_key_rule_find(const struct tz_section_rule *section, const char *name)
{
    for (size_t i = 0; i < section->key_count; i++) {
        if (strcmp(section->keys[i].name, name) == 0)
            return &section->keys[i];
    }
    return NULL;
}

const char *tz_section_rule_near(const char *word)
{
    const char *words[TZ_COUNT(sections)];

    for (size_t i = 0; i < TZ_COUNT(sections); i++)
        words[i] = sections[i].word;
    return tz_nearest_word(word, words, TZ_COUNT(sections));
}

const char *tz_key_rule_near(const struct tz_section_rule *section, const char *name)
{
    const char *words[32];
    size_t count = 0;

    for (size_t i = 0; i < section->key_count && count < TZ_COUNT(words); i++)
        words[count++] = section->keys[i].name;
    return tz_nearest_word(name, words, count);
}

const char *tz_source_type_name(enum tz_source_type type)
{
    return (size_t)type < TZ_COUNT(source_types) - 1 ? source_types[type] : "unknown";
}
