#include "tozai/core/config.h"

#include "core/config/parse.h"
#include "core/config/table.h"
#include "tozai/util/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

/* The least that a configuration needs; what a test adds comes behind it. */
#define STORES                                                                                     \
    "[repository]\nstate = /var/lib/tozai\n"                                                       \
    "[store east]\nurl = file:///backup/east\nlocation = tokyo\n"                                  \
    "[store west]\nurl = s3://bucket/prefix\nlocation = osaka\n"
#define SOURCE STORES "[source wiki]\ntype = directory\npath = /srv/wiki\n"

static struct tz_config *parse(const char *text)
{
    struct tz_config *config = NULL;
    struct tz_error err = {0};

    if (tz_config_parse(&config, "x.conf", text, strlen(text), &err))
        fail_msg("%s", err.message);
    return config;
}

/* The message of a text that must be refused. */
static void expect_error_len(const char *text, size_t len, const char *message)
{
    struct tz_config *config = NULL;
    struct tz_error err = {0};

    if (tz_config_parse(&config, "x.conf", text, len, &err) == 0) {
        tz_config_free(config);
        fail_msg("accepted, but expected: %s", message);
    }
    assert_null(config);
    assert_int_equal(err.kind, TZ_INVALID);
    assert_string_equal(err.message, message);
}

static void expect_error(const char *text, const char *message)
{
    expect_error_len(text, strlen(text), message);
}

static const char *of_store(const struct tz_config_store *store, const char *key)
{
    return tz_config_pair_value(store->more, store->more_count, NULL, key, 0);
}

static const char *later(const struct tz_config *config, const char *section, const char *key)
{
    return tz_config_pair_value(config->later, config->later_count, section, key, 0);
}

/* The sample of the manual, with every kind of section. */
static const char everything[] =
    "[repository]\n"
    "state = /var/lib/tozai            # catalog, spool\n"
    "passphrase_file = /etc/tozai/passphrase      # or passphrase_command\n"
    "passphrase_command = pass show 'a # b'\n"
    "key_file = /etc/tozai/key\n"
    "pack_size = 16M\n"
    "frame_size = 1M\n"
    "compression = 9\n"
    "threads = 3\n"
    "\n"
    "[store east]\n"
    "url = s3://example-backup-east/tozai/         # or file:///backup/east\n"
    "endpoint = https://s3.ap-northeast-1.amazonaws.com\n"
    "region = ap-northeast-1\n"
    "location = tokyo\n"
    "credentials_file = /etc/tozai/east.credentials   # AWS format\n"
    "path_style = true\n"
    "object_lock = compliance          # none | governance | compliance\n"
    "ca_file = /etc/ssl/ca.pem\n"
    "upload_limit = 20M\n"
    "download_limit = 1G\n"
    "connections = 8\n"
    "timeout = 2m\n"
    "storage_class = STANDARD_IA\n"
    "sse = aws:kms\n"
    "sse_kms_key_id = arn:aws:kms:ap-northeast-1:111122223333:key/1234abcd-12ab\n"
    "\n"
    "[store west]\n"
    "url = file:///backup//west/\n"
    "location = osaka\n"
    "\n"
    "[policy]\n"
    "allowed_locations = tokyo, osaka\n"
    "allowed_regions = ap-northeast-1\n"
    "min_copies = 2                    # what 'done' means\n"
    "allow_same_location = no\n"
    "\n"
    "[retention]                       # overrides\n"
    "last = 3\nhourly = 24\ndaily = 7\nweekly = 4\nmonthly = 12\nyearly = 2\n"
    "within = 2d\nwindow = 7d\nminimum_generations = 2\n"
    "timezone = Asia/Tokyo\naudit = 365d\n"
    "[retention wiki]\n"
    "daily = 30\n"
    "\n"
    "[source wiki]\n"
    "type = directory                  # directory | postgres\n"
    "path = /srv/wiki/./data//         # repeatable\n"
    "path = /srv/files\n"
    "exclude = *.tmp                   # gitignore syntax\n"
    "exclude = #foo#\n"
    "exclude_file = /etc/tozai/excludes\n"
    "exclude_caches = yes\n"
    "exclude_nodump = no\n"
    "one_file_system = on\n"
    "before = /usr/local/bin/freeze; sync\n"
    "after = /usr/local/bin/thaw\n"
    "[source wiki-db]\n"
    "type = postgres\n"
    "conninfo = host=/run/postgresql user=backup dbname=postgres\n"
    "slot = tozai\n"
    "[source shop]\n"
    "type = mariadb\n"
    "defaults_file = /etc/tozai/shop.cnf\n"
    "[source app]\n"
    "type = sqlite\n"
    "path = /srv/app/app.db\n"
    "[source vm]\n"
    "type = image\n"
    "path = /dev/vg0/vm-snap\n"
    "block_size = 64K\n"
    "[source ldap]\n"
    "type = command\n"
    "command = slapcat -n 1\n"
    "[hooks]\n"
    "before = a\nafter = b\non_failure = /usr/local/bin/page-me\n"
    "[notify]\n"
    "mail_to = ops@example.jp, me@example.jp\n"
    "mail_from = tozai@example.jp\n"
    "smtp_url = smtps://user:secret@mail.example.jp:465\n"
    "webhook = https://chat.example.jp/hook?x=1\n"
    "on = failure, degraded, restore, drill\n"
    "[drill wiki-db]\n"
    "every = 7d\n"
    "sql = SELECT count(*) > 0 FROM page ; SELECT 1\n"
    "sql = SELECT 2\n";

static void a_key_of_the_server_needs_its_encryption(void **state)
{
    (void)state;
    static const char missing[] =
        "x.conf:6: [store west]: sse_kms_key_id is nothing without 'sse = aws:kms'";
    TZ_SCOPED(tz_scoped_config)
    struct tz_config *config = parse(STORES "sse = aws:kms\nsse_kms_key_id = alias/tozai\n");
    TZ_SCOPED(tz_scoped_config) struct tz_config *plain = parse(STORES "sse = none\n");
    struct tz_store_options options;
    struct tz_store_s3_options s3;

    tz_config_store_options(config, &config->stores[1], &options, &s3);
    assert_string_equal(s3.sse, "aws:kms");
    assert_string_equal(s3.sse_kms_key, "alias/tozai");
    tz_config_store_options(plain, &plain->stores[1], &options, &s3);
    assert_null(s3.sse);
    expect_error(STORES "sse_kms_key_id = k\n", missing);
    expect_error(STORES "sse = AES256\nsse_kms_key_id = k\n", missing);
    expect_error(STORES "sse = none\nsse_kms_key_id = k\n", missing);
}

static void every_key_is_read(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_config) struct tz_config *config = parse(everything);

    assert_string_equal(config->file, "x.conf");
    assert_string_equal(config->state, "/var/lib/tozai");
    assert_string_equal(config->passphrase_file, "/etc/tozai/passphrase");
    assert_string_equal(config->passphrase_command, "pass show 'a # b'");
    assert_string_equal(config->key_file, "/etc/tozai/key");
    assert_int_equal(config->pack_size, 16 << 20);
    assert_int_equal(config->frame_size, 1 << 20);
    assert_int_equal(config->compression, 9);
    assert_int_equal(config->threads, 3);
    assert_int_equal(config->min_copies, 2);
    assert_false(config->allow_same_location);
    assert_int_equal(config->allowed_locations.count, 2);
    assert_string_equal(config->allowed_locations.items[1], "osaka");
    assert_string_equal(config->allowed_regions.items[0], "ap-northeast-1");
}

static void stores_keep_the_keys_of_their_driver(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_config) struct tz_config *config = parse(everything);

    assert_int_equal(config->store_count, 2);
    const struct tz_config_store *east = &config->stores[0];
    assert_string_equal(east->name, "east");
    assert_string_equal(east->url, "s3://example-backup-east/tozai");
    assert_string_equal(east->location, "tokyo");
    assert_int_equal(east->timeout_s, 120);
    assert_int_equal(east->line, 11);
    assert_string_equal(of_store(east, "credentials_file"), "/etc/tozai/east.credentials");
    assert_string_equal(of_store(east, "path_style"), "yes");
    assert_string_equal(of_store(east, "object_lock"), "compliance");
    assert_string_equal(of_store(east, "storage_class"), "STANDARD_IA");
    assert_null(of_store(east, "url"));
    /* In the order of the file. */
    assert_string_equal(east->more[0].key, "endpoint");
    assert_int_equal(east->more[0].line, 13);
    assert_string_equal(east->more[east->more_count - 1].key, "sse_kms_key_id");
    assert_string_equal(config->stores[1].url, "file:///backup/west");
    assert_int_equal(config->stores[1].more_count, 0);
}

static void sources_of_every_type_are_read(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_config) struct tz_config *config = parse(everything);

    assert_int_equal(config->source_count, 6);
    const struct tz_config_source *wiki = tz_config_find_source(config, "wiki");
    assert_int_equal(wiki->type, TZ_SOURCE_DIRECTORY);
    assert_int_equal(wiki->paths.count, 2);
    assert_string_equal(wiki->paths.items[0], "/srv/wiki/data");
    assert_string_equal(wiki->paths.items[1], "/srv/files");
    assert_int_equal(wiki->excludes.count, 2);
    assert_string_equal(wiki->excludes.items[0], "*.tmp");
    assert_string_equal(wiki->excludes.items[1], "#foo#");
    assert_string_equal(wiki->exclude_files.items[0], "/etc/tozai/excludes");
    assert_true(wiki->exclude_caches);
    assert_true(wiki->one_file_system);
    assert_false(wiki->exclude_nodump);
    assert_string_equal(wiki->more[0].key, "before");
    assert_string_equal(wiki->more[0].value, "/usr/local/bin/freeze; sync");

    const struct tz_config_source *database = tz_config_find_source(config, "wiki-db");
    assert_int_equal(database->type, TZ_SOURCE_POSTGRES);
    assert_string_equal(
        tz_config_pair_value(database->more, database->more_count, NULL, "conninfo", 0),
        "host=/run/postgresql user=backup dbname=postgres");
    assert_int_equal(tz_config_find_source(config, "shop")->type, TZ_SOURCE_MARIADB);
    assert_int_equal(tz_config_find_source(config, "app")->type, TZ_SOURCE_SQLITE);
    assert_int_equal(tz_config_find_source(config, "vm")->block_size, 64 << 10);
    assert_string_equal(tz_config_find_source(config, "ldap")->command, "slapcat -n 1");
    assert_true(tz_config_find_source(config, "vm")->exclude_nodump);
    assert_null(tz_config_find_source(config, "nobody"));
}

static void sections_for_later_are_kept(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_config) struct tz_config *config = parse(everything);

    assert_string_equal(later(config, "retention", "daily"), "7");
    assert_string_equal(later(config, "retention wiki", "daily"), "30");
    assert_string_equal(later(config, "hooks", "on_failure"), "/usr/local/bin/page-me");
    assert_string_equal(later(config, "notify", "on"), "failure, degraded, restore, drill");
    assert_string_equal(later(config, "drill wiki-db", "sql"),
                        "SELECT count(*) > 0 FROM page ; SELECT 1");
    assert_string_equal(
        tz_config_pair_value(config->later, config->later_count, "drill wiki-db", "sql", 1),
        "SELECT 2");
    assert_null(
        tz_config_pair_value(config->later, config->later_count, "drill wiki-db", "sql", 2));
    assert_null(later(config, "retention app", "daily"));
}

/* A value of this many bytes, in a location. */
static void check_long_value(size_t len)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};
    static const char before[] = SOURCE "exclude = ";

    assert_int_equal(tz_buf_append(&text, before, strlen(before), NULL), 0);
    assert_int_equal(tz_buf_reserve(&text, len + 1, NULL), 0);
    for (size_t i = 0; i < len; i++)
        text.data[text.len++] = (uint8_t)('a' + i % 26);
    text.data[text.len++] = '\n';
    TZ_SCOPED(tz_scoped_config) struct tz_config *config = NULL;
    assert_int_equal(tz_config_parse(&config, "x.conf", text.data, text.len, NULL), 0);
    const char *value = config->sources[0].excludes.items[0];
    assert_int_equal(strlen(value), len);
    assert_memory_equal(value, text.data + strlen(before), len);
}

static void long_values_are_whole(void **state)
{
    (void)state;
    static const size_t lengths[] = {199, 200, 4095, 4096, 4097, 65536, 900000};

    for (size_t i = 0; i < TZ_COUNT(lengths); i++)
        check_long_value(lengths[i]);
}

static void a_file_that_is_too_large_is_refused(void **state)
{
    (void)state;
    size_t len = TZ_INI_MAX_BYTES + 1;
    TZ_SCOPED(tz_scoped_free) char *text = malloc(len);

    assert_non_null(text);
    memset(text, '\n', len);
    expect_error_len(text, len, "x.conf: larger than 1048576 bytes");
}

static void many_repeated_keys_keep_their_order(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};

    assert_int_equal(tz_buf_printf(&text, NULL, "%s", SOURCE), 0);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(tz_buf_printf(&text, NULL, "%s = p%d\n", "exclude", i), 0);
    TZ_SCOPED(tz_scoped_config) struct tz_config *config = NULL;
    assert_int_equal(tz_config_parse(&config, "x.conf", text.data, text.len, NULL), 0);
    assert_int_equal(config->sources[0].excludes.count, 2000);
    for (int i = 0; i < 2000; i++) {
        char expected[16];
        (void)snprintf(expected, sizeof(expected), "p%d", i);
        assert_string_equal(config->sources[0].excludes.items[i], expected);
    }
}

static void repeated_keys_need_not_be_neighbours(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_config)
    struct tz_config *config = parse(SOURCE "exclude = a\npath = /x\nexclude = b\npath = /y\n");
    const struct tz_config_source *source = &config->sources[0];

    assert_int_equal(source->paths.count, 3);
    assert_string_equal(source->paths.items[2], "/y");
    assert_string_equal(source->excludes.items[0], "a");
    assert_string_equal(source->excludes.items[1], "b");
}

static void pairs_keep_the_order_of_the_file(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_config)
    struct tz_config *config = parse(SOURCE "[drill wiki]\nsql = a\nevery = 1d\nsql = b\n");

    assert_int_equal(config->later_count, 3);
    assert_string_equal(config->later[0].value, "a");
    assert_string_equal(config->later[1].value, "1d");
    assert_string_equal(config->later[2].value, "b");
    assert_int_equal(config->later[2].line, 15);
}

static void names_may_be_in_any_script(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_config)
    struct tz_config *config =
        parse("\xef\xbb\xbf[repository]\nstate = /状態\n"
              "[store 東]\nurl = file:///東\nlocation = 東京\n"
              "[store 西.x_Y-1]\nurl = file:///西\nlocation = 大阪\n"
              "[source データ]\ntype = directory\npath = /srv/資料 集\nexclude = 一時*\n"
              "[source Wiki]\ntype = command\ncommand = a\n"
              "[source wiki]\ntype = command\ncommand = b\n");

    assert_string_equal(config->stores[0].name, "東");
    assert_string_equal(config->stores[0].location, "東京");
    assert_string_equal(config->stores[1].name, "西.x_Y-1");
    assert_string_equal(config->sources[0].name, "データ");
    assert_string_equal(config->sources[0].paths.items[0], "/srv/資料 集");
    /* Case tells names apart. */
    assert_string_equal(tz_config_find_source(config, "Wiki")->command, "a");
    assert_string_equal(tz_config_find_source(config, "wiki")->command, "b");
}

static void white_space_does_not_matter(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_config)
    struct tz_config *config = parse("  # indented comment\r\n\t; another\r\n"
                                     "\t[ repository ]   ; here too\r\n"
                                     "   state=/s   \r\n\r\n"
                                     "[store   east]\r\n\turl\t=\tfile:///e\r\n"
                                     "[store west]\r\n  url = file:///w");

    assert_string_equal(config->state, "/s");
    assert_string_equal(config->stores[0].name, "east");
    assert_string_equal(config->stores[0].url, "file:///e");
    assert_string_equal(config->stores[1].url, "file:///w");
}

static void an_indented_line_is_a_key_of_its_own(void **state)
{
    (void)state;
    expect_error("[repository]\nstate = /s\n  more\n", "x.conf:3: Equal sign is missing");
}

/* What the location of a store becomes. */
static void check_value(const char *raw, const char *expected)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};

    assert_int_equal(tz_buf_printf(&text, NULL,
                                   "[repository]\nstate = /s\n[store a]\nurl = file:///a\n"
                                   "location = %s\n[store b]\nurl = file:///b\n",
                                   raw),
                     0);
    TZ_SCOPED(tz_scoped_config) struct tz_config *config = parse((char *)text.data);
    assert_string_equal(config->stores[0].location, expected);
}

static void comments_end_at_the_value(void **state)
{
    (void)state;
    check_value("tokyo # here", "tokyo");
    check_value("tokyo ; here", "tokyo");
    check_value("tokyo\t# here", "tokyo");
    check_value("to#kyo;x", "to#kyo;x");
    check_value("#tokyo", "#tokyo");
    check_value("\"to # kyo\"", "to # kyo");
    check_value("\"to # kyo\"  # comment", "to # kyo");
    check_value("'to # kyo' # comment", "'to # kyo'");
    check_value("Bob's place # Ann's place", "Bob's place");
    check_value("\"  a \"", "  a ");
    check_value("a \"b\" c", "a \"b\" c");
    check_value("\"a\" \"b\"", "\"a\" \"b\"");
    check_value("\"unclosed # x", "\"unclosed");
    check_value("a=b=c", "a=b=c");
    check_value("[x]", "[x]");
    check_value("a\\", "a\\");
}

static void a_command_keeps_what_a_shell_reads(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_config)
    struct tz_config *config =
        parse(STORES "[source c]\ntype = command\ncommand = \"/opt/a b/x\" ; y \"z\"  # comment\n"
                     "[source d]\ntype = command\ncommand = \"/opt/a b/x\"\n"
                     "[source e]\ntype = command\ncommand = echo '# not ; a comment' $HOME $$$$\n");

    assert_string_equal(config->sources[0].command, "\"/opt/a b/x\" ; y \"z\"");
    assert_string_equal(config->sources[1].command, "\"/opt/a b/x\"");
    assert_string_equal(config->sources[2].command, "echo '# not ; a comment' $HOME $$");
}

static void the_environment_expands(void **state)
{
    (void)state;
    assert_int_equal(setenv("TOZAI_TEST_PLACE", "tokyo # 1", 1), 0);
    assert_int_equal(unsetenv("TOZAI_TEST_NONE"), 0);
    check_value("${TOZAI_TEST_PLACE}", "tokyo # 1");
    check_value("a${TOZAI_TEST_PLACE}b${TOZAI_TEST_PLACE}", "atokyo # 1btokyo # 1");
    check_value("$${TOZAI_TEST_PLACE}", "${TOZAI_TEST_PLACE}");
    check_value("$$$$", "$$");
    check_value("$TOZAI_TEST_PLACE", "$TOZAI_TEST_PLACE");
    check_value("5$", "5$");

    expect_error("[repository]\nstate = ${TOZAI_TEST_NONE}\n",
                 "x.conf:2: state: the environment variable TOZAI_TEST_NONE is not set");
    expect_error("[repository]\nstate = ${TOZAI\n", "x.conf:2: state: no '}' ends the '${'");
    expect_error("[repository]\nstate = ${}\n",
                 "x.conf:2: state: '${}' is not the name of a variable");
    expect_error("[repository]\nstate = ${a:-b}\n",
                 "x.conf:2: state: '${a:-b}' is not the name of a variable");
}

static void unknown_words_name_the_line_and_the_nearest(void **state)
{
    (void)state;
    expect_error("[repository]\n\nstat = /x\n",
                 "x.conf:3: unknown key 'stat' in [repository]; did you mean 'state'?");
    expect_error("[store east]\n# c\nurl = file:///a\nlocatoin = tokyo\n",
                 "x.conf:4: unknown key 'locatoin' in [store east]; did you mean 'location'?");
    expect_error("[store east]\nURL = file:///a\n", "x.conf:2: unknown key 'URL' in [store east]");
    expect_error("[store east]\nfrobnicate = 1\n",
                 "x.conf:2: unknown key 'frobnicate' in [store east]");
    expect_error("[store east]\n東 = 1\n", "x.conf:2: unknown key '東' in [store east]");
    expect_error("\n[stroe east]\n", "x.conf:2: unknown section [stroe]; did you mean [store]?");
    expect_error("[zzz]\n", "x.conf:1: unknown section [zzz]");
    expect_error("[default]\na = 1\n", "x.conf:1: unknown section [default]");
}

static void a_malformed_line_is_named(void **state)
{
    (void)state;
    static const char nul[] = "[repository]\nstate = /a\0b\n";

    expect_error("state = /s\n", "x.conf:1: the key 'state' stands before the first section");
    expect_error("[repository]\nstate\n", "x.conf:2: Equal sign is missing");
    expect_error("[repository]\n\n= /s\n", "x.conf:3: Property name is missing");
    expect_error("\n[repository\nstate = /s\n", "x.conf:2: no ']' ends the section's name");
    expect_error("[]\n", "x.conf:1: the section has no name");
    expect_error("[ ]\n", "x.conf:1: the section has no name");
    expect_error("[repository] state = /s\n", "x.conf:1: unexpected text after ']'");
    expect_error("[repository]\nstate = /\xff\n", "x.conf:2: the byte 0xff is not UTF-8");
    expect_error("[repository]\nstate = /\xe6\x9d\n", "x.conf:2: the byte 0xe6 is not UTF-8");
    expect_error("[repository]\nstate = /\x1b[0m\n", "x.conf:2: control character U+001B");
    expect_error("[repository]\nstate = /\xc2\x9b\n", "x.conf:2: control character U+009B");
    expect_error("[repository]\nstate = /a\rb\n", "x.conf:2: control character U+000D");
    expect_error_len(nul, sizeof(nul) - 1, "x.conf:2: control character U+0000");
    expect_error("[repository]\nstate =\n", "x.conf:2: state: there is no value");
    expect_error("[repository]\nstate = \"\"\n", "x.conf:2: state: there is no value");
}

static void what_comes_twice_is_refused(void **state)
{
    (void)state;
    expect_error("[store a]\nurl = file:///a\n[store b]\nurl = file:///b\n[store a]\n",
                 "x.conf:5: Duplicate section is not allowed");
    expect_error("[store a]\n[store   a]\n", "x.conf:2: Duplicate section is not allowed");
    expect_error("[repository]\nstate = /a\nthreads = 1\nstate = /a\n",
                 "x.conf:4: the key 'state' comes twice in [repository], first in line 2");
    expect_error("[store a]\nurl = file:///a\nregion = a\nregion = b\n",
                 "x.conf:4: the key 'region' comes twice in [store a], first in line 3");
}

static void values_must_have_their_form(void **state)
{
    (void)state;
    expect_error("[repository]\nstate = tozai\n",
                 "x.conf:2: state: 'tozai' is not an absolute path");
    expect_error("[repository]\nstate = /a/../b\n", "x.conf:2: state: '/a/../b' goes up with '..'");
    expect_error("[repository]\nstate = /a/..\n", "x.conf:2: state: '/a/..' goes up with '..'");
    expect_error("[repository]\npack_size = 65M\n", "x.conf:2: pack_size: '65M' is out of range");
    expect_error("[repository]\npack_size = 1023K\n",
                 "x.conf:2: pack_size: '1023K' is out of range");
    expect_error("[repository]\nframe_size = 5M\n", "x.conf:2: frame_size: '5M' is out of range");
    expect_error("[repository]\ncompression = 0\n", "x.conf:2: compression: '0' is out of range");
    expect_error("[repository]\ncompression = 20\n", "x.conf:2: compression: '20' is out of range");
    expect_error("[repository]\ncompression = -1\n", "x.conf:2: compression: '-1' is not a number");
    expect_error("[repository]\nthreads = 99999999999999999999\n",
                 "x.conf:2: threads: '99999999999999999999' is too large");
    expect_error("[store a]\nurl = file:///a\ntimeout = 0\n",
                 "x.conf:3: timeout: '0' is out of range");
    expect_error("[store a]\nurl = file:///a\ntimeout = 10x\n",
                 "x.conf:3: timeout: '10x' is not a duration: write a number and s, m, h, d or w");
    expect_error("[store a]\nurl = s3://abc\npath_style = maybe\n",
                 "x.conf:3: path_style: 'maybe' is neither 'yes' nor 'no'");
    expect_error("[store a]\nurl = s3://abc\nobject_lock = on\n",
                 "x.conf:3: object_lock: 'on' is not one of none, governance or compliance");
    expect_error("[store a]\nurl = s3://abc\nsse = aes256\n",
                 "x.conf:3: sse: 'aes256' is not one of none, AES256 or aws:kms");
    expect_error("[store a]\nurl = s3://abc\nsse_kms_key_id = a b\n",
                 "x.conf:3: sse_kms_key_id: 'a b' is neither the id nor the ARN of a key, nor "
                 "alias/NAME");
    expect_error("[policy]\nallowed_locations = a,,b\n",
                 "x.conf:2: allowed_locations: an item of the list is empty");
    expect_error("[policy]\nallowed_locations = a,\n",
                 "x.conf:2: allowed_locations: an item of the list is empty");
    expect_error("[policy]\nmin_copies = 0\n", "x.conf:2: min_copies: '0' is out of range");
    expect_error("[retention]\ndaily = many\n", "x.conf:2: daily: 'many' is not a number");
    expect_error("[retention]\nwindow = 7y\n",
                 "x.conf:2: window: '7y' is not a duration: write a number and s, m, h, d or w");
    expect_error("[retention]\ntimezone = ../etc\n",
                 "x.conf:2: timezone: '../etc' is not a time zone such as Asia/Tokyo or UTC");
    expect_error(
        "[notify]\non = failure, never\n",
        "x.conf:2: on: 'never' is not one of failure, degraded, restore, drill, overdue or damage");
    expect_error("[notify]\nmail_to = a@b, nobody\n",
                 "x.conf:2: mail_to: 'nobody' is not a mail address");
    expect_error("[source a]\ntype = directroy\n",
                 "x.conf:2: type: 'directroy' is not one of directory, sqlite, image, command, "
                 "postgres or mariadb");
    expect_error("[source a]\ntype = postgres\nslot = A-b\n",
                 "x.conf:3: slot: 'A-b' is not a replication slot: up to 63 of a-z, 0-9 and _");
}

static void urls_must_have_their_form(void **state)
{
    (void)state;
    expect_error("[store a]\nurl = ftp://x\n",
                 "x.conf:2: url: 'ftp://x' is not the URL of a store");
    expect_error("[store a]\nurl = mem:\n", "x.conf:2: url: 'mem:' is not the URL of a store");
    expect_error("[store a]\nurl = file://x/y\n", "x.conf:2: url: 'x/y' is not an absolute path");
    expect_error("[store a]\nurl = file:///\n",
                 "x.conf:2: url: the root directory cannot be a store");
    expect_error("[store a]\nurl = s3://\n", "x.conf:2: url: '' is not the name of a bucket");
    expect_error("[store a]\nurl = s3://Ab_c/x\n",
                 "x.conf:2: url: 'Ab_c' is not the name of a bucket");
    expect_error("[store a]\nurl = s3://abc/x/../y\n",
                 "x.conf:2: url: the prefix 'x/../y' has an empty part, '.' or '..'");
    expect_error("[store a]\nurl = s3://abc//y\n",
                 "x.conf:2: url: the prefix '/y' has an empty part, '.' or '..'");
    expect_error("[store a]\nurl = s3://abc\nendpoint = s3.example.com\n",
                 "x.conf:3: endpoint: this is not an http:// or https:// URL");
    expect_error(
        "[store a]\nurl = s3://abc\nendpoint = https://s3.example.com/path\n",
        "x.conf:3: endpoint: this is more than a scheme and a host: a path belongs into 'url'");
    expect_error(
        "[store a]\nurl = s3://abc\nendpoint = https://s3.example.com?a=b\n",
        "x.conf:3: endpoint: this is more than a scheme and a host: a path belongs into 'url'");
    expect_error("[notify]\nwebhook = https://\n",
                 "x.conf:2: webhook: this is not an http:// or https:// URL");
    /* What may hold a password is not shown. */
    expect_error("[notify]\nsmtp_url = user:secret@x\n",
                 "x.conf:2: smtp_url: this is not an smtp:// or smtps:// URL");
}

static void names_must_have_their_form(void **state)
{
    (void)state;
    expect_error("[store]\n", "x.conf:1: [store] needs a name, such as [store east]");
    expect_error("[source]\n", "x.conf:1: [source] needs a name, such as [source east]");
    expect_error("[drill]\n", "x.conf:1: [drill] needs a name, such as [drill east]");
    expect_error("[policy x]\n", "x.conf:1: [policy] takes no name");
    expect_error("[store a b]\n", "x.conf:1: the name 'a b' holds more than letters, digits, '.', "
                                  "'_' and '-'");
    expect_error("[store a@b]\n", "x.conf:1: the name 'a@b' holds more than letters, digits, '.', "
                                  "'_' and '-'");
    expect_error("[store a/b]\n", "x.conf:1: the name 'a/b' holds more than letters, digits, '.', "
                                  "'_' and '-'");
    expect_error("[store 東\u3000西]\n", "x.conf:1: the name '東\u3000西' holds more than letters, "
                                         "digits, '.', '_' and '-'");
    expect_error("[store -a]\n", "x.conf:1: the name '-a' begins with '-'");
    expect_error("[store .a]\n", "x.conf:1: the name '.a' begins with '.'");
    expect_error(
        "[store aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\n",
        "x.conf:1: the name 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...' is longer than 64 bytes");

    TZ_SCOPED(tz_scoped_config)
    struct tz_config *config =
        parse(STORES "[source aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\n"
                     "type = command\ncommand = a\n");
    assert_int_equal(strlen(config->sources[0].name), 64);
}

#define REPOSITORY             "[repository]\nstate = /s\n"
#define STORE(name, url, more) "[store " name "]\nurl = " url "\n" more

static void two_stores_in_two_places_are_needed(void **state)
{
    (void)state;
    expect_error("", "x.conf: there is no store");
    expect_error(REPOSITORY, "x.conf: there is no store");
    expect_error(REPOSITORY STORE("a", "file:///a", ""), "x.conf:3: there is only one store");
    tz_config_free(parse(REPOSITORY STORE("a", "file:///a", "") "[policy]\nmin_copies = 1\n"));
    expect_error(REPOSITORY STORE("a", "file:///a", "")
                     STORE("b", "file:///b", "") "[policy]\nmin_copies = 3\n",
                 "x.conf: min_copies = 3, but there are only 2 stores");

    expect_error(REPOSITORY STORE("a", "file:///a", "") STORE("b", "file:///a/", ""),
                 "x.conf:5: [store b] has the same url as [store a]");
    expect_error(REPOSITORY STORE("a", "file:///a", "")
                     STORE("b", "file:///a/", "") "[policy]\nallow_same_location = yes\n",
                 "x.conf:5: [store b] has the same url as [store a]");
    expect_error(REPOSITORY STORE("a", "file:///a", "") STORE("b", "file:///a/b", ""),
                 "x.conf:5: one of [store a] and [store b] lies inside the other");

    expect_error(REPOSITORY STORE("a", "file:///a", "location = tokyo\n")
                     STORE("b", "file:///b", "location = Tokyo\n"),
                 "x.conf:6: [store a] and [store b] are both in the location 'Tokyo'");
    tz_config_free(parse(REPOSITORY STORE("a", "file:///a", "location = tokyo\n") STORE(
        "b", "file:///b", "location = tokyo\n") "[policy]\nallow_same_location = yes\n"));
}

static void stores_stay_where_the_policy_allows(void **state)
{
    (void)state;
    expect_error(REPOSITORY STORE("a", "file:///a", "location = tokyo\n")
                     STORE("b", "file:///b",
                           "location = virginia\n") "[policy]\nallowed_locations = tokyo, osaka\n",
                 "x.conf:6: [store b]: the location 'virginia' is not among allowed_locations of "
                 "[policy]");
    expect_error(REPOSITORY STORE("a", "file:///a", "location = tokyo\n")
                     STORE("b", "file:///b", "") "[policy]\nallowed_locations = tokyo, osaka\n",
                 "x.conf:6: [store b] has no location, and [policy] allows only some");
    expect_error(REPOSITORY STORE("a", "file:///a", "")
                     STORE("b", "s3://abc",
                           "region = us-east-1\n") "[policy]\nallowed_regions = ap-northeast-1\n",
                 "x.conf:5: [store b]: the region 'us-east-1' is not among allowed_regions of "
                 "[policy]");
}

static void what_does_not_go_together_is_refused(void **state)
{
    (void)state;
    expect_error(STORE("a", "file:///a", "") STORE("b", "file:///b", ""),
                 "x.conf: [repository] has no state");
    expect_error("[store a]\nlocation = tokyo\n", "x.conf:1: [store a] has no url");
    expect_error(REPOSITORY "[store a]\nregion = x\nurl = file:///a\n",
                 "x.conf:4: the key 'region' is for s3:// stores only");
    expect_error("[repository]\nstate = /s\npack_size = 1M\nframe_size = 2M\n" STORE(
                     "a", "file:///a", "") STORE("b", "file:///b", ""),
                 "x.conf: frame_size is larger than pack_size");
    expect_error("[repository]\nstate = /a/s\n" STORE("a", "file:///a", "")
                     STORE("b", "file:///b", ""),
                 "x.conf:3: [store a]: the state directory '/a/s' and the store lie one inside the "
                 "other");
    expect_error("[retention wiki]\naudit = 30d\n",
                 "x.conf:2: the key 'audit' belongs into [retention], not into [retention wiki]");
    expect_error(SOURCE "[retention wikki]\ndaily = 1\n",
                 "x.conf:12: [retention wikki]: there is no [source wikki]");
    expect_error(SOURCE "[drill x]\nevery = 1d\n", "x.conf:12: [drill x]: there is no [source x]");
}

static void a_source_needs_what_its_type_needs(void **state)
{
    (void)state;
    expect_error("[source a]\npath = /a\n", "x.conf:1: [source a] has no type");
    expect_error("[source a]\ntype = sqlite\npath = /a\nexclude = x\n",
                 "x.conf:4: the key 'exclude' does not go with 'type = sqlite'");
    /* The type may come last. */
    expect_error("[source a]\ncommand = x\npath = /a\ntype = directory\n",
                 "x.conf:2: the key 'command' does not go with 'type = directory'");
    expect_error(STORES "[source a]\ntype = directory\n", "x.conf:9: [source a] has no path");
    expect_error(STORES "[source a]\ntype = sqlite\n",
                 "x.conf:9: [source a] needs exactly one path, as 'type = sqlite'");
    expect_error(STORES "[source a]\ntype = image\npath = /a\npath = /b\n",
                 "x.conf:9: [source a] needs exactly one path, as 'type = image'");
    expect_error(STORES "[source a]\ntype = image\npath = /a\nblock_size = 5K\n",
                 "x.conf:9: [source a]: block_size is not a power of two");
    expect_error(STORES "[source a]\ntype = command\n", "x.conf:9: [source a] has no command");
    expect_error(STORES "[source a]\ntype = directory\npath = a\n",
                 "x.conf:11: path: 'a' is not an absolute path");
}

static void source_paths_must_not_meet(void **state)
{
    (void)state;
    expect_error(STORES "[source a]\ntype = directory\npath = /backup/east/x\n",
                 "x.conf:9: [source a]: '/backup/east/x' lies inside [store east]");
    expect_error(STORES "[source a]\ntype = sqlite\npath = /var/lib/tozai/catalog\n",
                 "x.conf:9: [source a]: '/var/lib/tozai/catalog' lies inside the state directory "
                 "'/var/lib/tozai'");
    expect_error(STORES "[source a]\ntype = directory\npath = /a\npath = /a/\n",
                 "x.conf:9: [source a]: the path '/a' comes twice");
    expect_error(STORES "[source a]\ntype = directory\npath = /a\npath = /a/b\n",
                 "x.conf:9: [source a]: of the paths '/a' and '/a/b' one holds the other");

    /* Around a store is well, and a name that only begins alike is another one. */
    tz_config_free(parse(STORES "[source a]\ntype = directory\npath = /\n"));
    tz_config_free(parse(STORES "[source a]\ntype = directory\npath = /backup\n"
                                "path = /backup2\n[source b]\ntype = directory\n"
                                "path = /backup/east2\n"));
    tz_config_free(parse(STORES "[source a]\ntype = directory\npath = /a\npath = /a/b\n"
                                "one_file_system = yes\n"));
}

static void hints_say_what_to_do(void **state)
{
    (void)state;
    struct tz_config *config = NULL;
    struct tz_error err = {0};
    static const char one[] = REPOSITORY STORE("a", "file:///a", "");

    assert_int_equal(tz_config_parse(&config, "x.conf", one, strlen(one), &err), -1);
    assert_non_null(strstr(err.hint, "min_copies = 1"));
    static const char text[] = SOURCE "[retention wikki]\ndaily = 1\n";
    assert_int_equal(tz_config_parse(&config, "x.conf", text, strlen(text), &err), -1);
    assert_string_equal(err.hint, "did you mean [retention wiki]?");
}

static void the_nearest_word_is_near(void **state)
{
    (void)state;
    static const char *const words[] = {"backup", "restore", "list", "ls", "verify"};

    assert_string_equal(tz_nearest_word("bakcup", words, 5), "backup");
    assert_string_equal(tz_nearest_word("backups", words, 5), "backup");
    assert_string_equal(tz_nearest_word("restor", words, 5), "restore");
    assert_string_equal(tz_nearest_word("lst", words, 5), "list");
    assert_string_equal(tz_nearest_word("sl", words, 5), "ls");
    assert_null(tz_nearest_word("frobnicate", words, 5));
    assert_null(tz_nearest_word("x", words, 5));
    assert_null(tz_nearest_word("l", words, 5));
    assert_null(tz_nearest_word("", words, 5));
    assert_null(tz_nearest_word("list", words, 0));
    TZ_SCOPED(tz_scoped_free) char *long_word = calloc(1, 100001);
    assert_non_null(long_word);
    memset(long_word, 'a', 100000);
    assert_null(tz_nearest_word(long_word, words, 5));
}

static void rules_are_complete(void **state)
{
    (void)state;
    size_t count;
    const struct tz_section_rule *rules = tz_section_rules(&count);

    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < rules[i].key_count; j++) {
            const struct tz_key_rule *key = &rules[i].keys[j];
            assert_ptr_equal(tz_key_rule_find(&rules[i], key->name), key);
            assert_true(key->kind != TZ_VALUE_WORD || key->words != NULL);
            assert_true(key->max == 0 || key->min <= key->max);
            /* A duration that is kept must fit its member. */
            assert_true(key->kind != TZ_VALUE_DURATION || (key->max > 0 && key->max <= UINT32_MAX));
        }
    }
    assert_string_equal(tz_source_type_name(TZ_SOURCE_MARIADB), "mariadb");
    assert_string_equal(tz_source_type_name((enum tz_source_type)99), "unknown");
}

struct folder {
    char path[400];
    char file[432];
};

static int make_folder(void **state)
{
    struct folder *folder = calloc(1, sizeof(*folder));
    if (!folder)
        return -1;
    const char *top = getenv("TMPDIR");
    (void)snprintf(folder->path, sizeof(folder->path), "%.300s/tozai-config-XXXXXX",
                   top ? top : "/tmp");
    if (!mkdtemp(folder->path))
        return -1;
    (void)snprintf(folder->file, sizeof(folder->file), "%s/etc/tozai.conf", folder->path);
    *state = folder;
    return 0;
}

static int remove_folder(void **state)
{
    struct folder *folder = *state;
    char etc[432];

    (void)snprintf(etc, sizeof(etc), "%s/etc", folder->path);
    (void)unlink(folder->file);
    (void)rmdir(etc);
    int failed = rmdir(folder->path);
    free(folder);
    return failed;
}

static void a_missing_file_is_not_found(void **state)
{
    const struct folder *folder = *state;
    struct tz_config *config = NULL;
    struct tz_error err = {0};

    assert_int_equal(tz_config_read(&config, folder->file, &err), -1);
    assert_int_equal(err.kind, TZ_NOT_FOUND);
    assert_non_null(strstr(err.message, folder->file));
    assert_true(err.hint[0] != '\0');
}

static void a_template_reads_as_it_was_meant(void **state)
{
    const struct folder *folder = *state;
    static const char *const urls[] = {"s3://bucket/a", "file:///backup/$x # 1", "file:///third"};
    static const char *const locations[] = {"東京", NULL, "a \"b\""};
    const struct tz_config_template template = {.store_urls = urls,
                                                .locations = locations,
                                                .store_count = 3,
                                                .passphrase_file = "/etc/pass $${HOME}"};
    struct tz_error err = {0};

    assert_int_equal(tz_config_write_template(folder->file, &template, &err), 0);
    struct stat st;
    assert_int_equal(stat(folder->file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);

    TZ_SCOPED(tz_scoped_config) struct tz_config *config = NULL;
    assert_int_equal(tz_config_read(&config, folder->file, &err), 0);
    assert_string_equal(config->file, folder->file);
    assert_string_equal(config->state, "/var/lib/tozai");
    assert_string_equal(config->passphrase_file, "/etc/pass $${HOME}");
    assert_null(config->key_file);
    assert_int_equal(config->store_count, 3);
    assert_string_equal(config->stores[0].name, "east");
    assert_string_equal(config->stores[0].location, "東京");
    assert_string_equal(config->stores[1].name, "west");
    assert_string_equal(config->stores[1].url, "file:///backup/$x # 1");
    assert_null(config->stores[1].location);
    assert_string_equal(config->stores[2].location, "a \"b\"");
    assert_string_equal(later(config, "retention", "daily"), "7");

    /* An existing file stays. */
    assert_int_equal(tz_config_write_template(folder->file, &template, &err), -1);
    assert_int_equal(err.kind, TZ_EXISTS);
}

/* Every line that is commented out must be right when the comment sign is taken away. */
static void the_examples_of_a_template_are_right(void **state)
{
    const struct folder *folder = *state;
    static const char *const urls[] = {"s3://bucket/a", "s3://other/b"};
    static const char *const locations[] = {"tokyo", "osaka"};
    const struct tz_config_template template = {.store_urls = urls,
                                                .locations = locations,
                                                .store_count = 2,
                                                .passphrase_file = "/p",
                                                .key_file = "/k",
                                                .state = "/state"};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};

    assert_int_equal(tz_config_write_template(folder->file, &template, NULL), 0);
    assert_int_equal(tz_file_read(folder->file, 100000, &text, NULL), 0);
    assert_int_equal(tz_buf_append(&text, "", 1, NULL), 0);
    /* "# key = value" and "# [section]", but no prose. */
    for (char *line = (char *)text.data; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, "# ", 2) != 0)
            continue;
        size_t word = strspn(line + 2, "abcdefghijklmnopqrstuvwxyz_");
        if (line[2] == '[' || strncmp(line + 2 + word, " = ", 3) == 0)
            line[0] = line[1] = ' ';
    }
    TZ_SCOPED(tz_scoped_config) struct tz_config *config = parse((char *)text.data);
    assert_int_equal(config->source_count, 6);
    assert_string_equal(of_store(&config->stores[0], "storage_class"), "STANDARD_IA");
    assert_string_equal(later(config, "drill wiki-db", "every"), "7d");
}

static void a_bad_template_leaves_no_file(void **state)
{
    const struct folder *folder = *state;
    static const char *const urls[] = {"file:///a", "file:///a"};
    static const char *const relative[] = {"file:///a", "b"};
    static const char *const lines[] = {"file:///a", "file:///b\n[hooks]"};
    struct tz_config_template template = {.store_urls = urls, .store_count = 1};
    struct tz_error err = {0};

    assert_int_equal(tz_config_write_template(folder->file, &template, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    template.store_count = 2;
    assert_int_equal(tz_config_write_template(folder->file, &template, &err), -1);
    assert_non_null(strstr(err.message, "[store west] has the same url as [store east]"));
    template.store_urls = relative;
    assert_int_equal(tz_config_write_template(folder->file, &template, &err), -1);
    assert_non_null(strstr(err.message, "'b' is not the URL of a store"));
    template.store_urls = lines;
    assert_int_equal(tz_config_write_template(folder->file, &template, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    assert_int_equal(access(folder->file, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(a_key_of_the_server_needs_its_encryption),
        cmocka_unit_test(stores_keep_the_keys_of_their_driver),
        cmocka_unit_test(sources_of_every_type_are_read),
        cmocka_unit_test(sections_for_later_are_kept),
        cmocka_unit_test(long_values_are_whole),
        cmocka_unit_test(a_file_that_is_too_large_is_refused),
        cmocka_unit_test(many_repeated_keys_keep_their_order),
        cmocka_unit_test(repeated_keys_need_not_be_neighbours),
        cmocka_unit_test(pairs_keep_the_order_of_the_file),
        cmocka_unit_test(names_may_be_in_any_script),
        cmocka_unit_test(white_space_does_not_matter),
        cmocka_unit_test(an_indented_line_is_a_key_of_its_own),
        cmocka_unit_test(comments_end_at_the_value),
        cmocka_unit_test(a_command_keeps_what_a_shell_reads),
        cmocka_unit_test(the_environment_expands),
        cmocka_unit_test(unknown_words_name_the_line_and_the_nearest),
        cmocka_unit_test(a_malformed_line_is_named),
        cmocka_unit_test(what_comes_twice_is_refused),
        cmocka_unit_test(values_must_have_their_form),
        cmocka_unit_test(urls_must_have_their_form),
        cmocka_unit_test(names_must_have_their_form),
        cmocka_unit_test(two_stores_in_two_places_are_needed),
        cmocka_unit_test(stores_stay_where_the_policy_allows),
        cmocka_unit_test(what_does_not_go_together_is_refused),
        cmocka_unit_test(a_source_needs_what_its_type_needs),
        cmocka_unit_test(source_paths_must_not_meet),
        cmocka_unit_test(hints_say_what_to_do),
        cmocka_unit_test(the_nearest_word_is_near),
        cmocka_unit_test(rules_are_complete),
        cmocka_unit_test_setup_teardown(a_missing_file_is_not_found, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_template_reads_as_it_was_meant, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(the_examples_of_a_template_are_right, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_bad_template_leaves_no_file, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
