#include "tozai/core/config.h"

#include "parse.h"
#include "table.h"

#include "tozai/util/file.h"

#include <string.h>

#include "tozai/util/banned.h"

/* [retention X] and [drill X] speak of a source. */
static int check_subject(const struct tz_config *config, const struct tz_ini_section *section,
                         struct tz_error *err)
{
    const struct tz_section_rule *rule = tz_section_rule_find(section->word);

    if (!section->name || rule->naming == TZ_NAME_OWN ||
        tz_config_find_source(config, section->name))
        return 0;
    (void)tz_fail(err, TZ_INVALID, "%s:%d: [%s %s]: there is no [source %s]", config->file,
                  section->line, section->word, section->name, section->name);
    TZ_SCOPED(tz_scoped_free)
    const char **names = calloc(config->source_count + 1, sizeof(names[0]));
    if (!names)
        return -1;
    for (size_t i = 0; i < config->source_count; i++)
        names[i] = config->sources[i].name;
    const char *near = tz_nearest_word(section->name, names, config->source_count);
    return near ? tz_hint(err, "did you mean [%s %s]?", section->word, near) : -1;
}

int tz_config_parse(struct tz_config **ret, const char *file, const void *text, size_t len,
                    struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_ini) struct tz_ini *ini = NULL;
    if (tz_ini_parse(&ini, file, text, len, err))
        return -1;
    TZ_SCOPED(tz_scoped_config) struct tz_config *config = calloc(1, sizeof(*config));
    if (!config || !(config->file = strdup(file)))
        return tz_fail_nomem(err);

    for (size_t i = 0; i < ini->count; i++) {
        if (tz_config_add_section(config, &ini->sections[i], err))
            return -1;
    }
    for (size_t i = 0; i < ini->count; i++) {
        if (check_subject(config, &ini->sections[i], err))
            return -1;
    }
    if (tz_config_check(config, err))
        return -1;
    *ret = TZ_TAKE(config);
    return 0;
}

int tz_config_read(struct tz_config **ret, const char *path, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};

    if (tz_file_read(path, TZ_INI_MAX_BYTES, &text, err)) {
        (void)tz_while(err, "configuration");
        if (err && err->kind == TZ_NOT_FOUND)
            return tz_hint(err, "'tozai init' with --store makes one; -c names another file");
        return -1;
    }
    return tz_config_parse(ret, path, text.data, text.len, err);
}

static void clear_list(struct tz_config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
}

static void clear_pairs(struct tz_config_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(pairs[i].section);
        free(pairs[i].key);
        free(pairs[i].value);
    }
    free(pairs);
}

static void clear_store(struct tz_config_store *store)
{
    free(store->name);
    free(store->url);
    free(store->location);
    clear_pairs(store->more, store->more_count);
}

static void clear_source(struct tz_config_source *source)
{
    free(source->name);
    free(source->command);
    clear_list(&source->paths);
    clear_list(&source->excludes);
    clear_list(&source->exclude_files);
    clear_pairs(source->more, source->more_count);
}

void tz_config_free(struct tz_config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->store_count; i++)
        clear_store(&config->stores[i]);
    for (size_t i = 0; i < config->source_count; i++)
        clear_source(&config->sources[i]);
    free(config->stores);
    free(config->sources);
    free(config->file);
    free(config->state);
    free(config->passphrase_file);
    free(config->passphrase_command);
    free(config->key_file);
    clear_list(&config->allowed_locations);
    clear_list(&config->allowed_regions);
    clear_pairs(config->later, config->later_count);
    free(config);
}

const struct tz_config_source *tz_config_find_source(const struct tz_config *config,
                                                     const char *name)
{
    for (size_t i = 0; i < config->source_count; i++) {
        if (strcmp(config->sources[i].name, name) == 0)
            return &config->sources[i];
    }
    return NULL;
}

static bool same_section(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

const char *tz_config_pair_value(const struct tz_config_pair *pairs, size_t count,
                                 const char *section, const char *key, size_t index)
{
    for (size_t i = 0; i < count; i++) {
        if (same_section(pairs[i].section, section) && strcmp(pairs[i].key, key) == 0 &&
            index-- == 0)
            return pairs[i].value;
    }
    return NULL;
}
