#include "internal.h"

#include "tozai/core/lock.h"
#include "tozai/util/time.h"

#include <string.h>
#include <strings.h>

#include "tozai/util/banned.h"

#define NAME_LEN 160
#define TEXT_LEN 512

/* One store that is probed. */
struct patient {
    const struct tz_doctor_options *options;
    const struct tz_config_store *config;
    struct tz_probe probe;
};

static const char *name_of(char text[NAME_LEN], const struct patient *patient, const char *part)
{
    (void)snprintf(text, NAME_LEN, "store %s: %s", patient->config->name, part);
    return text;
}

static const char *setting(const struct patient *patient, const char *key)
{
    return tz_config_pair_value(patient->config->more, patient->config->more_count, NULL, key, 0);
}

static void tell_access(const struct patient *patient)
{
    const enum tz_probe_answer *parts = patient->probe.parts;
    char name[NAME_LEN];

    (void)name_of(name, patient, "access");
    if (parts[TZ_PROBE_CONDITIONAL] == TZ_PROBE_UNKNOWN && parts[TZ_PROBE_HASH] == TZ_PROBE_UNKNOWN)
        tz_doctor_tell(patient->options, TZ_FINDING_WARN, name,
                       "restores need no more; for backups allow s3:PutObject",
                       "objects can be read, but not written");
    else if (parts[TZ_PROBE_REMOVE] == TZ_PROBE_YES)
        tz_doctor_tell(patient->options, TZ_FINDING_OK, name, NULL,
                       "objects can be written, read, listed and removed");
    else if (parts[TZ_PROBE_REMOVE] == TZ_PROBE_NO)
        tz_doctor_tell(patient->options, TZ_FINDING_OK, name, NULL,
                       "objects can be written, read and listed, but not removed: backups need "
                       "no more");
    else
        tz_doctor_tell(patient->options, TZ_FINDING_OK, name, NULL,
                       "objects can be written and read; removing was not tried");
}

/* The names of the parts with this answer: "range_reads, batch_delete" */
static void join(const struct tz_probe *probe, enum tz_probe_answer answer, char text[TEXT_LEN])
{
    size_t len = 0;

    text[0] = '\0';
    for (enum tz_probe_part i = 0; i < TZ_PROBE_PARTS; i++)
        if (probe->parts[i] == answer)
            len += (size_t)snprintf(text + len, TEXT_LEN - len, "%s%s", len ? ", " : "",
                                    tz_probe_part_name(i));
}

/* What a backup cannot do without; for everything else there is another way. */
static const char *find_bad(const struct tz_probe *probe)
{
    if (probe->parts[TZ_PROBE_READ] == TZ_PROBE_NO || probe->parts[TZ_PROBE_LIST] == TZ_PROBE_NO)
        return "a run may not see what the one before it wrote: use a store that is consistent";
    if (probe->parts[TZ_PROBE_RANGES] == TZ_PROBE_NO)
        return "restoring one file would fetch whole packs: use another store";
    if (probe->parts[TZ_PROBE_HASH] == TZ_PROBE_NO)
        return "what is damaged on the way is stored and found only by 'tozai verify': use TLS";
    return NULL;
}

static void tell_abilities(const struct patient *patient)
{
    char name[NAME_LEN], yes[TEXT_LEN], no[TEXT_LEN], unknown[TEXT_LEN], detail[4 * TEXT_LEN];
    const char *bad = find_bad(&patient->probe);

    join(&patient->probe, TZ_PROBE_YES, yes);
    join(&patient->probe, TZ_PROBE_NO, no);
    join(&patient->probe, TZ_PROBE_UNKNOWN, unknown);
    (void)snprintf(detail, sizeof(detail), "proven: %s%s%s%s%s", yes[0] ? yes : "nothing",
                   no[0] ? "; not there: " : "", no, unknown[0] ? "; unknown: " : "", unknown);
    const struct tz_finding finding = {
        .state = bad ? TZ_FINDING_WARN : TZ_FINDING_OK,
        .name = name_of(name, patient, "abilities"),
        .detail = detail,
        .advice = bad ? bad : "",
        .probe = &patient->probe,
    };
    patient->options->found(patient->options->found_arg, &finding);
}

static void tell_region(const struct patient *patient)
{
    const struct tz_probe *probe = &patient->probe;
    const char *configured = setting(patient, "region");
    struct tz_error why = {0};
    char name[NAME_LEN];

    (void)name_of(name, patient, "region");
    if (tz_repo_check_region(patient->options->config, patient->config,
                             probe->has_region ? probe->region : NULL, &why))
        tz_doctor_tell_error(patient->options, name, &why);
    else if (!probe->has_region)
        tz_doctor_tell(patient->options, TZ_FINDING_WARN, name,
                       "allow s3:GetBucketLocation to the credentials",
                       "the store does not say where it is; the configuration says '%s'",
                       configured ? configured : "nothing");
    else if (configured && strcmp(configured, "auto") != 0 &&
             strcasecmp(configured, probe->region) != 0)
        tz_doctor_tell(patient->options, TZ_FINDING_WARN, name,
                       "set 'region' to what the bucket says, or use another bucket",
                       "the bucket is in '%s', the configuration says '%s'", probe->region,
                       configured);
    else
        tz_doctor_tell(patient->options, TZ_FINDING_OK, name, NULL, "the bucket is in '%s'",
                       probe->region);
}

static void tell_encryption(const struct patient *patient)
{
    const struct tz_probe *probe = &patient->probe;
    const char *sse = setting(patient, "sse");
    char name[NAME_LEN];

    if (!sse || strcmp(sse, "none") == 0)
        return;
    (void)name_of(name, patient, "encryption");
    if (probe->encrypts == TZ_PROBE_YES)
        tz_doctor_tell(patient->options, TZ_FINDING_OK, name, NULL,
                       "the server encrypts what is put, too ('%s')", sse);
    else if (probe->encrypts == TZ_PROBE_NO)
        tz_doctor_tell_error(patient->options, name, &probe->no_encryption);
    else
        tz_doctor_tell(patient->options, TZ_FINDING_WARN, name, NULL,
                       "it could not be seen whether the server encrypts what is put ('%s')", sse);
}

static void keep(const struct patient *patient, struct tz_repo *repo)
{
    struct tz_error why = {0};
    char name[NAME_LEN];

    for (size_t i = 0; i < tz_mirror_count(tz_repo_mirror(repo)); i++)
        if (strcmp(tz_mirror_name(tz_repo_mirror(repo), i), patient->config->name) == 0 &&
            tz_repo_set_probe(repo, i, &patient->probe, &why))
            tz_doctor_tell_error(patient->options, name_of(name, patient, "abilities"), &why);
}

/* That it cannot be reached, or is empty, was told already. */
static void examine(struct patient *patient, struct tz_repo *repo)
{
    TZ_SCOPED(tz_scoped_store) struct tz_store *store = NULL;
    struct tz_store_options opening;
    struct tz_store_s3_options s3;
    struct tz_error why = {0};
    char name[NAME_LEN];
    int64_t end_ns = tz_lock_end(patient->options->config, NULL, tz_now()) + TZ_LOCK_STEP_NS;

    tz_config_store_options(patient->options->config, patient->config, &opening, &s3);
    if (tz_store_open(&store, &opening, &why) || (tz_store_features(store) & TZ_STORE_LOCAL))
        return;
    if (tz_store_set_lock(store, opening.lock, end_ns, &why) ||
        tz_repo_probe(patient->options->config, store, &patient->probe, &why)) {
        if (why.kind != TZ_NOT_FOUND)
            tz_doctor_tell_error(patient->options, name_of(name, patient, "access"), &why);
        return;
    }
    tell_access(patient);
    tz_doctor_clock(patient->options, name_of(name, patient, "clock"), patient->probe.ahead_ns);
    tell_region(patient);
    tell_encryption(patient);
    tell_abilities(patient);
    if (repo)
        keep(patient, repo);
}

void tz_doctor_probes(const struct tz_doctor_options *options, struct tz_repo *repo)
{
    for (size_t i = 0; i < options->config->store_count; i++) {
        struct patient patient = {.options = options, .config = &options->config->stores[i]};
        examine(&patient, repo);
    }
}
