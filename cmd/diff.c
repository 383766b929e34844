/* tozai diff: compares two generations. */
#include "common.h"
#include "entry_output.h"

#include "tozai/core/compare.h"
#include "tozai/util/utf8.h"

#include <string.h>

#include "tozai/util/banned.h"

struct diff {
    struct tz_session session;
    struct tz_head before, after;
    bool any_bytes; /* a path is not UTF-8 */
    bool exact;     /* this pass is for the exact bytes of such paths */
    bool any;       /* something was printed into the present list */
};

static void clear_diff(struct diff *diff)
{
    tz_head_clear(&diff->before);
    tz_head_clear(&diff->after);
    tz_session_close(&diff->session);
}

/* "+ path", "- path", "M path (cmt)" */
static int print_line(void *arg, enum tz_change change, const struct tz_entry *entry,
                      unsigned differences, struct tz_error *err)
{
    char letters[TZ_DIFFERS_COUNT + 1];
    size_t count = 0;

    (void)arg;
    (void)err;
    for (unsigned i = 0; i < TZ_DIFFERS_COUNT; i++) {
        if (differences >> i & 1)
            letters[count++] = tz_difference_letter(i);
    }
    letters[count] = '\0';
    (void)printf("%c %-4s ", change == TZ_ADDED ? '+' : change == TZ_REMOVED ? '-' : 'M', letters);
    tz_print_name(entry->path_len > 0 ? entry->path : ".", TZ_MAX(entry->path_len, (size_t)1));
    if (entry->type == TZ_ENTRY_DIRECTORY && entry->path_len > 0)
        (void)putchar('/');
    (void)putchar('\n');
    return 0;
}

static json_t *make_what(unsigned differences)
{
    TZ_SCOPED(tz_scoped_json) json_t *list = json_array();

    for (unsigned i = 0; list && i < TZ_DIFFERS_COUNT; i++) {
        if ((differences >> i & 1) &&
            json_array_append_new(list, json_string(tz_difference_name(i))))
            return NULL;
    }
    return TZ_TAKE(list);
}

/* {"path","what"}, or with the exact bytes {"path","path_base64"} */
static json_t *make_object(const struct tz_entry *entry, json_t *what)
{
    TZ_SCOPED(tz_scoped_json) json_t *object = json_object();

    if (!object || tz_json_path(object, "path", entry->path, entry->path_len, NULL)) {
        json_decref(what);
        return NULL;
    }
    if (what && tz_json_set(object, "what", what, NULL))
        return NULL;
    return TZ_TAKE(object);
}

static int print_json(void *arg, enum tz_change change, const struct tz_entry *entry,
                      unsigned differences, struct tz_error *err)
{
    struct diff *diff = arg;
    bool utf8 = tz_utf8_valid(entry->path, entry->path_len);
    struct tz_json_list list = {.any = diff->any};

    diff->any_bytes |= !utf8;
    if (diff->exact && utf8)
        return 0;
    diff->any = true;
    if (change == TZ_CHANGED)
        return tz_json_list_add(&list, make_object(entry, make_what(differences)), err);
    if (diff->exact)
        return tz_json_list_add(&list, make_object(entry, NULL), err);
    return tz_json_list_add(&list, tz_json_text(entry->path, entry->path_len), err);
}

static int print_list(struct diff *diff, const char *key, enum tz_change change,
                      struct tz_error *err)
{
    (void)printf("\"%s\":[", key);
    diff->any = false;
    if (tz_compare_generations(diff->session.repo, &diff->before, &diff->after, change, print_json,
                               diff, err))
        return -1;
    (void)putchar(']');
    return 0;
}

/* One pass for each list, so that no list is ever in memory. */
static int print_lists(struct diff *diff, struct tz_error *err)
{
    (void)putchar('{');
    if (print_list(diff, "added", TZ_ADDED, err))
        return -1;
    (void)putchar(',');
    if (print_list(diff, "removed", TZ_REMOVED, err))
        return -1;
    (void)putchar(',');
    if (print_list(diff, "changed", TZ_CHANGED, err))
        return -1;
    if (diff->any_bytes) {
        diff->exact = true;
        (void)putchar(',');
        if (print_list(diff, "added_bytes", TZ_ADDED, err))
            return -1;
        (void)putchar(',');
        if (print_list(diff, "removed_bytes", TZ_REMOVED, err))
            return -1;
    }
    (void)puts("}");
    return 0;
}

static int run(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(clear_diff) struct diff diff = {0};

    if (tz_session_open_operator(&diff.session, context, "compare generations", err) ||
        tz_session_find(&diff.session, context->arguments[0], &diff.before, err) ||
        tz_session_find(&diff.session, context->arguments[1], &diff.after, err))
        return -1;
    if (context->json)
        return print_lists(&diff, err) ? -1 : TZ_EXIT_OK;
    return tz_compare_generations(diff.session.repo, &diff.before, &diff.after,
                                  TZ_ADDED | TZ_REMOVED | TZ_CHANGED, print_line, NULL, err)
               ? -1
               : TZ_EXIT_OK;
}

const struct tz_command tz_command_diff = {
    .name = "diff",
    .summary = "show what differs between two generations",
    .arguments = "SOURCE@A SOURCE@B",
    .min_arguments = 2,
    .max_arguments = 2,
    .complete = TZ_COMPLETE_SOURCE,
    .complete_rest = TZ_COMPLETE_SOURCE,
    .run = run,
};
