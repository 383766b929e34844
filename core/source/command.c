/*
 * The output of a command as a source: one file, read once, from beginning to end.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "meta.h"
#include "process.h"

#include "tozai/core/source.h"
#include "tozai/util/time.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tozai/util/banned.h"

struct command {
    char *name;
    int64_t start_ns;
    bool given, loaded;
    struct tz_process *process; /* the input reads it; finish() only comes after that */
    struct tz_owners *owners;
};

static void command_free(void *state)
{
    struct command *command = state;

    if (!command)
        return;
    tz_process_free(command->process);
    tz_owners_free(command->owners);
    free(command->name);
    free(command);
}

TZ_DEFINE_SCOPED(struct command *, scoped_command, command_free)

/* The source's name as that of a file. */
static char *file_name(const char *name)
{
    char *copy = strdup(name);

    for (char *at = copy; at && *at; at++)
        if (*at == '/')
            *at = '_';
    if (copy && copy[0] && tz_path_valid(copy, strlen(copy)))
        return copy;
    free(copy);
    return strdup("output");
}

static int command_open(void **ret, const struct tz_source_options *options, struct tz_error *err)
{
    const struct tz_config_source *config = options->config;
    TZ_SCOPED(scoped_command) struct command *command = calloc(1, sizeof(*command));
    if (!command)
        return tz_fail_nomem(err);

    if (!config->command || !config->command[0])
        return tz_fail(err, TZ_INVALID, "no command is configured");
    command->name = file_name(config->name);
    if (!command->name)
        return tz_fail_nomem(err);
    if (tz_owners_new(&command->owners, err))
        return -1;
    command->start_ns = tz_now();
    if (tz_process_start(&command->process, config->command, err))
        return -1;
    *ret = TZ_TAKE(command);
    return 0;
}

static int command_next(void *state, struct tz_entry *entry, bool *ret_done, struct tz_error *err)
{
    struct command *command = state;

    *ret_done = command->given;
    if (command->given)
        return 0;
    if (tz_entry_set_path(entry, command->name, strlen(command->name), err))
        return -1;
    entry->type = TZ_ENTRY_FILE;
    entry->mode = 0600;
    entry->uid = geteuid();
    entry->gid = getegid();
    entry->mtime_s = entry->ctime_s = command->start_ns / TZ_SECOND_NS;
    entry->mtime_ns = entry->ctime_ns = (uint32_t)(command->start_ns % TZ_SECOND_NS);
    command->given = true;
    return 0;
}

static int output_read(void *state, void *data, size_t len, size_t *ret_len, uint64_t *ret_hole,
                       struct tz_error *err)
{
    *ret_hole = 0;
    return tz_process_read(state, data, len, ret_len, err);
}

static int output_skip(void *state, uint64_t len, struct tz_error *err)
{
    (void)state;
    (void)len;
    return tz_fail(err, TZ_UNSUPPORTED, "the output of a command cannot be skipped");
}

static int output_finish(void *state, struct tz_entry *entry, bool *ret_changed,
                         struct tz_error *err)
{
    (void)state;
    (void)entry;
    (void)err;
    *ret_changed = false;
    return 0;
}

static int output_rewind(void *state, struct tz_entry *entry, struct tz_error *err)
{
    (void)state;
    (void)entry;
    return tz_fail(err, TZ_UNSUPPORTED, "the output of a command cannot be read again");
}

static void output_free(void *state)
{
    (void)state; /* the process is the source's */
}

static const struct tz_input_driver output_driver = {
    .read = output_read,
    .skip = output_skip,
    .finish = output_finish,
    .rewind = output_rewind,
    .free = output_free,
};

static int command_load(void *state, struct tz_entry *entry, struct tz_input **ret_input,
                        struct tz_error *err)
{
    static const struct tz_input_hints hints = {.sequential = true};
    struct command *command = state;

    if (command->loaded)
        return tz_fail(err, TZ_FAILED, "the output of a command can be read only once");
    if (tz_owners_fill(command->owners, entry, err))
        return -1;
    if (tz_input_new(ret_input, &output_driver, command->process, &hints, err))
        return -1;
    command->loaded = true;
    return 0;
}

static int command_finish(void *state, int64_t *ret_time_ns, char **ret_position,
                          struct tz_error *err)
{
    struct command *command = state;

    if (tz_process_wait(command->process, err))
        return -1;
    char *position = strdup("");
    if (!position)
        return tz_fail_nomem(err);
    *ret_time_ns = command->start_ns;
    *ret_position = position;
    return 0;
}

const struct tz_source_driver tz_source_driver_command = {
    .type = TZ_SOURCE_COMMAND,
    .open = command_open,
    .next = command_next,
    .load = command_load,
    .finish = command_finish,
    .free = command_free,
};
