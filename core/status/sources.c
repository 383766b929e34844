#include "internal.h"

#include <string.h>

#include "tozai/util/banned.h"

struct reading {
    struct tz_status *status;
    struct tz_repo *repo;
    size_t room; /* of the points of the source that was read last */
    size_t source;
};

static int add_source(struct tz_status *status, const char *name, const char *type,
                      struct tz_error *err)
{
    size_t count = status->source_count;
    struct tz_status_source *sources = realloc(status->sources, (count + 1) * sizeof(sources[0]));

    if (!sources)
        return tz_fail_nomem(err);
    status->sources = sources;
    sources[count] = (struct tz_status_source){
        .name = strdup(name),
        .type = strdup(type),
    };
    status->source_count++;
    return sources[count].name && sources[count].type ? 0 : tz_fail_nomem(err);
}

static size_t find_source(const struct tz_status *status, const char *name)
{
    size_t i = 0;

    while (i < status->source_count && strcmp(status->sources[i].name, name) != 0)
        i++;
    return i;
}

/* Generations come ordered by source. */
static int enter_source(struct reading *reading, const struct tz_generation *generation,
                        struct tz_error *err)
{
    struct tz_status *status = reading->status;

    if (reading->source < status->source_count &&
        strcmp(status->sources[reading->source].name, generation->source) == 0)
        return 0;
    reading->source = find_source(status, generation->source);
    reading->room = 0;
    if (reading->source < status->source_count)
        return 0;
    if (add_source(status, generation->source, generation->type, err))
        return -1;
    status->sources[reading->source].state = TZ_STATUS_LEFT;
    return 0;
}

static int add_point(void *arg, const struct tz_generation *generation, struct tz_error *err)
{
    struct reading *reading = arg;

    if (enter_source(reading, generation, err))
        return -1;
    struct tz_status_source *source = &reading->status->sources[reading->source];
    if (source->point_count == reading->room) {
        size_t room = reading->room > 0 ? 2 * reading->room : 64;
        void *points = realloc(source->points, room * sizeof(source->points[0]));
        if (!points)
            return tz_fail_nomem(err);
        source->points = points;
        reading->room = room;
    }
    struct tz_status_point *point = &source->points[source->point_count++];
    *point = (struct tz_status_point){
        .time_ns = generation->time_ns,
        .verified_ns = generation->verified_ns,
        .drilled_ns = generation->drilled_ns,
        .entries = generation->entries,
        .bytes = generation->bytes,
        .new_bytes = generation->new_bytes,
        .stored_bytes = generation->stored_bytes,
        .warnings = generation->warnings,
        .sealed = generation->seal_object != 0,
    };
    memcpy(point->id, generation->id, TZ_HASH_SIZE);
    return 0;
}

static int find_stores(struct tz_status_point *point, struct tz_repo *repo, struct tz_error *err)
{
    const struct tz_config *config = tz_repo_config(repo);
    size_t wanted = config->min_copies > 0 ? config->min_copies : config->store_count;
    size_t copies = 0;

    for (size_t i = 0; i < tz_mirror_count(tz_repo_mirror(repo)); i++) {
        bool complete = false;
        if (tz_catalog_generation_complete(tz_repo_catalog(repo), point->id, tz_repo_store(repo, i),
                                           &complete, err))
            return -1;
        point->stores |= (uint32_t)complete << i;
        copies += complete;
    }
    point->complete = point->sealed && copies > 0;
    point->degraded = copies < wanted;
    return 0;
}

int tz_status_read_sources(struct tz_status *status, struct tz_repo *repo, struct tz_error *err)
{
    const struct tz_config *config = tz_repo_config(repo);
    struct reading reading = {.status = status, .repo = repo, .source = SIZE_MAX};

    for (size_t i = 0; i < config->source_count; i++) {
        const struct tz_config_source *source = &config->sources[i];
        if (add_source(status, source->name, tz_source_type_name(source->type), err))
            return -1;
    }
    if (tz_catalog_each_current(tz_repo_catalog(repo), NULL, add_point, &reading, err))
        return -1;
    for (size_t i = 0; i < status->source_count; i++) {
        struct tz_status_source *source = &status->sources[i];
        for (size_t k = 0; k < source->point_count; k++) {
            if (find_stores(&source->points[k], repo, err))
                return -1;
        }
    }
    return 0;
}
