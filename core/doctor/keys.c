#include "internal.h"

#include "tozai/util/banned.h"

static void tell_warning(void *arg, const char *text)
{
    tz_doctor_tell(arg, TZ_FINDING_WARN, "repository", NULL, "%s", text);
}

static void check_slots(const struct tz_doctor_options *options, struct tz_repo *repo)
{
    TZ_SCOPED(tz_scoped_free) struct tz_slot_entry *slots = NULL;
    size_t count = 0, operators = 0;
    struct tz_error why = {0};
    const char *role = tz_role_name(tz_keys_role(tz_repo_keys(repo)));

    if (tz_repo_slots(repo, &slots, &count, &why)) {
        tz_doctor_tell_error(options, "keys", &why);
        return;
    }
    for (size_t i = 0; i < count; i++)
        operators += slots[i].info.role == TZ_ROLE_OPERATOR;
    if (operators == 0)
        tz_doctor_tell(
            options, TZ_FINDING_FAIL, "keys",
            "with the paper copy: tozai key recover; without one nothing can be restored",
            "there is no operator slot");
    else
        tz_doctor_tell(options, TZ_FINDING_OK, "keys",
                       "keep a paper copy in a safe: tozai key paper",
                       "an %s slot opens; %zu of %zu slots are operators'", role, operators, count);
}

void tz_doctor_keys(const struct tz_doctor_options *options)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = NULL;
    /* The callback gives back what it got: nothing is changed through it. */
    const struct tz_repo_options opening = {
        .config = options->config,
        .read_only = true,
        .no_prompt = options->no_prompt,
        .warn = tell_warning,
        .warn_arg = (void *)(uintptr_t)options,
    };
    struct tz_error why = {0};

    if (tz_repo_open(&repo, &opening, &why)) {
        tz_doctor_tell_error(options, "repository", &why);
    } else {
        tz_doctor_tell(options, TZ_FINDING_OK, "repository", NULL, "it can be opened");
        check_slots(options, repo);
    }
    tz_doctor_probes(options, repo);
}
