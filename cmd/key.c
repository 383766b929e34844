/* tozai key: key slots and the paper copy. */
#include "common.h"
#include "table.h"

#include "tozai/util/file.h"
#include "tozai/util/hex.h"
#include "tozai/util/time.h"

#include <errno.h>
#include <string.h>

#include "tozai/util/banned.h"

#define SHORT_SLOT 12
#define PREFIX_MIN 4
#define PAPER_MAX  ((size_t)1 << 20)
#define SLOT_TEXT  (2 * TZ_HASH_SIZE + 1)

static const char *const roles[] = {"operator", "writer", NULL};

static const struct tz_verb verbs[] = {
    {.name = "list", .arguments = "", .summary = "list the slots"},
    {.name = "add", .arguments = "", .summary = "add a slot"},
    {.name = "remove",
     .arguments = "SLOT",
     .summary = "remove a slot from every store",
     .min_arguments = 1,
     .max_arguments = 1},
    {.name = "passwd",
     .arguments = "SLOT",
     .summary = "change the passphrase of a slot",
     .min_arguments = 1,
     .max_arguments = 1},
    {.name = "paper", .arguments = "", .summary = "print the operator key for a safe"},
    {.name = "recover",
     .arguments = "",
     .summary = "type the paper copy in again, and make a new slot of it"},
};

static const struct tz_option options[] = {
    {.name = "role",
     .metavar = "ROLE",
     .required = true,
     .words = roles,
     .verb = "add",
     .help = "what the key may do: operator (everything) or writer (back up)"},
    {.name = "label",
     .metavar = "TEXT",
     .verb = "add",
     .help = "a name for the slot; up to 63 bytes"},
    {.name = "out",
     .metavar = "FILE",
     .complete = TZ_COMPLETE_FILE,
     .help = "with add, passwd and recover: make a key file instead of asking for a passphrase"},
    {.name = "passphrase-file",
     .metavar = "FILE",
     .complete = TZ_COMPLETE_FILE,
     .help = "with add, passwd and recover: take the new passphrase from the first line of this "
             "file"},
    {.name = "input",
     .metavar = "FILE",
     .verb = "recover",
     .complete = TZ_COMPLETE_FILE,
     .help = "read the paper copy from this file instead of standard input"},
};

/*
 * What a new slot will be opened with.  A key file that was made for it goes again if the slot does
 * not come to be.
 */
struct secret {
    struct tz_unlock unlock;
    const char *made; /* the key file */
};

static void clear_secret(struct secret *secret)
{
    tz_unlock_clear(&secret->unlock);
    if (secret->made)
        (void)unlink(secret->made);
}

static int read_secret(const struct tz_context *context, struct secret *ret, struct tz_error *err)
{
    const char *out = tz_option_value(context, "out");
    const struct tz_unlock_source source = {
        .passphrase_file = tz_option_value(context, "passphrase-file"),
        .key_file = out,
        .prompt = true,
        .confirm = true,
        .prompt_text = "New passphrase",
    };

    if (out && source.passphrase_file)
        return tz_fail(err, TZ_INVALID, "--out and --passphrase-file exclude each other");
    if (out && tz_key_file_create(out, err))
        return -1;
    ret->made = out;
    if (tz_unlock_read(&ret->unlock, &source, err)) {
        if (!out && !source.passphrase_file)
            (void)tz_hint(err, "give --passphrase-file or --out");
        return -1;
    }
    return 0;
}

/* Those that make no slot take no secret. */
static int check_options(const struct tz_context *context, struct tz_error *err)
{
    static const char *const names[] = {"out", "passphrase-file"};
    const char *verb = context->verb->name;

    if (strcmp(verb, "add") == 0 || strcmp(verb, "passwd") == 0 || strcmp(verb, "recover") == 0)
        return 0;
    for (size_t i = 0; i < TZ_COUNT(names); i++) {
        if (tz_option_given(context, names[i]))
            return tz_fail(err, TZ_INVALID, "--%s does not go with 'key %s'", names[i], verb);
    }
    return 0;
}

static const char *kind_name(enum tz_unlock_kind kind)
{
    return kind == TZ_UNLOCK_KEY_FILE ? "key file" : "passphrase";
}

static json_t *make_slot(const struct tz_slot_entry *slot)
{
    return json_pack("{s:o, s:s, s:s, s:o, s:o, s:b}", "slot",
                     tz_json_hex(slot->hash, TZ_HASH_SIZE), "role", tz_role_name(slot->info.role),
                     "kind", slot->info.kind == TZ_UNLOCK_KEY_FILE ? "key-file" : "passphrase",
                     "label", tz_json_text(slot->info.label, strlen(slot->info.label)), "created",
                     tz_json_time(slot->info.created_ns), "current", slot->current);
}

static int print_slots_json(const struct tz_slot_entry *slots, size_t count, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_json) json_t *document = json_object();
    json_t *list = json_array();

    if (!document || tz_json_set(document, "slots", list, err))
        return document ? -1 : tz_fail_nomem(err);
    for (size_t i = 0; i < count; i++) {
        if (tz_json_append(list, make_slot(&slots[i]), err))
            return -1;
    }
    return tz_json_print(document, err);
}

static int print_slots(const struct tz_slot_entry *slots, size_t count, struct tz_error *err)
{
    static const struct tz_column columns[] = {
        {.title = "SLOT"}, {.title = "ROLE"}, {.title = "OPENED BY"},
        {.title = "MADE"}, {.title = "USED"}, {.title = "LABEL"},
    };
    TZ_SCOPED(tz_scoped_table) struct tz_table *table = NULL;

    if (tz_table_new(&table, columns, TZ_COUNT(columns), err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        char slot[SLOT_TEXT], made[TZ_TIME_TEXT];
        tz_hex(slot, slots[i].hash, TZ_HASH_SIZE);
        slot[SHORT_SLOT] = '\0';
        tz_time_format_local(made, slots[i].info.created_ns);
        const char *cells[] = {
            slot, tz_role_name(slots[i].info.role), kind_name(slots[i].info.kind),
            made, slots[i].current ? "now" : "",    slots[i].info.label,
        };
        if (tz_table_add(table, cells, err))
            return -1;
    }
    tz_table_print(table);
    return 0;
}

static int list(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_session) struct tz_session session = {0};
    TZ_SCOPED(tz_scoped_free) struct tz_slot_entry *slots = NULL;
    size_t count = 0;

    if (tz_session_open(&session, context, &(struct tz_repo_options){0}, err) ||
        tz_repo_slots(session.repo, &slots, &count, err))
        return -1;
    return context->json ? print_slots_json(slots, count, err) : print_slots(slots, count, err);
}

/* Tell of a slot that was made, or was removed. */
static int print_done(const struct tz_context *context, const char *what, const uint8_t *hash,
                      enum tz_role role, const char *label, struct tz_error *err)
{
    char slot[SLOT_TEXT];

    tz_hex(slot, hash, TZ_HASH_SIZE);
    if (!context->json) {
        (void)printf("%s slot %.*s (%s", what, SHORT_SLOT, slot, tz_role_name(role));
        if (label[0])
            (void)fputs(", ", stdout);
        tz_print_name(label, strlen(label));
        (void)puts(")");
        return 0;
    }
    TZ_SCOPED(tz_scoped_json)
    json_t *document = json_pack("{s:s, s:s, s:o}", "slot", slot, "role", tz_role_name(role),
                                 "label", tz_json_text(label, strlen(label)));
    return tz_json_print(document, err);
}

/* Where the new secret must stand for the next command to find it. */
static void advise(struct tz_context *context, const struct tz_config *config, const char *why)
{
    const char *out = tz_option_value(context, "out");
    const char *file = tz_option_value(context, "passphrase-file");

    if (out && (!config->key_file || strcmp(out, config->key_file) != 0))
        tz_warn(context, "%s 'key_file = %s' into [repository] of '%s'", why, out, config->file);
    else if (!out && file &&
             (!config->passphrase_file || strcmp(file, config->passphrase_file) != 0))
        tz_warn(context, "%s the new passphrase where '%s' says", why, config->file);
}

static int add(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_session) struct tz_session session = {0};
    TZ_SCOPED(clear_secret) struct secret secret = {0};
    const char *label = tz_option_value(context, "label");
    bool operator= strcmp(tz_option_value(context, "role"), "operator") == 0;
    enum tz_role role = operator? TZ_ROLE_OPERATOR : TZ_ROLE_WRITER;
    const struct tz_repo_options wanted = {.need_operator = operator,
                                           .purpose = "add an operator key" };
    uint8_t hash[TZ_HASH_SIZE];

    label = label ? label : tz_role_name(role);
    if (strlen(label) > TZ_SLOT_LABEL_MAX)
        return tz_fail(err, TZ_INVALID, "the label has more than %d bytes", TZ_SLOT_LABEL_MAX);
    if (tz_session_open(&session, context, &wanted, err) || read_secret(context, &secret, err) ||
        tz_repo_add_slot(session.repo, role, label, &secret.unlock, NULL, hash, err))
        return -1;
    secret.made = NULL;
    return print_done(context, "added", hash, role, label, err);
}

/* Does the text on the command line mean this slot? */
static bool is_meant(const struct tz_slot_entry *slot, const char *text)
{
    char hex[SLOT_TEXT];

    tz_hex(hex, slot->hash, TZ_HASH_SIZE);
    return strcmp(slot->info.label, text) == 0 ||
           (strlen(text) >= PREFIX_MIN && strncmp(hex, text, strlen(text)) == 0);
}

static int find_slot(const struct tz_session *session, const char *text, struct tz_slot_entry *ret,
                     struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) struct tz_slot_entry *slots = NULL;
    size_t count = 0, found = 0;

    if (tz_repo_slots(session->repo, &slots, &count, err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (!is_meant(&slots[i], text))
            continue;
        *ret = slots[i];
        found++;
    }
    if (found == 1)
        return 0;
    if (found == 0)
        (void)tz_fail(err, TZ_INVALID, "there is no key slot '%s'", text);
    else
        (void)tz_fail(err, TZ_INVALID, "'%s' means %zu key slots", text, found);
    return tz_hint(err, "'tozai key list' shows them; name one by its label or by the beginning of "
                        "its id");
}

static int remove_slot(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_session) struct tz_session session = {0};
    const struct tz_repo_options wanted = {.need_operator = true, .purpose = "remove a key"};
    struct tz_slot_entry slot;

    if (tz_session_open(&session, context, &wanted, err) ||
        find_slot(&session, context->arguments[0], &slot, err) ||
        tz_repo_remove_slot(session.repo, slot.hash, err))
        return -1;
    if (slot.current)
        tz_warn(context,
                "the removed slot is the one that '%s' opens: put another passphrase or "
                "key file there",
                session.config->file);
    return print_done(context, "removed", slot.hash, slot.info.role, slot.info.label, err);
}

static int change(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_session) struct tz_session session = {0};
    TZ_SCOPED(clear_secret) struct secret secret = {0};
    struct tz_slot_entry slot;
    uint8_t hash[TZ_HASH_SIZE];

    if (tz_session_open(&session, context, &(struct tz_repo_options){0}, err) ||
        find_slot(&session, context->arguments[0], &slot, err) ||
        (slot.info.role == TZ_ROLE_OPERATOR &&
         tz_keys_need_operator(tz_repo_keys(session.repo), "change an operator's passphrase",
                               err)) ||
        read_secret(context, &secret, err) ||
        tz_repo_add_slot(session.repo, slot.info.role, slot.info.label, &secret.unlock, NULL, hash,
                         err))
        return -1;
    secret.made = NULL;
    /* The new slot stands in every store before the old one goes. */
    if (tz_repo_remove_slot(session.repo, slot.hash, err))
        return tz_while(err, "the new slot was added, but the old one stays");
    if (slot.current)
        advise(context, session.config, "this slot is the one in use: put");
    return print_done(context, "changed", hash, slot.info.role, slot.info.label, err);
}

/* The key on paper passes through no buffer that is not wiped. */
static int write_paper(const struct tz_buf *text, struct tz_error *err)
{
    return fflush(stdout) ? tz_fail_errno(err, errno, "write to standard output")
                          : tz_write_all(STDOUT_FILENO, text->data, text->len, err);
}

static int print_paper_json(const struct tz_buf *text, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_json)
    json_t *document = json_pack("{s:o}", "paper", tz_json_text(text->data, text->len));

    return tz_json_print(document, err);
}

static int paper(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_session) struct tz_session session = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};

    if (tz_session_open_operator(&session, context, "print the paper copy", err) ||
        tz_paper_print(tz_repo_keys(session.repo), &text, err))
        return -1;
    int failed = context->json ? print_paper_json(&text, err) : write_paper(&text, err);
    tz_wipe(text.data, text.len);
    return failed;
}

static int read_paper(const struct tz_context *context, struct tz_keys **ret, struct tz_error *err)
{
    const char *input = tz_option_value(context, "input");
    TZ_SCOPED(tz_scoped_free) char *text = calloc(1, PAPER_MAX + 1);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf file = {0};
    size_t len = 0;

    if (!text)
        return tz_fail_nomem(err);
    if (!input && isatty(STDIN_FILENO) && !context->quiet)
        (void)fputs("Type the lines of the paper copy; Ctrl-D on a line of its own ends them.\n",
                    stderr);
    if (input ? tz_file_read(input, PAPER_MAX, &file, err)
              : tz_read_full(STDIN_FILENO, text, PAPER_MAX, &len, err))
        return tz_while(err, "read the paper copy");
    if (input) {
        len = file.len;
        memcpy(text, file.data, len);
        tz_wipe(file.data, file.len);
    }
    text[len] = '\0';
    int failed = tz_paper_read(ret, text, err);
    tz_wipe(text, len);
    return failed;
}

static int recover(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_config) struct tz_config *config = NULL;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = NULL;
    TZ_SCOPED(clear_secret) struct secret secret = {0};

    if (tz_context_config(context, &config, err) || read_paper(context, &keys, err) ||
        read_secret(context, &secret, err))
        return -1;
    const struct tz_repo_init_options wanted = {
        .config = config,
        .warn = tz_warn_text,
        .warn_arg = context,
    };
    if (tz_repo_recover(&wanted, keys, &secret.unlock, err))
        return -1;
    secret.made = NULL;
    advise(context, config, "put");
    if (context->json) {
        TZ_SCOPED(tz_scoped_json) json_t *document = json_pack("{s:b}", "recovered", 1);
        return tz_json_print(document, err);
    }
    (void)puts("added an operator slot with the key of the paper copy");
    return 0;
}

static int run(struct tz_context *context, struct tz_error *err)
{
    static const struct {
        const char *verb;
        int (*run)(struct tz_context *context, struct tz_error *err);
    } actions[] = {
        {"list", list},     {"add", add},     {"remove", remove_slot},
        {"passwd", change}, {"paper", paper}, {"recover", recover},
    };

    if (check_options(context, err))
        return -1;
    for (size_t i = 0; i < TZ_COUNT(actions); i++) {
        if (strcmp(context->verb->name, actions[i].verb) == 0)
            return actions[i].run(context, err) ? -1 : TZ_EXIT_OK;
    }
    return tz_fail(err, TZ_INVALID, "unknown word '%s' behind 'key'", context->verb->name);
}

const struct tz_command tz_command_key = {
    .name = "key",
    .summary = "manage the keys",
    .arguments = "COMMAND ...",
    TZ_OPTIONS(options),
    TZ_VERBS(verbs),
    .run = run,
};
