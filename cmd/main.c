/*
 * From the command line to a command, and from its result to an exit code.
 */
#include "commands.h"
#include "help.h"
#include "options.h"
#include "output.h"

#include "tozai/core/crypto.h"
#include "tozai/util/interrupt.h"
#include "tozai/util/log.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <malloc.h>
#include <poll.h>
#include <string.h>

#include "tozai/util/banned.h"

/* All text is UTF-8; how wide it is must be known in any locale. */
static void set_locale(void)
{
    if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        (void)setlocale(LC_CTYPE, "C.UTF-8");
}

/* Wrong usage is reported as JSON even if it came before --json. */
static bool asks_for_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0)
            return true;
    }
    return false;
}

static int start(struct tz_context *context, struct tz_error *err)
{
    if (tz_crypto_init(err) || tz_interrupt_install(err))
        return -1;
    tz_log_level = context->verbose > 1 ? (int)context->verbose - 1 : 0;
    return context->command->run(context, err);
}

/* What was printed must have arrived. */
static int finish_output(struct tz_error *err)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    /* The reason of an earlier failure is lost. */
    return tz_fail_errno(err, errno ? errno : EIO, "write to standard output");
}

/* Did the reader of our output go away?  It knows, and wants no message. */
static bool is_reader_gone(void)
{
    struct pollfd output = {.fd = STDOUT_FILENO, .events = POLLOUT};

    return ferror(stdout) && poll(&output, 1, 0) == 1 && (output.revents & POLLERR);
}

static int run(struct tz_context *context, struct tz_error *err)
{
    int code = TZ_EXIT_OK;

    if (context->help && context->command)
        tz_help_command(stdout, context->command);
    else if (context->help)
        tz_help_overview(stdout);
    else
        code = start(context, err);
    if (code < 0)
        return -1;
    return finish_output(err) ? -1 : code;
}

static int fail_usage(struct tz_context *context, int argc, char **argv, const struct tz_error *err)
{
    context->json = context->json || asks_for_json(argc, argv);
    tz_report(context, err);
    return tz_exit_of(err);
}

int main(int argc, char **argv)
{
    struct tz_context context;
    struct tz_error err = {0};

    /* Large buffers pass between threads: they are mapped, so that freed ones do not stay with the
     * thread that took them. */
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
    set_locale();
    int code = tz_options_parse(&context, argc, argv, &err);
    if (code) {
        code = fail_usage(&context, argc, argv, &err);
    } else if (!context.command && !context.help) {
        tz_help_overview(stderr);
        code = TZ_EXIT_USAGE;
    } else {
        code = run(&context, &err);
        tz_clear_line(&context);
        if (code < 0) {
            if (err.sys_errno != EPIPE && !is_reader_gone())
                tz_report(&context, &err);
            code = tz_exit_of(&err);
        }
    }
    tz_options_clear(&context);
    return code;
}
