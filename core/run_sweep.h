/* SPDX-License-Identifier: MIT */
/*
 * core/run_sweep: the stores that dead processes have left in the run directory.
 *
 * The invariant: the store of a process that may be alive is never touched.  A pid means something
 * in its own PID namespace and boot only, and with its start time; containers may share /dev/shm.
 */
#ifndef CPROF_CORE_RUN_SWEEP_H
#define CPROF_CORE_RUN_SWEEP_H

#include <stdint.h>

#include "core/store.h"

/* Looks through the run directory (dir "": /dev/shm/cprof-<uid>) for the process that self
 * describes.  Stores of dead processes that are finished go, and so do others that are older than a
 * day and cannot be read or are of another format; of the remaining dead ones the oldest go while
 * there are more than keep.  At most eight in one call.
 * Context: signal, one caller at a time.  Allocates: no.  Locks: none. */
void run_sweep(const char *dir, const struct store_identity *self, uint64_t keep);

#endif
