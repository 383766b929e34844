/*
 * The text of a configuration file as sections and keys, before anybody knows what they mean.
 *
 * libini_config does the reading.  It folds the case of names, takes only ASCII in them, joins
 * indented lines to the one before, and says no line for bytes it cannot use; so the text is
 * checked and its names are escaped first (ini_text.c).
 */
#ifndef TOZAI_CORE_CONFIG_INI_H
#define TOZAI_CORE_CONFIG_INI_H

#include "tozai/util/buf.h"

#include <stdbool.h>

/* More than any configuration has, and little enough to be read at once. */
#define TZ_INI_MAX_BYTES ((size_t)1 << 20)

struct tz_ini_entry {
    char *key;
    char *value; /* as it stands in the file, without the blanks around it */
    int line;
};

struct tz_ini_section {
    char *word; /* "store" */
    char *name; /* "east"; NULL for a section without a name */
    int line;
    struct tz_ini_entry *entries; /* in the order of the file */
    size_t count;
};

struct tz_ini {
    struct tz_ini_section *sections; /* in the order of the file */
    size_t count;
};

/*
 * Read len bytes of text; file is what errors call it.  Text that is not UTF-8, control
 * characters, lines that are no key and no section, keys before the first section and sections
 * that come twice are TZ_INVALID, with file and line.
 */
int tz_ini_parse(struct tz_ini **ret, const char *file, const void *text, size_t len,
                 struct tz_error *err) TZ_MUST_CHECK;
void tz_ini_free(struct tz_ini *ini);
TZ_DEFINE_SCOPED(struct tz_ini *, tz_scoped_ini, tz_ini_free)

/* A section header: its escaped text and where it stands. */
struct tz_ini_header {
    char *text;
    int line;
};

struct tz_ini_text {
    struct tz_buf out; /* what libini_config gets; line for line the same */
    struct tz_ini_header *headers;
    size_t count;
};

int tz_ini_text_prepare(struct tz_ini_text *ret, const char *file, const void *text, size_t len,
                        struct tz_error *err) TZ_MUST_CHECK;
void tz_ini_text_clear(struct tz_ini_text *text);
static inline TZ_UNUSED void tz_scoped_ini_text(struct tz_ini_text *text)
{
    tz_ini_text_clear(text);
}
/* Undo the escaping of a name, in place. */
void tz_ini_unescape(char *name);

#endif
