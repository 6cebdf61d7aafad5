/* SPDX-License-Identifier: MIT */
#include "unwind/expr.h"

#include "unwind/cursor.h"

#include "core/as_safe.h"

/* DWARF 5, 7.7.1. */
enum {
	DW_OP_addr = 0x03,
	DW_OP_deref = 0x06,
	DW_OP_const1u = 0x08,
	DW_OP_const1s = 0x09,
	DW_OP_const2u = 0x0a,
	DW_OP_const2s = 0x0b,
	DW_OP_const4u = 0x0c,
	DW_OP_const4s = 0x0d,
	DW_OP_const8u = 0x0e,
	DW_OP_const8s = 0x0f,
	DW_OP_constu = 0x10,
	DW_OP_consts = 0x11,
	DW_OP_dup = 0x12,
	DW_OP_drop = 0x13,
	DW_OP_over = 0x14,
	DW_OP_swap = 0x16,
	DW_OP_and = 0x1a,
	DW_OP_minus = 0x1c,
	DW_OP_mul = 0x1e,
	DW_OP_neg = 0x1f,
	DW_OP_not = 0x20,
	DW_OP_or = 0x21,
	DW_OP_plus = 0x22,
	DW_OP_plus_uconst = 0x23,
	DW_OP_shl = 0x24,
	DW_OP_shr = 0x25,
	DW_OP_shra = 0x26,
	DW_OP_xor = 0x27,
	DW_OP_bra = 0x28,
	DW_OP_eq = 0x29,
	DW_OP_ge = 0x2a,
	DW_OP_gt = 0x2b,
	DW_OP_le = 0x2c,
	DW_OP_lt = 0x2d,
	DW_OP_ne = 0x2e,
	DW_OP_skip = 0x2f,
	DW_OP_lit0 = 0x30,
	DW_OP_breg0 = 0x70,
	DW_OP_bregx = 0x92,
	DW_OP_nop = 0x96,
};

#define STACK_MAX 8   /* the deepest seen, the PLT's, needs 3 */
#define STEPS_MAX 128 /* branches can loop */

struct stack {
	uint64_t word[STACK_MAX];
	unsigned count;
	bool bad;
};

static void push(struct stack *s, uint64_t v)
{
	if (s->count == STACK_MAX)
		s->bad = true;
	else
		s->word[s->count++] = v;
}

static uint64_t pop(struct stack *s)
{
	if (s->count == 0) {
		s->bad = true;
		return 0;
	}
	return s->word[--s->count];
}

/* a is the older operand.  Comparisons are signed, shifts by 64 or more give what shifting bit by
 * bit would. */
static bool binary(uint8_t op, uint64_t a, uint64_t b, uint64_t *ret)
{
	int64_t sa = (int64_t)a, sb = (int64_t)b;

	switch (op) {
	case DW_OP_and:
		*ret = a & b;
		return true;
	case DW_OP_minus:
		*ret = a - b;
		return true;
	case DW_OP_mul:
		*ret = a * b;
		return true;
	case DW_OP_or:
		*ret = a | b;
		return true;
	case DW_OP_plus:
		*ret = a + b;
		return true;
	case DW_OP_shl:
		*ret = b < 64 ? a << b : 0;
		return true;
	case DW_OP_shr:
		*ret = b < 64 ? a >> b : 0;
		return true;
	case DW_OP_shra:
		*ret = (uint64_t)(sa >> (b < 64 ? b : 63));
		return true;
	case DW_OP_xor:
		*ret = a ^ b;
		return true;
	case DW_OP_eq:
		*ret = a == b;
		return true;
	case DW_OP_ge:
		*ret = sa >= sb;
		return true;
	case DW_OP_gt:
		*ret = sa > sb;
		return true;
	case DW_OP_le:
		*ret = sa <= sb;
		return true;
	case DW_OP_lt:
		*ret = sa < sb;
		return true;
	case DW_OP_ne:
		*ret = a != b;
		return true;
	default:
		return false;
	}
}

static bool constant(uint8_t op, struct cursor *c, uint64_t *ret)
{
	switch (op) {
	case DW_OP_addr:
	case DW_OP_const8u:
	case DW_OP_const8s:
		*ret = cursor_u64(c);
		return true;
	case DW_OP_const1u:
		*ret = cursor_u8(c);
		return true;
	case DW_OP_const1s:
		*ret = (uint64_t)cursor_i8(c);
		return true;
	case DW_OP_const2u:
		*ret = cursor_u16(c);
		return true;
	case DW_OP_const2s:
		*ret = (uint64_t)cursor_i16(c);
		return true;
	case DW_OP_const4u:
		*ret = cursor_u32(c);
		return true;
	case DW_OP_const4s:
		*ret = (uint64_t)cursor_i32(c);
		return true;
	case DW_OP_constu:
		*ret = cursor_uleb(c);
		return true;
	case DW_OP_consts:
		*ret = (uint64_t)cursor_sleb(c);
		return true;
	default:
		if (op < DW_OP_lit0 || op >= DW_OP_lit0 + 32)
			return false;
		*ret = op - DW_OP_lit0;
		return true;
	}
}

static void jump(struct cursor *c, const uint8_t *program, int16_t distance)
{
	if (distance < program - c->at || distance > c->end - c->at)
		c->bad = true;
	else
		c->at += distance;
}

/* One operation that is neither a constant nor a binary operator.  False: unknown or refused. */
static bool operate(const struct expr_machine *m, struct stack *s, struct cursor *c,
		    const uint8_t *program, uint8_t op)
{
	uint64_t a, b;
	int16_t distance;

	switch (op) {
	case DW_OP_nop:
		return true;
	case DW_OP_deref:
		if (!m->word(m->arg, pop(s), &a))
			return false;
		push(s, a);
		return true;
	case DW_OP_plus_uconst:
		a = pop(s);
		push(s, a + cursor_uleb(c));
		return true;
	case DW_OP_neg:
		push(s, -pop(s));
		return true;
	case DW_OP_not:
		push(s, ~pop(s));
		return true;
	case DW_OP_dup:
		a = pop(s);
		push(s, a);
		push(s, a);
		return true;
	case DW_OP_drop:
		pop(s);
		return true;
	case DW_OP_swap:
		b = pop(s);
		a = pop(s);
		push(s, b);
		push(s, a);
		return true;
	case DW_OP_over:
		b = pop(s);
		a = pop(s);
		push(s, a);
		push(s, b);
		push(s, a);
		return true;
	case DW_OP_skip:
		distance = cursor_i16(c);
		jump(c, program, distance);
		return true;
	case DW_OP_bra:
		distance = cursor_i16(c);
		if (pop(s))
			jump(c, program, distance);
		return true;
	default:
		if (op == DW_OP_bregx)
			b = cursor_uleb(c);
		else if (op >= DW_OP_breg0 && op < DW_OP_breg0 + 32)
			b = (uint64_t)op - DW_OP_breg0;
		else
			return false;
		if (!m->reg(m->arg, b, &a))
			return false;
		push(s, a + (uint64_t)cursor_sleb(c));
		return true;
	}
}

bool expr_run(const struct expr_machine *m, const uint8_t *program, size_t length, bool push_first,
	      uint64_t first, uint64_t *ret_value)
{
	struct cursor c = cursor_on(program, program + length);
	struct stack s = {.count = 0};

	if (push_first)
		push(&s, first);
	for (unsigned steps = 0; c.at < c.end; steps++) {
		uint8_t op = cursor_u8(&c);
		uint64_t v;

		if (steps == STEPS_MAX)
			return false;
		if (constant(op, &c, &v)) {
			push(&s, v);
		} else if (op >= DW_OP_and && op <= DW_OP_ne && op != DW_OP_neg &&
			   op != DW_OP_not && op != DW_OP_plus_uconst && op != DW_OP_bra) {
			uint64_t b = pop(&s), a = pop(&s);

			if (!binary(op, a, b, &v))
				return false;
			push(&s, v);
		} else if (!operate(m, &s, &c, program, op)) {
			return false;
		}
		if (s.bad || c.bad)
			return false;
	}
	if (s.count == 0)
		return false;
	*ret_value = s.word[s.count - 1];
	return true;
}
