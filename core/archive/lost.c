/*
 * Parts of the manifest that no store has any more: the archive is written without them.
 */
#include "writer.h"

#include <string.h>

#include "tozai/util/banned.h"

static void free_part(struct lost_part *part)
{
    free(part->from);
    free(part->to);
}

void tz_lost_parts_clear(struct lost_parts *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        free_part(&parts->items[i]);
    free(parts->items);
    *parts = (struct lost_parts){0};
}

int tz_lost_parts_add(struct lost_parts *parts, const char *from, size_t from_len, const char *to,
                      size_t to_len, struct tz_error *err)
{
    struct lost_part part = {.from = strndup(from, from_len), .from_len = from_len};
    struct lost_part *items = NULL;

    if (to) {
        part.to = strndup(to, to_len);
        part.to_len = to_len;
    }
    if (part.from && (part.to || !to))
        items = realloc(parts->items, (parts->count + 1) * sizeof(*items));
    if (!items) {
        free_part(&part);
        return tz_fail_nomem(err);
    }
    items[parts->count++] = part;
    parts->items = items;
    return 0;
}

bool tz_lost_parts_hold(const struct lost_parts *parts, const char *path, size_t len)
{
    for (size_t i = 0; i < parts->count; i++) {
        const struct lost_part *part = &parts->items[i];
        int order = tz_path_compare(path, len, part->from, part->from_len);
        if (order == 0 ||
            (order > 0 && (!part->to || tz_path_compare(path, len, part->to, part->to_len) < 0)))
            return true;
    }
    return false;
}
