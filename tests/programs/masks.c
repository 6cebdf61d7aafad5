/* SPDX-License-Identifier: MIT */
/*
 * RUN:    masks MODE | masks list
 * EXPECT: prints what a program sees of signal masks and actions, of SIGPROF and SIGUSR2 in
 * particular: the same facts with and without us.  Modes that need a profile print the CPU time
 * that it must hold.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
extern sighandler_t bsd_signal(int, sighandler_t);
extern sighandler_t __sysv_signal(int, sighandler_t);
extern int __xpg_sigpause(int);

extern char **environ;
static const int both[] = {SIGPROF, SIGUSR2};
static volatile int count, depth, deepest;
static volatile uint64_t mask_inside;
static siginfo_t last;
static volatile uintptr_t stack_inside;
static volatile int alt_flags;

static int64_t cpu_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

__attribute__((noinline)) static void burn(long ms)
{
	volatile unsigned long sink = 0;

	for (int64_t end = cpu_ns(CLOCK_THREAD_CPUTIME_ID) + ms * 1000000;
	     cpu_ns(CLOCK_THREAD_CPUTIME_ID) < end;)
		for (int i = 0; i < 2000; i++)
			sink += (unsigned long)i;
}

static uint64_t bits(const sigset_t *set)
{
	uint64_t b;

	memcpy(&b, set, sizeof b);
	return b;
}

static sigset_t set_of(uint64_t b)
{
	sigset_t s;

	sigemptyset(&s);
	memcpy(&s, &b, sizeof b);
	return s;
}

static uint64_t bit(int signo)
{
	return UINT64_C(1) << (signo - 1);
}

static uint64_t mask_now(void)
{
	sigset_t s;

	sigprocmask(SIG_BLOCK, NULL, &s);
	return bits(&s);
}

static uint64_t pending_now(void)
{
	sigset_t s;

	sigpending(&s);
	return bits(&s);
}

static void set_mask(int how, uint64_t b)
{
	sigset_t s = set_of(b);

	sigprocmask(how, &s, NULL);
}

static void on_signal(int signo)
{
	int mark;

	count++;
	depth++;
	if (depth > deepest)
		deepest = depth;
	mask_inside = mask_now();
	stack_inside = (uintptr_t)&mark;
	last.si_signo = signo;
	depth--;
}

static void on_info(int signo, siginfo_t *info, void *context)
{
	stack_t alt;

	on_signal(signo);
	last = *info;
	sigaltstack(NULL, &alt);
	alt_flags = alt.ss_flags;
	if (!context)
		abort();
}

static void on_nested(int signo)
{
	on_signal(signo);
	depth++;
	if (count < 2)
		raise(signo);
	depth--;
}

static void action(int signo, void (*handler)(int), int flags, uint64_t mask)
{
	struct sigaction act = {.sa_handler = handler, .sa_flags = flags, .sa_mask = set_of(mask)};

	if (flags & SA_SIGINFO)
		act.sa_sigaction = on_info;
	if (sigaction(signo, &act, NULL))
		puts("sigaction failed");
	count = deepest = 0;
}

static const char *name_of(void (*handler)(int))
{
	return handler == SIG_DFL	    ? "default"
	       : handler == SIG_IGN	    ? "ignored"
	       : handler == SIG_ERR	    ? "error"
	       : handler == SIG_HOLD	    ? "hold"
	       : handler == on_signal	    ? "on_signal"
	       : handler == on_nested	    ? "on_nested"
	       : (void *)handler == on_info ? "on_info"
					    : "unknown";
}

static void show_action(const char *when, int signo)
{
	struct sigaction act;

	memset(&act, 0xee, sizeof act);
	sigaction(signo, NULL, &act);
	printf("%s %d: %s flags %x mask %lx\n", when, signo, name_of(act.sa_handler),
	       (unsigned)act.sa_flags, (unsigned long)bits(&act.sa_mask));
}

/* ---- masks ---- */

static void *read_back(void *unused)
{
	static const uint64_t sets[] = {0, UINT64_C(1) << 26, ~UINT64_C(0), UINT64_C(1) << 11,
					(UINT64_C(1) << 26) | 2};
	static const int hows[] = {SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK};
	sigset_t full, old, s, *volatile same;
	int r;

	sigfillset(&full);
	printf("inherited %lx\n", (unsigned long)mask_now());
	for (int posix = 0; posix < 2; posix++)
		for (int h = 0; h < 3; h++)
			for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
				int (*call)(int, const sigset_t *, sigset_t *) =
					posix ? pthread_sigmask : sigprocmask;

				s = set_of(sets[i]);
				r = call(hows[h], &s, &old);
				printf("%d %d %zu: %d old %lx now %lx\n", posix, h, i, r,
				       (unsigned long)bits(&old), (unsigned long)mask_now());
				burn(12);
				printf("later %lx pending %lx\n", (unsigned long)mask_now(),
				       (unsigned long)pending_now());
			}
	/* One object for both. */
	same = &full;
	sigprocmask(SIG_SETMASK, &full, same);
	printf("full %lx\n", (unsigned long)bits(&full));
	sigfillset(&s);
	same = &s;
	sigprocmask(SIG_SETMASK, &s, same);
	printf("same %lx\n", (unsigned long)bits(&s));
	s = set_of(0);
	printf("bad how %d", sigprocmask(77, &s, NULL));
	printf(" %d", errno);
	printf(" %d\n", pthread_sigmask(77, &s, NULL));
	return unused;
}

static void mode_read_back(void)
{
	pthread_t thread;

	read_back(NULL);
	set_mask(SIG_SETMASK, ~UINT64_C(0));
	pthread_create(&thread, NULL, read_back, NULL);
	pthread_join(thread, NULL);
	set_mask(SIG_SETMASK, bit(SIGPROF));
	pthread_create(&thread, NULL, read_back, NULL);
	pthread_join(thread, NULL);
	printf("mine %lx\n", (unsigned long)mask_now());
	if (!fork()) {
		printf("child %lx\n", (unsigned long)mask_now());
		exit(0);
	}
	wait(NULL);
}

/* A mask that a thread gets by its attributes. */
static void *show_mask(void *unused)
{
	printf("thread %lx\n", (unsigned long)mask_now());
	return unused;
}

static void mode_attributes(void)
{
	static const uint64_t sets[] = {0, UINT64_C(1) << 26, ~UINT64_C(0)};

	for (int i = 0; i < 3; i++) {
		sigset_t s = set_of(sets[i]);
		pthread_attr_t attr;
		pthread_t thread;

		pthread_attr_init(&attr);
		pthread_attr_setsigmask_np(&attr, &s);
		pthread_create(&thread, &attr, show_mask, NULL);
		pthread_join(thread, NULL);
	}
}

__attribute__((noinline)) static void *blocked_work(void *unused)
{
	set_mask(SIG_SETMASK, ~UINT64_C(0));
	burn(500);
	return unused;
}

/* Prints the CPU time of a worker that has blocked everything. */
static void mode_blocked_worker(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, blocked_work, NULL);
	pthread_join(thread, NULL);
	printf("%ld\n", (long)cpu_ns(CLOCK_PROCESS_CPUTIME_ID));
}

static void *burn_500(void *unused)
{
	burn(500);
	return unused;
}

static void alarm_in(long ms)
{
	struct itimerval in = {.it_value.tv_usec = ms * 1000};

	setitimer(ITIMER_REAL, &in, NULL);
}

/* Everything is waited for, while threads have their ticks. */
static void mode_wait_for_all(void)
{
	sigset_t all = set_of(~UINT64_C(0));
	struct timespec half = {0, 300000000}, none = {0, 0};
	struct signalfd_siginfo info = {0};
	struct pollfd p;
	siginfo_t got;
	pthread_t thread[2];
	int r, signo = 0;

	set_mask(SIG_SETMASK, ~UINT64_C(0));
	for (int i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, burn_500, NULL);
	burn(60);
	printf("pending %lx\n", (unsigned long)pending_now());
	r = sigtimedwait(&all, &got, &none);
	printf("sigtimedwait none %d %s\n", r, r < 0 ? strerrorname_np(errno) : "");
	r = sigtimedwait(&all, &got, &half);
	printf("sigtimedwait %d %s\n", r, r < 0 ? strerrorname_np(errno) : "");
	burn(30);
	alarm_in(200);
	r = sigwait(&all, &signo);
	printf("sigwait %d %d\n", r, signo);
	burn(30);
	alarm_in(200);
	r = sigwaitinfo(&all, &got);
	printf("sigwaitinfo %d code %d\n", r, got.si_code);
	burn(30);
	p = (struct pollfd){.fd = signalfd(-1, &all, 0), .events = POLLIN};
	r = poll(&p, 1, 300);
	printf("signalfd %d\n", r);
	burn(30);
	alarm_in(200);
	r = (int)read(p.fd, &info, sizeof info);
	printf("signalfd %d signo %u\n", r, info.ssi_signo);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	kill(getpid(), SIGPROF);
	printf("own pending %lx\n", (unsigned long)pending_now());
	printf("own %d\n", sigtimedwait(&all, &got, &none));
	sigqueue(getpid(), SIGPROF, (union sigval){.sival_int = 5});
	r = sigwaitinfo(&all, &got);
	printf("own %d code %d value %d pid %d\n", r, got.si_code, got.si_value.sival_int,
	       got.si_pid == getpid());
}

/* ---- actions ---- */

typedef sighandler_t installer(int, sighandler_t);

static void report_death(const char *what, pid_t pid)
{
	int status;

	waitpid(pid, &status, 0);
	printf("%s: exit %d signal %d\n", what, WIFEXITED(status) ? WEXITSTATUS(status) : -1,
	       WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static void mode_installers(void)
{
	static const struct {
		const char *name;
		installer *install;
	} all[] = {{"signal", signal},	       {"sysv_signal", sysv_signal},
		   {"bsd_signal", bsd_signal}, {"ssignal", ssignal},
		   {"sigset", sigset},	       {"__sysv_signal", __sysv_signal}};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		for (int b = 0; b < 2; b++) {
			int signo = both[b];
			pid_t pid;

			printf("%s was %s\n", all[i].name,
			       name_of(all[i].install(signo, on_signal)));
			show_action("set", signo);
			count = 0;
			burn(40);
			printf("ticks %d\n", count);
			raise(signo);
			printf("count %d inside %lx\n", count, (unsigned long)mask_inside);
			show_action("after", signo);
			fflush(stdout);
			/* Not where the default action is left, which under us is never that of
			 * the kernel. */
			pid = strstr(all[i].name, "sysv") ? -1 : fork();
			if (!pid) {
				raise(signo);
				_exit(count);
			}
			if (pid > 0)
				report_death("again", pid);
			printf("now %s\n", name_of(all[i].install(signo, SIG_IGN)));
			raise(signo);
			printf("then %s", name_of(all[i].install(signo, SIG_DFL)));
			printf(" bad %s %d\n", name_of(all[i].install(signo, SIG_ERR)), errno);
			show_action("default", signo);
		}
}

static void mode_read_actions(void)
{
	static const int flags[] = {0,
				    SA_RESTART,
				    SA_SIGINFO,
				    SA_ONSTACK | SA_NODEFER,
				    SA_RESETHAND,
				    SA_NOCLDSTOP | SA_SIGINFO | SA_RESTART};

	for (int b = 0; b < 2; b++) {
		show_action("first", both[b]);
		for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
			struct sigaction act = {.sa_handler = on_signal,
						.sa_flags = flags[i],
						.sa_mask = set_of(i % 2 ? ~UINT64_C(0) : i * 37)},
					 old;

			if (flags[i] & SA_SIGINFO)
				act.sa_sigaction = on_info;
			sigaction(both[b], &act, &old);
			printf("old %s flags %x mask %lx\n", name_of(old.sa_handler),
			       (unsigned)old.sa_flags, (unsigned long)bits(&old.sa_mask));
			show_action("new", both[b]);
			burn(20);
		}
	}
	printf("bad %d", sigaction(0, NULL, NULL));
	printf(" %d", sigaction(65, NULL, NULL));
	printf(" %d\n", sigaction(SIGKILL, &(struct sigaction){.sa_handler = SIG_IGN}, NULL));
}

static void mode_flags(void)
{
	for (int b = 0; b < 2; b++) {
		int signo = both[b];

		action(signo, on_signal, SA_RESETHAND, 0);
		burn(40);
		raise(signo);
		printf("%d once %d inside %lx\n", signo, count, (unsigned long)mask_inside);
		show_action("reset", signo);
		action(signo, on_nested, SA_NODEFER, 0);
		burn(40);
		raise(signo);
		printf("nested %d deepest %d inside %lx\n", count, deepest,
		       (unsigned long)mask_inside);
		action(signo, on_nested, 0, 0);
		raise(signo);
		printf("deferred %d deepest %d inside %lx\n", count, deepest,
		       (unsigned long)mask_inside);
		action(signo, on_signal, 0, bit(SIGUSR1) | bit(SIGPROF));
		raise(signo);
		printf("masked inside %lx after %lx\n", (unsigned long)mask_inside,
		       (unsigned long)mask_now());
		action(signo, on_signal, 0, ~UINT64_C(0));
		raise(signo);
		printf("full inside %lx after %lx\n", (unsigned long)mask_inside,
		       (unsigned long)mask_now());
		action(signo, NULL, SA_SIGINFO, 0);
		raise(signo);
		printf("info %d signo %d code %d pid %d\n", count, last.si_signo, last.si_code,
		       last.si_pid == getpid());
		action(signo, SIG_IGN, 0, 0);
		raise(signo);
		burn(30);
		set_mask(SIG_BLOCK, bit(signo));
		raise(signo);
		printf("ignored and blocked: pending %lx\n", (unsigned long)pending_now());
		action(signo, SIG_IGN, 0, 0);
		printf("ignored again: pending %lx\n", (unsigned long)pending_now());
		set_mask(SIG_UNBLOCK, bit(signo));
		puts("alive");
	}
}

/* ---- the host's own ---- */

static void show_last(const char *how)
{
	printf("%s: count %d signo %d code %d value %d pid %d\n", how, count, last.si_signo,
	       last.si_code, last.si_code == SI_QUEUE ? last.si_value.sival_int : 0,
	       last.si_pid == getpid());
	count = 0;
}

static void mode_senders(void)
{
	for (int b = 0; b < 2; b++) {
		int signo = both[b];
		siginfo_t info = {.si_signo = signo, .si_code = -60};

		action(signo, NULL, SA_SIGINFO, 0);
		burn(50);
		kill(getpid(), signo);
		show_last("kill");
		sigqueue(getpid(), signo, (union sigval){.sival_int = 99});
		show_last("sigqueue");
		raise(signo);
		show_last("raise");
		pthread_kill(pthread_self(), signo);
		show_last("pthread_kill");
		pthread_sigqueue(pthread_self(), signo, (union sigval){.sival_int = 98});
		show_last("pthread_sigqueue");
		syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), signo, &info);
		show_last("own code");
		burn(50);
		show_last("nothing more");
	}
}

static volatile int wrong_code, overruns;
static timer_t timer;

static void on_itimer(int signo, siginfo_t *info, void *context)
{
	(void)context;
	count++;
	wrong_code += signo != SIGPROF || info->si_code != SI_KERNEL;
}

static void on_timer(int signo, siginfo_t *info, void *context)
{
	(void)context;
	count++;
	overruns += info->si_overrun;
	wrong_code += signo != SIGPROF || info->si_code != SI_TIMER ||
		      info->si_value.sival_int != 123 || info->si_timerid != (int)(intptr_t)timer;
}

/* Works for 500 ms; did a signal come every 20 ms?  The kernel looks at CPU timers on its tick only, and a tick that finds
 * us waiting for a processor does not count: on a busy machine there are fewer, in half a second even none. */
static bool about_25_come(void)
{
	int64_t wall, cpu;
	int n, tries = 0;

	do {
		count = overruns = 0;
		wall = cpu_ns(CLOCK_MONOTONIC);
		cpu = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
		burn(500);
		wall = cpu_ns(CLOCK_MONOTONIC) - wall;
		cpu = cpu_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
		n = count + overruns;
	} while (wall - cpu > cpu / 20 && ++tries < 4);
	/* What came late in one try counts in the next. */
	return tries == 4 || (n >= 22 && n <= (tries ? 45 : 28));
}

static void mode_timers(void)
{
	bool about;
	struct itimerval every = {{0, 20000}, {0, 20000}}, none = {0}, now;
	struct itimerspec fast = {{0, 20000000}, {0, 20000000}};
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGPROF, .sigev_value.sival_int = 123};
	struct sigaction act = {.sa_sigaction = on_itimer, .sa_flags = SA_SIGINFO | SA_RESTART};

	sigaction(SIGPROF, &act, NULL);
	setitimer(ITIMER_PROF, &every, NULL);
	about = about_25_come();
	getitimer(ITIMER_PROF, &now);
	setitimer(ITIMER_PROF, &none, NULL);
	printf("itimer every %ld: about 25 %d wrong %d\n", (long)now.it_interval.tv_usec, about,
	       wrong_code);
	act.sa_sigaction = on_timer;
	sigaction(SIGPROF, &act, NULL);
	timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer);
	timer_settime(timer, 0, &fast, NULL);
	about = about_25_come();
	timer_delete(timer);
	printf("timer: about 25 %d wrong %d\n", about, wrong_code);
	/* 1 ms of wall time, mostly overrun while it is blocked. */
	count = overruns = 0;
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	fast = (struct itimerspec){{0, 1000000}, {0, 1000000}};
	set_mask(SIG_BLOCK, bit(SIGPROF));
	timer_settime(timer, 0, &fast, NULL);
	burn(200);
	printf("blocked: count %d pending %lx\n", count, (unsigned long)pending_now());
	fast = (struct itimerspec){{0, 0}, {0, 0}};
	set_mask(SIG_UNBLOCK, bit(SIGPROF));
	timer_settime(timer, 0, &fast, NULL);
	printf("unblocked: all %d wrong %d\n", count + overruns >= 190, wrong_code);
	timer_delete(timer);
}

static void mode_blocked(void)
{
	struct timespec none = {0, 0};
	siginfo_t info;

	for (int b = 0; b < 2; b++) {
		int signo = both[b], got = 0;
		sigset_t s = set_of(bit(signo));

		action(signo, NULL, SA_SIGINFO, 0);
		set_mask(SIG_BLOCK, bit(signo));
		burn(60);
		printf("%d pending %lx\n", signo, (unsigned long)pending_now());
		kill(getpid(), signo);
		burn(30);
		printf("sent: count %d pending %lx\n", count, (unsigned long)pending_now());
		set_mask(SIG_UNBLOCK, bit(signo));
		printf("unblocked: count %d pending %lx\n", count, (unsigned long)pending_now());
		show_last("kill");
		set_mask(SIG_BLOCK, bit(signo));
		sigqueue(getpid(), signo, (union sigval){.sival_int = 4});
		burn(30);
		sigwait(&s, &got);
		printf("sigwait %d count %d pending %lx\n", got, count,
		       (unsigned long)pending_now());
		pthread_sigqueue(pthread_self(), signo, (union sigval){.sival_int = 8});
		burn(30);
		got = sigwaitinfo(&s, &info);
		printf("sigwaitinfo %d value %d code %d\n", got, info.si_value.sival_int,
		       info.si_code);
		got = sigtimedwait(&s, &info, &none);
		printf("sigtimedwait %d count %d\n", got, count);
		kill(getpid(), signo);
		s = set_of(mask_now() & ~bit(signo));
		sigsuspend(&s);
		show_last("sigsuspend");
		kill(getpid(), signo);
		poll(NULL, 0, 10);
		printf("poll: count %d\n", count);
		ppoll(NULL, 0, &(struct timespec){0, 10000000}, &s);
		show_last("ppoll");
		/* One more than there is room for. */
		kill(getpid(), signo);
		kill(getpid(), signo);
		set_mask(SIG_UNBLOCK, bit(signo));
		show_last("twice");
	}
}

/* ---- System V and BSD ---- */

static void show_state(const char *what, int signo)
{
	printf("%s: mask %lx ", what, (unsigned long)mask_now());
	show_action("", signo);
}

static void mode_old_calls(void)
{
	for (int b = 0; b < 2; b++) {
		int signo = both[b];

		printf("hold was %s\n", name_of(sigset(signo, SIG_HOLD)));
		show_state("hold", signo);
		printf("set was %s\n", name_of(sigset(signo, on_signal)));
		show_state("set", signo);
		count = 0;
		printf("sighold %d\n", sighold(signo));
		burn(30);
		raise(signo);
		printf("held: count %d pending %lx\n", count, (unsigned long)pending_now());
		show_state("held", signo);
		printf("sigrelse %d count %d\n", sigrelse(signo), count);
		printf("released: count %d\n", count);
		sighold(signo);
		raise(signo);
		printf("sigpause %d", __xpg_sigpause(signo));
		printf(" %s count %d\n", strerrorname_np(errno), count);
		show_state("paused", signo);
		sigrelse(signo);
		printf("siginterrupt %d\n", siginterrupt(signo, 1));
		show_state("interrupting", signo);
		printf("siginterrupt %d\n", siginterrupt(signo, 0));
		show_state("restarting", signo);
		signal(signo, on_signal);
		show_state("signal", signo);
		siginterrupt(signo, 1);
		signal(signo, on_signal);
		show_state("signal after siginterrupt", signo);
		siginterrupt(signo, 0);
		printf("sigignore %d\n", sigignore(signo));
		raise(signo);
		show_state("ignored", signo);
		printf("sigblock %x\n", (unsigned)sigblock((int)(bit(signo) | bit(SIGHUP))));
		show_state("blocked", signo);
		printf("sigsetmask %x\n", (unsigned)sigsetmask((int)bit(signo)));
		show_state("set mask", signo);
		printf("sigsetmask %x\n", (unsigned)sigsetmask(0));
		show_state("none", signo);
		signal(signo, SIG_DFL);
	}
}

/* ---- exec ---- */

static void mode_status(void)
{
	char line[256];
	unsigned long b;
	FILE *f = fopen("/proc/self/status", "r");

	while (fgets(line, sizeof line, f))
		if (sscanf(line, "SigIgn: %lx", &b) == 1 || sscanf(line, "SigBlk: %lx", &b) == 1 ||
		    sscanf(line, "SigPnd: %lx", &b) == 1 || sscanf(line, "ShdPnd: %lx", &b) == 1)
			printf("%.6s usr2 %lu prof %lu\n", line, b >> 11 & 1, b >> 26 & 1);
}

static void exec_status(void)
{
	char *argv[] = {"masks", "status", NULL};

	execv("/proc/self/exe", argv);
	_exit(9);
}

static void mode_exec(void)
{
	unsetenv("LD_PRELOAD");
	for (int state = 0; state < 6; state++) {
		char *argv[] = {"masks", "status", NULL};
		posix_spawnattr_t attr;
		sigset_t s = set_of(bit(SIGPROF));
		pid_t pid;

		signal(SIGUSR2, state & 1 ? SIG_IGN : SIG_DFL);
		signal(SIGPROF, state & 2 ? SIG_IGN : SIG_DFL);
		set_mask(SIG_SETMASK, state >= 4 ? bit(SIGPROF) | bit(SIGUSR2) : 0);
		burn(20);
		printf("state %d fork\n", state);
		fflush(stdout);
		pid = fork();
		if (!pid) {
			burn(20);
			exec_status();
		}
		waitpid(pid, NULL, 0);
		printf("vfork\n");
		fflush(stdout);
		pid = vfork();
		if (!pid) {
			execv("/proc/self/exe", argv);
			_exit(9);
		}
		waitpid(pid, NULL, 0);
		printf("spawn\n");
		fflush(stdout);
		posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ);
		waitpid(pid, NULL, 0);
		printf("spawn with a mask\n");
		fflush(stdout);
		posix_spawnattr_init(&attr);
		posix_spawnattr_setsigmask(&attr, &s);
		posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
		posix_spawn(&pid, "/proc/self/exe", NULL, &attr, argv, environ);
		waitpid(pid, NULL, 0);
		if (state & 3)
			continue; /* inside libc no wrapper of ours makes the ignored signal real */
		printf("system\n");
		fflush(stdout);
		if (system("grep -E '^Sig(Ign|Blk)' /proc/self/status") < 0)
			puts("failed");
	}
	/* Both at last: ignored and blocked, one of it pending. */
	signal(SIGPROF, SIG_IGN);
	set_mask(SIG_SETMASK, bit(SIGPROF));
	raise(SIGPROF);
	puts("direct");
	fflush(stdout);
	exec_status();
}

/* ---- what a handler does to a call, and where it runs ---- */

static void send_soon(int signo, int fd)
{
	if (fork())
		return;
	poll(NULL, 0, 100);
	kill(getppid(), signo);
	poll(NULL, 0, 200);
	_exit(write(fd, "x", 1) != 1);
}

static void mode_interrupts(void)
{
	for (int b = 0; b < 2; b++)
		for (int how = 0; how < 5; how++) {
			int signo = both[b], p[2];
			char c;
			long r;

			if (pipe(p))
				exit(2);
			action(signo, on_signal, how == 1 ? SA_RESTART : 0, 0);
			if (how >= 2)
				siginterrupt(signo, how == 2);
			if (how == 4)
				sigset(signo, on_signal);
			send_soon(signo, p[1]);
			errno = 0;
			r = read(p[0], &c, 1);
			printf("%d how %d: read %ld %s count %d\n", signo, how, r,
			       strerrorname_np(errno), count);
			wait(NULL);
			send_soon(signo, p[1]);
			errno = 0;
			r = poll(NULL, 0, 250);
			printf("poll %ld %s count %d\n", r, strerrorname_np(errno), count);
			wait(NULL);
			close(p[0]);
			close(p[1]);
		}
}

static void mode_stacks(void)
{
	static char area[65536];
	stack_t alt = {.ss_sp = area, .ss_size = sizeof area};

	sigaltstack(&alt, NULL);
	for (int b = 0; b < 2; b++)
		for (int i = 0; i < 4; i++) {
			int flags = (i & 1 ? SA_ONSTACK : 0) | (i & 2 ? SA_SIGINFO : 0);

			action(both[b], on_signal, flags, 0);
			alt_flags = -1;
			burn(30);
			raise(both[b]);
			printf("%d %x: alternate %d flags %d\n", both[b], (unsigned)flags,
			       stack_inside >= (uintptr_t)area &&
				       stack_inside < (uintptr_t)area + sizeof area,
			       alt_flags);
		}
	sigaltstack(NULL, &alt);
	printf("after %d %zu\n", alt.ss_flags, alt.ss_size);
}

static const struct {
	const char *name;
	void (*run)(void);
} modes[] = {
	{"read_back", mode_read_back},
	{"attributes", mode_attributes},
	{"wait_for_all", mode_wait_for_all},
	{"installers", mode_installers},
	{"read_actions", mode_read_actions},
	{"flags", mode_flags},
	{"senders", mode_senders},
	{"timers", mode_timers},
	{"blocked", mode_blocked},
	{"old_calls", mode_old_calls},
	{"exec", mode_exec},
	{"interrupts", mode_interrupts},
	{"stacks", mode_stacks},
	{"blocked_worker", mode_blocked_worker},
	{"status", mode_status},
};

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
		/* The last two are for others. */
		if (!strcmp(name, "list") && i + 2 < sizeof modes / sizeof modes[0])
			puts(modes[i].name);
		if (!strcmp(name, modes[i].name)) {
			modes[i].run();
			return 0;
		}
	}
	return strcmp(name, "list") != 0;
}
