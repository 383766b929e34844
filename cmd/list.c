/* tozai list: shows what there is. */
#include "common.h"
#include "table.h"

#include "tozai/core/lock.h"
#include "tozai/core/retention.h"
#include "tozai/util/hex.h"
#include "tozai/util/time.h"

#include <string.h>

#include "tozai/util/banned.h"

#define SHORT_ID 12

struct row {
    char *source, *type;
    uint8_t id[TZ_HASH_SIZE], origin[TZ_HASH_SIZE];
    int64_t head_object, seal_object;
    int64_t time_ns, locked_until_ns, verified_ns, drilled_ns;
    uint64_t entries, bytes, stored_bytes, warnings;
    uint32_t stores;  /* bit i: mirror store i holds all of it */
    unsigned reasons; /* why it stays, until now */
    bool configured;  /* its source; else it stays anyhow */
    bool held;
    json_t *tags; /* only for JSON */
};

/* All generations that are asked for, those of a source together and newest first. */
struct rows {
    struct row *items;
    size_t count;
    size_t room;
};

static void clear_rows(struct rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        free(rows->items[i].source);
        free(rows->items[i].type);
        json_decref(rows->items[i].tags);
    }
    free(rows->items);
}

static int add_row(void *arg, const struct tz_generation *generation, struct tz_error *err)
{
    struct rows *rows = arg;

    if (rows->count == rows->room) {
        size_t room = rows->room > 0 ? 2 * rows->room : 64;
        void *items = realloc(rows->items, room * sizeof(rows->items[0]));
        if (!items)
            return tz_fail_nomem(err);
        rows->items = items;
        rows->room = room;
    }
    struct row *row = &rows->items[rows->count++];
    *row = (struct row){
        .source = strdup(generation->source),
        .type = strdup(generation->type),
        .head_object = generation->head_object,
        .seal_object = generation->seal_object,
        .time_ns = generation->time_ns,
        .locked_until_ns = generation->locked_until_ns,
        .verified_ns = generation->verified_ns,
        .drilled_ns = generation->drilled_ns,
        .entries = generation->entries,
        .bytes = generation->bytes,
        .stored_bytes = generation->stored_bytes,
        .warnings = generation->warnings,
    };
    memcpy(row->id, generation->id, TZ_HASH_SIZE);
    memcpy(row->origin, generation->origin, TZ_HASH_SIZE);
    return row->source && row->type ? 0 : tz_fail_nomem(err);
}

static int find_hold(const struct tz_session *session, struct row *row, struct tz_error *err)
{
    return tz_lock_is_held(tz_repo_catalog(session->repo), row->id, &row->held, err);
}

static int find_stores(const struct tz_session *session, struct row *row, struct tz_error *err)
{
    for (size_t i = 0; i < tz_mirror_count(tz_repo_mirror(session->repo)); i++) {
        bool complete = false;
        if (tz_catalog_generation_complete(tz_repo_catalog(session->repo), row->id,
                                           tz_repo_store(session->repo, i), &complete, err))
            return -1;
        row->stores |= (uint32_t)complete << i;
    }
    return 0;
}

/* Tags are in the head alone. */
static int read_tags(const struct tz_session *session, struct row *row, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};

    row->tags = json_object();
    if (!row->tags)
        return tz_fail_nomem(err);
    if (tz_catalog_get_head(tz_repo_catalog(session->repo), row->id, &body, err) ||
        tz_head_read(&head, body.data, body.len, err))
        return -1;
    for (uint32_t i = 0; i < head.tag_count; i++) {
        const struct tz_tag *tag = &head.tags[i];
        TZ_SCOPED(tz_scoped_json) json_t *key = tz_json_text(tag->key, strlen(tag->key));
        if (!key)
            return tz_fail_nomem(err);
        if (tz_json_set(row->tags, json_string_value(key),
                        tz_json_text(tag->value, strlen(tag->value)), err))
            return -1;
    }
    return 0;
}

static int read_rows(const struct tz_session *session, const char *source, bool tags,
                     struct rows *rows, struct tz_error *err)
{
    if (tz_catalog_each_current(tz_repo_catalog(session->repo), source, add_row, rows, err))
        return -1;
    for (size_t i = 0; i < rows->count; i++) {
        if (find_stores(session, &rows->items[i], err) ||
            find_hold(session, &rows->items[i], err) ||
            (tags && read_tags(session, &rows->items[i], err)))
            return -1;
    }
    return 0;
}

/* How many rows from this one on are of the same source. */
static size_t count_same(const struct rows *rows, size_t first)
{
    size_t end = first;

    while (end < rows->count && strcmp(rows->items[end].source, rows->items[first].source) == 0)
        end++;
    return end - first;
}

/* The clock is not asked whether it can be right: nothing goes by this. */
static int plan_source(const struct tz_config *config, struct row *rows, size_t count,
                       struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) struct tz_retention_item *items = calloc(count, sizeof(items[0]));
    struct tz_retention_policy policy;

    if (!items)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < count; i++) {
        memcpy(items[i].id, rows[i].id, TZ_HASH_SIZE);
        items[i].time_ns = rows[i].time_ns;
        items[i].complete = rows[i].seal_object && rows[i].stores;
        items[i].verified = rows[i].verified_ns != 0;
        items[i].held = rows[i].held;
    }
    if (tz_retention_policy(config, rows[0].source, &policy, err) ||
        tz_retention_plan(&policy, items, count, tz_now(), true, err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        rows[i].configured = true;
        rows[i].reasons = items[i].reasons;
    }
    return 0;
}

static int plan_rows(const struct tz_config *config, struct rows *rows, struct tz_error *err)
{
    for (size_t i = 0; i < rows->count;) {
        size_t count = count_same(rows, i);
        if (tz_config_find_source(config, rows->items[i].source) &&
            plan_source(config, &rows->items[i], count, err))
            return -1;
        i += count;
    }
    return 0;
}

/* "daily, weekly, held" */
static int label_text(const struct row *row, struct tz_buf *out, struct tz_error *err)
{
    for (unsigned bit = 1; tz_retention_reason_name(bit); bit <<= 1) {
        if ((row->reasons & bit & (TZ_KEEP_LABELS | TZ_KEEP_SPANS)) &&
            tz_buf_printf(out, err, "%s%s", out->len > 0 ? ", " : "",
                          tz_retention_reason_name(bit)))
            return -1;
    }
    if (row->held && tz_buf_printf(out, err, "%sheld", out->len > 0 ? ", " : ""))
        return -1;
    return tz_buf_append(out, "", 1, err);
}

static const char *state_of(const struct tz_session *session, const struct row *row)
{
    return row->seal_object ? tz_state_text(session, row->stores) : "unfinished";
}

static int add_table_row(const struct tz_session *session, struct tz_table *table,
                         const struct row *row, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf stores = {0}, labels = {0};
    char id[2 * TZ_HASH_SIZE + 1], time[TZ_TIME_TEXT], bytes[TZ_SIZE_TEXT], stored[TZ_SIZE_TEXT];

    tz_hex(id, row->origin, TZ_HASH_SIZE);
    id[SHORT_ID] = '\0';
    tz_time_format_local(time, row->time_ns);
    tz_size_format(bytes, row->bytes);
    tz_size_format(stored, row->stored_bytes);
    if (tz_store_names(session, row->stores, true, &stores, err) || label_text(row, &labels, err))
        return -1;
    const char *cells[] = {
        id,
        time,
        (const char *)labels.data,
        bytes,
        stored,
        state_of(session, row),
        (const char *)stores.data,
    };
    return tz_table_add(table, cells, err);
}

static int print_source(const struct tz_session *session, const char *name, const char *type,
                        const struct row *rows, size_t count, struct tz_error *err)
{
    static const struct tz_column columns[] = {
        {.title = "ID"},
        {.title = "TIME"},
        {.title = "LABELS"},
        {.title = "SIZE", .right = true},
        {.title = "STORED", .right = true},
        {.title = "STATE"},
        {.title = "STORES"},
    };
    TZ_SCOPED(tz_scoped_table) struct tz_table *table = NULL;

    if (tz_table_new(&table, columns, TZ_COUNT(columns), err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (add_table_row(session, table, &rows[i], err))
            return -1;
    }
    tz_print_name(name, strlen(name));
    (void)printf(" (%s)%s\n", type, count > 0 ? "" : ": no generation yet");
    tz_table_print(table);
    return 0;
}

static json_t *make_reasons(const struct row *row, unsigned which)
{
    TZ_SCOPED(tz_scoped_json) json_t *list = json_array();

    if (!list)
        return NULL;
    for (unsigned bit = 1; tz_retention_reason_name(bit); bit <<= 1) {
        if ((row->reasons & bit & which) &&
            json_array_append_new(list, json_string(tz_retention_reason_name(bit))))
            return NULL;
    }
    return TZ_TAKE(list);
}

/* Why it stays; nobody asks that of a source without a policy. */
static json_t *make_keep(const struct row *row)
{
    return row->configured ? make_reasons(row, ~0U) : json_pack("[s]", "unconfigured");
}

static json_t *make_generation(const struct tz_session *session, const struct row *row)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:s, s:o, s:o, s:b, s:o, s:o, s:O}",
                     "id", tz_json_hex(row->origin, TZ_HASH_SIZE), "time",
                     tz_json_time(row->time_ns), "labels", make_reasons(row, TZ_KEEP_LABELS),
                     "keep", make_keep(row), "entries", (json_int_t)row->entries, "bytes",
                     (json_int_t)row->bytes, "stored_bytes", (json_int_t)row->stored_bytes,
                     "warnings", (json_int_t)row->warnings, "state", state_of(session, row),
                     "stores", tz_json_stores(session, row->stores), "locked_until",
                     tz_json_time(row->locked_until_ns), "held", row->held, "verified",
                     tz_json_time(row->verified_ns), "drilled", tz_json_time(row->drilled_ns),
                     "tags", row->tags);
}

static int add_source(const struct tz_session *session, json_t *sources, const char *name,
                      const char *type, const struct row *rows, size_t count, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_json) json_t *generations = json_array();

    for (size_t i = 0; i < count; i++) {
        if (tz_json_append(generations, make_generation(session, &rows[i]), err))
            return -1;
    }
    /* Without a log each generation is a point, and there are no windows between them. */
    return tz_json_append(sources,
                          json_pack("{s:o, s:s, s:O, s:[], s:[]}", "name",
                                    tz_json_text(name, strlen(name)), "type", type, "generations",
                                    generations, "windows", "gaps"),
                          err);
}

struct output {
    const struct tz_session *session;
    const char *only; /* the source that was asked for, or NULL */
    json_t *sources;  /* NULL: text */
    bool any;
};

static int put_source(struct output *output, const char *name, const char *type,
                      const struct row *rows, size_t count, struct tz_error *err)
{
    if (output->only && strcmp(output->only, name) != 0)
        return 0;
    if (output->sources)
        return add_source(output->session, output->sources, name, type, rows, count, err);
    if (output->any)
        (void)putchar('\n');
    output->any = true;
    return print_source(output->session, name, type, rows, count, err);
}

/* The configured sources in their order, then those that only the stores know. */
static int put_all(struct output *output, const struct rows *rows, struct tz_error *err)
{
    const struct tz_config *config = output->session->config;

    for (size_t i = 0; i < config->source_count; i++) {
        const struct tz_config_source *source = &config->sources[i];
        size_t first = 0;

        while (first < rows->count && strcmp(rows->items[first].source, source->name) != 0)
            first++;
        size_t count = first < rows->count ? count_same(rows, first) : 0;
        if (put_source(output, source->name, tz_source_type_name(source->type),
                       count > 0 ? &rows->items[first] : NULL, count, err))
            return -1;
    }
    for (size_t i = 0; i < rows->count;) {
        const struct row *row = &rows->items[i];
        size_t count = count_same(rows, i);

        if (!tz_config_find_source(config, row->source) &&
            put_source(output, row->source, row->type, row, count, err))
            return -1;
        i += count;
    }
    return 0;
}

static int run(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_session) struct tz_session session = {0};
    TZ_SCOPED(clear_rows) struct rows rows = {0};
    TZ_SCOPED(tz_scoped_json) json_t *sources = context->json ? json_array() : NULL;
    struct output output = {
        .session = &session,
        .only = context->argument_count > 0 ? context->arguments[0] : NULL,
        .sources = sources,
    };

    if (context->json && !sources)
        return tz_fail_nomem(err);
    if (tz_session_open(&session, context, &(struct tz_repo_options){0}, err) ||
        (output.only && tz_session_check_source(&session, output.only, err)) ||
        read_rows(&session, output.only, context->json, &rows, err) ||
        plan_rows(session.config, &rows, err) || put_all(&output, &rows, err))
        return -1;
    if (!context->json)
        return TZ_EXIT_OK;
    TZ_SCOPED(tz_scoped_json) json_t *document = json_pack("{s:O}", "sources", sources);
    return tz_json_print(document, err) ? -1 : TZ_EXIT_OK;
}

const struct tz_command tz_command_list = {
    .name = "list",
    .summary = "list generations and recovery windows",
    .arguments = "[SOURCE]",
    .max_arguments = 1,
    .complete = TZ_COMPLETE_SOURCE,
    .run = run,
};
