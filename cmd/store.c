/* tozai store: brings a store in, takes one out. */
#include "common.h"
#include "progress.h"

#include "tozai/core/level.h"
#include "tozai/util/time.h"

#include <inttypes.h>
#include <string.h>

#include "tozai/util/banned.h"

static const struct tz_verb verbs[] = {
    {.name = "add",
     .arguments = "NAME",
     .summary = "bring a configured store level with the others",
     .min_arguments = 1,
     .max_arguments = 1},
    {.name = "remove",
     .arguments = "NAME",
     .summary = "forget a store if the others hold everything",
     .min_arguments = 1,
     .max_arguments = 1},
    {.name = "replace",
     .arguments = "OLD NEW",
     .summary = "add NEW, then remove OLD",
     .min_arguments = 2,
     .max_arguments = 2},
};

static void show_progress(void *arg, const struct tz_verify_progress *progress)
{
    const struct tz_progress_state state = {
        .phase = "copy",
        .files = progress->objects,
        .bytes_done = progress->bytes,
    };
    tz_progress_update(arg, &state);
}

static int report_added(const struct tz_context *context, const char *name,
                        const struct tz_level_result *result, json_t **ret, struct tz_error *err)
{
    char bytes[TZ_SIZE_TEXT];

    if (context->json) {
        *ret = json_pack("{s:s, s:I, s:I, s:I, s:I, s:b}", "store", name, "objects",
                         (json_int_t)result->objects, "bytes", (json_int_t)result->bytes, "failed",
                         (json_int_t)result->failed, "held_back", (json_int_t)result->held_back,
                         "level", (int)result->level);
        return *ret ? 0 : tz_fail_nomem(err);
    }
    tz_size_format(bytes, result->bytes);
    (void)printf("%" PRIu64 " %s copied to %s, %s\n", result->objects,
                 tz_plural(result->objects, "object", "objects"), name, bytes);
    if (result->failed > 0)
        (void)printf("%" PRIu64 " %s whole in no store: 'tozai verify' says which; with a key, "
                     "'tozai sync --to %s' copies what is not concerned\n",
                     result->failed, tz_plural(result->failed, "object is", "objects are"), name);
    if (result->held_back > 0)
        (void)printf("%" PRIu64 " %s held back: run it again\n", result->held_back,
                     tz_plural(result->held_back, "object is", "objects are"));
    if (result->level)
        (void)printf("store %s is level with the others\n", name);
    return 0;
}

/* Returns an exit code. */
static int add(struct tz_context *context, const char *name, json_t **ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_session) struct tz_session session = {0};
    TZ_SCOPED(tz_scoped_progress) struct tz_progress *progress = NULL;
    const struct tz_repo_options opening = {
        .exclusive = true, .writes = true, .fill_empty = true, .keyless = true, .fill = name};
    struct tz_level_options wanted = {.store = name, .apart = true, .progress = show_progress};
    struct tz_level_result result = {0};

    if (tz_session_open(&session, context, &opening, err) ||
        tz_progress_new(&progress, context, err))
        return -1;
    wanted.repo = session.repo;
    wanted.progress_arg = progress;
    if (tz_level(&wanted, &result, err))
        return -1;
    tz_clear_line(context);
    if (report_added(context, name, &result, ret, err))
        return -1;
    if (result.failed > 0)
        return TZ_EXIT_DAMAGE;
    return result.level ? TZ_EXIT_OK : TZ_EXIT_WARNINGS;
}

static int report_removed(const struct tz_context *context, const char *name,
                          const struct tz_forget_result *result, json_t **ret, struct tz_error *err)
{
    if (context->json) {
        *ret = json_pack("{s:s, s:I, s:I, s:b}", "store", name, "generations",
                         (json_int_t)result->generations, "copies", (json_int_t)result->copies,
                         "forgotten", (int)result->forgotten);
        return *ret ? 0 : tz_fail_nomem(err);
    }
    if (result->generations > 0)
        (void)printf("%" PRIu64 " %s at least %" PRIu64 " %s without store %s\n",
                     result->generations,
                     tz_plural(result->generations, "generation has", "generations have each"),
                     result->copies, tz_plural(result->copies, "copy", "copies"), name);
    if (result->forgotten)
        (void)printf("store %s is forgotten; what it holds was not touched\n", name);
    else
        (void)printf("take [store %s] out of the configuration, then run 'tozai store remove %s' "
                     "again\n",
                     name, name);
    return 0;
}

static int take_out(struct tz_context *context, const char *name, json_t **ret,
                    struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_session) struct tz_session session = {0};
    const struct tz_repo_options opening = {.exclusive = true, .read_only = true};
    struct tz_forget_result result = {0};

    if (tz_session_open(&session, context, &opening, err) ||
        tz_forget_store(session.repo, name, &result, err) ||
        report_removed(context, name, &result, ret, err))
        return -1;
    return TZ_EXIT_OK;
}

/* The first argument must be a section of the configuration, if it is to be filled. */
static int check_configured(const struct tz_context *context, const char *name,
                            struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_config) struct tz_config *config = NULL;

    if (tz_context_config(context, &config, err))
        return -1;
    return tz_need_store(config, name, err);
}

static int replace(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_json) json_t *added = NULL;
    TZ_SCOPED(tz_scoped_json) json_t *removed = NULL;
    TZ_SCOPED(tz_scoped_config) struct tz_config *config = NULL;
    const char *old = context->arguments[0], *new_name = context->arguments[1];

    if (strcmp(old, new_name) == 0)
        return tz_fail(err, TZ_INVALID, "a store cannot replace itself");
    if (tz_context_config(context, &config, err) || tz_need_forgettable(config, old, err))
        return -1;
    int code = add(context, new_name, &added, err);
    if (code == TZ_EXIT_OK)
        code = take_out(context, old, &removed, err);
    if (code < 0 || !context->json)
        return code;
    TZ_SCOPED(tz_scoped_json)
    json_t *document = json_pack("{s:O, s:o}", "add", added, "remove",
                                 removed ? json_incref(removed) : json_null());
    return tz_json_print(document, err) ? -1 : code;
}

static int run(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_json) json_t *document = NULL;
    const char *verb = context->verb->name, *name = context->arguments[0];
    bool replacing = strcmp(verb, "replace") == 0, adding = strcmp(verb, "add") == 0;

    if ((replacing || adding) && check_configured(context, context->arguments[replacing], err))
        return -1;
    if (replacing)
        return replace(context, err);
    int code =
        adding ? add(context, name, &document, err) : take_out(context, name, &document, err);
    if (code < 0 || !context->json)
        return code;
    return tz_json_print(document, err) ? -1 : code;
}

const struct tz_command tz_command_store = {
    .name = "store",
    .summary = "add, remove or replace a store",
    .arguments = "COMMAND ...",
    TZ_VERBS(verbs),
    .complete = TZ_COMPLETE_STORE,
    .complete_rest = TZ_COMPLETE_STORE,
    .run = run,
};
