/* SPDX-License-Identifier: MIT */
/*
 * RUN:    awkward MODE [ARG]
 * EXPECT: a host that does what few do and all may; each mode says what it prints.  Exits 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/control.h"

static volatile unsigned long sink;
static volatile int stop, ready;

static long clock_of(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000L + ts.tv_nsec;
}

/* Uses so much CPU time of the thread. */
__attribute__((noinline)) static void burn(long ms)
{
	long end = clock_of(CLOCK_THREAD_CPUTIME_ID) + ms * 1000000;

	while (clock_of(CLOCK_THREAD_CPUTIME_ID) < end)
		for (int i = 0; i < 2000; i++)
			sink += (unsigned long)i;
}

static void *burn_thread(void *ms)
{
	burn((long)ms);
	return NULL;
}

static void print_cpu(void)
{
	printf("%ld\n", clock_of(CLOCK_PROCESS_CPUTIME_ID));
}

/* Two threads that are to run at the same time stay on different processors. */
static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof set, &set);
}

static void spin(long us)
{
	for (long end = clock_of(CLOCK_MONOTONIC) + us * 1000; clock_of(CLOCK_MONOTONIC) < end;)
		;
}

static int descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* No descriptor from number ARG on: prints "alive". */
static void few_descriptors(long limit)
{
	struct rlimit none = {(rlim_t)limit, (rlim_t)limit};

	setrlimit(RLIMIT_NOFILE, &none);
	burn(50);
	raise(SIGUSR2);
	puts("alive");
}

/* stderr is a pipe that nobody holds: prints "alive". */
static void broken_pipe(void)
{
	int p[2];

	if (pipe(p) < 0)
		exit(2);
	dup2(p[1], 2);
	close(p[0]);
	close(p[1]);
	burn(50);
	raise(SIGUSR2);
	puts("alive");
}

/* stderr is a pipe that nobody reads, and it is full: prints "alive". */
static void full_pipe(void)
{
	char page[4096] = {0};
	int p[2];

	if (pipe(p) < 0)
		exit(2);
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	while (write(p[1], page, sizeof page) > 0)
		;
	fcntl(p[1], F_SETFL, 0);
	dup2(p[1], 2);
	burn(50);
	raise(SIGUSR2);
	puts("alive");
}

/* stderr is closed and its number goes to a data file, ARG, which must stay empty. */
static void reused_stderr(const char *path)
{
	close(2);
	if (open(path, O_RDWR | O_CREAT | O_TRUNC, 0600) != 2)
		exit(2);
	burn(50);
	raise(SIGUSR2);
}

static void *write_to_closed(void *count)
{
	run_on(1);
	while (!stop)
		for (int fd = 0; fd < 3; fd += 2)
			*(long *)count += write(fd, "GARBAGE ", 8) == 8;
	return NULL;
}

/* stdin and stderr are closed while a thread uses them all the time.  Prints how often it could. */
static void closed_low(void)
{
	pthread_t thread;
	long count = 0;

	close(0);
	close(2);
	run_on(0);
	burn(50);
	pthread_create(&thread, NULL, write_to_closed, &count);
	usleep(1000);
	for (int i = 0; i < 100; i++) {
		raise(SIGUSR2);
		usleep(2000);
	}
	stop = 1;
	pthread_join(thread, NULL);
	printf("%ld\n", count);
}

static void *dump_all_the_time(void *unused)
{
	while (!stop) {
		raise(SIGUSR2);
		usleep(300);
	}
	return unused;
}

/* Forks while another thread dumps.  Prints how many of 200 children have a descriptor more. */
static void fork_dumps(void)
{
	int had = descriptors(), more = 0, status;
	pthread_t thread;

	burn(50);
	pthread_create(&thread, NULL, dump_all_the_time, NULL);
	for (int i = 0; i < 200; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(descriptors() > had);
		waitpid(pid, &status, 0);
		more += status != 0;
		usleep(100);
	}
	stop = 1;
	pthread_join(thread, NULL);
	printf("%d\n", more);
}

static void *idle_thread(void *unused)
{
	pause();
	return unused;
}

static void *cancelled_anywhere(void *unused)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	run_on(1);
	ready = 1;
	raise(SIGUSR2);
	for (;;)
		sink++;
	return unused;
}

/* A thread with asynchronous cancellation is cancelled ARG us after it has asked for the process's
 * first dump: there is a file of the second one. */
static void cancel(long us)
{
	pthread_t thread;

	run_on(0);
	/* The first cancellation loads libgcc_s, which takes long. */
	pthread_create(&thread, NULL, idle_thread, NULL);
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	pthread_create(&thread, NULL, cancelled_anywhere, NULL);
	while (!ready)
		;
	spin(us);
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	raise(SIGUSR2);
}

static void *ask_soon(void *us)
{
	run_on(1);
	while (!ready)
		;
	spin((long)us);
	raise(SIGUSR2);
	return NULL;
}

/* Dumps are asked for while exec, which then fails, writes the last one.  Prints how many ms the
 * slowest exec took. */
static void failed_exec(void)
{
	char *const argv[] = {"/nonexistent", NULL};
	pthread_t thread;
	long worst = 0;

	run_on(0);
	burn(1000);
	for (long i = 0; i < 40; i++) {
		ready = 0;
		pthread_create(&thread, NULL, ask_soon, (void *)(i * 10));
		burn(12);
		ready = 1;
		long start = clock_of(CLOCK_MONOTONIC);
		execv(argv[0], argv);
		long took = clock_of(CLOCK_MONOTONIC) - start;
		worst = took > worst ? took : worst;
		pthread_join(thread, NULL);
	}
	printf("%ld\n", worst / 1000000);
}

/* Timers are refused from the second thread on.  Prints the CPU time of the process. */
static void late_fallback(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_timer_create, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {4, filter};
	pthread_t a, b;

	pthread_create(&a, NULL, burn_thread, (void *)1000);
	usleep(50000);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		exit(2);
	pthread_create(&b, NULL, burn_thread, (void *)1000);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	print_cpu();
}

static sem_t worked, told;

/* Raw: our signals are blocked too. */
static void *late_thread(void *unused)
{
	uint64_t prof = UINT64_C(1) << (SIGPROF - 1);

	syscall(SYS_rt_sigprocmask, SIG_BLOCK, &prof, NULL, sizeof prof);
	burn(300);
	sem_post(&worked);
	sem_wait(&told);
	syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &prof, NULL, sizeof prof);
	return unused;
}

/* A tick that stands for 300 ms comes when an exec, which fails, has told of them already.  Prints the CPU
 * time of the process. */
static void late_tick(void)
{
	pthread_t thread;

	sem_init(&worked, 0, 0);
	sem_init(&told, 0, 0);
	pthread_create(&thread, NULL, late_thread, NULL);
	sem_wait(&worked);
	execl("/nonexistent", "nonexistent", (char *)NULL);
	sem_post(&told);
	pthread_join(thread, NULL);
	print_cpu();
}

static jmp_buf jump;

static void leave(int signo)
{
	(void)signo;
	longjmp(jump, 1);
}

/* The host's own handler of the dump signal leaves by longjmp, which keeps the signal mask.  Prints
 * how many signals are blocked afterwards. */
static void jump_out(void)
{
	struct sigaction act = {.sa_handler = leave, .sa_flags = SA_NODEFER};
	sigset_t now;
	int blocked = 0;

	sigaction(SIGUSR2, &act, NULL);
	if (!setjmp(jump))
		raise(SIGUSR2);
	sigprocmask(SIG_BLOCK, NULL, &now);
	for (int signo = 1; signo < 65; signo++)
		blocked += sigismember(&now, signo) == 1;
	printf("%d\n", blocked);
}

/* Prints "EINVAL alive". */
static void sig_err(void)
{
	errno = 0;
	if (signal(SIGUSR2, SIG_ERR) == SIG_ERR && errno == EINVAL)
		printf("EINVAL ");
	raise(SIGUSR2);
	puts("alive");
}

/* Samples and dumps on an alternate stack of 8 KiB, in a second image that finds a store of the
 * first.  Prints how many bytes were used, more than 8192 when it was too small. */
static void small_stack(char **argv)
{
	enum { BELOW = 65536, SIZE = 8192 };
	char *const second[] = {argv[0], argv[1], "second", NULL};
	stack_t alternate = {.ss_size = SIZE};
	unsigned char *p;
	long unused = 0;

	if (!argv[2]) {
		burn(150);
		execv("/proc/self/exe", second);
		exit(2);
	}
	p = mmap(NULL, BELOW + SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 0xa5, BELOW + SIZE);
	alternate.ss_sp = p + BELOW;
	sigaltstack(&alternate, NULL);
	burn(100);
	for (int i = 0; i < 100; i++)
		raise(SIGUSR2);
	while (p[unused] == 0xa5)
		unused++;
	printf("%ld\n", BELOW + SIZE - unused);
}

static pid_t clone_into_namespace(void)
{
	return (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
}

/* A process with pid 1 makes, by raw clone, a copy of itself that has pid 1 too, in a namespace of
 * its own.  Only the copy asks for a dump.  Prints "no namespaces" where that is not allowed. */
static void same_pid(void)
{
	char *const argv[] = {"/proc/self/exe", "same_pid", NULL};
	pid_t pid;
	int status;

	if (getpid() != 1) {
		pid = clone_into_namespace();
		if (pid < 0) {
			puts("no namespaces");
			exit(0);
		}
		if (pid == 0) {
			execv(argv[0], argv);
			_exit(2);
		}
		waitpid(pid, &status, 0);
		exit(WEXITSTATUS(status));
	}
	burn(300);
	pid = clone_into_namespace();
	if (pid == 0) {
		raise(SIGUSR2);
		syscall(SYS_exit_group, 0);
	}
	waitpid(pid, &status, 0);
	syscall(SYS_exit_group, status != 0);
}

/* All signals are blocked and waited for: prints the number of the one that came. */
static void sigwait_all(void)
{
	sigset_t all;
	int signo = 0;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	burn(50);
	sigwait(&all, &signo);
	printf("%d\n", signo);
}

/* Asks process ARG for a dump, as the command does: a queued SIGPROF with a value. */
static void ask(long pid)
{
	siginfo_t info;

	memset(&info, 0, sizeof info);
	info.si_code = SI_QUEUE;
	info.si_value.sival_ptr = (void *)CONTROL_VALUE(CONTROL_DUMP);
	if (syscall(SYS_rt_sigqueueinfo, pid, SIGPROF, &info) < 0)
		exit(2);
}

/* Our handler is replaced behind our back; two dumps. */
static void raw_action(void)
{
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		unsigned long mask;
	} act = {(void *)SIG_IGN, 0, NULL, 0};

	burn(50);
	syscall(SYS_rt_sigaction, SIGPROF, &act, NULL, 8);
	raise(SIGUSR2);
	usleep(100000);
	raise(SIGUSR2);
	usleep(100000);
	puts("alive");
}

static long mappings(void)
{
	char buf[4096];
	ssize_t n;
	long lines = 0;
	int fd = open("/proc/self/maps", O_RDONLY);

	while ((n = read(fd, buf, sizeof buf)) > 0)
		for (ssize_t i = 0; i < n; i++)
			lines += buf[i] == '\n';
	close(fd);
	return lines;
}

/* Prints "more" when 300 dumps leave descriptors or mappings behind. */
static void many_dumps(void)
{
	int fds = descriptors();
	long before;

	burn(50);
	raise(SIGUSR2);
	usleep(300000); /* another process writes it */
	before = mappings();
	for (int i = 0; i < 300; i++) {
		raise(SIGUSR2);
		usleep(1000);
	}
	for (int i = 0; i < 50 && mappings() != before; i++)
		usleep(100000);
	puts(mappings() == before && descriptors() == fds ? "same" : "more");
}

/* A child burns 400 ms.  Prints its CPU time. */
static void forked(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		burn(400);
		print_cpu();
		exit(0);
	}
	waitpid(pid, &status, 0);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	long number = argc > 2 ? atol(argv[2]) : 0;

	if (!strcmp(mode, "few_descriptors"))
		few_descriptors(number);
	else if (!strcmp(mode, "broken_pipe"))
		broken_pipe();
	else if (!strcmp(mode, "full_pipe"))
		full_pipe();
	else if (!strcmp(mode, "reused_stderr"))
		reused_stderr(argv[2]);
	else if (!strcmp(mode, "closed_low"))
		closed_low();
	else if (!strcmp(mode, "fork_dumps"))
		fork_dumps();
	else if (!strcmp(mode, "cancel"))
		cancel(number);
	else if (!strcmp(mode, "failed_exec"))
		failed_exec();
	else if (!strcmp(mode, "late_fallback"))
		late_fallback();
	else if (!strcmp(mode, "late_tick"))
		late_tick();
	else if (!strcmp(mode, "jump_out"))
		jump_out();
	else if (!strcmp(mode, "sig_err"))
		sig_err();
	else if (!strcmp(mode, "small_stack"))
		small_stack(argv);
	else if (!strcmp(mode, "same_pid"))
		same_pid();
	else if (!strcmp(mode, "many_dumps"))
		many_dumps();
	else if (!strcmp(mode, "sigwait_all"))
		sigwait_all();
	else if (!strcmp(mode, "ask"))
		ask(number);
	else if (!strcmp(mode, "raw_action"))
		raw_action();
	else if (!strcmp(mode, "forked"))
		forked();
	else
		return 2;
	return 0;
}
