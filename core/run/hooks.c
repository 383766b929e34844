#include "hook.h"
#include "internal.h"

#include "tozai/util/hex.h"
#include "tozai/util/time.h"

#include <string.h>

#include "tozai/util/banned.h"

#define LIMIT_NS  (600 * TZ_SECOND_NS)
#define VARIABLES 8

/* Variables of one hook, each to be freed. */
struct variables {
    char *items[VARIABLES + 1];
    size_t count;
};

static void clear_variables(struct variables *variables)
{
    for (size_t i = 0; i < variables->count; i++)
        free(variables->items[i]);
}

static int add(struct variables *variables, const char *name, const char *value,
               struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};

    if (tz_buf_printf(&text, err, "%s=%s", name, value))
        return -1;
    variables->items[variables->count++] = (char *)TZ_TAKE(text.data);
    return 0;
}

/* The generation that was made of a source, in hexadecimal; "" if there is none. */
static void find_generation(const struct tz_run *run, const struct tz_config_source *source,
                            char text[2 * TZ_HASH_SIZE + 1])
{
    static const uint8_t none[TZ_HASH_SIZE];

    text[0] = '\0';
    for (size_t i = 0; source && i < run->result->source_count; i++) {
        const struct tz_run_source *done = &run->result->sources[i];
        if (strcmp(done->name, source->name) == 0 && done->backup.head.source &&
            memcmp(done->backup.head.id, none, TZ_HASH_SIZE) != 0)
            tz_hex(text, done->backup.head.id, TZ_HASH_SIZE);
    }
}

static int make_variables(struct variables *variables, const struct tz_run *run, const char *name,
                          const struct tz_config_source *source, const struct tz_run_part *part,
                          struct tz_error *err)
{
    char generation[2 * TZ_HASH_SIZE + 1];

    find_generation(run, source, generation);
    return add(variables, "TOZAI_HOOK", name, err) ||
                   add(variables, "TOZAI_CONFIG", run->config->file, err) ||
                   add(variables, "TOZAI_SOURCE", source ? source->name : "", err) ||
                   add(variables, "TOZAI_RESULT", part ? tz_outcome_name(part->outcome) : "",
                       err) ||
                   add(variables, "TOZAI_MESSAGE", part ? part->why.message : "", err) ||
                   add(variables, "TOZAI_GENERATION", generation, err)
               ? -1
               : 0;
}

static int note_failure(struct tz_run *run, const char *name, const char *source,
                        const struct tz_error *why, const char *output)
{
    struct tz_run_result *result = run->result;
    struct tz_run_hook *hooks = realloc(result->hooks, (result->hook_count + 1) * sizeof(hooks[0]));

    tz_run_warn(run, "the hook '%s'%s%s failed: %s%s%s", name, source ? " of " : "",
                source ? source : "", why->message, output[0] ? "; it said: " : "", output);
    if (!hooks)
        return -1;
    result->hooks = hooks;
    hooks[result->hook_count++] =
        (struct tz_run_hook){.name = name, .source = source, .why = *why, .output = strdup(output)};
    return -1;
}

int tz_run_hook(struct tz_run *run, const char *name, const struct tz_config_source *source,
                const struct tz_run_part *part, bool clearing_up)
{
    const char *command =
        source ? tz_config_pair_value(source->more, source->more_count, NULL, name, 0)
               : tz_run_setting(run, "hooks", name);
    TZ_SCOPED(clear_variables) struct variables variables = {0};
    struct tz_hook_result output;
    struct tz_error why = {0};

    if (!command)
        return 0;
    tz_run_step(run, "hook %s%s%s", name, source ? " of " : "", source ? source->name : "");
    output.output[0] = '\0';
    if (make_variables(&variables, run, name, source, part, &why))
        return note_failure(run, name, source ? source->name : NULL, &why, "");
    const struct tz_hook hook = {
        .command = command,
        .variables = (const char *const *)variables.items,
        .limit_ns = tz_run_duration(run, "hooks", "timeout", LIMIT_NS),
        .uninterrupted = clearing_up,
    };
    if (tz_hook_run(&hook, &output, &why))
        return note_failure(run, name, source ? source->name : NULL, &why, output.output);
    return 0;
}
