/* SPDX-License-Identifier: MIT */
/* The pass-through for locks: each an indirect jump to the next definition. */
#include <dlfcn.h>
#include <pthread.h>

#define FORWARD(name, type)                                                                        \
	static int first_##name(type *lock);                                                       \
	static int (*real_##name)(type *) = first_##name;                                          \
	static int first_##name(type *lock)                                                        \
	{                                                                                          \
		real_##name = (int (*)(type *))dlsym(RTLD_NEXT, #name);                            \
		return real_##name(lock);                                                          \
	}                                                                                          \
	__attribute__((visibility("default"))) int name(type *lock)                                \
	{                                                                                          \
		return real_##name(lock);                                                          \
	}

FORWARD(pthread_mutex_lock, pthread_mutex_t)
FORWARD(pthread_mutex_unlock, pthread_mutex_t)
FORWARD(pthread_rwlock_rdlock, pthread_rwlock_t)
FORWARD(pthread_rwlock_unlock, pthread_rwlock_t)
