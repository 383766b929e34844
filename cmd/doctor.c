/* tozai doctor: looks for what will go wrong. */
#include "output.h"

#include "tozai/core/doctor.h"

#include <string.h>

#include "tozai/util/banned.h"

struct report {
    json_t *checks; /* NULL: text */
    bool warned, failed, no_memory;
};

static void print_text(const struct tz_finding *check)
{
    (void)printf("%-4s  ", tz_finding_state_name(check->state));
    tz_print_name(check->name, strlen(check->name));
    (void)fputs(": ", stdout);
    tz_print_name(check->detail, strlen(check->detail));
    (void)putchar('\n');
    if (!check->advice[0])
        return;
    (void)fputs("        ", stdout);
    tz_print_name(check->advice, strlen(check->advice));
    (void)putchar('\n');
}

/* {"conditional_put": "yes", ..., "region": "ap-northeast-1"} */
static json_t *make_probe(const struct tz_probe *probe)
{
    TZ_SCOPED(tz_scoped_json) json_t *object = json_object();

    for (enum tz_probe_part i = 0; object && i < TZ_PROBE_PARTS; i++)
        if (json_object_set_new(object, tz_probe_part_name(i),
                                json_string(tz_probe_answer_name(probe->parts[i]))))
            return NULL;
    json_t *region =
        probe->has_region ? tz_json_text(probe->region, strlen(probe->region)) : json_null();
    if (!object || json_object_set_new(object, "region", region))
        return NULL;
    return TZ_TAKE(object);
}

static json_t *make_json(const struct tz_finding *check)
{
    TZ_SCOPED(tz_scoped_json)
    json_t *object =
        json_pack("{s:o, s:s, s:o, s:o}", "name", tz_json_text(check->name, strlen(check->name)),
                  "state", tz_finding_state_name(check->state), "detail",
                  tz_json_text(check->detail, strlen(check->detail)), "advice",
                  tz_json_text(check->advice, strlen(check->advice)));

    if (!object || (check->probe && json_object_set_new(object, "probe", make_probe(check->probe))))
        return NULL;
    return TZ_TAKE(object);
}

static void show(void *arg, const struct tz_finding *check)
{
    struct report *report = arg;

    report->warned |= check->state == TZ_FINDING_WARN;
    report->failed |= check->state == TZ_FINDING_FAIL;
    if (!report->checks)
        print_text(check);
    else if (json_array_append_new(report->checks, make_json(check)))
        report->no_memory = true;
}

/* Without a configuration there is nothing else to look at, and that is the finding. */
static int examine(struct tz_context *context, struct report *report, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_config) struct tz_config *config = NULL;
    struct tz_error why = {0};

    if (tz_context_config(context, &config, &why)) {
        const struct tz_finding check = {.state = TZ_FINDING_FAIL,
                                         .name = "configuration",
                                         .detail = why.message,
                                         .advice = why.hint};
        show(report, &check);
        return 0;
    }
    const struct tz_doctor_options wanted = {
        .config = config,
        .found = show,
        .found_arg = report,
    };
    return tz_doctor(&wanted, err);
}

static int run(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_json) json_t *checks = context->json ? json_array() : NULL;
    struct report report = {.checks = checks};

    if (context->json && !checks)
        return tz_fail_nomem(err);
    if (examine(context, &report, err))
        return -1;
    if (report.no_memory)
        return tz_fail_nomem(err);
    if (context->json) {
        TZ_SCOPED(tz_scoped_json)
        json_t *document = json_pack("{s:O, s:b}", "checks", checks, "ok", !report.failed);
        if (tz_json_print(document, err))
            return -1;
    }
    return report.failed ? TZ_EXIT_FAILED : report.warned ? TZ_EXIT_WARNINGS : TZ_EXIT_OK;
}

const struct tz_command tz_command_doctor = {
    .name = "doctor",
    .summary = "check configuration, keys, stores and permissions",
    .arguments = "",
    .run = run,
};
