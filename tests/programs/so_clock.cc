// SPDX-License-Identifier: MIT
// RUN:    LD_PRELOAD="libcprof.so so_clock.so" any program
// EXPECT: a clock_gettime() as that of libraries that change the time: it takes a lock and allocates.  Who calls it from a
// handler or from inside malloc waits for himself.
#include <atomic>
#include <cstdlib>
#include <ctime>
#include <sys/syscall.h>
#include <unistd.h>

static std::atomic<bool> locked;

extern "C" __attribute__((visibility("default"))) int clock_gettime(clockid_t clock, timespec *ts) noexcept
{
	void *volatile p;

	while (locked.exchange(true))
		;
	p = malloc(100);
	long r = syscall(SYS_clock_gettime, clock, ts);
	free(p);
	locked = false;
	return (int)r;
}
