/* SPDX-License-Identifier: MIT */
/* Threads: pthread_create and thrd_create.  The new thread runs our trampoline, which never shows
 * in a stack: frames of libcprof.so are left out. */
#include <pthread.h>
#include <threads.h>

#include "preload/host.h"
#include "preload/interpose.h"
#include "preload/mask.h"
#include "preload/recorder.h"
#include "preload/thread.h"

static void *run_posix(void *slot)
{
	struct thread *t = slot;
	void *result;

	host_thread_began(t);
	result = ((void *(*)(void *))t->run)(t->argument);
	host_thread_ended();
	return result;
}

static int run_c11(void *slot)
{
	struct thread *t = slot;
	int result;

	host_thread_began(t);
	result = ((int (*)(void *))t->run)(t->argument);
	host_thread_ended();
	return result;
}

/* A slot for a thread that is to run start(argument), or NULL: then it runs unprofiled. */
static struct thread *prepare(void *start, void *argument, const pthread_attr_t *attr)
{
	struct thread *t;
	pthread_attr_t defaults;
	sigset_t mask;
	size_t stack_bytes = 0;

	host_start();
	if (!host.on || !host_is_here())
		return NULL;
	t = thread_take();
	if (!t) {
		recorder_lost(LOST_THREADS, 1);
		return NULL;
	}
	if (!attr && pthread_attr_init(&defaults) == 0)
		attr = &defaults;
	if (attr)
		(void)pthread_attr_getstacksize(attr, &stack_bytes);
	t->stack_bytes = stack_bytes;
	t->prof_hidden = attr && pthread_attr_getsigmask_np(attr, &mask) == 0
				 ? (mask_word(&mask) & MASK_PROF) != 0
				 : mask_hidden();
	t->start_function = (uintptr_t)start;
	t->run = start;
	t->argument = argument;
	return t;
}

INTERPOSE(int, pthread_create,
	  (pthread_t * thread, const pthread_attr_t *attr, void *(*start)(void *), void *argument))
{
	struct thread *t = prepare((void *)start, argument, attr);
	int r;

	if (!t)
		return REAL(pthread_create)(thread, attr, start, argument);
	r = REAL(pthread_create)(thread, attr, run_posix, t);
	if (r != 0)
		thread_put(t);
	return r;
}

INTERPOSE(int, thrd_create, (thrd_t * thread, thrd_start_t start, void *argument))
{
	struct thread *t = prepare((void *)start, argument, NULL);
	int r;

	if (!t)
		return REAL(thrd_create)(thread, start, argument);
	r = REAL(thrd_create)(thread, run_c11, t);
	if (r != thrd_success)
		thread_put(t);
	return r;
}
