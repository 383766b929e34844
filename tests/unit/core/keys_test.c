#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "key_samples.h"

#include "core/crypto/keyring.h"

#include <signal.h>
#include <sodium.h>
#include <sys/wait.h>

/* Keys after a rotation or more. */
static struct tz_keys *make_epochs(uint32_t count)
{
    struct tz_keys *keys = NULL;
    assert_int_equal(tz_keyring_new(&keys, count, NULL), 0);
    keys->role = TZ_ROLE_OPERATOR;
    for (uint32_t i = 0; i < count; i++) {
        keys->epochs[i].has_secret = true;
        assert_int_equal(crypto_box_keypair(keys->epochs[i].public_key, keys->epochs[i].secret_key),
                         0);
        memset(keys->epochs[i].index_key, (int)i + 1, TZ_KEY_SIZE);
    }
    assert_int_equal(tz_keyring_finish(keys, NULL), 0);
    return keys;
}

static void new_keys_are_an_operators_of_epoch_1(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(7);
    assert_int_equal(tz_keys_role(keys), TZ_ROLE_OPERATOR);
    assert_int_equal(tz_keys_epoch(keys), 1);
    for (int i = 0; i < TZ_REPO_ID_SIZE; i++)
        assert_int_equal(tz_keys_repo_id(keys)[i], 7);
    assert_non_null(tz_keys_object_key(keys, 1));
    assert_null(tz_keys_object_key(keys, 0));
    assert_null(tz_keys_object_key(keys, 2));
    assert_null(tz_keys_object_key(keys, UINT32_MAX));
    assert_int_equal(tz_keys_need_operator(keys, "restore", NULL), 0);
}

static void derived_keys_all_differ(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1), *others = make_keys(1);
    const uint8_t *derived[] = {
        tz_keys_chunk_id_key(keys),   tz_keys_chunker_seed(keys),  tz_keys_name_key(keys),
        tz_keys_local_key(keys),      tz_keys_object_key(keys, 1), keys->epochs[0].index_key,
        tz_keys_chunk_id_key(others), keys->epochs[0].secret_key,  tz_keys_object_key(others, 1),
        tz_keys_public(others),
    };
    for (size_t i = 0; i < TZ_COUNT(derived); i++)
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(derived[i], derived[j], TZ_KEY_SIZE);
}

static void keys_are_read_only_in_memory(void **state)
{
    (void)state;
#ifndef TOZAI_SANITIZED /* which turns the signal into a report */
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGSEGV, SIG_DFL); /* cmocka catches it */
        *(volatile uint8_t *)&keys->repo_id[0] = 1;
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
#else
    skip();
#endif
}

static void pack_keys_open_for_the_operator(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1);
    uint8_t key[TZ_KEY_SIZE], opened[TZ_KEY_SIZE], sealed[2][TZ_KEY_SIZE + TZ_SEAL_EXTRA];
    tz_random(key, sizeof(key));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tz_keys_seal_pack_key(keys, key, sealed[i], NULL), 0);
        assert_int_equal(tz_keys_open_pack_key(keys, 1, sealed[i], opened, NULL), 0);
        assert_memory_equal(opened, key, sizeof(key));
    }
    assert_memory_not_equal(sealed[0], sealed[1], sizeof(sealed[0]));
}

static void a_changed_pack_key_is_refused(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1), *others = make_keys(1);
    uint8_t key[TZ_KEY_SIZE] = {1}, opened[TZ_KEY_SIZE], sealed[TZ_KEY_SIZE + TZ_SEAL_EXTRA];
    struct tz_error err = {0};
    assert_int_equal(tz_keys_seal_pack_key(keys, key, sealed, NULL), 0);
    assert_int_equal(tz_keys_open_pack_key(others, 1, sealed, opened, &err), -1);
    assert_int_equal(err.kind, TZ_CORRUPT);
    for (size_t bit = 0; bit < sizeof(sealed) * 8; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        /* The top bit of an X25519 public key means nothing; the hash in the nonce sees it still.
         */
        assert_int_equal(tz_keys_open_pack_key(keys, 1, sealed, opened, &err), -1);
        assert_int_equal(err.kind, TZ_CORRUPT);
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(tz_keys_open_pack_key(keys, 1, sealed, opened, NULL), 0);
    assert_int_equal(tz_keys_open_pack_key(keys, 2, sealed, opened, &err), -1);
    assert_int_equal(err.kind, TZ_KEY);
}

static void a_writer_seals_pack_keys_but_opens_none(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1), *writer = make_writer(keys);
    uint8_t key[TZ_KEY_SIZE] = {9}, opened[TZ_KEY_SIZE], sealed[TZ_KEY_SIZE + TZ_SEAL_EXTRA];
    struct tz_error err = {0};
    assert_int_equal(tz_keys_role(writer), TZ_ROLE_WRITER);
    assert_int_equal(tz_keys_seal_pack_key(writer, key, sealed, NULL), 0);
    assert_int_equal(tz_keys_open_pack_key(writer, 1, sealed, opened, &err), -1);
    assert_int_equal(err.kind, TZ_KEY);
    assert_true(err.hint[0]);
    assert_int_equal(tz_keys_open_pack_key(keys, 1, sealed, opened, NULL), 0);
    assert_memory_equal(opened, key, sizeof(key));

    assert_int_equal(tz_keys_need_operator(writer, "restore", &err), -1);
    assert_int_equal(err.kind, TZ_KEY);
    assert_non_null(strstr(err.message, "restore"));
    assert_non_null(strstr(err.message, "writer"));
}

static void a_writer_has_every_other_key(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(3), *writer = make_writer(keys);
    assert_memory_equal(tz_keys_repo_id(writer), tz_keys_repo_id(keys), TZ_REPO_ID_SIZE);
    assert_memory_equal(tz_keys_public(writer), tz_keys_public(keys), TZ_KEY_SIZE);
    assert_memory_equal(tz_keys_chunk_id_key(writer), tz_keys_chunk_id_key(keys), TZ_KEY_SIZE);
    assert_memory_equal(tz_keys_chunker_seed(writer), tz_keys_chunker_seed(keys), TZ_KEY_SIZE);
    assert_memory_equal(tz_keys_name_key(writer), tz_keys_name_key(keys), TZ_KEY_SIZE);
    assert_memory_equal(tz_keys_local_key(writer), tz_keys_local_key(keys), TZ_KEY_SIZE);
    assert_memory_equal(tz_keys_object_key(writer, 1), tz_keys_object_key(keys, 1), TZ_KEY_SIZE);
}

static void a_rotation_keeps_old_objects_and_deduplication(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *before = make_epochs(1), *after = make_epochs(3);
    assert_int_equal(tz_keys_epoch(after), 3);
    assert_memory_equal(tz_keys_chunk_id_key(after), tz_keys_chunk_id_key(before), TZ_KEY_SIZE);
    assert_memory_equal(tz_keys_name_key(after), tz_keys_name_key(before), TZ_KEY_SIZE);
    assert_memory_equal(tz_keys_object_key(after, 1), tz_keys_object_key(before, 1), TZ_KEY_SIZE);
    assert_memory_not_equal(tz_keys_object_key(after, 3), tz_keys_object_key(after, 1),
                            TZ_KEY_SIZE);
    assert_memory_equal(tz_keys_public(after), after->epochs[2].public_key, TZ_KEY_SIZE);

    uint8_t key[TZ_KEY_SIZE] = {5}, opened[TZ_KEY_SIZE], sealed[TZ_KEY_SIZE + TZ_SEAL_EXTRA];
    assert_int_equal(tz_keys_seal_pack_key(after, key, sealed, NULL), 0);
    assert_int_equal(tz_keys_open_pack_key(after, 3, sealed, opened, NULL), 0);
    assert_int_equal(tz_keys_open_pack_key(after, 2, sealed, opened, NULL), -1);
}

static void encode(struct tz_buf *out, const struct tz_keys *keys, enum tz_role role)
{
    size_t size = tz_keyring_size(keys);
    assert_int_equal(tz_buf_reserve(out, size, NULL), 0);
    tz_keyring_encode(keys, role, out->data);
    out->len = size;
}

static void a_writers_plain_text_holds_no_secret_key(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_epochs(3);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf writer = {0}, full = {0};
    encode(&writer, keys, TZ_ROLE_WRITER);
    encode(&full, keys, TZ_ROLE_OPERATOR);
    assert_int_equal(writer.len, full.len);
    for (uint32_t i = 0; i < 3; i++) {
        /* Not even eight bytes of one. */
        for (size_t part = 0; part < TZ_KEY_SIZE; part += 8) {
            const uint8_t *secret = keys->epochs[i].secret_key + part;
            assert_null(memmem(writer.data, writer.len, secret, 8));
            assert_non_null(memmem(full.data, full.len, secret, 8));
        }
    }
    tz_wipe(full.data, full.len);
}

static int decode(enum tz_role role, const void *data, size_t len)
{
    static const uint8_t repo_id[TZ_REPO_ID_SIZE];
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = NULL;
    TZ_SCOPED(tz_scoped_free) uint8_t *copy = exact_copy(data, len);
    struct tz_error err = {0};
    int status = tz_keyring_decode(&keys, repo_id, role, copy, len, &err);
    assert_int_equal(status ? TZ_CORRUPT : TZ_OK, err.kind);
    assert_int_equal(keys == NULL, status != 0);
    return status;
}

static void a_keyring_that_cannot_be_is_refused(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_epochs(2);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf plain = {0}, writer = {0};
    encode(&plain, keys, TZ_ROLE_OPERATOR);
    encode(&writer, keys, TZ_ROLE_WRITER);
    assert_int_equal(decode(TZ_ROLE_OPERATOR, plain.data, plain.len), 0);
    assert_int_equal(decode(TZ_ROLE_WRITER, writer.data, writer.len), 0);
    for (size_t len = 0; len < plain.len; len++)
        assert_int_equal(decode(TZ_ROLE_OPERATOR, plain.data, len), -1);
    assert_int_equal(decode(TZ_ROLE_WRITER, plain.data, plain.len), -1);
    assert_int_equal(decode(TZ_ROLE_OPERATOR, writer.data, writer.len), -1);

    const size_t changed[] = {0, 1, 3, 4, 8, 9, 9 + TZ_KEY_SIZE + 1, 4 + TZ_KEYRING_EPOCH_SIZE};
    for (size_t i = 0; i < TZ_COUNT(changed); i++) {
        plain.data[changed[i]] ^= 2;
        assert_int_equal(decode(TZ_ROLE_OPERATOR, plain.data, plain.len), -1);
        plain.data[changed[i]] ^= 2;
    }
    /* A secret in a writer's place of one. */
    writer.data[9 + TZ_KEY_SIZE] = 1;
    assert_int_equal(decode(TZ_ROLE_WRITER, writer.data, writer.len), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_keys_are_an_operators_of_epoch_1),
        cmocka_unit_test(derived_keys_all_differ),
        cmocka_unit_test(keys_are_read_only_in_memory),
        cmocka_unit_test(pack_keys_open_for_the_operator),
        cmocka_unit_test(a_changed_pack_key_is_refused),
        cmocka_unit_test(a_writer_seals_pack_keys_but_opens_none),
        cmocka_unit_test(a_writer_has_every_other_key),
        cmocka_unit_test(a_rotation_keeps_old_objects_and_deduplication),
        cmocka_unit_test(a_writers_plain_text_holds_no_secret_key),
        cmocka_unit_test(a_keyring_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, init_crypto, NULL);
}
