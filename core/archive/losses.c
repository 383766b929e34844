#include "writer.h"

#include <inttypes.h>
#include <string.h>

#include "tozai/util/banned.h"

static const char *const texts[LOSS_COUNT] = {
    [LOSS_XATTRS] = "extended attributes",
    [LOSS_XATTR_NAMES] = "names of extended attributes beyond ASCII (%XX stands there instead)",
    [LOSS_ACLS] = "access control lists",
    [LOSS_FLAGS] = "inode flags",
    [LOSS_OWNERS] = "owners",
    [LOSS_OWNER_NAMES] = "names of owners",
    [LOSS_LARGE_OWNERS] = "owners of so large numbers (65534 stands there instead)",
    [LOSS_SETUID] = "setuid and setgid",
    [LOSS_FRACTIONS] = "fractions of seconds",
    [LOSS_EARLY_FRACTIONS] = "fractions of seconds before 1970",
    [LOSS_TIMES] = "times so far away (the nearest one stands there instead)",
    [LOSS_HARDLINKS] = "such hard links (each name stands for itself)",
    [LOSS_HOLES] = "holes (they are written as zeros)",
    [LOSS_NAMES] = "names that are not UTF-8 (such bytes are written as %XX)",
};

void tz_losses_add(struct losses *losses, enum loss loss, const struct tz_entry *entry)
{
    if (losses->kinds[loss].entries++ > 0)
        return;
    /* Without memory only the example is missing. */
    losses->kinds[loss].first = malloc(entry->path_len + 1);
    if (!losses->kinds[loss].first)
        return;
    memcpy(losses->kinds[loss].first, entry->path, entry->path_len + 1);
    losses->kinds[loss].first_len = entry->path_len;
}

void tz_losses_tell(const struct losses *losses, const struct tz_archive_form *form,
                    tz_warn_fn *tell, void *arg)
{
    char line[1024];

    for (unsigned i = 0; i < LOSS_COUNT; i++) {
        uint64_t entries = losses->kinds[i].entries;
        const char *first = losses->kinds[i].first;
        if (entries == 0)
            continue;
        if (entries == 1)
            (void)snprintf(line, sizeof(line), "%s holds no %s: '%.300s' has lost that", form->name,
                           texts[i], first && first[0] ? first : ".");
        else
            (void)snprintf(line, sizeof(line),
                           "%s holds no %s: %" PRIu64 " entries have lost that, the first is "
                           "'%.300s'",
                           form->name, texts[i], entries, first && first[0] ? first : ".");
        tell(arg, line);
    }
}

void tz_losses_clear(struct losses *losses)
{
    for (unsigned i = 0; i < LOSS_COUNT; i++)
        free(losses->kinds[i].first);
}
