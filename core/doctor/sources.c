#include "internal.h"

#include "tozai/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "tozai/util/banned.h"

#define SHELL        "/bin/sh"
#define SQLITE_MAGIC "SQLite format 3"
#define NAME_LEN     160

static int look(const char *path, struct stat *ret, struct tz_error *err)
{
    return stat(path, ret) ? tz_fail_errno(err, errno, "path '%s'", path) : 0;
}

static int check_directory(const struct tz_config_source *source, struct tz_error *err)
{
    struct stat st;

    for (size_t i = 0; i < source->paths.count; i++) {
        const char *path = source->paths.items[i];
        if (look(path, &st, err))
            return -1;
        if (access(path, S_ISDIR(st.st_mode) ? R_OK | X_OK : R_OK))
            return tz_fail_errno(err, errno, "read '%s'", path);
    }
    for (size_t i = 0; i < source->exclude_files.count; i++) {
        if (access(source->exclude_files.items[i], R_OK))
            return tz_fail_errno(err, errno, "read exclude_file '%s'",
                                 source->exclude_files.items[i]);
    }
    return 0;
}

static int check_sqlite(const struct tz_config_source *source, struct tz_error *err)
{
    const char *path = source->paths.items[0];
    char head[sizeof(SQLITE_MAGIC)];
    size_t len = 0;
    TZ_SCOPED(tz_scoped_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return tz_fail_errno(err, errno, "open '%s'", path);
    if (tz_read_full(fd, head, sizeof(head), &len, err))
        return tz_while(err, "'%s'", path);
    /* A database that nothing was ever written to is an empty file. */
    if (len > 0 && (len < sizeof(head) || memcmp(head, SQLITE_MAGIC, sizeof(head)) != 0))
        return tz_fail(err, TZ_INVALID, "'%s' is not an SQLite database", path);
    return 0;
}

static int check_image(const struct tz_config_source *source, struct tz_error *err)
{
    const char *path = source->paths.items[0];
    struct stat st;

    if (look(path, &st, err))
        return -1;
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return tz_fail(err, TZ_INVALID, "'%s' is neither a file nor a block device", path);
    return access(path, R_OK) ? tz_fail_errno(err, errno, "read '%s'", path) : 0;
}

static int check_source(const struct tz_config_source *source, struct tz_error *err)
{
    switch (source->type) {
    case TZ_SOURCE_DIRECTORY:
        return check_directory(source, err);
    case TZ_SOURCE_SQLITE:
        return check_sqlite(source, err);
    case TZ_SOURCE_IMAGE:
        return check_image(source, err);
    case TZ_SOURCE_COMMAND:
        return access(SHELL, X_OK) ? tz_fail_errno(err, errno, "run the shell '%s'", SHELL) : 0;
    case TZ_SOURCE_POSTGRES:
    case TZ_SOURCE_MARIADB:
        break;
    }
    (void)tz_fail(err, TZ_UNSUPPORTED, "type '%s' is not part of this program",
                  tz_source_type_name(source->type));
    return tz_hint(err, "until then a source of type 'command' can run the server's own dump tool");
}

void tz_doctor_sources(const struct tz_doctor_options *options)
{
    const struct tz_config *config = options->config;

    for (size_t i = 0; i < config->source_count; i++) {
        struct tz_error why = {0};
        char name[NAME_LEN];

        (void)snprintf(name, sizeof(name), "source %s", config->sources[i].name);
        if (check_source(&config->sources[i], &why))
            tz_doctor_tell_error(options, name, &why);
        else
            tz_doctor_tell(options, TZ_FINDING_OK, name, NULL,
                           config->sources[i].type == TZ_SOURCE_COMMAND ? "its shell is there"
                                                                        : "it can be read");
    }
    if (config->source_count == 0)
        tz_doctor_tell(options, TZ_FINDING_WARN, "sources",
                       "add a section [source NAME] with a type and a path",
                       "there is nothing to back up");
}
