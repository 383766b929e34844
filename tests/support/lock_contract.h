/*
 * What a store that can lock objects must do, as tests.
 */
#ifndef TOZAI_TESTS_LOCK_CONTRACT_H
#define TOZAI_TESTS_LOCK_CONTRACT_H

#include "tozai/storage/store.h"

/* A handle, which the suite frees, on a store that may hold anything under other names.  versions:
 * it keeps what is removed or written over. */
typedef int lock_contract_open_fn(struct tz_store **ret, struct tz_error *err);

/* Run them all with cmocka; returns how many failed. */
int run_lock_contract(const char *title, lock_contract_open_fn *open, bool versions);

#endif
