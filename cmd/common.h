/*
 * What the commands that use a repository share: opening it, naming what is meant on the command
 * line, and saying how things stand.
 */
#ifndef TOZAI_CMD_COMMON_H
#define TOZAI_CMD_COMMON_H

#include "output.h"

#include "tozai/core/backup.h"
#include "tozai/core/entry.h"

/* A configuration and the repository that it describes. */
struct tz_session {
    struct tz_config *config;
    struct tz_repo *repo;
};

/* Read the configuration and open the repository; config and warn of wanted are filled in here. */
int tz_session_open(struct tz_session *ret, struct tz_context *context,
                    const struct tz_repo_options *wanted, struct tz_error *err) TZ_MUST_CHECK;
/* The same for a command that reads content: it needs an operator, for this purpose.  These are its
 * options. */
struct tz_repo_options tz_session_operator(const struct tz_context *context, const char *purpose);
int tz_session_open_operator(struct tz_session *ret, struct tz_context *context,
                             const char *purpose, struct tz_error *err) TZ_MUST_CHECK;
void tz_session_close(struct tz_session *session);
static inline TZ_UNUSED void tz_scoped_session(struct tz_session *session)
{
    tz_session_close(session);
}

struct tz_source_list {
    char **items;
    size_t count;
    size_t room;
};
void tz_source_list_clear(struct tz_source_list *names);
static inline TZ_UNUSED void tz_scoped_source_list(struct tz_source_list *names)
{
    tz_source_list_clear(names);
}
/* The sources that have generations, in the order of their names. */
int tz_session_sources(const struct tz_session *session, struct tz_source_list *ret,
                       struct tz_error *err) TZ_MUST_CHECK;
/* A source that is neither configured nor has a generation is TZ_INVALID, with the nearest name. */
int tz_session_check_source(const struct tz_session *session, const char *source,
                            struct tz_error *err) TZ_MUST_CHECK;
/* The generation that "SOURCE" or "SOURCE@POINT" means. */
int tz_session_find(const struct tz_session *session, const char *text, struct tz_head *ret,
                    struct tz_error *err) TZ_MUST_CHECK;
/* A configured source; an unknown one is TZ_INVALID, with the nearest name. */
int tz_need_source(const struct tz_config *config, const char *name,
                   const struct tz_config_source **ret, struct tz_error *err) TZ_MUST_CHECK;
/* A configured store; an unknown one is TZ_INVALID, with the nearest name. */
int tz_need_store(const struct tz_config *config, const char *name,
                  struct tz_error *err) TZ_MUST_CHECK;
/* An option that names a store, or NULL; an unknown one is TZ_INVALID, with the nearest name. */
int tz_store_option(const struct tz_context *context, const struct tz_config *config,
                    const char *option, const char **ret, struct tz_error *err) TZ_MUST_CHECK;

/*
 * A path as a manifest has it, to be freed: without slashes at its ends, doubled slashes and ".";
 * "/" and "." are "".  With ".." or too long: TZ_INVALID.
 */
int tz_normalize_path(const char *text, char **ret, struct tz_error *err) TZ_MUST_CHECK;
/*
 * The same for a path in this generation.  A source with one configured path has paths relative to
 * it; for such a one the absolute path of a file is understood, too.
 */
int tz_session_path(const struct tz_session *session, const struct tz_head *head, const char *text,
                    char **ret, struct tz_error *err) TZ_MUST_CHECK;
/* Read one entry of a generation; TZ_NOT_FOUND if it has none of this path. */
int tz_session_entry(const struct tz_session *session, const struct tz_head *head, const char *path,
                     struct tz_entry *ret, struct tz_error *err) TZ_MUST_CHECK;

/* How many stores must hold a generation for it to count as done. */
size_t tz_wanted_copies(const struct tz_config *config);
/* "complete", or "degraded" when too few of the stores (bit i: mirror store i) hold it. */
const char *tz_state_text(const struct tz_session *session, uint32_t stores);
/* The id by which people know a generation. */
json_t *tz_json_origin(const struct tz_head *head);
/* {"east":"present","west":"missing"} */
json_t *tz_json_stores(const struct tz_session *session, uint32_t stores);
/* One of the generations that backup shows; NULL without memory. */
json_t *tz_json_backup(const struct tz_session *session, const struct tz_backup_result *result,
                       const char *state);
/* "east, west": those of the mask, or those not in it. */
int tz_store_names(const struct tz_session *session, uint32_t stores, bool present,
                   struct tz_buf *out, struct tz_error *err) TZ_MUST_CHECK;

/* The directory of a file:// store, or NULL for any other. */
const char *tz_local_store(const struct tz_config_store *store);
/* An absolute path for one given on the command line; to be freed. */
int tz_absolute_path(const char *path, char **ret, struct tz_error *err) TZ_MUST_CHECK;

/* Lines for people about paths: at most this many, unless --verbose asks for all. */
#define TZ_PATH_WARNINGS 20
/* Paths with what is wrong about them, gathered to be shown at the end; a bounded number. */
struct tz_path_warnings {
    struct tz_backup_warning *items;
    size_t count;
    uint64_t total; /* with those that were not kept */
};
void tz_path_warnings_add(struct tz_path_warnings *warnings, const char *path, size_t path_len,
                          const struct tz_error *why);
void tz_path_warnings_clear(struct tz_path_warnings *warnings);
static inline TZ_UNUSED void tz_scoped_path_warnings(struct tz_path_warnings *warnings)
{
    tz_path_warnings_clear(warnings);
}
/* "path: error" for each, and how many more there are. */
void tz_path_warnings_show(struct tz_context *context, const struct tz_backup_warning *items,
                           size_t count, uint64_t total);
/* [{"path","error"}] */
int tz_json_path_warnings(json_t *object, const struct tz_backup_warning *items, size_t count,
                          struct tz_error *err) TZ_MUST_CHECK;

/* "1234 entries", "1 entry" */
const char *tz_plural(uint64_t count, const char *one, const char *many);

#endif
