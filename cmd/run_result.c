#include "run_result.h"

#include "tozai/util/hex.h"
#include "tozai/util/time.h"

#include <inttypes.h>
#include <string.h>

#include "tozai/util/banned.h"

#define SHORT_ID 12

static bool was_made(const struct tz_run_source *source)
{
    return source->part.outcome == TZ_OUTCOME_OK || source->part.outcome == TZ_OUTCOME_DEGRADED;
}

static void print_generation(const struct tz_backup_result *backup)
{
    const struct tz_head *head = &backup->head;
    char id[2 * TZ_HASH_SIZE + 1], bytes[TZ_SIZE_TEXT], stored[TZ_SIZE_TEXT];

    tz_hex(id, head->id, TZ_HASH_SIZE);
    tz_size_format(bytes, head->bytes);
    tz_size_format(stored, head->stored_bytes);
    (void)printf(", %.*s, %" PRIu64 " %s, %s, %s stored", SHORT_ID, id, head->entries,
                 tz_plural(head->entries, "entry", "entries"), bytes, stored);
    if (backup->warnings_total > 0)
        (void)printf(", %" PRIu64 " %s", backup->warnings_total,
                     tz_plural(backup->warnings_total, "warning", "warnings"));
}

static void print_part(const char *name, const struct tz_run_part *part)
{
    tz_print_name(name, strlen(name));
    (void)printf(": %s", tz_outcome_name(part->outcome));
}

static void end_part(const struct tz_run_part *part)
{
    if (part->why.message[0])
        (void)printf(": %s", part->why.message);
    (void)putchar('\n');
}

static void print_sources(const struct tz_run_result *result)
{
    for (size_t i = 0; i < result->source_count; i++) {
        const struct tz_run_source *source = &result->sources[i];
        print_part(source->name, &source->part);
        if (was_made(source))
            print_generation(&source->backup);
        end_part(&source->part);
    }
}

static void print_others(const struct tz_run_result *result)
{
    char bytes[TZ_SIZE_TEXT];

    if (result->sync.outcome != TZ_OUTCOME_NONE) {
        tz_size_format(bytes, result->synced.bytes);
        print_part("sync", &result->sync);
        (void)printf(", %" PRIu64 " %s copied, %s", result->synced.objects,
                     tz_plural(result->synced.objects, "object", "objects"), bytes);
        end_part(&result->sync);
    }
    if (result->prune.outcome != TZ_OUTCOME_NONE) {
        tz_size_format(bytes, result->freed_bytes);
        print_part("prune", &result->prune);
        (void)printf(", %zu %s forgotten, %" PRIu64 " %s deleted, %s", result->forgotten,
                     tz_plural(result->forgotten, "generation", "generations"),
                     result->deleted_packs, tz_plural(result->deleted_packs, "pack", "packs"),
                     bytes);
        end_part(&result->prune);
    }
    if (result->verify.outcome != TZ_OUTCOME_NONE) {
        print_part("verify", &result->verify);
        (void)printf(", %.3g %% of each store", result->verified_percent);
        end_part(&result->verify);
    }
}

void tz_run_print(const struct tz_session *session, const struct tz_run_result *result)
{
    if (session->repo) {
        print_sources(result);
        print_others(result);
    }
    (void)printf("run: %s, %.1f s", tz_outcome_name(result->outcome),
                 (double)result->took_ns / (double)TZ_SECOND_NS);
    if (result->why.message[0])
        (void)printf(": %s", result->why.message);
    (void)putchar('\n');
    if (result->why.hint[0])
        (void)printf("  hint: %s\n", result->why.hint);
}

static json_t *make_message(const struct tz_error *why)
{
    return why->message[0] ? tz_json_text(why->message, strlen(why->message)) : json_null();
}

static double seconds(int64_t took_ns)
{
    return (double)took_ns / (double)TZ_SECOND_NS;
}

static json_t *make_part(const struct tz_run_part *part)
{
    return json_pack("{s:s, s:o, s:f}", "result", tz_outcome_name(part->outcome), "message",
                     make_message(&part->why), "seconds", seconds(part->took_ns));
}

static json_t *make_sources(const struct tz_session *session, const struct tz_run_result *result)
{
    TZ_SCOPED(tz_scoped_json) json_t *list = json_array();

    for (size_t i = 0; list && i < result->source_count; i++) {
        const struct tz_run_source *source = &result->sources[i];
        json_t *item = make_part(&source->part);
        if (json_array_append_new(list, item) ||
            json_object_set_new(item, "name", tz_json_text(source->name, strlen(source->name))) ||
            json_object_set_new(item, "generation",
                                was_made(source)
                                    ? tz_json_backup(session, &source->backup,
                                                     tz_state_text(session, source->backup.stores))
                                    : json_null()))
            return NULL;
    }
    return TZ_TAKE(list);
}

static json_t *make_sync(const struct tz_run_result *result)
{
    TZ_SCOPED(tz_scoped_json) json_t *item = make_part(&result->sync);

    if (!item ||
        json_object_set_new(item, "objects", json_integer((json_int_t)result->synced.objects)) ||
        json_object_set_new(item, "bytes", json_integer((json_int_t)result->synced.bytes)) ||
        json_object_set_new(item, "failed", json_integer((json_int_t)result->synced.failed)) ||
        json_object_set_new(item, "behind", json_integer((json_int_t)result->synced.behind)))
        return NULL;
    return TZ_TAKE(item);
}

static json_t *make_prune(const struct tz_run_result *result)
{
    TZ_SCOPED(tz_scoped_json) json_t *item = make_part(&result->prune);

    if (!item ||
        json_object_set_new(item, "forgotten", json_integer((json_int_t)result->forgotten)) ||
        json_object_set_new(item, "deleted_packs",
                            json_integer((json_int_t)result->deleted_packs)) ||
        json_object_set_new(item, "freed_bytes", json_integer((json_int_t)result->freed_bytes)))
        return NULL;
    return TZ_TAKE(item);
}

static json_t *make_verify(const struct tz_run_result *result)
{
    TZ_SCOPED(tz_scoped_json) json_t *item = make_part(&result->verify);
    json_int_t missing = 0, damaged = 0, healed = 0;

    for (size_t i = 0; i < result->verified.store_count; i++) {
        missing += (json_int_t)result->verified.stores[i].missing_count;
        damaged += (json_int_t)result->verified.stores[i].damaged_count;
        healed += (json_int_t)result->verified.stores[i].healed_count;
    }
    if (!item || json_object_set_new(item, "percent", json_real(result->verified_percent)) ||
        json_object_set_new(item, "missing", json_integer(missing)) ||
        json_object_set_new(item, "damaged", json_integer(damaged)) ||
        json_object_set_new(item, "healed", json_integer(healed)))
        return NULL;
    return TZ_TAKE(item);
}

/* Of the hooks that failed. */
static json_t *make_hooks(const struct tz_run_result *result)
{
    TZ_SCOPED(tz_scoped_json) json_t *list = json_array();

    for (size_t i = 0; list && i < result->hook_count; i++) {
        const struct tz_run_hook *hook = &result->hooks[i];
        const char *output = hook->output ? hook->output : "";
        if (json_array_append_new(
                list, json_pack("{s:s, s:o, s:o, s:o}", "name", hook->name, "source",
                                hook->source ? tz_json_text(hook->source, strlen(hook->source))
                                             : json_null(),
                                "message", make_message(&hook->why), "output",
                                tz_json_text(output, strlen(output)))))
            return NULL;
    }
    return TZ_TAKE(list);
}

json_t *tz_run_json(const struct tz_session *session, const struct tz_run_result *result)
{
    return json_pack("{s:s, s:o, s:s, s:o, s:f, s:o, s:o, s:o, s:o, s:o, s:I}", "result",
                     tz_outcome_name(result->outcome), "message", make_message(&result->why),
                     "hint", result->why.hint, "began", tz_json_time(result->began_ns), "seconds",
                     seconds(result->took_ns), "sources", make_sources(session, result), "prune",
                     make_prune(result), "sync", make_sync(result), "verify", make_verify(result),
                     "failed_hooks", make_hooks(result), "overdue", (json_int_t)result->overdue);
}
