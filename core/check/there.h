/*
 * What the stores list below a prefix, an object once with all the stores that have it.
 */
#ifndef TOZAI_CORE_CHECK_THERE_H
#define TOZAI_CORE_CHECK_THERE_H

#include "../repo/internal.h"
#include "check.h"

struct tz_there {
    char name[TZ_NAME_TEXT];
    uint64_t size; /* in the last store that was looked at */
    uint32_t stores;
    bool differs; /* not the same size everywhere */
};
struct tz_there_list {
    struct tz_there *items; /* in the order of names */
    size_t count, cap;
};
void tz_there_clear(struct tz_there_list *list);
static inline TZ_UNUSED void tz_scoped_there(struct tz_there_list *list)
{
    tz_there_clear(list);
}

/* Add what this store lists of our kinds. */
int tz_there_add(struct tz_there_list *list, struct tz_store *store, size_t i, const char *prefix,
                 struct tz_error *err) TZ_MUST_CHECK;
/* After the last store: what several list becomes one. */
void tz_there_unite(struct tz_there_list *list);
/* In a united list; NULL: no store has it. */
const struct tz_there *tz_there_find(const struct tz_there_list *list, const char *name);

#endif
