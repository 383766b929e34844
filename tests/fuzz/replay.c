/*
 * Runs a fuzz target over every file of some folders: the corpus as an ordinary test, for
 * compilers without libFuzzer.
 */
#include "fuzz.h"

#include "tozai/util/file.h"

#include <dirent.h>
#include <sys/stat.h>

#define INPUT_MAX ((size_t)64 << 20)

static int replay_file(const char *path, size_t *count, struct tz_error *err)
{
    struct stat stat_now;
    if (stat(path, &stat_now) || !S_ISREG(stat_now.st_mode))
        return 0;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf input = {0};
    if (tz_file_read(path, INPUT_MAX, &input, err))
        return -1;
    /* In memory of exactly its size, so that a sanitizer sees every read beyond it. */
    TZ_SCOPED(tz_scoped_free) uint8_t *exact = malloc(input.len ? input.len : 1);
    if (!exact)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < input.len; i++)
        exact[i] = input.data[i];
    (void)LLVMFuzzerTestOneInput(exact, input.len);
    ++*count;
    return 0;
}

static int replay_folder(const char *folder, size_t *count, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_dir) DIR *dir = opendir(folder);
    if (!dir)
        return tz_fail(err, TZ_NOT_FOUND, "cannot open folder '%s'", folder);
    for (struct dirent *entry; (entry = readdir(dir));) {
        TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(folder, entry->d_name);
        if (!path)
            return tz_fail_nomem(err);
        if (replay_file(path, count, err))
            return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    for (int i = 1; i < argc; i++) {
        struct tz_error err = {0};
        if (replay_folder(argv[i], &count, &err)) {
            (void)fprintf(stderr, "replay: %s\n", err.message);
            return 1;
        }
    }
    (void)printf("%zu inputs\n", count);
    return count == 0;
}
