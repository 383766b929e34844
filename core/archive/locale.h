/*
 * The character set that libarchive believes names to be in: that of the calling thread's locale.
 */
#ifndef TOZAI_CORE_ARCHIVE_LOCALE_H
#define TOZAI_CORE_ARCHIVE_LOCALE_H

#include <stdbool.h>

struct tz_archive_charset {
    void *mine, *before; /* locale_t */
};

/*
 * From here to tz_archive_charset_leave() names are UTF-8, whatever the user's locale; or, with
 * bytes, nothing in particular, so that no name is changed.
 */
void tz_archive_charset_enter(struct tz_archive_charset *charset, bool bytes);
void tz_archive_charset_leave(struct tz_archive_charset *charset);

#endif
