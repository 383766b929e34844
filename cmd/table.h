/*
 * Tables on standard output, aligned by what characters take on a terminal.
 */
#ifndef TOZAI_CMD_TABLE_H
#define TOZAI_CMD_TABLE_H

#include "tozai/util/error.h"

#include <stdbool.h>
#include <stddef.h>

struct tz_column {
    const char *title;
    bool right; /* numbers stand at the right */
};

struct tz_table;

/* columns must outlive the table.  Free it with tz_table_free(). */
int tz_table_new(struct tz_table **ret, const struct tz_column *columns, size_t count,
                 struct tz_error *err) TZ_MUST_CHECK;
void tz_table_free(struct tz_table *table);
TZ_DEFINE_SCOPED(struct tz_table *, tz_scoped_table, tz_table_free)

/* Add a row of as many cells as there are columns; copied, escaped, NULL is an empty one. */
int tz_table_add(struct tz_table *table, const char *const *cells,
                 struct tz_error *err) TZ_MUST_CHECK;
/* Titles and rows; nothing at all if there is no row. */
void tz_table_print(const struct tz_table *table);

#endif
