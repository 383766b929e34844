#include "idset.h"

#include "tozai/util/wire.h"

static const uint8_t zero[TZ_ID_SIZE];

void tz_idset_clear(struct tz_idset *set)
{
    free(set->slots);
    *set = (struct tz_idset){0};
}

static size_t home_of(const struct tz_idset *set, const uint8_t id[TZ_ID_SIZE])
{
    return (size_t)tz_load_le64(id) & (set->cap - 1);
}

static bool is_free(const struct tz_idset *set, size_t i)
{
    return memcmp(set->slots[i], zero, TZ_ID_SIZE) == 0;
}

/* The slot of id, or the free one where it would go. */
static size_t find(const struct tz_idset *set, const uint8_t id[TZ_ID_SIZE])
{
    size_t i = home_of(set, id);

    while (!is_free(set, i) && memcmp(set->slots[i], id, TZ_ID_SIZE) != 0)
        i = (i + 1) & (set->cap - 1);
    return i;
}

bool tz_idset_has(const struct tz_idset *set, const uint8_t id[TZ_ID_SIZE])
{
    return set->count > 0 && !is_free(set, find(set, id));
}

static int grow(struct tz_idset *set, struct tz_error *err)
{
    struct tz_idset larger = {.cap = set->cap ? set->cap * 2 : 1024};

    larger.slots = calloc(larger.cap, sizeof(*larger.slots));
    if (!larger.slots)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < set->cap; i++)
        if (!is_free(set, i))
            memcpy(larger.slots[find(&larger, set->slots[i])], set->slots[i], TZ_ID_SIZE);
    larger.count = set->count;
    free(set->slots);
    *set = larger;
    return 0;
}

int tz_idset_add(struct tz_idset *set, const uint8_t id[TZ_ID_SIZE], struct tz_error *err)
{
    if (set->count * 2 >= set->cap && grow(set, err))
        return -1;
    size_t i = find(set, id);
    if (is_free(set, i)) {
        memcpy(set->slots[i], id, TZ_ID_SIZE);
        set->count++;
    }
    return 0;
}

/* Free the slot and close the gap, so that no later id of the run is cut off. */
void tz_idset_remove(struct tz_idset *set, const uint8_t id[TZ_ID_SIZE])
{
    size_t mask = set->cap - 1;

    if (!tz_idset_has(set, id))
        return;
    size_t hole = find(set, id);
    set->count--;
    memset(set->slots[hole], 0, TZ_ID_SIZE);
    for (size_t i = (hole + 1) & mask; !is_free(set, i); i = (i + 1) & mask) {
        size_t home = home_of(set, set->slots[i]);
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        memcpy(set->slots[hole], set->slots[i], TZ_ID_SIZE);
        memset(set->slots[i], 0, TZ_ID_SIZE);
        hole = i;
    }
}
