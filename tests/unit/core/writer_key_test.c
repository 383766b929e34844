/*
 * A host that has a writer's key only: it can back up, and learns nothing of what was.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "odd_tree.h"
#include "repo_fixture.h"

#include "tozai/core/pack.h"
#include "tozai/util/file.h"
#include "tozai/util/hex.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define NAME    "name-that-nobody-may-learn"
#define CONTENT "content that nobody may learn of, not even a part"

static const struct tz_fixture_options plain = {.more = "frame_size = 256K\npack_size = 1M\n",
                                                .files = true};
static struct tz_fixture fixture;
static char *writer_file;

static int enter(void **state)
{
    (void)state;
    tz_fixture_make(&fixture, &plain);
    writer_file = tz_path_join(fixture.folder, "writer-key");
    tz_fixture_add_writer(&fixture, writer_file);
    return 0;
}

static int leave(void **state)
{
    (void)state;
    free(writer_file);
    tz_fixture_clear(&fixture);
    return 0;
}

/* The host's own state, and the key that its configuration names. */
static void be_writer(void)
{
    char *state = tz_path_join(fixture.folder, "writer-state");
    tz_fixture_configure(&fixture, &plain, state, writer_file);
    free(state);
}

static void be_operator(void)
{
    char *state = tz_path_join(fixture.folder, "operator-state");
    tz_fixture_configure(&fixture, &plain, state, NULL);
    free(state);
}

static void make_tree(void)
{
    char *path = tz_path_join(fixture.tree, "dir-" NAME);

    assert_int_equal(mkdir(path, 0755), 0);
    free(path);
    for (int i = 0; i < 50; i++) {
        char name[128], text[8192];
        (void)snprintf(name, sizeof(name), "dir-" NAME "/%d-" NAME, i);
        for (size_t at = 0; at + sizeof(CONTENT) + 20 < sizeof(text);)
            at +=
                (size_t)snprintf(text + at, sizeof(text) - at, "%zu " CONTENT "\n", at + (size_t)i);
        tz_fixture_write(&fixture, name, text, strlen(text));
    }
    tz_fixture_fill(&fixture, "random-" NAME, 900000, 3);
    /* One that cannot be said without its name: a warning. */
    tz_fixture_write(&fixture, "plain-" NAME, CONTENT, strlen(CONTENT));
}

static void back_up(void)
{
    struct tz_backup_result result;

    tz_fixture_run(&fixture, &result);
    assert_true(result.complete);
    tz_backup_result_clear(&result);
}

static void test_writer_backs_up(void **state)
{
    struct tz_error err = {0};

    (void)state;
    make_tree();
    be_writer();
    back_up();
    tz_fixture_fill(&fixture, "more", 10000, 9);
    back_up();
    {
        TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, false);
        TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
        struct tz_restore_result result;

        assert_int_equal(tz_keys_role(tz_repo_keys(repo)), TZ_ROLE_WRITER);
        if (tz_repo_find(repo, "tree", "latest", &head, &err))
            fail_msg("%s", err.message);
        const struct tz_restore_options restore = {
            .repo = repo, .head = &head, .target = fixture.target};
        assert_int_equal(tz_restore(&restore, &result, &err), -1);
        assert_int_equal(err.kind, TZ_KEY);
        assert_int_equal(access(fixture.target, F_OK), -1);
    }
    struct tz_repo *none = NULL;
    const struct tz_repo_options operator= {
        .config = fixture.config, .need_operator = true, .purpose = "restore", .no_prompt = true};
    assert_int_equal(tz_repo_open(&none, &operator, & err), -1);
    assert_int_equal(err.kind, TZ_KEY);
    be_operator();
    tz_fixture_check(&fixture, "east");
    tz_fixture_check(&fixture, "west");
    assert_int_equal(tz_fixture_compare_stores(&fixture), 0);
}

/* With all that the writer has, no pack of any run opens. */
struct opening {
    struct tz_store *store;
    const struct tz_keys *keys;
    unsigned packs;
};

static int try_to_open(void *arg, const char *name, const struct tz_store_stat *stat,
                       struct tz_error *err)
{
    struct opening *opening = arg;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf header = {0};
    TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {0};
    uint8_t key[TZ_KEY_SIZE];
    uint32_t kind = 0;

    if (tz_store_get(opening->store, name, 0, (size_t)stat->size, &header, err))
        return -1;
    assert_int_equal(tz_pack_header_check(opening->keys, header.data, &kind, err), 0);
    assert_int_equal(tz_pack_header_open(opening->keys, header.data, key, err), -1);
    assert_int_equal(err->kind, TZ_KEY);
    assert_int_equal(tz_pack_directory(opening->keys, header.data, header.len, &info, err), -1);
    assert_int_equal(err->kind, TZ_KEY);
    opening->packs++;
    return 0;
}

static void test_no_pack_opens(void **state)
{
    const struct tz_store_options options = {.name = "test", .url = fixture.east};
    TZ_SCOPED(tz_scoped_store) struct tz_store *store = NULL;
    struct tz_error err = {0};

    (void)state;
    make_tree();
    back_up(); /* by the operator, and then by the writer */
    be_writer();
    tz_fixture_fill(&fixture, "more", 500000, 9);
    back_up();
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, false);
    assert_int_equal(tz_store_open(&store, &options, &err), 0);
    struct opening opening = {.store = store, .keys = tz_repo_keys(repo)};
    assert_int_equal(tz_store_list(store, "packs/", try_to_open, &opening, &err), 0);
    assert_true(opening.packs >= 4);
}

/* Looking for bytes in every file of a folder. */
static const struct needle {
    const void *bytes;
    size_t len;
} * needles;
static size_t needle_count;
static bool names_allowed; /* in the local manifest's entries */
static unsigned files_seen, entries_seen;

static int look(const char *path, const struct stat *st, int type, struct FTW *where)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    struct tz_error err = {0};

    (void)where;
    if (type != FTW_F)
        return 0;
    files_seen++;
    assert_int_equal(st->st_mode & 077, names_allowed ? 0 : st->st_mode & 077);
    bool entries = strstr(path, "/sources/") && strcmp(tz_path_base(path), "entries") == 0;
    if (entries) {
        entries_seen++;
        assert_int_equal(st->st_mode & 07777, 0600);
    }
    assert_null(strstr(path, NAME));
    if (tz_file_read(path, SIZE_MAX / 2, &bytes, &err))
        fail_msg("%s", err.message);
    for (size_t i = 0; i < needle_count; i++) {
        /* The first needle is the name. */
        if (i == 0 && entries && names_allowed)
            continue;
        if (bytes.len && memmem(bytes.data, bytes.len, needles[i].bytes, needles[i].len))
            fail_msg("'%s' holds secret %zu", path, i);
    }
    return 0;
}

static void search(const char *folder, bool is_state)
{
    files_seen = entries_seen = 0;
    names_allowed = is_state;
    assert_int_equal(nftw(folder, look, 16, FTW_PHYS), 0);
    assert_true(files_seen > 0);
    if (is_state)
        assert_true(entries_seen > 0);
}

static void test_nothing_lies_about(void **state)
{
    uint8_t random[32], all[900000];
    char hex[2 * TZ_KEY_SIZE + 1];
    TZ_SCOPED(tz_scoped_buf) struct tz_buf key_file = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf writer_key = {0};
    struct tz_error err = {0};

    (void)state;
    make_tree();
    be_writer();
    back_up();
    back_up();
    char *key_path = tz_path_join(fixture.folder, "key");
    assert_int_equal(tz_file_read(key_path, 4096, &key_file, &err), 0);
    assert_int_equal(tz_file_read(writer_file, 4096, &writer_key, &err), 0);
    free(key_path);
    /* The last 64 digits are the secret. */
    const char *digits = (const char *)memchr(key_file.data + 16, ' ', key_file.len - 16);
    const char *writer_digits =
        (const char *)memchr(writer_key.data + 16, ' ', writer_key.len - 16);
    digits = digits ? digits + 1 : (const char *)key_file.data + 17;
    writer_digits = writer_digits ? writer_digits + 1 : (const char *)writer_key.data + 17;
    uint8_t secret[32], writer_secret[32];
    assert_true(tz_unhex(secret, 32, digits));
    assert_true(tz_unhex(writer_secret, 32, writer_digits));
    tz_fixture_random(all, sizeof(all), 3);
    memcpy(random, all + 450000, sizeof(random));

    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, false);
    const struct tz_keys *keys = tz_repo_keys(repo);
    tz_hex(hex, tz_keys_chunk_id_key(keys), TZ_KEY_SIZE);
    const struct needle list[] = {
        {NAME, strlen(NAME)},
        {CONTENT, 20},
        {random, sizeof(random)},
        {secret, sizeof(secret)},
        {digits, 64},
        {writer_secret, sizeof(writer_secret)},
        {writer_digits, 64},
        {tz_keys_chunk_id_key(keys), TZ_KEY_SIZE},
        {hex, 2 * TZ_KEY_SIZE},
        {tz_keys_chunker_seed(keys), TZ_KEY_SIZE},
        {tz_keys_name_key(keys), TZ_KEY_SIZE},
        {tz_keys_local_key(keys), TZ_KEY_SIZE},
        {tz_keys_object_key(keys, tz_keys_epoch(keys)), TZ_KEY_SIZE},
    };
    needles = list;
    needle_count = TZ_COUNT(list);
    search(fixture.state, true);
    search(tz_fixture_place(fixture.east), false);
    search(tz_fixture_place(fixture.west), false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_writer_backs_up, enter, leave),
        cmocka_unit_test_setup_teardown(test_no_pack_opens, enter, leave),
        cmocka_unit_test_setup_teardown(test_nothing_lies_about, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
