/*
 * The parts of reading a secret, for unlock.c, unlock_command.c and unlock_prompt.c.
 */
#ifndef TOZAI_CORE_CRYPTO_UNLOCK_H
#define TOZAI_CORE_CRYPTO_UNLOCK_H

#include "tozai/core/keys.h"

#define TZ_PASSPHRASE_MAX 4096

TZ_DEFINE_SCOPED(char *, tz_scoped_secret_text, tz_secret_free)

/* Keep a secret; refuses an empty or too long one and inner zeros.  where: for errors. */
int tz_unlock_set(struct tz_unlock *ret, enum tz_unlock_kind kind, const char *text, size_t len,
                  const char *where, struct tz_error *err) TZ_MUST_CHECK;
/* The first line of what can be read from fd, without its end; reads to the end of file. */
int tz_unlock_read_line(struct tz_unlock *ret, int fd, const char *where,
                        struct tz_error *err) TZ_MUST_CHECK;
/* The first line that a shell command prints; fails if the command does. */
int tz_unlock_run_command(struct tz_unlock *ret, const char *command,
                          struct tz_error *err) TZ_MUST_CHECK;
/* Can somebody be asked? */
bool tz_unlock_has_terminal(void);
/* Ask without echo; confirm: twice, and both must be the same. */
int tz_unlock_prompt(struct tz_unlock *ret, const char *text, bool confirm,
                     struct tz_error *err) TZ_MUST_CHECK;

#endif
