#include "tozai/core/source.h"

#include <assert.h>
#include <stdlib.h>

#include "tozai/util/banned.h"

struct tz_source {
    const struct tz_source_driver *driver;
    void *state;
};

struct tz_input {
    const struct tz_input_driver *driver;
    void *state;
    struct tz_input_hints hints;
};

static const struct tz_source_driver *const drivers[] = {
    &tz_source_driver_directory,
    &tz_source_driver_sqlite,
    &tz_source_driver_image,
    &tz_source_driver_command,
};

static const struct tz_source_driver *find_driver(enum tz_source_type type)
{
    for (size_t i = 0; i < TZ_COUNT(drivers); i++)
        if (drivers[i]->type == type)
            return drivers[i];
    return NULL;
}

int tz_source_open(struct tz_source **ret, const struct tz_source_options *options,
                   struct tz_error *err)
{
    const struct tz_config_source *config = options->config;
    const struct tz_source_driver *driver = find_driver(config->type);

    if (!driver) {
        (void)tz_fail(err, TZ_UNSUPPORTED, "source '%s': type '%s' is not part of this program",
                      config->name, tz_source_type_name(config->type));
        return tz_hint(err, "a newer version may know it; until then a source of type 'command' "
                            "can run the server's own dump tool");
    }

    void *state = NULL;
    if (driver->open(&state, options, err))
        return tz_while(err, "source '%s'", config->name);
    if (tz_source_new(ret, driver, state, err)) {
        driver->free(state);
        return -1;
    }
    return 0;
}

int tz_source_new(struct tz_source **ret, const struct tz_source_driver *driver, void *state,
                  struct tz_error *err)
{
    struct tz_source *source = malloc(sizeof(*source));
    if (!source)
        return tz_fail_nomem(err);

    source->driver = driver;
    source->state = state;
    *ret = source;
    return 0;
}

void tz_source_free(struct tz_source *source)
{
    if (!source)
        return;
    source->driver->free(source->state);
    free(source);
}

int tz_source_next(struct tz_source *source, struct tz_entry *entry, bool *ret_done,
                   struct tz_error *err)
{
    return source->driver->next(source->state, entry, ret_done, err);
}

int tz_source_load(struct tz_source *source, struct tz_entry *entry, struct tz_input **ret_input,
                   struct tz_error *err)
{
    return source->driver->load(source->state, entry, ret_input, err);
}

int tz_source_finish(struct tz_source *source, int64_t *ret_time_ns, char **ret_position,
                     struct tz_error *err)
{
    return source->driver->finish(source->state, ret_time_ns, ret_position, err);
}

int tz_input_new(struct tz_input **ret, const struct tz_input_driver *driver, void *state,
                 const struct tz_input_hints *hints, struct tz_error *err)
{
    struct tz_input *input = malloc(sizeof(*input));
    if (!input)
        return tz_fail_nomem(err);

    input->driver = driver;
    input->state = state;
    input->hints = *hints;
    *ret = input;
    return 0;
}

void tz_input_free(struct tz_input *input)
{
    if (!input)
        return;
    input->driver->free(input->state);
    free(input);
}

const struct tz_input_hints *tz_input_hints(const struct tz_input *input)
{
    return &input->hints;
}

int tz_input_read(struct tz_input *input, void *data, size_t len, size_t *ret_len,
                  uint64_t *ret_hole, struct tz_error *err)
{
    assert(len > 0);
    return input->driver->read(input->state, data, len, ret_len, ret_hole, err);
}

int tz_input_skip(struct tz_input *input, uint64_t len, struct tz_error *err)
{
    assert(!input->hints.sequential);
    return input->driver->skip(input->state, len, err);
}

int tz_input_finish(struct tz_input *input, struct tz_entry *entry, bool *ret_changed,
                    struct tz_error *err)
{
    return input->driver->finish(input->state, entry, ret_changed, err);
}

int tz_input_rewind(struct tz_input *input, struct tz_entry *entry, struct tz_error *err)
{
    assert(!input->hints.sequential);
    return input->driver->rewind(input->state, entry, err);
}
