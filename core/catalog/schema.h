/*
 * The tables of the catalog, as the ordered steps that lead to them (docs/catalog.md).
 *
 * The database's user_version is the number of steps that were made.  A step that was released
 * is never changed: a change is a new step.
 */
#ifndef TOZAI_CORE_CATALOG_SCHEMA_H
#define TOZAI_CORE_CATALOG_SCHEMA_H

#include "database.h"

/* "TZAI": the database's application_id. */
#define TZ_SCHEMA_APPLICATION 0x545a4149

unsigned tz_schema_latest(void);
/* The version of the database; 0 if it is empty.  One that is not a catalog: TZ_CORRUPT; a newer
 * one: TZ_UNSUPPORTED. */
int tz_schema_version(struct tz_catalog *catalog, unsigned *ret,
                      struct tz_error *err) TZ_MUST_CHECK;
/*
 * Make the missing steps up to this version, in one transaction.  A new database gets the
 * repository's id and a new instance.  Another process may do the same at the same time.
 */
int tz_schema_upgrade(struct tz_catalog *catalog, unsigned version,
                      const uint8_t repo_id[TZ_REPO_ID_SIZE], struct tz_error *err) TZ_MUST_CHECK;

#endif
