/* SPDX-License-Identifier: MIT */
/*
 * cli/losses: what the counters of losses mean to a person.
 */
#ifndef CPROF_CLI_LOSSES_H
#define CPROF_CLI_LOSSES_H

#include <stdint.h>

#include "core/store_format.h"

/* How often something was lost, in one number: what only bent a stack, or is counted elsewhere in
 * the profile, is no loss.
 * Context: own.  Allocates: no.  Locks: none. */
uint64_t losses_total(const struct store_header *h);

/* What enum store_loss n means and what to do, one or two sentences; "" when unknown.
 * Context: own.  Allocates: no.  Locks: none. */
const char *losses_explain(unsigned n);

#endif
