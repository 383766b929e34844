#include "completion.h"

#include "commands.h"

#include <string.h>

#include "tozai/util/banned.h"

static const char head_text[] =
    "# Completions of tozai for bash, printed by 'tozai completion bash'.\n"
    "\n"
    "# The names of the [$1 NAME] sections in the configuration.\n"
    "_tozai_names()\n"
    "{\n"
    "    local file=${TOZAI_CONFIG:-/etc/tozai/tozai.conf} i\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        case ${COMP_WORDS[i]} in\n"
    "        -c | --config) file=${COMP_WORDS[i + 1]} ;;\n"
    "        esac\n"
    "    done\n"
    "    sed -n \"s/^[[:blank:]]*\\[[[:blank:]]*$1[[:blank:]]\\{1,\\}\\([^][:blank:]]*\\)"
    "[[:blank:]]*\\].*/\\1/p\" \\\n"
    "        \"$file\" 2>/dev/null\n"
    "}\n"
    "\n"
    "# Reply with words, or with what the kind stands for.\n"
    "_tozai_reply()\n"
    "{\n"
    "    case $1 in\n"
    "    words) mapfile -t COMPREPLY < <(compgen -W \"$2\" -- \"$cur\") ;;\n"
    "    file) mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") ;;\n"
    "    directory) mapfile -t COMPREPLY < <(compgen -d -- \"$cur\") ;;\n"
    "    source | store)\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$(_tozai_names \"$1\")\" -- \"$cur\")\n"
    "        ;;\n"
    "    esac\n"
    "    case $1 in\n"
    "    file | directory) compopt -o filenames 2>/dev/null ;;\n"
    "    esac\n"
    "}\n"
    "\n"
    "_tozai()\n"
    "{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    local command='' verb='' count=0 i\n"
    "    COMPREPLY=()\n"
    "    # \"--name=value\" comes as three words.\n"
    "    if [[ $cur == = ]]; then\n"
    "        cur=\n"
    "    elif [[ $prev == = ]]; then\n"
    "        prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "    fi\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        case ${COMP_WORDS[i]} in\n";

static const char *kind_of(enum tz_complete complete)
{
    switch (complete) {
    case TZ_COMPLETE_FILE:
        return "file";
    case TZ_COMPLETE_DIRECTORY:
        return "directory";
    case TZ_COMPLETE_SOURCE:
        return "source";
    case TZ_COMPLETE_STORE:
        return "store";
    case TZ_COMPLETE_COMMAND:
        return "words \"$commands\"";
    case TZ_COMPLETE_NOTHING:
        break;
    }
    return "nothing";
}

/* Is this the first option of its name in the table that takes a value? */
static bool is_first_of_name(size_t command, size_t option)
{
    const char *name = tz_commands[command]->options[option].name;

    for (size_t i = 0; i <= command; i++) {
        for (size_t j = 0; j < tz_commands[i]->option_count; j++) {
            const struct tz_option *other = &tz_commands[i]->options[j];
            if (other->metavar && strcmp(other->name, name) == 0)
                return i == command && j == option;
        }
    }
    return false;
}

/* The options that a value follows, as a pattern: their values are not arguments. */
static void print_value_pattern(FILE *out)
{
    (void)fputs("        -c | --config", out);
    for (size_t i = 0; i < tz_command_count; i++) {
        for (size_t j = 0; j < tz_commands[i]->option_count; j++) {
            if (is_first_of_name(i, j))
                (void)fprintf(out, " | --%s", tz_commands[i]->options[j].name);
        }
    }
    (void)fputs(")\n"
                "            [[ ${COMP_WORDS[i + 1]} == = ]] && ((i++))\n"
                "            ((i++))\n"
                "            ;;\n"
                "        -*) ;;\n"
                "        *)\n"
                "            if [[ -z $command ]]; then\n"
                "                command=${COMP_WORDS[i]}\n"
                "            else\n"
                "                ((count++ == 0)) && verb=${COMP_WORDS[i]}\n"
                "            fi\n"
                "            ;;\n"
                "        esac\n"
                "    done\n",
                out);
}

static void print_commands(FILE *out)
{
    bool first = true;

    (void)fputs("    local commands=\"", out);
    for (size_t i = 0; i < tz_command_count; i++) {
        if (tz_commands[i]->hidden)
            continue;
        (void)fprintf(out, "%s%s", first ? "" : " ", tz_commands[i]->name);
        first = false;
    }
    (void)fputs("\"\n", out);
}

static void print_value(FILE *out, const char *command, const struct tz_option *option)
{
    (void)fprintf(out, "    %s:--%s) ", command, option->name);
    if (option->words) {
        (void)fputs("_tozai_reply words \"", out);
        tz_completion_words(out, option->words);
        (void)fputs("\"; return ;;\n", out);
    } else {
        (void)fprintf(out, "_tozai_reply %s; return ;;\n", kind_of(option->complete));
    }
}

/* What may follow an option. */
static void print_values(FILE *out)
{
    (void)fputs("    case $command:$prev in\n"
                "    *:-c | *:--config) _tozai_reply file; return ;;\n",
                out);
    for (size_t i = 0; i < tz_command_count; i++) {
        const struct tz_command *command = tz_commands[i];
        for (size_t j = 0; j < command->option_count && !command->hidden; j++) {
            if (command->options[j].metavar)
                print_value(out, command->name, &command->options[j]);
        }
    }
    (void)fputs("    esac\n", out);
}

static void print_options(FILE *out)
{
    (void)fputs("    if [[ $cur == -* ]]; then\n"
                "        local options=\"",
                out);
    for (size_t i = 0; i < tz_global_option_count; i++)
        (void)fprintf(out, "%s--%s", i == 0 ? "" : " ", tz_global_options[i].name);
    (void)fputs("\"\n"
                "        case $command in\n",
                out);
    for (size_t i = 0; i < tz_command_count; i++) {
        const struct tz_command *command = tz_commands[i];
        if (command->hidden || command->option_count == 0)
            continue;
        (void)fprintf(out, "        %s) options+=\"", command->name);
        for (size_t j = 0; j < command->option_count; j++)
            (void)fprintf(out, " --%s", command->options[j].name);
        (void)fputs("\" ;;\n", out);
    }
    (void)fputs("        esac\n"
                "        _tozai_reply words \"$options\"\n"
                "        return\n"
                "    fi\n",
                out);
}

static void print_verbs(FILE *out, const struct tz_command *command)
{
    (void)fprintf(out, "    %s:0:*) _tozai_reply words \"", command->name);
    for (size_t i = 0; i < command->verb_count; i++)
        (void)fprintf(out, "%s%s", i == 0 ? "" : " ", command->verbs[i].name);
    (void)fputs("\" ;;\n", out);
    for (size_t i = 0; i < command->verb_count; i++) {
        if (command->verbs[i].max_arguments > 0 && command->complete != TZ_COMPLETE_NOTHING)
            (void)fprintf(out, "    %s:1:%s) _tozai_reply %s ;;\n", command->name,
                          command->verbs[i].name, kind_of(command->complete));
    }
}

static void print_arguments(FILE *out, const struct tz_command *command)
{
    if (command->verb_count > 0) {
        print_verbs(out, command);
        return;
    }
    if (command->complete != TZ_COMPLETE_NOTHING)
        (void)fprintf(out, "    %s:0:*) _tozai_reply %s ;;\n", command->name,
                      kind_of(command->complete));
    if (command->max_arguments > 1 && command->complete_rest != TZ_COMPLETE_NOTHING)
        (void)fprintf(out, "    %s:%s:*) _tozai_reply %s ;;\n", command->name,
                      command->max_arguments == TZ_MANY ? "*" : "1",
                      kind_of(command->complete_rest));
}

void tz_completion_bash(FILE *out)
{
    (void)fputs(head_text, out);
    print_value_pattern(out);
    print_commands(out);
    print_values(out);
    print_options(out);
    (void)fputs("    case $command:$count:$verb in\n"
                "    :*) _tozai_reply words \"$commands\" ;;\n",
                out);
    for (size_t i = 0; i < tz_command_count; i++) {
        if (!tz_commands[i]->hidden)
            print_arguments(out, tz_commands[i]);
    }
    (void)fputs("    esac\n"
                "}\n"
                "complete -F _tozai tozai\n",
                out);
}
