#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "core/source/ignore.h"
#include "odd_tree.h"

#include "tozai/util/buf.h"
#include "tozai/util/file.h"
#include "tozai/util/time.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Is path left out by these lines? */
static bool match(const char *lines, const char *path, bool is_directory)
{
    struct tz_ignore *ignore = NULL;

    assert_int_equal(tz_ignore_new(&ignore, NULL), 0);
    assert_int_equal(tz_ignore_add(ignore, 0, lines, strlen(lines), NULL), 0);
    bool result = tz_ignore_match(ignore, path, strlen(path), is_directory);
    tz_ignore_free(ignore);
    return result;
}

struct sample {
    const char *lines, *path;
    bool is_directory, expected;
};

static void check(const struct sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct sample *s = &samples[i];
        if (match(s->lines, s->path, s->is_directory) != s->expected)
            fail_msg("'%s' and '%s': not %d", s->lines, s->path, s->expected);
    }
}
#define CHECK(samples) check((samples), TZ_COUNT(samples))

static void a_name_matches_at_any_depth(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"a", "a", false, true},
        {"a", "x/y/a", false, true},
        {"a", "a", true, true},
        {"a", "ab", false, false},
        {"a", "a/b", false, false},
        {"*.tmp", "x.tmp", false, true},
        {"*.tmp", "d/x.tmp", false, true},
        {"*.tmp", ".tmp", false, true},
        {"*.tmp", "x.tmpp", false, false},
        {"a*c", "d/abbc", false, true},
        {"a?c", "abc", false, true},
        {"a?c", "ac", false, false},
        {"*", "anything", false, true},
        {"[ab]x", "bx", false, true},
        {"[!ab]x", "bx", false, false},
        {"[^ab]x", "cx", false, true},
        {"[a-c]x", "bx", false, true},
        {"[[:digit:]]x", "5x", false, true},
        {"[[:digit:]]x", "ax", false, false},
        {"[]x]", "]", false, true},
        {"[a", "[a", false, false},
        {"[a", "a", false, false},
        {"a*b*c*d", "aXbXcXd", false, true},
        {"a*b*c*d", "aXcXbXd", false, false},
    };
    CHECK(samples);
}

static void a_slash_ties_a_pattern_to_its_directory(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"/a", "a", false, true},     {"/a", "x/a", false, false},
        {"a/b", "a/b", false, true},  {"a/b", "x/a/b", false, false},
        {"a/*", "a/b", false, true},  {"a/*", "a/b/c", false, false},
        {"a/", "a", true, true},      {"a/", "a", false, false},
        {"a/", "x/a", true, true},    {"/a/", "x/a", true, false},
        {"/*.c", "x.c", false, true}, {"/*.c", "d/x.c", false, false},
        {"/", "a", false, false},     {"/", "a", true, false},
    };
    CHECK(samples);
}

static void two_stars_match_any_depth(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"**/a", "a", false, true},
        {"**/a", "x/y/a", false, true},
        {"**/a/b", "x/a/b", false, true},
        {"a/**", "a/b", false, true},
        {"a/**", "a/b/c", false, true},
        {"a/**", "a", true, false},
        {"a/**/b", "a/b", false, true},
        {"a/**/b", "a/x/b", false, true},
        {"a/**/b", "a/x/y/b", false, true},
        {"a/**/b", "a/xb", false, false},
        {"a/**/b/**/c", "a/x/b/c", false, true},
        {"a/**/b/**/c", "a/x/c", false, false},
        {"a**b/c", "axxb/c", false, true},
        {"a**b/c", "ax/xb/c", false, false},
        {"**", "a", false, true},
        {"/**", "a/b", false, true},
        {"**/", "a", true, true},
        {"**/", "a", false, false},
    };
    CHECK(samples);
}

static void the_last_match_decides(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"*.c\n!a.c", "a.c", false, false}, {"*.c\n!a.c", "b.c", false, true},
        {"!a.c\n*.c", "a.c", false, true},  {"*\n!a\na", "a", false, true},
        {"*\n!*/", "d", true, false},       {"*\n!*/", "d", false, true},
    };
    CHECK(samples);
}

static void lines_are_read_as_git_reads_them(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"#a", "#a", false, false},
        {"\\#a", "#a", false, true},
        {"\\!a", "!a", false, true},
        {"a ", "a", false, true},
        {"a ", "a ", false, false},
        {"a\\ ", "a ", false, true},
        {"a\\  ", "a ", false, true},
        {"a\r\nb", "a", false, true},
        {"\n\n\n", "a", false, false},
        {"   ", " ", false, false},
        {"\xef\xbb\xbf"
         "a",
         "a", false, true},
        {"a\\*", "a*", false, true},
        {"a\\*", "ab", false, false},
        {"a\\", "a\\", false, false},
        {"a\\\\", "a\\", false, true},
        {" a", " a", false, true},
        {"\xff", "\xff", false, true},
        {"[\xe0-\xff]", "\xf0", false, true},
    };
    CHECK(samples);
}

static void deeper_scopes_come_first_and_go_away(void **state)
{
    (void)state;
    struct tz_ignore *ignore = NULL;

    assert_int_equal(tz_ignore_new(&ignore, NULL), 0);
    assert_false(tz_ignore_match(ignore, "d/x.c", 5, false));
    assert_int_equal(tz_ignore_add(ignore, 0, "*.c\n", 4, NULL), 0);
    size_t before = tz_ignore_count(ignore);
    assert_int_equal(tz_ignore_add(ignore, 1, "!x.c\n/y", 7, NULL), 0);
    assert_false(tz_ignore_match(ignore, "d/x.c", 5, false));
    assert_true(tz_ignore_match(ignore, "d/z.c", 5, false));
    assert_true(tz_ignore_match(ignore, "d/y", 3, false));
    assert_false(tz_ignore_match(ignore, "d/e/y", 5, false));
    tz_ignore_cut(ignore, before);
    assert_true(tz_ignore_match(ignore, "d/x.c", 5, false));
    assert_false(tz_ignore_match(ignore, "d/y", 3, false));
    tz_ignore_free(ignore);
}

/* A pattern that takes a simple matcher longer than the universe will last. */
static void matching_takes_no_exponential_time(void **state)
{
    (void)state;
    char lines[200] = "", path[4000];
    int64_t start = tz_monotonic();

    for (int i = 0; i < 60; i++)
        memcpy(lines + 2 * i, "a*", 2);
    memcpy(lines + 120, "b", 2);
    memset(path, 'a', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    assert_false(match(lines, path, false));

    for (int i = 0; i < 20; i++)
        memcpy(lines + 5 * i, "**/a/", 5);
    memcpy(lines + 100, "b", 2);
    for (size_t i = 1; i < sizeof(path) - 2; i += 2)
        path[i] = '/';
    assert_false(match(lines, path, false));
    assert_true(tz_monotonic() - start < 5 * TZ_SECOND_NS);
}

static unsigned next_random(uint64_t *x)
{
    *x = *x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(*x >> 33);
}

/*
 * Where git is not as its manual says: it takes the text before the first wildcard off before it
 * matches, so that in "a**" the stars may stand for directories; and it sees an escaped slash as
 * one behind two stars only in part.
 */
static bool is_quirk(const char *pattern)
{
    const char *stars = strstr(pattern, "**");
    return (stars && stars > pattern && stars[-1] != '/') || strstr(pattern, "\\/");
}

/* A few characters that patterns care for, and few others, so that things match often. */
static void random_pattern(uint64_t *x, char *out, size_t max)
{
    static const char *const pieces[] = {
        "a",    "b",    "a",    "b",   "c",   "/",   "/",   "*",     "*",    "?",
        "**",   "[ab]", "[!a]", "**/", "/**", "\\a", "\\*", "[a-b]", "[]a]", "[[:alpha:]]",
        "/**/", "!",    "#",    " ",   "\\ ", "[",   "]",   "\\",    "***"};
    size_t len = 0;

    for (unsigned n = 1 + next_random(x) % 6; n > 0; n--) {
        const char *piece = pieces[next_random(x) % TZ_COUNT(pieces)];
        if (len + strlen(piece) + 2 > max)
            break;
        memcpy(out + len, piece, strlen(piece));
        len += strlen(piece);
    }
    out[len] = '\0';
    if (is_quirk(out))
        random_pattern(x, out, max);
}

static void random_path(uint64_t *x, char *out)
{
    static const char letters[] = "aabbc*! ";
    size_t len = 0;

    for (unsigned parts = 1 + next_random(x) % 4; parts > 0; parts--) {
        for (unsigned n = 1 + next_random(x) % 3; n > 0; n--)
            out[len++] = letters[next_random(x) % (sizeof(letters) - 1)];
        if (parts > 1)
            out[len++] = '/';
    }
    out[len] = '\0';
}

/* Run git in folder; its output, or NULL if there is no git. */
static bool run_git(const char *folder, const char *arguments, struct tz_buf *out)
{
    char command[1024];

    (void)snprintf(command, sizeof(command),
                   "cd '%s' && GIT_CONFIG_NOSYSTEM=1 HOME='%s' git %s 2>/dev/null", folder, folder,
                   arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    char data[65536];
    size_t len;
    while ((len = fread(data, 1, sizeof(data), pipe)) > 0)
        assert_int_equal(tz_buf_append(out, data, len, NULL), 0);
    int status = pclose(pipe);
    return WIFEXITED(status) && WEXITSTATUS(status) <= 1;
}

/* As the walk does: what is below something that is left out is left out. */
static bool is_left_out(const struct tz_ignore *ignore, const char *path)
{
    for (size_t i = 1; path[i]; i++)
        if (path[i] == '/' && tz_ignore_match(ignore, path, i, true))
            return true;
    return tz_ignore_match(ignore, path, strlen(path), false);
}

struct answers {
    struct tz_buf paths; /* NUL after each */
    struct tz_buf ignored;
};

/* git check-ignore tells which of many paths it would ignore. */
static bool ask_git(const char *folder, const char *patterns, struct answers *answers)
{
    TZ_SCOPED(tz_scoped_free) char *file = tz_path_join(folder, ".gitignore");
    TZ_SCOPED(tz_scoped_free) char *input = tz_path_join(folder, "paths");

    assert_int_equal(tz_file_replace(file, patterns, strlen(patterns), 0600, NULL), 0);
    assert_int_equal(tz_file_replace(input, answers->paths.data, answers->paths.len, 0600, NULL),
                     0);
    tz_buf_reset(&answers->ignored);
    return run_git(folder, "check-ignore --no-index -z --stdin < paths", &answers->ignored);
}

static bool holds(const struct tz_buf *list, const char *path)
{
    size_t len = strlen(path) + 1;

    for (size_t at = 0; at + len <= list->len; at += strlen((char *)list->data + at) + 1)
        if (memcmp(list->data + at, path, len) == 0)
            return true;
    return false;
}

static void compare_with_git(const char *folder, uint64_t *x)
{
    struct answers answers = {0};
    struct tz_ignore *ignore = NULL;
    char patterns[400] = "";
    size_t len = 0;

    for (unsigned n = 1 + next_random(x) % 3; n > 0; n--) {
        random_pattern(x, patterns + len, 100);
        len += strlen(patterns + len);
        patterns[len++] = '\n';
    }
    patterns[len] = '\0';
    for (int i = 0; i < 400; i++) {
        char path[64];
        random_path(x, path);
        assert_int_equal(tz_buf_append(&answers.paths, path, strlen(path) + 1, NULL), 0);
    }
    assert_true(ask_git(folder, patterns, &answers));
    assert_int_equal(tz_ignore_new(&ignore, NULL), 0);
    assert_int_equal(tz_ignore_add(ignore, 0, patterns, strlen(patterns), NULL), 0);
    for (size_t at = 0; at < answers.paths.len; at += strlen((char *)answers.paths.data + at) + 1) {
        const char *path = (char *)answers.paths.data + at;
        bool expected = holds(&answers.ignored, path);
        if (is_left_out(ignore, path) != expected)
            fail_msg("patterns '%s', path '%s': git says %d", patterns, path, expected);
    }
    tz_ignore_free(ignore);
    tz_buf_clear(&answers.paths);
    tz_buf_clear(&answers.ignored);
}

static void random_patterns_match_as_in_git(void **state)
{
    (void)state;
    struct tz_buf out = {0};
    const char *rounds = getenv("TOZAI_TEST_ROUNDS");
    const char *seed = getenv("TOZAI_TEST_SEED");
    uint64_t x = seed ? strtoull(seed, NULL, 0) : 20240229;
    char *folder = tz_odd_folder();

    if (!run_git(folder, "init -q .", &out)) {
        print_message("there is no git to compare with\n");
        tz_odd_folder_remove(folder);
        skip();
    }
    tz_buf_clear(&out);
    for (unsigned long i = rounds ? strtoul(rounds, NULL, 0) : 200; i > 0; i--)
        compare_with_git(folder, &x);
    tz_odd_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_matches_at_any_depth),
        cmocka_unit_test(a_slash_ties_a_pattern_to_its_directory),
        cmocka_unit_test(two_stars_match_any_depth),
        cmocka_unit_test(the_last_match_decides),
        cmocka_unit_test(lines_are_read_as_git_reads_them),
        cmocka_unit_test(deeper_scopes_come_first_and_go_away),
        cmocka_unit_test(matching_takes_no_exponential_time),
        cmocka_unit_test(random_patterns_match_as_in_git),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
