/* SPDX-License-Identifier: MIT */
/*
 * core/control: what a queued SIGPROF says when its value is ours.
 *
 * SIGPROF is the one signal that we keep deliverable in every thread.  The interval timer, the
 * dumper and the command ask for something by queueing it with one of these values (sigqueue(3),
 * si_code SI_QUEUE or SI_TIMER); no pointer and no small number of a host looks like them.
 */
#ifndef CPROF_CORE_CONTROL_H
#define CPROF_CORE_CONTROL_H

#include <stdint.h>

#define CONTROL_VALUE(what) (UINT64_C(0xc9f05f0d17ab0000) | (uint64_t)(what))

enum control {
	CONTROL_DUMP = 1, /* as the dump signal */
	CONTROL_INTERVAL, /* the same, when there is something to write */
	CONTROL_REFUSED,  /* from the dumper: it may not do its work; do it in place */
	CONTROL_SAY,	  /* from the dumper: there is a line to be said */
	CONTROL_TAKE,	  /* from a thread that hides SIGPROF: one of the host's is kept for you */
};

/* The enum control of a value, 0 when it is not ours. */
static inline int control_of(uint64_t value)
{
	uint64_t what = value - CONTROL_VALUE(0);

	return what >= CONTROL_DUMP && what <= CONTROL_TAKE ? (int)what : 0;
}

#endif
