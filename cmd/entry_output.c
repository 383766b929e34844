#include "entry_output.h"

#include "tozai/util/file.h"
#include "tozai/util/time.h"

#include <inttypes.h>
#include <string.h>

#include "tozai/util/banned.h"

/* Seconds that fit into nanoseconds of 64 bits. */
#define CALENDAR_MAX (INT64_MAX / TZ_SECOND_NS - 1)

static bool has_date(const struct tz_entry *entry)
{
    return entry->mtime_s >= -CALENDAR_MAX && entry->mtime_s <= CALENDAR_MAX;
}

static int64_t mtime_of(const struct tz_entry *entry)
{
    return entry->mtime_s * TZ_SECOND_NS + entry->mtime_ns;
}

void tz_mtime_format_local(char *text, const struct tz_entry *entry)
{
    if (has_date(entry))
        tz_time_format_local(text, mtime_of(entry));
    else
        (void)snprintf(text, TZ_TIME_TEXT, "@%" PRId64, entry->mtime_s);
}

void tz_mtime_format(char *text, const struct tz_entry *entry)
{
    if (has_date(entry))
        tz_time_format(text, mtime_of(entry));
    else
        (void)snprintf(text, TZ_TIME_TEXT, "@%" PRId64, entry->mtime_s);
}

const char *tz_entry_base(const struct tz_entry *entry)
{
    return entry->path_len > 0 ? tz_path_base(entry->path) : ".";
}

/* "-rwsr-x--T" */
static void format_mode(char text[11], const struct tz_entry *entry)
{
    static const char letters[] = "rwxrwxrwx";
    static const struct {
        uint32_t bit;
        int place;
        char with_x, without_x;
    } special[] = {{04000, 3, 's', 'S'}, {02000, 6, 's', 'S'}, {01000, 9, 't', 'T'}};

    memcpy(text, "----------", 11);
    text[0] = tz_entry_type_letter(entry->type);
    for (int i = 0; i < 9; i++) {
        if (entry->mode & (0400U >> i))
            text[i + 1] = letters[i];
    }
    for (size_t i = 0; i < TZ_COUNT(special); i++) {
        char *at = &text[special[i].place];
        if (!(entry->mode & special[i].bit))
            continue;
        if (*at == 'x')
            *at = special[i].with_x;
        else
            *at = special[i].without_x;
    }
}

/* A name of an owner, or the number, filled up to eight columns. */
static int add_owner(struct tz_buf *line, const char *name, uint32_t number, struct tz_error *err)
{
    size_t before = line->len;

    if (name ? tz_escape(line, name, strlen(name), err)
             : tz_buf_printf(line, err, "%" PRIu32, number))
        return -1;
    size_t width = tz_text_width(line->data + before, line->len - before);
    return tz_buf_printf(line, err, "%*s", (int)(width < 8 ? 9 - width : 1), "");
}

int tz_print_entry(const struct tz_entry *entry, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf line = {0};
    char mode[11], time[TZ_TIME_TEXT];
    bool device = entry->type == TZ_ENTRY_CHARACTER || entry->type == TZ_ENTRY_BLOCK;

    format_mode(mode, entry);
    tz_mtime_format_local(time, entry);
    if (tz_buf_printf(&line, err, "%s ", mode) || add_owner(&line, entry->user, entry->uid, err) ||
        add_owner(&line, entry->group, entry->gid, err))
        return -1;
    if (device ? tz_buf_printf(&line, err, "%5" PRIu64 ", %5" PRIu64, entry->device >> 32,
                               entry->device & UINT32_MAX)
               : tz_buf_printf(&line, err, "%12" PRIu64, entry->size))
        return -1;
    if (tz_buf_printf(&line, err, " %s ", time))
        return -1;
    (void)fwrite(line.data, 1, line.len, stdout);
    tz_print_name(entry->path_len > 0 ? entry->path : ".", TZ_MAX(entry->path_len, (size_t)1));
    if (entry->link) {
        (void)fputs(entry->type == TZ_ENTRY_HARDLINK ? " link to " : " -> ", stdout);
        tz_print_name(entry->link, entry->link_len);
    }
    (void)putchar('\n');
    return 0;
}

/* Words without blanks, for programs. */
static const char *type_word(enum tz_entry_type type)
{
    switch (type) {
    case TZ_ENTRY_CHARACTER:
        return "character";
    case TZ_ENTRY_BLOCK:
        return "block";
    case TZ_ENTRY_HARDLINK:
        return "hardlink";
    default:
        return tz_entry_type_name(type);
    }
}

/* {"user.comment":"text"}; a name that is not UTF-8 is shown as well as it can be. */
static json_t *make_xattrs(const struct tz_entry *entry)
{
    TZ_SCOPED(tz_scoped_json) json_t *object = json_object();

    for (uint32_t i = 0; object && i < entry->xattr_count; i++) {
        const struct tz_xattr *xattr = &entry->xattrs[i];
        TZ_SCOPED(tz_scoped_json) json_t *name = tz_json_text(xattr->name, strlen(xattr->name));
        if (!name ||
            tz_json_path(object, json_string_value(name), xattr->value, xattr->value_len, NULL))
            return NULL;
    }
    return TZ_TAKE(object);
}

static json_t *text_or_null(const char *text)
{
    return text ? tz_json_text(text, strlen(text)) : json_null();
}

json_t *tz_json_entry(const struct tz_entry *entry)
{
    TZ_SCOPED(tz_scoped_json) json_t *object = json_object();
    char mode[8], time[TZ_TIME_TEXT];

    (void)snprintf(mode, sizeof(mode), "%04o", (unsigned)entry->mode & 07777U);
    tz_mtime_format(time, entry);
    if (!object || tz_json_path(object, "path", entry->path, entry->path_len, NULL) ||
        tz_json_set(object, "type", json_string(type_word(entry->type)), NULL) ||
        tz_json_set(object, "mode", json_string(mode), NULL) ||
        tz_json_set(object, "uid", json_integer(entry->uid), NULL) ||
        tz_json_set(object, "gid", json_integer(entry->gid), NULL) ||
        tz_json_set(object, "user", text_or_null(entry->user), NULL) ||
        tz_json_set(object, "group", text_or_null(entry->group), NULL) ||
        tz_json_set(object, "size", json_integer((json_int_t)entry->size), NULL) ||
        tz_json_set(object, "mtime", json_string(time), NULL) ||
        (entry->link ? tz_json_path(object, "link", entry->link, entry->link_len, NULL)
                     : tz_json_set(object, "link", json_null(), NULL)) ||
        tz_json_set(object, "xattrs", make_xattrs(entry), NULL))
        return NULL;
    return TZ_TAKE(object);
}

void tz_json_list_begin(struct tz_json_list *list, const char *key)
{
    *list = (struct tz_json_list){0};
    (void)printf("{\"%s\":[", key);
}

int tz_json_list_add(struct tz_json_list *list, json_t *value, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_json) json_t *owned = value;

    if (!owned)
        return tz_fail_nomem(err);
    if (list->any)
        (void)putchar(',');
    list->any = true;
    /* main() asks at the end whether all output arrived; a reader that left wants no more. */
    if (json_dumpf(owned, stdout, JSON_COMPACT | JSON_ENCODE_ANY))
        return ferror(stdout) ? tz_fail(err, TZ_IO, "write to standard output")
                              : tz_fail_nomem(err);
    return 0;
}

void tz_json_list_end(struct tz_json_list *list)
{
    (void)list;
    (void)puts("]}");
}
