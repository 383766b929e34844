/*
 * What every store driver must do, as tests.
 */
#ifndef TOZAI_TESTS_STORE_CONTRACT_H
#define TOZAI_TESTS_STORE_CONTRACT_H

#include "tozai/storage/store.h"

/*
 * Open a handle on the store at place, a word of [a-z0-9-] that the suite makes up for each test:
 * an empty store the first time, the same store whenever the same word comes again.
 */
typedef int store_contract_open_fn(struct tz_store **ret, const char *place, bool read_only,
                                   struct tz_error *err);

/* Run them all with cmocka; returns how many failed.  title names the driver in the output. */
int run_store_contract(const char *title, store_contract_open_fn *open);

#endif
