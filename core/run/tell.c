/*
 * What a run has to tell.
 */
#include "internal.h"

#include "tozai/core/notify.h"

#include <string.h>

#include "tozai/util/banned.h"

static struct tz_notifier make_notifier(const struct tz_run *run)
{
    return (struct tz_notifier){
        .config = run->config, .warn = run->options->warn, .warn_arg = run->options->arg};
}

void tz_run_tell_begin(const struct tz_run *run)
{
    const struct tz_notifier notifier = make_notifier(run);

    tz_notify_ping(&notifier, TZ_PING_START);
}

static bool was_healed(const struct tz_verify_result *verified)
{
    for (size_t i = 0; i < verified->store_count; i++)
        if (verified->stores[i].healed_count > 0)
            return true;
    return false;
}

static unsigned events_of(const struct tz_run_result *result)
{
    unsigned events = 0;

    if (result->outcome >= TZ_OUTCOME_FAILED)
        events |= TZ_EVENT_FAILURE;
    if (result->outcome == TZ_OUTCOME_DEGRADED)
        events |= TZ_EVENT_DEGRADED;
    if (result->outcome == TZ_OUTCOME_DAMAGE || result->sync.outcome == TZ_OUTCOME_DAMAGE ||
        result->verify.outcome == TZ_OUTCOME_DAMAGE || was_healed(&result->verified))
        events |= TZ_EVENT_DAMAGE;
    if (result->overdue > 0)
        events |= TZ_EVENT_OVERDUE;
    return events;
}

static int put_part(struct tz_buf *out, const char *name, const struct tz_run_part *part,
                    struct tz_error *err)
{
    if (part->outcome == TZ_OUTCOME_NONE)
        return 0;
    return tz_buf_printf(out, err, "%s: %s%s%s\n", name, tz_outcome_name(part->outcome),
                         part->why.message[0] ? ": " : "", part->why.message);
}

static int put_hints(struct tz_buf *out, const struct tz_run_result *result, struct tz_error *err)
{
    for (size_t i = 0; i < result->hook_count; i++) {
        const struct tz_run_hook *hook = &result->hooks[i];
        if (tz_buf_printf(out, err, "hook %s%s%s: %s\n%s\n", hook->name, hook->source ? " of " : "",
                          hook->source ? hook->source : "", hook->why.message,
                          hook->output ? hook->output : ""))
            return -1;
    }
    if (was_healed(&result->verified) &&
        tz_buf_printf(out, err, "damaged or missing objects were replaced by good copies\n"))
        return -1;
    if (result->overdue > 0 && tz_buf_printf(out, err, "%zu %s overdue\n", result->overdue,
                                             result->overdue == 1 ? "source is" : "sources are"))
        return -1;
    return result->why.hint[0] ? tz_buf_printf(out, err, "hint: %s\n", result->why.hint) : 0;
}

static int make_text(struct tz_buf *out, const struct tz_run *run, struct tz_error *err)
{
    const struct tz_run_result *result = run->result;

    if (tz_buf_printf(out, err, "tozai run: %s%s%s\n\n", tz_outcome_name(result->outcome),
                      result->why.message[0] ? ": " : "", result->why.message))
        return -1;
    for (size_t i = 0; i < result->source_count; i++)
        if (put_part(out, result->sources[i].name, &result->sources[i].part, err))
            return -1;
    if (put_part(out, "open", &result->open, err) || put_part(out, "prune", &result->prune, err) ||
        put_part(out, "sync", &result->sync, err) ||
        put_part(out, "verify", &result->verify, err) || put_hints(out, result, err))
        return -1;
    return tz_buf_printf(out, err, "\nconfiguration: %s\n", run->config->file);
}

/* What is the same from run to run as long as the same things are wrong. */
static int make_topic(struct tz_buf *out, const struct tz_run_result *result, unsigned events,
                      struct tz_error *err)
{
    if (tz_buf_printf(out, err, "%u %d %d %d %d %zu", events, (int)result->open.outcome,
                      (int)result->sync.outcome, (int)result->verify.outcome,
                      (int)result->prune.outcome, result->overdue))
        return -1;
    for (size_t i = 0; i < result->hook_count; i++)
        if (tz_buf_printf(out, err, " %s/%s", result->hooks[i].name,
                          result->hooks[i].source ? result->hooks[i].source : ""))
            return -1;
    for (size_t i = 0; i < result->source_count; i++)
        if (result->sources[i].part.outcome > TZ_OUTCOME_OK &&
            tz_buf_printf(out, err, " %s %d", result->sources[i].name,
                          (int)result->sources[i].part.outcome))
            return -1;
    return 0;
}

static int make_subject(struct tz_buf *out, const struct tz_run_result *result,
                        struct tz_error *err)
{
    const char *why = result->why.message[0]          ? result->why.message
                      : was_healed(&result->verified) ? "damage was found and healed"
                                                      : "a source is overdue";

    return tz_buf_printf(out, err, "tozai: %s: %.120s", tz_outcome_name(result->outcome), why);
}

void tz_run_tell_end(const struct tz_run *run)
{
    const struct tz_notifier notifier = make_notifier(run);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf subject = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf topic = {0};
    unsigned events = events_of(run->result);
    struct tz_error why = {0};

    tz_notify_ping(&notifier,
                   run->result->outcome >= TZ_OUTCOME_DAMAGE ? TZ_PING_FAILURE : TZ_PING_SUCCESS);
    tz_notify_again(&notifier);
    if (!events) {
        tz_notify_all_well(&notifier);
        return;
    }
    if (make_subject(&subject, run->result, &why) || make_text(&text, run, &why) ||
        make_topic(&topic, run->result, events, &why)) {
        tz_run_warn(run, "a notice is lost: %s", why.message);
        return;
    }
    const struct tz_notice notice = {.events = events,
                                     .subject = (const char *)subject.data,
                                     .text = (const char *)text.data,
                                     .topic = (const char *)topic.data};
    tz_notify(&notifier, &notice);
}
