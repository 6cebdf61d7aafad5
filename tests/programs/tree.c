/* SPDX-License-Identifier: MIT */
/*
 * RUN:    tree root LOG
 * EXPECT: a tree of processes, made by everything that makes one and replaced by everything that
 * replaces one.  Each image burns 200 ms and a tick in a function node_NAME and adds to LOG the line
 *     PID NAME NS KIND
 * where KIND is `profiled`; `counted`: a copy made behind libc's back, whose time must be in its own
 * file under whatever name; `unseen`: such a copy that ends behind libc's back too; `bare`: an image
 * with an empty environment, so that nobody profiles it (its ns are all that it used).  The root
 * burns nothing, waits for all, also for
 * those that lost their parents, and prints "CHILDREN_NS REAPED BAD": getrusage(RUSAGE_CHILDREN),
 * how many it has waited for, and how many of them did not end with 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/programs/tick.h"

/* clang-format off */
#define NODES(X)                                                                                   \
	X(fork, 3) X(fork_child, 5) X(fork_grandchild, 7) X(vfork_exec, 9) X(spawn, 11)            \
	X(spawnp, 13) X(system, 15) X(system_caller, 17) X(popen, 19) X(popen_caller, 21)          \
	X(raw_clone, 23) X(clone, 25) X(clone_return, 27) X(clone_vm_exec, 29) X(fork_bare, 31)    \
	X(chain_first, 33) X(execv, 35) X(execve, 37) X(execvp, 39) X(execvpe, 41) X(execl, 43)    \
	X(execle, 45) X(execlp, 47) X(fexecve, 49) X(execveat, 51) X(daemon_caller, 53)            \
	X(daemon, 55) X(vfork_host, 57) X(exec_fails, 59) X(thread_forks, 61)                      \
	X(forked_by_thread, 63) X(before_bare, 65) X(bare, 67)
/* clang-format on */
#define AS_WORK(name, n) WORK_TO_TICK(node_##name, n)
NODES(AS_WORK)

static const struct {
	const char *name;
	long (*work)(long ms);
} nodes[] = {
#define AS_ROW(name, n) {#name, node_##name},
	NODES(AS_ROW)};

enum { MS = 200 };
static const char *log_path;
static char self[512];

/* One line of the log; a write with O_APPEND is whole. */
static void note(const char *name, long ns, const char *kind)
{
	char line[128];
	int n = snprintf(line, sizeof line, "%d %s %ld %s\n", (int)getpid(), name, ns, kind);
	int fd = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, line, (size_t)n) != n)
		_exit(9);
	close(fd);
}

static void burn(const char *name, long ms, const char *kind)
{
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
		if (strcmp(nodes[i].name, name) == 0) {
			note(name, nodes[i].work(ms), kind);
			return;
		}
	_exit(8);
}

#define node(name) burn(name, MS, "profiled")

/* ---- images ---- */

#define LEAF(name) ((char *const[]){"tree", "leaf", (char *)log_path, name, NULL})

/* Replaces this image by "tree KIND LOG ARG" through the exec of that name. */
static void exec_by(const char *form, const char *kind, const char *arg, char **envp)
{
	char *const argv[] = {"tree", (char *)kind, (char *)log_path, (char *)arg, NULL};

	if (!strcmp(form, "execv"))
		execv(self, argv);
	else if (!strcmp(form, "execve"))
		execve(self, argv, envp);
	else if (!strcmp(form, "execvp"))
		execvp("tree", argv);
	else if (!strcmp(form, "execvpe"))
		execvpe("tree", argv, envp);
	else if (!strcmp(form, "execl"))
		execl(self, "tree", kind, log_path, arg, (char *)NULL);
	else if (!strcmp(form, "execle"))
		execle(self, "tree", kind, log_path, arg, (char *)NULL, envp);
	else if (!strcmp(form, "execlp"))
		execlp("tree", "tree", kind, log_path, arg, (char *)NULL);
	else if (!strcmp(form, "fexecve"))
		fexecve(open(self, O_RDONLY | O_CLOEXEC), argv, envp);
	else if (!strcmp(form, "execveat"))
		execveat(AT_FDCWD, self, argv, envp, 0);
	_exit(7);
}

static const char *const chains[2][6] = {{"execv", "execve", "execvp", "execvpe", "execl"},
					 {"execle", "execlp", "fexecve", "execveat"}};

/* ARG: chain and link, "01".  Burns for the exec that has brought us here; on to the next. */
static void chain(const char *arg)
{
	const char *const *forms = chains[arg[0] - '0'];
	int link = arg[1] - '0';
	char next[3] = {arg[0], (char)(arg[1] + 1), '\0'};

	node(forms[link]);
	if (forms[link + 1])
		exec_by(forms[link + 1], "chain", next, environ);
	exit(0);
}

static void bare(long at_start)
{
	node_bare(60);
	note("bare", clock_of(CLOCK_PROCESS_CPUTIME_ID) - at_start, "bare");
	exit(0);
}

/* ---- what the root starts; each runs in a fork of it ---- */

static void wait_all(void)
{
	while (wait(NULL) > 0 || errno == EINTR)
		;
}

static void do_fork(void)
{
	node("fork");
	for (int i = 0; i < 2; i++)
		if (fork() == 0) {
			if (fork() == 0) {
				node("fork_grandchild");
				_exit(0);
			}
			node("fork_child");
			wait_all();
			exit(0);
		}
	wait_all();
}

static void do_system(void)
{
	char command[1200];

	node("system_caller");
	/* `true` behind it keeps the shell from replacing itself. */
	snprintf(command, sizeof command, "'%s' leaf '%s' system; true", self, log_path);
	if (system(command) != 0)
		_exit(6);
}

static void do_popen(void)
{
	char command[1200];
	FILE *f;

	snprintf(command, sizeof command, "'%s' leaf '%s' popen", self, log_path);
	f = popen(command, "r");
	node("popen_caller");
	if (!f || getc(f) != EOF || pclose(f) != 0)
		_exit(6);
}

/* vfork children share our memory: what they do must not look like our end. */
static void do_vfork_host(void)
{
	int status = 0;

	long ns = node_vfork_host(MS / 2);
	pid_t pid = vfork();
	if (pid == 0)
		_exit(7);
	if (waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 7)
		_exit(6);
	pid = vfork();
	if (pid == 0) {
		execl("/nonexistent", "tree", (char *)NULL);
		_exit(errno == ENOENT ? 5 : 6);
	}
	if (waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 5)
		_exit(6);
	note("vfork_host", ns + node_vfork_host(MS / 2), "profiled");
}

static void do_exec_fails(void)
{
	long ns = node_exec_fails(MS / 2);

	execl("/nonexistent", "tree", (char *)NULL);
	execvp("nonexistent-program", LEAF("exec_fails"));
	note("exec_fails", ns + node_exec_fails(MS / 2), "profiled");
}

static void *forking_thread(void *unused)
{
	node("thread_forks");
	if (fork() == 0) {
		node("forked_by_thread");
		exit(0);
	}
	wait_all();
	return unused;
}

static void do_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, forking_thread, NULL);
	pthread_join(thread, NULL);
}

static void do_daemon(void)
{
	node("daemon_caller");
	if (daemon(1, 1) != 0)
		_exit(6);
	node("daemon");
}

static void do_chain(int which)
{
	char arg[3] = {(char)('0' + which), '0', '\0'};

	node("chain_first");
	exec_by(chains[which][0], "chain", arg, environ);
}

static void do_chain_0(void)
{
	do_chain(0);
}

static void do_chain_1(void)
{
	do_chain(1);
}

static void do_bare(const char *form)
{
	char *none[] = {NULL};

	node("before_bare");
	if (!strcmp(form, "execv"))
		clearenv();
	exec_by(form, "bare", "-", none);
}

static int in_clone(void *how)
{
	burn(how, MS, strcmp(how, "clone_return") ? "counted" : "unseen");
	if (!strcmp(how, "clone_return"))
		return 0; /* glibc's stub makes the system call itself */
	_exit(0);
}

static int in_shared_memory(void *unused)
{
	(void)unused;
	execv(self, LEAF("clone_vm_exec"));
	_exit(7);
}

static void start(void (*what)(void))
{
	if (fork() == 0) {
		what();
		exit(0);
	}
}

static void start_clone(int (*what)(void *), int flags, void *arg)
{
	enum { SIZE = 256 << 10 };
	char *stack = malloc(SIZE);

	if (!stack || clone(what, stack + SIZE, flags | SIGCHLD, arg) < 0)
		exit(5);
}

static void start_all(void)
{
	static const char *const bare_forms[] = {"execv",  "execve",  "execvpe",
						 "execle", "fexecve", "execveat"};
	pid_t pid;

	start(do_chain_0);
	start(do_chain_1);
	start(do_fork);
	start(do_system);
	start(do_popen);
	start(do_daemon);
	start(do_thread);
	start(do_vfork_host);
	start(do_exec_fails);
	for (size_t i = 0; i < sizeof bare_forms / sizeof *bare_forms; i++)
		if (fork() == 0)
			do_bare(bare_forms[i]);
	if (vfork() == 0) {
		execv(self, LEAF("vfork_exec"));
		_exit(7);
	}
	if (posix_spawn(&pid, self, NULL, NULL, LEAF("spawn"), environ) != 0 ||
	    posix_spawnp(&pid, "tree", NULL, NULL, LEAF("spawnp"), environ) != 0 ||
	    posix_spawn(&pid, "/nonexistent", NULL, NULL, LEAF("spawn"), environ) != ENOENT)
		exit(5);
	if (syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) == 0) {
		burn("raw_clone", MS, "counted");
		_exit(0);
	}
	if (_Fork() == 0) {
		burn("fork_bare", MS, "counted");
		_exit(0);
	}
	start_clone(in_clone, 0, "clone");
	start_clone(in_clone, 0, "clone_return");
	start_clone(in_shared_memory, CLONE_VM | CLONE_VFORK, NULL);
}

static void find_self(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	self[n > 0 ? n : 0] = '\0';
	char *slash = strrchr(self, '/');
	snprintf(path, sizeof path, "%.*s:%s", (int)(slash - self), self,
		 getenv("PATH") ? getenv("PATH") : "/bin");
	setenv("PATH", path, 1);
}

int main(int argc, char **argv)
{
	long at_start = clock_of(CLOCK_PROCESS_CPUTIME_ID);
	const char *kind = argc > 2 ? argv[1] : "";
	struct rusage used;
	int status, reaped = 0, bad = 0;

	log_path = argc > 2 ? argv[2] : "";
	if (!strcmp(kind, "bare"))
		bare(at_start);
	if (!strcmp(kind, "leaf") && argc > 3) {
		node(argv[3]);
		return 0;
	}
	if (strcmp(kind, "root") != 0 && strcmp(kind, "chain") != 0)
		return 2;
	find_self();
	if (!strcmp(kind, "chain"))
		chain(argv[3]);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	start_all();
	for (pid_t pid; (pid = wait(&status)) > 0 || errno == EINTR;)
		if (pid > 0) {
			reaped++;
			bad += status != 0;
			if (status)
				fprintf(stderr, "tree: %d ended with status 0x%x\n", (int)pid,
					status);
		}
	getrusage(RUSAGE_CHILDREN, &used);
	printf("%ld %d %d\n",
	       (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000000L +
		       (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000L,
	       reaped, bad);
	return 0;
}
