#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "runs.h"

#include "tozai/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tozai/util/banned.h"

#define PIECE ((size_t)64 << 10) /* bytes that are written or read at once */
/* A record: type, length, bytes, NUL. */
#define RECORD_HEAD 3
#define RECORD_MAX  (RECORD_HEAD + (size_t)UINT16_MAX + 1)

struct tz_run {
    uint64_t at, end; /* of the file, not read yet */
    uint8_t *buffer;
    size_t buffer_at, buffer_len;
    struct tz_listed first; /* text NULL: not known yet */
};

int tz_name_compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, TZ_MIN(a_len, b_len));
    return order ? order : (a_len > b_len) - (a_len < b_len);
}

void tz_runs_clear(struct tz_runs *runs)
{
    for (size_t i = 0; i < runs->count; i++)
        free(runs->items[i].buffer);
    if (runs->count > 0)
        (void)close(runs->fd);
    free(runs->items);
    tz_buf_clear(&runs->out);
    tz_buf_clear(&runs->last);
    *runs = (struct tz_runs){0};
}

/* Without a name where the file system can do that, else with one for a moment. */
static int open_file(const char *scratch, int *ret_fd, struct tz_error *err)
{
    int fd = open(scratch, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
        TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(scratch, "names-XXXXXX");
        if (!path)
            return tz_fail_nomem(err);
        fd = mkostemp(path, O_CLOEXEC);
        if (fd >= 0)
            (void)unlink(path);
    }
    if (fd < 0)
        return tz_fail_errno(err, errno, "make a temporary file in '%s'", scratch);
    *ret_fd = fd;
    return 0;
}

int tz_runs_begin(struct tz_runs *runs, const char *scratch, struct tz_error *err)
{
    struct tz_run *items = realloc(runs->items, (runs->count + 1) * sizeof(*items));
    if (!items)
        return tz_fail_nomem(err);
    runs->items = items;
    if (runs->count == 0 && open_file(scratch, &runs->fd, err))
        return -1;
    items[runs->count++] = (struct tz_run){.at = runs->len, .end = runs->len};
    return 0;
}

static int flush(struct tz_runs *runs, struct tz_error *err)
{
    if (tz_pwrite_all(runs->fd, runs->out.data, runs->out.len, runs->len, err))
        return tz_while(err, "write names to a temporary file");
    runs->len += runs->out.len;
    tz_buf_reset(&runs->out);
    return 0;
}

int tz_runs_add(struct tz_runs *runs, const struct tz_listed *name, struct tz_error *err)
{
    uint8_t head[RECORD_HEAD] = {name->type, (uint8_t)name->len, (uint8_t)(name->len >> 8)};

    if (tz_buf_append(&runs->out, head, sizeof(head), err) ||
        tz_buf_append(&runs->out, name->text, name->len + 1, err))
        return -1;
    return runs->out.len >= PIECE ? flush(runs, err) : 0;
}

int tz_runs_end(struct tz_runs *runs, struct tz_error *err)
{
    if (flush(runs, err))
        return -1;
    runs->items[runs->count - 1].end = runs->len;
    return 0;
}

/* Have at least need bytes of the run in memory. */
static int fill(struct tz_runs *runs, struct tz_run *run, size_t need, struct tz_error *err)
{
    const size_t size = PIECE + RECORD_MAX; /* the longest record fits */
    size_t left = run->buffer_len - run->buffer_at, got = 0;

    if (left >= need)
        return 0;
    if (!run->buffer) {
        run->buffer = malloc(size);
        if (!run->buffer)
            return tz_fail_nomem(err);
    }
    memmove(run->buffer, run->buffer + run->buffer_at, left);
    run->buffer_at = 0;
    run->buffer_len = left;

    size_t want = (size_t)TZ_MIN((uint64_t)(size - left), run->end - run->at);
    if (tz_pread_full(runs->fd, run->buffer + left, want, run->at, &got, err))
        return tz_while(err, "read names from a temporary file");
    run->at += got;
    run->buffer_len += got;
    if (run->buffer_len < need)
        return tz_fail(err, TZ_IO, "a temporary file of names was cut off");
    return 0;
}

/* Make the run's first name known; text stays NULL at its end. */
static int peek(struct tz_runs *runs, struct tz_run *run, struct tz_error *err)
{
    if (run->first.text || (run->at == run->end && run->buffer_at == run->buffer_len))
        return 0;
    if (fill(runs, run, RECORD_HEAD, err))
        return -1;
    const uint8_t *head = run->buffer + run->buffer_at;
    size_t len = (size_t)head[1] | (size_t)head[2] << 8;
    if (fill(runs, run, RECORD_HEAD + len + 1, err))
        return -1;
    head = run->buffer + run->buffer_at;
    run->first = (struct tz_listed){
        .text = (const char *)head + RECORD_HEAD,
        .len = len,
        .type = head[0],
    };
    return 0;
}

/* Move past the name that the run stands at. */
static void step(struct tz_run *run)
{
    run->buffer_at += RECORD_HEAD + run->first.len + 1;
    run->first.text = NULL;
}

/* The run with the lowest name; NULL at the end of all. */
static int find_lowest(struct tz_runs *runs, struct tz_run **ret, struct tz_error *err)
{
    struct tz_run *lowest = NULL;

    for (size_t i = 0; i < runs->count; i++) {
        struct tz_run *run = &runs->items[i];
        if (peek(runs, run, err))
            return -1;
        if (!run->first.text)
            continue;
        if (!lowest || tz_name_compare(run->first.text, run->first.len, lowest->first.text,
                                       lowest->first.len) < 0)
            lowest = run;
    }
    *ret = lowest;
    return 0;
}

static bool is_last(const struct tz_runs *runs, const struct tz_listed *name)
{
    return runs->last.len == name->len && memcmp(runs->last.data, name->text, name->len) == 0;
}

int tz_runs_next(struct tz_runs *runs, struct tz_listed *ret, bool *ret_more, struct tz_error *err)
{
    do {
        if (runs->current) /* its name has been used by now */
            step(runs->current);
        if (find_lowest(runs, &runs->current, err))
            return -1;
        *ret_more = runs->current != NULL;
        if (!runs->current)
            return 0;
    } while (is_last(runs, &runs->current->first));

    *ret = runs->current->first;
    tz_buf_reset(&runs->last);
    return tz_buf_append(&runs->last, ret->text, ret->len, err);
}
