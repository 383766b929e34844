/*
 * Putting the value of a key where its rule says.
 */
#ifndef TOZAI_CORE_CONFIG_KEEP_H
#define TOZAI_CORE_CONFIG_KEEP_H

#include "table.h"

/* Where the values of a section go. */
struct tz_config_target {
    void *base; /* the struct that the rules' offsets count from */
    struct tz_config_pair **pairs;
    size_t *pair_count;
    const char *section; /* what its pairs are to name; may be NULL */
};

/*
 * Check text as the rule says, bring it into its shortest form in place, and keep it: in the
 * member that the rule names, or as a pair.
 */
int tz_config_keep(const struct tz_config_target *target, const struct tz_key_rule *rule,
                   char *text, int line, struct tz_error *err) TZ_MUST_CHECK;

#endif
