/* tozai find: looks for a file in every generation. */
#include "common.h"
#include "entry_output.h"

#include "tozai/core/compare.h"
#include "tozai/util/hex.h"
#include "tozai/util/time.h"

#include <string.h>

#include "tozai/util/banned.h"

#define SHORT_ID 12

struct find {
    struct tz_context *context;
    struct tz_session session;
    json_t *matches; /* NULL: text */
    bool any;        /* some path was found */
    bool incomplete;
};

static void clear_find(struct find *find)
{
    json_decref(find->matches);
    tz_session_close(&find->session);
}

/* What a version has in common with an entry, to show its time. */
static struct tz_entry entry_of(const struct tz_version *version)
{
    return (struct tz_entry){.mtime_s = version->mtime_s, .mtime_ns = version->mtime_ns};
}

/* "changed: content, mtime" */
static int describe(const struct tz_version *version, struct tz_buf *out, struct tz_error *err)
{
    const char *before = "changed: ";

    if (version->first)
        return tz_buf_printf(out, err, "new");
    for (unsigned i = 0; i < TZ_DIFFERS_COUNT; i++) {
        if (!(version->differences >> i & 1))
            continue;
        if (tz_buf_printf(out, err, "%s%s", before, tz_difference_name(i)))
            return -1;
        before = ", ";
    }
    return out->data ? 0 : tz_buf_printf(out, err, "%s", "");
}

static int print_version(const struct tz_search_result *result, const struct tz_version *version,
                         struct tz_error *err)
{
    const struct tz_searched *generation = &result->generations[version->generation];
    const struct tz_entry entry = entry_of(version);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};
    char id[2 * TZ_HASH_SIZE + 1], time[TZ_TIME_TEXT], mtime[TZ_TIME_TEXT], size[TZ_SIZE_TEXT];

    tz_hex(id, generation->origin, TZ_HASH_SIZE);
    tz_time_format_local(time, generation->time_ns);
    (void)printf("  %.*s  %s", SHORT_ID, id, time);
    if (version->gone) {
        (void)puts("  gone");
        return 0;
    }
    if (describe(version, &text, err))
        return -1;
    tz_mtime_format_local(mtime, &entry);
    tz_size_format(size, version->size);
    (void)printf("  %c %10s  %s%s%s\n", tz_entry_type_letter(version->type), size, mtime,
                 text.len > 0 ? "  " : "", (const char *)text.data);
    return 0;
}

static int print_match(struct find *find, const char *source, const struct tz_search_result *result,
                       const struct tz_match *match, struct tz_error *err)
{
    if (find->any)
        (void)putchar('\n');
    tz_print_name(source, strlen(source));
    (void)fputs(": ", stdout);
    tz_print_name(match->last.path, match->last.path_len);
    (void)putchar('\n');
    for (size_t i = 0; i < match->count; i++) {
        if (print_version(result, &match->versions[i], err))
            return -1;
    }
    return 0;
}

static json_t *make_changes(const struct tz_version *version)
{
    TZ_SCOPED(tz_scoped_json) json_t *list = json_array();

    if (list && version->first && json_array_append_new(list, json_string("new")))
        return NULL;
    for (unsigned i = 0; list && i < TZ_DIFFERS_COUNT; i++) {
        if ((version->differences >> i & 1) &&
            json_array_append_new(list, json_string(tz_difference_name(i))))
            return NULL;
    }
    return TZ_TAKE(list);
}

static json_t *make_version(const struct tz_search_result *result, const struct tz_version *version)
{
    const struct tz_searched *generation = &result->generations[version->generation];
    const struct tz_entry entry = entry_of(version);
    char mtime[TZ_TIME_TEXT];

    tz_mtime_format(mtime, &entry);
    return json_pack("{s:o, s:o, s:I, s:s, s:o}", "id",
                     tz_json_hex(generation->origin, TZ_HASH_SIZE), "time",
                     tz_json_time(generation->time_ns), "size", (json_int_t)version->size, "mtime",
                     mtime, "changed", make_changes(version));
}

/* The first generation without it, or null while the newest one has it. */
static json_t *make_gone(const struct tz_search_result *result, const struct tz_match *match)
{
    const struct tz_version *last = &match->versions[match->count - 1];

    return last->gone ? tz_json_hex(result->generations[last->generation].origin, TZ_HASH_SIZE)
                      : json_null();
}

static int add_match(struct find *find, const char *source, const struct tz_search_result *result,
                     const struct tz_match *match, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_json) json_t *object = json_object();
    TZ_SCOPED(tz_scoped_json) json_t *generations = json_array();

    if (!object || !generations)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < match->count; i++) {
        if (!match->versions[i].gone &&
            tz_json_append(generations, make_version(result, &match->versions[i]), err))
            return -1;
    }
    if (tz_json_set(object, "source", tz_json_text(source, strlen(source)), err) ||
        tz_json_path(object, "path", match->last.path, match->last.path_len, err) ||
        tz_json_set(object, "generations", TZ_TAKE(generations), err) ||
        tz_json_set(object, "gone", make_gone(result, match), err))
        return -1;
    return tz_json_append(find->matches, TZ_TAKE(object), err);
}

static int show(struct find *find, const char *source, const struct tz_search_result *result,
                struct tz_error *err)
{
    for (size_t i = 0; i < result->match_count; i++) {
        const struct tz_match *match = &result->matches[i];
        if (find->matches ? add_match(find, source, result, match, err)
                          : print_match(find, source, result, match, err))
            return -1;
        find->any = true;
    }
    if (result->cut)
        tz_warn(find->context, "'%s': there are too many matches: some paths are left out", source);
    find->incomplete |= result->cut || result->unreadable > 0;
    return 0;
}

/* A source with one path has paths relative to it: an absolute pattern is made relative, too. */
static const char *relative_pattern(const struct tz_config *config, const char *source,
                                    const char *pattern)
{
    const struct tz_config_source *found = tz_config_find_source(config, source);
    const char *root = found && found->paths.count == 1 ? found->paths.items[0] : "";
    size_t len = strlen(root);

    while (len > 0 && root[len - 1] == '/')
        len--;
    /* The slash stays: the rest is still a whole path. */
    return len > 0 && strncmp(pattern, root, len) == 0 && pattern[len] == '/' ? pattern + len
                                                                              : pattern;
}

static int search(struct find *find, const char *source, struct tz_error *err)
{
    struct tz_search_result result = {0};
    const struct tz_search_options wanted = {
        .repo = find->session.repo,
        .source = source,
        .pattern = relative_pattern(find->session.config, source, find->context->arguments[0]),
    };

    if (tz_search(&wanted, &result, err))
        return tz_while(err, "search '%s'", source);
    int failed = show(find, source, &result, err);
    tz_search_result_clear(&result);
    return failed;
}

static int search_all(struct find *find, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_source_list) struct tz_source_list sources = {0};

    if (find->context->argument_count > 1) {
        const char *source = find->context->arguments[1];
        return tz_session_check_source(&find->session, source, err) ? -1
                                                                    : search(find, source, err);
    }
    if (tz_session_sources(&find->session, &sources, err))
        return -1;
    for (size_t i = 0; i < sources.count; i++) {
        if (search(find, sources.items[i], err))
            return -1;
    }
    return 0;
}

static int run(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(clear_find) struct find find = {.context = context};

    if (context->json && !(find.matches = json_array()))
        return tz_fail_nomem(err);
    if (tz_session_open_operator(&find.session, context, "search generations", err) ||
        search_all(&find, err))
        return -1;
    if (context->json) {
        TZ_SCOPED(tz_scoped_json) json_t *document = json_pack("{s:O}", "matches", find.matches);
        if (tz_json_print(document, err))
            return -1;
    } else if (!find.any) {
        tz_note(context, "nothing was found");
    }
    return find.incomplete ? TZ_EXIT_WARNINGS : TZ_EXIT_OK;
}

const struct tz_command tz_command_find_entries = {
    .name = "find",
    .summary = "find the generations that hold a file, and where it changed",
    .arguments = "PATTERN [SOURCE]",
    .min_arguments = 1,
    .max_arguments = 2,
    .complete_rest = TZ_COMPLETE_SOURCE,
    .run = run,
};
