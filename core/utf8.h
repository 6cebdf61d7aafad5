/* SPDX-License-Identifier: MIT */
/*
 * core/utf8: what is valid UTF-8, and making strings so.
 *
 * Every string of a profile is, without control characters: Pyroscope refuses a whole profile for
 * one bad byte, and names, paths and command lines may hold any.
 */
#ifndef CPROF_CORE_UTF8_H
#define CPROF_CORE_UTF8_H

#include <stddef.h>

/* Replaces in place, byte for byte, what is not UTF-8 (overlong forms, surrogates and code points
 * above U+10FFFF included) and control characters by '?'.
 * Context: signal.  Allocates: no.  Locks: none. */
void utf8_clean(char *s, size_t n);

/* Length of the valid sequence at s with n bytes left, 0 when there is none.
 * Context: signal.  Allocates: no.  Locks: none. */
size_t utf8_sequence(const unsigned char *s, size_t n);

#endif
