/* SPDX-License-Identifier: MIT */
/*
 * cli/decode: the bytes of a profile.proto as a message whose references have been checked.
 *
 * After decode_profile() every string index, id and number of values in the message is good, by the
 * rules of pprof's CheckValid(), so that cli/profile can follow them without looking.
 * Context: own (the command).  Allocates: heap, at most DECODE_BYTES_MAX.  Locks: none.
 */
#ifndef CPROF_CLI_DECODE_H
#define CPROF_CLI_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "output/profile.pb-c.h"

/* A message of one byte can take a hundred in memory: an end to that. */
#define DECODE_BYTES_MAX (UINT64_C(4) << 30)

struct decode_id {
	uint64_t id;
	size_t index;
};

struct decoded {
	Pprof__Profile *message;
	struct decode_id *mappings, *functions, *locations; /* sorted by id */
	uint64_t bytes;					    /* allocated for message */
};

/* 0, or -EBADMSG with the reason in why. */
int decode_profile(struct decoded *d, const uint8_t *bytes, size_t n, char why[256]);
void decode_free(struct decoded *d);

/* Index of an id; -1 when there is no such. */
ptrdiff_t decode_find(const struct decode_id *ids, size_t n, uint64_t id);

/* A checked string index. */
const char *decode_string(const struct decoded *d, int64_t index);

#endif
