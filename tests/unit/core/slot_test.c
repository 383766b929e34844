#include "key_samples.h"

#include "tozai/util/time.h"

#define SLOT_HEADER 160
#define SLOT_SIZE   (SLOT_HEADER + 4 + 101 + TZ_AEAD_TAG) /* with one epoch */

static void seal(struct tz_buf *slot, const struct tz_keys *keys, enum tz_role role,
                 const struct tz_unlock *unlock)
{
    assert_int_equal(tz_slot_seal(keys, role, "laptop of 東", unlock, &cheap_cost, slot, NULL), 0);
    assert_int_equal(slot->len, SLOT_SIZE);
}

/* Try to open a copy of exactly this length; the kind of the error, or TZ_OK. */
static enum tz_error_kind try_open(const uint8_t *data, size_t len, const struct tz_unlock *unlock)
{
    TZ_SCOPED(tz_scoped_free) uint8_t *copy = exact_copy(data, len);
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = NULL;
    struct tz_error err = {0};
    int status = tz_slot_open(&keys, copy, len, unlock, &err);
    assert_int_equal(status == 0, err.kind == TZ_OK);
    assert_int_equal(status == 0, keys != NULL);
    return err.kind;
}

static void a_slot_gives_back_the_keys(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1);
    struct tz_unlock unlocks[] = {make_passphrase("東西 correct horse"), make_key_file('5')};
    for (size_t i = 0; i < TZ_COUNT(unlocks); i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf slot = {0};
        TZ_SCOPED(tz_scoped_keys) struct tz_keys *opened = NULL;
        seal(&slot, keys, TZ_ROLE_OPERATOR, &unlocks[i]);
        assert_int_equal(tz_slot_open(&opened, slot.data, slot.len, &unlocks[i], NULL), 0);
        assert_int_equal(tz_keys_role(opened), TZ_ROLE_OPERATOR);
        assert_memory_equal(tz_keys_repo_id(opened), tz_keys_repo_id(keys), TZ_REPO_ID_SIZE);
        assert_memory_equal(tz_keys_object_key(opened, 1), tz_keys_object_key(keys, 1),
                            TZ_KEY_SIZE);

        uint8_t key[TZ_KEY_SIZE] = {4}, again[TZ_KEY_SIZE], sealed[TZ_KEY_SIZE + TZ_SEAL_EXTRA];
        assert_int_equal(tz_keys_seal_pack_key(keys, key, sealed, NULL), 0);
        assert_int_equal(tz_keys_open_pack_key(opened, 1, sealed, again, NULL), 0);
        assert_memory_equal(key, again, sizeof(key));
        tz_unlock_clear(&unlocks[i]);
    }
}

static void what_stands_outside_can_be_read_without_a_secret(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(6);
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock unlock = make_passphrase("x");
    TZ_SCOPED(tz_scoped_buf) struct tz_buf slot = {0};
    int64_t before = tz_now();
    seal(&slot, keys, TZ_ROLE_WRITER, &unlock);
    struct tz_slot_info info;
    assert_int_equal(tz_slot_info(&info, slot.data, slot.len, NULL), 0);
    assert_memory_equal(info.repo_id, tz_keys_repo_id(keys), TZ_REPO_ID_SIZE);
    assert_int_equal(info.role, TZ_ROLE_WRITER);
    assert_int_equal(info.kind, TZ_UNLOCK_PASSPHRASE);
    assert_string_equal(info.label, "laptop of 東");
    assert_true(info.created_ns >= before && info.created_ns <= tz_now());
}

static void the_wrong_secret_is_a_key_error(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1);
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock right = make_passphrase("right");
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock wrong = make_passphrase("right ");
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock file = make_key_file('1');
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock other_file = make_key_file('2');
    TZ_SCOPED(tz_scoped_buf) struct tz_buf slot = {0}, file_slot = {0};
    seal(&slot, keys, TZ_ROLE_OPERATOR, &right);
    seal(&file_slot, keys, TZ_ROLE_OPERATOR, &file);
    assert_int_equal(try_open(slot.data, slot.len, &right), TZ_OK);
    assert_int_equal(try_open(slot.data, slot.len, &wrong), TZ_KEY);
    assert_int_equal(try_open(slot.data, slot.len, &file), TZ_KEY);
    assert_int_equal(try_open(file_slot.data, file_slot.len, &file), TZ_OK);
    assert_int_equal(try_open(file_slot.data, file_slot.len, &other_file), TZ_KEY);
    assert_int_equal(try_open(file_slot.data, file_slot.len, &right), TZ_KEY);
}

static void two_slots_of_the_same_keys_differ(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1);
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock unlock = make_key_file('1');
    TZ_SCOPED(tz_scoped_buf) struct tz_buf first = {0}, second = {0};
    seal(&first, keys, TZ_ROLE_OPERATOR, &unlock);
    seal(&second, keys, TZ_ROLE_OPERATOR, &unlock);
    assert_memory_not_equal(first.data + 56, second.data + 56, 16); /* salt */
    assert_memory_not_equal(first.data + 72, second.data + 72, 24); /* nonce */
    for (size_t at = SLOT_HEADER; at + 8 <= SLOT_SIZE; at += 8)
        assert_memory_not_equal(first.data + at, second.data + at, 8);
}

static void every_changed_bit_is_refused(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1);
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock unlock = make_key_file('1');
    TZ_SCOPED(tz_scoped_buf) struct tz_buf slot = {0};
    seal(&slot, keys, TZ_ROLE_OPERATOR, &unlock);
    for (size_t bit = 0; bit < slot.len * 8; bit++) {
        slot.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        enum tz_error_kind kind = try_open(slot.data, slot.len, &unlock);
        assert_true(kind == TZ_CORRUPT || kind == TZ_KEY || kind == TZ_UNSUPPORTED);
        slot.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(try_open(slot.data, slot.len, &unlock), TZ_OK);
}

/* Those of the costs are tried elsewhere: some would ask for gigabytes. */
static void every_changed_bit_of_a_passphrases_slot_is_refused(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1);
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock unlock = make_passphrase("secret");
    TZ_SCOPED(tz_scoped_buf) struct tz_buf slot = {0};
    seal(&slot, keys, TZ_ROLE_WRITER, &unlock);
    for (size_t byte = 0; byte < slot.len; byte++) {
        if (byte >= 32 && byte < 48)
            continue;
        for (unsigned bit = 0; bit < 8; bit++) {
            slot.data[byte] ^= (uint8_t)(1U << bit);
            assert_int_not_equal(try_open(slot.data, slot.len, &unlock), TZ_OK);
            slot.data[byte] ^= (uint8_t)(1U << bit);
        }
    }
    slot.data[32]++; /* one pass more is another key */
    assert_int_equal(try_open(slot.data, slot.len, &unlock), TZ_KEY);
}

static void every_other_length_is_refused(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1);
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock unlock = make_key_file('1');
    TZ_SCOPED(tz_scoped_buf) struct tz_buf slot = {0};
    seal(&slot, keys, TZ_ROLE_OPERATOR, &unlock);
    for (size_t len = 0; len < SLOT_SIZE; len++)
        assert_int_not_equal(try_open(slot.data, len, &unlock), TZ_OK);
    const uint8_t more[101] = {0};
    assert_int_equal(tz_buf_append(&slot, more, sizeof(more), NULL), 0);
    for (size_t len = SLOT_SIZE + 1; len <= slot.len; len++)
        assert_int_not_equal(try_open(slot.data, len, &unlock), TZ_OK);
}

static void hostile_costs_are_refused_before_they_are_paid(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1);
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock unlock = make_passphrase("secret");
    TZ_SCOPED(tz_scoped_buf) struct tz_buf slot = {0};
    seal(&slot, keys, TZ_ROLE_WRITER, &unlock);
    const struct {
        uint32_t passes;
        uint64_t memory;
    } costs[] = {
        {0, 8192},
        {65, 8192},
        {UINT32_MAX, 8192},
        {1, 0},
        {1, 8191},
        {1, (UINT64_C(4) << 30) + 1},
        {1, UINT64_C(1) << 62},
        {1, UINT64_MAX},
        {UINT32_MAX, UINT64_MAX},
    };
    int64_t begin = tz_monotonic();
    for (size_t i = 0; i < TZ_COUNT(costs); i++) {
        struct tz_slot_info info;
        memcpy(slot.data + 32, (uint8_t[]){0, 0, 0, 0}, 4);
        for (int byte = 0; byte < 4; byte++)
            slot.data[32 + byte] = (uint8_t)(costs[i].passes >> (8 * byte));
        for (int byte = 0; byte < 8; byte++)
            slot.data[40 + byte] = (uint8_t)(costs[i].memory >> (8 * byte));
        assert_int_equal(try_open(slot.data, slot.len, &unlock), TZ_CORRUPT);
        assert_int_equal(tz_slot_info(&info, slot.data, slot.len, NULL), -1);
    }
    assert_true(tz_monotonic() - begin < 5 * TZ_SECOND_NS);
}

static void the_sealers_costs_are_checked_too(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1);
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock unlock = make_passphrase("secret");
    const struct tz_kdf_cost costs[] = {{65, 8192}, {1, 8191}, {1, UINT64_C(5) << 30}};
    for (size_t i = 0; i < TZ_COUNT(costs); i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf slot = {0};
        struct tz_error err = {0};
        assert_int_equal(tz_slot_seal(keys, TZ_ROLE_WRITER, "", &unlock, &costs[i], &slot, &err),
                         -1);
        assert_int_equal(err.kind, TZ_INVALID);
        assert_int_equal(slot.len, 0);
    }
}

static void the_standard_cost_is_four_passes_over_64_mib(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1);
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock unlock = make_passphrase("secret");
    TZ_SCOPED(tz_scoped_buf) struct tz_buf slot = {0};
    assert_int_equal(tz_slot_seal(keys, TZ_ROLE_OPERATOR, NULL, &unlock, NULL, &slot, NULL), 0);
    const uint8_t expected[16] = {4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4};
    assert_memory_equal(slot.data + 32, expected, sizeof(expected));
    assert_int_equal(try_open(slot.data, slot.len, &unlock), TZ_OK);
}

static void a_newer_format_is_told_from_damage(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1);
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock unlock = make_key_file('1');
    TZ_SCOPED(tz_scoped_buf) struct tz_buf slot = {0};
    seal(&slot, keys, TZ_ROLE_OPERATOR, &unlock);
    slot.data[8] = 2;
    assert_int_equal(try_open(slot.data, slot.len, &unlock), TZ_UNSUPPORTED);
    slot.data[8] = 0;
    assert_int_equal(try_open(slot.data, slot.len, &unlock), TZ_CORRUPT);
}

static void labels_that_would_upset_a_terminal_are_refused(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1);
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock unlock = make_key_file('1');
    char longest[TZ_SLOT_LABEL_MAX + 2] = {0};
    memset(longest, 'x', sizeof(longest) - 1);
    const char *const labels[] = {"\033[2J", "two\nlines", "\x7f", longest};
    for (size_t i = 0; i < TZ_COUNT(labels); i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf slot = {0};
        struct tz_error err = {0};
        assert_int_equal(tz_slot_seal(keys, TZ_ROLE_WRITER, labels[i], &unlock, NULL, &slot, &err),
                         -1);
        assert_int_equal(err.kind, TZ_INVALID);
    }
    longest[TZ_SLOT_LABEL_MAX] = 0;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf slot = {0};
    struct tz_slot_info info;
    assert_int_equal(tz_slot_seal(keys, TZ_ROLE_WRITER, longest, &unlock, NULL, &slot, NULL), 0);
    assert_int_equal(tz_slot_info(&info, slot.data, slot.len, NULL), 0);
    assert_string_equal(info.label, longest);
    slot.data[96 + TZ_SLOT_LABEL_MAX] = 'x'; /* no end any more */
    assert_int_equal(tz_slot_info(&info, slot.data, slot.len, NULL), -1);
    slot.data[96 + TZ_SLOT_LABEL_MAX] = 0;
    slot.data[96] = 27;
    assert_int_equal(tz_slot_info(&info, slot.data, slot.len, NULL), -1);
}

static void a_writer_can_hand_on_only_its_own_role(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1), *writer = make_writer(keys);
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock unlock = make_key_file('1');
    TZ_SCOPED(tz_scoped_buf) struct tz_buf slot = {0};
    struct tz_error err = {0};
    assert_int_equal(tz_slot_seal(writer, TZ_ROLE_OPERATOR, "", &unlock, NULL, &slot, &err), -1);
    assert_int_equal(err.kind, TZ_KEY);
    seal(&slot, writer, TZ_ROLE_WRITER, &unlock);
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *opened = NULL;
    assert_int_equal(tz_slot_open(&opened, slot.data, slot.len, &unlock, NULL), 0);
    assert_int_equal(tz_keys_role(opened), TZ_ROLE_WRITER);
}

/* Renaming a writer's slot to an operator's must not pass for one. */
static void a_role_cannot_be_changed_from_outside(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1);
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock unlock = make_key_file('1');
    TZ_SCOPED(tz_scoped_buf) struct tz_buf slot = {0};
    seal(&slot, keys, TZ_ROLE_WRITER, &unlock);
    assert_int_equal(slot.data[12], TZ_ROLE_WRITER);
    slot.data[12] = TZ_ROLE_OPERATOR;
    assert_int_equal(try_open(slot.data, slot.len, &unlock), TZ_KEY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_gives_back_the_keys),
        cmocka_unit_test(what_stands_outside_can_be_read_without_a_secret),
        cmocka_unit_test(the_wrong_secret_is_a_key_error),
        cmocka_unit_test(two_slots_of_the_same_keys_differ),
        cmocka_unit_test(every_changed_bit_is_refused),
        cmocka_unit_test(every_changed_bit_of_a_passphrases_slot_is_refused),
        cmocka_unit_test(every_other_length_is_refused),
        cmocka_unit_test(hostile_costs_are_refused_before_they_are_paid),
        cmocka_unit_test(the_sealers_costs_are_checked_too),
        cmocka_unit_test(the_standard_cost_is_four_passes_over_64_mib),
        cmocka_unit_test(a_newer_format_is_told_from_damage),
        cmocka_unit_test(labels_that_would_upset_a_terminal_are_refused),
        cmocka_unit_test(a_writer_can_hand_on_only_its_own_role),
        cmocka_unit_test(a_role_cannot_be_changed_from_outside),
    };
    return cmocka_run_group_tests(tests, init_crypto, NULL);
}
