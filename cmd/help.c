#include "help.h"

#include "commands.h"

#include <string.h>

#include "tozai/util/banned.h"

#define COLUMNS 80

/* Print text in lines that begin at column indent; the cursor stands at column at. */
static void print_wrapped(FILE *out, const char *text, size_t indent, size_t at)
{
    bool first = true;

    while (*text) {
        size_t len = strcspn(text, " ");
        if (at > indent && at + 1 + len > COLUMNS) {
            (void)fputc('\n', out);
            at = 0;
        } else if (!first) {
            (void)fputc(' ', out);
            at++;
        }
        if (at < indent) {
            (void)fprintf(out, "%*s", (int)(indent - at), "");
            at = indent;
        }
        (void)fprintf(out, "%.*s", (int)len, text);
        at += len;
        text += len;
        text += strspn(text, " ");
        first = false;
    }
    (void)fputc('\n', out);
}

/* A word and what it means, side by side. */
static void print_entry(FILE *out, const char *word, const char *text, size_t indent)
{
    size_t len = strlen(word);

    (void)fprintf(out, "  %s", word);
    if (len + 4 > indent) {
        (void)fputc('\n', out);
        print_wrapped(out, text, indent, 0);
    } else {
        print_wrapped(out, text, indent, len + 2);
    }
}

/* "-c, --config FILE" */
static void describe_option(char *text, size_t size, const struct tz_option *option)
{
    char letter[8] = "    ";

    if (option->letter)
        (void)snprintf(letter, sizeof(letter), "-%c, ", option->letter);
    (void)snprintf(text, size, "%s--%s%s%s", letter, option->name, option->metavar ? " " : "",
                   option->metavar ? option->metavar : "");
}

static void print_option(FILE *out, const struct tz_option *option)
{
    char word[96];
    char text[512];

    describe_option(word, sizeof(word), option);
    (void)snprintf(text, sizeof(text), "%s%s", option->help,
                   option->repeated && option->metavar ? "; may be repeated" : "");
    print_entry(out, word, text, 30);
}

static void print_globals(FILE *out)
{
    (void)fputs("\nGlobal options:\n", out);
    for (size_t i = 0; i < tz_global_option_count; i++)
        print_option(out, &tz_global_options[i]);
}

void tz_help_overview(FILE *out)
{
    (void)fputs("tozai keeps encrypted, deduplicated backups in two places and proves that they\n"
                "can be restored.\n"
                "\n"
                "Usage: tozai [-c FILE] [--json] [-q] [-v] [--no-progress] COMMAND ...\n"
                "\n"
                "Commands:\n",
                out);
    for (size_t i = 0; i < tz_command_count; i++) {
        if (!tz_commands[i]->hidden)
            print_entry(out, tz_commands[i]->name, tz_commands[i]->summary, 15);
    }
    print_globals(out);
    (void)fputs("\n'tozai help COMMAND' explains a command, tozai(1) everything.\n", out);
}

static void print_usage(FILE *out, const struct tz_command *command)
{
    (void)fprintf(out, "Usage: tozai %s", command->name);
    if (command->verb_count > 0) {
        (void)fputs(" COMMAND ...\n", out);
        return;
    }
    if (command->option_count > 0)
        (void)fputs(" [OPTIONS]", out);
    for (size_t i = 0; i < command->option_count; i++) {
        const struct tz_option *option = &command->options[i];
        if (option->required)
            (void)fprintf(out, " --%s %s", option->name, option->metavar);
    }
    (void)fprintf(out, "%s%s\n", command->arguments[0] ? " " : "", command->arguments);
}

static void print_verbs(FILE *out, const struct tz_command *command)
{
    if (command->verb_count == 0)
        return;
    (void)fputs("\nCommands:\n", out);
    for (size_t i = 0; i < command->verb_count; i++) {
        const struct tz_verb *verb = &command->verbs[i];
        char word[96];
        (void)snprintf(word, sizeof(word), "%s%s%s", verb->name, verb->arguments[0] ? " " : "",
                       verb->arguments);
        print_entry(out, word, verb->summary, 20);
    }
}

void tz_help_command(FILE *out, const struct tz_command *command)
{
    print_usage(out, command);
    (void)fputc('\n', out);
    (void)fprintf(out, "%s: ", command->name);
    print_wrapped(out, command->summary, 0, strlen(command->name) + 2);
    print_verbs(out, command);
    if (command->option_count > 0)
        (void)fputs("\nOptions:\n", out);
    for (size_t i = 0; i < command->option_count; i++)
        print_option(out, &command->options[i]);
    print_globals(out);
    if (!command->hidden)
        (void)fprintf(out, "\nSee tozai-%s(1).\n", command->name);
}

static int run(struct tz_context *context, struct tz_error *err)
{
    if (context->argument_count == 0) {
        tz_help_overview(stdout);
        return TZ_EXIT_OK;
    }
    const struct tz_command *command = tz_command_find(context->arguments[0]);
    if (!command)
        return tz_command_unknown(context->arguments[0], err);
    tz_help_command(stdout, command);
    return TZ_EXIT_OK;
}

const struct tz_command tz_command_help = {
    .name = "help",
    .summary = "explain a command, or list them all",
    .arguments = "[COMMAND]",
    .max_arguments = 1,
    .complete = TZ_COMPLETE_COMMAND,
    .run = run,
};
