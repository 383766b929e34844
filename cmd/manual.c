/*
 * tozai manual: the manual pages, of prose written by hand and lists from the table of commands.
 *
 * A page SOURCE/tozai-NAME.1.in is mdoc(7).  A line of the form "@word@" in it is replaced:
 *
 *   @head@      title, NAME and SYNOPSIS
 *   @verbs@     what can stand behind "tozai key", as a list
 *   @options@   the section OPTIONS
 *   @exit@      the section EXIT STATUS
 *   @commands@  all commands, as a list       @globals@  the global options, as a list
 */
#include "commands.h"

#include "tozai/util/file.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "tozai/util/banned.h"

#define MAX_PAGE ((size_t)1 << 20)

struct page {
    const struct tz_command *command; /* NULL: the overview */
    FILE *out;
};

/* A sentence of text: nothing in it may be taken for a macro or an escape. */
static void print_text(FILE *out, const char *text, const char *end)
{
    if (text[0] == '.' || text[0] == '\'')
        (void)fputs("\\&", out);
    else if (*text)
        (void)fputc(toupper((unsigned char)*text++), out);
    for (; *text; text++) {
        if (*text == '\\')
            (void)fputs("\\e", out);
        else
            (void)fputc(*text, out);
    }
    (void)fprintf(out, "%s\n", end);
}

static void print_options(FILE *out, const struct tz_option *options, size_t count)
{
    (void)fputs(".Bl -tag -width Ds\n", out);
    for (size_t i = 0; i < count; i++) {
        (void)fputs(".It ", out);
        if (options[i].letter)
            (void)fprintf(out, "Fl %c , ", options[i].letter);
        (void)fprintf(out, "Fl -%s", options[i].name);
        if (options[i].metavar)
            (void)fprintf(out, " Ar %s", options[i].metavar);
        (void)fputc('\n', out);
        if (options[i].verb)
            (void)fprintf(out, "For\n.Cm %s .\n", options[i].verb);
        print_text(out, options[i].help,
                   options[i].repeated && options[i].metavar ? "; may be repeated." : ".");
    }
    (void)fputs(".El\n", out);
}

static void print_synopsis_options(const struct page *page, const struct tz_verb *verb)
{
    const struct tz_command *command = page->command;

    for (size_t i = 0; i < command->option_count; i++) {
        const struct tz_option *option = &command->options[i];
        if (option->verb && (!verb || strcmp(option->verb, verb->name) != 0))
            continue;
        (void)fprintf(page->out, "%sFl -%s", option->required ? "." : ".Op ", option->name);
        if (option->metavar)
            (void)fprintf(page->out, " Ar %s%s", option->metavar, option->repeated ? " ..." : "");
        (void)fputc('\n', page->out);
    }
}

static void print_synopsis_line(const struct page *page, const struct tz_verb *verb)
{
    const char *arguments = verb ? verb->arguments : page->command->arguments;

    (void)fprintf(page->out, ".Nm tozai\n.Cm %s%s%s\n", page->command->name, verb ? " " : "",
                  verb ? verb->name : "");
    print_synopsis_options(page, verb);
    if (arguments[0])
        (void)fprintf(page->out, ".Ar \"%s\"\n", arguments);
}

static void print_head(const struct page *page)
{
    const struct tz_command *command = page->command;

    if (!command) {
        (void)fputs(".Dt TOZAI 1\n.Os\n.Sh NAME\n.Nm tozai\n"
                    ".Nd encrypted, deduplicated backups in two places\n"
                    ".Sh SYNOPSIS\n.Nm\n.Op Fl c Ar FILE\n.Op Fl -json\n.Op Fl q\n.Op Fl v\n"
                    ".Op Fl -no-progress\n.Ar COMMAND ...\n",
                    page->out);
        return;
    }
    (void)fputs(".Dt TOZAI-", page->out);
    for (const char *at = command->name; *at; at++)
        (void)fputc(*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at, page->out);
    (void)fprintf(page->out, " 1\n.Os\n.Sh NAME\n.Nm tozai-%s\n.Nd %s\n", command->name,
                  command->summary);
    (void)fputs(".Sh SYNOPSIS\n", page->out);
    for (size_t i = 0; i < command->verb_count; i++)
        print_synopsis_line(page, &command->verbs[i]);
    if (command->verb_count == 0)
        print_synopsis_line(page, NULL);
}

static void print_verbs(const struct page *page)
{
    (void)fputs(".Bl -tag -width Ds\n", page->out);
    for (size_t i = 0; page->command && i < page->command->verb_count; i++) {
        const struct tz_verb *verb = &page->command->verbs[i];
        (void)fprintf(page->out, ".It Cm %s", verb->name);
        if (verb->arguments[0])
            (void)fprintf(page->out, " Ar \"%s\"", verb->arguments);
        (void)fputc('\n', page->out);
        print_text(page->out, verb->summary, ".");
    }
    (void)fputs(".El\n", page->out);
}

static void print_options_section(const struct page *page)
{
    (void)fputs(".Sh OPTIONS\n", page->out);
    if (page->command && page->command->option_count > 0) {
        print_options(page->out, page->command->options, page->command->option_count);
        (void)fputs(".Pp\n", page->out);
    }
    (void)fputs("The global options are described in\n.Xr tozai 1 .\n", page->out);
}

static void print_exit(const struct page *page)
{
    (void)fputs(".Sh EXIT STATUS\n"
                ".Bl -tag -width 130 -compact\n"
                ".It 0\nDone, and in every store.\n"
                ".It 1\nFailed.\n"
                ".It 2\nWrong usage or configuration; nothing was done.\n"
                ".It 3\nDone with warnings: some input could not be read, or a store does not "
                "hold it yet.\n"
                ".It 4\nDamage was found.\n"
                ".It 5\nAnother run holds the lock.\n"
                ".It 130\nInterrupted; what was stored is kept for the next run.\n"
                ".El\n",
                page->out);
}

static void print_commands(const struct page *page)
{
    (void)fputs(".Bl -tag -width Ds\n", page->out);
    for (size_t i = 0; i < tz_command_count; i++) {
        if (tz_commands[i]->hidden)
            continue;
        (void)fprintf(page->out, ".It Xr tozai-%s 1\n", tz_commands[i]->name);
        print_text(page->out, tz_commands[i]->summary, ".");
    }
    (void)fputs(".El\n", page->out);
}

static void print_globals(const struct page *page)
{
    print_options(page->out, tz_global_options, tz_global_option_count);
}

static int print_marker(const struct page *page, const char *line, size_t len, struct tz_error *err)
{
    static const struct {
        const char *marker;
        void (*print)(const struct page *page);
    } markers[] = {
        {"@head@", print_head},
        {"@verbs@", print_verbs},
        {"@options@", print_options_section},
        {"@exit@", print_exit},
        {"@commands@", print_commands},
        {"@globals@", print_globals},
    };

    for (size_t i = 0; i < TZ_COUNT(markers); i++) {
        if (strlen(markers[i].marker) == len && memcmp(markers[i].marker, line, len) == 0) {
            markers[i].print(page);
            return 0;
        }
    }
    return tz_fail(err, TZ_FAILED, "unknown marker '%.*s'", (int)len, line);
}

static int print_prose(const struct page *page, const char *prose, struct tz_error *err)
{
    while (*prose) {
        size_t len = strcspn(prose, "\n");
        if (prose[0] == '@') {
            if (print_marker(page, prose, len, err))
                return -1;
        } else {
            (void)fprintf(page->out, "%.*s\n", (int)len, prose);
        }
        prose += len;
        prose += *prose == '\n';
    }
    return 0;
}

/* command NULL: the overview. */
static int write_page(const struct tz_command *command, const char *source, const char *target,
                      struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf from = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf to = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf prose = {0};
    const char *dash = command ? "-" : "";
    const char *name = command ? command->name : "";

    if (tz_buf_printf(&from, err, "%s/tozai%s%s.1.in", source, dash, name) ||
        tz_buf_printf(&to, err, "%s/tozai%s%s.1", target, dash, name) ||
        tz_file_read((char *)from.data, MAX_PAGE, &prose, err) || tz_buf_append(&prose, "", 1, err))
        return -1;
    TZ_SCOPED(tz_scoped_file) FILE *out = fopen((char *)to.data, "we");
    if (!out)
        return tz_fail_errno(err, errno, "create '%s'", (char *)to.data);
    struct page page = {.command = command, .out = out};
    if (print_prose(&page, (char *)prose.data, err))
        return tz_while(err, "%s", (char *)from.data);
    if (ferror(out) || fclose(TZ_TAKE(out)))
        return tz_fail_errno(err, errno, "write '%s'", (char *)to.data);
    return 0;
}

static int run(struct tz_context *context, struct tz_error *err)
{
    const char *source = context->arguments[0];
    const char *target = context->arguments[1];

    if (tz_make_dirs(target, 0755, err) || write_page(NULL, source, target, err))
        return -1;
    for (size_t i = 0; i < tz_command_count; i++) {
        if (!tz_commands[i]->hidden && write_page(tz_commands[i], source, target, err))
            return -1;
    }
    return TZ_EXIT_OK;
}

const struct tz_command tz_command_manual = {
    .name = "manual",
    .summary = "write the manual pages; for those who build tozai",
    .arguments = "SOURCE_DIR TARGET_DIR",
    .min_arguments = 2,
    .max_arguments = 2,
    .complete = TZ_COMPLETE_DIRECTORY,
    .complete_rest = TZ_COMPLETE_DIRECTORY,
    .hidden = true,
    .run = run,
};
