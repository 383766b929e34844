/*
 * Plans the retention of the lines of standard input, for the comparison with a model.
 *
 *   ZONE NOW FORCE LAST HOURLY DAILY WEEKLY MONTHLY YEARLY WITHIN WINDOW MINIMUM ITEM...
 *
 * Times and durations are nanoseconds.  An item is TIME:ID:FLAGS, with a number for an id and the
 * sum of 1 (complete), 2 (verified) and 4 (held).  The answer is a line with the reasons of each
 * item, in that order, or "refused".
 */
#include "tozai/core/retention.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define NUMBERS 11

static bool read_number(char **at, int64_t *ret)
{
    char *end;

    errno = 0;
    *ret = strtoll(*at, &end, 10);
    if (errno || end == *at)
        return false;
    *at = end;
    return true;
}

static bool read_policy(char **at, struct tz_retention_policy *policy, int64_t *now_ns, bool *force)
{
    size_t len = strcspn(*at, " ");
    int64_t n[NUMBERS];

    if (len >= sizeof(policy->zone))
        return false;
    memcpy(policy->zone, *at, len);
    *at += len;
    for (size_t i = 0; i < NUMBERS; i++) {
        if (!read_number(at, &n[i]))
            return false;
    }
    *now_ns = n[0];
    *force = n[1] != 0;
    policy->last = (unsigned)n[2];
    policy->hourly = (unsigned)n[3];
    policy->daily = (unsigned)n[4];
    policy->weekly = (unsigned)n[5];
    policy->monthly = (unsigned)n[6];
    policy->yearly = (unsigned)n[7];
    policy->within_ns = n[8];
    policy->window_ns = n[9];
    policy->minimum_generations = (unsigned)n[10];
    return true;
}

static bool read_item(char **at, struct tz_retention_item *item)
{
    int64_t id, flags;

    *item = (struct tz_retention_item){.reasons = ~0U};
    if (!read_number(at, &item->time_ns) || *(*at)++ != ':' || !read_number(at, &id) ||
        *(*at)++ != ':' || !read_number(at, &flags))
        return false;
    for (size_t i = 0; i < 8; i++)
        item->id[i] = (uint8_t)((uint64_t)id >> (56 - 8 * i));
    item->complete = flags & 1;
    item->verified = flags & 2;
    item->held = flags & 4;
    return true;
}

static int answer(char *line, struct tz_retention_item *items, size_t room, struct tz_error *err)
{
    struct tz_retention_policy policy = {0};
    char *at = line;
    size_t count = 0;
    int64_t now_ns;
    bool force;

    if (!read_policy(&at, &policy, &now_ns, &force))
        return tz_fail(err, TZ_INVALID, "cannot read a policy");
    while (*at == ' ') {
        if (count == room || !read_item(&at, &items[count++]))
            return tz_fail(err, TZ_INVALID, "cannot read an item");
    }
    if (tz_retention_plan(&policy, items, count, now_ns, force, err)) {
        if (!err->hint[0] || !strstr(err->message, "clock"))
            return -1;
        (void)printf("refused\n");
        return 0;
    }
    for (size_t i = 0; i < count; i++)
        (void)printf("%s%u", i > 0 ? " " : "", items[i].reasons);
    (void)putchar('\n');
    return 0;
}

int main(void)
{
    const size_t room = 100000;
    TZ_SCOPED(tz_scoped_free) char *line = NULL;
    TZ_SCOPED(tz_scoped_free) struct tz_retention_item *items = calloc(room, sizeof(items[0]));
    size_t size = 0;

    if (!items)
        return 1;
    for (ssize_t len; (len = getline(&line, &size, stdin)) > 0;) {
        struct tz_error err = {0};
        if (line[len - 1] == '\n')
            line[len - 1] = 0;
        if (answer(line, items, room, &err)) {
            (void)fprintf(stderr, "retention-lines: %s\n", err.message);
            return 1;
        }
    }
    return fflush(stdout) ? 1 : 0;
}
