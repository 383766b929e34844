#include "command.h"

#include <assert.h>
#include <string.h>

#include "tozai/util/banned.h"

/* A name that is in no table is a mistake in the command. */
static TZ_UNUSED bool is_known(const struct tz_command *command, const char *name)
{
    for (size_t i = 0; i < command->option_count; i++) {
        if (strcmp(command->options[i].name, name) == 0)
            return true;
    }
    return false;
}

/* Option number index of this name, or NULL. */
static const struct tz_given_option *find_given(const struct tz_context *context, const char *name,
                                                size_t index)
{
    assert(is_known(context->command, name));
    for (size_t i = 0; i < context->option_count; i++) {
        if (strcmp(context->options[i].option->name, name) == 0 && index-- == 0)
            return &context->options[i];
    }
    return NULL;
}

bool tz_option_given(const struct tz_context *context, const char *name)
{
    return find_given(context, name, 0) != NULL;
}

const char *tz_option_value(const struct tz_context *context, const char *name)
{
    const char *value = NULL;
    const char *next;

    for (size_t i = 0; (next = tz_option_nth(context, name, i)); i++)
        value = next;
    return value;
}

const char *tz_option_nth(const struct tz_context *context, const char *name, size_t index)
{
    const struct tz_given_option *given = find_given(context, name, index);

    return given ? given->value : NULL;
}

int tz_context_config(const struct tz_context *context, struct tz_config **ret,
                      struct tz_error *err)
{
    if (tz_config_read(ret, context->config_path, err) == 0)
        return 0;
    /* Whatever is wrong with it: without a configuration nothing was done. */
    if (err && err->kind != TZ_NOMEM)
        err->kind = TZ_INVALID;
    return -1;
}
