#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "dirstack.h"

#include "tozai/util/grow.h"

#include "links.h"
#include "meta.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tozai/util/banned.h"

int tz_dirstack_path(struct tz_dirstack *stack, const char *name, size_t len, struct tz_error *err)
{
    size_t base = tz_dirstack_top(stack)->path_len;

    stack->path.len = base;
    if (base > 0 && tz_buf_append(&stack->path, "/", 1, err))
        return -1;
    return tz_buf_append(&stack->path, name, len, err);
}

static void close_level(struct tz_level *level)
{
    if (level->fd >= 0)
        (void)close(level->fd);
    level->fd = -1;
}

static void clear_level(struct tz_level *level)
{
    close_level(level);
    tz_names_clear(&level->names);
    tz_link_directory_release(level->link_directory);
}

/* Close directories above the deepest one until the limit is kept. */
static void keep_limit(struct tz_dirstack *stack, size_t count)
{
    while (stack->first_open + TZ_DIRSTACK_OPEN - 1 < count)
        close_level(&stack->levels[stack->first_open++]);
}

int tz_dirstack_push(struct tz_dirstack *stack, const struct tz_level *level, struct tz_error *err)
{
    if (tz_grow(&stack->levels, stack->count, &stack->cap, sizeof(*stack->levels), err))
        return -1;
    stack->levels[stack->count] = *level;
    stack->levels[stack->count].path_len = stack->path.len;
    stack->count++;
    if (stack->count == 1)
        stack->first_open = 1;
    keep_limit(stack, stack->count);
    return 0;
}

/* Open a level below the open directory at. -1 with errno: it is not the same any more. */
static int open_level(const struct tz_dirstack *stack, size_t index, int at)
{
    const struct tz_level *level = &stack->levels[index];
    char name[UINT16_MAX + 1];
    struct statx st;

    memcpy(name, stack->path.data + level->path_len - level->name_len, level->name_len);
    name[level->name_len] = '\0';
    int fd = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_INO, &st) == 0 && tz_statx_dev(&st) == level->dev &&
        st.stx_ino == level->ino)
        return fd;
    (void)close(fd);
    errno = ENOENT;
    return -1;
}

/* Open the deepest level again, and as many above it as may be open. */
static int reopen(struct tz_dirstack *stack, bool *ret_lost, struct tz_error *err)
{
    size_t keep_from = stack->count > TZ_DIRSTACK_OPEN ? stack->count - TZ_DIRSTACK_OPEN + 1 : 1;
    TZ_SCOPED(tz_scoped_fd) int passing = -1;
    int at = stack->levels[0].fd;

    stack->first_open = stack->count;
    for (size_t i = 1; i < stack->count; i++) {
        int fd = open_level(stack, i, at);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
            return tz_fail_errno(err, errno, "open a directory again");
        if (passing >= 0)
            (void)close(passing);
        passing = -1;
        if (fd < 0)
            break;
        at = fd;
        if (i < keep_from) {
            passing = fd;
        } else {
            stack->levels[i].fd = fd;
            stack->first_open = TZ_MIN(stack->first_open, i);
        }
    }
    *ret_lost = tz_dirstack_top(stack)->fd < 0;
    if (*ret_lost) { /* what was opened on the way does not reach down to the deepest level */
        for (size_t i = keep_from; i < stack->count; i++)
            close_level(&stack->levels[i]);
        stack->first_open = stack->count;
    }
    return 0;
}

int tz_dirstack_pop(struct tz_dirstack *stack, bool *ret_lost, struct tz_error *err)
{
    *ret_lost = false;
    clear_level(tz_dirstack_top(stack));
    stack->count--;
    stack->first_open = TZ_MIN(stack->first_open, stack->count);
    if (stack->count == 0) {
        stack->path.len = 0;
        return 0;
    }
    stack->path.len = tz_dirstack_top(stack)->path_len;
    if (tz_dirstack_top(stack)->fd >= 0)
        return 0;
    return reopen(stack, ret_lost, err);
}

void tz_dirstack_clear(struct tz_dirstack *stack)
{
    while (stack->count > 0)
        clear_level(&stack->levels[--stack->count]);
    free(stack->levels);
    tz_buf_clear(&stack->path);
    *stack = (struct tz_dirstack){0};
}
