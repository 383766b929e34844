#include "completion.h"

#include "commands.h"

#include "tozai/util/banned.h"

/* What means something inside of an _arguments specification. */
#define SPECIAL ":[]\\"

static const char head_text[] =
    "#compdef tozai\n"
    "# Completions of tozai for zsh, printed by 'tozai completion zsh'.\n"
    "\n"
    "# The names of the [$1 NAME] sections in the configuration.\n"
    "_tozai_names() {\n"
    "    local file=${TOZAI_CONFIG:-/etc/tozai/tozai.conf} i\n"
    "    local -a names\n"
    "    for ((i = 2; i < $#tozai_words; i++)); do\n"
    "        case $tozai_words[i] in\n"
    "        -c|--config) file=${(Q)tozai_words[i + 1]} ;;\n"
    "        esac\n"
    "    done\n"
    "    names=(${(f)\"$(sed -n \"s/^[[:blank:]]*\\[[[:blank:]]*$1[[:blank:]]\\{1,\\}"
    "\\([^][:blank:]]*\\)[[:blank:]]*\\].*/\\1/p\" \\\n"
    "        $~file 2>/dev/null)\"})\n"
    "    compadd -a names\n"
    "}\n"
    "\n"
    "_tozai_commands() {\n"
    "    local -a commands\n"
    "    commands=(\n";

/* A blank in front: called as it stands, without options of compadd. */
static const char *action_of(enum tz_complete complete)
{
    switch (complete) {
    case TZ_COMPLETE_FILE:
        return "_files";
    case TZ_COMPLETE_DIRECTORY:
        return "_files -/";
    case TZ_COMPLETE_SOURCE:
        return " _tozai_names source";
    case TZ_COMPLETE_STORE:
        return " _tozai_names store";
    case TZ_COMPLETE_COMMAND:
        return "_tozai_commands";
    case TZ_COMPLETE_NOTHING:
        break;
    }
    return "";
}

/* '--name[help]:METAVAR:action' */
static void print_option(FILE *out, const struct tz_option *option)
{
    (void)fputs("        '", out);
    if (option->repeated)
        (void)fputc('*', out);
    else if (option->letter)
        (void)fprintf(out, "(-%c --%s)", option->letter, option->name);
    if (option->letter)
        (void)fprintf(out, "'{-%c,--%s}'[", option->letter, option->name);
    else
        (void)fprintf(out, "--%s[", option->name);
    tz_completion_escaped(out, option->help, SPECIAL);
    (void)fputc(']', out);
    if (option->words) {
        (void)fprintf(out, ":%s:(", option->metavar);
        tz_completion_words(out, option->words);
        (void)fputc(')', out);
    } else if (option->metavar) {
        (void)fprintf(out, ":%s:%s", option->metavar, action_of(option->complete));
    }
    (void)fputs("'\n", out);
}

static void print_verbs(FILE *out, const struct tz_command *command)
{
    (void)fputs("        '1:command:(", out);
    for (size_t i = 0; i < command->verb_count; i++)
        (void)fprintf(out, "%s%s", i == 0 ? "" : " ", command->verbs[i].name);
    (void)fprintf(out, ")' '2:argument:%s'\n", action_of(command->complete));
}

static void print_arguments(FILE *out, const struct tz_command *command)
{
    if (command->verb_count > 0) {
        print_verbs(out, command);
        return;
    }
    if (command->max_arguments > 0)
        (void)fprintf(out, "        '1:argument:%s'\n", action_of(command->complete));
    if (command->max_arguments > 1)
        (void)fprintf(out, "        '%s:argument:%s'\n",
                      command->max_arguments == TZ_MANY ? "*" : "2",
                      action_of(command->complete_rest));
}

static void print_command(FILE *out, const struct tz_command *command)
{
    (void)fprintf(out,
                  "    %s)\n"
                  "        specs+=(\n",
                  command->name);
    for (size_t i = 0; i < command->option_count; i++)
        print_option(out, &command->options[i]);
    print_arguments(out, command);
    (void)fputs("        )\n"
                "        ;;\n",
                out);
}

void tz_completion_zsh(FILE *out)
{
    (void)fputs(head_text, out);
    for (size_t i = 0; i < tz_command_count; i++) {
        if (tz_commands[i]->hidden)
            continue;
        (void)fprintf(out, "        '%s:", tz_commands[i]->name);
        tz_completion_escaped(out, tz_commands[i]->summary, ":\\");
        (void)fputs("'\n", out);
    }
    (void)fputs("    )\n"
                "    _describe -t commands command commands\n"
                "}\n"
                "\n"
                "_tozai() {\n"
                "    local context state line\n"
                "    local -a specs tozai_words=($words)\n"
                "    typeset -A opt_args\n"
                "    specs=(\n",
                out);
    for (size_t i = 0; i < tz_global_option_count; i++)
        print_option(out, &tz_global_options[i]);
    (void)fputs("    )\n"
                "    _arguments -C -S $specs '1:command:_tozai_commands' '*::argument:->rest' "
                "&& return\n"
                "    [[ $state == rest ]] || return\n"
                "    case $line[1] in\n",
                out);
    for (size_t i = 0; i < tz_command_count; i++) {
        if (!tz_commands[i]->hidden)
            print_command(out, tz_commands[i]);
    }
    (void)fputs("    *) return 1 ;;\n"
                "    esac\n"
                "    _arguments -S $specs\n"
                "}\n"
                "\n"
                "# As a file in $fpath it is the function's body; sourced, it is registered.\n"
                "if [[ $funcstack[1] == _tozai ]]; then\n"
                "    _tozai \"$@\"\n"
                "else\n"
                "    compdef _tozai tozai\n"
                "fi\n",
                out);
}
