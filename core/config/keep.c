#include "keep.h"

#include "value.h"

#include "tozai/util/time.h"

#include <stdint.h>
#include <string.h>

#include "tozai/util/banned.h"

static int add_pair(const struct tz_config_target *target, const char *key, const char *value,
                    int line, struct tz_error *err)
{
    struct tz_config_pair *pairs =
        realloc(*target->pairs, (*target->pair_count + 1) * sizeof(pairs[0]));
    if (!pairs)
        return tz_fail_nomem(err);
    *target->pairs = pairs;

    struct tz_config_pair pair = {.section = target->section ? strdup(target->section) : NULL,
                                  .key = strdup(key),
                                  .value = strdup(value),
                                  .line = line};
    if ((target->section && !pair.section) || !pair.key || !pair.value) {
        free(pair.section);
        free(pair.key);
        free(pair.value);
        return tz_fail_nomem(err);
    }
    pairs[(*target->pair_count)++] = pair;
    return 0;
}

static int check_range(const struct tz_key_rule *rule, uint64_t value, const char *text,
                       struct tz_error *err)
{
    if (rule->max != 0 && (value < rule->min || value > rule->max)) {
        (void)tz_fail(err, TZ_INVALID, "'%s' is out of range", text);
        if (rule->kind == TZ_VALUE_NUMBER)
            return tz_hint(err, "it goes from %ju to %ju", (uintmax_t)rule->min,
                           (uintmax_t)rule->max);
        if (rule->kind == TZ_VALUE_SIZE) {
            char min[TZ_SIZE_TEXT];
            char max[TZ_SIZE_TEXT];
            tz_size_format(min, rule->min);
            tz_size_format(max, rule->max);
            return tz_hint(err, "it goes from %s to %s", min, max);
        }
        return tz_hint(err, "it goes from %ju to %ju seconds", (uintmax_t)rule->min,
                       (uintmax_t)rule->max);
    }
    return 0;
}

static int read_seconds(uint64_t *ret, const char *text, struct tz_error *err)
{
    int64_t duration_ns;

    if (tz_duration_parse(text, &duration_ns, err))
        return -1;
    *ret = (uint64_t)(duration_ns / TZ_SECOND_NS);
    return 0;
}

/* The number that text stands for, in whichever of the three ways. */
static int read_number(const struct tz_key_rule *rule, const char *text, uint64_t *ret,
                       struct tz_error *err)
{
    uint64_t value;
    int failed = rule->kind == TZ_VALUE_NUMBER ? tz_value_number(&value, text, err)
                 : rule->kind == TZ_VALUE_SIZE ? tz_size_parse(text, &value, err)
                                               : read_seconds(&value, text, err);

    if (failed || check_range(rule, value, text, err))
        return -1;
    *ret = value;
    return 0;
}

static int keep_number(const struct tz_key_rule *rule, char *text, void *place,
                       struct tz_error *err)
{
    uint64_t value;

    if (read_number(rule, text, &value, err))
        return -1;
    if (place && rule->kind == TZ_VALUE_SIZE)
        *(uint64_t *)place = value;
    else if (place)
        *(unsigned *)place = (unsigned)value; /* the rule's range says that it fits */
    return 0;
}

static int keep_word(const struct tz_key_rule *rule, const char *text, void *place,
                     struct tz_error *err)
{
    unsigned index;

    if (tz_value_word(&index, text, rule->words, err))
        return -1;
    if (place)
        *(unsigned *)place = index;
    return 0;
}

static int keep_list(const struct tz_key_rule *rule, const char *text, struct tz_config_list *place,
                     struct tz_error *err)
{
    struct tz_config_list items = {0};
    int failed = tz_value_list(&items, text, rule->words, err);

    for (size_t i = 0; !failed && rule->check && i < items.count; i++)
        failed = rule->check(items.items[i], err);
    if (!failed && place) {
        *place = items; /* empty until now: the key is not a repeated one */
        return 0;
    }
    for (size_t i = 0; i < items.count; i++)
        free(items.items[i]);
    free(items.items);
    return failed;
}

static int keep_text(const struct tz_key_rule *rule, char *text, void *place, struct tz_error *err)
{
    if (rule->kind == TZ_VALUE_PATH && tz_value_path(text, err))
        return -1;
    if (rule->check && rule->check(text, err))
        return -1;
    if (!place)
        return 0;
    if (rule->repeated)
        return tz_value_append(place, text, err);
    char *copy = strdup(text);
    if (!copy)
        return tz_fail_nomem(err);
    *(char **)place = copy;
    return 0;
}

/* Check the text, bring it into its shortest form, and set what place points to, if anything. */
static int keep_value(const struct tz_key_rule *rule, char *text, void *place, struct tz_error *err)
{
    bool yes;

    switch (rule->kind) {
    case TZ_VALUE_NUMBER:
    case TZ_VALUE_SIZE:
    case TZ_VALUE_DURATION:
        return keep_number(rule, text, place, err);
    case TZ_VALUE_WORD:
        return keep_word(rule, text, place, err);
    case TZ_VALUE_LIST:
        return keep_list(rule, text, place, err);
    case TZ_VALUE_BOOL:
        if (tz_value_bool(&yes, text, err))
            return -1;
        if (place)
            *(bool *)place = yes;
        return 0;
    case TZ_VALUE_TEXT:
    case TZ_VALUE_COMMAND:
    case TZ_VALUE_PATH:
        return keep_text(rule, text, place, err);
    }
    return 0;
}

int tz_config_keep(const struct tz_config_target *target, const struct tz_key_rule *rule,
                   char *text, int line, struct tz_error *err)
{
    void *place = rule->offset == 0 ? NULL : (char *)target->base + rule->offset;

    if (keep_value(rule, text, place, err))
        return -1;
    if (place)
        return 0;
    bool yes = false;
    if (rule->kind == TZ_VALUE_BOOL && tz_value_bool(&yes, text, err))
        return -1;
    const char *value = rule->kind != TZ_VALUE_BOOL ? text : yes ? "yes" : "no";
    return add_pair(target, rule->name, value, line, err);
}
