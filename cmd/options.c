#include "options.h"

#include "commands.h"

#include <assert.h>
#include <string.h>

#include "tozai/util/banned.h"

#define DEFAULT_CONFIG "/etc/tozai/tozai.conf"

/* A word gives one option at most, or the letters of several that take no value: each kept once. */
#define MAX_FLAGS 64

/* What is left of the command line. */
struct parser {
    struct tz_context *context;
    char **next;
    char **end;
    const char **arguments; /* the context's, to be filled */
};

static const struct tz_option *find_in(const struct tz_option *options, size_t count,
                                       const char *name, size_t len, char letter)
{
    for (size_t i = 0; i < count; i++) {
        if (letter ? options[i].letter == letter
                   : strlen(options[i].name) == len && memcmp(options[i].name, name, len) == 0)
            return &options[i];
    }
    return NULL;
}

/* By its name, or by its letter if there is one. */
static const struct tz_option *find_option(const struct tz_command *command, const char *name,
                                           size_t len, char letter)
{
    const struct tz_option *option = NULL;

    if (command)
        option = find_in(command->options, command->option_count, name, len, letter);
    return option ? option : find_in(tz_global_options, tz_global_option_count, name, len, letter);
}

/* "the command" or its name, for messages. */
static int fail_unknown(const struct tz_command *command, const char *name, struct tz_error *err)
{
    const char *names[64];
    size_t count = 0;
    size_t len = strcspn(name, "=");
    char word[64];

    (void)snprintf(word, sizeof(word), "%.*s", (int)TZ_MIN(len, sizeof(word) - 1), name);
    for (size_t i = 0; i < tz_global_option_count; i++)
        names[count++] = tz_global_options[i].name;
    for (size_t i = 0; command && i < command->option_count && count < TZ_COUNT(names); i++)
        names[count++] = command->options[i].name;
    const char *near = tz_nearest_word(word, names, count);
    (void)tz_fail(err, TZ_INVALID, "unknown option '--%s'%s%s", word, command ? " of " : "",
                  command ? command->name : "");
    if (near)
        return tz_hint(err, "did you mean '--%s'?", near);
    return tz_hint(err, "'tozai help%s%s' lists the options", command ? " " : "",
                   command ? command->name : "");
}

static int check_word(const struct tz_option *option, const char *value, struct tz_error *err)
{
    char list[256] = "";
    size_t used = 0;

    for (size_t i = 0; option->words && option->words[i]; i++) {
        if (strcmp(option->words[i], value) == 0)
            return 0;
        const char *between = i == 0 ? "" : option->words[i + 1] ? ", " : " or ";
        int n = snprintf(list + used, sizeof(list) - used, "%s%s", between, option->words[i]);
        used = TZ_MIN(used + (size_t)(n > 0 ? n : 0), sizeof(list) - 1);
    }
    if (!option->words)
        return 0;
    return tz_fail(err, TZ_INVALID, "--%s is %s, not '%s'", option->name, list, value);
}

/* Options that every command has are fields of the context. */
static bool set_global(struct tz_context *context, const struct tz_option *option,
                       const char *value)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {
        {"json", &context->json},
        {"quiet", &context->quiet},
        {"no-progress", &context->no_progress},
        {"help", &context->help},
    };

    if (option < tz_global_options || option >= tz_global_options + tz_global_option_count)
        return false;
    if (strcmp(option->name, "config") == 0)
        context->config_path = value;
    else if (strcmp(option->name, "verbose") == 0)
        context->verbose++;
    for (size_t i = 0; i < TZ_COUNT(flags); i++) {
        if (strcmp(option->name, flags[i].name) == 0)
            *flags[i].flag = true;
    }
    return true;
}

static int set_option(struct tz_context *context, const struct tz_option *option, const char *value,
                      struct tz_error *err)
{
    if (value && check_word(option, value, err))
        return -1;
    if (value && value[0] == '\0')
        return tz_fail(err, TZ_INVALID, "--%s: the value is empty", option->name);
    if (set_global(context, option, value))
        return 0;
    for (size_t i = 0; !option->repeated && i < context->option_count; i++) {
        if (context->options[i].option != option)
            continue;
        if (!value)
            return 0;
        /* The second would silently win over the first. */
        return tz_fail(err, TZ_INVALID, "--%s is given twice", option->name);
    }
    assert(context->option_count < context->option_room);
    context->options[context->option_count++] =
        (struct tz_given_option){.option = option, .value = value};
    return 0;
}

/* The value of an option that needs one: what stands behind it, or the next word. */
static int take_value(struct parser *parser, const struct tz_option *option, const char *attached,
                      const char **ret, struct tz_error *err)
{
    if (attached) {
        *ret = attached;
        return 0;
    }
    if (parser->next == parser->end)
        return tz_fail(err, TZ_INVALID, "--%s needs a value: --%s %s", option->name, option->name,
                       option->metavar);
    *ret = *parser->next++;
    return 0;
}

/* text: "name", "name=value". */
static int parse_long(struct parser *parser, const char *text, struct tz_error *err)
{
    size_t len = strcspn(text, "=");
    const char *value = text[len] == '=' ? text + len + 1 : NULL;
    const struct tz_option *option = find_option(parser->context->command, text, len, 0);

    if (!option)
        return fail_unknown(parser->context->command, text, err);
    if (!option->metavar && value)
        return tz_fail(err, TZ_INVALID, "--%s takes no value", option->name);
    if (option->metavar && take_value(parser, option, value, &value, err))
        return -1;
    return set_option(parser->context, option, value, err);
}

/* text: "q", "qv", "cFILE". */
static int parse_short(struct parser *parser, const char *text, struct tz_error *err)
{
    for (; *text; text++) {
        const struct tz_option *option = find_option(parser->context->command, NULL, 0, *text);
        if (!option) {
            (void)tz_fail(err, TZ_INVALID, "unknown option '-%.1s'", text);
            return tz_hint(err, "an argument that begins with '-' goes behind '--'");
        }
        const char *value = NULL;
        if (option->metavar && take_value(parser, option, text[1] ? text + 1 : NULL, &value, err))
            return -1;
        if (set_option(parser->context, option, value, err))
            return -1;
        if (value)
            break;
    }
    return 0;
}

static int add_argument(struct parser *parser, const char *text, struct tz_error *err)
{
    struct tz_context *context = parser->context;

    if (!context->command) {
        context->command = tz_command_find(text);
        return context->command ? 0 : tz_command_unknown(text, err);
    }
    parser->arguments[context->argument_count++] = text;
    return 0;
}

static int parse_words(struct parser *parser, struct tz_error *err)
{
    bool options_end = false;

    while (parser->next < parser->end) {
        const char *word = *parser->next++;
        int failed;
        if (options_end || word[0] != '-' || word[1] == '\0') {
            failed = add_argument(parser, word, err);
        } else if (strcmp(word, "--") == 0) {
            options_end = true;
            failed = 0;
        } else if (strcmp(word, "--version") == 0 && !parser->context->command) {
            /* What many try first. */
            failed = add_argument(parser, "version", err);
        } else {
            failed = word[1] == '-' ? parse_long(parser, word + 2, err)
                                    : parse_short(parser, word + 1, err);
        }
        if (failed)
            return -1;
    }
    return 0;
}

static const struct tz_verb *find_verb(const struct tz_command *command, const char *name)
{
    for (size_t i = 0; i < command->verb_count; i++) {
        if (strcmp(command->verbs[i].name, name) == 0)
            return &command->verbs[i];
    }
    return NULL;
}

static int fail_verb(const struct tz_command *command, const char *name, struct tz_error *err)
{
    const char *names[16];
    size_t count = 0;

    for (; count < command->verb_count && count < TZ_COUNT(names); count++)
        names[count] = command->verbs[count].name;
    const char *near = name ? tz_nearest_word(name, names, count) : NULL;
    if (name)
        (void)tz_fail(err, TZ_INVALID, "unknown word '%s' behind '%s'", name, command->name);
    else
        (void)tz_fail(err, TZ_INVALID, "'%s' needs to know what to do", command->name);
    return near ? tz_hint(err, "did you mean '%s %s'?", command->name, near)
                : tz_hint(err, "'tozai help %s' lists what it can do", command->name);
}

/* "key add": take the verb from the arguments. */
static int split_verb(struct tz_context *context, struct tz_error *err)
{
    const struct tz_command *command = context->command;

    if (command->verb_count == 0)
        return 0;
    const char *name = context->arguments[0];
    if (!name)
        return fail_verb(command, NULL, err);
    context->verb = find_verb(command, name);
    if (!context->verb)
        return fail_verb(command, name, err);
    context->arguments++;
    context->argument_count--;
    return 0;
}

static int check_options(const struct tz_context *context, struct tz_error *err)
{
    const struct tz_command *command = context->command;
    const struct tz_verb *verb = context->verb;

    for (size_t i = 0; i < command->option_count; i++) {
        const struct tz_option *option = &command->options[i];
        bool fits = !option->verb || (verb && strcmp(option->verb, verb->name) == 0);
        bool given = tz_option_given(context, option->name);
        if (given && !fits)
            return tz_fail(err, TZ_INVALID, "--%s is for '%s %s' only", option->name, command->name,
                           option->verb);
        if (option->required && fits && !given)
            return tz_fail(err, TZ_INVALID, "'%s%s%s' needs --%s %s", command->name,
                           verb ? " " : "", verb ? verb->name : "", option->name, option->metavar);
    }
    return 0;
}

static int check_arguments(const struct tz_context *context, struct tz_error *err)
{
    const struct tz_command *command = context->command;
    const struct tz_verb *verb = context->verb;
    unsigned min = verb ? verb->min_arguments : command->min_arguments;
    unsigned max = verb ? verb->max_arguments : command->max_arguments;
    const char *synopsis = verb ? verb->arguments : command->arguments;

    if (context->argument_count >= min && context->argument_count <= max)
        return 0;
    if (context->argument_count > max)
        (void)tz_fail(err, TZ_INVALID, "unexpected argument '%s'", context->arguments[max]);
    else
        (void)tz_fail(err, TZ_INVALID, "an argument is missing");
    return tz_hint(err, "usage: tozai %s%s%s%s%s", command->name, verb ? " " : "",
                   verb ? verb->name : "", synopsis[0] ? " " : "", synopsis);
}

int tz_options_parse(struct tz_context *context, int argc, char **argv, struct tz_error *err)
{
    size_t count = argc > 0 ? (size_t)argc : 0;
    const char *environment = getenv("TOZAI_CONFIG");

    *context = (struct tz_context){
        .config_path = environment && environment[0] ? environment : DEFAULT_CONFIG,
        .option_room = count + MAX_FLAGS,
        .options = calloc(count + MAX_FLAGS, sizeof(context->options[0])),
    };
    const char **arguments = calloc(count + 1, sizeof(arguments[0]));
    context->arguments = arguments;
    if (!context->options || !arguments)
        return tz_fail_nomem(err);

    struct parser parser = {.context = context,
                            .next = argv + TZ_MIN(count, 1U),
                            .end = argv + count,
                            .arguments = arguments};
    if (parse_words(&parser, err))
        return -1;
    if (!context->command || context->help)
        return 0;
    if (split_verb(context, err) || check_options(context, err))
        return -1;
    return check_arguments(context, err);
}

void tz_options_clear(struct tz_context *context)
{
    /* The verb was the first one. */
    const char *const *arguments = context->verb ? context->arguments - 1 : context->arguments;

    free((void *)arguments);
    free(context->options);
    *context = (struct tz_context){0};
}
