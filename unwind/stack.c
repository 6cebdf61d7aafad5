/* SPDX-License-Identifier: MIT */
#include "unwind/stack.h"

#include <errno.h>
#include <ucontext.h>

#include "core/hot.h"
#include "core/sys.h"

#include "core/as_safe.h"

#define PAGE 4096u
/* The ABI's red zone: a leaf may keep data, and CFI may find saved registers, this far below sp. */
#define RED_ZONE 128u
/* Coroutine libraries use 8 to 256 KiB; each page costs a probe when a frame is up there. */
#define PROBED_MAX (256u << 10)
/* What the kernel keeps free below the main stack whatever RLIMIT_STACK says (MIN_GAP in
 * arch/x86/mm/mmap.c). */
#define MAIN_STACK_MAX (128ull << 20)

/* glibc 2.36 on x86_64: sizeof(struct pthread).  It lies on top of the stack's mapping. */
#define TCB_BYTES 2304u
/* Distance kept from the guard area, whose size we do not know; the default is one page. */
#define GUARD_BYTES 8192u

/* Exported by the dynamic loader: sp at the process's entry. */
extern void *__libc_stack_end;

static uintptr_t page_of(uintptr_t address)
{
	return address & ~(uintptr_t)(PAGE - 1);
}

bool stack_probe(uintptr_t address)
{
	/* The kernel copies the set first (EFAULT) and looks at `how` afterwards (EINVAL). */
	return SYS_CALL(SYS_rt_sigprocmask, -1, page_of(address), 0, 8, 0, 0) == -EINVAL;
}

bool stack_extend(struct stack_view *view, uintptr_t address, uintptr_t bytes)
{
	if (address < view->lo || address >= view->cap || view->cap - address < bytes)
		return false;
	while (view->hi < address + bytes) {
		if (!stack_probe(view->hi))
			return false;
		view->hi += PAGE;
	}
	return true;
}

/* A known stack.  The part above the frame that we run in is certainly mapped; when we run on
 * another stack, sp's page is probed, because a main stack's mapping ends somewhere above lo. */
static bool view_known(struct stack_view *view, uintptr_t lo, uintptr_t hi, uintptr_t sp)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	if (here < lo || here >= hi || here > sp) {
		if (!stack_probe(sp))
			return false;
		if (lo < page_of(sp))
			lo = page_of(sp);
	}
	view->lo = sp - lo > RED_ZONE ? sp - RED_ZONE : lo;
	view->hi = hi;
	view->cap = 0;
	return true;
}

HOT_PATH bool stack_choose(struct stack_view *ret_view, const struct uw_stack *own, const void *uc,
			   uintptr_t sp)
{
	const stack_t none = {0}, *alternate = uc ? &((const ucontext_t *)uc)->uc_stack : &none;
	uintptr_t alternate_lo = (uintptr_t)alternate->ss_sp;

	if (own && sp >= own->lo && sp < own->hi)
		return view_known(ret_view, own->lo, own->hi, sp);
	if (sp >= alternate_lo && sp - alternate_lo < alternate->ss_size)
		return view_known(ret_view, alternate_lo, alternate_lo + alternate->ss_size, sp);
	if (sp > UINTPTR_MAX - PROBED_MAX - PAGE || !stack_probe(sp))
		return false;
	ret_view->lo = page_of(sp);
	ret_view->hi = page_of(sp) + PAGE;
	ret_view->cap = ret_view->hi + PROBED_MAX;
	return true;
}

void uw_stack_of_self(struct uw_stack *ret_stack, uint64_t size_bytes)
{
	uintptr_t tp;

	if (size_bytes == 0) {
		struct rlimit limit = {.rlim_cur = RLIM_INFINITY};

		SYS_CALL(SYS_prlimit64, 0, RLIMIT_STACK, 0, &limit, 0, 0);
		if (limit.rlim_cur > MAIN_STACK_MAX)
			limit.rlim_cur = MAIN_STACK_MAX;
		ret_stack->hi = page_of((uintptr_t)__libc_stack_end + PAGE - 1);
		ret_stack->lo = ret_stack->hi - page_of(limit.rlim_cur);
		return;
	}
	__asm__("mov %%fs:0, %0" : "=r"(tp)); /* the TCB's first word points to itself */
	ret_stack->hi = tp;
	ret_stack->lo = page_of(tp + TCB_BYTES + PAGE - 1) - size_bytes + GUARD_BYTES;
}
