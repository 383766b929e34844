/* tozai sync: levels the stores. */
#include "common.h"
#include "progress.h"

#include "tozai/core/level.h"
#include "tozai/util/time.h"

#include <inttypes.h>
#include <string.h>

#include "tozai/util/banned.h"

static const struct tz_option options[] = {
    {.name = "from",
     .metavar = "NAME",
     .complete = TZ_COMPLETE_STORE,
     .help = "copy only from this store"},
    {.name = "to",
     .metavar = "NAME",
     .complete = TZ_COMPLETE_STORE,
     .help = "copy only to this store"},
};

static void show_progress(void *arg, const struct tz_verify_progress *progress)
{

    const struct tz_progress_state state = {
        .phase = "sync",
        .name = progress->store,
        .files = progress->objects,
        .bytes_done = progress->bytes,
        .bytes_total = progress->bytes_total,
    };
    tz_progress_update(arg, &state);
}

static int print_json(const struct tz_sync_result *result, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_json)
    json_t *document =
        json_pack("{s:I, s:I, s:I, s:I, s:b}", "objects", (json_int_t)result->objects, "bytes",
                  (json_int_t)result->bytes, "failed", (json_int_t)result->failed, "behind",
                  (json_int_t)result->behind, "level", (int)result->level);

    return tz_json_print(document, err);
}

static void print_text(const struct tz_sync_result *result)
{
    char bytes[TZ_SIZE_TEXT];

    tz_size_format(bytes, result->bytes);
    (void)printf("%" PRIu64 " %s copied, %s\n", result->objects,
                 tz_plural(result->objects, "object", "objects"), bytes);
    if (result->failed > 0)
        (void)printf("%" PRIu64 " %s whole in no store: 'tozai verify' says which\n",
                     result->failed, tz_plural(result->failed, "object is", "objects are"));
    if (result->behind > 0)
        (void)printf("%" PRIu64 " %s still missing\n", result->behind,
                     tz_plural(result->behind, "copy is", "copies are"));
    if (!result->level && result->failed == 0 && result->behind == 0)
        (void)puts("not every store could be looked at");
}

static int print_level_json(const struct tz_level_result *result, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_json)
    json_t *document =
        json_pack("{s:I, s:I, s:I, s:I, s:b, s:b}", "objects", (json_int_t)result->objects, "bytes",
                  (json_int_t)result->bytes, "failed", (json_int_t)result->failed, "behind",
                  (json_int_t)result->behind, "keyless", 1, "level", (int)result->level);

    return tz_json_print(document, err);
}

static void print_level_text(const struct tz_level_result *result)
{
    const struct tz_sync_result same = {.objects = result->objects,
                                        .bytes = result->bytes,
                                        .failed = result->failed,
                                        .behind = result->behind,
                                        .level = result->level};

    print_text(&same);
    if (result->failed > 0 && result->held_back > 0)
        (void)puts("generations wait for them, since only a key tells which ones need them: 'tozai "
                   "sync' with a key copies the others");
}

/* No key opens: objects are copied in an order that is right for any of them. */
static int level_all(struct tz_context *context, const struct tz_sync_options *sync,
                     struct tz_error *err)
{
    const struct tz_level_options wanted = {.repo = sync->repo,
                                            .store = sync->to,
                                            .from = sync->from,
                                            .progress = sync->progress,
                                            .progress_arg = sync->progress_arg};
    struct tz_level_result result = {0};

    if (tz_level(&wanted, &result, err))
        return -1;
    tz_clear_line(context);
    if (context->json && print_level_json(&result, err))
        return -1;
    if (!context->json)
        print_level_text(&result);
    if (result.failed > 0)
        return TZ_EXIT_DAMAGE;
    return result.level ? TZ_EXIT_OK : TZ_EXIT_WARNINGS;
}

static int run(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_session) struct tz_session session = {0};
    TZ_SCOPED(tz_scoped_progress) struct tz_progress *progress = NULL;
    /* Asking for it says that an empty store is meant to be filled. */
    const struct tz_repo_options opening = {
        .exclusive = true, .writes = true, .fill_empty = true, .key_optional = true};
    struct tz_sync_options wanted = {.full = true, .progress = show_progress};
    struct tz_sync_result result = {0};

    if (tz_session_open(&session, context, &opening, err) ||
        tz_store_option(context, session.config, "from", &wanted.from, err) ||
        tz_store_option(context, session.config, "to", &wanted.to, err) ||
        tz_progress_new(&progress, context, err))
        return -1;
    if (wanted.from && wanted.to && strcmp(wanted.from, wanted.to) == 0)
        return tz_fail(err, TZ_INVALID, "--from and --to name the same store");
    wanted.repo = session.repo;
    wanted.progress_arg = progress;
    if (!tz_repo_keys(session.repo))
        return level_all(context, &wanted, err);
    if (tz_sync(&wanted, &result, err))
        return -1;
    tz_clear_line(context);
    if (context->json && print_json(&result, err))
        return -1;
    if (!context->json)
        print_text(&result);
    if (result.failed > 0)
        return TZ_EXIT_DAMAGE;
    return result.level ? TZ_EXIT_OK : TZ_EXIT_WARNINGS;
}

const struct tz_command tz_command_sync = {
    .name = "sync",
    .summary = "bring every store level with the others",
    .arguments = "",
    TZ_OPTIONS(options),
    .run = run,
};
