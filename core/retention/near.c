/* The time zone that somebody meant. */
#include "plan.h"

#include "tozai/util/file.h"

#include <string.h>

#include "tozai/util/banned.h"

/* Lines of country, place and zone, with tabs between them and perhaps a remark behind. */
#define TABLE     "/usr/share/zoneinfo/zone.tab"
#define TABLE_MAX ((size_t)1 << 20)
#define ZONES_MAX 1024

/* Cut the table into names; returns how many. */
static size_t split(char *text, const char **names, size_t max)
{
    size_t count = 0;
    char *rest = NULL;

    for (char *line = strtok_r(text, "\n", &rest); line && count < max;
         line = strtok_r(NULL, "\n", &rest)) {
        char *at = strchr(line, '\t');
        char *name = at && line[0] != '#' ? strchr(at + 1, '\t') : NULL;
        if (!name)
            continue;
        name++;
        name[strcspn(name, "\t")] = '\0';
        names[count++] = name;
    }
    return count;
}

int tz_retention_hint_zone(const char *name, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};
    const char *names[ZONES_MAX] = {"UTC"};

    if (tz_file_read(TABLE, TABLE_MAX, &text, NULL) || tz_buf_append(&text, "", 1, NULL))
        return -1;
    size_t count = 1 + split((char *)text.data, names + 1, TZ_COUNT(names) - 1);
    const char *near = tz_nearest_word(name, names, count);
    return near ? tz_hint(err, "did you mean '%s'?", near) : -1;
}
