#include "output.h"

#include "tozai/util/banned.h"

static int run(struct tz_context *context, struct tz_error *err)
{
    if (context->json) {
        TZ_SCOPED(tz_scoped_json) json_t *version = json_pack("{s:s}", "version", TOZAI_VERSION);
        return tz_json_print(version, err) ? -1 : TZ_EXIT_OK;
    }
    (void)puts("tozai " TOZAI_VERSION);
    return TZ_EXIT_OK;
}

const struct tz_command tz_command_version = {
    .name = "version",
    .summary = "print the version",
    .arguments = "",
    .run = run,
};
