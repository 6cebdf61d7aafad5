/* SPDX-License-Identifier: MIT */
#include "unwind/unwind.h"

#include <dlfcn.h>
#include <stddef.h>
#include <ucontext.h>

#include "core/hot.h"
#include "unwind/cfi.h"
#include "unwind/ehframe.h"
#include "unwind/expr.h"
#include "unwind/gate.h"
#include "unwind/guess.h"
#include "unwind/quick.h"
#include "unwind/resident.h"
#include "unwind/rule.h"
#include "unwind/stack.h"
#include "unwind/trail.h"

#include "core/as_safe.h"

/* One frame on the way up. */
struct walk {
	uint64_t pc, sp, bp, bx;
	/* The frame was interrupted: pc is exact and uc has all its registers. */
	bool exact;
	bool guessed;
	enum uw_end end; /* set by the step that ends the walk */
	uint64_t salt;
	const ucontext_t *uc; /* the innermost context that was crossed, also when !exact */
	/* The context that we were given: the only one that the kernel has just written, and that a
	 * stack's limits are believed from. */
	const ucontext_t *given;
	const struct uw_stack *own;
	struct trail *trail; /* NULL: none */
	struct stack_view view;
};

/* Where a ucontext has DWARF's registers 0 to 16. */
static const uint8_t greg_of[] = {
	REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
	REG_R9,	 REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP,
};

/* How much of the stack is looked at ahead of the walk. */
#define EXPECTED_BYTES 512u

#define GREGS_END (offsetof(ucontext_t, uc_mcontext.gregs) + sizeof(gregset_t))

static bool end(struct walk *w, enum uw_end why)
{
	w->end = why;
	return false;
}

/* User addresses only; the first page is never mapped. */
static bool is_code_address(uint64_t pc)
{
	return pc >= 4096 && pc < (uint64_t)1 << 47;
}

/* What address to look up: a return address may be the first byte of the next function. */
static uint64_t lookup_address(const struct walk *w)
{
	return w->exact ? w->pc : w->pc - 1;
}

static bool read_register(void *arg, uint64_t reg, uint64_t *ret_value)
{
	const struct walk *w = arg;

	switch (reg) {
	case CFI_REG_RSP:
		*ret_value = w->sp;
		return true;
	case CFI_REG_RBP:
		*ret_value = w->bp;
		return true;
	case CFI_REG_RBX:
		*ret_value = w->bx;
		return true;
	case CFI_REG_RA:
		*ret_value = w->pc;
		return true;
	default:
		if (!w->exact || reg >= sizeof greg_of)
			return false;
		*ret_value = (uint64_t)w->uc->uc_mcontext.gregs[greg_of[reg]];
		return true;
	}
}

static bool read_stack(struct walk *w, uint64_t address, uint64_t *ret_value)
{
	if (!stack_holds(&w->view, address, 8))
		return false;
	*ret_value = stack_word(address);
	return true;
}

/* Code that switches stacks (longjmp, setcontext) describes its caller by words of a jmp_buf or
 * ucontext, anywhere in memory.  Only an interrupted frame may name such a place, and it is probed.
 */
static bool read_anywhere(void *arg, uint64_t address, uint64_t *ret_value)
{
	struct walk *w = arg;

	if (read_stack(w, address, ret_value))
		return true;
	if (!w->exact || !stack_probe(address) || !stack_probe(address + 7))
		return false;
	*ret_value = stack_word(address);
	return true;
}

static bool to_caller(struct walk *w, uint64_t ra, uint64_t sp)
{
	if (ra == 0)
		return end(w, UW_END_ROOT);
	if (!is_code_address(ra))
		return end(w, UW_END_BAD_PC);
	w->pc = ra;
	w->sp = sp;
	w->exact = false;
	return true;
}

/* The caller's value of rbp or rbx.  0 when it is lost: no CFA is computed from that. */
static uint64_t saved_register(struct walk *w, enum rule_saved how, int64_t offset, uint64_t cfa,
			       uint64_t now)
{
	uint64_t v;

	switch (how) {
	case SAVED_NOT:
		return now;
	case SAVED_AT_CFA:
		return read_stack(w, cfa + (uint64_t)offset, &v) ? v : 0;
	case SAVED_AT_RBP:
		return read_stack(w, w->bp + (uint64_t)offset, &v) ? v : 0;
	default:
		return 0;
	}
}

/* The ordinary frame: the return address lies below the CFA. */
static bool step_to_cfa(struct walk *w, uint64_t rule, uint64_t cfa)
{
	uint64_t ra, bp, bx;

	if (cfa <= w->sp || !read_stack(w, cfa - 8, &ra))
		return end(w, UW_END_BOUNDS);
	bp = saved_register(w, rule_rbp_how(rule), rule_rbp_offset(rule), cfa, w->bp);
	bx = saved_register(w, rule_rbx_how(rule), rule_rbx_offset(rule), cfa, w->bx);
	w->bp = bp;
	w->bx = bx;
	return to_caller(w, ra, cfa);
}

/* From the frame that a handler returns to, into the code that the signal interrupted. */
static bool step_over_signal(struct walk *w)
{
	const ucontext_t *uc = (const ucontext_t *)(uintptr_t)w->sp;
	const greg_t *regs;
	uint64_t sp;

	if (w->sp % 8 != 0 || !stack_holds(&w->view, w->sp, GREGS_END))
		return end(w, UW_END_BOUNDS);
	regs = uc->uc_mcontext.gregs;
	sp = (uint64_t)regs[REG_RSP];
	if (sp < w->view.lo || sp >= w->view.hi) {
		if (!stack_choose(&w->view, w->own, w->given, sp))
			return end(w, UW_END_BOUNDS);
	} else if (sp <= w->sp) {
		return end(w, UW_END_BOUNDS);
	}
	w->uc = uc;
	w->pc = (uint64_t)regs[REG_RIP];
	w->sp = sp;
	w->bp = (uint64_t)regs[REG_RBP];
	w->bx = (uint64_t)regs[REG_RBX];
	w->exact = true;
	return true;
}

static bool step_by_guess(struct walk *w, bool in_module)
{
	struct guess frame = {
		.pc = w->pc, .sp = w->sp, .bp = w->bp, .exact = w->exact, .in_module = in_module};

	if (!guess_caller(&w->view, &frame))
		return end(w, in_module ? UW_END_NO_RULE : UW_END_NO_MODULE);
	w->guessed = true;
	w->bp = frame.bp;
	w->bx = 0;
	return to_caller(w, frame.pc, frame.sp);
}

static bool step_by_rule(struct walk *w, uint64_t rule)
{
	uint64_t cfa = 0;

	switch (rule_kind(rule)) {
	case RULE_CFA:
	case RULE_DEREF:
		if (!read_register(w, rule_register(rule), &cfa))
			return end(w, UW_END_UNSUPPORTED);
		cfa += (uint64_t)rule_cfa_offset(rule);
		if (rule_kind(rule) == RULE_DEREF) {
			if (!read_stack(w, cfa, &cfa))
				return end(w, UW_END_BOUNDS);
			cfa += (uint64_t)rule_addend(rule);
		}
		return step_to_cfa(w, rule, cfa);
	case RULE_PLT:
		cfa = w->sp + (uint64_t)rule_cfa_offset(rule) +
		      ((w->pc & 15) >= rule_register(rule) ? 8 : 0);
		return step_to_cfa(w, rule, cfa);
	case RULE_SIGNAL:
		return step_over_signal(w);
	case RULE_ROOT:
		return end(w, UW_END_ROOT);
	case RULE_NO_CFI:
		return step_by_guess(w, true);
	default:
		return end(w, UW_END_UNSUPPORTED);
	}
}

/* The value that a rule of a wide row gives; `now` is the register's value in this frame. */
static bool wide_value(struct walk *w, const struct eh_fde *fde, const struct cfi_rule *rule,
		       uint64_t cfa, uint64_t now, uint64_t *ret_value)
{
	const struct expr_machine machine = {.reg = read_register, .word = read_anywhere, .arg = w};
	uint64_t at;

	switch (rule->how) {
	case CFI_SAME:
		*ret_value = now;
		return true;
	case CFI_AT_CFA:
		return read_anywhere(w, cfa + (uint64_t)(int64_t)rule->value, ret_value);
	case CFI_VALUE_CFA:
		*ret_value = cfa + (uint64_t)(int64_t)rule->value;
		return true;
	case CFI_IN_REGISTER:
		return read_register(w, rule->reg, ret_value);
	case CFI_AT_EXPR:
		return expr_run(&machine, cfi_expression(fde, rule), rule->length, true, cfa,
				&at) &&
		       read_anywhere(w, at, ret_value);
	case CFI_VALUE_EXPR:
		return expr_run(&machine, cfi_expression(fde, rule), rule->length, true, cfa,
				ret_value);
	default:
		return false;
	}
}

/* A row that no 64-bit rule holds: rare enough to be interpreted each time. */
static bool step_wide(struct walk *w, const struct eh_fde *fde, const struct cfi_row *row)
{
	const struct expr_machine machine = {.reg = read_register, .word = read_anywhere, .arg = w};
	const struct cfi_rule *rsp = &row->reg[CFI_RSP];
	uint64_t cfa, ra, sp, bp, bx;

	if (row->cfa.how == CFI_IN_REGISTER) {
		if (!read_register(w, row->cfa.reg, &cfa))
			return end(w, UW_END_UNSUPPORTED);
		cfa += (uint64_t)(int64_t)row->cfa.value;
	} else if (!expr_run(&machine, cfi_expression(fde, &row->cfa), row->cfa.length, false, 0,
			     &cfa)) {
		return end(w, UW_END_UNSUPPORTED);
	}
	if (!wide_value(w, fde, &row->reg[CFI_RA], cfa, w->pc, &ra) ||
	    !wide_value(w, fde, rsp, cfa, w->sp, &sp))
		return end(w, UW_END_UNSUPPORTED);
	if (!wide_value(w, fde, &row->reg[CFI_RBP], cfa, w->bp, &bp))
		bp = 0;
	if (!wide_value(w, fde, &row->reg[CFI_RBX], cfa, w->bx, &bx))
		bx = 0;
	/* Growing on the same stack is the rule, though a leaf that has popped its return address
	 * into a register leaves rsp as it is.  A frame that says itself where rsp comes from, and
	 * that was interrupted, may go to any stack: then it is about to switch. */
	if (sp < w->sp + !w->exact || sp > w->view.hi) {
		if (!w->exact || rsp->how == CFI_VALUE_CFA ||
		    !stack_choose(&w->view, w->own, w->given, sp))
			return end(w, UW_END_BOUNDS);
	}
	w->bp = bp;
	w->bx = bx;
	return to_caller(w, ra, sp);
}

/* Apart from interpret, so that glibc's large answer is off the stack before tables are read. */
__attribute__((noinline)) static bool ask_module(uint64_t address, struct eh_module *ret_module)
{
	struct resident object;

	if (!resident_ask(address, &object))
		return false;
	*ret_module = object.tables;
	return true;
}

/* Not a rule: nothing that rule_pack makes has all bits set. */
#define NO_MODULE UINT64_MAX

/* Reads the module's tables.  The caller holds the gate.  Returns the rule; for RULE_WIDE, fde and
 * row too. */
static uint64_t interpret(uint64_t address, struct quick_answer *quick, struct eh_fde *fde,
			  struct cfi_row *row)
{
	struct resident *resident = resident_at(address);
	struct eh_module module;

	if (resident)
		module = resident->tables;
	else if (!ask_module(address, &module))
		return NO_MODULE;
	if (quick_find(&module, address, resident ? &resident->cie : NULL, quick))
		return quick->rule;
	quick->from = address;
	quick->to = address + 1;
	switch (eh_find(&module, address, fde)) {
	case EH_FOUND:
		if (!cfi_row_at(fde, address, row))
			return RULE_UNSUPPORTED;
		return rule_pack(fde, row);
	case EH_ENTRY:
		/* A return address that is the first byte of a function, behind no other: nobody
		 * called from there, it was put on the stack by hand.  That is how makecontext
		 * starts
		 * (__start_context), and there is nothing above it. */
		return RULE_ROOT;
	default:
		return RULE_NO_CFI;
	}
}

/* The rule of an address that is not cached, or whose row must be interpreted each time.  True:
 * *ret_rule says how to step.  False: the step is done or the walk has ended, as *ret_more says. */
HOT_PATH __attribute__((noinline)) static bool look_up(struct walk *w, uint64_t *ret_rule,
						       bool *ret_more)
{
	uint64_t address = lookup_address(w);
	struct quick_answer quick;
	struct eh_fde fde;
	struct cfi_row row;

	if (!gate_enter()) {
		*ret_more = end(w, UW_END_BUSY);
		return false;
	}
	*ret_rule = interpret(address, &quick, &fde, &row);
	/* Expressions are read in place, so this belongs inside the gate. */
	if (*ret_rule == RULE_WIDE)
		*ret_more = step_wide(w, &fde, &row);
	gate_leave();
	/* An address in no module is not remembered: no dlopen tells us when one comes there. */
	if (*ret_rule != NO_MODULE)
		rule_put(address, quick.from, quick.to, w->salt, *ret_rule);
	return *ret_rule != RULE_WIDE;
}

/* The rule of a frame, if it is cached. */
static inline bool remembered(struct trail *trail, uint64_t sp, uint64_t address, uint64_t salt,
			      uint64_t *ret_rule)
{
	if (trail && trail_get(trail, sp, address, ret_rule))
		return true;
	if (!rule_get(address, salt, ret_rule))
		return false;
	if (trail)
		trail_add(trail, sp, address, *ret_rule);
	return true;
}

HOT_PATH static bool step(struct walk *w)
{
	uint64_t rule, sp = w->sp, address = lookup_address(w);
	bool more;

	if (!remembered(w->trail, sp, address, w->salt, &rule) || rule == RULE_WIDE) {
		if (!look_up(w, &rule, &more))
			return more;
		if (w->trail && rule != NO_MODULE)
			trail_add(w->trail, sp, address, rule);
	}
	return rule == NO_MODULE ? step_by_guess(w, false) : step_by_rule(w, rule);
}

/* The frames that nearly all stacks consist of, in registers: the rule is cached, the CFA comes
 * from rsp or rbp, everything lies inside the view, the caller is an ordinary return address. Stops
 * in front of any other frame, for step() to do.  Returns the new depth. */
static unsigned step_ordinary(struct walk *w, uint64_t *pc, unsigned depth, unsigned max)
{
	uint64_t at = lookup_address(w), sp = w->sp, bp = w->bp, bx = w->bx;
	const uint64_t salt = w->salt, lo = w->view.lo, room = w->view.hi - 8;
	struct trail *const trail = w->trail;
	unsigned start = depth;

	while (depth < max) {
		uint64_t rule, cfa, ra, rbp_at, rbx_at;

		if (!remembered(trail, sp, at, salt, &rule) || rule_kind(rule) != RULE_CFA)
			break;
		if (rule_register(rule) == CFI_REG_RSP)
			cfa = sp;
		else if (rule_register(rule) == CFI_REG_RBP)
			cfa = bp;
		else
			break;
		cfa += (uint64_t)rule_cfa_offset(rule);
		if (cfa <= sp || cfa - 8 < lo || cfa - 8 > room)
			break;
		ra = stack_word(cfa - 8);
		if (!is_code_address(ra))
			break;
		rbp_at = cfa + (uint64_t)rule_rbp_offset(rule);
		rbx_at = cfa + (uint64_t)rule_rbx_offset(rule);
		if (rule_rbp_how(rule) > SAVED_AT_CFA || rule_rbx_how(rule) > SAVED_AT_CFA)
			break;
		/* Both before either is read: a frame that is left to step() must be as it was. */
		if ((rule_rbp_how(rule) == SAVED_AT_CFA && (rbp_at < lo || rbp_at > room)) ||
		    (rule_rbx_how(rule) == SAVED_AT_CFA && (rbx_at < lo || rbx_at > room)))
			break;
		if (rule_rbp_how(rule) == SAVED_AT_CFA)
			bp = stack_word(rbp_at);
		if (rule_rbx_how(rule) == SAVED_AT_CFA)
			bx = stack_word(rbx_at);
		sp = cfa;
		at = ra - 1;
		pc[depth++] = at;
	}
	if (depth == start)
		return depth;
	w->pc = at + 1;
	w->sp = sp;
	w->bp = bp;
	w->bx = bx;
	w->exact = false;
	return depth;
}

void uw_expect(const void *ucontext, const struct uw_stack *stack)
{
	const ucontext_t *uc = ucontext;
	uint64_t pc = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];

	__builtin_prefetch(rule_set(pc));
	quick_expect(pc);
	trail_expect(stack->hi);
	__builtin_prefetch(&residents[0]);
	__builtin_prefetch(&gate, 1);
}

/* Asks the processor for the rules of what may be return addresses: the words at the start of the
 * stack that point into the main program. */
static void expect_callers(const struct walk *w)
{
	const uint64_t start = residents[0].start, room = residents[0].limit - start;
	uint64_t end =
		w->view.hi - w->sp < EXPECTED_BYTES ? w->view.hi - 7 : w->sp + EXPECTED_BYTES;

	for (uint64_t at = w->sp; at < end; at += 8) {
		uint64_t word = stack_word(at);

		if (word - start < room)
			__builtin_prefetch(rule_set(word - 1));
	}
}

/* w: the innermost frame, its registers and where they come from. */
HOT_PATH static struct uw_result walk(struct walk *w, uint64_t *pc, unsigned max)
{
	unsigned depth = 1;

	w->end = UW_END_DEPTH;
	w->salt = gate_salt();
	pc[0] = w->pc;
	if (!stack_choose(&w->view, w->own, w->given, w->sp))
		return (struct uw_result){.depth = 1, .end = UW_END_BOUNDS};
	expect_callers(w);
	w->trail = trail_take(w->own ? w->own->hi : 0, w->salt);
	for (;;) {
		depth = step_ordinary(w, pc, depth, max);
		if (!step(w))
			break;
		if (depth == max) {
			w->end = UW_END_DEPTH;
			break;
		}
		pc[depth++] = lookup_address(w);
	}
	if (w->trail)
		trail_put(w->trail);
	return (struct uw_result){.depth = depth, .end = w->end, .guessed = w->guessed};
}

HOT_PATH struct uw_result uw_from_context(const void *ucontext, const struct uw_stack *stack,
					  uint64_t *pc, unsigned max)
{
	const ucontext_t *uc = ucontext;
	const greg_t *regs = uc->uc_mcontext.gregs;
	struct walk w = {
		.pc = (uint64_t)regs[REG_RIP],
		.sp = (uint64_t)regs[REG_RSP],
		.bp = (uint64_t)regs[REG_RBP],
		.bx = (uint64_t)regs[REG_RBX],
		.exact = true,
		.uc = uc,
		.given = uc,
		.own = stack,
	};

	return walk(&w, pc, max);
}

HOT_PATH struct uw_result uw_from_call(const struct uw_registers *here,
				       const struct uw_stack *stack, uint64_t *pc, unsigned max)
{
	struct walk w = {
		.pc = here->pc,
		.sp = here->sp,
		.bp = here->bp,
		.bx = here->bx,
		.own = stack,
	};

	return walk(&w, pc, max);
}
