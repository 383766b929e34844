#include "common.h"

#include "tozai/core/manifest.h"
#include "tozai/util/file.h"

#include <errno.h>
#include <string.h>

#include "tozai/util/banned.h"

int tz_session_open(struct tz_session *ret, struct tz_context *context,
                    const struct tz_repo_options *wanted, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_session) struct tz_session session = {0};
    struct tz_repo_options options = *wanted;

    if (tz_context_config(context, &session.config, err))
        return -1;
    options.config = session.config;
    options.warn = tz_warn_text;
    options.warn_arg = context;
    if (tz_repo_open(&session.repo, &options, err))
        return -1;
    ret->config = TZ_TAKE(session.config);
    ret->repo = TZ_TAKE(session.repo);
    return 0;
}

struct tz_repo_options tz_session_operator(const struct tz_context *context, const char *purpose)
{
    return (struct tz_repo_options){
        .need_operator = true,
        .purpose = purpose,
        .soon = true,
        .any_order = true,
        .likely = context->argument_count > 0 ? context->arguments[0] : NULL,
    };
}

int tz_session_open_operator(struct tz_session *ret, struct tz_context *context,
                             const char *purpose, struct tz_error *err)
{
    const struct tz_repo_options wanted = tz_session_operator(context, purpose);

    return tz_session_open(ret, context, &wanted, err);
}

void tz_session_close(struct tz_session *session)
{
    tz_repo_free(session->repo);
    tz_config_free(session->config);
    *session = (struct tz_session){0};
}

void tz_source_list_clear(struct tz_source_list *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (struct tz_source_list){0};
}

static int add_name(struct tz_source_list *names, const char *name, struct tz_error *err)
{
    /* Generations come in the order of their sources: one that comes again is the last one. */
    if (names->count > 0 && strcmp(names->items[names->count - 1], name) == 0)
        return 0;
    if (names->count == names->room) {
        size_t room = names->room > 0 ? 2 * names->room : 16;
        void *items = realloc(names->items, room * sizeof(names->items[0]));
        if (!items)
            return tz_fail_nomem(err);
        names->items = items;
        names->room = room;
    }
    char *copy = strdup(name);
    if (!copy)
        return tz_fail_nomem(err);
    names->items[names->count++] = copy;
    return 0;
}

static int add_source_name(void *arg, const struct tz_generation *generation, struct tz_error *err)
{
    return add_name(arg, generation->source, err);
}

int tz_session_sources(const struct tz_session *session, struct tz_source_list *ret,
                       struct tz_error *err)
{
    return tz_catalog_each_generation(tz_repo_catalog(session->repo), NULL, add_source_name, ret,
                                      err);
}

static int fail_unknown(const char *what, const char *name, const char *const *names, size_t count,
                        const char *otherwise, struct tz_error *err)
{
    const char *near = tz_nearest_word(name, names, count);

    (void)tz_fail(err, TZ_INVALID, "there is no %s '%s'", what, name);
    return near ? tz_hint(err, "did you mean '%s'?", near) : tz_hint(err, "%s", otherwise);
}

int tz_session_check_source(const struct tz_session *session, const char *source,
                            struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_source_list) struct tz_source_list names = {0};

    if (tz_config_find_source(session->config, source))
        return 0;
    if (tz_session_sources(session, &names, err))
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        if (strcmp(names.items[i], source) == 0)
            return 0;
    }
    for (size_t i = 0; i < session->config->source_count; i++) {
        if (add_name(&names, session->config->sources[i].name, err))
            return -1;
    }
    return fail_unknown("source", source, (const char *const *)names.items, names.count,
                        "'tozai list' shows what there is", err);
}

int tz_session_find(const struct tz_session *session, const char *text, struct tz_head *ret,
                    struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *source = NULL;
    TZ_SCOPED(tz_scoped_free) char *point = NULL;

    if (tz_repo_split_point(text, &source, &point, err) ||
        tz_session_check_source(session, source, err))
        return -1;
    return tz_repo_find(session->repo, source, point, ret, err);
}

int tz_need_source(const struct tz_config *config, const char *name,
                   const struct tz_config_source **ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) const char **names = NULL;

    *ret = tz_config_find_source(config, name);
    if (*ret)
        return 0;
    names = calloc(config->source_count + 1, sizeof(names[0]));
    if (!names)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < config->source_count; i++)
        names[i] = config->sources[i].name;
    return fail_unknown("source", name, names, config->source_count,
                        "a source is a section [source NAME] of the configuration", err);
}

int tz_need_store(const struct tz_config *config, const char *name, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free)
    const char **names = calloc(config->store_count + 1, sizeof(names[0]));

    if (!names)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < config->store_count; i++) {
        names[i] = config->stores[i].name;
        if (strcmp(names[i], name) == 0)
            return 0;
    }
    return fail_unknown("store", name, names, config->store_count,
                        "a store is a section [store NAME] of the configuration", err);
}

int tz_store_option(const struct tz_context *context, const struct tz_config *config,
                    const char *option, const char **ret, struct tz_error *err)
{
    *ret = tz_option_value(context, option);
    return *ret ? tz_need_store(config, *ret, err) : 0;
}

int tz_normalize_path(const char *text, char **ret, struct tz_error *err)
{
    size_t len = 0;
    TZ_SCOPED(tz_scoped_free) char *path = malloc(strlen(text) + 1);
    if (!path)
        return tz_fail_nomem(err);

    for (const char *at = text; *at;) {
        size_t n = strcspn(at, "/");
        if (n == 2 && memcmp(at, "..", 2) == 0)
            return tz_fail(err, TZ_INVALID, "path '%s': '..' is not possible here", text);
        if (n > 0 && !(n == 1 && at[0] == '.')) {
            if (len > 0)
                path[len++] = '/';
            memcpy(path + len, at, n);
            len += n;
        }
        at += n + (at[n] == '/');
    }
    path[len] = '\0';
    if (!tz_path_valid(path, len))
        return tz_fail(err, TZ_INVALID, "path '%s' is too long", text);
    *ret = TZ_TAKE(path);
    return 0;
}

/* Is there an entry of this path? */
static int has_entry(const struct tz_session *session, const struct tz_head *head, const char *path,
                     bool *ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_manifest_reader) struct tz_manifest_reader *reader = NULL;
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    bool done = false;

    if (tz_manifest_reader_new(&reader, session->repo, head, path, strlen(path), err) ||
        tz_manifest_next(reader, &entry, &done, err))
        return -1;
    *ret = !done;
    return 0;
}

/* What the absolute path of something in the source's only configured path is in the manifest. */
static int make_relative(const struct tz_session *session, const struct tz_head *head,
                         const char *root, char *path, struct tz_error *err)
{
    const char *base = tz_path_base(root);
    size_t skip = strlen(root);
    bool exists = false;

    skip += path[skip] == '/';
    /* A source that is a file has its name as the only path. */
    if (!path[skip] && has_entry(session, head, base, &exists, err))
        return -1;
    if (exists)
        skip = (size_t)(base - root);
    memmove(path, path + skip, strlen(path + skip) + 1);
    return 0;
}

int tz_session_path(const struct tz_session *session, const struct tz_head *head, const char *text,
                    char **ret, struct tz_error *err)
{
    const struct tz_config_source *source = tz_config_find_source(session->config, head->source);
    TZ_SCOPED(tz_scoped_free) char *path = NULL;
    TZ_SCOPED(tz_scoped_free) char *root = NULL;
    bool exists = true;

    if (tz_normalize_path(text, &path, err))
        return -1;
    if (text[0] == '/' && path[0] && source && source->paths.count == 1 &&
        tz_normalize_path(source->paths.items[0], &root, NULL) == 0 &&
        tz_path_within(path, strlen(path), root, strlen(root)) &&
        has_entry(session, head, path, &exists, err))
        return -1;
    if (!exists && make_relative(session, head, root, path, err))
        return -1;
    *ret = TZ_TAKE(path);
    return 0;
}

int tz_session_entry(const struct tz_session *session, const struct tz_head *head, const char *path,
                     struct tz_entry *ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_manifest_reader) struct tz_manifest_reader *reader = NULL;
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    size_t len = strlen(path);
    bool done = false;

    if (tz_manifest_reader_new(&reader, session->repo, head, path, len, err) ||
        tz_manifest_next(reader, &entry, &done, err))
        return -1;
    if (done || entry.path_len != len || memcmp(entry.path, path, len) != 0) {
        (void)tz_fail(err, TZ_NOT_FOUND, "'%s' is not in this generation", path[0] ? path : ".");
        return tz_hint(err, "'tozai ls' shows what is in it, 'tozai find' where a file is");
    }
    *ret = entry;
    entry = (struct tz_entry){0};
    return 0;
}

size_t tz_wanted_copies(const struct tz_config *config)
{
    return config->min_copies > 0 ? config->min_copies : config->store_count;
}

const char *tz_state_text(const struct tz_session *session, uint32_t stores)
{
    size_t copies = 0;

    for (size_t i = 0; i < tz_mirror_count(tz_repo_mirror(session->repo)); i++)
        copies += stores >> i & 1;
    return copies >= tz_wanted_copies(session->config) ? "complete" : "degraded";
}

json_t *tz_json_origin(const struct tz_head *head)
{
    uint8_t origin[TZ_HASH_SIZE];

    tz_head_origin(head, origin);
    return tz_json_hex(origin, TZ_HASH_SIZE);
}

json_t *tz_json_stores(const struct tz_session *session, uint32_t stores)
{
    struct tz_mirror *mirror = tz_repo_mirror(session->repo);
    TZ_SCOPED(tz_scoped_json) json_t *object = json_object();

    for (size_t i = 0; object && i < tz_mirror_count(mirror); i++) {
        const char *state = stores >> i & 1 ? "present" : "missing";
        if (json_object_set_new(object, tz_mirror_name(mirror, i), json_string(state)))
            return NULL;
    }
    return TZ_TAKE(object);
}

int tz_store_names(const struct tz_session *session, uint32_t stores, bool present,
                   struct tz_buf *out, struct tz_error *err)
{
    struct tz_mirror *mirror = tz_repo_mirror(session->repo);
    const char *comma = "";

    for (size_t i = 0; i < tz_mirror_count(mirror); i++) {
        if ((stores >> i & 1) != present)
            continue;
        if (tz_buf_printf(out, err, "%s%s", comma, tz_mirror_name(mirror, i)))
            return -1;
        comma = ", ";
    }
    return out->data ? 0 : tz_buf_printf(out, err, "%s", "");
}

const char *tz_local_store(const struct tz_config_store *store)
{
    static const char scheme[] = "file://";

    return strncmp(store->url, scheme, strlen(scheme)) == 0 ? store->url + strlen(scheme) : NULL;
}

int tz_absolute_path(const char *path, char **ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *here = NULL;

    if (path[0] != '/' && !(here = getcwd(NULL, 0)))
        return tz_fail_errno(err, errno, "current directory");
    char *absolute = here ? tz_path_join(here, path) : strdup(path);
    if (!absolute)
        return tz_fail_nomem(err);
    *ret = absolute;
    return 0;
}
