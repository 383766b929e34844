/*
 * Which sections and keys there are, what their values may be, and where they go.
 */
#ifndef TOZAI_CORE_CONFIG_TABLE_H
#define TOZAI_CORE_CONFIG_TABLE_H

#include "tozai/core/config.h"

enum tz_value_kind {
    TZ_VALUE_TEXT,     /* char * */
    TZ_VALUE_COMMAND,  /* char *; for a shell or a database */
    TZ_VALUE_PATH,     /* char *; absolute */
    TZ_VALUE_BOOL,     /* bool */
    TZ_VALUE_NUMBER,   /* unsigned or a non-negative int */
    TZ_VALUE_SIZE,     /* uint64_t, bytes */
    TZ_VALUE_DURATION, /* unsigned, seconds */
    TZ_VALUE_WORD,     /* unsigned: the index among words */
    TZ_VALUE_LIST,     /* struct tz_config_list, separated by commas */
};

struct tz_key_rule {
    const char *name;
    enum tz_value_kind kind;
    bool repeated;   /* may come more than once; then a TEXT or PATH goes to a list */
    bool plain_only; /* only in the section without a name ([retention], not [retention wiki]) */
    unsigned fits;   /* bits of what it fits (below); 0: everything */
    uint64_t min;    /* of numbers, sizes, durations in seconds */
    uint64_t max;    /* 0: no limits */
    const char *const *words;
    int (*check)(char *text, struct tz_error *err);
    /* In the section's struct; 0 (where no struct keeps a setting): kept as a pair. */
    size_t offset;
};

/* What a key fits: a kind of store or source. */
#define TZ_FITS_S3         1U
#define TZ_FITS_TYPE(type) (1U << (type))

enum tz_section_naming { TZ_NAME_NONE, TZ_NAME_OWN, TZ_NAME_SOURCE, TZ_NAME_SOURCE_OR_NONE };
enum tz_section_target { TZ_TO_CONFIG, TZ_TO_STORE, TZ_TO_SOURCE };

struct tz_section_rule {
    const char *word;
    enum tz_section_naming naming;
    enum tz_section_target target;
    const struct tz_key_rule *keys;
    size_t key_count;
};

/* NULL if there is none. */
const struct tz_section_rule *tz_section_rule_find(const char *word);
const struct tz_key_rule *tz_key_rule_find(const struct tz_section_rule *section, const char *name);
/* The nearest name, for "did you mean"; NULL if none is near. */
const char *tz_section_rule_near(const char *word);
const char *tz_key_rule_near(const struct tz_section_rule *section, const char *name);

/* Every section, for the manual's test. */
const struct tz_section_rule *tz_section_rules(size_t *ret_count);

#endif
