/* SPDX-License-Identifier: MIT */
/*
 * cprof check: would a program be profiled here, what would be missing, and why.
 *
 * The program is not run.  Its libraries are asked of the system's own loader (--list), which maps
 * them without running any of their code.
 */
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/human.h"
#include "cli/program.h"
#include "config/load.h"
#include "config/settings.h"
#include "core/text.h"
#include "output/debug_file.h"
#include "output/sink.h"

#define SYSTEM_LOADER  "/lib64/" PROGRAM_GLIBC_LOADER
#define GLIBC_MINOR    35
#define FEW_SIGNALS    1024u
#define STORE_LEAST    (UINT64_C(1) << 20)
#define TMPFS_SHARE    8 /* as core/run_file.c */
#define POPULATE_WRITE 23
#define DEBUG_ROOT     "/usr/lib/debug/.build-id"

/* Remarks are held back: the verdict is the first line. */
struct check {
	char *obstacle; /* NULL: will be profiled */
	char **remarks;
	size_t count, capacity;
};

__attribute__((format(printf, 2, 3))) static void remark(struct check *c, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	int n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		return;
	c->remarks = memory_grow(c->remarks, c->count, &c->capacity, sizeof *c->remarks);
	c->remarks[c->count++] = human_safe(text);
}

__attribute__((format(printf, 2, 3))) static void stop(struct check *c, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (!text)
		return;
	if (!c->obstacle)
		c->obstacle = human_safe(text);
	else
		remark(c, "also: %s", text);
}

/* The output of a program of the system, errors too, in a stream; NULL when it cannot be run. */
static FILE *start(char *const argv[], pid_t *ret_pid)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return NULL;
	*ret_pid = fork();
	if (*ret_pid == 0) {
		int null = open("/dev/null", O_RDWR);

		unsetenv("LD_PRELOAD");
		dup2(null, 0);
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		execv(argv[0], argv);
		_exit(127);
	}
	close(ends[1]);
	FILE *f = *ret_pid < 0 ? NULL : fdopen(ends[0], "r");
	if (!f)
		close(ends[0]);
	return f;
}

static void stop_reading(FILE *f, pid_t pid)
{
	fclose(f);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* ---- the program ---- */

static const char *allocator_in(const char *library)
{
	static const char *const known[] = {"libjemalloc", "libtcmalloc", "libmimalloc"};

	for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
		if (strncmp(library, known[i], strlen(known[i])) == 0)
			return known[i];
	return NULL;
}

/* The libraries that the loader would load. */
static void check_libraries(struct check *c, const struct program *p)
{
	char *argv[] = {SYSTEM_LOADER, "--list", (char *)p->path, NULL};
	char line[1024], allocates[64] = "";
	bool cxx = false;
	pid_t pid = 0;
	FILE *f = strcmp(p->facts.loader, SYSTEM_LOADER) == 0 ? start(argv, &pid) : NULL;

	if (p->facts.loader[0] && strcmp(p->facts.loader, SYSTEM_LOADER) != 0)
		remark(c,
		       "its loader is %s, of another glibc than the system's; libcprof.so needs "
		       "2.%u "
		       "or later there too",
		       p->facts.loader, GLIBC_MINOR);
	while (f && fgets(line, sizeof line, f)) {
		static const char missing[] = "error while loading shared libraries: ";
		char *name = line + strspn(line, " \t"), *error = strstr(line, missing);
		const char *allocator = allocator_in(name);

		if (error) {
			error += strlen(missing);
			error[strcspn(error, "\n")] = '\0';
			stop(c, "it does not start: %s", error);
		}
		cxx |= strncmp(name, "libstdc++.so", 12) == 0;
		if (!allocator)
			continue;
		snprintf(allocates, sizeof allocates, "%.*s", (int)strcspn(name, " \n"), name);
		remark(c,
		       "allocates with %s: the heap profile sees calls of malloc, whoever serves "
		       "them",
		       allocator);
	}
	if (f)
		stop_reading(f, pid);
	if (cxx && allocates[0])
		remark(c,
		       "C++ new is served by %s past malloc, and not in the heap profile; it is "
		       "with "
		       "LD_PRELOAD=\"libcprof.so libstdc++.so.6 %s\", libcprof.so by its path",
		       allocates, allocates);
}

/* use() of debug_file_find(). */
static int name_debug_file(void *opaque, const struct elf *debug)
{
	char link[64], *path = opaque;

	snprintf(link, sizeof link, "/proc/self/fd/%d", debug->fd);
	ssize_t n = readlink(link, path, PATH_MAX - 1);
	path[n > 0 ? n : 0] = '\0';
	return n > 0 ? 0 : -ENOENT;
}

/* As a dump looks for it. */
static bool find_debug_file(const char *path, char ret[PATH_MAX])
{
	char real[PATH_MAX];
	struct debug_link link;
	struct stat st;
	struct elf e;
	int fd = realpath(path, real) ? open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	bool found = false;

	if (fd < 0)
		return false;
	if (elf_open_fd(&e, fd) == 0 && fstat(fd, &st) == 0) {
		struct debug_file_request r = {
			.build_id = e.build_id,
			.build_id_bytes = e.build_id_bytes,
			.link = debug_link_read(&e, &link) == 0 ? &link : NULL,
			.path = {real},
			.owner = st.st_uid,
		};

		found = debug_file_find(&r, name_debug_file, ret) == 0;
	}
	close(fd);
	return found;
}

/* The Debian package of a file, "" when there is none. */
static void find_package(const char *path, char *ret, size_t size)
{
	char real[PATH_MAX], line[1024];
	const char *names[2] = {real, real};

	ret[0] = '\0';
	if (!realpath(path, real) || access("/usr/bin/dpkg-query", X_OK) < 0)
		return;
	if (strncmp(real, "/usr/", 5) == 0) /* it may be registered under /bin */
		names[1] = real + 4;
	for (unsigned i = 0; i < 2 && !ret[0]; i++) {
		char *argv[] = {"/usr/bin/dpkg-query", "-S", "--", (char *)names[i], NULL};
		pid_t pid;
		FILE *f = start(argv, &pid);

		if (!f)
			return;
		if (fgets(line, sizeof line, f) && strncmp(line, "dpkg", 4) != 0)
			snprintf(ret, size, "%.*s", (int)strcspn(line, ":,\n"), line);
		stop_reading(f, pid);
	}
}

static void check_names(struct check *c, const struct program *p)
{
	char path[PATH_MAX], package[128];

	if (p->facts.has_symtab)
		return;
	if (find_debug_file(p->path, path)) {
		remark(c, "is stripped; its names come from %s", path);
		return;
	}
	find_package(p->path, package, sizeof package);
	if (package[0])
		remark(c,
		       "is stripped: functions that it does not export are shown as [%s]; their "
		       "names "
		       "are in the package %s-dbgsym (archive debian-debug)",
		       text_basename(p->path), package);
	else
		remark(c,
		       "is stripped: functions that it does not export are shown as [%s]; install "
		       "its debug file as %s/xx/yy.debug, or do not strip it",
		       text_basename(p->path), DEBUG_ROOT);
}

static void check_program(struct check *c, const char *path)
{
	static struct program p;
	struct stat st;
	char buf[512];
	const char *why = program_judge(path, &p, buf);

	if (p.scripts)
		remark(c, "is a script; what runs is %s", p.path);
	if (why)
		stop(c, "%s", why);
	if (!p.readable) {
		if (!p.scripts && !why)
			remark(c, "cannot be read, so nothing is known of it");
		return;
	}
	if (why)
		return;
	if (stat(p.path, &st) == 0 && (st.st_mode & (S_ISUID | S_ISGID) ||
				       getxattr(p.path, "security.capability", NULL, 0) > 0))
		remark(c, "is setuid, setgid or privileged: only when %s starts it is it profiled",
		       geteuid() ? "its owner" : "root");
	check_libraries(c, &p);
	check_names(c, &p);
	if (!p.facts.has_unwind)
		remark(c, "has no unwind tables (.eh_frame_hdr): its stacks are followed by frame "
			  "pointers, as far as it has them");
	if (p.facts.go)
		remark(c, "is a Go program: its CPU time is right, but goroutines have stacks of "
			  "their "
			  "own, which end at once, and it ends without libc: its last profile is "
			  "to be "
			  "had by cprof recover. Go's net/http/pprof tells more");
	if (p.facts.own_malloc)
		remark(c, "has a malloc of its own, which comes before any other: there is no heap "
			  "profile, and its CPU profile is as ever");
}

/* ---- what it would run in ---- */

/* Can other users open it?  LD_PRELOAD of a file that cannot be opened is a warning and no profile. */
static void check_library(struct check *c)
{
	char path[PATH_MAX];
	struct stat st;

	if (program_library(path, sizeof path) < 0) {
		stop(c, "libcprof.so is not beside cprof nor in ../lib; install both together");
		return;
	}
	if (strpbrk(path, ": ")) {
		stop(c, "LD_PRELOAD cannot hold the path %s, with its colon or blank", path);
		return;
	}
	bool open = stat(path, &st) == 0 && (st.st_mode & S_IROTH);
	for (char *slash = strrchr(path, '/'); open && slash && slash > path;
	     slash = strrchr(path, '/')) {
		*slash = '\0';
		open = stat(path, &st) == 0 && (st.st_mode & S_IXOTH);
	}
	(void)program_library(path, sizeof path);
	if (!open)
		remark(c,
		       "%s cannot be read by every user: a service of another one would run "
		       "without it",
		       path);
}

static void check_kernel(struct check *c)
{
	long page = sysconf(_SC_PAGESIZE);
	struct utsname u;

	if (uname(&u) < 0)
		strcpy(u.release, "?");
	/* Closes nothing: there is no such descriptor. */
	if (syscall(SYS_close_range, ~0u, ~0u, 0) < 0 && errno == ENOSYS)
		remark(c,
		       "kernel %s has no close_range (5.9): a dump holds the thread that writes it",
		       u.release);
	if (syscall(SYS_pidfd_open, getpid(), 0) < 0 && errno == ENOSYS)
		remark(c,
		       "kernel %s has no pidfd_open (5.3): cprof dump does not work, the dump "
		       "signal does",
		       u.release);
	void *p = mmap(NULL, (size_t)page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);
	if (p != MAP_FAILED && madvise(p, (size_t)page, POPULATE_WRITE) < 0 && errno == EINVAL)
		remark(c,
		       "kernel %s has no MADV_POPULATE_WRITE (5.14): the store has 4 MB, taken at "
		       "once",
		       u.release);
	if (p != MAP_FAILED)
		munmap(p, (size_t)page);
}

static void check_timers(struct check *c)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
	struct rlimit limit;
	timer_t timer;

	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) == 0)
		timer_delete(timer);
	else
		remark(c,
		       "a timer per thread is refused (%s): one for the whole process is used, "
		       "which is less exact",
		       strerror(errno));
	if (getrlimit(RLIMIT_SIGPENDING, &limit) == 0 && limit.rlim_cur < FEW_SIGNALS)
		remark(c,
		       "the limit of pending signals (ulimit -i) is %" PRIu64
		       ": all threads of all processes of a user beyond that have no timer of "
		       "their own",
		       (uint64_t)limit.rlim_cur);
}

static void check_store(struct check *c, const struct settings *s)
{
	const char *dir = s->store_dir[0] ? s->store_dir : "/dev/shm";
	char size[HUMAN_BYTES];
	struct statvfs fs;

	if (access(dir, W_OK | X_OK) < 0 || statvfs(dir, &fs) < 0) {
		remark(c,
		       "%s: %s: the store has no file, and a process that is killed leaves no "
		       "profile",
		       dir, strerror(errno));
		return;
	}
	uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (fs.f_blocks && room / TMPFS_SHARE < STORE_LEAST)
		remark(c,
		       "%s has %s free, too little for a store (an eighth of it is used at most): "
		       "a process that is killed leaves no profile",
		       dir, human_bytes(room, size));
}

static void check_output(struct check *c, const struct settings *s)
{
	char buf[384] = "";
	struct text problem = TEXT_ON(buf);
	struct sink_dir d;

	if (sink_dir_open(&d, s->output_dir, &problem) < 0)
		remark(c, "no profile could be written, as the user that you are: %s", buf);
	else
		sink_dir_close(&d);
}

static void report(void *opaque, const char *line)
{
	remark(opaque, "%s", line);
}

static void check_place(struct check *c)
{
	extern char **environ;
	struct settings s;
	int major = 0, minor = 0;

	(void)sscanf(gnu_get_libc_version(), "%d.%d", &major, &minor);
	if (major == 2 && minor < GLIBC_MINOR)
		stop(c, "glibc is %s, and libcprof.so needs 2.%u", gnu_get_libc_version(),
		     GLIBC_MINOR);
	check_library(c);
	check_kernel(c);
	check_timers(c);
	(void)load_settings(&s, NULL, environ, NULL, report, c);
	check_store(c, &s);
	check_output(c, &s);
	if (!s.cpu_enabled && !s.heap_sample_bytes && !s.block_threshold && !s.mutex_fraction)
		remark(c, "cpu.enabled = no, heap.sample_bytes = 0, block.threshold = 0 and "
			  "mutex.fraction = 0: nothing would be recorded");
}

/* Left out by an option in this environment. */
static void check_follow(struct check *c, const char *name)
{
	extern char **environ;
	struct settings s;
	struct check ignored = {0};

	(void)load_settings(&s, NULL, environ, NULL, report, &ignored);
	if (s.follow_only[0] && !settings_names(s.follow_only, text_basename(name)))
		stop(c, "follow.only = %s leaves it out", s.follow_only);
}

static int run(int argc, char **argv)
{
	struct check c = {0};
	char path[PATH_MAX];
	int first = 1;

	for (; first < argc && argv[first][0] == '-' && argv[first][1]; first++) {
		if (strcmp(argv[first], "--help") == 0 || strcmp(argv[first], "-h") == 0)
			return usage_show(&command_check);
		if (strcmp(argv[first], "--") != 0)
			return usage_error(&command_check, "%s is no option", argv[first]);
		first++;
		break;
	}
	if (first >= argc)
		return usage_error(&command_check, "no program given");
	int rc = program_find(argv[first], path, sizeof path);
	if (rc < 0) {
		say("check: %s: %s", human_safe(argv[first]),
		    rc == -EACCES ? "is no program that you may execute"
				  : "there is no such program");
		return EXIT_FAILED;
	}
	check_program(&c, path);
	check_follow(&c, argv[first]);
	check_place(&c);
	human_safe(path);
	if (c.obstacle)
		printf("%s will not be profiled: %s\n", path, c.obstacle);
	else
		printf("%s will be profiled\n", path);
	for (size_t i = 0; i < c.count; i++)
		printf("- %s\n", c.remarks[i]);
	return output_end() == EXIT_OK && !c.obstacle ? EXIT_OK : EXIT_FAILED;
}

const struct command command_check = {
	.name = "check",
	.run = run,
	.arguments = "[--] PROGRAM [ARGUMENT]...",
	.summary = "say whether a program would be profiled, and why not",
	.help = "Says in the first line whether PROGRAM would be profiled under libcprof.so, here "
		"and by\n"
		"you, and in the others what would be missing. The program is not run; of a script "
		"its\n"
		"interpreter is judged.\n"
		"\n"
		"It would not be: statically linked programs (most Go programs), those for another "
		"libc\n"
		"or processor, and setuid, setgid or privileged files, where the loader ignores "
		"LD_PRELOAD.\n"
		"Remarks are about missing names, unwind tables and libraries, about malloc, and "
		"about\n"
		"the kernel, limits, /dev/shm, options and the directory for profiles.\n"
		"\n"
		"Exit code: 0 it would be; 1 it would not, or there is no such program; 2 wrong "
		"usage.\n",
};
