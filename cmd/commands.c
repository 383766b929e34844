#include "commands.h"

#include <string.h>

#include "tozai/util/banned.h"

extern const struct tz_command tz_command_init, tz_command_backup, tz_command_list, tz_command_ls,
    tz_command_cat, tz_command_find_entries, tz_command_diff, tz_command_restore, tz_command_export,
    tz_command_import, tz_command_verify, tz_command_sync, tz_command_prune, tz_command_store,
    tz_command_status, tz_command_run, tz_command_key, tz_command_catalog, tz_command_hold,
    tz_command_doctor, tz_command_completion, tz_command_help, tz_command_version,
    tz_command_manual;

/* In the order of the help. */
const struct tz_command *const tz_commands[] = {
    &tz_command_init,       &tz_command_backup,       &tz_command_list,    &tz_command_ls,
    &tz_command_cat,        &tz_command_find_entries, &tz_command_diff,    &tz_command_restore,
    &tz_command_export,     &tz_command_import,       &tz_command_verify,  &tz_command_sync,
    &tz_command_store,      &tz_command_prune,        &tz_command_hold,    &tz_command_status,
    &tz_command_run,        &tz_command_key,          &tz_command_catalog, &tz_command_doctor,
    &tz_command_completion, &tz_command_help,         &tz_command_version, &tz_command_manual,
};
const size_t tz_command_count = TZ_COUNT(tz_commands);

const struct tz_option tz_global_options[] = {
    {.name = "config",
     .letter = 'c',
     .metavar = "FILE",
     .complete = TZ_COMPLETE_FILE,
     .help = "read this configuration instead of $TOZAI_CONFIG or /etc/tozai/tozai.conf"},
    {.name = "json", .help = "print one JSON document; errors as JSON, too"},
    {.name = "quiet", .letter = 'q', .help = "print no progress and no warnings"},
    {.name = "verbose",
     .letter = 'v',
     .repeated = true,
     .help = "print progress even where there is no terminal; twice: debug messages"},
    {.name = "no-progress", .help = "print no progress"},
    {.name = "help", .letter = 'h', .help = "explain the command and exit"},
};
const size_t tz_global_option_count = TZ_COUNT(tz_global_options);

const struct tz_command *tz_command_find(const char *name)
{
    for (size_t i = 0; i < tz_command_count; i++) {
        if (strcmp(tz_commands[i]->name, name) == 0)
            return tz_commands[i];
    }
    return NULL;
}

int tz_command_unknown(const char *name, struct tz_error *err)
{
    const char *names[TZ_COUNT(tz_commands)];
    size_t count = 0;

    for (size_t i = 0; i < tz_command_count; i++) {
        if (!tz_commands[i]->hidden)
            names[count++] = tz_commands[i]->name;
    }
    const char *near = tz_nearest_word(name, names, count);
    (void)tz_fail(err, TZ_INVALID, "unknown command '%s'", name);
    return near ? tz_hint(err, "did you mean '%s'?", near)
                : tz_hint(err, "'tozai help' lists the commands");
}
