#include "common.h"

#include <string.h>

#include "tozai/util/banned.h"

#define MAX_KEPT 10000

/* Without memory it is only counted. */
void tz_path_warnings_add(struct tz_path_warnings *warnings, const char *path, size_t path_len,
                          const struct tz_error *why)
{
    warnings->total++;
    if (warnings->count >= MAX_KEPT)
        return;
    struct tz_backup_warning warning = {
        .path = malloc(path_len + 1), .path_len = path_len, .error = strdup(why->message)};
    struct tz_backup_warning *items =
        warning.path && warning.error
            ? realloc(warnings->items, (warnings->count + 1) * sizeof(items[0]))
            : NULL;
    if (!items) {
        free(warning.path);
        free(warning.error);
        return;
    }
    memcpy(warning.path, path, path_len);
    warning.path[path_len] = '\0';
    items[warnings->count++] = warning;
    warnings->items = items;
}

void tz_path_warnings_clear(struct tz_path_warnings *warnings)
{
    tz_backup_free_warnings(warnings->items, warnings->count);
    *warnings = (struct tz_path_warnings){0};
}

void tz_path_warnings_show(struct tz_context *context, const struct tz_backup_warning *items,
                           size_t count, uint64_t total)
{
    size_t shown = context->verbose > 0 ? count : TZ_MIN(count, (size_t)TZ_PATH_WARNINGS);

    for (size_t i = 0; i < shown; i++)
        tz_warn(context, "%s: %s", items[i].path_len > 0 ? items[i].path : ".", items[i].error);
    if (total > shown)
        tz_warn(context, "and %llu more%s", (unsigned long long)(total - shown),
                context->verbose > 0 ? "" : "; --verbose shows them");
}

int tz_json_path_warnings(json_t *object, const struct tz_backup_warning *items, size_t count,
                          struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_json) json_t *list = json_array();

    for (size_t i = 0; list && i < count; i++) {
        TZ_SCOPED(tz_scoped_json) json_t *item = json_object();
        if (!item)
            return tz_fail_nomem(err);
        if (tz_json_path(item, "path", items[i].path, items[i].path_len, err) ||
            tz_json_set(item, "error", tz_json_text(items[i].error, strlen(items[i].error)), err) ||
            tz_json_append(list, TZ_TAKE(item), err))
            return -1;
    }
    return tz_json_set(object, "warnings", TZ_TAKE(list), err);
}

const char *tz_plural(uint64_t count, const char *one, const char *many)
{
    return count == 1 ? one : many;
}
