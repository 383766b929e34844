/*
 * The configuration parser on any bytes.  What it accepts must keep its promises: two stores or
 * more unless one is enough, absolute paths, names that fit a table.
 */
#include "fuzz.h"

#include "core/config/parse.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    TZ_SCOPED(tz_scoped_config) struct tz_config *config = NULL;
    struct tz_error err = {0};

    if (tz_config_parse(&config, "fuzz", data, len, &err)) {
        check(!config && (err.kind == TZ_INVALID || err.kind == TZ_NOMEM));
        check(strncmp(err.message, "fuzz", 4) == 0 || err.kind == TZ_NOMEM);
        return 0;
    }
    check(config->state && config->state[0] == '/');
    check(config->store_count >= 2 || config->min_copies == 1);
    for (size_t i = 0; i < config->store_count; i++)
        check(config->stores[i].url && strlen(config->stores[i].name) <= 64);
    for (size_t i = 0; i < config->source_count; i++) {
        const struct tz_config_source *source = &config->sources[i];
        check(tz_config_find_source(config, source->name) == source);
        for (size_t j = 0; j < source->paths.count; j++)
            check(source->paths.items[j][0] == '/');
    }
    return 0;
}
