#include "repo_fixture.h"
#include "odd_tree.h"

#include "storage/mem.h"
#include "storage/mirror_private.h"

#include "tozai/util/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <sodium.h>

#define MUST(call)                                                                                 \
    do {                                                                                           \
        struct tz_error must_err_ = {0};                                                           \
        struct tz_error *err = &must_err_;                                                         \
        if (call)                                                                                  \
            fail_msg("%s: %s", #call, err->message);                                               \
    } while (0)

static char *join(const char *folder, const char *name)
{
    char *path = tz_path_join(folder, name);
    assert_non_null(path);
    return path;
}

static char *make_url(const char *folder, const char *store, bool files)
{
    char text[4096];

    (void)snprintf(text, sizeof(text), files ? "file://%s/%s" : "mem:%s-%s",
                   files ? folder : tz_path_base(folder), store);
    char *url = strdup(text);
    assert_non_null(url);
    return url;
}

void tz_fixture_configure(struct tz_fixture *f, const struct tz_fixture_options *options,
                          const char *state, const char *key_file)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};
    char *usual = join(f->folder, "key");

    if (state) {
        free(f->state);
        f->state = strdup(state);
        assert_non_null(f->state);
    }
    MUST(tz_buf_printf(&text, err,
                       "[repository]\nstate = %s\nkey_file = %s\nthreads = 2\n%s\n"
                       "[store east]\nurl = %s\nlocation = tokyo\n"
                       "[store west]\nurl = %s\nlocation = osaka\n",
                       f->state, key_file ? key_file : usual, options->more ? options->more : "",
                       f->east, f->west));
    if (options->sources)
        MUST(tz_buf_printf(&text, err, "%s", options->sources));
    else
        MUST(tz_buf_printf(&text, err, "[source tree]\ntype = directory\npath = %s\n", f->tree));
    MUST(tz_file_replace(f->file, text.data, text.len, 0600, err));
    free(usual);
    tz_config_free(f->config);
    f->config = NULL;
    MUST(tz_config_read(&f->config, f->file, err));
}

static _Atomic uint64_t keys_drawn;

static void draw_key(void *data, const size_t len)
{
    uint8_t seed[randombytes_SEEDBYTES] = {0};
    const uint64_t number = ++keys_drawn;

    memcpy(seed, &number, sizeof(number));
    randombytes_buf_deterministic(data, len, seed);
}

static uint32_t draw_number(void)
{
    uint32_t number = 0;

    draw_key(&number, sizeof(number));
    return number;
}

static const char *drawn_name(void)
{
    return "the same in every run";
}

/* Where chunks end depends on the keys: the same keys in every run of a test, so that what it
 * finds it finds again. */
static void init_with_the_usual_keys(const struct tz_fixture *f)
{
    static struct randombytes_implementation usual = {
        .implementation_name = drawn_name, .random = draw_number, .buf = draw_key};
    const struct tz_repo_init_options init = {.config = f->config, .no_prompt = true};
    uint8_t id[TZ_REPO_ID_SIZE];

    randombytes_set_implementation(&usual);
    MUST(tz_repo_init(&init, id, err));
    randombytes_set_implementation(&randombytes_sysrandom_implementation);
}

void tz_fixture_make(struct tz_fixture *f, const struct tz_fixture_options *options)
{
    *f = (struct tz_fixture){.folder = tz_odd_folder()};
    MUST(tz_crypto_init(err));
    f->tree = join(f->folder, "tree");
    f->target = join(f->folder, "target");
    f->state = join(f->folder, "state");
    f->file = join(f->folder, "tozai.conf");
    f->east = make_url(f->folder, "east", options->files);
    f->west = make_url(f->folder, "west", options->files);
    assert_int_equal(mkdir(f->tree, 0755), 0);
    tz_fixture_configure(f, options, NULL, NULL);
    if (!options->stay_empty)
        init_with_the_usual_keys(f);
}

void tz_fixture_clear(struct tz_fixture *f)
{
    tz_config_free(f->config);
    if (strncmp(f->east, "mem:", 4) == 0) {
        tz_store_mem_forget(f->east + 4);
        tz_store_mem_forget(f->west + 4);
    }
    free(f->tree);
    free(f->target);
    free(f->state);
    free(f->file);
    free(f->east);
    free(f->west);
    tz_odd_folder_remove(f->folder);
}

const char *tz_fixture_place(const char *url)
{
    assert_int_equal(strncmp(url, "file://", 7), 0);
    return url + 7;
}

void tz_fixture_add_writer(struct tz_fixture *f, const char *key_file)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(f, true);
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock unlock = {0};
    const struct tz_unlock_source source = {.key_file = key_file};
    const struct tz_kdf_cost cost = {0};
    uint8_t hash[TZ_HASH_SIZE];

    MUST(tz_key_file_create(key_file, err));
    MUST(tz_unlock_read(&unlock, &source, err));
    MUST(tz_repo_add_slot(repo, TZ_ROLE_WRITER, "writer", &unlock, &cost, hash, err));
}

static void note_warning(void *arg, const char *text)
{
    struct tz_fixture *f = arg;

    f->warnings++;
    (void)snprintf(f->warning, sizeof(f->warning), "%s", text);
}

static struct tz_repo *open_repo(struct tz_fixture *f, bool need_operator, bool exclusive,
                                 const char *only_store)
{
    struct tz_repo *repo = NULL;
    const struct tz_repo_options options = {.config = f->config,
                                            .need_operator = need_operator,
                                            .purpose = "test",
                                            .exclusive = exclusive,
                                            .no_prompt = true,
                                            .only_store = only_store,
                                            .warn = note_warning,
                                            .warn_arg = f};

    MUST(tz_repo_open(&repo, &options, err));
    return repo;
}

struct tz_repo *tz_fixture_open(struct tz_fixture *f, bool need_operator)
{
    return open_repo(f, need_operator, true, NULL);
}

struct faulty_store *tz_fixture_spoil(struct tz_repo *repo, size_t i)
{
    struct tz_mirror *mirror = tz_repo_mirror(repo);
    struct faulty_store *control = NULL;

    tz_mirror_lock(mirror);
    MUST(faulty_store_new(&mirror->lanes[i].store, &control, mirror->lanes[i].store, err));
    tz_mirror_unlock(mirror);
    return control;
}

int tz_fixture_try_backup(struct tz_repo *repo, const char *source, struct tz_backup_result *ret,
                          struct tz_error *err)
{
    const struct tz_backup_options options = {
        .repo = repo, .source = tz_config_find_source(tz_repo_config(repo), source)};

    assert_non_null(options.source);
    *ret = (struct tz_backup_result){0};
    return tz_backup(&options, ret, err);
}

void tz_fixture_backup(struct tz_repo *repo, const char *source, struct tz_backup_result *ret)
{
    MUST(tz_fixture_try_backup(repo, source, ret, err));
}

void tz_fixture_restore(struct tz_repo *repo, const char *source, const char *point,
                        const char *target, const struct tz_restore_options *options,
                        struct tz_restore_result *ret)
{
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    struct tz_restore_options all = {.overwrite = TZ_OVERWRITE_ALWAYS};

    MUST(tz_repo_find(repo, source, point, &head, err));
    if (options)
        all = *options;
    all.repo = repo;
    all.head = &head;
    all.target = target;
    MUST(tz_restore(&all, ret, err));
}

void tz_fixture_run(struct tz_fixture *f, struct tz_backup_result *ret)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(f, false);
    tz_fixture_backup(repo, "tree", ret);
}

void tz_fixture_check(struct tz_fixture *f, const char *only_store)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = open_repo(f, true, false, only_store);
    struct tz_restore_result result;

    if (access(f->target, F_OK) == 0)
        assert_int_equal(tz_odd_tree_remove(f->target), 0);
    tz_fixture_restore(repo, "tree", "latest", f->target, NULL, &result);
    assert_int_equal(result.failed, 0);
    assert_int_equal(tz_odd_tree_compare(f->tree, f->target, stdout), 0);
    assert_int_equal(tz_odd_tree_remove(f->target), 0);
}

struct counting {
    size_t count;
    struct tz_store *other;
    struct tz_store *store;
    unsigned differences;
};

static int count_one(void *arg, const char *name, const struct tz_store_stat *stat,
                     struct tz_error *err)
{
    struct counting *counting = arg;

    (void)name;
    (void)stat;
    (void)err;
    counting->count++;
    return 0;
}

static struct tz_store *open_store(const char *url)
{
    const struct tz_store_options options = {.name = "test", .url = url, .read_only = true};
    struct tz_store *store = NULL;

    MUST(tz_store_open(&store, &options, err));
    return store;
}

size_t tz_fixture_count(const char *url, const char *prefix)
{
    TZ_SCOPED(tz_scoped_store) struct tz_store *store = open_store(url);
    struct counting counting = {0};

    MUST(tz_store_list(store, prefix, count_one, &counting, err));
    return counting.count;
}

static int compare_one(void *arg, const char *name, const struct tz_store_stat *stat,
                       struct tz_error *err)
{
    struct counting *counting = arg;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf a = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf b = {0};

    if (tz_store_get(counting->store, name, 0, (size_t)stat->size, &a, err))
        return -1;
    if (tz_store_get(counting->other, name, 0, (size_t)stat->size + 1, &b, NULL) ||
        a.len != b.len || (a.len && memcmp(a.data, b.data, a.len) != 0)) {
        print_message("the stores differ in '%s'\n", name);
        counting->differences++;
    }
    return 0;
}

unsigned tz_fixture_compare_stores(const struct tz_fixture *f)
{
    TZ_SCOPED(tz_scoped_store) struct tz_store *east = open_store(f->east);
    TZ_SCOPED(tz_scoped_store) struct tz_store *west = open_store(f->west);
    struct counting there = {.store = east, .other = west};
    struct counting back = {.store = west, .other = east};

    MUST(tz_store_list(east, "", compare_one, &there, err));
    MUST(tz_store_list(west, "", compare_one, &back, err));
    return there.differences + back.differences;
}

void tz_fixture_write_at(const struct tz_fixture *f, const char *name, uint64_t offset,
                         const void *data, size_t len)
{
    char *path = name[0] == '/' ? strdup(name) : join(f->tree, name);
    TZ_SCOPED(tz_scoped_fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    MUST(tz_pwrite_all(fd, data, len, offset, err));
    free(path);
}

void tz_fixture_write(const struct tz_fixture *f, const char *name, const void *data, size_t len)
{
    char *path = name[0] == '/' ? strdup(name) : join(f->tree, name);

    (void)unlink(path);
    tz_fixture_write_at(f, path, 0, data, len);
    free(path);
}

void tz_fixture_random(void *data, size_t len, uint64_t seed)
{
    uint8_t *bytes = data;
    uint64_t x = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;

    for (size_t i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        bytes[i] = (uint8_t)(x >> 24);
    }
}

void tz_fixture_fill(const struct tz_fixture *f, const char *name, size_t len, uint64_t seed)
{
    uint8_t *data = malloc(len + 1);

    assert_non_null(data);
    tz_fixture_random(data, len, seed);
    tz_fixture_write(f, name, data, len);
    free(data);
}
