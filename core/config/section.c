#include "keep.h"
#include "parse.h"
#include "table.h"
#include "value.h"

#include <string.h>

#include "tozai/util/banned.h"

/* "store east" or "policy", cut if it is very long. */
static void describe(char *text, size_t size, const struct tz_ini_section *section)
{
    (void)snprintf(text, size, "%.32s%s%.64s", section->word, section->name ? " " : "",
                   section->name ? section->name : "");
}
#define DESCRIPTION 128

static int fail_unknown_key(const struct tz_section_rule *rule, const char *key,
                            const char *section, struct tz_error *err)
{
    const char *near = tz_key_rule_near(rule, key);

    if (near)
        return tz_fail(err, TZ_INVALID, "unknown key '%s' in [%s]; did you mean '%s'?", key,
                       section, near);
    (void)tz_fail(err, TZ_INVALID, "unknown key '%s' in [%s]", key, section);
    return tz_hint(err, "tozai.conf(5) lists the keys of every section");
}

/* May this key stand here, for the i-th time? */
static int check_place(const struct tz_ini_section *section, const struct tz_key_rule *rule,
                       size_t i, const char *description, struct tz_error *err)
{
    const char *key = section->entries[i].key;

    if (rule->plain_only && section->name)
        return tz_fail(err, TZ_INVALID, "the key '%s' belongs into [%s], not into [%s]", key,
                       section->word, description);
    for (size_t j = 0; j < i && !rule->repeated; j++) {
        if (strcmp(section->entries[j].key, key) == 0)
            return tz_fail(err, TZ_INVALID, "the key '%s' comes twice in [%s], first in line %d",
                           key, description, section->entries[j].line);
    }
    return 0;
}

static int read_entry(const struct tz_config_target *target,
                      const struct tz_section_rule *section_rule,
                      const struct tz_ini_section *section, size_t i, struct tz_error *err)
{
    const struct tz_ini_entry *entry = &section->entries[i];
    char description[DESCRIPTION];

    describe(description, sizeof(description), section);
    const struct tz_key_rule *rule = tz_key_rule_find(section_rule, entry->key);
    if (!rule)
        return fail_unknown_key(section_rule, entry->key, description, err);
    if (check_place(section, rule, i, description, err))
        return -1;
    TZ_SCOPED(tz_scoped_free) char *text = NULL;
    if (tz_value_read(&text, entry->value, rule->kind == TZ_VALUE_COMMAND, err) ||
        tz_config_keep(target, rule, text, entry->line, err))
        return tz_while(err, "%s", rule->name);
    return 0;
}

/* Which of the bits a key may be made for does this section have? */
static unsigned fits_of(const struct tz_section_rule *rule, const struct tz_config_target *target)
{
    if (rule->target == TZ_TO_STORE) {
        const struct tz_config_store *store = target->base;
        return store->url && strncmp(store->url, "s3:", 3) == 0 ? TZ_FITS_S3 : 0;
    }
    if (rule->target == TZ_TO_SOURCE) {
        const struct tz_config_source *source = target->base;
        return TZ_FITS_TYPE(source->type);
    }
    return 0;
}

/* When the section's type is known: do its keys go with it? */
static int check_fits(const struct tz_config *config, const struct tz_section_rule *rule,
                      const struct tz_config_target *target, const struct tz_ini_section *section,
                      struct tz_error *err)
{
    unsigned fits = fits_of(rule, target);

    for (size_t i = 0; i < section->count; i++) {
        const struct tz_ini_entry *entry = &section->entries[i];
        const struct tz_key_rule *key = tz_key_rule_find(rule, entry->key);
        if (!key || key->fits == 0 || key->fits & fits)
            continue;
        const struct tz_config_source *source = target->base;
        if (rule->target == TZ_TO_STORE)
            return tz_fail(err, TZ_INVALID, "%s:%d: the key '%s' is for s3:// stores only",
                           config->file, entry->line, entry->key);
        return tz_fail(err, TZ_INVALID, "%s:%d: the key '%s' does not go with 'type = %s'",
                       config->file, entry->line, entry->key, tz_source_type_name(source->type));
    }
    return 0;
}

static int read_entries(const struct tz_config *config, const struct tz_section_rule *rule,
                        const struct tz_config_target *target, const struct tz_ini_section *section,
                        struct tz_error *err)
{
    for (size_t i = 0; i < section->count; i++) {
        if (read_entry(target, rule, section, i, err))
            return tz_while(err, "%s:%d", config->file, section->entries[i].line);
    }
    return 0;
}

static int add_store(struct tz_config *config, const struct tz_section_rule *rule,
                     const struct tz_ini_section *section, struct tz_error *err)
{
    struct tz_config_store *stores =
        realloc(config->stores, (config->store_count + 1) * sizeof(stores[0]));
    if (!stores)
        return tz_fail_nomem(err);
    config->stores = stores;
    struct tz_config_store *store = &stores[config->store_count++];
    *store = (struct tz_config_store){.name = strdup(section->name), .line = section->line};
    if (!store->name)
        return tz_fail_nomem(err);

    struct tz_config_target target = {
        .base = store, .pairs = &store->more, .pair_count = &store->more_count};
    if (read_entries(config, rule, &target, section, err))
        return -1;
    if (!store->url)
        return tz_fail(err, TZ_INVALID, "%s:%d: [store %s] has no url", config->file, section->line,
                       store->name);
    return check_fits(config, rule, &target, section, err);
}

static bool has_key(const struct tz_ini_section *section, const char *key)
{
    for (size_t i = 0; i < section->count; i++) {
        if (strcmp(section->entries[i].key, key) == 0)
            return true;
    }
    return false;
}

static int add_source(struct tz_config *config, const struct tz_section_rule *rule,
                      const struct tz_ini_section *section, struct tz_error *err)
{
    struct tz_config_source *sources =
        realloc(config->sources, (config->source_count + 1) * sizeof(sources[0]));
    if (!sources)
        return tz_fail_nomem(err);
    config->sources = sources;
    struct tz_config_source *source = &sources[config->source_count++];
    *source = (struct tz_config_source){
        .name = strdup(section->name), .exclude_nodump = true, .line = section->line};
    if (!source->name)
        return tz_fail_nomem(err);

    struct tz_config_target target = {
        .base = source, .pairs = &source->more, .pair_count = &source->more_count};
    if (read_entries(config, rule, &target, section, err))
        return -1;
    if (!has_key(section, "type")) {
        (void)tz_fail(err, TZ_INVALID, "%s:%d: [source %s] has no type", config->file,
                      section->line, source->name);
        return tz_hint(err, "add a line such as 'type = directory'");
    }
    return check_fits(config, rule, &target, section, err);
}

static int add_other(struct tz_config *config, const struct tz_section_rule *rule,
                     const struct tz_ini_section *section, struct tz_error *err)
{
    char description[DESCRIPTION];
    describe(description, sizeof(description), section);
    struct tz_config_target target = {.base = config,
                                      .pairs = &config->later,
                                      .pair_count = &config->later_count,
                                      .section = description};

    return read_entries(config, rule, &target, section, err);
}

static int check_naming(const struct tz_section_rule *rule, const struct tz_ini_section *section,
                        struct tz_error *err)
{
    if (!section->name) {
        if (rule->naming == TZ_NAME_OWN || rule->naming == TZ_NAME_SOURCE)
            return tz_fail(err, TZ_INVALID, "[%s] needs a name, such as [%s east]", rule->word,
                           rule->word);
        return 0;
    }
    if (rule->naming == TZ_NAME_NONE)
        return tz_fail(err, TZ_INVALID, "[%s] takes no name", rule->word);
    return tz_check_name(section->name, err);
}

static const struct tz_section_rule *find_rule(const struct tz_ini_section *section,
                                               struct tz_error *err)
{
    const struct tz_section_rule *rule = tz_section_rule_find(section->word);
    if (rule)
        return rule;

    const char *near = tz_section_rule_near(section->word);
    if (near) {
        (void)tz_fail(err, TZ_INVALID, "unknown section [%s]; did you mean [%s]?", section->word,
                      near);
    } else {
        (void)tz_fail(err, TZ_INVALID, "unknown section [%s]", section->word);
        (void)tz_hint(err, "tozai.conf(5) lists the sections");
    }
    return NULL;
}

int tz_config_add_section(struct tz_config *config, const struct tz_ini_section *section,
                          struct tz_error *err)
{
    const struct tz_section_rule *rule = find_rule(section, err);
    if (!rule || check_naming(rule, section, err))
        return tz_while(err, "%s:%d", config->file, section->line);

    switch (rule->target) {
    case TZ_TO_STORE:
        return add_store(config, rule, section, err);
    case TZ_TO_SOURCE:
        return add_source(config, rule, section, err);
    case TZ_TO_CONFIG:
        break;
    }
    return add_other(config, rule, section, err);
}
