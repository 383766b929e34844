#include "watched_source.h"

#include <string.h>

struct tz_watch *tz_watch;

struct watched {
    struct tz_source *inner;
    struct tz_watch *watch;
};

struct watched_input {
    struct tz_input *inner;
    struct tz_watch *watch;
    bool chosen;
    uint64_t at;
};

int __real_tz_source_open(struct tz_source **ret, const struct tz_source_options *options,
                          struct tz_error *err) __attribute__((weak));
int __wrap_tz_source_open(struct tz_source **ret, const struct tz_source_options *options,
                          struct tz_error *err);

static void make_older(const struct tz_watch *watch, struct tz_entry *entry)
{
    entry->ctime_s -= watch->older_s;
}

static int input_read(void *state, void *data, size_t len, size_t *ret_len, uint64_t *ret_hole,
                      struct tz_error *err)
{
    struct watched_input *input = state;
    struct tz_watch *watch = input->watch;

    if (input->chosen && input->at >= watch->from) {
        if (watch->fault)
            return tz_fail_errno(err, watch->fault, "read at offset %ju", (uintmax_t)input->at);
        if (watch->happen)
            watch->happen(watch->arg);
    }
    if (tz_input_read(input->inner, data, len, ret_len, ret_hole, err))
        return -1;
    input->at += *ret_len + *ret_hole;
    watch->read_bytes += *ret_len;
    return 0;
}

static int input_skip(void *state, uint64_t len, struct tz_error *err)
{
    struct watched_input *input = state;

    input->at += len;
    return tz_input_skip(input->inner, len, err);
}

static int input_finish(void *state, struct tz_entry *entry, bool *ret_changed,
                        struct tz_error *err)
{
    struct watched_input *input = state;

    if (tz_input_finish(input->inner, entry, ret_changed, err))
        return -1;
    make_older(input->watch, entry);
    return 0;
}

static int input_rewind(void *state, struct tz_entry *entry, struct tz_error *err)
{
    struct watched_input *input = state;

    input->at = 0;
    input->watch->rewinds++;
    if (tz_input_rewind(input->inner, entry, err))
        return -1;
    make_older(input->watch, entry);
    return 0;
}

static void input_free(void *state)
{
    struct watched_input *input = state;

    tz_input_free(input->inner);
    free(input);
}

static const struct tz_input_driver input_driver = {
    .read = input_read,
    .skip = input_skip,
    .finish = input_finish,
    .rewind = input_rewind,
    .free = input_free,
};

static int watched_open(void **ret, const struct tz_source_options *options, struct tz_error *err)
{
    (void)ret;
    (void)options;
    return tz_fail(err, TZ_INVALID, "a watched source is not opened by its configuration");
}

static int watched_next(void *state, struct tz_entry *entry, bool *ret_done, struct tz_error *err)
{
    struct watched *watched = state;

    if (tz_source_next(watched->inner, entry, ret_done, err))
        return -1;
    if (!*ret_done)
        make_older(watched->watch, entry);
    return 0;
}

static int wrap_input(struct watched *watched, const struct tz_entry *entry,
                      struct tz_input **ret_input, struct tz_error *err)
{
    struct tz_watch *watch = watched->watch;
    struct watched_input *input = calloc(1, sizeof(*input));

    if (!input) {
        tz_input_free(TZ_TAKE(*ret_input));
        return tz_fail_nomem(err);
    }
    input->inner = TZ_TAKE(*ret_input);
    input->watch = watch;
    input->chosen = watch->path && strcmp(watch->path, entry->path) == 0;
    if (tz_input_new(ret_input, &input_driver, input, tz_input_hints(input->inner), err)) {
        input_free(input);
        return -1;
    }
    return 0;
}

static int watched_load(void *state, struct tz_entry *entry, struct tz_input **ret_input,
                        struct tz_error *err)
{
    struct watched *watched = state;
    bool is_file = entry->type == TZ_ENTRY_FILE;

    entry->ctime_s += watched->watch->older_s;
    int result = tz_source_load(watched->inner, entry, ret_input, err);
    make_older(watched->watch, entry);
    watched->watch->loads += is_file;
    return result || !*ret_input ? result : wrap_input(watched, entry, ret_input, err);
}

static int watched_finish(void *state, int64_t *ret_time_ns, char **ret_position,
                          struct tz_error *err)
{
    struct watched *watched = state;

    if (watched->watch->end_fault)
        return tz_fail(err, TZ_FAILED, "%s", watched->watch->end_fault);
    return tz_source_finish(watched->inner, ret_time_ns, ret_position, err);
}

static void watched_free(void *state)
{
    struct watched *watched = state;

    tz_source_free(watched->inner);
    free(watched);
}

static const struct tz_source_driver driver = {
    .type = TZ_SOURCE_DIRECTORY,
    .open = watched_open,
    .next = watched_next,
    .load = watched_load,
    .finish = watched_finish,
    .free = watched_free,
};

int __wrap_tz_source_open(struct tz_source **ret, const struct tz_source_options *options,
                          struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_source) struct tz_source *inner = NULL;

    if (__real_tz_source_open(&inner, options, err))
        return -1;
    if (!tz_watch) {
        *ret = TZ_TAKE(inner);
        return 0;
    }
    struct watched *watched = calloc(1, sizeof(*watched));
    if (!watched)
        return tz_fail_nomem(err);
    watched->inner = TZ_TAKE(inner);
    watched->watch = tz_watch;
    if (tz_source_new(ret, &driver, watched, err)) {
        watched_free(watched);
        return -1;
    }
    return 0;
}
