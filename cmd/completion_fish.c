#include "completion.h"

#include "commands.h"

#include "tozai/util/banned.h"

static const char head_text[] =
    "# Completions of tozai for fish, printed by 'tozai completion fish'.\n"
    "\n"
    "# The names of the [$argv[1] NAME] sections in the configuration.\n"
    "function __tozai_names\n"
    "    set -l file /etc/tozai/tozai.conf\n"
    "    set -q TOZAI_CONFIG; and set file $TOZAI_CONFIG\n"
    "    set -l words (commandline -opc)\n"
    "    for i in (seq 2 (count $words))\n"
    "        if contains -- $words[$i] -c --config; and test $i -lt (count $words)\n"
    "            set file $words[(math $i + 1)]\n"
    "        end\n"
    "    end\n"
    "    sed -n \"s/^[[:blank:]]*\\[[[:blank:]]*$argv[1][[:blank:]]\\{1,\\}"
    "\\([^][:blank:]]*\\)[[:blank:]]*\\].*/\\1/p\" $file 2>/dev/null\n"
    "end\n"
    "\n"
    "complete -c tozai -f\n";

/* The part behind the condition that says what comes there. */
static const char *action_of(enum tz_complete complete)
{
    switch (complete) {
    case TZ_COMPLETE_FILE:
        return " -F";
    case TZ_COMPLETE_DIRECTORY:
        return " -a '(__fish_complete_directories)'";
    case TZ_COMPLETE_SOURCE:
        return " -a '(__tozai_names source)'";
    case TZ_COMPLETE_STORE:
        return " -a '(__tozai_names store)'";
    case TZ_COMPLETE_COMMAND:
    case TZ_COMPLETE_NOTHING:
        break;
    }
    return "";
}

static void print_description(FILE *out, const char *text)
{
    (void)fputs(" -d '", out);
    tz_completion_escaped(out, text, "\\");
    (void)fputs("'\n", out);
}

static void print_arguments(FILE *out, const struct tz_command *command, enum tz_complete complete)
{
    const char *action = action_of(complete);

    if (action[0])
        (void)fprintf(out, "complete -c tozai -n '__fish_seen_subcommand_from %s'%s\n",
                      command->name, action);
}

/* command NULL: a global option. */
static void print_option(FILE *out, const struct tz_command *command,
                         const struct tz_option *option)
{
    (void)fputs("complete -c tozai", out);
    if (command)
        (void)fprintf(out, " -n '__fish_seen_subcommand_from %s'", command->name);
    if (option->letter)
        (void)fprintf(out, " -s %c", option->letter);
    (void)fprintf(out, " -l %s", option->name);
    if (option->metavar)
        (void)fputs(option->complete == TZ_COMPLETE_FILE ? " -r" : " -x", out);
    if (option->words) {
        (void)fputs(" -a '", out);
        tz_completion_words(out, option->words);
        (void)fputc('\'', out);
    } else {
        (void)fputs(action_of(option->complete), out);
    }
    print_description(out, option->help);
}

static void print_verb(FILE *out, const struct tz_command *command, const struct tz_verb *verb)
{
    (void)fprintf(out,
                  "complete -c tozai -n '__fish_seen_subcommand_from %s; and not "
                  "__fish_seen_subcommand_from",
                  command->name);
    for (size_t i = 0; i < command->verb_count; i++)
        (void)fprintf(out, " %s", command->verbs[i].name);
    (void)fprintf(out, "' -a %s", verb->name);
    print_description(out, verb->summary);
}

static void print_command(FILE *out, const struct tz_command *command)
{
    (void)fprintf(out, "complete -c tozai -n __fish_use_subcommand -a %s", command->name);
    print_description(out, command->summary);
    for (size_t i = 0; i < command->option_count; i++)
        print_option(out, command, &command->options[i]);
    for (size_t i = 0; i < command->verb_count; i++)
        print_verb(out, command, &command->verbs[i]);

    /* Which argument it is fish does not say: offer what any of them may be. */
    print_arguments(out, command, command->complete);
    if (command->complete_rest != command->complete)
        print_arguments(out, command, command->complete_rest);
}

static void print_help_words(FILE *out)
{
    (void)fputs("complete -c tozai -n '__fish_seen_subcommand_from help' -a '", out);
    for (size_t i = 0; i < tz_command_count; i++) {
        if (!tz_commands[i]->hidden)
            (void)fprintf(out, "%s%s", i == 0 ? "" : " ", tz_commands[i]->name);
    }
    (void)fputs("'\n", out);
}

void tz_completion_fish(FILE *out)
{
    (void)fputs(head_text, out);
    for (size_t i = 0; i < tz_global_option_count; i++)
        print_option(out, NULL, &tz_global_options[i]);
    for (size_t i = 0; i < tz_command_count; i++) {
        if (!tz_commands[i]->hidden)
            print_command(out, tz_commands[i]);
    }
    print_help_words(out);
}
