/*
 * Inside of the doctor.
 */
#ifndef TOZAI_CORE_DOCTOR_INTERNAL_H
#define TOZAI_CORE_DOCTOR_INTERNAL_H

#include "tozai/core/doctor.h"
#include "tozai/core/repo.h"

/* Tell of one check; advice may be NULL. */
void tz_doctor_tell(const struct tz_doctor_options *options, enum tz_finding_state state,
                    const char *name, const char *advice, const char *detail, ...) TZ_PRINTF(5, 6);
/* The same for something that failed. */
void tz_doctor_tell_error(const struct tz_doctor_options *options, const char *name,
                          const struct tz_error *why);
/* Tell how much room there is beneath a path. */
void tz_doctor_room(const struct tz_doctor_options *options, const char *name, const char *path);

/* Tell how far a store's clock is from ours. */
void tz_doctor_clock(const struct tz_doctor_options *options, const char *name, int64_t ahead_ns);

/* files.c */
void tz_doctor_files(const struct tz_doctor_options *options);
/* stores.c */
void tz_doctor_stores(const struct tz_doctor_options *options);
/* probe.c: what the stores that are not local do; keep it, unless repo is NULL. */
void tz_doctor_probes(const struct tz_doctor_options *options, struct tz_repo *repo);
/* versions.c: has somebody removed or written over what is locked? */
void tz_doctor_hidden(const struct tz_doctor_options *options, struct tz_store *store,
                      const char *name);
/* leftovers.c: puts that never ended; those of long ago are removed. */
void tz_doctor_leftovers(const struct tz_doctor_options *options, struct tz_store *store,
                         const char *name);
/* keys.c */
void tz_doctor_keys(const struct tz_doctor_options *options);
/* sources.c */
void tz_doctor_sources(const struct tz_doctor_options *options);

#endif
