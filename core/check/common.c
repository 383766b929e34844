#include "check.h"

#include "tozai/util/interrupt.h"

#include <string.h>
#include <time.h>

#include "tozai/util/banned.h"

#define READ_ATTEMPTS  4
#define FIRST_PAUSE_MS 200

int tz_check_add(char ***names, size_t *count, const char *name, struct tz_error *err)
{
    /* The room is the next power of two. */
    if ((*count & (*count - 1)) == 0) {
        size_t cap = *count ? 2 * *count : 1;
        char **fresh =
            cap <= SIZE_MAX / sizeof(*fresh) ? realloc(*names, cap * sizeof(*fresh)) : NULL;
        if (!fresh)
            return tz_fail_nomem(err);
        *names = fresh;
    }
    char *copy = strdup(name);
    if (!copy)
        return tz_fail_nomem(err);
    (*names)[(*count)++] = copy;
    return 0;
}

int tz_check_names_add(struct tz_check_names *names, const char *name, struct tz_error *err)
{
    return tz_check_add(&names->items, &names->count, name, err);
}

void tz_check_names_clear(struct tz_check_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (struct tz_check_names){0};
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void tz_check_names_sort(struct tz_check_names *names)
{
    size_t kept = 0;

    if (names->count == 0)
        return;
    qsort(names->items, names->count, sizeof(*names->items), compare);
    for (size_t i = 1; i < names->count; i++) {
        if (strcmp(names->items[kept], names->items[i]) == 0)
            free(names->items[i]);
        else
            names->items[++kept] = names->items[i];
    }
    /* The room may now be more than the power of two above; never less. */
    names->count = kept + 1;
}

bool tz_check_names_has(const struct tz_check_names *names, const char *name)
{
    return names->count > 0 &&
           bsearch(&name, names->items, names->count, sizeof(*names->items), compare);
}

bool tz_check_is_fatal(enum tz_error_kind kind)
{
    return kind == TZ_NOMEM || kind == TZ_INTERRUPTED || kind == TZ_FAILED;
}

int tz_check_pass(struct tz_error *err, const struct tz_error *why)
{
    if (err)
        *err = *why;
    return -1;
}

int tz_check_read(struct tz_store *store, const char *name, uint64_t offset, size_t len,
                  struct tz_buf *out, struct tz_error *err)
{
    long pause_ms = FIRST_PAUSE_MS;

    for (unsigned attempt = 1;; attempt++, pause_ms *= 2) {
        struct tz_error why = {0};
        if (tz_interrupt_check(err))
            return -1;
        if (!tz_store_get(store, name, offset, len, out, &why))
            return 0;
        if (why.kind != TZ_UNAVAILABLE || attempt == READ_ATTEMPTS)
            return tz_check_pass(err, &why);
        struct timespec pause = {.tv_sec = pause_ms / 1000, .tv_nsec = (pause_ms % 1000) * 1000000};
        (void)nanosleep(&pause, NULL);
    }
}

int tz_check_find_store(const struct tz_repo *repo, const char *name, size_t *ret,
                        struct tz_error *err)
{
    struct tz_mirror *mirror = tz_repo_mirror(repo);

    for (size_t i = 0; i < tz_mirror_count(mirror); i++)
        if (strcmp(tz_mirror_name(mirror, i), name) == 0) {
            *ret = i;
            return 0;
        }
    return tz_fail(err, TZ_INVALID, "there is no store '%s'", name);
}

unsigned tz_check_count_bits(uint32_t set)
{
    unsigned count = 0;

    for (; set; set &= set - 1)
        count++;
    return count;
}
