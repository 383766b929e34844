/* tozai verify: checks the stores. */
#include "common.h"
#include "progress.h"

#include "tozai/core/verify.h"
#include "tozai/util/time.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "tozai/util/banned.h"

static const char *const levels[] = {"presence", "ciphertext", "content", NULL};

static const struct tz_option options[] = {
    {.name = "level",
     .metavar = "LEVEL",
     .words = levels,
     .help = "how much to check: presence, ciphertext (the default) or content"},
    {.name = "store",
     .metavar = "NAME",
     .complete = TZ_COMPLETE_STORE,
     .help = "check only this store"},
    {.name = "sample",
     .metavar = "PERCENT",
     .help = "check only so many percent, others each time"},
    {.name = "heal", .help = "replace what is damaged or missing from another store"},
};

static enum tz_verify_level level_of(const struct tz_context *context)
{
    const char *word = tz_option_value(context, "level");

    if (word && strcmp(word, "presence") == 0)
        return TZ_VERIFY_PRESENCE;
    return word && strcmp(word, "content") == 0 ? TZ_VERIFY_CONTENT : TZ_VERIFY_CIPHERTEXT;
}

/* "12.5" or "12.5%"; 0 stands for everything. */
static int read_sample(const struct tz_context *context, double *ret, struct tz_error *err)
{
    const char *text = tz_option_value(context, "sample");
    char *end = NULL;

    *ret = 0;
    if (!text)
        return 0;
    errno = 0;
    double value = strtod(text, &end);
    if (end != text && *end == '%')
        end++;
    /* Written so that what is no number fails, too. */
    if (errno || end == text || *end || !(value > 0 && value <= 100))
        return tz_fail(err, TZ_INVALID, "--sample '%s' is not a percentage above 0", text);
    *ret = value;
    return 0;
}

static void show_progress(void *arg, const struct tz_verify_progress *progress)
{

    const struct tz_progress_state state = {
        .phase = "verify",
        .name = progress->store,
        .files = progress->objects,
        .bytes_done = progress->bytes,
        .bytes_total = progress->bytes_total,
    };
    tz_progress_update(arg, &state);
}

static json_t *make_list(char *const *names, size_t count)
{
    TZ_SCOPED(tz_scoped_json) json_t *list = json_array();

    for (size_t i = 0; list && i < count; i++) {
        if (json_array_append_new(list, tz_json_text(names[i], strlen(names[i]))))
            return NULL;
    }
    return TZ_TAKE(list);
}

static json_t *make_store(const struct tz_verify_store *store)
{
    return json_pack("{s:b, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "reachable", store->reachable,
                     "objects", (json_int_t)store->objects, "bytes", (json_int_t)store->bytes,
                     "checked_bytes", (json_int_t)store->checked_bytes, "missing",
                     make_list(store->missing, store->missing_count), "damaged",
                     make_list(store->damaged, store->damaged_count), "healed",
                     make_list(store->healed, store->healed_count), "unknown",
                     make_list(store->unknown, store->unknown_count));
}

static int print_json(const struct tz_verify_result *result, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_json) json_t *document = json_object();
    json_t *stores = json_object();

    if (!document || tz_json_set(document, "stores", stores, err))
        return document ? -1 : tz_fail_nomem(err);
    for (size_t i = 0; i < result->store_count; i++) {
        if (tz_json_set(stores, result->stores[i].name, make_store(&result->stores[i]), err))
            return -1;
    }
    if (tz_json_set(document, "faults", make_list(result->faults, result->fault_count), err) ||
        tz_json_set(document, "ok", json_boolean(result->ok), err))
        return -1;
    return tz_json_print(document, err);
}

static void print_names(const char *what, char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)printf("  %s: ", what);
        tz_print_name(names[i], strlen(names[i]));
        (void)putchar('\n');
    }
}

static void print_store(const struct tz_context *context, const struct tz_verify_store *store)
{
    char bytes[TZ_SIZE_TEXT], checked[TZ_SIZE_TEXT];

    tz_size_format(bytes, store->bytes);
    tz_size_format(checked, store->checked_bytes);
    if (!store->reachable) {
        (void)printf("%s: could not be reached\n", store->name);
        return;
    }
    (void)printf("%s: %" PRIu64 " %s, %s, %s read: ", store->name, store->objects,
                 tz_plural(store->objects, "object", "objects"), bytes, checked);
    if (store->missing_count > 0 || store->damaged_count > 0)
        (void)printf("%zu missing, %zu damaged", store->missing_count, store->damaged_count);
    else
        (void)fputs("good", stdout);
    if (store->healed_count > 0)
        (void)printf(", %zu healed", store->healed_count);
    (void)putchar('\n');
    print_names("missing", store->missing, store->missing_count);
    print_names("damaged", store->damaged, store->damaged_count);
    print_names("healed", store->healed, store->healed_count);
    if (context->verbose > 0)
        print_names("unknown", store->unknown, store->unknown_count);
}

static void print_text(const struct tz_context *context, const struct tz_verify_result *result)
{
    for (size_t i = 0; i < result->store_count; i++)
        print_store(context, &result->stores[i]);
    for (size_t i = 0; i < result->fault_count; i++) {
        tz_print_name(result->faults[i], strlen(result->faults[i]));
        (void)putchar('\n');
    }
}

static enum tz_exit exit_of(const struct tz_verify_result *result)
{
    if (!result->ok)
        return TZ_EXIT_DAMAGE;
    for (size_t i = 0; i < result->store_count; i++) {
        if (!result->stores[i].reachable)
            return TZ_EXIT_WARNINGS;
    }
    return TZ_EXIT_OK;
}

static int print_result(const struct tz_context *context, const struct tz_verify_result *result,
                        bool heal, struct tz_error *err)
{
    if (context->json)
        return print_json(result, err);
    print_text(context, result);
    if (!result->ok)
        (void)puts(heal ? "some damage could not be healed"
                        : "damage was found: 'tozai verify --heal' repairs what another store has");
    return 0;
}

static int run(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_session) struct tz_session session = {0};
    TZ_SCOPED(tz_scoped_progress) struct tz_progress *progress = NULL;
    struct tz_verify_options wanted = {
        .level = level_of(context),
        .heal = tz_option_given(context, "heal"),
        .progress = show_progress,
    };
    const struct tz_repo_options opening = {
        .need_operator = wanted.level == TZ_VERIFY_CONTENT,
        .purpose = "verify content",
        .read_only = !wanted.heal,
    };
    struct tz_verify_result result = {0};

    if (read_sample(context, &wanted.sample_percent, err) ||
        tz_session_open(&session, context, &opening, err) ||
        tz_store_option(context, session.config, "store", &wanted.store, err) ||
        tz_progress_new(&progress, context, err))
        return -1;
    wanted.repo = session.repo;
    wanted.progress_arg = progress;
    if (tz_verify(&wanted, &result, err))
        return -1;
    tz_clear_line(context);
    int code = print_result(context, &result, wanted.heal, err) ? -1 : (int)exit_of(&result);
    tz_verify_result_clear(&result);
    return code;
}

const struct tz_command tz_command_verify = {
    .name = "verify",
    .summary = "check what the stores hold, and heal it",
    .arguments = "",
    TZ_OPTIONS(options),
    .run = run,
};
