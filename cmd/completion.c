/* tozai completion: completions for shells. */
#include "completion.h"

#include <string.h>

#include "tozai/util/banned.h"

void tz_completion_escaped(FILE *out, const char *text, const char *special)
{
    for (; *text; text++) {
        if (*text == '\'')
            (void)fputs("'\\''", out);
        else
            (void)fprintf(out, "%s%c", strchr(special, *text) ? "\\" : "", *text);
    }
}

void tz_completion_words(FILE *out, const char *const *words)
{
    for (size_t i = 0; words[i]; i++)
        (void)fprintf(out, "%s%s", i == 0 ? "" : " ", words[i]);
}

static int run(struct tz_context *context, struct tz_error *err)
{
    static const struct {
        const char *name;
        void (*print)(FILE *out);
    } shells[] = {
        {"bash", tz_completion_bash}, {"zsh", tz_completion_zsh}, {"fish", tz_completion_fish}};

    for (size_t i = 0; i < TZ_COUNT(shells); i++) {
        if (strcmp(shells[i].name, context->verb->name) == 0) {
            shells[i].print(stdout);
            return TZ_EXIT_OK;
        }
    }
    return tz_fail(err, TZ_FAILED, "no completion for '%s'", context->verb->name);
}

static const struct tz_verb verbs[] = {
    {.name = "bash", .arguments = "", .summary = "for bash: source it, or install it"},
    {.name = "zsh", .arguments = "", .summary = "for zsh: a file _tozai in $fpath"},
    {.name = "fish", .arguments = "", .summary = "for fish: a file tozai.fish"},
};

const struct tz_command tz_command_completion = {
    .name = "completion",
    .summary = "print completions for a shell",
    .arguments = "bash|zsh|fish",
    TZ_VERBS(verbs),
    .run = run,
};
