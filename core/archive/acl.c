/*
 * The attribute: version 2, then 8 bytes for each entry: u16 tag, u16 permissions, u32 number,
 * ordered by tag.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "acl.h"

#include "tozai/util/grow.h"
#include "tozai/util/wire.h"

#include <archive.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "tozai/util/banned.h"

#define VERSION      2U
#define HEAD_SIZE    4U
#define ENTRY_SIZE   8U
#define NO_ID        UINT32_MAX
#define ENTRIES_MAX  8000U /* what an attribute of 64 KiB holds */
#define OWNER_BUFFER 16384U

static const struct tag {
    uint16_t number;
    int archive;
} tags[] = {
    /* In the order that the kernel wants. */
    {0x01, ARCHIVE_ENTRY_ACL_USER_OBJ},  {0x02, ARCHIVE_ENTRY_ACL_USER},
    {0x04, ARCHIVE_ENTRY_ACL_GROUP_OBJ}, {0x08, ARCHIVE_ENTRY_ACL_GROUP},
    {0x10, ARCHIVE_ENTRY_ACL_MASK},      {0x20, ARCHIVE_ENTRY_ACL_OTHER},
};
enum { USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER };

static const struct tag *find_tag(uint16_t number)
{
    for (size_t i = 0; i < TZ_COUNT(tags); i++) {
        if (tags[i].number == number)
            return &tags[i];
    }
    return NULL;
}

bool tz_acl_is(const struct tz_xattr *xattr)
{
    if (strcmp(xattr->name, ACL_ACCESS_XATTR) != 0 && strcmp(xattr->name, ACL_DEFAULT_XATTR) != 0)
        return false;
    if (xattr->value_len < HEAD_SIZE || (xattr->value_len - HEAD_SIZE) % ENTRY_SIZE != 0 ||
        tz_load_le32(xattr->value) != VERSION)
        return false;
    for (size_t at = HEAD_SIZE; at < xattr->value_len; at += ENTRY_SIZE) {
        uint32_t id = tz_load_le32(xattr->value + at + 4);
        /* libarchive takes larger numbers for negative ones, and these for root's. */
        if (!find_tag(tz_load_le16(xattr->value + at)) || (id != NO_ID && id > INT32_MAX))
            return false;
    }
    return true;
}

int tz_acl_to_archive(const struct tz_xattr *xattr, struct archive_entry *out)
{
    int type = strcmp(xattr->name, ACL_ACCESS_XATTR) == 0 ? ARCHIVE_ENTRY_ACL_TYPE_ACCESS
                                                          : ARCHIVE_ENTRY_ACL_TYPE_DEFAULT;

    for (size_t at = HEAD_SIZE; at < xattr->value_len; at += ENTRY_SIZE) {
        const struct tag *tag = find_tag(tz_load_le16(xattr->value + at));
        int permissions = tz_load_le16(xattr->value + at + 2) & 7;
        uint32_t id = tz_load_le32(xattr->value + at + 4);
        if (archive_entry_acl_add_entry(out, type, permissions, tag->archive,
                                        id == NO_ID ? -1 : (int)id, NULL) != ARCHIVE_OK)
            return -1;
    }
    return 0;
}

/* One entry of libarchive's. */
struct item {
    unsigned tag; /* index of tags */
    uint32_t permissions;
    uint32_t id;
};

struct items {
    struct item *data;
    size_t count, cap;
    bool has[TZ_COUNT(tags)];
};

static void clear_items(struct items *items)
{
    free(items->data);
}

static int add_item(struct items *items, const struct item *item, struct tz_error *err)
{
    if (tz_grow(&items->data, items->count, &items->cap, sizeof(*items->data), err))
        return -1;
    items->data[items->count++] = *item;
    items->has[item->tag] = true;
    return 0;
}

/* The number of a user or group that the archive only names; false if there is none. */
static bool find_owner(bool is_group, const char *name, uint32_t *ret)
{
    char buffer[OWNER_BUFFER];
    struct passwd user, *found_user = NULL;
    struct group group, *found_group = NULL;

    if (!name || !*name)
        return false;
    if (is_group) {
        if (getgrnam_r(name, &group, buffer, sizeof(buffer), &found_group) || !found_group)
            return false;
        *ret = found_group->gr_gid;
        return true;
    }
    if (getpwnam_r(name, &user, buffer, sizeof(buffer), &found_user) || !found_user)
        return false;
    *ret = found_user->pw_uid;
    return true;
}

static int take_items(struct archive_entry *in, int wanted, struct items *items, bool *ret_unknown,
                      struct tz_error *err)
{
    int type, permissions, tag, id;
    const char *name;

    while (archive_entry_acl_next(in, wanted, &type, &permissions, &tag, &id, &name) ==
           ARCHIVE_OK) {
        struct item item = {.tag = TZ_COUNT(tags), .permissions = (uint32_t)permissions & 7};
        for (unsigned i = 0; i < TZ_COUNT(tags); i++) {
            if (tags[i].archive == tag)
                item.tag = i;
        }
        if (item.tag == TZ_COUNT(tags) || items->count >= ENTRIES_MAX)
            continue;
        item.id = id == -1 ? NO_ID : (uint32_t)id;
        if (item.tag != USER && item.tag != GROUP) {
            if (items->has[item.tag])
                continue; /* there is one of each */
            item.id = NO_ID;
        } else if (item.id == NO_ID && !find_owner(item.tag == GROUP, name, &item.id)) {
            *ret_unknown = true;
            continue;
        }
        if (add_item(items, &item, err))
            return -1;
    }
    return 0;
}

/* An ACL that names somebody has a mask: all that any of them may do, if none is given. */
static int add_mask(struct items *items, struct tz_error *err)
{
    struct item mask = {.tag = MASK, .id = NO_ID};

    if (items->has[MASK] || (!items->has[USER] && !items->has[GROUP]))
        return 0;
    for (size_t i = 0; i < items->count; i++) {
        unsigned tag = items->data[i].tag;
        if (tag == USER || tag == GROUP || tag == GROUP_OBJ)
            mask.permissions |= items->data[i].permissions;
    }
    return add_item(items, &mask, err);
}

static int write_items(const struct items *items, struct tz_buf *value, struct tz_error *err)
{
    if (tz_put_u32(value, VERSION, err))
        return -1;
    for (unsigned tag = 0; tag < TZ_COUNT(tags); tag++) {
        for (size_t i = 0; i < items->count; i++) {
            const struct item *item = &items->data[i];
            if (item->tag != tag)
                continue;
            if (tz_put_u16(value, tags[tag].number, err) ||
                tz_put_u16(value, (uint16_t)item->permissions, err) ||
                tz_put_u32(value, item->id, err))
                return -1;
        }
    }
    return 0;
}

int tz_acl_from_archive(struct archive_entry *in, int type, struct tz_buf *value,
                        uint32_t *ret_mask, bool *ret_unknown, struct tz_error *err)
{
    TZ_SCOPED(clear_items) struct items items = {0};
    static const unsigned base[] = {USER_OBJ, GROUP_OBJ, OTHER};

    *ret_unknown = false;
    if (archive_entry_acl_reset(in, type) == 0)
        return 0;
    if (take_items(in, type, &items, ret_unknown, err) || add_mask(&items, err))
        return -1;
    if (type == ARCHIVE_ENTRY_ACL_TYPE_ACCESS && !items.has[MASK])
        return 0; /* the mode says it all */
    for (size_t i = 0; i < TZ_COUNT(base); i++) {
        struct item none = {.tag = base[i], .id = NO_ID};
        if (!items.has[base[i]] && add_item(&items, &none, err))
            return -1;
    }
    for (size_t i = 0; i < items.count; i++) {
        if (items.data[i].tag == MASK)
            *ret_mask = items.data[i].permissions;
    }
    return write_items(&items, value, err);
}
