/* SPDX-License-Identifier: MIT */
/*
 * core/process: what tells one process from another: its pid and start time, the boot, the PID
 * namespace.  Read from /proc, so each of them may be unknown.
 *
 * Context: signal.  Allocates: no.  Locks: none.
 */
#ifndef CPROF_CORE_PROCESS_H
#define CPROF_CORE_PROCESS_H

#include <stdint.h>

/* When the process started, in clock ticks since boot (field 22 of /proc/PID/stat); pid 0 is the
 * caller's.  0, -ESRCH when there is no such process or only its zombie, or another -errno when it
 * cannot be known. */
int process_start_ticks(uint32_t pid, uint64_t *ret_ticks);

/* /proc/sys/kernel/random/boot_id as two words; 0 when unknown. */
void process_boot_id(uint64_t ret_id[2]);

/* The caller's PID namespace, the inode of /proc/self/ns/pid; 0 when unknown. */
uint64_t process_pid_ns(void);

#endif
