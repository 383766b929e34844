/*
 * The S3 driver on a real server: $TOZAI_S3_SERVER is the folder that tests/servers/ made.
 */
#include "store_contract.h"

#include "tozai/util/buf.h"
#include "tozai/util/file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SKIPPED 77

static unsigned trusted;
static char endpoint[256], region[64], credentials[512];

/* "NAME=value" of the folder's file env. */
static bool find_setting(const char *text, const char *name, char *value, size_t size)
{
    size_t len = strlen(name);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) == 0 && line[len] == '=') {
            (void)snprintf(value, size, "%.*s", (int)strcspn(line + len + 1, "\n"), line + len + 1);
            return true;
        }
    }
    return false;
}

static bool find_server(void)
{
    const char *folder = getenv("TOZAI_S3_SERVER");
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};
    char path[512];

    if (!folder || !*folder)
        return false;
    (void)snprintf(path, sizeof(path), "%s/env", folder);
    (void)snprintf(credentials, sizeof(credentials), "%s/credentials", folder);
    if (tz_file_read(path, 65536, &text, NULL) || tz_buf_append(&text, "", 1, NULL))
        return false;
    return find_setting((const char *)text.data, "S3_ENDPOINT", endpoint, sizeof(endpoint)) &&
           find_setting((const char *)text.data, "S3_REGION", region, sizeof(region));
}

static int open_place(struct tz_store **ret, const char *place, bool read_only,
                      struct tz_error *err)
{
    char url[128];
    const struct tz_store_s3_options s3 = {
        .endpoint = endpoint,
        .region = region,
        .credentials_file = credentials,

    };
    const struct tz_store_options options = {
        .name = "bucket",
        .url = url,
        .read_only = read_only,
        .create = true,
        .s3 = &s3,
    };

    (void)snprintf(url, sizeof(url), "s3://contract/%s", place);
    if (tz_store_open(ret, &options, err))
        return -1;
    tz_store_trust(*ret, trusted);
    return 0;
}

int main(void)
{
    if (!find_server()) {
        (void)printf("skipped: no server ($TOZAI_S3_SERVER)\n");
        return SKIPPED;
    }
    trusted = TZ_STORE_ATOMIC | TZ_STORE_BATCH;
    int failed = run_store_contract("s3", open_place);
    /* What was not proven is done in another way. */
    trusted = 0;
    return run_store_contract("s3 of which nothing is known", open_place) || failed;
}
