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

/* 8192 rules, 128 KiB: hit rates of 88 % (cc1) to 97 % (python), unwinding.md section 1. */
#define RULE_SLOTS_LOG2 13

struct rule_slot {
	_Atomic uint64_t key, rule;
};
/* Aligned so that the two places of an address share a cache line. */
extern _Alignas(64) struct rule_slot rule_slots[1 << RULE_SLOTS_LOG2];

/* The first of the two places of an address; the other is the odd one beside it.  With one place,
 * two frames of a stack of 100 would throw each other out in nearly every second program. */
static inline struct rule_slot *rule_slot(uint64_t address)
{
	return &rule_slots[address * 0x9e3779b97f4a7c15u >> (64 - RULE_SLOTS_LOG2) & ~1ull];
}

static inline uint64_t rule_key(uint64_t address, uint64_t rule, uint64_t salt)
{
	/* The multiplication spreads the rule over the key, so that a key and a rule of two writers
	 * do not cancel out to the address of a third. */
	return address ^ rule * 0xd6e8feb86659fd93u ^ salt;
}

/* Context: signal.  Allocates: no.  Locks: none. */
static inline bool rule_get(uint64_t address, uint64_t salt, uint64_t *ret_rule)
{
	struct rule_slot *slot = rule_slot(address);

	for (int i = 0; i < 2; i++, slot++) {
		/* relaxed, with the stores in rule_put: the key vouches for the rule. */
		uint64_t key = atomic_load_explicit(&slot->key, memory_order_relaxed);
		uint64_t rule = atomic_load_explicit(&slot->rule, memory_order_relaxed);

		*ret_rule = rule;
		if (__builtin_expect(key == rule_key(address, rule, salt), 1))
			return true;
	}
	return false;
}

/* The new rule takes the first place and what was there the second: a key names its address, so it
 * is good in either. */
static inline void rule_put(uint64_t address, uint64_t salt, uint64_t rule)
{
	struct rule_slot *slot = rule_slot(address);
	/* relaxed, all: see rule_get. */
	uint64_t old_key = atomic_load_explicit(&slot->key, memory_order_relaxed);
	uint64_t old_rule = atomic_load_explicit(&slot->rule, memory_order_relaxed);

	atomic_store_explicit(&slot[1].key, old_key, memory_order_relaxed);
	atomic_store_explicit(&slot[1].rule, old_rule, memory_order_relaxed);
	atomic_store_explicit(&slot->key, rule_key(address, rule, salt), memory_order_relaxed);
	atomic_store_explicit(&slot->rule, rule, memory_order_relaxed);
}

#endif
