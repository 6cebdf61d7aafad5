/* SPDX-License-Identifier: MIT */
/*
 * core/process: what tells one process from another: its pid and start time, the boot, the PID
 * namespace.  Read from /proc, so each of them may be unknown.
 *
 * Context: signal.  Allocates: no.  Locks: none.
 */
#ifndef CPROF_CORE_PROCESS_H
#define CPROF_CORE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* When the process started, in clock ticks since boot (field 22 of /proc/PID/stat); pid 0 is the
 * caller's.  0, -ESRCH when there is no such process or only its zombie, or another -errno when it
 * cannot be known. */
int process_start_ticks(uint32_t pid, uint64_t *ret_ticks);

/* false: that process has ended, as this PID namespace knows it.  true where it cannot be known. */
bool process_may_be_alive(uint32_t pid, uint64_t start_ticks);

/* /proc is of the caller's PID namespace; else (unshare -p without a new /proc) its numbers mean other
 * processes. */
bool process_has_own_proc(void);

/* When this machine was booted, ns since 1970: no process of it is older, whatever boot id a container has. */
uint64_t process_boot_realtime_ns(void);

/* /proc/sys/kernel/random/boot_id as two words; 0 when unknown. */
void process_boot_id(uint64_t ret_id[2]);

/* The caller's PID namespace, the inode of /proc/self/ns/pid; 0 when unknown. */
uint64_t process_pid_ns(void);

#endif
