#include "progress.h"

#include "output.h"

#include "tozai/util/time.h"

#include <inttypes.h>
#include <string.h>

#include "tozai/util/banned.h"

#define LINE_INTERVAL_NS (TZ_SECOND_NS / 5)
#define LOG_INTERVAL_NS  (10 * TZ_SECOND_NS)
#define JSON_INTERVAL_NS TZ_SECOND_NS

enum kind { ON_TERMINAL, AS_LOG, AS_JSON };

struct tz_progress {
    struct tz_context *context;
    enum kind kind;
    int64_t interval_ns;
    int64_t next_ns; /* nothing is shown before this moment */
    int64_t last_ns; /* of the last one shown; 0: none yet */
    uint64_t last_bytes;
    double rate;    /* bytes in a second, smoothed */
    char phase[64]; /* of the last update */
};

static bool is_line_terminal(void)
{
    const char *term = getenv("TERM");

    return isatty(STDERR_FILENO) && term && term[0] && strcmp(term, "dumb") != 0;
}

int tz_progress_new(struct tz_progress **ret, struct tz_context *context, struct tz_error *err)
{
    bool terminal = !context->json && is_line_terminal();

    *ret = NULL;
    if (context->quiet || context->no_progress || (!terminal && context->verbose == 0))
        return 0;
    struct tz_progress *progress = calloc(1, sizeof(*progress));
    if (!progress)
        return tz_fail_nomem(err);
    progress->context = context;
    progress->kind = terminal ? ON_TERMINAL : context->json ? AS_JSON : AS_LOG;
    progress->interval_ns = terminal        ? LINE_INTERVAL_NS
                            : context->json ? JSON_INTERVAL_NS
                                            : LOG_INTERVAL_NS;
    *ret = progress;
    return 0;
}

/* A new phase begins to count anew. */
static void begin_phase(struct tz_progress *progress, const char *phase)
{
    (void)snprintf(progress->phase, sizeof(progress->phase), "%s", phase);
    progress->next_ns = 0;
    progress->last_ns = 0;
    progress->last_bytes = 0;
    progress->rate = 0;
}

/* The mean of the last few seconds, so that the rest is not guessed from a burst. */
static void measure(struct tz_progress *progress, uint64_t bytes, int64_t now_ns)
{
    double seconds = (double)(now_ns - progress->last_ns) / (double)TZ_SECOND_NS;

    if (progress->last_ns != 0 && seconds > 0 && bytes >= progress->last_bytes) {
        double rate = (double)(bytes - progress->last_bytes) / seconds;
        double weight = TZ_MIN(seconds / 5, 1.0);
        progress->rate = progress->rate > 0 ? progress->rate * (1 - weight) + rate * weight : rate;
    }
    progress->last_ns = now_ns;
    progress->last_bytes = bytes;
}

/* Seconds that the rest will take, or -1. */
static int64_t remaining(const struct tz_progress *progress, const struct tz_progress_state *state)
{
    if (progress->rate < 1 || state->bytes_total <= state->bytes_done)
        return -1;
    double seconds = (double)(state->bytes_total - state->bytes_done) / progress->rate;
    return seconds > 1e9 ? -1 : (int64_t)seconds;
}

static int add_duration(struct tz_buf *out, int64_t seconds, struct tz_error *err)
{
    if (seconds >= 3600)
        return tz_buf_printf(out, err, "%" PRId64 ":%02d:%02d", seconds / 3600,
                             (int)(seconds / 60 % 60), (int)(seconds % 60));
    return tz_buf_printf(out, err, "%d:%02d", (int)(seconds / 60), (int)(seconds % 60));
}

/* "backup wiki  1.2 GiB / 4.0 GiB 30%  1234 files  210.0 MiB/s  ETA 0:14  east 3 MiB behind" */
static int make_line(struct tz_buf *out, const struct tz_progress *progress,
                     const struct tz_progress_state *state, struct tz_error *err)
{
    char done[TZ_SIZE_TEXT];
    char total[TZ_SIZE_TEXT];
    char rate[TZ_SIZE_TEXT];
    int64_t seconds = remaining(progress, state);

    tz_size_format(done, state->bytes_done);
    tz_size_format(total, state->bytes_total);
    tz_size_format(rate, (uint64_t)progress->rate);
    if (tz_escape(out, progress->phase, strlen(progress->phase), err) ||
        tz_buf_printf(out, err, "  %s", done))
        return -1;
    if (state->bytes_total > 0) {
        double part = (double)state->bytes_done / (double)state->bytes_total;
        if (tz_buf_printf(out, err, " / %s %d%%", total, (int)(100 * TZ_MIN(part, 1.0))))
            return -1;
    }
    if (tz_buf_printf(out, err, "  %" PRIu64 " files", state->files) ||
        (progress->rate >= 1 && tz_buf_printf(out, err, "  %s/s", rate)))
        return -1;
    if (seconds >= 0 && (tz_buf_append(out, "  ETA ", 6, err) || add_duration(out, seconds, err)))
        return -1;
    if (!state->note || state->note[0] == '\0')
        return 0;
    return tz_buf_append(out, "  ", 2, err) ? -1
                                            : tz_escape(out, state->note, strlen(state->note), err);
}

static void show_line(struct tz_progress *progress, const struct tz_buf *line)
{
    /* A full last column would wrap the line on some terminals. */
    size_t columns = tz_terminal_columns(STDERR_FILENO);
    size_t len = tz_text_fit(line->data, line->len, columns > 1 ? columns - 1 : 1);

    (void)fprintf(stderr, "\r%.*s\033[K", (int)len, (const char *)line->data);
    (void)fflush(stderr);
    progress->context->line_stands = true;
}

static void show_json(struct tz_progress *progress, const struct tz_progress_state *state)
{
    const char *note = state->note ? state->note : "";

    tz_json_line(progress->context,
                 json_pack("{s:{s:o, s:I, s:I, s:I, s:I, s:I, s:o}}", "progress", "phase",
                           tz_json_text(progress->phase, strlen(progress->phase)), "files",
                           (json_int_t)state->files, "bytes_done", (json_int_t)state->bytes_done,
                           "bytes_total", (json_int_t)state->bytes_total, "bytes_per_second",
                           (json_int_t)progress->rate, "eta_seconds",
                           (json_int_t)remaining(progress, state), "note",
                           tz_json_text(note, strlen(note))));
}

static void show(struct tz_progress *progress, const struct tz_progress_state *state)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf line = {0};

    if (progress->kind == AS_JSON) {
        show_json(progress, state);
        return;
    }
    /* Progress that finds no memory is not worth a failure. */
    if (make_line(&line, progress, state, NULL))
        return;
    if (progress->kind == ON_TERMINAL)
        show_line(progress, &line);
    else
        (void)fprintf(stderr, "tozai: %.*s\n", (int)line.len, (const char *)line.data);
}

void tz_progress_update(struct tz_progress *progress, const struct tz_progress_state *state)
{
    char phase[sizeof(progress->phase)];

    if (!progress)
        return;
    (void)snprintf(phase, sizeof(phase), "%s%s%s", state->phase, state->name ? " " : "",
                   state->name ? state->name : "");
    if (strcmp(progress->phase, phase) != 0)
        begin_phase(progress, phase);
    int64_t now_ns = tz_monotonic();
    if (now_ns < progress->next_ns)
        return;
    progress->next_ns = now_ns + progress->interval_ns;
    measure(progress, state->bytes_done, now_ns);
    show(progress, state);
}

void tz_progress_finish(struct tz_progress *progress)
{
    if (!progress)
        return;
    tz_clear_line(progress->context);
    free(progress);
}
