/*
 * Queries of the usual shapes.
 */
#include "database.h"

#include "tozai/util/grow.h"

#include <stdio.h>

#include "tozai/util/banned.h"

void tz_numbers_clear(struct tz_numbers *numbers)
{
    free(numbers->items);
    *numbers = (struct tz_numbers){0};
}

int tz_numbers_add(struct tz_numbers *numbers, int64_t number, struct tz_error *err)
{
    if (tz_grow(&numbers->items, numbers->count, &numbers->cap, sizeof(number), err))
        return -1;
    numbers->items[numbers->count++] = number;
    return 0;
}

bool tz_numbers_has(const struct tz_numbers *numbers, int64_t number)
{
    size_t low = 0, high = numbers->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (numbers->items[middle] == number)
            return true;
        if (numbers->items[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

int tz_query_numbers(struct tz_query *query, struct tz_numbers *numbers, struct tz_error *err)
{
    for (;;) {
        bool row;
        if (tz_query_step(query, &row, err))
            return -1;
        if (!row)
            return 0;
        if (tz_numbers_add(numbers, tz_query_get_int(query, 0), err))
            return -1;
    }
}

int tz_query_next_item(struct tz_query *query, struct tz_query_list *list, size_t size, void **ret,
                       struct tz_error *err)
{
    bool row;

    *ret = NULL;
    if (tz_query_step(query, &row, err))
        return -1;
    if (!row)
        return 0;
    if (tz_grow(&list->items, list->count, &list->cap, size, err))
        return -1;
    *ret = (char *)list->items + list->count++ * size;
    return 0;
}

int tz_catalog_run_int(struct tz_catalog *catalog, const char *sql, int64_t value,
                       struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, value);
    return tz_query_run(&query, err);
}

int tz_catalog_ask_int(struct tz_catalog *catalog, const char *sql, int64_t value, bool *ret,
                       struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, value);
    return tz_query_step(&query, ret, err);
}

int tz_catalog_run_hash(struct tz_catalog *catalog, const char *sql,
                        const uint8_t hash[TZ_HASH_SIZE], struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_blob(&query, 1, hash, TZ_HASH_SIZE);
    return tz_query_run(&query, err);
}

int tz_catalog_ask_hash(struct tz_catalog *catalog, const char *sql,
                        const uint8_t hash[TZ_HASH_SIZE], bool *ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_blob(&query, 1, hash, TZ_HASH_SIZE);
    return tz_query_step(&query, ret, err);
}

void tz_query_get_name(struct tz_query *query, int at, char ret[TZ_NAME_TEXT])
{
    const char *text = (const char *)sqlite3_column_text(query->statement, at);

    (void)snprintf(ret, TZ_NAME_TEXT, "%s", text ? text : "");
}
