#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "names.h"

#include "tozai/util/file.h"
#include "tozai/util/interrupt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tozai/util/banned.h"

#define LISTING_SIZE  ((size_t)64 << 10) /* bytes asked of the kernel at once */
#define RUN_READ_SIZE ((size_t)64 << 10) /* bytes of each run in memory while merging */
/* A record of a run: type, length, bytes, NUL. */
#define RECORD_HEAD 3

/* struct linux_dirent64, as the kernel fills it. */
#define DIRENT_RECLEN 16
#define DIRENT_TYPE   18
#define DIRENT_NAME   19

/* For sorting: the first eight bytes decide nearly always, without a look into the arena. */
struct tz_name_key {
    uint64_t head; /* of the name, as a big-endian number */
    uint32_t at;   /* in the arena */
    uint32_t len;
};

struct tz_name_run {
    uint64_t at, end; /* of the file, not read yet */
    uint8_t *buffer;
    size_t buffer_at, buffer_len;
    struct tz_listed first; /* text NULL: not known yet */
};

void tz_names_reader_clear(struct tz_names_reader *reader)
{
    free(reader->buffer);
    reader->buffer = NULL;
}

static void free_runs(struct tz_names *names)
{
    if (!names->runs)
        return;
    for (size_t i = 0; i < names->run_count; i++)
        free(names->runs[i].buffer);
    free(names->runs);
    (void)close(names->spill_fd);
    names->runs = NULL;
    names->run_count = 0;
}

void tz_names_clear(struct tz_names *names)
{
    free_runs(names);
    free(names->keys);
    tz_buf_clear(&names->arena);
    *names = (struct tz_names){0};
}

static uint64_t head_of(const char *name, size_t len)
{
    uint8_t bytes[8] = {0};
    uint64_t head = 0;

    memcpy(bytes, name, TZ_MIN(len, sizeof(bytes)));
    for (size_t i = 0; i < sizeof(bytes); i++)
        head = head << 8 | bytes[i];
    return head;
}

static int compare_names(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, TZ_MIN(a_len, b_len));
    return order ? order : (a_len > b_len) - (a_len < b_len);
}

static int compare_keys(const void *first, const void *second, void *arena)
{
    const struct tz_name_key *a = first, *b = second;
    const char *text = arena;

    if (a->head != b->head)
        return a->head < b->head ? -1 : 1;
    return compare_names(text + a->at, a->len, text + b->at, b->len);
}

static void sort(struct tz_names *names)
{
    if (names->count > 1)
        qsort_r(names->keys, names->count, sizeof(*names->keys), compare_keys, names->arena.data);
}

static int add(struct tz_names *names, const char *text, size_t len, uint8_t type,
               struct tz_error *err)
{
    if (names->count == names->cap) {
        size_t cap = names->cap ? names->cap * 2 : 16;
        struct tz_name_key *keys = realloc(names->keys, cap * sizeof(*keys));
        if (!keys)
            return tz_fail_nomem(err);
        names->keys = keys;
        names->cap = cap;
    }
    if (names->arena.len > UINT32_MAX - UINT16_MAX) /* only without a scratch directory */
        return tz_fail(err, TZ_NOMEM, "more names in a directory than fit into memory");
    if (tz_buf_append(&names->arena, &type, 1, err))
        return -1;
    names->keys[names->count++] = (struct tz_name_key){
        .head = head_of(text, len),
        .at = (uint32_t)names->arena.len,
        .len = (uint32_t)len,
    };
    return tz_buf_append(&names->arena, text, len + 1, err);
}

/* The files whose presence changes how a directory is walked. */
static void note_special(struct tz_names *names, const char *text, size_t len)
{
    if (len == strlen(".tozaiignore") && memcmp(text, ".tozaiignore", len) == 0)
        names->has_ignore = true;
    else if (len == strlen("CACHEDIR.TAG") && memcmp(text, "CACHEDIR.TAG", len) == 0)
        names->has_cache_tag = true;
}

/* Without a name where the file system can do that, else with one for a moment. */
int tz_scratch_open(const char *scratch, int *ret_fd, struct tz_error *err)
{
    int fd = open(scratch, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
        TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(scratch, ".scratch-XXXXXX");
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

static int append_run(struct tz_names *names, uint64_t at, uint64_t end, struct tz_error *err)
{
    struct tz_name_run *runs = realloc(names->runs, (names->run_count + 1) * sizeof(*runs));
    if (!runs)
        return tz_fail_nomem(err);
    runs[names->run_count++] = (struct tz_name_run){.at = at, .end = end};
    names->runs = runs;
    return 0;
}

static int write_records(struct tz_names *names, struct tz_buf *out, struct tz_error *err)
{
    for (size_t i = 0; i < names->count; i++) {
        const struct tz_name_key *key = &names->keys[i];
        const uint8_t *name = names->arena.data + key->at;
        uint8_t head[RECORD_HEAD] = {name[-1], (uint8_t)key->len, (uint8_t)(key->len >> 8)};

        if (tz_buf_append(out, head, sizeof(head), err) ||
            tz_buf_append(out, name, key->len + 1, err))
            return -1;
        if (out->len < RUN_READ_SIZE && i + 1 < names->count)
            continue;
        if (tz_pwrite_all(names->spill_fd, out->data, out->len, names->spill_len, err))
            return -1;
        names->spill_len += out->len;
        tz_buf_reset(out);
    }
    return 0;
}

/* Move what is in memory to the temporary file, as one sorted run. */
static int spill(struct tz_names *names, const char *scratch, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    uint64_t start = names->spill_len;

    if (!names->runs && tz_scratch_open(scratch, &names->spill_fd, err))
        return -1;
    if (append_run(names, start, start, err)) {
        if (!names->runs)
            (void)close(names->spill_fd);
        return -1;
    }
    sort(names);
    if (write_records(names, &out, err))
        return -1;
    names->runs[names->run_count - 1].end = names->spill_len;
    names->count = 0;
    tz_buf_reset(&names->arena);
    return 0;
}

static bool is_full(const struct tz_names *names, const struct tz_names_reader *reader)
{
    size_t used = names->arena.len + names->count * sizeof(*names->keys);
    return reader->scratch && used >= reader->memory;
}

/* Take the names out of what getdents64 gave. */
static int take_listing(struct tz_names *names, const uint8_t *listing, size_t len,
                        struct tz_error *err)
{
    for (size_t at = 0; at < len;) {
        const char *name = (const char *)listing + at + DIRENT_NAME;
        uint16_t size;
        memcpy(&size, listing + at + DIRENT_RECLEN, sizeof(size));
        uint8_t type = listing[at + DIRENT_TYPE];
        at += size;

        size_t name_len = strlen(name);
        if (name[0] == '.' && (name_len == 1 || (name_len == 2 && name[1] == '.')))
            continue;
        /* A broken file system may give anything; such a name could lead elsewhere. */
        if (name_len == 0 || name_len > UINT16_MAX || memchr(name, '/', name_len))
            continue;
        note_special(names, name, name_len);
        if (add(names, name, name_len, type, err))
            return -1;
    }
    return 0;
}

static int read_all(struct tz_names *names, struct tz_names_reader *reader, int fd,
                    struct tz_error *err)
{
    for (;;) {
        long len = syscall(SYS_getdents64, fd, reader->buffer, LISTING_SIZE);
        if (len < 0 && errno == EINTR)
            continue;
        /* Removed since it was opened: nothing is in it. */
        if (len == 0 || (len < 0 && errno == ENOENT))
            break;
        if (len < 0)
            return tz_fail_errno(err, errno, "list directory");
        if (take_listing(names, reader->buffer, (size_t)len, err) || tz_interrupt_check(err))
            return -1;
        if (is_full(names, reader) && spill(names, reader->scratch, err))
            return -1;
    }
    if (names->runs && names->count > 0)
        return spill(names, reader->scratch, err);
    sort(names);
    return 0;
}

int tz_names_read(struct tz_names *names, struct tz_names_reader *reader, int fd,
                  struct tz_error *err)
{
    if (!reader->buffer) {
        reader->buffer = malloc(LISTING_SIZE);
        if (!reader->buffer)
            return tz_fail_nomem(err);
    }
    if (read_all(names, reader, fd, err)) {
        tz_names_clear(names);
        return -1;
    }
    if (names->runs) { /* the merge needs neither */
        tz_buf_clear(&names->arena);
        free(names->keys);
        names->keys = NULL;
        names->cap = 0;
    }
    return 0;
}

int tz_names_only(struct tz_names *names, const char *text, uint8_t type, struct tz_error *err)
{
    tz_names_clear(names);
    return add(names, text, strlen(text), type, err);
}

/* Have at least need bytes of the run in memory. */
static int fill_run(struct tz_names *names, struct tz_name_run *run, size_t need,
                    struct tz_error *err)
{
    size_t left = run->buffer_len - run->buffer_at;

    if (left >= need)
        return 0;
    if (!run->buffer) {
        /* The longest record fits. */
        run->buffer = malloc(RUN_READ_SIZE + RECORD_HEAD + UINT16_MAX + 1);
        if (!run->buffer)
            return tz_fail_nomem(err);
    }
    memmove(run->buffer, run->buffer + run->buffer_at, left);
    run->buffer_at = 0;
    run->buffer_len = left;

    size_t room = RUN_READ_SIZE + RECORD_HEAD + UINT16_MAX + 1 - left;
    size_t want = (size_t)TZ_MIN((uint64_t)room, run->end - run->at);
    size_t got = 0;
    if (tz_pread_full(names->spill_fd, run->buffer + left, want, run->at, &got, err))
        return -1;
    run->at += got;
    run->buffer_len += got;
    if (run->buffer_len < need)
        return tz_fail(err, TZ_IO, "a temporary file of names was cut off");
    return 0;
}

/* Make the run's first name known; text stays NULL at its end. */
static int peek_run(struct tz_names *names, struct tz_name_run *run, struct tz_error *err)
{
    if (run->first.text || (run->at == run->end && run->buffer_at == run->buffer_len))
        return 0;
    if (fill_run(names, run, RECORD_HEAD, err))
        return -1;
    const uint8_t *head = run->buffer + run->buffer_at;
    size_t len = (size_t)head[1] | (size_t)head[2] << 8;
    if (fill_run(names, run, RECORD_HEAD + len + 1, err))
        return -1;
    head = run->buffer + run->buffer_at;
    run->first = (struct tz_listed){
        .text = (const char *)head + RECORD_HEAD,
        .len = len,
        .type = head[0],
    };
    return 0;
}

static int next_merged(struct tz_names *names, struct tz_listed *ret, bool *ret_more,
                       struct tz_error *err)
{
    struct tz_name_run *best = NULL;

    if (names->current) { /* its name has been used by now */
        names->current->buffer_at += RECORD_HEAD + names->current->first.len + 1;
        names->current->first.text = NULL;
    }
    for (size_t i = 0; i < names->run_count; i++) {
        struct tz_name_run *run = &names->runs[i];
        if (peek_run(names, run, err))
            return -1;
        if (!run->first.text)
            continue;
        if (!best ||
            compare_names(run->first.text, run->first.len, best->first.text, best->first.len) < 0)
            best = run;
    }
    names->current = best;
    *ret_more = best != NULL;
    if (best)
        *ret = best->first;
    return 0;
}

int tz_names_next(struct tz_names *names, struct tz_listed *ret, bool *ret_more,
                  struct tz_error *err)
{
    if (names->runs)
        return next_merged(names, ret, ret_more, err);

    *ret_more = names->at < names->count;
    if (!*ret_more)
        return 0;
    const struct tz_name_key *key = &names->keys[names->at++];
    const uint8_t *name = names->arena.data + key->at;
    *ret = (struct tz_listed){.text = (const char *)name, .len = key->len, .type = name[-1]};
    return 0;
}
