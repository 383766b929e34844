/*
 * Verifying and healing, by mutation: every class of object is damaged in every way, and every
 * level must notice what it can see.
 */
#include "check_fixture.h"

#include "tozai/util/time.h"

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
            /* Half of the flips there make it another repository's. */
            if ((classes[i].kind == TZ_NAME_IS_DESCRIPTOR && way == FLIP_MIDDLE) ||
                !choose(&m, &classes[i], (enum way)way, round))
                continue;
            print_message("%s: %s\n", classes[i].title, way_titles[way]);
            damage(&m);
            TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
            expect_notice(repo, &m, TZ_VERIFY_CIPHERTEXT, true);
            expect_healed(repo, &m, TZ_VERIFY_CIPHERTEXT);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_mutations, enter, leave),
        cmocka_unit_test_setup_teardown(test_mutations_before_opening, enter, leave),
        cmocka_unit_test_setup_teardown(test_duplicates, enter, leave),
        cmocka_unit_test_setup_teardown(test_both_ways, enter, leave),
        cmocka_unit_test_setup_teardown(test_lost_in_both, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
