/*
 * Verifying and healing, by mutation: every class of object is damaged in every way, and every
 * level must notice what it can see.
 */
#include "check_fixture.h"
#include "odd_tree.h"

#include "core/catalog/database.h"
#include "tozai/util/hex.h"
#include "tozai/util/interrupt.h"
#include "tozai/util/time.h"

#include <pthread.h>

static struct tz_fixture fixture;
static struct tz_store *stores[STORES];

static void open_inside(void)
{
    for (size_t i = 0; i < STORES; i++)
        stores[i] = inside(&fixture, i);
}

static int enter(void **state)
{
    (void)state;
    make_repository(&fixture, false, 2);
    open_inside();
    return 0;
}

static int leave(void **state)
{
    (void)state;
    for (size_t i = 0; i < STORES; i++)
        tz_store_free(stores[i]);
    tz_fixture_clear(&fixture);
    return 0;
}

static const struct class
{
    const char *title;
    enum tz_name_kind kind;
    uint32_t pack_kind;
} classes[] = {
    {"descriptor", TZ_NAME_IS_DESCRIPTOR, 0},
    {"key slot", TZ_NAME_IS_KEY, 0},
    {"data pack", TZ_NAME_IS_PACK, TZ_PACK_DATA},
    {"manifest pack", TZ_NAME_IS_PACK, TZ_PACK_MANIFEST},
    {"index", TZ_NAME_IS_INDEX, 0},
    {"head", TZ_NAME_IS_HEAD, 0},
    {"seal", TZ_NAME_IS_SEAL, 0},
};

enum way {
    DELETED,
    CUT,
    CUT_ONE,
    EMPTIED,
    APPENDED,
    FLIP_FIRST,
    FLIP_MIDDLE,
    FLIP_LAST,
    SWAPPED,
    WAYS
};

static const char *const way_titles[WAYS] = {
    "deleted",           "cut in half",        "cut by a byte",    "emptied", "a byte appended",
    "first bit flipped", "middle bit flipped", "last bit flipped", "swapped",
};

struct mutation {
    enum way way;
    size_t store;
    char names[2][TZ_NAME_TEXT]; /* the second one of a swap */
    size_t count;
    bool sizes_tell; /* a listing shows it */
};

static void damage(const struct mutation *m)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf a = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf b = {0};
    struct tz_store *store = stores[m->store];

    get_object(store, m->names[0], &a);
    switch (m->way) {
    case DELETED:
        MUST(tz_store_remove(store, m->names[0], err));
        return;
    case CUT:
        a.len /= 2;
        break;
    case CUT_ONE:
        a.len--;
        break;
    case EMPTIED:
        a.len = 0;
        break;
    case APPENDED:
        MUST(tz_buf_append(&a, "x", 1, err));
        break;
    case FLIP_FIRST:
        a.data[0] ^= 0x80;
        break;
    case FLIP_MIDDLE:
        a.data[a.len / 2] ^= 0x10;
        break;
    case FLIP_LAST:
        a.data[a.len - 1] ^= 1;
        break;
    default:
        get_object(store, m->names[1], &b);
        put_object(store, m->names[0], b.data, b.len);
        put_object(store, m->names[1], a.data, a.len);
        return;
    }
    put_object(store, m->names[0], a.data, a.len);
}

/* Is each of the damaged objects in its list, and nothing else in any? */
static void expect_found(const struct mutation *m, const struct tz_verify_result *result)
{
    const struct tz_verify_store *hurt = &result->stores[m->store];
    const struct tz_verify_store *other = &result->stores[1 - m->store];
    char **list = m->way == DELETED ? hurt->missing : hurt->damaged;
    size_t count = m->way == DELETED ? hurt->missing_count : hurt->damaged_count;

    assert_false(result->ok);
    for (size_t i = 0; i < m->count; i++)
        assert_true(has_name(list, count, m->names[i]));
    assert_int_equal(hurt->missing_count + hurt->damaged_count, m->count);
    assert_int_equal(other->missing_count + other->damaged_count, 0);
    assert_int_equal(result->fault_count, 0);
}

static void expect_notice(struct tz_repo *repo, const struct mutation *m,
                          enum tz_verify_level level, bool sees)
{
    struct tz_verify_result result;

    run_verify(repo, level, false, &result);
    if (sees == result.ok)
        print_result(&result);
    if (sees)
        expect_found(m, &result);
    else
        assert_true(result.ok);
    tz_verify_result_clear(&result);
}

static void expect_healed(struct tz_repo *repo, const struct mutation *m,
                          enum tz_verify_level level)
{
    struct tz_verify_result result;

    run_verify(repo, level, true, &result);
    if (!result.ok)
        print_result(&result);
    assert_true(result.ok);
    assert_int_equal(result.stores[m->store].healed_count, m->count);
    for (size_t i = 0; i < m->count; i++)
        assert_true(has_name(result.stores[m->store].healed, m->count, m->names[i]));
    tz_verify_result_clear(&result);
    assert_int_equal(tz_fixture_compare_stores(&fixture), 0);
    expect_good(repo, TZ_VERIFY_CONTENT);
}

/* Choose what to damage; false if there is nothing of this kind. */
static bool choose(struct mutation *m, const struct class *class, enum way way, size_t round)
{
    TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};

    *m = (struct mutation){.way = way, .store = round % STORES, .count = way == SWAPPED ? 2 : 1};
    list_class(stores[m->store], class->kind, class->pack_kind, &list);
    if (list.count < m->count)
        return false;
    const struct tz_listed *first = &list.items[round % list.count];
    const struct tz_listed *second = &list.items[(round + 1) % list.count];
    memcpy(m->names[0], first->name, TZ_NAME_TEXT);
    memcpy(m->names[1], second->name, TZ_NAME_TEXT);
    /* Descriptors are read at every level. */
    m->sizes_tell = way <= APPENDED || class->kind == TZ_NAME_IS_DESCRIPTOR ||
                    (way == SWAPPED && first->size != second->size);
    return true;
}

static void mutate(struct tz_repo *repo, const struct class *class, enum way way, size_t round)
{
    struct mutation m;

    if (!choose(&m, class, way, round))
        return;
    print_message("%s: %s\n", class->title, way_titles[way]);
    damage(&m);
    for (int level = TZ_VERIFY_PRESENCE; level <= TZ_VERIFY_CONTENT; level++)
        expect_notice(repo, &m, (enum tz_verify_level)level,
                      level > TZ_VERIFY_PRESENCE || m.sizes_tell);
    expect_healed(repo, &m, way % 2 ? TZ_VERIFY_CONTENT : TZ_VERIFY_CIPHERTEXT);
}

static void add_writer(void)
{
    char *file = tz_path_join(fixture.folder, "writer-key");

    assert_non_null(file);
    tz_fixture_add_writer(&fixture, file);
    free(file);
}

static void test_mutations(void **state)
{
    size_t round = 0;

    (void)state;
    add_writer(); /* so that there are two slots to swap */
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    expect_good(repo, TZ_VERIFY_CONTENT);
    for (size_t i = 0; i < TZ_COUNT(classes); i++)
        for (int way = 0; way < WAYS; way++, round++)
            mutate(repo, &classes[i], (enum way)way, round);
}

/* The same when the damage stands before the repository is opened, which reads small objects. */
static void test_mutations_before_opening(void **state)
{
    size_t round = 0;

    (void)state;
    for (size_t i = 0; i < TZ_COUNT(classes); i++)
        for (int way = 0; way < WAYS; way++, round++) {
            struct mutation m;
            if (!choose(&m, &classes[i], (enum way)way, round))
                continue;
            print_message("%s: %s\n", classes[i].title, way_titles[way]);
            damage(&m);
            TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
            expect_notice(repo, &m, TZ_VERIFY_CIPHERTEXT, true);
            expect_healed(repo, &m, TZ_VERIFY_CIPHERTEXT);
        }
}

/* A descriptor that names another repository, in this store. */
static void change_id(size_t store)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    struct tz_descriptor descriptor;

    get_object(stores[store], TZ_NAME_DESCRIPTOR, &bytes);
    MUST(tz_descriptor_read(&descriptor, bytes.data, bytes.len, err));
    descriptor.repo_id[7] ^= 0x20;
    tz_buf_reset(&bytes);
    MUST(tz_descriptor_write(&descriptor, &bytes, err));
    put_object(stores[store], TZ_NAME_DESCRIPTOR, bytes.data, bytes.len);
}

/* The key slots tell whose a repository is, too: nothing is lost with the descriptors. */
static void test_descriptors(void **state)
{
    static const struct {
        bool rubbish[STORES], changed[STORES];
    } cases[] = {
        {.changed = {true, false}},
        {.changed = {false, true}},
        {.changed = {true, true}},
        {.rubbish = {true, true}},
        {.rubbish[EAST] = true, .changed[WEST] = true},
    };

    (void)state;
    for (size_t i = 0; i < TZ_COUNT(cases); i++)
        for (int only = 0; only < 2; only++) {
            const struct tz_fixture_options options = {.more =
                                                           "frame_size = 256K\npack_size = 1M\n"};
            char fresh[32];
            unsigned hurt = 0;
            for (size_t k = 0; k < STORES; k++) {
                if (cases[i].rubbish[k])
                    put_object(stores[k], TZ_NAME_DESCRIPTOR, "{\"tozai\":", 9);
                if (cases[i].changed[k])
                    change_id(k);
                hurt += cases[i].rubbish[k] || cases[i].changed[k];
            }
            print_message("case %zu, %s\n", i, only ? "a host that knows nothing" : "as before");
            (void)snprintf(fresh, sizeof(fresh), "state-%zu-%d", i, only);
            char *path = tz_path_join(fixture.folder, fresh);
            assert_non_null(path);
            if (only)
                tz_fixture_configure(&fixture, &options, path, NULL);
            free(path);
            tz_fixture_check(&fixture, "east");
            tz_fixture_check(&fixture, "west");
            TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
            struct tz_verify_result result;
            run_verify(repo, TZ_VERIFY_CIPHERTEXT, true, &result);
            if (!result.ok)
                print_result(&result);
            assert_true(result.ok);
            assert_int_equal(result.stores[EAST].healed_count + result.stores[WEST].healed_count,
                             hurt);
            tz_verify_result_clear(&result);
            fixture.warnings = 0;
            tz_repo_free(TZ_TAKE(repo));
            repo = tz_fixture_open(&fixture, true);
            assert_int_equal(fixture.warnings, 0);
            expect_good(repo, TZ_VERIFY_CIPHERTEXT);
        }
}

/* A copy under another name is nobody's: it is reported and left alone. */
static void test_duplicates(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);

    (void)state;
    for (size_t i = 0; i < TZ_COUNT(classes); i++) {
        TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};
        TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
        struct tz_verify_result result;
        char name[TZ_NAME_TEXT];
        struct tz_name parsed;

        list_class(stores[WEST], classes[i].kind, classes[i].pack_kind, &list);
        get_object(stores[WEST], list.items[0].name, &bytes);
        parsed = tz_name_parse(list.items[0].name);
        parsed.hash[5] ^= 1;
        switch (parsed.kind) {
        case TZ_NAME_IS_DESCRIPTOR:
            (void)snprintf(name, sizeof(name), "tozai2");
            break;
        case TZ_NAME_IS_KEY:
            tz_name_key(name, parsed.hash);
            break;
        case TZ_NAME_IS_PACK:
            tz_name_pack(name, parsed.hash);
            break;
        case TZ_NAME_IS_INDEX:
            tz_name_index(name, parsed.hash);
            break;
        case TZ_NAME_IS_HEAD:
            tz_name_head(name, parsed.source_id, parsed.time_ns, parsed.hash);
            break;
        default:
            tz_name_seal(name, parsed.source_id, parsed.time_ns, parsed.hash);
        }
        print_message("%s\n", name);
        put_object(stores[WEST], name, bytes.data, bytes.len);
        for (int level = TZ_VERIFY_PRESENCE; level <= TZ_VERIFY_CONTENT; level++) {
            run_verify(repo, (enum tz_verify_level)level, level == TZ_VERIFY_CONTENT, &result);
            const struct tz_verify_store *west = &result.stores[WEST];
            bool unknown = has_name(west->unknown, west->unknown_count, name);
            bool damaged = has_name(west->damaged, west->damaged_count, name);
            bool foreign = parsed.kind == TZ_NAME_IS_DESCRIPTOR;
            bool pack = parsed.kind == TZ_NAME_IS_PACK;
            if (!(unknown || damaged))
                print_result(&result);
            assert_int_equal(unknown, foreign || pack);
            /* That a key slot is not what its name says shows in its bytes only. */
            if (level > TZ_VERIFY_PRESENCE)
                assert_int_equal(damaged, !foreign);
            assert_int_equal(result.ok, !damaged && result.stores[EAST].missing_count == 0);
            tz_verify_result_clear(&result);
        }
        assert_true(is_there(stores[WEST], name));
        assert_false(is_there(stores[EAST], name));
        MUST(tz_store_remove(stores[WEST], name, err));
        expect_good(repo, TZ_VERIFY_CONTENT);
    }
}

static const char *pick(struct tz_listing *list, size_t store, enum tz_name_kind kind,
                        uint32_t pack_kind, size_t i)
{
    list_class(stores[store], kind, pack_kind, list);
    assert_true(i < list->count);
    return list->items[i].name;
}

static void test_both_ways(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};
    struct tz_verify_result result;

    (void)state;
    struct mutation a = {.way = CUT, .store = EAST, .count = 1};
    struct mutation b = {.way = DELETED, .store = WEST, .count = 1};
    memcpy(a.names[0], pick(&list, EAST, TZ_NAME_IS_PACK, TZ_PACK_DATA, 0), TZ_NAME_TEXT);
    memcpy(b.names[0], list.items[1].name, TZ_NAME_TEXT);
    damage(&a);
    damage(&b);
    run_verify(repo, TZ_VERIFY_CIPHERTEXT, true, &result);
    assert_true(result.ok);
    assert_true(has_name(result.stores[EAST].healed, result.stores[EAST].healed_count, a.names[0]));
    assert_true(has_name(result.stores[WEST].healed, result.stores[WEST].healed_count, b.names[0]));
    tz_verify_result_clear(&result);
    assert_int_equal(tz_fixture_compare_stores(&fixture), 0);
    expect_good(repo, TZ_VERIFY_CONTENT);
}

/* Does a line name the object and this source's generations? */
static void expect_fault(const struct tz_verify_result *result, const char *name, bool generations)
{
    for (size_t i = 0; i < result->fault_count; i++)
        if (strstr(result->faults[i], name) && (!generations || strstr(result->faults[i], "tree@")))
            return;
    print_result(result);
    fail_msg("no fault names %s", name);
}

/* Nothing is left to heal from: it is reported, the rest is healed, and nothing is deleted. */
static void test_lost_in_both(void **state)
{
    static const struct {
        enum tz_name_kind kind;
        uint32_t pack_kind;
        enum way east, west;
    } cases[] = {
        {TZ_NAME_IS_PACK, TZ_PACK_DATA, FLIP_MIDDLE, CUT},
        {TZ_NAME_IS_PACK, TZ_PACK_MANIFEST, FLIP_FIRST, FLIP_LAST},
        {TZ_NAME_IS_PACK, TZ_PACK_DATA, DELETED, DELETED},
        {TZ_NAME_IS_HEAD, 0, FLIP_MIDDLE, DELETED},
        {TZ_NAME_IS_SEAL, 0, DELETED, FLIP_LAST},
        {TZ_NAME_IS_SEAL, 0, DELETED, DELETED},
        {TZ_NAME_IS_HEAD, 0, DELETED, DELETED},
        {TZ_NAME_IS_INDEX, 0, DELETED, FLIP_MIDDLE},
        {TZ_NAME_IS_INDEX, 0, DELETED, DELETED},
    };
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);

    (void)state;
    expect_good(repo, TZ_VERIFY_PRESENCE);
    for (size_t i = 0; i < TZ_COUNT(cases); i++) {
        TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};
        TZ_SCOPED(tz_scoped_buf) struct tz_buf good = {0};
        struct mutation east = {.way = cases[i].east, .store = EAST, .count = 1};
        struct mutation west = {.way = cases[i].west, .store = WEST, .count = 1};
        const char *name = pick(&list, EAST, cases[i].kind, cases[i].pack_kind, 0);

        get_object(stores[EAST], name, &good);
        memcpy(east.names[0], name, TZ_NAME_TEXT);
        memcpy(west.names[0], name, TZ_NAME_TEXT);
        print_message("%s: %s, %s\n", name, way_titles[east.way], way_titles[west.way]);
        damage(&east);
        damage(&west);
        for (int level = TZ_VERIFY_CIPHERTEXT; level <= TZ_VERIFY_CONTENT; level++) {
            struct tz_verify_result result;
            run_verify(repo, (enum tz_verify_level)level, true, &result);
            assert_false(result.ok);
            assert_int_equal(result.stores[EAST].healed_count, 0);
            assert_int_equal(result.stores[WEST].healed_count, 0);
            expect_fault(&result, name, cases[i].kind != TZ_NAME_IS_INDEX);
            tz_verify_result_clear(&result);
            assert_int_equal(is_there(stores[EAST], name), east.way != DELETED);
            assert_int_equal(is_there(stores[WEST], name), west.way != DELETED);
        }
        put_object(stores[EAST], name, good.data, good.len);
        put_object(stores[WEST], name, good.data, good.len);
        expect_good(repo, TZ_VERIFY_CONTENT);
    }
}

static int compare_hashes(const void *a, const void *b)
{
    return memcmp(a, b, TZ_HASH_SIZE);
}

/* Whatever was wrong is healed, and both stores are the same. */
static void expect_healed_all(struct tz_repo *repo)
{
    struct tz_verify_result result;

    run_verify(repo, TZ_VERIFY_CIPHERTEXT, true, &result);
    if (!result.ok)
        print_result(&result);
    assert_true(result.ok);
    tz_verify_result_clear(&result);
    assert_int_equal(tz_fixture_compare_stores(&fixture), 0);
    expect_good(repo, TZ_VERIFY_CONTENT);
}

struct ages {
    size_t count, never;
    uint64_t bytes;
};

static int count_age(void *arg, const struct tz_catalog_copy *copy, struct tz_error *err)
{
    struct ages *ages = arg;

    (void)err;
    if (strcmp(copy->name, TZ_NAME_DESCRIPTOR) == 0)
        return 0;
    ages->count++;
    ages->never += copy->verified_ns == 0;
    ages->bytes += copy->size;
    return 0;
}

static struct ages count_ages(struct tz_repo *repo, size_t store)
{
    struct ages ages = {0};

    MUST(tz_catalog_each_copy(tz_repo_catalog(repo), tz_repo_store(repo, store), "", count_age,
                              &ages, err));
    return ages;
}

/* Samples of a fifth: five of them reach every object, and none reads much more than its share. */
static void sample_all(enum tz_verify_level level)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    const struct tz_verify_options options = {.repo = repo, .level = level, .sample_percent = 20};
    struct ages ages = {0};

    expect_good(repo, TZ_VERIFY_PRESENCE);
    for (unsigned run = 0; run < 5; run++) {
        struct tz_verify_result result = {0};
        MUST(tz_verify(&options, &result, err));
        assert_true(result.ok);
        ages = count_ages(repo, EAST);
        /* At most one pack more. */
        assert_true(result.stores[EAST].checked_bytes < ages.bytes / 5 + (3U << 20) / 2);
        assert_true(result.stores[EAST].checked_bytes > 0);
        tz_verify_result_clear(&result);
        if (run == 0)
            assert_true(ages.never > 0);
    }
    for (size_t i = 0; i < STORES; i++)
        assert_int_equal(count_ages(repo, i).never, 0);
}

static void test_sample_ciphertext(void **state)
{
    (void)state;
    sample_all(TZ_VERIFY_CIPHERTEXT);
}

static void test_sample_content(void **state)
{
    (void)state;
    sample_all(TZ_VERIFY_CONTENT);
}

/* What was found damaged is looked at again in every sample, until it is whole. */
static void test_sample_damaged(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};
    struct tz_verify_options options = {.repo = repo, .level = TZ_VERIFY_CIPHERTEXT};
    struct mutation m = {.way = FLIP_MIDDLE, .store = EAST, .count = 1};
    struct tz_verify_result result = {0};

    (void)state;
    memcpy(m.names[0], pick(&list, EAST, TZ_NAME_IS_PACK, TZ_PACK_DATA, 0), TZ_NAME_TEXT);
    damage(&m);
    expect_notice(repo, &m, TZ_VERIFY_CIPHERTEXT, true);
    options.sample_percent = 1;
    for (unsigned i = 0; i < 3; i++) {
        MUST(tz_verify(&options, &result, err));
        expect_found(&m, &result);
        tz_verify_result_clear(&result);
    }
    expect_notice(repo, &m, TZ_VERIFY_PRESENCE, true);
    options.heal = true;
    MUST(tz_verify(&options, &result, err));
    assert_true(result.ok);
    assert_int_equal(result.stores[EAST].healed_count, 1);
    tz_verify_result_clear(&result);
    expect_good(repo, TZ_VERIFY_CIPHERTEXT);
}

#define AGED_MAX 256

/* The objects of a store, with when they were verified. */
struct aged {
    int64_t objects[AGED_MAX], verified_ns[AGED_MAX];
    size_t count;
};

static int note_age(void *arg, const struct tz_catalog_copy *copy, struct tz_error *err)
{
    struct aged *aged = arg;

    (void)err;
    if (strcmp(copy->name, TZ_NAME_DESCRIPTOR) == 0)
        return 0;
    assert_true(aged->count < AGED_MAX);
    aged->objects[aged->count] = copy->object;
    aged->verified_ns[aged->count++] = copy->verified_ns;
    return 0;
}

static struct aged read_ages(struct tz_repo *repo)
{
    struct aged aged = {0};

    MUST(tz_catalog_each_copy(tz_repo_catalog(repo), tz_repo_store(repo, EAST), "", note_age, &aged,
                              err));
    return aged;
}

static void set_age(struct tz_repo *repo, int64_t object, int64_t time_ns)
{
    for (size_t i = 0; i < STORES; i++)
        MUST(tz_catalog_set_verified(tz_repo_catalog(repo), object, tz_repo_store(repo, i), time_ns,
                                     err));
}

static void take_sample(struct tz_repo *repo, int64_t due_ns)
{
    const struct tz_verify_options options = {
        .repo = repo, .level = TZ_VERIFY_CIPHERTEXT, .sample_percent = 1e-6, .due_ns = due_ns};
    struct tz_verify_result result = {0};

    MUST(tz_verify(&options, &result, err));
    assert_true(result.ok);
    tz_verify_result_clear(&result);
}

/* Of what was never verified the first one in the catalog, however its name is. */
static void test_sample_never(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);

    (void)state;
    expect_good(repo, TZ_VERIFY_PRESENCE);
    struct aged aged = read_ages(repo);
    for (size_t i = 0; i < aged.count; i++)
        set_age(repo, aged.objects[i], 0);
    for (unsigned run = 0; run < 3; run++) {
        take_sample(repo, 0);
        aged = read_ages(repo);
        int64_t last = 0, first = INT64_MAX;
        for (size_t i = 0; i < aged.count; i++) {
            if (aged.verified_ns[i] > 0)
                last = TZ_MAX(last, aged.objects[i]);
            else
                first = TZ_MIN(first, aged.objects[i]);
        }
        assert_true(last > 0 && last < first);
    }
}

/* What a clock that was ahead verified, and what is due, whatever the share. */
static void test_sample_due(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    const int64_t day = INT64_C(86400) * TZ_SECOND_NS, now = tz_now();

    (void)state;
    expect_good(repo, TZ_VERIFY_CIPHERTEXT);
    struct aged aged = read_ages(repo);
    assert_true(aged.count > 6);
    for (size_t i = 0; i < aged.count; i++)
        set_age(repo, aged.objects[i], i == 2 ? now + 365 * day : now - (i % 2 ? 40 : 20) * day);
    take_sample(repo, 0);
    assert_true(read_ages(repo).verified_ns[2] < now + day);
    take_sample(repo, now - 30 * day);
    aged = read_ages(repo);
    for (size_t i = 0; i < aged.count; i++)
        assert_true(aged.verified_ns[i] > now - 30 * day);
}

static int note_verified(void *arg, const struct tz_generation *generation, struct tz_error *err)
{
    size_t *verified = arg;

    (void)err;
    *verified += generation->verified_ns > 0;
    return 0;
}

static size_t count_verified(struct tz_repo *repo)
{
    size_t verified = 0;

    MUST(tz_catalog_each_generation(tz_repo_catalog(repo), NULL, note_verified, &verified, err));
    return verified;
}

static int count_user(void *arg, const struct tz_generation *generation, struct tz_error *err)
{
    (void)generation;
    (void)err;
    ++*(size_t *)arg;
    return 0;
}

/* The generation whose content is lost is named with the file; the other one is verified. */
static void test_generations(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    char id[TZ_HASH_TEXT], line[128];
    struct tz_verify_result result;
    size_t lost = 0;

    (void)state;
    assert_int_equal(count_verified(repo), 0);
    MUST(tz_repo_find(repo, "tree", "latest", &head, err));
    tz_hex(id, head.id, TZ_HASH_SIZE);
    list_class(stores[EAST], TZ_NAME_IS_PACK, TZ_PACK_DATA, &list);
    /* Packs that the last generation alone needs. */
    for (size_t i = 0; i < list.count; i++) {
        int64_t pack = 0;
        size_t users = 0;
        MUST(tz_catalog_find_object(tz_repo_catalog(repo), list.items[i].name, &pack, NULL, err));
        MUST(tz_catalog_each_user(tz_repo_catalog(repo), pack, count_user, &users, err));
        if (users > 1 || !bsearch(tz_name_parse(list.items[i].name).hash, head.packs,
                                  head.pack_count, TZ_HASH_SIZE, compare_hashes))
            continue;
        lost++;
        for (size_t k = 0; k < STORES; k++)
            MUST(tz_store_remove(stores[k], list.items[i].name, err));
    }
    assert_true(lost > 0);
    run_verify(repo, TZ_VERIFY_CONTENT, true, &result);
    assert_false(result.ok);
    assert_int_equal(result.stores[EAST].missing_count, lost);
    (void)snprintf(line, sizeof(line), "generation %s of 'tree'", id);
    expect_fault(&result, line, false);
    expect_fault(&result, "a chunk is in a pack that no store has whole", false);
    assert_int_equal(result.fault_count, lost + 1);
    tz_verify_result_clear(&result);
    assert_int_equal(count_verified(repo), 1);
}

/* A manifest that cannot be read is the generation's fault, not the check's. */
static void test_manifest_lost(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};
    struct tz_verify_result result;

    (void)state;
    list_class(stores[EAST], TZ_NAME_IS_PACK, TZ_PACK_MANIFEST, &list);
    for (size_t i = 0; i < list.count; i++)
        for (size_t k = 0; k < STORES; k++)
            MUST(tz_store_remove(stores[k], list.items[i].name, err));
    run_verify(repo, TZ_VERIFY_CONTENT, false, &result);
    assert_false(result.ok);
    assert_int_equal(result.fault_count, list.count + 2);
    tz_verify_result_clear(&result);
    assert_int_equal(count_verified(repo), 0);
}

static void test_roles(void **state)
{
    struct tz_error err = {0};
    struct tz_verify_result result = {0};
    char *file = tz_path_join(fixture.folder, "writer-key");
    const struct tz_fixture_options options = {.more = "frame_size = 256K\npack_size = 1M\n"};

    (void)state;
    add_writer();
    tz_fixture_configure(&fixture, &options, NULL, file);
    free(file);
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, false);
    struct tz_verify_options verify = {.repo = repo, .level = TZ_VERIFY_CONTENT};
    assert_int_equal(tz_verify(&verify, &result, &err), -1);
    assert_int_equal(err.kind, TZ_KEY);
    assert_true(err.hint[0] != 0);
    verify.sample_percent = 101;
    assert_int_equal(tz_verify(&verify, &result, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);

    /* Without a key to the content, ciphertext is checked and healed. */
    struct mutation m;
    assert_true(choose(&m, &classes[2], FLIP_MIDDLE, 0));
    damage(&m);
    expect_notice(repo, &m, TZ_VERIFY_CIPHERTEXT, true);
    run_verify(repo, TZ_VERIFY_CIPHERTEXT, true, &result);
    assert_true(result.ok);
    assert_int_equal(result.stores[m.store].healed_count, 1);
    tz_verify_result_clear(&result);
    assert_int_equal(tz_fixture_compare_stores(&fixture), 0);
    expect_good(repo, TZ_VERIFY_CIPHERTEXT);
}

/* Only the store that was asked for is looked at, and healed from the others. */
static void test_one_store(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    struct tz_verify_options options = {
        .repo = repo, .level = TZ_VERIFY_CIPHERTEXT, .store = "east"};
    struct tz_verify_result result = {0};
    struct tz_error why = {0};
    struct mutation m;

    (void)state;
    assert_true(choose(&m, &classes[2], DELETED, 1));
    assert_int_equal(m.store, WEST);
    damage(&m);
    MUST(tz_verify(&options, &result, err));
    assert_true(result.ok);
    assert_int_equal(result.store_count, 1);
    assert_string_equal(result.stores[0].name, "east");
    tz_verify_result_clear(&result);

    options.store = "west";
    options.heal = true;
    MUST(tz_verify(&options, &result, err));
    assert_true(result.ok);
    assert_int_equal(result.stores[0].healed_count, 1);
    tz_verify_result_clear(&result);
    assert_int_equal(tz_fixture_compare_stores(&fixture), 0);

    options.store = "north";
    assert_int_equal(tz_verify(&options, &result, &why), -1);
    assert_int_equal(why.kind, TZ_INVALID);
}

/* What nobody asks for is reported, and neither damage nor missing elsewhere. */
static void test_unknown(void **state)
{
    static const char *const foreign[] = {"packs/readme.txt", "zz", "generations/x"};
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    uint8_t hash[TZ_HASH_SIZE];
    char name[TZ_NAME_TEXT];

    (void)state;
    for (size_t i = 0; i < TZ_COUNT(foreign); i++)
        put_object(stores[WEST], foreign[i], "foreign", 7);
    /* A pack of a run that never wrote its index. */
    MUST(tz_sha256(hash, "no pack at all", 14, err));
    tz_name_pack(name, hash);
    put_object(stores[EAST], name, "no pack at all", 14);
    for (int level = TZ_VERIFY_PRESENCE; level <= TZ_VERIFY_CONTENT; level++) {
        struct tz_verify_result result;
        run_verify(repo, (enum tz_verify_level)level, true, &result);
        assert_true(result.ok);
        assert_int_equal(result.stores[EAST].unknown_count, 1);
        assert_string_equal(result.stores[EAST].unknown[0], name);
        assert_int_equal(result.stores[WEST].unknown_count, 3);
        tz_verify_result_clear(&result);
    }
    assert_true(is_there(stores[EAST], name));
    assert_true(is_there(stores[WEST], "zz"));
}

/* A store that cannot be read has not lost anything. */
static void test_unreachable(void **state)
{
    static const struct {
        unsigned calls;
        enum tz_error_kind kind;
        unsigned at;
    } cases[] = {
        {FAULTY_LIST, TZ_UNAVAILABLE, 1},
        {FAULTY_LIST, TZ_DENIED, 1},
        {FAULTY_GET, TZ_UNAVAILABLE, 4},
    };

    (void)state;
    for (size_t i = 0; i < TZ_COUNT(cases); i++) {
        TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
        const struct faulty_plan plan = {.calls = cases[i].calls,
                                         .at = cases[i].at,
                                         .times = FAULTY_FOR_GOOD,
                                         .kind = cases[i].kind};
        struct tz_verify_result result;

        faulty_store_plan(tz_fixture_spoil(repo, WEST), &plan);
        run_verify(repo, TZ_VERIFY_CIPHERTEXT, true, &result);
        assert_true(result.stores[EAST].reachable);
        assert_false(result.stores[WEST].reachable);
        for (size_t k = 0; k < STORES; k++) {
            assert_int_equal(result.stores[k].missing_count, 0);
            assert_int_equal(result.stores[k].damaged_count, 0);
            assert_int_equal(result.stores[k].healed_count, 0);
        }
        assert_true(result.stores[EAST].checked_bytes > 3000000);
        tz_verify_result_clear(&result);
    }
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    expect_good(repo, TZ_VERIFY_CONTENT);
}

/* A bad sector is damage: another store's copy takes its place. */
static void test_read_error(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    const struct faulty_plan plan = {.calls = FAULTY_GET, .at = 6, .kind = TZ_IO};
    struct tz_verify_result result;

    (void)state;
    faulty_store_plan(tz_fixture_spoil(repo, WEST), &plan);
    run_verify(repo, TZ_VERIFY_CONTENT, true, &result);
    assert_true(result.ok);
    assert_int_equal(result.stores[WEST].healed_count, 1);
    tz_verify_result_clear(&result);
    expect_good(repo, TZ_VERIFY_CONTENT);
}

struct late {
    struct tz_listing objects;
    struct tz_buf bytes;
    struct faulty_store *faulty;
};

static void *put_late(void *arg)
{
    struct late *late = arg;

    /* The listing is over when what it lacked is looked for once more. */
    faulty_store_await(late->faulty, 1);
    put_object(stores[WEST], late->objects.items[0].name, late->bytes.data, late->bytes.len);
    faulty_store_let_go(late->faulty);
    return NULL;
}

/* Somebody writes an object to one store after it was listed and to the other one before. */
static void test_written_meanwhile(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    const struct faulty_plan plan = {.calls = FAULTY_STAT};
    struct late late = {0};
    struct tz_verify_result result;
    pthread_t thread;

    (void)state;
    list_class(stores[WEST], TZ_NAME_IS_SEAL, 0, &late.objects);
    get_object(stores[WEST], late.objects.items[0].name, &late.bytes);
    MUST(tz_store_remove(stores[WEST], late.objects.items[0].name, err));
    late.faulty = tz_fixture_spoil(repo, WEST);
    faulty_store_plan(late.faulty, &plan);
    faulty_store_hold(late.faulty);
    assert_int_equal(pthread_create(&thread, NULL, put_late, &late), 0);
    run_verify(repo, TZ_VERIFY_CIPHERTEXT, false, &result);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(result.ok);
    assert_int_equal(result.stores[WEST].missing_count, 0);
    tz_verify_result_clear(&result);
    tz_listing_clear(&late.objects);
    tz_buf_clear(&late.bytes);
    expect_good(repo, TZ_VERIFY_PRESENCE);
}

/* A disk that is not mounted is empty; it is not filled by mistake. */
static void test_empty_store(void **state)
{
    TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};
    struct tz_verify_result result;

    (void)state;
    MUST(tz_listing_read(&list, stores[WEST], "", err));
    for (size_t i = 0; i < list.count; i++)
        MUST(tz_store_remove(stores[WEST], list.items[i].name, err));
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    run_verify(repo, TZ_VERIFY_CIPHERTEXT, true, &result);
    assert_true(result.stores[EAST].reachable);
    assert_false(result.stores[WEST].reachable);
    assert_int_equal(result.stores[WEST].missing_count, 0);
    tz_verify_result_clear(&result);
    assert_int_equal(tz_fixture_count(fixture.west, ""), 0);
}

/* What cannot be written stays damaged, with the reason. */
static void test_heal_fails(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    const struct faulty_plan plan = {
        .calls = FAULTY_PUT, .at = 1, .times = FAULTY_FOR_GOOD, .kind = TZ_NOSPC};
    struct tz_verify_result result;
    struct mutation m;

    (void)state;
    assert_true(choose(&m, &classes[2], CUT, 1));
    damage(&m);
    struct faulty_store *faulty = tz_fixture_spoil(repo, WEST);
    faulty_store_plan(faulty, &plan);
    run_verify(repo, TZ_VERIFY_CIPHERTEXT, true, &result);
    assert_false(result.ok);
    assert_int_equal(result.stores[WEST].damaged_count, 1);
    assert_int_equal(result.stores[WEST].healed_count, 0);
    expect_fault(&result, m.names[0], false);
    tz_verify_result_clear(&result);

    /* A copy that reads back as other bytes was not healed. */
    const struct faulty_plan lying = {
        .calls = FAULTY_GET, .at = 1, .times = FAULTY_FOR_GOOD, .way = FAULTY_FLIP};
    faulty_store_plan(faulty, &lying);
    run_verify(repo, TZ_VERIFY_CIPHERTEXT, true, &result);
    assert_false(result.ok);
    assert_int_equal(result.stores[WEST].healed_count, 0);
    tz_verify_result_clear(&result);

    faulty_store_plan(faulty, &(struct faulty_plan){0});
    expect_healed_all(repo);
}

/* A pack that only one generation needs. */
static const char *pick_for_one(struct tz_repo *repo, const struct tz_listing *packs)
{
    for (size_t i = 0; i < packs->count; i++) {
        int64_t pack = 0;
        size_t users = 0;
        MUST(tz_catalog_find_object(tz_repo_catalog(repo), packs->items[i].name, &pack, NULL, err));
        MUST(tz_catalog_each_user(tz_repo_catalog(repo), pack, count_user, &users, err));
        if (users == 1)
            return packs->items[i].name;
    }
    fail_msg("every pack is needed twice");
    return NULL;
}

/* A head does not come back to a store that lacks one of its packs. */
static void test_heal_order(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    TZ_SCOPED(tz_scoped_listing) struct tz_listing packs = {0};
    TZ_SCOPED(tz_scoped_listing) struct tz_listing heads = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf good = {0};
    struct tz_verify_result result;

    (void)state;
    list_class(stores[EAST], TZ_NAME_IS_PACK, 0, &packs);
    list_class(stores[WEST], TZ_NAME_IS_HEAD, 0, &heads);
    const char *name = pick_for_one(repo, &packs);
    get_object(stores[EAST], name, &good);
    MUST(tz_store_remove(stores[EAST], name, err));
    for (size_t i = 0; i < packs.count; i++)
        MUST(tz_store_remove(stores[WEST], packs.items[i].name, err));
    for (size_t i = 0; i < heads.count; i++)
        MUST(tz_store_remove(stores[WEST], heads.items[i].name, err));
    run_verify(repo, TZ_VERIFY_PRESENCE, true, &result);
    assert_false(result.ok);
    assert_int_equal(result.stores[WEST].healed_count, packs.count - 1 + heads.count - 1);
    assert_int_equal(result.stores[WEST].missing_count, 2);
    tz_verify_result_clear(&result);
    put_object(stores[EAST], name, good.data, good.len);
    expect_healed_all(repo);
}

/* A pack whose content was damaged before its hash was taken: no store can help. */
static void test_written_damaged(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};
    TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    char name[TZ_NAME_TEXT];
    int64_t pack = 0;

    (void)state;
    get_object(stores[EAST], pick(&list, EAST, TZ_NAME_IS_PACK, TZ_PACK_DATA, 0), &bytes);
    MUST(tz_pack_directory(tz_repo_keys(repo), bytes.data, bytes.len, &info, err));
    bytes.data[1000] ^= 4;
    MUST(tz_sha256(info.hash, bytes.data, bytes.len, err));
    MUST(tz_catalog_add_pack(tz_repo_catalog(repo), &info, &pack, err));
    tz_name_pack(name, info.hash);
    for (size_t i = 0; i < STORES; i++)
        put_object(stores[i], name, bytes.data, bytes.len);
    expect_good(repo, TZ_VERIFY_CIPHERTEXT);
    /* Once the content was seen, ciphertext does not acquit it. */
    for (int level = TZ_VERIFY_CONTENT; level >= TZ_VERIFY_CIPHERTEXT; level--) {
        struct tz_verify_result result;
        run_verify(repo, (enum tz_verify_level)level, true, &result);
        assert_false(result.ok);
        expect_fault(&result, name, false);
        expect_fault(&result, "was written damaged", false);
        for (size_t i = 0; i < STORES; i++) {
            assert_true(has_name(result.stores[i].damaged, result.stores[i].damaged_count, name));
            assert_int_equal(result.stores[i].healed_count, 0);
        }
        tz_verify_result_clear(&result);
    }
}

/* A pack of one frame, whose directory gives its chunk this id. */
static void make_pack(struct tz_repo *repo, const uint8_t id[TZ_ID_SIZE], struct tz_buf *ret,
                      struct tz_pack_info *info)
{
    TZ_SCOPED(tz_scoped_frame_sealer) struct tz_frame_sealer *sealer = NULL;
    TZ_SCOPED(tz_scoped_blob) struct tz_blob *blob = NULL;
    struct tz_frame_info frame = {
        .offset = TZ_PACK_HEADER_SIZE, .plain_len = 1000, .chunk_count = 1};
    struct tz_chunk_ref chunk = {.len = 1000};
    uint8_t key[TZ_KEY_SIZE], *data;
    size_t sealed = 0;

    MUST(tz_blob_new(&blob, 65536, err));
    MUST(tz_frame_sealer_new(&sealer, 3, err));
    MUST(tz_pack_header_make(tz_repo_keys(repo), TZ_PACK_DATA, blob->data, key, err));
    data = blob->data + TZ_PACK_HEADER_SIZE;
    tz_fixture_random(data, 1000, 3);
    MUST(tz_frame_seal(sealer, blob->data, key, 0, data, 1000, &sealed, &frame.codec, err));
    frame.sealed_len = (uint32_t)sealed;
    blob->len = TZ_PACK_HEADER_SIZE + sealed;
    memcpy(chunk.id, id, TZ_ID_SIZE);
    info->kind = TZ_PACK_DATA;
    MUST(tz_pack_info_add_frame(info, &frame, err));
    MUST(tz_pack_info_add_chunk(info, &chunk, err));
    MUST(tz_pack_finish(blob, info, key, true, err));
    MUST(tz_buf_append(ret, blob->data, blob->len, err));
}

/* Every frame opens, but a chunk is not what its id says: only the content tells. */
static void test_wrong_id(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);

    (void)state;
    for (int right = 1; right >= 0; right--) {
        TZ_SCOPED(tz_scoped_idhash) struct tz_idhash *hash = NULL;
        TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {0};
        TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
        uint8_t id[TZ_ID_SIZE], data[1000];
        char name[TZ_NAME_TEXT];
        struct tz_verify_result result;
        int64_t pack = 0;

        MUST(tz_idhash_new(&hash, tz_keys_chunk_id_key(tz_repo_keys(repo)), err));
        tz_fixture_random(data, sizeof(data), 3);
        MUST(tz_idhash(hash, data, sizeof(data), id, err));
        id[7] ^= right ? 0 : 1;
        make_pack(repo, id, &bytes, &info);
        MUST(tz_catalog_add_pack(tz_repo_catalog(repo), &info, &pack, err));
        tz_name_pack(name, info.hash);
        for (size_t i = 0; i < STORES; i++)
            put_object(stores[i], name, bytes.data, bytes.len);
        expect_good(repo, TZ_VERIFY_CIPHERTEXT);
        run_verify(repo, TZ_VERIFY_CONTENT, true, &result);
        assert_int_equal(result.ok, right);
        if (!right)
            expect_fault(&result, "a chunk's content is not what its id says", false);
        tz_verify_result_clear(&result);
    }
}

/* Two packs of the same size have changed places in every store: no copy differs from the others,
 * each opens, and only the index tells that it is not what its name says. */
static void test_swapped_of_one_size(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    struct mutation m = {.way = SWAPPED, .count = 2};

    (void)state;
    for (size_t n = 0; n < 2; n++) {
        TZ_SCOPED(tz_scoped_idhash) struct tz_idhash *hash = NULL;
        TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {0};
        TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
        uint8_t id[TZ_ID_SIZE], data[1000];
        int64_t pack = 0;
        MUST(tz_idhash_new(&hash, tz_keys_chunk_id_key(tz_repo_keys(repo)), err));
        tz_fixture_random(data, sizeof(data), 3);
        MUST(tz_idhash(hash, data, sizeof(data), id, err));
        make_pack(repo, id, &bytes, &info);
        MUST(tz_catalog_add_pack(tz_repo_catalog(repo), &info, &pack, err));
        tz_name_pack(m.names[n], info.hash);
        for (size_t i = 0; i < STORES; i++)
            put_object(stores[i], m.names[n], bytes.data, bytes.len);
    }
    expect_good(repo, TZ_VERIFY_CONTENT);
    for (m.store = EAST; m.store < STORES; m.store++)
        damage(&m);
    expect_good(repo, TZ_VERIFY_PRESENCE);
    for (int level = TZ_VERIFY_CONTENT; level >= TZ_VERIFY_CIPHERTEXT; level--) {
        struct tz_verify_result result;
        run_verify(repo, (enum tz_verify_level)level, true, &result);
        assert_false(result.ok);
        for (size_t i = 0; i < STORES; i++) {
            assert_int_equal(result.stores[i].damaged_count, 2);
            assert_true(has_name(result.stores[i].damaged, 2, m.names[0]));
            assert_true(has_name(result.stores[i].damaged, 2, m.names[1]));
        }
        tz_verify_result_clear(&result);
    }
}

/* The catalog is only a cache: what it says of a pack is held against the pack. */
static void test_catalog_is_wrong(void **state)
{
    static const char *const changes[] = {
        "UPDATE frames SET codec = 1 - codec WHERE no = 0",
        "UPDATE chunks SET offset = offset + 1 WHERE offset > 0",
        "UPDATE packs SET kind = 3 - kind",
        "DELETE FROM frames WHERE no = 1",
    };

    (void)state;
    for (size_t i = 0; i < TZ_COUNT(changes); i++) {
        TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
        struct tz_verify_result result;
        MUST(tz_catalog_exec(tz_repo_catalog(repo), changes[i], err));
        run_verify(repo, TZ_VERIFY_CONTENT, false, &result);
        assert_false(result.ok);
        expect_fault(&result, "run 'tozai catalog rebuild'", false);
        assert_int_equal(result.stores[EAST].damaged_count, 0);
        assert_int_equal(result.stores[WEST].damaged_count, 0);
        tz_verify_result_clear(&result);
        MUST(tz_catalog_rebuild(repo, NULL, err));
        expect_good(repo, TZ_VERIFY_CONTENT);
    }
}

/* No index names the packs of the last run, but its head does. */
static void test_index_lost(void **state)
{
    const struct tz_fixture_options options = {.more = "frame_size = 256K\npack_size = 1M\n"};
    char *fresh = tz_path_join(fixture.folder, "state-2");
    TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};
    struct tz_verify_result result;

    (void)state;
    for (size_t i = 0; i < STORES; i++)
        for (size_t k = 0;; k++) {
            TZ_SCOPED(tz_scoped_listing) struct tz_listing indexes = {0};
            list_class(stores[i], TZ_NAME_IS_INDEX, 0, &indexes);
            if (indexes.count == 0)
                break;
            MUST(tz_store_remove(stores[i], indexes.items[0].name, err));
        }
    list_class(stores[EAST], TZ_NAME_IS_PACK, 0, &list);
    /* Another host, which knows only what the stores say. */
    tz_fixture_configure(&fixture, &options, fresh, NULL);
    free(fresh);
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    run_verify(repo, TZ_VERIFY_CIPHERTEXT, true, &result);
    assert_false(result.ok);
    assert_int_equal(result.stores[EAST].damaged_count, 0);
    assert_int_equal(result.fault_count, list.count);
    for (size_t i = 0; i < list.count; i++)
        expect_fault(&result, list.items[i].name, true);
    tz_verify_result_clear(&result);
    /* The packs' own directories tell what they hold. */
    expect_good(repo, TZ_VERIFY_CONTENT);
    expect_good(repo, TZ_VERIFY_PRESENCE);
    tz_repo_free(TZ_TAKE(repo));
    tz_fixture_check(&fixture, NULL);
}

/* Packs that two indexes describe: one of them may be missing, both may not. */
static void test_index_twice(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};
    struct tz_verify_result result;
    char name[TZ_NAME_TEXT];

    (void)state;
    list_class(stores[EAST], TZ_NAME_IS_INDEX, 0, &list);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf again = {0};
    uint8_t hash[TZ_HASH_SIZE];
    get_object(stores[EAST], list.items[0].name, &bytes);
    MUST(tz_object_open(tz_repo_keys(repo), TZ_OBJECT_INDEX, "index", bytes.data, bytes.len, &body,
                        err));
    MUST(tz_object_seal(tz_repo_keys(repo), TZ_OBJECT_INDEX, "index", body.data, body.len, &again,
                        err));
    MUST(tz_sha256(hash, again.data, again.len, err));
    tz_name_index(name, hash);
    for (size_t i = 0; i < STORES; i++)
        put_object(stores[i], name, again.data, again.len);
    MUST(tz_store_remove(stores[WEST], list.items[0].name, err));
    expect_good(repo, TZ_VERIFY_CONTENT);
    MUST(tz_store_remove(stores[WEST], name, err));
    run_verify(repo, TZ_VERIFY_PRESENCE, false, &result);
    assert_false(result.ok);
    assert_int_equal(result.stores[WEST].missing_count, 2);
    tz_verify_result_clear(&result);
}

/* Names in east that were not there before. */
static void list_new(const struct tz_listing *before, struct tz_listing *ret)
{
    TZ_SCOPED(tz_scoped_listing) struct tz_listing after = {0};

    MUST(tz_listing_read(&after, stores[EAST], "", err));
    for (size_t i = 0; i < after.count; i++) {
        bool old = false;
        for (size_t k = 0; k < before->count; k++)
            old = old || strcmp(before->items[k].name, after.items[i].name) == 0;
        if (!old)
            MUST(tz_listing_add(ret, after.items[i].name, after.items[i].size, err));
    }
}

/*
 * What a killed run left in one store only is no loss: no generation needs it.  With its seal it
 * is one, and all of it counts.
 */
static void test_unfinished(void **state)
{
    const struct tz_fixture_options options = {.more = "frame_size = 256K\npack_size = 1M\n"};
    char *fresh = tz_path_join(fixture.folder, "state-2");
    TZ_SCOPED(tz_scoped_listing) struct tz_listing before = {0};
    TZ_SCOPED(tz_scoped_listing) struct tz_listing added = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf seal = {0};
    const char *seal_name = NULL;
    struct tz_verify_result result;

    (void)state;
    MUST(tz_listing_read(&before, stores[EAST], "", err));
    tz_fixture_fill(&fixture, "late", 700000, 99);
    make_generations(&fixture, 1);
    list_new(&before, &added);
    for (size_t i = 0; i < added.count; i++) {
        MUST(tz_store_remove(stores[WEST], added.items[i].name, err));
        if (tz_name_parse(added.items[i].name).kind == TZ_NAME_IS_SEAL)
            seal_name = added.items[i].name;
    }
    assert_non_null(seal_name);
    assert_true(added.count >= 5); /* packs of both kinds, index, head, seal */
    get_object(stores[EAST], seal_name, &seal);
    MUST(tz_store_remove(stores[EAST], seal_name, err));

    tz_fixture_configure(&fixture, &options, fresh, NULL);
    free(fresh);
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    for (int level = TZ_VERIFY_PRESENCE; level <= TZ_VERIFY_CONTENT; level++)
        expect_good(repo, (enum tz_verify_level)level);
    put_object(stores[EAST], seal_name, seal.data, seal.len);
    run_verify(repo, TZ_VERIFY_PRESENCE, false, &result);
    assert_false(result.ok);
    assert_int_equal(result.stores[EAST].missing_count, 0);
    assert_int_equal(result.stores[WEST].missing_count, added.count);
    tz_verify_result_clear(&result);
    run_verify(repo, TZ_VERIFY_CIPHERTEXT, true, &result);
    assert_int_equal(result.stores[WEST].healed_count, added.count);
    tz_verify_result_clear(&result);
    expect_good(repo, TZ_VERIFY_CONTENT);
}

/* A host that learns an object from a store where it was cut takes a wrong size for the right one.
 */
static void test_learnt_damaged(void **state)
{
    const struct tz_fixture_options options = {.more = "frame_size = 256K\npack_size = 1M\n"};
    size_t round = 0;

    (void)state;
    for (size_t i = 0; i < TZ_COUNT(classes); i++)
        for (int way = CUT; way <= APPENDED; way++, round++) {
            struct mutation m;
            char fresh[64];
            assert_true(choose(&m, &classes[i], (enum way)way, round));
            damage(&m);
            (void)snprintf(fresh, sizeof(fresh), "%s-%zu", "state", round);
            char *path = tz_path_join(fixture.folder, fresh);
            tz_fixture_configure(&fixture, &options, path, NULL);
            free(path);
            TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
            expect_notice(repo, &m, TZ_VERIFY_PRESENCE, true);
            expect_notice(repo, &m, TZ_VERIFY_CIPHERTEXT, true);
            expect_healed(repo, &m, TZ_VERIFY_PRESENCE);
        }
}

static void count_progress(void *arg, const struct tz_verify_progress *progress)
{
    struct tz_verify_progress *last = arg;

    assert_non_null(progress->store);
    assert_true(progress->objects >= last->objects && progress->bytes >= last->bytes);
    *last = *progress;
}

static void test_progress(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    struct tz_verify_progress last = {0};
    const struct tz_verify_options options = {.repo = repo,
                                              .level = TZ_VERIFY_CIPHERTEXT,
                                              .progress = count_progress,
                                              .progress_arg = &last};
    struct tz_verify_result result = {0};

    (void)state;
    MUST(tz_verify(&options, &result, err));
    assert_true(last.objects > 0);
    assert_int_equal(last.objects, last.objects_total);
    assert_int_equal(last.bytes, last.bytes_total);
    for (size_t i = 0; i < STORES; i++) {
        assert_int_equal(result.stores[i].checked_bytes, result.stores[i].bytes);
        assert_int_equal(result.stores[i].objects,
                         tz_fixture_count(i ? fixture.west : fixture.east, ""));
    }
    tz_verify_result_clear(&result);
}

/* The last test: the wish to stop stays. */
static void test_interrupted(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    const struct tz_verify_options options = {.repo = repo, .level = TZ_VERIFY_CONTENT};
    struct tz_verify_result result = {0};
    struct tz_error why = {0};

    (void)state;
    /* Removing files stops, too. */
    tz_odd_folder_remove(fixture.folder);
    fixture.folder = NULL;
    tz_interrupt_request();
    assert_int_equal(tz_verify(&options, &result, &why), -1);
    assert_int_equal(why.kind, TZ_INTERRUPTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_mutations, enter, leave),
        cmocka_unit_test_setup_teardown(test_mutations_before_opening, enter, leave),
        cmocka_unit_test_setup_teardown(test_descriptors, enter, leave),
        cmocka_unit_test_setup_teardown(test_duplicates, enter, leave),
        cmocka_unit_test_setup_teardown(test_both_ways, enter, leave),
        cmocka_unit_test_setup_teardown(test_lost_in_both, enter, leave),
        cmocka_unit_test_setup_teardown(test_sample_ciphertext, enter, leave),
        cmocka_unit_test_setup_teardown(test_sample_content, enter, leave),
        cmocka_unit_test_setup_teardown(test_sample_damaged, enter, leave),
        cmocka_unit_test_setup_teardown(test_sample_never, enter, leave),
        cmocka_unit_test_setup_teardown(test_sample_due, enter, leave),
        cmocka_unit_test_setup_teardown(test_generations, enter, leave),
        cmocka_unit_test_setup_teardown(test_manifest_lost, enter, leave),
        cmocka_unit_test_setup_teardown(test_roles, enter, leave),
        cmocka_unit_test_setup_teardown(test_one_store, enter, leave),
        cmocka_unit_test_setup_teardown(test_unknown, enter, leave),
        cmocka_unit_test_setup_teardown(test_unreachable, enter, leave),
        cmocka_unit_test_setup_teardown(test_read_error, enter, leave),
        cmocka_unit_test_setup_teardown(test_written_meanwhile, enter, leave),
        cmocka_unit_test_setup_teardown(test_empty_store, enter, leave),
        cmocka_unit_test_setup_teardown(test_heal_fails, enter, leave),
        cmocka_unit_test_setup_teardown(test_heal_order, enter, leave),
        cmocka_unit_test_setup_teardown(test_written_damaged, enter, leave),
        cmocka_unit_test_setup_teardown(test_wrong_id, enter, leave),
        cmocka_unit_test_setup_teardown(test_swapped_of_one_size, enter, leave),
        cmocka_unit_test_setup_teardown(test_learnt_damaged, enter, leave),
        cmocka_unit_test_setup_teardown(test_catalog_is_wrong, enter, leave),
        cmocka_unit_test_setup_teardown(test_index_lost, enter, leave),
        cmocka_unit_test_setup_teardown(test_index_twice, enter, leave),
        cmocka_unit_test_setup_teardown(test_unfinished, enter, leave),
        cmocka_unit_test_setup_teardown(test_progress, enter, leave),
        cmocka_unit_test_setup_teardown(test_interrupted, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
