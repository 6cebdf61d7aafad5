/* SPDX-License-Identifier: MIT */
#include "preload/resume.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <time.h>
#include <ucontext.h>

#include "core/sys.h"
#include "preload/actions.h"
#include "preload/socket.h"
#include "preload/wait.h"
#include "unwind/stack.h"

#include "core/as_safe.h"

#define PAGE	       4096u
#define FUNCTION_BYTES 176u /* both calls of glibc's are within 120 */

/*
 * How an interrupted call looks (x86_64).  The instruction `syscall` (0f 05) leaves its return address
 * in rcx.  After EINTR rip is behind it and rcx == rip; a call that the kernel restarts has rip at it,
 * its number back in rax, and rcx == rip + 2.  A thread that is about to make its first call has
 * something else in rcx, which is the function's fourth argument or free.
 */
static bool is_syscall(const unsigned char *code)
{
	return code[0] == 0x0f && code[1] == 0x05;
}

static bool has_returned(const greg_t *g)
{
	const uintptr_t at = (uintptr_t)g[REG_RIP];

	/* Also what `jmp *%rcx` has reached: the page before may not be there. */
	return g[REG_RCX] == g[REG_RIP] && ((at - 2) / PAGE == at / PAGE || stack_probe(at - 2)) &&
	       is_syscall((const unsigned char *)at - 2);
}

static bool is_restarted(const greg_t *g)
{
	return g[REG_RCX] == g[REG_RIP] + 2 && g[REG_RAX] >= 0 && g[REG_RAX] < 1024 &&
	       is_syscall((const unsigned char *)g[REG_RIP]);
}

/* Signals of the host's that will be delivered when we return: pending, not blocked there, and with a
 * handler.  The one that comes first decides: *ret_restarts. */
static bool host_signal_waits(const ucontext_t *context, bool *ret_restarts)
{
	uint64_t pending = 0, blocked;

	memcpy(&blocked, &context->uc_sigmask, sizeof blocked);
	(void)SYS_CALL(SYS_rt_sigpending, &pending, sizeof pending, 0, 0, 0, 0);
	for (pending &= ~blocked; pending; pending &= pending - 1)
		if (actions_has_handler(__builtin_ctzll(pending) + 1, ret_restarts))
			return true;
	return false;
}

/* The number of the system call in front of code, when the instruction before it sets it: mov $nr,%eax,
 * or xor %eax,%eax for 0.  -1: not known. */
static int number_before(const unsigned char *code)
{
	uint32_t nr;

	if (((uintptr_t)code - 7) / PAGE != (uintptr_t)code / PAGE)
		return -1; /* the page before may not be there */
	if (code[-7] == 0xb8) {
		memcpy(&nr, code - 6, sizeof nr);
		return nr < 1024 ? (int)nr : -1;
	}
	return code[-4] == 0x31 && code[-3] == 0xc0 ? 0 : -1;
}

bool resume_knows(const void *function)
{
	const unsigned char *code = function, *end = code + FUNCTION_BYTES;
	unsigned calls = 0;

	if ((uintptr_t)code / PAGE != (uintptr_t)end / PAGE && !stack_probe((uintptr_t)end))
		return false;
	for (; code < end; code++) {
		if (!is_syscall(code))
			continue;
		if (number_before(code + 2) < 0)
			return false;
		calls++;
	}
	return calls >= 2;
}

/* The remaining time for a time-out in ms, in a register. */
static bool shorten_ms(const struct wait *w, greg_t *ms)
{
	if ((int)*ms < 0)
		return true;
	if (!w || !w->limit_ns)
		return false;
	*ms = (greg_t)((wait_left_ns(w) + 999999) / 1000000);
	return true;
}

/* For one behind a pointer: another, into the wrapper's frame. */
static bool shorten_ts(struct wait *w, greg_t *pointer)
{
	if (*pointer == 0)
		return true;
	if (!w || !w->limit_ns)
		return false;
	wait_left(w);
	*pointer = (greg_t)&w->ts;
	return true;
}

/* For one that the kernel has shortened in place, and that the caller will look at: the same, less what
 * our handler took. */
static bool shorten_in_place(const struct wait *w, greg_t pointer, bool us)
{
	struct timespec *ts = (struct timespec *)pointer;
	uint64_t left;

	if (!pointer || !w || !w->limit_ns)
		return true;
	left = wait_left_ns(w);
	*ts = (struct timespec){(time_t)(left / 1000000000),
				(long)(left % 1000000000) / (us ? 1000 : 1)};
	return true;
}

/* What is left is where the caller wants it, and must stay there. */
static bool shorten_sleep(struct wait *w, greg_t *request, greg_t remain)
{
	if (w && w->limit_ns)
		return shorten_ts(w, request);
	if (remain)
		*request = remain;
	return remain != 0;
}

/* Sets the registers of a call that is made again so that it ends when it would have ended.  False: that
 * needs a remaining time that nobody has noted. */
static bool shorten(int nr, greg_t *g, struct wait *w)
{
	switch (nr) {
	case SYS_pause:
	case SYS_rt_sigsuspend:
	case SYS_semop:
	case SYS_msgrcv:
	case SYS_msgsnd:
		return true;
	case SYS_select:
		return shorten_in_place(w, g[REG_R8], true);
	case SYS_pselect6:
		return shorten_in_place(w, g[REG_R8], false);
	case SYS_ppoll:
		return shorten_in_place(w, g[REG_RDX], false);
	case SYS_poll:
		return shorten_ms(w, &g[REG_RDX]);
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
		return shorten_ms(w, &g[REG_R10]);
	case SYS_rt_sigtimedwait:
		return shorten_ts(w, &g[REG_RDX]);
	case SYS_semtimedop:
	case SYS_epoll_pwait2:
		return shorten_ts(w, &g[REG_R10]);
	case SYS_io_getevents:
		return shorten_ts(w, &g[REG_R8]);
	case SYS_io_uring_enter: /* nothing was submitted; a time-out comes by the extended argument */
		return !(g[REG_R10] & IORING_ENTER_EXT_ARG);
	case SYS_nanosleep:
		return shorten_sleep(w, &g[REG_RDI], g[REG_RSI]);
	case SYS_clock_nanosleep:
		return (g[REG_RSI] & TIMER_ABSTIME) || shorten_sleep(w, &g[REG_RDX], g[REG_R10]);
	case SYS_read:
	case SYS_readv:
	case SYS_recvfrom:
	case SYS_recvmsg:
	case SYS_recvmmsg:
	case SYS_accept:
	case SYS_accept4:
	case SYS_sendmmsg:
	case SYS_sendto:
		/* Not restarted by the kernel and outside a scope: a socket has a time-out that we did
		 * not know of (preload/socket).  From now on we do; this one call waits anew. */
		socket_learn();
		return true;
	case SYS_futex:
		return (g[REG_RSI] & FUTEX_CMD_MASK) != FUTEX_WAIT || shorten_ts(w, &g[REG_R10]);
	}
	return false;
}

/* The system call is set back to its instruction: false when that cannot be done. */
static bool rewind_call(greg_t *g, struct wait *w)
{
	int nr = number_before((const unsigned char *)g[REG_RIP]);

	if (w && w->nr < 0)
		return false;
	if (nr < 0 && w)
		nr = w->nr;
	if (nr < 0 || !shorten(nr, g, w))
		return false;
	g[REG_RAX] = nr;
	g[REG_RIP] -= 2;
	return true;
}

/* Calls whose restart depends on SA_RESTART.  Others are always restarted (ERESTARTNOINTR: fork, the
 * lock of a priority-inheriting mutex, which takes any other answer for success) and must not learn of
 * EINTR. */
static bool may_interrupt(const greg_t *g)
{
	int command;

	switch (g[REG_RAX]) {
	case SYS_read:
	case SYS_readv:
	case SYS_write:
	case SYS_writev:
	case SYS_recvfrom:
	case SYS_recvmsg:
	case SYS_recvmmsg:
	case SYS_sendto:
	case SYS_sendmsg:
	case SYS_sendmmsg:
	case SYS_accept:
	case SYS_accept4:
	case SYS_connect:
	case SYS_wait4:
	case SYS_waitid:
	case SYS_flock:
	case SYS_open:
	case SYS_openat:
	case SYS_mq_timedsend:
	case SYS_mq_timedreceive:
	case SYS_getrandom:
	case SYS_splice:
	case SYS_tee:
	case SYS_vmsplice:
	case SYS_sendfile:
	case SYS_preadv2: /* of a pipe or a socket, without an offset */
	case SYS_pwritev2:
		return true;
	case SYS_fcntl:
		return g[REG_RSI] == F_SETLKW || g[REG_RSI] == F_OFD_SETLKW;
	case SYS_futex:
		command = (int)(g[REG_RSI] & FUTEX_CMD_MASK);
		return command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET;
	}
	return false;
}

static void interrupt_call(greg_t *g)
{
	if (!is_restarted(g) || !may_interrupt(g))
		return;
	g[REG_RAX] = -EINTR;
	g[REG_RIP] += 2;
}

void resume_call(void *context)
{
	ucontext_t *c = context;
	greg_t *g = c->uc_mcontext.gregs;
	bool restarts;

	if (is_restarted(g)) {
		if (host_signal_waits(c, &restarts) && !restarts)
			interrupt_call(g);
		return;
	}
	if (!has_returned(g))
		return;
	/* In a scope also when it has returned something else: a part of what was to be sent. */
	struct wait_scope *scope = &blocked_thread.scope;
	bool scoped = (uintptr_t)scope->wait - (uintptr_t)g[REG_RSP] < WAIT_REACH &&
		      wait_is_live(scope->wait);
	bool interrupted = g[REG_RAX] == -EINTR, rewound;
	gregset_t again;

	memcpy(again, g, sizeof again);
	rewound = interrupted && rewind_call(again, scoped ? scope->wait : NULL);
	if (!rewound &&
	    (!scoped || (!interrupted && (g[REG_RAX] <= 0 || scope->wait->nr != WAIT_WHOLE))))
		return;
	/* Asked last: what comes behind this, and before the call is made again, does not interrupt it. */
	if (host_signal_waits(c, &restarts))
		return;
	if (rewound) {
		memcpy(g, again, sizeof again);
	} else {
		scope->error = errno;
		scope->again = true;
	}
}

bool resume_is_in_call(const void *context)
{
	const greg_t *g = ((const ucontext_t *)context)->uc_mcontext.gregs;

	return is_restarted(g) || has_returned(g);
}

void resume_interrupted(void *context)
{
	interrupt_call(((ucontext_t *)context)->uc_mcontext.gregs);
}
