/*
 * Commands: what one is, and what it is given when it runs.
 *
 * A command is a constant struct in a file of its own and an entry in the table of commands.c;
 * parsing, help, completions and manual pages all follow from it.
 */
#ifndef TOZAI_CMD_COMMAND_H
#define TOZAI_CMD_COMMAND_H

#include "tozai/core/config.h"

#include <limits.h>

/* Exit codes; a command returns one of the first, an error becomes one of the others. */
enum tz_exit {
    TZ_EXIT_OK = 0,
    TZ_EXIT_FAILED = 1,
    TZ_EXIT_USAGE = 2,
    TZ_EXIT_WARNINGS = 3, /* done, but some input is missing or a store lacks it */
    TZ_EXIT_DAMAGE = 4,
    TZ_EXIT_BUSY = 5,
    TZ_EXIT_INTERRUPTED = 130,
};

/* What an argument or an option's value is, for completions. */
enum tz_complete {
    TZ_COMPLETE_NOTHING,
    TZ_COMPLETE_FILE,
    TZ_COMPLETE_DIRECTORY,
    TZ_COMPLETE_SOURCE,
    TZ_COMPLETE_STORE,
    TZ_COMPLETE_COMMAND,
};

struct tz_option {
    const char *name;         /* "store" for --store */
    const char *metavar;      /* "URL"; NULL: it takes no value */
    const char *help;         /* without a full stop */
    const char *const *words; /* the only values there are, of which NULL is the last */
    const char *verb;         /* the only verb it goes with; NULL: all */
    enum tz_complete complete;
    char letter; /* 's' for -s; 0 if it has none */
    bool required;
    bool repeated; /* may be given more than once */
};

/* "key add", "key list": the first argument of some commands. */
struct tz_verb {
    const char *name;
    const char *arguments; /* "SLOT"; "" for none */
    const char *summary;
    unsigned min_arguments; /* without the verb itself */
    unsigned max_arguments;
};

/* No limit to the arguments. */
#define TZ_MANY UINT_MAX

struct tz_context;

struct tz_command {
    const char *name;
    const char *summary;   /* one line without a full stop */
    const char *arguments; /* "SOURCE[@POINT] [PATH]"; "" for none */
    const struct tz_option *options;
    size_t option_count;
    const struct tz_verb *verbs; /* if it has any, one must be given */
    size_t verb_count;
    unsigned min_arguments; /* with verbs: those of the verb count */
    unsigned max_arguments;
    enum tz_complete complete;      /* the first argument */
    enum tz_complete complete_rest; /* all others */
    bool hidden;                    /* not in help, completions and manual */
    /* Do it.  Returns an exit code, or -1 with err set. */
    int (*run)(struct tz_context *context, struct tz_error *err);
};

/* .options = ..., .option_count = ... */
#define TZ_OPTIONS(list) .options = (list), .option_count = TZ_COUNT(list)
#define TZ_VERBS(list)   .verbs = (list), .verb_count = TZ_COUNT(list)

struct tz_given_option {
    const struct tz_option *option;
    const char *value; /* NULL for one that takes none */
};

struct tz_context {
    const struct tz_command *command;
    const struct tz_verb *verb;   /* NULL if the command has none */
    const char *const *arguments; /* without the verb; NULL behind the last */
    size_t argument_count;
    struct tz_given_option *options; /* of the command, in the order given */
    size_t option_count;
    size_t option_room;

    const char *config_path; /* -c, $TOZAI_CONFIG or the default */
    bool json;
    bool quiet;
    bool no_progress;
    bool help; /* --help was given */
    unsigned verbose;

    bool line_stands; /* a progress line stands on the terminal; output.c and progress.c */
};

/* The names below must be in the command's table. */
bool tz_option_given(const struct tz_context *context, const char *name);
/* The last value given, or NULL. */
const char *tz_option_value(const struct tz_context *context, const char *name);
/* The value given as number index (from 0), or NULL. */
const char *tz_option_nth(const struct tz_context *context, const char *name, size_t index);

/*
 * Read the configuration.  One that is missing or cannot be read is TZ_INVALID here, as one that is
 * wrong: exit code 2.
 */
int tz_context_config(const struct tz_context *context, struct tz_config **ret,
                      struct tz_error *err) TZ_MUST_CHECK;

#endif
