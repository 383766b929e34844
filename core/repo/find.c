#include "internal.h"

#include "tozai/util/hex.h"
#include "tozai/util/time.h"

#include <string.h>

#define PREFIX_MIN  ((size_t)4)
#define HASH_DIGITS ((size_t)2 * TZ_HASH_SIZE)

int tz_repo_split_point(const char *text, char **ret_source, char **ret_point, struct tz_error *err)
{
    const char *at = strrchr(text, '@');
    size_t len = at ? (size_t)(at - text) : strlen(text);
    TZ_SCOPED(tz_scoped_free) char *source = strndup(text, len);
    TZ_SCOPED(tz_scoped_free) char *point = strdup(at ? at + 1 : "latest");

    if (!source || !point)
        return tz_fail_nomem(err);
    if (!*source || !*point)
        return tz_fail(err, TZ_INVALID, "'%s' is not SOURCE or SOURCE@POINT", text);
    *ret_source = TZ_TAKE(source);
    *ret_point = TZ_TAKE(point);
    return 0;
}

struct search {
    struct tz_repo *repo;
    bool guess;         /* not asking which store has it */
    const char *prefix; /* of an id, or NULL */
    int64_t time_ns;    /* newest at or before, or INT64_MAX */
    bool any_source;    /* the source has generations */
    unsigned found;
    uint8_t id[TZ_HASH_SIZE], origin[TZ_HASH_SIZE];
    int64_t best, after; /* times; after: the nearest younger one */
    bool has_after;
};

/* A generation counts when some usable store has it whole. */
static int is_there(struct tz_repo *repo, const struct tz_generation *generation, bool *ret,
                    struct tz_error *err)
{
    *ret = false;
    for (size_t i = 0; !*ret && i < tz_mirror_count(repo->mirror); i++) {
        enum tz_copy_state head = TZ_COPY_UNKNOWN, seal = TZ_COPY_UNKNOWN;

        if (!generation->seal_object)
            break;
        if (tz_catalog_get_copy(repo->catalog, generation->head_object, repo->store_ids[i], &head,
                                err) ||
            tz_catalog_get_copy(repo->catalog, generation->seal_object, repo->store_ids[i], &seal,
                                err))
            return -1;
        *ret = (head == TZ_COPY_PRESENT || head == TZ_COPY_DAMAGED) &&
               (seal == TZ_COPY_PRESENT || seal == TZ_COPY_DAMAGED);
    }
    return 0;
}

static int look(void *arg, const struct tz_generation *generation, struct tz_error *err)
{
    struct search *search = arg;
    char hex[TZ_HASH_TEXT];
    bool there = generation->seal_object != 0;

    if (!search->guess && is_there(search->repo, generation, &there, err))
        return -1;
    if (!there)
        return 0;
    search->any_source = true;
    if (search->prefix) {
        tz_hex(hex, generation->origin, TZ_HASH_SIZE);
        if (strncmp(hex, search->prefix, strlen(search->prefix)) != 0)
            return 0;
        /* Written anew, and the old one has not gone yet: that is the same generation. */
        if (search->found == 0 || memcmp(search->origin, generation->origin, TZ_HASH_SIZE) != 0)
            search->found++;
        memcpy(search->origin, generation->origin, TZ_HASH_SIZE);
    } else if (generation->time_ns > search->time_ns) {
        search->after = generation->time_ns;
        search->has_after = true;
        return 0;
    } else if (search->found > 0) {
        return 0; /* they come newest first */
    } else {
        search->found = 1;
    }
    search->best = generation->time_ns;
    memcpy(search->id, generation->id, TZ_HASH_SIZE);
    return 0;
}

static bool is_id_prefix(const char *point)
{
    size_t len = strlen(point);
    return len >= PREFIX_MIN && len <= HASH_DIGITS && strspn(point, "0123456789abcdef") == len;
}

static int not_found(const struct search *search, const char *source, const char *point,
                     struct tz_error *err)
{
    char text[TZ_TIME_TEXT];

    if (!search->any_source) {
        (void)tz_fail(err, TZ_NOT_FOUND, "source '%s' has no complete generation", source);
        return tz_hint(err, "'tozai list' shows what there is");
    }
    if (search->prefix)
        (void)tz_fail(err, TZ_NOT_FOUND, "source '%s' has no generation '%s'", source, point);
    else
        (void)tz_fail(err, TZ_NOT_FOUND, "source '%s' has no generation at or before '%s'", source,
                      point);
    if (!search->has_after)
        return tz_hint(err, "'tozai list %s' shows what there is", source);
    tz_time_format(text, search->after);
    return tz_hint(err, "the nearest one after it is of %s", text);
}

static int load(struct tz_repo *repo, const uint8_t id[TZ_HASH_SIZE], struct tz_head *ret,
                struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};

    if (tz_catalog_get_head(repo->catalog, id, &body, err) ||
        tz_head_read(ret, body.data, body.len, err))
        return -1;
    memcpy(ret->id, id, TZ_HASH_SIZE);
    return 0;
}

static int find(struct tz_repo *repo, bool guess, const char *source, const char *point,
                struct tz_head *ret, struct tz_error *err)
{
    struct search search = {.repo = repo, .guess = guess, .time_ns = INT64_MAX};

    if (is_id_prefix(point))
        search.prefix = point;
    else if (strcmp(point, "latest") != 0 && tz_time_parse(point, tz_now(), &search.time_ns, err)) {
        (void)tz_while(err, "point '%s'", point);
        if (err)
            err->kind = TZ_INVALID;
        return tz_hint(err, "a point is 'latest', a generation id, a time or an age like -3h");
    }
    if (tz_catalog_each_generation(repo->catalog, source, look, &search, err))
        return -1;
    if (search.found == 0)
        return not_found(&search, source, point, err);
    if (search.found > 1)
        return tz_fail(err, TZ_INVALID, "'%s' is the beginning of %u generations of '%s'", point,
                       search.found, source);
    return load(repo, search.id, ret, err);
}

int tz_repo_find(struct tz_repo *repo, const char *source, const char *point, struct tz_head *ret,
                 struct tz_error *err)
{
    return find(repo, false, source, point, ret, err);
}

int tz_repo_guess(struct tz_repo *repo, const char *text, struct tz_head *ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *source = NULL;
    TZ_SCOPED(tz_scoped_free) char *point = NULL;

    return tz_repo_split_point(text, &source, &point, err) ||
                   find(repo, true, source, point, ret, err)
               ? -1
               : 0;
}
