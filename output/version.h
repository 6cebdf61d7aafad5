/* SPDX-License-Identifier: MIT */
/* output/version: the version that every file names in its first comment. */
#ifndef CPROF_OUTPUT_VERSION_H
#define CPROF_OUTPUT_VERSION_H

#define CPROF_VERSION "0.1.0"

#endif
