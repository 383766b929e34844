#include "internal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "tozai/util/banned.h"

/* May others than the owner change it? */
static void check_config(const struct tz_doctor_options *options)
{
    const char *file = options->config->file;
    struct stat st;

    if (stat(file, &st) == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)))
        tz_doctor_tell(options, TZ_FINDING_WARN, "configuration",
                       "chmod go-w it: it names commands that are run",
                       "'%s' can be changed by other users (mode %04o)", file,
                       (unsigned)st.st_mode & 07777U);
    else
        tz_doctor_tell(options, TZ_FINDING_OK, "configuration", NULL, "'%s' is right", file);
}

static void check_state(const struct tz_doctor_options *options)
{
    const char *state = options->config->state;
    struct stat st;

    if (stat(state, &st)) {
        if (errno == ENOENT)
            tz_doctor_tell(options, TZ_FINDING_OK, "state", "the next command makes it",
                           "'%s' does not exist yet", state);
        else
            tz_doctor_tell(options, TZ_FINDING_FAIL, "state", "check the path and its permissions",
                           "'%s' cannot be looked at", state);
        return;
    }
    if (!S_ISDIR(st.st_mode))
        tz_doctor_tell(options, TZ_FINDING_FAIL, "state", "choose another state directory",
                       "'%s' is not a directory", state);
    else if (access(state, R_OK | W_OK | X_OK))
        tz_doctor_tell(options, TZ_FINDING_FAIL, "state", "run tozai as its owner, or change it",
                       "'%s' cannot be written by this user", state);
    else if (st.st_mode & (S_IRWXG | S_IRWXO))
        tz_doctor_tell(options, TZ_FINDING_WARN, "state", "chmod 700 it: it holds names of files",
                       "'%s' is open to other users (mode %04o)", state,
                       (unsigned)st.st_mode & 07777U);
    else if (st.st_uid != geteuid())
        tz_doctor_tell(options, TZ_FINDING_WARN, "state", "run tozai as one user always",
                       "'%s' belongs to user %u, not to this one", state, (unsigned)st.st_uid);
    else
        tz_doctor_tell(options, TZ_FINDING_OK, "state", NULL, "'%s' is this user's own", state);
    if (S_ISDIR(st.st_mode))
        tz_doctor_room(options, "state: room", state);
}

static void check_secret(const struct tz_doctor_options *options, const char *name,
                         const char *path)
{
    struct stat st;

    if (!path)
        return;
    if (stat(path, &st))
        tz_doctor_tell(options, TZ_FINDING_FAIL, name, "check the path in the configuration",
                       "'%s' cannot be found", path);
    else if (st.st_mode & (S_IRWXG | S_IRWXO))
        tz_doctor_tell(options, TZ_FINDING_FAIL, name, "chmod 600 it",
                       "'%s' is open to other users (mode %04o)", path,
                       (unsigned)st.st_mode & 07777U);
    else if (access(path, R_OK))
        tz_doctor_tell(options, TZ_FINDING_FAIL, name, "run tozai as its owner",
                       "'%s' cannot be read by this user", path);
    else
        tz_doctor_tell(options, TZ_FINDING_OK, name, NULL, "'%s' is for this user only", path);
}

void tz_doctor_files(const struct tz_doctor_options *options)
{
    check_config(options);
    check_state(options);
    check_secret(options, "passphrase_file", options->config->passphrase_file);
    check_secret(options, "key_file", options->config->key_file);
}
