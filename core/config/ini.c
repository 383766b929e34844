#include "ini.h"

#include <ini_configobj.h>
#include <stdint.h>
#include <string.h>

#include "tozai/util/banned.h"

/* Both ways of a key that comes twice: keep all of its values. */
#define COLLISIONS (INI_MV1S_ALLOW | INI_MV2S_ALLOW | INI_MS_ERROR)
#define PARSING    (INI_PARSE_NOWRAP | INI_PARSE_NO_C_COMMENTS)

TZ_DEFINE_SCOPED(struct ini_cfgobj *, scoped_config, ini_config_destroy)
TZ_DEFINE_SCOPED(struct ini_cfgfile *, scoped_file, ini_config_file_destroy)
TZ_DEFINE_SCOPED(char **, scoped_errors, ini_config_free_errors)
TZ_DEFINE_SCOPED(char **, scoped_sections, ini_free_section_list)
TZ_DEFINE_SCOPED(char **, scoped_attributes, ini_free_attribute_list)

/* "Error (5) on line 7: Equal sign is missing." becomes "FILE:7: Equal sign is missing". */
static int fail_parse(struct ini_cfgobj *config, const char *file, struct tz_error *err)
{
    static const char before[] = " on line ";
    TZ_SCOPED(scoped_errors) char **errors = NULL;

    if (ini_config_get_errors(config, &errors) || !errors || !errors[0])
        return tz_fail(err, TZ_INVALID, "%s: this is not a configuration file", file);
    const char *at = strstr(errors[0], before);
    if (!at)
        return tz_fail(err, TZ_INVALID, "%s: %s", file, errors[0]);
    char *text;
    unsigned long line = strtoul(at + strlen(before), &text, 10);
    text += strspn(text, ": ");
    return tz_fail(err, TZ_INVALID, "%s:%lu: %.*s", file, line, (int)strcspn(text, ".\n"), text);
}

static int load(struct ini_cfgobj **ret, const char *file, struct tz_buf *text,
                struct tz_error *err)
{
    TZ_SCOPED(scoped_config) struct ini_cfgobj *config = NULL;
    TZ_SCOPED(scoped_file) struct ini_cfgfile *content = NULL;

    if (ini_config_create(&config))
        return tz_fail_nomem(err);
    if (ini_config_file_from_mem(text->data, (uint32_t)text->len, &content))
        return tz_fail(err, TZ_FAILED, "%s: cannot be read as an INI file", file);
    if (ini_config_parse(content, INI_STOP_ON_ANY, COLLISIONS, PARSING, config))
        return fail_parse(config, file, err);
    *ret = TZ_TAKE(config);
    return 0;
}

static void clear_entry(struct tz_ini_entry *entry)
{
    free(entry->key);
    free(entry->value);
}

static int add_entry(struct tz_ini_section *section, const char *key, struct value_obj *value,
                     struct tz_error *err)
{
    struct tz_ini_entry *entries =
        realloc(section->entries, (section->count + 1) * sizeof(section->entries[0]));
    if (!entries)
        return tz_fail_nomem(err);
    section->entries = entries;

    int failed;
    uint32_t line = 0;
    const char *text = ini_get_const_string_config_value(value, &failed);
    (void)value_get_line(value, &line);
    struct tz_ini_entry entry = {
        .key = strdup(key), .value = strdup(text && !failed ? text : ""), .line = (int)line};
    if (!entry.key || !entry.value) {
        clear_entry(&entry);
        return tz_fail_nomem(err);
    }
    tz_ini_unescape(entry.key);
    entries[section->count++] = entry;
    return 0;
}

/* All values of a key.  The list of keys names it as often as it comes: seen tells, by line. */
static int add_values(struct tz_ini_section *section, struct ini_cfgobj *config, const char *header,
                      const char *key, bool *seen, struct tz_error *err)
{
    struct value_obj *value = NULL;
    int failed = ini_get_config_valueobj(header, key, config, INI_GET_FIRST_VALUE, &value);

    while (!failed && value) {
        uint32_t line = 0;
        if (value_get_line(value, &line) || seen[line])
            return 0;
        seen[line] = true;
        if (add_entry(section, key, value, err))
            return -1;
        failed = ini_get_config_valueobj(header, key, config, INI_GET_NEXT_VALUE, &value);
    }
    return 0;
}

static int by_line(const void *a, const void *b)
{
    const struct tz_ini_entry *left = a;
    const struct tz_ini_entry *right = b;

    return (left->line > right->line) - (left->line < right->line);
}

/* "store east", escaped, as a word and a name. */
static int split_header(struct tz_ini_section *section, const char *header, struct tz_error *err)
{
    size_t word_len = strcspn(header, " ");

    section->word = strndup(header, word_len);
    if (!section->word)
        return tz_fail_nomem(err);
    tz_ini_unescape(section->word);
    if (header[word_len] == '\0')
        return 0;
    section->name = strdup(header + word_len + 1);
    if (!section->name)
        return tz_fail_nomem(err);
    tz_ini_unescape(section->name);
    return 0;
}

static int read_section(struct tz_ini_section *section, struct ini_cfgobj *config,
                        const struct tz_ini_header *header, bool *seen, struct tz_error *err)
{
    int count = 0;
    int failed = 0;

    section->line = header->line;
    if (split_header(section, header->text, err))
        return -1;
    TZ_SCOPED(scoped_attributes)
    char **keys = ini_get_attribute_list(config, header->text, &count, &failed);
    if (!keys)
        return failed ? tz_fail_nomem(err) : 0;
    for (int i = 0; i < count; i++) {
        if (add_values(section, config, header->text, keys[i], seen, err))
            return -1;
    }
    if (section->count > 0)
        qsort(section->entries, section->count, sizeof(section->entries[0]), by_line);
    return 0;
}

/* One more than there are lines, as they count from 1. */
static size_t line_slots(const struct tz_buf *text)
{
    size_t count = 2;

    for (size_t i = 0; i < text->len; i++)
        count += text->data[i] == '\n';
    return count;
}

int tz_ini_parse(struct tz_ini **ret, const char *file, const void *text, size_t len,
                 struct tz_error *err)
{
    if (len > TZ_INI_MAX_BYTES)
        return tz_fail(err, TZ_INVALID, "%s: larger than %zu bytes", file, TZ_INI_MAX_BYTES);
    TZ_SCOPED(tz_scoped_ini) struct tz_ini *ini = calloc(1, sizeof(*ini));
    if (!ini)
        return tz_fail_nomem(err);
    TZ_SCOPED(tz_scoped_ini_text) struct tz_ini_text prepared = {0};
    if (tz_ini_text_prepare(&prepared, file, text, len, err))
        return -1;
    if (prepared.out.len == 0) {
        *ret = TZ_TAKE(ini);
        return 0;
    }

    TZ_SCOPED(scoped_config) struct ini_cfgobj *config = NULL;
    if (load(&config, file, &prepared.out, err))
        return -1;
    TZ_SCOPED(tz_scoped_free) bool *seen = calloc(line_slots(&prepared.out), sizeof(*seen));
    ini->sections = calloc(prepared.count + 1, sizeof(ini->sections[0]));
    if (!seen || !ini->sections)
        return tz_fail_nomem(err);
    for (; ini->count < prepared.count; ini->count++) {
        if (read_section(&ini->sections[ini->count], config, &prepared.headers[ini->count], seen,
                         err)) {
            ini->count++; /* half-built: to be freed with the others */
            return -1;
        }
    }
    *ret = TZ_TAKE(ini);
    return 0;
}

void tz_ini_free(struct tz_ini *ini)
{
    if (!ini)
        return;
    for (size_t i = 0; i < ini->count; i++) {
        struct tz_ini_section *section = &ini->sections[i];
        for (size_t j = 0; j < section->count; j++)
            clear_entry(&section->entries[j]);
        free(section->entries);
        free(section->word);
        free(section->name);
    }
    free(ini->sections);
    free(ini);
}
