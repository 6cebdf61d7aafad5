/* SPDX-License-Identifier: MIT */
#include "preload/dumper.h"

#include <errno.h>
#include <linux/close_range.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "core/control.h"
#include "core/sys.h"
#include "preload/host.h"

#include "core/as_safe.h"

#define STACK_BYTES (512u << 10) /* export.h asks for 64 KiB and the demangler's alloca */
#define FAULT_BYTES 8192u	 /* of it, below, for the handler of faults: a stack may overflow */
#define GUARD_BYTES 4096u
#define PIDS	    8u
#define FAULT_CODE  3

/* 0: free; else the pid, which the kernel writes before the dumper's first instruction. */
static _Atomic int pids[PIDS];
static _Atomic int unreaped; /* how many of them are not 0 */
static char
	*stack; /* guard, stack of faults, guard, stack; the dumping thread's; kept for the next */

/* What a thread pointer must point to: itself (by glibc's layout at 0 and 16), and the canary of code
 * that is compiled with a stack protector, the vendored archives.  The room below is where
 * thread-local variables would be. */
static struct {
	uint64_t below[256];
	uint64_t tcb[16];
} tls __attribute__((aligned(64)));

static char *stack_top(void)
{
	char *p;

	if (stack)
		return stack + STACK_BYTES;
	p = sys_mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (sys_failed(p))
		return NULL;
	(void)SYS_CALL(SYS_mprotect, p, GUARD_BYTES, PROT_NONE, 0, 0, 0);
	(void)SYS_CALL(SYS_mprotect, p + GUARD_BYTES + FAULT_BYTES, GUARD_BYTES, PROT_NONE, 0, 0,
		       0);
	/* A child would copy it in the middle of a dump. */
	(void)sys_madvise(p, STACK_BYTES, MADV_DONTFORK);
	stack = p;
	return stack + STACK_BYTES;
}

/* ---- inside the dumper ---- */

__attribute__((noreturn)) static void leave_with(int code)
{
	for (;;)
		(void)SYS_CALL(SYS_exit_group, code, 0, 0, 0, 0, 0);
}

static void on_fault(int signo)
{
	(void)signo;
	leave_with(FAULT_CODE);
}

static void no_return(void)
{
}

/* A blocked signal of a fault ends a process with a core, and before Linux 5.16 with all that share its
 * memory. */
static void survive_faults(void)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT};
	const struct sys_action act = {(void *)on_fault, SA_ONSTACK | SYS_SA_RESTORER,
				       (void *)no_return, 0};
	const stack_t alternate = {.ss_sp = stack + GUARD_BYTES, .ss_size = FAULT_BYTES};
	/* 1: neither a file nor a pipe to a core handler, see core(5) and do_coredump(). */
	const struct rlimit no_core = {1, 1};
	uint64_t mask = ~UINT64_C(0);

	(void)SYS_CALL(SYS_prlimit64, 0, RLIMIT_CORE, &no_core, NULL, 0, 0);
	(void)SYS_CALL(SYS_sigaltstack, &alternate, NULL, 0, 0, 0, 0);
	for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++) {
		(void)sys_sigaction(faults[i], &act, NULL);
		mask &= ~(UINT64_C(1) << (faults[i] - 1));
	}
	(void)sys_sigmask(SIG_SETMASK, &mask, NULL);
}

/* A dump takes tens of milliseconds: not at the priority of a real-time thread, and not before our
 * parent, from which a new process may take the processor for a slice of 3 ms: it is in its handler.
 * SCHED_BATCH preempts nobody when it wakes. */
static void step_back(void)
{
	const struct timespec moment = {0, 50000};
	const struct sched_param none = {0};

	if (SYS_CALL(SYS_sched_getscheduler, 0, 0, 0, 0, 0, 0) != SCHED_IDLE)
		(void)SYS_CALL(SYS_sched_setscheduler, 0, SCHED_BATCH, &none, 0, 0, 0);
	(void)SYS_CALL(SYS_nanosleep, &moment, NULL, 0, 0, 0, 0);
}

static void begin(void (*run)(void))
{
	step_back();
	(void)SYS_CALL(SYS_prctl, PR_SET_NAME, "cprof-dump", 0, 0, 0, 0);
	survive_faults();
	run();
	leave_with(0);
}

int dumper_detach(void)
{
	return (int)SYS_CALL(SYS_close_range, 0, ~0u, CLOSE_RANGE_UNSHARE, 0, 0, 0);
}

void dumper_tell_host(int control)
{
	siginfo_t info;
	long parent = SYS_CALL(SYS_getppid, 0, 0, 0, 0, 0, 0);

	/* It has ended, or is another program by now. */
	if (parent != host.pid || atomic_load_explicit(&host.leaving, memory_order_acquire))
		return;
	memset(&info, 0, sizeof info);
	info.si_code = SI_QUEUE;
	info.si_value.sival_ptr = (void *)CONTROL_VALUE(control);
	(void)SYS_CALL(SYS_rt_sigqueueinfo, parent, SIGPROF, &info, 0, 0, 0);
}

__attribute__((noinline)) void dumper_leave(_Atomic int *word, int is, int becomes)
{
	/* From the store on the stack belongs to the next dumper, so nothing here touches it. */
	__asm__ volatile("lock cmpxchgl %2, (%1)\n\t"
			 "jne 1f\n\t"
			 "xorl %%edi, %%edi\n"
			 "0:\tmovl %3, %%eax\n\t"
			 "syscall\n\t"
			 "jmp 0b\n"
			 "1:"
			 : "+a"(is)
			 : "r"(word), "r"(becomes), "i"(SYS_exit_group)
			 : "rdi", "rcx", "r11", "memory", "cc");
}

/* ---- in the host ---- */

static long clone_onto(char *top, _Atomic int *pid, void (*run)(void))
{
	const long flags = CLONE_VM | CLONE_FILES | CLONE_SETTLS | CLONE_UNTRACED |
			   CLONE_PARENT_SETTID; /* and exit signal 0 */
	register long r10 __asm__("r10") = 0;
	register void *r8 __asm__("r8") = tls.tcb;
	long ret;

	/* The child begins on the other stack with the same registers. */
	__asm__ volatile("syscall\n\t"
			 "testq %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xorl %%ebp, %%ebp\n\t"
			 "movq %[run], %%rdi\n\t"
			 "call *%[begin]\n\t"
			 "hlt\n"
			 "1:"
			 : "=a"(ret)
			 : "a"(SYS_clone), "D"(flags), "S"(top), "d"(pid), "r"(r10),
			   "r"(r8), [run] "b"(run), [begin] "r"(begin)
			 : "rcx", "r11", "memory", "cc");
	return ret;
}

/* Once, for what was inherited; each time in a process that has changed one itself, since that is of one thread. */
enum { ASK_NEVER, ASK_ONCE, ASK_ALWAYS };
static _Atomic int ask_namespace = ASK_ONCE;

void dumper_namespaces_change(void)
{
	atomic_store_explicit(&ask_namespace, ASK_ALWAYS, memory_order_relaxed);
}

/* After unshare(CLONE_NEWPID) the first child becomes init of the new namespace, and when it ends there
 * are no others: that must not be ours. */
static bool children_are_elsewhere(void)
{
	int ask = atomic_load_explicit(&ask_namespace, memory_order_relaxed);
	struct stat own, childrens;
	bool elsewhere;

	/* 20 us that the caller would be held. */
	if (ask == ASK_NEVER)
		return false;
	if (sys_fstatat(AT_FDCWD, "/proc/thread-self/ns/pid", &own, 0) < 0)
		elsewhere = ask == ASK_ALWAYS; /* no /proc */
	else /* the second is not there while the new namespace waits for its init */
		elsewhere = sys_fstatat(AT_FDCWD, "/proc/thread-self/ns/pid_for_children",
					&childrens, 0) < 0 ||
			    own.st_ino != childrens.st_ino;
	if (!elsewhere)
		(void)atomic_compare_exchange_strong_explicit(&ask_namespace, &(int){ASK_ONCE},
							      ASK_NEVER, memory_order_relaxed,
							      memory_order_relaxed);
	return elsewhere;
}

int dumper_start(void (*run)(void))
{
	char *top = stack_top();
	unsigned n = 0;
	long r;

	if (!top)
		return -ENOMEM;
	if (children_are_elsewhere())
		return -EPERM;
	while (n < PIDS && atomic_load_explicit(&pids[n], memory_order_relaxed))
		n++;
	if (n == PIDS)
		return -EBUSY;
	tls.tcb[0] = tls.tcb[2] = (uint64_t)tls.tcb;
	__asm__("movq %%fs:0x28, %0" : "=r"(tls.tcb[5])); /* the canary */
	__asm__("movq %%fs:0x30, %0" : "=r"(tls.tcb[6])); /* the pointer guard */
	atomic_fetch_add_explicit(&unreaped, 1, memory_order_relaxed);
	r = clone_onto(top, &pids[n], run);
	if (r < 0) {
		atomic_store_explicit(&pids[n], 0, memory_order_relaxed);
		atomic_fetch_sub_explicit(&unreaped, 1, memory_order_relaxed);
		return (int)r;
	}
	return 0;
}

bool dumper_in_place(void (*run)(void *), void *argument)
{
	/* rbx is kept by the callee, so it brings our own stack pointer back. */
	register char *sp __asm__("rbx") = stack_top();

	if (!sp)
		return false;
	__asm__ volatile("xchg %%rsp, %0\n\t"
			 "call *%1\n\t"
			 "mov %0, %%rsp"
			 : "+r"(sp), "+r"(run), "+D"(argument)
			 :
			 : "rax", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc",
			   "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
			   "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	return true;
}

void dumper_reap(void)
{
	for (unsigned n = 0; n < PIDS; n++) {
		int pid = atomic_load_explicit(&pids[n], memory_order_relaxed);

		if (pid <= 0)
			continue;
		long r = SYS_CALL(SYS_wait4, pid, NULL, WNOHANG | __WCLONE, NULL, 0, 0);

		/* ECHILD: somebody else has waited for it, with __WALL. */
		if ((r == pid || r == -ECHILD) &&
		    atomic_compare_exchange_strong_explicit(&pids[n], &pid, 0, memory_order_relaxed,
							    memory_order_relaxed))
			atomic_fetch_sub_explicit(&unreaped, 1, memory_order_relaxed);
	}
}

bool dumper_any(void)
{
	return atomic_load_explicit(&unreaped, memory_order_relaxed) > 0;
}

void dumper_after_fork(void)
{
	for (unsigned n = 0; n < PIDS; n++)
		atomic_store_explicit(&pids[n], 0, memory_order_relaxed);
	atomic_store_explicit(&unreaped, 0, memory_order_relaxed);
	stack = NULL;
	/* A child of fork may have been born elsewhere. */
	(void)atomic_compare_exchange_strong_explicit(&ask_namespace, &(int){ASK_NEVER}, ASK_ONCE,
						      memory_order_relaxed, memory_order_relaxed);
}
