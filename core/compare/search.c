#include "tozai/core/compare.h"

#include "../source/glob.h"

#include "tozai/core/manifest.h"
#include "tozai/util/file.h"
#include "tozai/util/hex.h"
#include "tozai/util/interrupt.h"

#include <string.h>

#include "tozai/util/banned.h"

#define DEFAULT_VERSIONS 200000

struct search {
    const struct tz_search_options *options;
    struct tz_glob *glob; /* NULL: nothing can match */
    bool whole;           /* it is for whole paths */
    size_t max_versions;
    struct tz_search_result *result;
    struct tz_match *fresh; /* of the generation that is read, in the order of paths */
    size_t fresh_count, fresh_room;
    struct tz_entry_finder *finder; /* of the generation that is read; NULL: no need so far */
    size_t at; /* in the matches: those before were compared with this generation */
};

static void clear_match(struct tz_match *match)
{
    tz_entry_clear(&match->last);
    free(match->versions);
    *match = (struct tz_match){0};
}

void tz_search_result_clear(struct tz_search_result *result)
{
    for (size_t i = 0; i < result->match_count; i++)
        clear_match(&result->matches[i]);
    free(result->matches);
    free(result->generations);
    *result = (struct tz_search_result){0};
}

static void clear_search(struct search *search)
{
    for (size_t i = 0; i < search->fresh_count; i++)
        clear_match(&search->fresh[i]);
    free(search->fresh);
    tz_entry_finder_free(search->finder);
    tz_glob_free(search->glob);
}

static int start(struct search *search, struct tz_error *err)
{
    const char *pattern = search->options->pattern;

    search->whole = strchr(pattern, '/') != NULL;
    while (*pattern == '/')
        pattern++;
    search->max_versions =
        search->options->max_versions ? search->options->max_versions : DEFAULT_VERSIONS;
    return tz_glob_new(&search->glob, pattern, strlen(pattern), err);
}

static bool is_match(const struct search *search, const struct tz_entry *entry)
{
    const char *text = search->whole ? entry->path : tz_path_base(entry->path);

    return entry->path_len > 0 && search->glob &&
           tz_glob_match(search->glob, text, entry->path_len - (size_t)(text - entry->path));
}

static int add_version(struct search *search, struct tz_match *match,
                       const struct tz_version *version, struct tz_error *err)
{
    if (match->count == match->room) {
        size_t room = match->room > 0 ? 2 * match->room : 4;
        void *versions = realloc(match->versions, room * sizeof(match->versions[0]));
        if (!versions)
            return tz_fail_nomem(err);
        match->versions = versions;
        match->room = room;
    }
    match->versions[match->count++] = *version;
    search->result->version_count++;
    return 0;
}

static bool is_gone(const struct tz_match *match)
{
    return match->versions[match->count - 1].gone;
}

static int note_gone(struct search *search, struct tz_match *match, uint32_t generation,
                     struct tz_error *err)
{
    const struct tz_version version = {.generation = generation, .gone = true};

    return is_gone(match) ? 0 : add_version(search, match, &version, err);
}

static int note_version(struct search *search, struct tz_match *match, const struct tz_entry *entry,
                        uint32_t generation, struct tz_error *err)
{
    struct tz_version version = {
        .generation = generation,
        .first = match->count == 0 || is_gone(match),
        .type = entry->type,
        .size = entry->size,
        .mtime_s = entry->mtime_s,
        .mtime_ns = entry->mtime_ns,
    };

    if (!version.first &&
        tz_compare_entries(search->options->repo, &match->last, entry, &version.differences, err))
        return -1;
    tz_entry_clear(&match->last);
    return tz_entry_copy(&match->last, entry, err) || add_version(search, match, &version, err) ? -1
                                                                                                : 0;
}

/* A path that no generation before had. */
static int note_fresh(struct search *search, const struct tz_entry *entry, uint32_t generation,
                      struct tz_error *err)
{
    if (search->result->version_count >= search->max_versions) {
        search->result->cut = true;
        return 0;
    }
    if (search->fresh_count == search->fresh_room) {
        size_t room = search->fresh_room > 0 ? 2 * search->fresh_room : 64;
        void *fresh = realloc(search->fresh, room * sizeof(search->fresh[0]));
        if (!fresh)
            return tz_fail_nomem(err);
        search->fresh = fresh;
        search->fresh_room = room;
    }
    struct tz_match *match = &search->fresh[search->fresh_count++];
    *match = (struct tz_match){0};
    return note_version(search, match, entry, generation, err);
}

static int compare_paths(const struct tz_entry *a, const struct tz_entry *b)
{
    return tz_path_compare(a->path, a->path_len, b->path, b->path_len);
}

/* Both the entries and the matches are in order: those that are passed over are gone. */
static int note(struct search *search, const struct tz_entry *entry, uint32_t generation,
                struct tz_error *err)
{
    struct tz_search_result *result = search->result;
    int order = 1;

    while (search->at < result->match_count) {
        struct tz_match *match = &result->matches[search->at];
        order = compare_paths(&match->last, entry);
        if (order > 0)
            break;
        search->at++;
        if (order == 0)
            return note_version(search, match, entry, generation, err);
        if (note_gone(search, match, generation, err))
            return -1;
    }
    return note_fresh(search, entry, generation, err);
}

static int compare_matches(const void *first, const void *second)
{
    const struct tz_match *a = first, *b = second;
    return compare_paths(&a->last, &b->last);
}

/* At the end of a generation: what was not seen is gone. */
static int note_rest(struct search *search, uint32_t generation, struct tz_error *err)
{
    struct tz_search_result *result = search->result;

    for (; search->at < result->match_count; search->at++) {
        if (note_gone(search, &result->matches[search->at], generation, err))
            return -1;
    }
    return 0;
}

/* The new paths take their places among the others. */
static int settle(struct search *search, struct tz_error *err)
{
    struct tz_search_result *result = search->result;

    search->at = 0;
    if (search->fresh_count == 0)
        return 0;
    size_t count = result->match_count + search->fresh_count;
    void *matches = realloc(result->matches, count * sizeof(result->matches[0]));
    if (!matches)
        return tz_fail_nomem(err);
    result->matches = matches;
    memcpy(&result->matches[result->match_count], search->fresh,
           search->fresh_count * sizeof(search->fresh[0]));
    result->match_count = count;
    search->fresh_count = 0;
    qsort(result->matches, count, sizeof(result->matches[0]), compare_matches);
    return 0;
}

/* Another name of a file has the file's size. */
static int take_size(struct search *search, const struct tz_head *head, struct tz_entry *entry,
                     struct tz_error *err)
{
    if (!search->finder && tz_entry_finder_new(&search->finder, search->options->repo, head, err))
        return -1;
    return tz_entry_find_size(search->finder, entry, &entry->size, err);
}

static int search_generation(struct search *search, uint32_t generation, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_manifest_reader) struct tz_manifest_reader *reader = NULL;
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    char id[TZ_HASH_TEXT];
    bool done = false;

    tz_hex(id, search->result->generations[generation].id, TZ_HASH_SIZE);
    if (tz_repo_find(search->options->repo, search->options->source, id, &head, err) ||
        tz_manifest_reader_new(&reader, search->options->repo, &head, "", 0, err))
        return -1;
    for (;;) {
        if (tz_interrupt_check(err) || tz_manifest_next(reader, &entry, &done, err))
            return -1;
        if (done)
            return note_rest(search, generation, err);
        if (!is_match(search, &entry))
            continue;
        if (entry.type == TZ_ENTRY_HARDLINK && take_size(search, &head, &entry, err))
            return -1;
        if (note(search, &entry, generation, err))
            return -1;
    }
}

static int add_generation(void *arg, const struct tz_generation *generation, struct tz_error *err)
{
    struct tz_search_result *result = arg;

    if (!generation->seal_object)
        return 0;
    void *generations = realloc(result->generations,
                                (result->generation_count + 1) * sizeof(result->generations[0]));
    if (!generations)
        return tz_fail_nomem(err);
    result->generations = generations;
    struct tz_searched *searched = &result->generations[result->generation_count++];
    memcpy(searched->id, generation->id, TZ_HASH_SIZE);
    memcpy(searched->origin, generation->origin, TZ_HASH_SIZE);
    searched->time_ns = generation->time_ns;
    return 0;
}

/* They come newest first. */
static void turn_around(struct tz_search_result *result)
{
    for (size_t i = 0; i < result->generation_count / 2; i++) {
        struct tz_searched *a = &result->generations[i];
        struct tz_searched *b = &result->generations[result->generation_count - 1 - i];
        struct tz_searched other = *a;
        *a = *b;
        *b = other;
    }
}

/* One that cannot be read does not stop the search. */
static int search_or_warn(struct search *search, uint32_t generation, struct tz_error *err)
{
    struct tz_error why = {0};
    char id[TZ_HASH_TEXT];

    int failed = search_generation(search, generation, &why);
    tz_entry_finder_free(TZ_TAKE(search->finder));
    if (!failed)
        return settle(search, err);
    if (why.kind == TZ_INTERRUPTED || why.kind == TZ_NOMEM) {
        if (err)
            *err = why;
        return -1;
    }
    tz_hex(id, search->result->generations[generation].id, TZ_HASH_SIZE);
    tz_repo_warn(search->options->repo, "generation %.12s of '%s' cannot be searched: %s", id,
                 search->options->source, why.message);
    search->result->unreadable++;
    return settle(search, err);
}

int tz_search(const struct tz_search_options *options, struct tz_search_result *ret,
              struct tz_error *err)
{
    struct tz_search_result result = {0};
    TZ_SCOPED(clear_search) struct search search = {.options = options, .result = &result};
    int failed = start(&search, err) ||
                 tz_catalog_each_generation(tz_repo_catalog(options->repo), options->source,
                                            add_generation, &result, err);

    turn_around(&result);
    for (uint32_t i = 0; !failed && i < result.generation_count; i++)
        failed = search_or_warn(&search, i, err);
    if (failed) {
        tz_search_result_clear(&result);
        return -1;
    }
    *ret = result;
    return 0;
}
