#include "there.h"

#include "tozai/util/grow.h"

#include <string.h>

#include "tozai/util/banned.h"

void tz_there_clear(struct tz_there_list *list)
{
    free(list->items);
    *list = (struct tz_there_list){0};
}

static int add(struct tz_there_list *list, size_t store, const struct tz_listed *listed,
               struct tz_error *err)
{
    if (tz_grow(&list->items, list->count, &list->cap, sizeof(*list->items), err))
        return -1;
    struct tz_there *there = &list->items[list->count++];
    *there = (struct tz_there){.size = listed->size, .stores = TZ_STORE_BIT(store)};
    memcpy(there->name, listed->name, sizeof(there->name));
    return 0;
}

int tz_there_add(struct tz_there_list *list, struct tz_store *store, size_t i, const char *prefix,
                 struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_listing) struct tz_listing listed = {0};

    if (tz_listing_read(&listed, store, prefix, err))
        return -1;
    for (size_t k = 0; k < listed.count; k++)
        if (tz_name_parse(listed.items[k].name).kind != TZ_NAME_OTHER &&
            add(list, i, &listed.items[k], err))
            return -1;
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct tz_there *)a)->name, ((const struct tz_there *)b)->name);
}

void tz_there_unite(struct tz_there_list *list)
{
    size_t kept = 0;

    if (list->count == 0)
        return;
    qsort(list->items, list->count, sizeof(*list->items), compare);
    for (size_t i = 1; i < list->count; i++) {
        struct tz_there *last = &list->items[kept], *item = &list->items[i];
        if (strcmp(last->name, item->name) == 0) {
            last->stores |= item->stores;
            last->differs = last->differs || last->size != item->size;
        } else {
            list->items[++kept] = *item;
        }
    }
    list->count = kept + 1;
}

const struct tz_there *tz_there_find(const struct tz_there_list *list, const char *name)
{
    struct tz_there wanted = {0};

    (void)snprintf(wanted.name, sizeof(wanted.name), "%s", name);
    return list->count > 0 ? bsearch(&wanted, list->items, list->count, sizeof(wanted), compare)
                           : NULL;
}
