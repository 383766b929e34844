/*
 * From the text behind an equals sign to a value.
 */
#ifndef TOZAI_CORE_CONFIG_VALUE_H
#define TOZAI_CORE_CONFIG_VALUE_H

#include "tozai/core/config.h"

/*
 * The value that raw stands for, to be freed: without a comment behind it, without the double
 * quotes around it, with ${NAME} replaced and "$$" made "$".
 *
 * A comment begins with " #" or " ;" outside of quotes.  In a command (or SQL) only " #" begins
 * one and quotes stay, as both mean something there.
 */
int tz_value_read(char **ret, const char *raw, bool command, struct tz_error *err) TZ_MUST_CHECK;

int tz_value_bool(bool *ret, const char *text, struct tz_error *err) TZ_MUST_CHECK;
/* Decimal digits. */
int tz_value_number(uint64_t *ret, const char *text, struct tz_error *err) TZ_MUST_CHECK;
/* The index of text among the words, of which NULL is the last. */
int tz_value_word(unsigned *ret, const char *text, const char *const *words,
                  struct tz_error *err) TZ_MUST_CHECK;
/* "a, b" as a list, appended.  words as above, or NULL if any will do. */
int tz_value_list(struct tz_config_list *list, const char *text, const char *const *words,
                  struct tz_error *err) TZ_MUST_CHECK;
int tz_value_append(struct tz_config_list *list, const char *text,
                    struct tz_error *err) TZ_MUST_CHECK;
/* "20M, 08:00-20:00 2M": times first, then what holds otherwise (store.h). */
int tz_value_limits(struct tz_store_limit ret[TZ_STORE_LIMITS], const char *text,
                    struct tz_error *err) TZ_MUST_CHECK;
/* An absolute path without "..", made its shortest form in place. */
int tz_value_path(char *text, struct tz_error *err) TZ_MUST_CHECK;
/* Is path that directory, or something inside it?  Both in their shortest form. */
bool tz_path_inside(const char *path, const char *directory);

/* Forms of text; the message never holds the text where it can hold a secret. */
int tz_check_store_url(char *text, struct tz_error *err) TZ_MUST_CHECK;
int tz_check_http_url(char *text, struct tz_error *err) TZ_MUST_CHECK;
int tz_check_endpoint(char *text, struct tz_error *err) TZ_MUST_CHECK;
int tz_check_smtp_url(char *text, struct tz_error *err) TZ_MUST_CHECK;
int tz_check_mail(char *text, struct tz_error *err) TZ_MUST_CHECK;
int tz_check_slot(char *text, struct tz_error *err) TZ_MUST_CHECK;
int tz_check_cron(char *text, struct tz_error *err) TZ_MUST_CHECK;
int tz_check_timezone(char *text, struct tz_error *err) TZ_MUST_CHECK;
int tz_check_token(char *text, struct tz_error *err) TZ_MUST_CHECK;
int tz_check_limits(char *text, struct tz_error *err) TZ_MUST_CHECK;
/* What AWS calls a key: its id, its ARN or an alias. */
int tz_check_kms_key(char *text, struct tz_error *err) TZ_MUST_CHECK;
/* The name of a store or source. */
int tz_check_name(const char *name, struct tz_error *err) TZ_MUST_CHECK;

/* The directory of a "file://" URL, in place; NULL for another. */
const char *tz_url_path(const char *url);

#endif
