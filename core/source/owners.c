#include "meta.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "tozai/util/banned.h"

#define FIRST_CAP 64
#define TEXT_MAX  ((size_t)1 << 20) /* a group may have very many members */

struct owner {
    uint32_t number;
    bool known;
    char *name; /* NULL: the number has none */
};

/* Open addressing, at most three quarters full. */
struct table {
    struct owner *slots;
    size_t cap, count;
};

struct tz_owners {
    struct table users, groups;
    char *text; /* for getpwuid_r and getgrgid_r */
    size_t text_size;
};

int tz_owners_new(struct tz_owners **ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_owners) struct tz_owners *owners = calloc(1, sizeof(*owners));
    if (!owners)
        return tz_fail_nomem(err);
    owners->text_size = 4096;
    owners->text = malloc(owners->text_size);
    if (!owners->text)
        return tz_fail_nomem(err);
    *ret = TZ_TAKE(owners);
    return 0;
}

static void free_table(struct table *table)
{
    for (size_t i = 0; i < table->cap; i++)
        free(table->slots[i].name);
    free(table->slots);
}

void tz_owners_free(struct tz_owners *owners)
{
    if (!owners)
        return;
    free_table(&owners->users);
    free_table(&owners->groups);
    free(owners->text);
    free(owners);
}

static struct owner *find(const struct table *table, uint32_t number)
{
    uint32_t hash = number * UINT32_C(2654435761);
    size_t i = hash & (table->cap - 1);

    while (table->slots[i].known && table->slots[i].number != number)
        i = (i + 1) & (table->cap - 1);
    return &table->slots[i];
}

static int make_room(struct table *table, struct tz_error *err)
{
    if ((table->count + 1) * 4 <= table->cap * 3)
        return 0;
    struct table larger = {.cap = table->cap ? table->cap * 2 : FIRST_CAP, .count = table->count};
    larger.slots = calloc(larger.cap, sizeof(*larger.slots));
    if (!larger.slots)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < table->cap; i++)
        if (table->slots[i].known)
            *find(&larger, table->slots[i].number) = table->slots[i];
    free(table->slots);
    *table = larger;
    return 0;
}

/* Ask the system; *ret_name points into owners->text, or is NULL. 0 or an errno value. */
static int ask_user(struct tz_owners *owners, uint32_t number, const char **ret_name)
{
    struct passwd entry, *found = NULL;
    int status = getpwuid_r(number, &entry, owners->text, owners->text_size, &found);
    *ret_name = found ? found->pw_name : NULL;
    return status;
}

static int ask_group(struct tz_owners *owners, uint32_t number, const char **ret_name)
{
    struct group entry, *found = NULL;
    int status = getgrgid_r(number, &entry, owners->text, owners->text_size, &found);
    *ret_name = found ? found->gr_name : NULL;
    return status;
}

typedef int ask_fn(struct tz_owners *owners, uint32_t number, const char **ret_name);

static int ask(struct tz_owners *owners, ask_fn *function, uint32_t number, const char **ret_name,
               struct tz_error *err)
{
    for (;;) {
        int status = function(owners, number, ret_name);
        if (status == EINTR)
            continue;
        if (status != ERANGE || owners->text_size >= TEXT_MAX) {
            /* A directory service that is down is no reason to stop: the numbers are kept. */
            return 0;
        }
        char *text = realloc(owners->text, owners->text_size * 4);
        if (!text)
            return tz_fail_nomem(err);
        owners->text = text;
        owners->text_size *= 4;
    }
}

static int name_of(struct tz_owners *owners, struct table *table, ask_fn *function, uint32_t number,
                   char **ret, struct tz_error *err)
{
    if (make_room(table, err))
        return -1;
    struct owner *owner = find(table, number);
    if (!owner->known) {
        const char *name = NULL;
        if (ask(owners, function, number, &name, err))
            return -1;
        char *copy = name ? strdup(name) : NULL;
        if (name && !copy)
            return tz_fail_nomem(err);
        *owner = (struct owner){.number = number, .known = true, .name = copy};
        table->count++;
    }

    char *result = owner->name ? strdup(owner->name) : NULL;
    if (owner->name && !result)
        return tz_fail_nomem(err);
    free(*ret);
    *ret = result;
    return 0;
}

int tz_owners_fill(struct tz_owners *owners, struct tz_entry *entry, struct tz_error *err)
{
    if (name_of(owners, &owners->users, ask_user, entry->uid, &entry->user, err))
        return -1;
    return name_of(owners, &owners->groups, ask_group, entry->gid, &entry->group, err);
}
