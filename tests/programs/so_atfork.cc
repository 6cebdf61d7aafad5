// SPDX-License-Identifier: MIT
// A library whose fork handler was there before ours and touches the dump signal in the child.
#include <pthread.h>
#include <signal.h>

static void in_child()
{
	struct sigaction now;

	sigaction(SIGUSR2, nullptr, &now);
}

__attribute__((constructor)) static void begin()
{
	pthread_atfork(nullptr, nullptr, in_child);
}
