#include "table.h"

#include "output.h"

#include <string.h>

#include "tozai/util/banned.h"

#define GAP 2

struct cell {
    char *text;
    size_t width;
};

struct tz_table {
    const struct tz_column *columns;
    size_t *widths; /* of the widest cell so far */
    size_t column_count;
    struct cell *cells;
    size_t cell_count;
    size_t cell_room;
};

int tz_table_new(struct tz_table **ret, const struct tz_column *columns, size_t count,
                 struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_table) struct tz_table *table = calloc(1, sizeof(*table));
    if (!table || !(table->widths = calloc(count + 1, sizeof(table->widths[0]))))
        return tz_fail_nomem(err);
    table->columns = columns;
    table->column_count = count;
    for (size_t i = 0; i < count; i++)
        table->widths[i] = tz_text_width(columns[i].title, strlen(columns[i].title));
    *ret = TZ_TAKE(table);
    return 0;
}

void tz_table_free(struct tz_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i].text);
    free(table->cells);
    free(table->widths);
    free(table);
}

/* Room for one more row, so that a row is added whole or not at all. */
static int make_room(struct tz_table *table, struct tz_error *err)
{
    if (table->cell_count + table->column_count <= table->cell_room)
        return 0;
    size_t room = 2 * table->cell_room + 16 * table->column_count;
    struct cell *cells = realloc(table->cells, room * sizeof(cells[0]));
    if (!cells)
        return tz_fail_nomem(err);
    table->cells = cells;
    table->cell_room = room;
    return 0;
}

static int make_cell(struct cell *cell, const char *text, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf escaped = {0};

    if (tz_escape(&escaped, text ? text : "", text ? strlen(text) : 0, err))
        return -1;
    cell->width = tz_text_width(escaped.data, escaped.len);
    if (tz_buf_append(&escaped, "", 1, err))
        return -1;
    cell->text = (char *)TZ_TAKE(escaped.data);
    return 0;
}

int tz_table_add(struct tz_table *table, const char *const *cells, struct tz_error *err)
{
    if (make_room(table, err))
        return -1;
    struct cell *row = table->cells + table->cell_count;
    for (size_t i = 0; i < table->column_count; i++) {
        if (make_cell(&row[i], cells[i], err)) {
            while (i-- > 0)
                free(row[i].text);
            return -1;
        }
    }
    for (size_t i = 0; i < table->column_count; i++)
        table->widths[i] = TZ_MAX(table->widths[i], row[i].width);
    table->cell_count += table->column_count;
    return 0;
}

static void print_blanks(size_t count)
{
    while (count-- > 0)
        (void)putchar(' ');
}

/* The last column is not filled up: no blanks at the end of a line. */
static void print_cell(const struct tz_table *table, size_t column, const char *text, size_t width)
{
    size_t fill = table->widths[column] - width;
    bool last = column + 1 == table->column_count;

    if (table->columns[column].right)
        print_blanks(fill);
    (void)fputs(text, stdout);
    if (!last)
        print_blanks((table->columns[column].right ? 0 : fill) + GAP);
}

void tz_table_print(const struct tz_table *table)
{
    if (table->cell_count == 0)
        return;
    for (size_t i = 0; i < table->column_count; i++) {
        const char *title = table->columns[i].title;
        print_cell(table, i, title, tz_text_width(title, strlen(title)));
    }
    (void)putchar('\n');
    const struct cell *end = table->cells + table->cell_count;
    for (const struct cell *row = table->cells; row < end; row += table->column_count) {
        for (size_t i = 0; i < table->column_count; i++)
            print_cell(table, i, row[i].text, row[i].width);
        (void)putchar('\n');
    }
}
