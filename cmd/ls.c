/* tozai ls: lists a generation. */
#include "common.h"
#include "entry_output.h"

#include "tozai/core/manifest.h"
#include "tozai/util/interrupt.h"

#include <string.h>

#include "tozai/util/banned.h"

static const struct tz_option options[] = {
    {.name = "recursive", .letter = 'R', .help = "list everything below, too"},
};

struct listing {
    bool json;
    bool recursive;
    const char *path; /* what is listed */
    size_t path_len;
    bool any;
    bool incomplete;
    struct tz_repo *repo;
    const struct tz_head *head;
    struct tz_entry_finder *finder; /* NULL: no hard link so far */
    struct tz_context *context;
    struct tz_json_list list;
};

static void clear_listing(struct listing *listing)
{
    tz_entry_finder_free(listing->finder);
}

static void note_lost(void *arg, const char *from, size_t from_len, const char *to, size_t to_len,
                      const struct tz_error *why)
{
    struct listing *listing = arg;
    char text[2048];

    listing->incomplete = true;
    (void)snprintf(text, sizeof(text), "all is lost from '%.*s' %s%.*s%s: %s",
                   (int)TZ_MIN(from_len, 200), from, to ? "to '" : "on", (int)TZ_MIN(to_len, 200),
                   to ? to : "", to ? "'" : "", why->message);
    tz_warn_text(listing->context, text);
}

/* Is it directly in the directory that is listed? */
static bool is_child(const struct listing *listing, const struct tz_entry *entry)
{
    size_t skip = listing->path_len > 0 ? listing->path_len + 1 : 0;

    return entry->path_len > skip && !memchr(entry->path + skip, '/', entry->path_len - skip);
}

static bool is_wanted(const struct listing *listing, const struct tz_entry *entry)
{
    /* A directory stands for what is in it. */
    if (entry->path_len == listing->path_len)
        return entry->type != TZ_ENTRY_DIRECTORY;
    return listing->recursive || is_child(listing, entry);
}

/* Its first name is in a part of the list that is lost, or nowhere: one warning stands for all. */
static void note_lost_size(struct listing *listing, const struct tz_entry *entry,
                           const struct tz_error *why)
{
    char text[2048];

    if (listing->incomplete)
        return;
    listing->incomplete = true;
    (void)snprintf(text, sizeof(text), "the size of '%.*s' cannot be told: %s",
                   (int)TZ_MIN(entry->path_len, (size_t)200), entry->path, why->message);
    tz_warn_text(listing->context, text);
}

/* Another name of a file has the file's size. */
static int take_size(struct listing *listing, struct tz_entry *entry, struct tz_error *err)
{
    struct tz_error why = {0};

    if (!listing->finder &&
        tz_entry_finder_new(&listing->finder, listing->repo, listing->head, err))
        return -1;
    if (!tz_entry_find_size(listing->finder, entry, &entry->size, &why))
        return 0;
    if (why.kind == TZ_NOMEM || why.kind == TZ_INTERRUPTED) {
        if (err)
            *err = why;
        return -1;
    }
    note_lost_size(listing, entry, &why);
    return 0;
}

static int list_entry(struct listing *listing, struct tz_entry *entry, struct tz_error *err)
{
    listing->any = true;
    if (!is_wanted(listing, entry))
        return 0;
    if (entry->type == TZ_ENTRY_HARDLINK && take_size(listing, entry, err))
        return -1;
    if (listing->json)
        return tz_json_list_add(&listing->list, tz_json_entry(entry), err);
    return tz_print_entry(entry, err);
}

static int list_all(struct listing *listing, struct tz_manifest_reader *reader,
                    struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    bool done = false;

    for (;;) {
        if (tz_interrupt_check(err) || tz_manifest_next(reader, &entry, &done, err))
            return -1;
        if (done)
            break;
        /* Entry by entry: a generation may have millions of them. */
        if (list_entry(listing, &entry, err))
            return -1;
        if (ferror(stdout))
            return 0; /* main() reports it */
    }
    if (listing->any || listing->path_len == 0)
        return 0;
    (void)tz_fail(err, TZ_NOT_FOUND, "'%s' is not in this generation", listing->path);
    return tz_hint(err, "'tozai find' shows which generations have a file");
}

static int run(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_session) struct tz_session session = {0};
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    TZ_SCOPED(tz_scoped_free) char *path = NULL;
    TZ_SCOPED(tz_scoped_manifest_reader) struct tz_manifest_reader *reader = NULL;

    if (tz_session_open_operator(&session, context, "list files", err) ||
        tz_session_find(&session, context->arguments[0], &head, err) ||
        tz_session_path(&session, &head, context->argument_count > 1 ? context->arguments[1] : "",
                        &path, err) ||
        tz_manifest_reader_new(&reader, session.repo, &head, path, strlen(path), err))
        return -1;
    TZ_SCOPED(clear_listing)
    struct listing listing = {
        .context = context,
        .repo = session.repo,
        .head = &head,
        .json = context->json,
        .recursive = tz_option_given(context, "recursive"),
        .path = path,
        .path_len = strlen(path),
    };
    tz_manifest_reader_tolerate(reader, note_lost, &listing);
    if (listing.json)
        tz_json_list_begin(&listing.list, "entries");
    if (list_all(&listing, reader, err))
        return -1;
    if (listing.json)
        tz_json_list_end(&listing.list);
    return listing.incomplete ? TZ_EXIT_DAMAGE : TZ_EXIT_OK;
}

const struct tz_command tz_command_ls = {
    .name = "ls",
    .summary = "list the entries of a generation",
    .arguments = "SOURCE[@POINT] [PATH]",
    TZ_OPTIONS(options),
    .min_arguments = 1,
    .max_arguments = 2,
    .complete = TZ_COMPLETE_SOURCE,
    .run = run,
};
