/* SPDX-License-Identifier: MIT */
/*
 * unwind/rule: the step from one frame to its caller in 64 bits, and the cache of such rules by
 * address.
 *
 * The invariant of the cache: a hit is the rule that was stored for exactly this address since the
 * last dlclose.  Two words are written without any order between them; the key is the address mixed
 * with the rule and with the gate's salt, so half-written slots, other addresses and rules from
 * before a dlclose all look the same: a miss.  Nobody waits, and a handler may interrupt a store in
 * its middle.
 *
 * Layout of a rule, low bits first:
 *   3 kind | 4 register | 1 add 8 after deref | 28 CFA offset | 2 how rbp | 12 its offset/8 | 2 how
 * rbx | 12 its offset/8
 */
#ifndef CPROF_UNWIND_RULE_H
#define CPROF_UNWIND_RULE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "unwind/cfi.h"

enum rule_kind {
	RULE_NO_CFI,	  /* in a module, but nothing is known about this address */
	RULE_CFA,	  /* CFA = register + offset, return address at CFA - 8: nearly all code */
	RULE_DEREF,	  /* CFA = word at (register + offset), + 8 if so marked */
	RULE_PLT,	  /* CFA = rsp + offset, + 8 when (pc & 15) >= the register field */
	RULE_SIGNAL,	  /* the frame of sigreturn: a ucontext lies at rsp */
	RULE_ROOT,	  /* there is no caller */
	RULE_WIDE,	  /* does not fit: interpret the FDE again, each time */
	RULE_UNSUPPORTED, /* CFI that we do not understand */
};

enum rule_saved { SAVED_NOT, SAVED_AT_CFA, SAVED_AT_RBP, SAVED_LOST };

static inline enum rule_kind rule_kind(uint64_t rule)
{
	return (enum rule_kind)(rule & 7);
}
static inline unsigned rule_register(uint64_t rule)
{
	return (rule >> 3) & 15;
}
static inline int64_t rule_addend(uint64_t rule)
{
	return (rule >> 4) & 8;
}
static inline int64_t rule_cfa_offset(uint64_t rule)
{
	return (int64_t)(rule << 28) >> 36;
}
static inline enum rule_saved rule_rbp_how(uint64_t rule)
{
	return (enum rule_saved)((rule >> 36) & 3);
}
static inline int64_t rule_rbp_offset(uint64_t rule)
{
	return ((int64_t)(rule << 14) >> 52) * 8;
}
static inline enum rule_saved rule_rbx_how(uint64_t rule)
{
	return (enum rule_saved)((rule >> 50) & 3);
}
static inline int64_t rule_rbx_offset(uint64_t rule)
{
	return ((int64_t)rule >> 52) * 8;
}

/* The row as a rule; RULE_WIDE when it does not fit.
 * Context: signal.  Allocates: no.  Locks: none. */
uint64_t rule_pack(const struct eh_fde *fde, const struct cfi_row *row);

/* 8192 rules, 128 KiB, in sets of one cache line.  A rule is kept with the addresses that it holds
 * for, as far as they lie in the same KiB: of the addresses that a profile of cc1 meets, two thirds
 * are in a row that was met before, though only one in ten is itself an old one. */
#define RULE_SETS_LOG2 11
#define RULE_WAYS      4
#define RULE_BLOCK     1024u

struct rule_slot {
	_Atomic uint64_t key, rule;
};
struct rule_set {
	_Alignas(64) struct rule_slot slot[RULE_WAYS];
};
extern struct rule_set rule_sets[1 << RULE_SETS_LOG2];

/* Neighbouring blocks have neighbouring sets: a stack meets fewer pages of the table so. */
static inline struct rule_set *rule_set(uint64_t address)
{
	uint64_t block = address / RULE_BLOCK;

	return &rule_sets[(block ^ block >> RULE_SETS_LOG2) % (1 << RULE_SETS_LOG2)];
}

/* What a key and a rule of the same writer give back: 44 bits of block, then the first and the last
 * address in it. */
static inline uint64_t rule_range(uint64_t key, uint64_t rule, uint64_t salt)
{
	/* The multiplication spreads the rule over the key, so that a key and a rule of two writers
	 * do not give the block of a third. */
	return key ^ rule * 0xd6e8feb86659fd93u ^ salt;
}

/* Context: signal.  Allocates: no.  Locks: none. */
static inline bool rule_get(uint64_t address, uint64_t salt, uint64_t *ret_rule)
{
	struct rule_slot *slot = rule_set(address)->slot;
	uint64_t at = address % RULE_BLOCK, block = address / RULE_BLOCK;

	for (unsigned i = 0; i < RULE_WAYS; i++) {
		/* relaxed, with the stores in rule_put: the key vouches for the rule. */
		uint64_t key = atomic_load_explicit(&slot[i].key, memory_order_relaxed);
		uint64_t rule = atomic_load_explicit(&slot[i].rule, memory_order_relaxed);
		uint64_t range = rule_range(key, rule, salt);

		*ret_rule = rule;
		if (range >> 20 == block && (range >> 10) % RULE_BLOCK <= at &&
		    at <= range % RULE_BLOCK)
			return true;
	}
	return false;
}

/* Remembers the rule for [from, to), of which only the block of the address is kept.
 * Context: signal.  Allocates: no.  Locks: none. */
void rule_put(uint64_t address, uint64_t from, uint64_t to, uint64_t salt, uint64_t rule);

#endif
