#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "key_samples.h"

#include "core/crypto/base32.h"
#include "core/crypto/keyring.h"

#include <ctype.h>
#include <sodium.h>
#include <stdio.h>

static struct tz_keys *make_epochs(uint32_t count)
{
    struct tz_keys *keys = NULL;
    assert_int_equal(tz_keyring_new(&keys, count, NULL), 0);
    keys->role = TZ_ROLE_OPERATOR;
    tz_random(keys->repo_id, sizeof(keys->repo_id));
    for (uint32_t i = 0; i < count; i++) {
        keys->epochs[i].has_secret = true;
        assert_int_equal(crypto_box_keypair(keys->epochs[i].public_key, keys->epochs[i].secret_key),
                         0);
        tz_random(keys->epochs[i].index_key, TZ_KEY_SIZE);
    }
    assert_int_equal(tz_keyring_finish(keys, NULL), 0);
    return keys;
}

static void print(const struct tz_keys *keys, struct tz_buf *page)
{
    assert_int_equal(tz_paper_print(keys, page, NULL), 0);
    assert_int_equal(tz_buf_append(page, "", 1, NULL), 0);
}

/* Line n of a page, from its number on. */
static char *find_line(struct tz_buf *page, int number)
{
    char prefix[16];
    (void)snprintf(prefix, sizeof(prefix), "\n%02d: ", number);
    char *found = strstr((char *)page->data, prefix);
    assert_non_null(found);
    return found + 1;
}

static enum tz_error_kind try_read(const char *text, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = NULL;
    tz_error_clear(err);
    int status = tz_paper_read(&keys, text, err);
    assert_int_equal(status == 0, keys != NULL);
    return err->kind;
}

static void assert_reads(const char *text, const struct tz_keys *keys)
{
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *back = NULL;
    struct tz_error err = {0};
    if (tz_paper_read(&back, text, &err))
        fail_msg("%s", err.message);
    assert_int_equal(tz_keys_role(back), TZ_ROLE_OPERATOR);
    assert_memory_equal(back->repo_id, keys->repo_id, TZ_REPO_ID_SIZE);
    assert_int_equal(back->epoch_count, keys->epoch_count);
    assert_memory_equal(back->epochs, keys->epochs, keys->epoch_count * sizeof(keys->epochs[0]));
    assert_memory_equal(back->chunk_id_key, keys->chunk_id_key, TZ_KEY_SIZE);
}

static void a_paper_copy_gives_back_the_keys(void **state)
{
    (void)state;
    const uint32_t counts[] = {1, 2, 3, 7, TZ_EPOCHS_MAX};
    for (size_t i = 0; i < TZ_COUNT(counts); i++) {
        TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_epochs(counts[i]);
        TZ_SCOPED(tz_scoped_buf) struct tz_buf page = {0};
        print(keys, &page);
        assert_reads((char *)page.data, keys);
    }
}

static void a_page_is_fit_for_paper(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_epochs(1);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf page = {0};
    print(keys, &page);
    size_t column = 0, lines = 0;
    for (const char *at = (char *)page.data; *at; at++) {
        column = *at == '\n' ? 0 : column + 1;
        lines += *at == '\n';
        assert_true(column <= 80);
        assert_true(*at == '\n' || (*at >= 0x20 && *at < 0x7f));
    }
    assert_true(lines < 50);
}

static void a_writer_has_no_paper_copy(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_epochs(1), *writer = make_writer(keys);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf page = {0};
    struct tz_error err = {0};
    assert_int_equal(tz_paper_print(writer, &page, &err), -1);
    assert_int_equal(err.kind, TZ_KEY);
    assert_int_equal(page.len, 0);
}

/* Lower case, other groups, O for 0, I and L for 1, only the numbered lines, in any order. */
static void the_way_it_is_typed_does_not_matter(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_epochs(1);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf page = {0}, typed = {0};
    print(keys, &page);
    for (int number = 8; number >= 1; number--) {
        const char *line = find_line(&page, number);
        assert_int_equal(tz_buf_printf(&typed, NULL, " \t%d :", number), 0);
        for (const char *at = line + 4; *at != '\n'; at++) {
            char c = *at == '0' ? "oO0"[number % 3] : *at == '1' ? "iIlL1"[number % 5] : *at;
            if (c == '-')
                continue;
            assert_int_equal(
                tz_buf_printf(&typed, NULL, "%c%s", tolower(c), (at - line) % 7 == 0 ? " - " : ""),
                0);
        }
        assert_int_equal(tz_buf_printf(&typed, NULL, " \r\n"), 0);
    }
    assert_reads((char *)typed.data, keys);
}

static void every_wrong_symbol_is_found_and_its_line_named(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_epochs(1);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf page = {0};
    print(keys, &page);
    int missed = 0;
    for (int number = 1; number <= 8; number++) {
        char expected[16];
        (void)snprintf(expected, sizeof(expected), "line %d ", number);
        for (char *at = find_line(&page, number) + 4; *at != '\n'; at++) {
            if (*at == '-')
                continue;
            struct tz_error err;
            char was = *at;
            *at = was == 'Z' ? 'Y' : 'Z';
            assert_int_equal(try_read((char *)page.data, &err), TZ_KEY);
            missed += strstr(err.message, expected) == NULL;
            *at = was;
        }
    }
    assert_true(missed <= 1); /* three symbols of check: 1 in 32768 */
    assert_reads((char *)page.data, keys);
}

static void swapped_neighbours_are_found(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_epochs(1);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf page = {0};
    print(keys, &page);
    for (int number = 1; number <= 8; number++)
        for (char *at = find_line(&page, number) + 4; at[1] != '\n'; at++) {
            struct tz_error err;
            char was = at[0], next = at[1];
            if (was == '-' || next == '-' || was == next)
                continue;
            at[0] = next;
            at[1] = was;
            assert_int_equal(try_read((char *)page.data, &err), TZ_KEY);
            at[0] = was;
            at[1] = next;
        }
}

static void missing_and_additional_symbols_are_counted(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_epochs(1);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf page = {0};
    struct tz_error err;
    print(keys, &page);
    char *at = find_line(&page, 3) + 5;
    char was = *at;
    *at = ' ';
    assert_int_equal(try_read((char *)page.data, &err), TZ_KEY);
    assert_non_null(strstr(err.message, "line 3 has 22 "));
    *at = was;
    at[4] = 'A'; /* in place of a dash */
    assert_int_equal(try_read((char *)page.data, &err), TZ_KEY);
    assert_non_null(strstr(err.message, "line 3 has 24 "));
    at[4] = 'U'; /* no symbol */
    assert_int_equal(try_read((char *)page.data, &err), TZ_KEY);
    assert_non_null(strstr(err.message, "line 3 holds "));
}

static void missing_swapped_and_foreign_lines_are_named(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_epochs(1), *others = make_epochs(1);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf page = {0}, other = {0};
    struct tz_error err;
    print(keys, &page);
    print(others, &other);
    for (int number = 1; number <= 8; number++) {
        char expected[32], saved[40];
        char *line = find_line(&page, number);
        size_t len = strcspn(line, "\n");
        assert_true(len < sizeof(saved));
        memcpy(saved, line, len);

        memset(line, ' ', len); /* missing */
        (void)snprintf(expected, sizeof(expected), "line %d ", number);
        assert_int_equal(try_read((char *)page.data, &err), TZ_KEY);
        assert_non_null(strstr(err.message, expected));
        assert_non_null(strstr(err.message, "missing"));

        memcpy(line, saved, len); /* under another number */
        line[1] = (char)('0' + number % 8 + 1);
        assert_int_equal(try_read((char *)page.data, &err), TZ_KEY);

        memcpy(line, find_line(&other, number), len); /* of another copy: right by itself */
        assert_int_equal(try_read((char *)page.data, &err), TZ_KEY);
        assert_non_null(strstr(err.message, "belong together"));
        memcpy(line, saved, len);
    }
    assert_reads((char *)page.data, keys);
}

static void too_many_lines_are_named(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_epochs(1), *more = make_epochs(2);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf page = {0}, longer = {0};
    struct tz_error err;
    print(keys, &page);
    print(more, &longer);
    const char *line = find_line(&longer, 9);
    page.len--; /* the zero */
    assert_int_equal(tz_buf_append(&page, line, strcspn(line, "\n") + 1, NULL), 0);
    assert_int_equal(tz_buf_append(&page, "", 1, NULL), 0);
    assert_int_equal(try_read((char *)page.data, &err), TZ_KEY);
    assert_non_null(strstr(err.message, "line 9 is too many"));
}

static void nothing_and_nonsense_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "\n\n",
        "hello",
        "1:",
        "0: 00000-00000-00000-00000-000",
        "332: 00000-00000-00000-00000-000",
        "9999: 00000-00000-00000-00000-000",
        "1: 00000-00000-00000-00000-000",
        "1: \xff\xfe",
        "tozai: paper copy\nRepository: 00\n",
    };
    struct tz_error err;
    for (size_t i = 0; i < TZ_COUNT(texts); i++)
        assert_int_equal(try_read(texts[i], &err), TZ_KEY);
}

static void an_error_never_shows_the_key(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_epochs(1);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf page = {0};
    struct tz_error err;
    print(keys, &page);
    char *line = find_line(&page, 2);
    line[4] = line[4] == 'Z' ? 'Y' : 'Z';
    assert_int_equal(try_read((char *)page.data, &err), TZ_KEY);
    char group[6] = {0};
    for (int i = 0; i < 4; i++) {
        memcpy(group, line + 4 + 6 * i, 5);
        assert_null(strstr(err.message, group));
        assert_null(strstr(err.hint, group));
    }
}

static void base32_of_every_length_comes_back(void **state)
{
    (void)state;
    for (size_t len = 0; len < 50; len++) {
        uint8_t data[50], symbols[80], back[50];
        tz_random(data, len);
        memset(symbols, 0xff, sizeof(symbols));
        tz_base32_encode(symbols, data, len);
        for (size_t i = 0; i < sizeof(symbols); i++)
            assert_int_equal(symbols[i] < 32, i < tz_base32_len(len));
        tz_base32_decode(back, len, symbols);
        assert_memory_equal(data, back, len);
    }
    for (uint8_t i = 0; i < 32; i++)
        assert_int_equal(tz_base32_symbol(tz_base32_letter(i)), i);
    assert_int_equal(tz_base32_symbol('u'), -1);
    assert_int_equal(tz_base32_symbol(0), -1);
    assert_int_equal(tz_base32_symbol('*'), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_paper_copy_gives_back_the_keys),
        cmocka_unit_test(a_page_is_fit_for_paper),
        cmocka_unit_test(a_writer_has_no_paper_copy),
        cmocka_unit_test(the_way_it_is_typed_does_not_matter),
        cmocka_unit_test(every_wrong_symbol_is_found_and_its_line_named),
        cmocka_unit_test(swapped_neighbours_are_found),
        cmocka_unit_test(missing_and_additional_symbols_are_counted),
        cmocka_unit_test(missing_swapped_and_foreign_lines_are_named),
        cmocka_unit_test(too_many_lines_are_named),
        cmocka_unit_test(nothing_and_nonsense_are_refused),
        cmocka_unit_test(an_error_never_shows_the_key),
        cmocka_unit_test(base32_of_every_length_comes_back),
    };
    return cmocka_run_group_tests(tests, init_crypto, NULL);
}
