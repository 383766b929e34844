/* tozai cat: one file to standard output. */
#include "common.h"

#include "tozai/core/restore.h"

#include <inttypes.h>
#include <string.h>

#include "tozai/util/banned.h"

/* Another name of a file has no content of its own. */
static int follow_hardlink(const struct tz_session *session, const struct tz_head *head,
                           struct tz_entry *entry, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_entry) struct tz_entry first = {0};

    if (entry->type != TZ_ENTRY_HARDLINK)
        return 0;
    if (tz_session_entry(session, head, entry->link, &first, err))
        return tz_while(err, "'%s'", entry->path);
    tz_entry_clear(entry);
    *entry = first;
    first = (struct tz_entry){0};
    return 0;
}

static int must_be_file(const struct tz_entry *entry, struct tz_error *err)
{
    const char *path = entry->path_len > 0 ? entry->path : ".";

    if (entry->type == TZ_ENTRY_FILE)
        return 0;
    if (entry->type == TZ_ENTRY_SYMLINK) {
        (void)tz_fail(err, TZ_INVALID, "'%s' is a symbolic link", path);
        return tz_hint(err, "it leads to '%s'", entry->link);
    }
    (void)tz_fail(err, TZ_INVALID, "'%s' is a %s, not a file", path,
                  tz_entry_type_name(entry->type));
    return entry->type == TZ_ENTRY_DIRECTORY ? tz_hint(err, "'tozai ls' shows what is in it") : -1;
}

static int run(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_session) struct tz_session session = {0};
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    TZ_SCOPED(tz_scoped_free) char *path = NULL;
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    uint64_t healed = 0;

    if (tz_session_open_operator(&session, context, "read files", err) ||
        tz_session_find(&session, context->arguments[0], &head, err) ||
        tz_session_path(&session, &head, context->arguments[1], &path, err) ||
        tz_session_entry(&session, &head, path, &entry, err) ||
        follow_hardlink(&session, &head, &entry, err) || must_be_file(&entry, err) ||
        tz_restore_stream(session.repo, &entry, STDOUT_FILENO, &healed, err))
        return -1;
    if (healed > 0)
        tz_warn(context, "%" PRIu64 " %s damaged or missing in one store, and came from another",
                healed, tz_plural(healed, "part was", "parts were"));
    return TZ_EXIT_OK;
}

const struct tz_command tz_command_cat = {
    .name = "cat",
    .summary = "write the content of one file to standard output",
    .arguments = "SOURCE[@POINT] PATH",
    .min_arguments = 2,
    .max_arguments = 2,
    .complete = TZ_COMPLETE_SOURCE,
    .run = run,
};
