/* tozai hold: a generation stays until it is released. */
#include "common.h"

#include "tozai/core/lock.h"
#include "tozai/util/hex.h"
#include "tozai/util/time.h"

#include <string.h>

#include "tozai/util/banned.h"

#define SHORT_ID 12

static const struct tz_option options[] = {
    {.name = "release", .help = "end the hold: the retention policy decides again"},
};

/* {"east":"held","west":"cannot"} */
static json_t *make_stores(const struct tz_session *session, bool held, uint32_t stores)
{
    struct tz_mirror *mirror = tz_repo_mirror(session->repo);
    TZ_SCOPED(tz_scoped_json) json_t *object = json_object();

    for (size_t i = 0; object && i < tz_mirror_count(mirror); i++) {
        const char *state = !(stores & UINT32_C(1) << i) ? "cannot" : held ? "held" : "released";
        if (json_object_set_new(object, tz_mirror_name(mirror, i), json_string(state)))
            return NULL;
    }
    return object ? TZ_TAKE(object) : NULL;
}

static int print_json(const struct tz_session *session, const struct tz_head *head, bool held,
                      uint32_t stores, struct tz_error *err)
{
    uint8_t origin[TZ_HASH_SIZE];

    tz_head_origin(head, origin);
    TZ_SCOPED(tz_scoped_json)
    json_t *document = json_pack(
        "{s:o, s:o, s:o, s:b, s:o}", "source", tz_json_text(head->source, strlen(head->source)),
        "id", tz_json_hex(origin, TZ_HASH_SIZE), "time", tz_json_time(head->time_ns), "held", held,
        "stores", make_stores(session, held, stores));

    return tz_json_print(document, err);
}

static int print_text(const struct tz_session *session, const struct tz_head *head, bool held,
                      uint32_t stores, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf names = {0};
    uint8_t origin[TZ_HASH_SIZE];
    char id[2 * TZ_HASH_SIZE + 1], time[TZ_TIME_TEXT];

    tz_head_origin(head, origin);
    tz_hex(id, origin, TZ_HASH_SIZE);
    tz_time_format_local(time, head->time_ns);
    if (tz_store_names(session, stores, true, &names, err))
        return -1;
    (void)printf("%s %s, %.*s of ", held ? "held" : "released", head->source, SHORT_ID, id);
    (void)printf("%s", time);
    if (names.len > 0)
        (void)printf("; by legal holds in %s", (const char *)names.data);
    (void)printf("\n");
    return 0;
}

static int run(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_session) struct tz_session session = {0};
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    const struct tz_repo_options opening = {.exclusive = true};
    bool held = !tz_option_given(context, "release");
    uint32_t stores = 0;

    if (tz_session_open(&session, context, &opening, err) ||
        tz_session_find(&session, context->arguments[0], &head, err) ||
        tz_lock_hold(session.repo, &head, held, &stores, err))
        return -1;
    int failed = context->json ? print_json(&session, &head, held, stores, err)
                               : print_text(&session, &head, held, stores, err);
    return failed ? -1 : TZ_EXIT_OK;
}

const struct tz_command tz_command_hold = {
    .name = "hold",
    .summary = "keep a generation until it is released",
    .arguments = "SOURCE[@POINT]",
    .min_arguments = 1,
    .max_arguments = 1,
    .complete = TZ_COMPLETE_SOURCE,
    TZ_OPTIONS(options),
    .run = run,
};
