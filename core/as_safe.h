/* SPDX-License-Identifier: MIT */
/*
 * core/as_safe: what code that may run inside a signal handler may call.  Included last in such
 * files.
 *
 * The list: memcpy, memmove, memset, memcmp, strlen, strcmp, strncmp (leaf functions of libc
 * without locks, errno or locale), _dl_find_object (documented async-signal-safe), the raw system
 * calls of core/sys.h, and functions of this project marked "Context: signal".
 * tests/lint/handler_calls holds the undefined symbols of these objects against the same list; the
 * poison below catches the rest while it is typed.
 */
#ifndef CPROF_CORE_AS_SAFE_H
#define CPROF_CORE_AS_SAFE_H

#include <string.h>

#pragma GCC poison malloc calloc realloc free printf fprintf sprintf snprintf vsnprintf puts fopen
#pragma GCC poison exit abort strdup strerror getenv setenv pthread_mutex_lock pthread_mutex_unlock

#endif
