/*
 * Entries of a generation as people and programs read them.
 */
#ifndef TOZAI_CMD_ENTRY_OUTPUT_H
#define TOZAI_CMD_ENTRY_OUTPUT_H

#include "output.h"

#include "tozai/core/entry.h"

/* A line as "ls -l" prints it. */
int tz_print_entry(const struct tz_entry *entry, struct tz_error *err) TZ_MUST_CHECK;
/* {"path","type","mode","uid","gid","user","group","size","mtime","link","xattrs"}; NULL without
 * memory. */
json_t *tz_json_entry(const struct tz_entry *entry);
/* The last part of an entry's path; "." for the root. */
const char *tz_entry_base(const struct tz_entry *entry);

/* A modification time, "2026-11-22 14:30:00" in the local zone or in RFC 3339; one that no calendar
 * has is "@<seconds>".  text holds TZ_TIME_TEXT bytes. */
void tz_mtime_format_local(char *text, const struct tz_entry *entry);
void tz_mtime_format(char *text, const struct tz_entry *entry);

/* A list of JSON values that is printed while it is made, as it may be long: {"key":[...]}. */
struct tz_json_list {
    bool any;
};
void tz_json_list_begin(struct tz_json_list *list, const char *key);
/* value is given up; NULL is TZ_NOMEM. */
int tz_json_list_add(struct tz_json_list *list, json_t *value, struct tz_error *err) TZ_MUST_CHECK;
void tz_json_list_end(struct tz_json_list *list);

#endif
