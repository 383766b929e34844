/*
 * The steps of reading a configuration, for each other and for tests.
 */
#ifndef TOZAI_CORE_CONFIG_PARSE_H
#define TOZAI_CORE_CONFIG_PARSE_H

#include "ini.h"

#include "tozai/core/config.h"

/* Read and check text; file is what errors call it. */
int tz_config_parse(struct tz_config **ret, const char *file, const void *text, size_t len,
                    struct tz_error *err) TZ_MUST_CHECK;

/* Read one section into config. */
int tz_config_add_section(struct tz_config *config, const struct tz_ini_section *section,
                          struct tz_error *err) TZ_MUST_CHECK;

/* What no single key tells: what is missing, and what does not go together. */
int tz_config_check(const struct tz_config *config, struct tz_error *err) TZ_MUST_CHECK;

#endif
