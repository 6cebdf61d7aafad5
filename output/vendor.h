/* SPDX-License-Identifier: MIT */
/*
 * output/vendor: what the statically linked libraries (zlib, protobuf-c, libiberty, liblzma, inih) get instead of
 * libc.
 *
 * Inside the host those libraries must not reach malloc, stdio or abort: malloc would be our own
 * wrapper, and an assertion of a library that we brought along must not kill a process that never
 * asked for it.  So the Makefile binds their imports to vendor_*() (VENDOR_BIND): allocation fails
 * (every user passes an allocator of its own and never notices), and a failed assertion jumps back
 * to the guard around the call.
 *
 * The libraries keep nothing open across a call, so leaving them by a jump loses nothing but the
 * work.
 */
#ifndef CPROF_OUTPUT_VENDOR_H
#define CPROF_OUTPUT_VENDOR_H

/* One call into a vendored library.  Lives in the frame of the function that calls vendor_try(). */
struct vendor_guard {
	void *jump[5]; /* of __builtin_setjmp */
};

/* Runs body(opaque); 0, -EPROTO when the library's assertion failed in it or body called
 * vendor_leave(), -EBUSY when too many threads are inside.  Guards of one thread nest. Context:
 * signal.  Allocates: no.  Locks: none. */
int vendor_try(void (*body)(void *opaque, struct vendor_guard *guard), void *opaque);

/* Ends the body of a vendor_try() from inside a callback of the library. */
_Noreturn void vendor_leave(struct vendor_guard *guard);

#endif
