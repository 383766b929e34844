#include "internal.h"

#include <string.h>

#include "tozai/util/banned.h"

const char *tz_status_state_name(enum tz_status_state state)
{
    static const char *const names[] = {
        [TZ_STATUS_OK] = "ok",
        [TZ_STATUS_DEGRADED] = "degraded",
        [TZ_STATUS_OVERDUE] = "overdue",
        [TZ_STATUS_LEFT] = "left",
    };

    return (size_t)state < TZ_COUNT(names) ? names[state] : "unknown";
}

bool tz_status_store_ok(const struct tz_status_store *store)
{
    return store->reachable && store->held.behind_objects == 0 && store->held.damaged == 0;
}

static const char *location_of(const struct tz_config *config, const char *name)
{
    for (size_t i = 0; i < config->store_count; i++) {
        if (strcmp(config->stores[i].name, name) == 0)
            return config->stores[i].location ? config->stores[i].location : "";
    }
    return "";
}

static int read_stores(struct tz_status *status, struct tz_repo *repo, struct tz_error *err)
{
    struct tz_mirror *mirror = tz_repo_mirror(repo);
    size_t count = tz_mirror_count(mirror);

    status->stores = calloc(count + 1, sizeof(status->stores[0]));
    if (!status->stores)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < count; i++) {
        struct tz_status_store *store = &status->stores[status->store_count++];
        struct tz_error why = {0};

        store->name = tz_mirror_name(mirror, i);
        store->location = location_of(tz_repo_config(repo), store->name);
        store->reachable = !tz_mirror_error(mirror, i, &why);
        if (!store->reachable)
            (void)snprintf(store->why, sizeof(store->why), "%.255s", why.message);
        if (tz_catalog_summarize(tz_repo_catalog(repo), tz_repo_store(repo, i), status->now_ns,
                                 &store->held, err))
            return tz_while(err, "sum up the store '%s'", store->name);
        status->warn |= !tz_status_store_ok(store);
    }
    return 0;
}

static int judge_sources(struct tz_status *status, const struct tz_config *config,
                         struct tz_error *err)
{
    for (size_t i = 0; i < status->source_count; i++) {
        struct tz_status_source *source = &status->sources[i];

        if (tz_status_judge_source(source, config, status->now_ns, err))
            return tz_while(err, "source '%s'", source->name);
        status->warn |= source->state == TZ_STATUS_OVERDUE || source->state == TZ_STATUS_DEGRADED;
    }
    return 0;
}

int tz_status_collect(struct tz_repo *repo, int64_t now_ns, struct tz_status *ret,
                      struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_status)
    struct tz_status status = {.now_ns = now_ns, .offline = tz_repo_is_offline(repo)};

    if (tz_status_read_sources(&status, repo, err) ||
        judge_sources(&status, tz_repo_config(repo), err) || read_stores(&status, repo, err))
        return -1;
    *ret = status;
    status = (struct tz_status){0};
    return 0;
}

void tz_status_clear(struct tz_status *status)
{
    for (size_t i = 0; i < status->source_count; i++) {
        free(status->sources[i].name);
        free(status->sources[i].type);
        free(status->sources[i].points);
    }
    free(status->sources);
    free(status->stores);
    *status = (struct tz_status){0};
}
