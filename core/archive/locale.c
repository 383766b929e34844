#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "locale.h"

#include <locale.h>

#include "tozai/util/banned.h"

void tz_archive_charset_enter(struct tz_archive_charset *charset, bool bytes)
{
    static const char *const names[] = {"C.UTF-8", "C.utf8", "en_US.UTF-8"};
    locale_t mine = bytes ? newlocale(LC_CTYPE_MASK, "C", (locale_t)0) : (locale_t)0;

    for (size_t i = 0; !bytes && !mine && i < sizeof(names) / sizeof(names[0]); i++)
        mine = newlocale(LC_CTYPE_MASK, names[i], (locale_t)0);
    *charset = (struct tz_archive_charset){0};
    if (!mine) /* then it stays as it is */
        return;
    charset->before = uselocale(mine);
    charset->mine = mine;
}

void tz_archive_charset_leave(struct tz_archive_charset *charset)
{
    if (!charset->mine)
        return;
    (void)uselocale(charset->before);
    freelocale(charset->mine);
    *charset = (struct tz_archive_charset){0};
}
