/* SPDX-License-Identifier: MIT */
/*
 * RUN:    waited_files
 * EXPECT: calls that wait for known times, each in a function of its own, which measures what it waits.  Prints
 * "CLASS CALLER COUNT NS" for what must be in the block profile, idle classes and all; 0: nothing may be there.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netdb.h>
#include <netinet/in.h>
#include <nss.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MS   1000000L
#define LONG 50 /* ms */

static long waited_ns, began;
static char path[4096], fifo[4096];
static int file;

static long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000L + ts.tv_nsec;
}

/* By an instruction of its own, so that it is no wait of anybody's. */
static long raw(long nr, long a, const void *b, long c)
{
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return r;
}

static void sleep_ms(long ms)
{
	struct timespec ts = {0, ms * MS};

	raw(SYS_nanosleep, (long)&ts, NULL, 0);
}

static void must(const char *what, bool yes)
{
	if (yes)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	_exit(3);
}

#define MUST(what) must(#what, what)

/* The call with the time that it takes. */
#define TIMED(call)                                                                                \
	({                                                                                         \
		__typeof__(call) timed_value;                                                      \
		began = now();                                                                     \
		timed_value = (call);                                                              \
		waited_ns += now() - began;                                                        \
		timed_value;                                                                       \
	})

/* What another process does after some time. */
static __attribute__((noinline)) pid_t later(void (*what)(void))
{
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sleep_ms(LONG);
	if (what)
		what();
	_exit(0);
}

/* Its end, without a wait that counts. */
static void over(pid_t pid)
{
	while (waitpid(pid, NULL, WNOHANG) == 0)
		sleep_ms(1);
}

#define CASE static __attribute__((noinline)) void

/* ---- opening ---- */

static void open_reader(void)
{
	MUST(open(fifo, O_RDONLY) >= 0);
}

static void open_writer(void)
{
	MUST(open(fifo, O_WRONLY) >= 0);
}

extern int __open_2(const char *, int);
extern int __openat_2(int, const char *, int);

#define OPEN(name, other, call)                                                                    \
	CASE name(void)                                                                            \
	{                                                                                          \
		pid_t pid = later(other);                                                          \
		int fd = TIMED(call);                                                              \
                                                                                                   \
		MUST(fd >= 0);                                                                     \
		close(fd);                                                                         \
		over(pid);                                                                         \
	}
OPEN(open_a_fifo, open_writer, open(fifo, O_RDONLY))
OPEN(open64_a_fifo, open_writer, open64(fifo, O_RDONLY))
OPEN(openat_a_fifo, open_writer, openat(AT_FDCWD, fifo, O_RDONLY))
OPEN(open_2_a_fifo, open_writer, __open_2(fifo, O_RDONLY))
OPEN(openat_2_a_fifo, open_writer, __openat_2(AT_FDCWD, fifo, O_RDONLY))
OPEN(creat_a_fifo, open_reader, creat(fifo, 0600))

/* Nothing is to be waited for. */
CASE open_files(void)
{
	struct stat st;

	for (int i = 0; i < 20; i++) {
		int fd = open(path, O_RDONLY);

		MUST(fd >= 0);
		close(fd);
	}
	MUST(open("/no/such/file", O_RDONLY) == -1 && errno == ENOENT);
	MUST(open(path, O_CREAT | O_EXCL | O_RDWR, 0600) == -1 && errno == EEXIST);
	unlink(path);
	umask(0);
	file = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0641);
	MUST(fstat(file, &st) == 0 &&
	     (st.st_mode & 07777) == 0641); /* the third argument comes through */
	MUST(raw(SYS_write, file, "hello", 5) == 5);
	MUST(fcntl(file, F_GETFD) == FD_CLOEXEC && fcntl(file, F_SETFD, 0) == 0 &&
	     fcntl(file, F_GETFD) == 0);
}

/* ---- files and pipes ---- */

static int pipe_fd[2], other_pipe[2];
static char block[65536];

static void write_byte(void)
{
	MUST(raw(SYS_write, pipe_fd[1], "x", 1) == 1);
}

static void read_all(void)
{
	fcntl(pipe_fd[0], F_SETFL, O_NONBLOCK);
	while (raw(SYS_read, pipe_fd[0], block, sizeof block) > 0)
		;
}

static void new_pipe(bool full)
{
	if (pipe_fd[1]) {
		close(pipe_fd[0]);
		close(pipe_fd[1]);
	}
	MUST(pipe(pipe_fd) == 0);
	if (!full)
		return;
	fcntl(pipe_fd[1], F_SETFL, O_NONBLOCK);
	while (raw(SYS_write, pipe_fd[1], block, sizeof block) > 0)
		;
	fcntl(pipe_fd[1], F_SETFL, 0);
}

static struct iovec vector[] = {{block, 3}, {block + 3, 4}};

/* From a pipe in which nothing is, and to one that is full. */
#define FROM(name, call)                                                                           \
	CASE name(void)                                                                            \
	{                                                                                          \
		pid_t pid;                                                                         \
                                                                                                   \
		new_pipe(false);                                                                   \
		pid = later(write_byte);                                                           \
		MUST(TIMED(call) == 1);                                                            \
		over(pid);                                                                         \
	}
#define TO(name, call, n)                                                                          \
	CASE name(void)                                                                            \
	{                                                                                          \
		pid_t pid;                                                                         \
                                                                                                   \
		new_pipe(true);                                                                    \
		pid = later(read_all);                                                             \
		MUST(TIMED(call) == (n));                                                          \
		over(pid);                                                                         \
	}
FROM(from_preadv2, preadv2(pipe_fd[0], vector, 2, -1, 0))
FROM(from_preadv64v2, preadv64v2(pipe_fd[0], vector, 2, -1, 0))
FROM(from_splice, splice(pipe_fd[0], NULL, other_pipe[1], NULL, 1, 0))
FROM(from_tee, tee(pipe_fd[0], other_pipe[1], 1, 0))
TO(to_pwritev2, pwritev2(pipe_fd[1], vector, 2, -1, 0), 7)
TO(to_vmsplice, vmsplice(pipe_fd[1], vector, 1, 0), 3)
TO(to_sendfile, sendfile(pipe_fd[1], file, &(off_t){0}, 5), 5)

extern ssize_t __pread_chk(int, void *, size_t, off_t, size_t);
extern ssize_t __pread64_chk(int, void *, size_t, off_t, size_t);

/* Each is a wait, and a short one. */
CASE file_calls(void)
{
	off64_t from = 0, to = 8;

	MUST(TIMED(pwrite(file, "hello", 5, 0)) == 5 && TIMED(pwrite64(file, "hello", 5, 5)) == 5);
	MUST(TIMED(pwritev(file, vector, 2, 9)) == 7 && TIMED(pwritev64(file, vector, 2, 9)) == 7);
	MUST(TIMED(pread(file, block, 9, 1)) == 9 && memcmp(block, "ellohell", 8) == 0);
	MUST(TIMED(pread64(file, block, 4, 0)) == 4 && TIMED(preadv(file, vector, 2, 0)) == 7);
	MUST(TIMED(preadv64(file, vector, 2, 0)) == 7 &&
	     TIMED(__pread_chk(file, block, 4, 0, 4)) == 4);
	MUST(TIMED(__pread64_chk(file, block, 4, 0, 4)) == 4);
	MUST(TIMED(copy_file_range(file, &from, file, &to, 2, 0)) == 2 && from == 2 && to == 10);
	errno = 0;
	MUST(TIMED(pread(-1, block, 4, 0)) == -1 && errno == EBADF);
}

CASE sync_calls(void)
{
	int memory = memfd_create("waited", 0);
	void *p;

	MUST(ftruncate(memory, 4096) == 0);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	MUST(p != MAP_FAILED && TIMED(fsync(memory)) == 0 && TIMED(fdatasync(memory)) == 0);
	MUST(TIMED(msync(p, 4096, MS_SYNC)) == 0 && TIMED(syncfs(memory)) == 0);
	MUST(TIMED(sync_file_range(file, 0, 4096, SYNC_FILE_RANGE_WRITE)) == 0);
	errno = 0;
	MUST(TIMED(fsync(-1)) == -1 && errno == EBADF);
}

/* ---- locks ---- */

static struct flock whole_file(void)
{
	return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

/* A process that holds the lock for some time. */
static __attribute__((noinline)) pid_t hold(bool by_flock)
{
	struct flock lock = whole_file();
	int ready[2];
	pid_t pid;
	char c;

	MUST(pipe(ready) == 0);
	pid = fork();
	MUST(pid >= 0);
	if (!pid) {
		int own = open(path, O_RDWR);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		MUST(by_flock ? flock(own, LOCK_EX) == 0 : fcntl(own, F_SETLK, &lock) == 0);
		MUST(raw(SYS_write, ready[1], "x", 1) == 1);
		sleep_ms(LONG);
		_exit(0);
	}
	MUST(raw(SYS_read, ready[0], &c, 1) == 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

#define LOCK(name, by_flock, call, release)                                                        \
	CASE name(void)                                                                            \
	{                                                                                          \
		pid_t pid = hold(by_flock);                                                        \
		struct flock lock = whole_file();                                                  \
                                                                                                   \
		MUST(TIMED(call) == 0);                                                            \
		(void)lock;                                                                        \
		lock.l_type = F_UNLCK;                                                             \
		MUST(release == 0);                                                                \
		over(pid);                                                                         \
	}
LOCK(lock_flock, true, flock(file, LOCK_EX), flock(file, LOCK_UN))
LOCK(lock_lockf, false, lockf(file, F_LOCK, 0), lockf(file, F_ULOCK, 0))
LOCK(lock_lockf64, false, lockf64(file, F_LOCK, 0), lockf64(file, F_ULOCK, 0))
LOCK(lock_fcntl, false, fcntl(file, F_SETLKW, &lock), fcntl(file, F_SETLK, &lock))
LOCK(lock_fcntl64, false, fcntl64(file, F_SETLKW, &lock), fcntl64(file, F_SETLK, &lock))
LOCK(lock_ofd, false, fcntl(file, F_OFD_SETLKW, &lock), fcntl(file, F_OFD_SETLK, &lock))

CASE locks_that_do_not_wait(void)
{
	pid_t pid = hold(true);
	struct flock lock = whole_file();

	MUST(flock(file, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK);
	over(pid);
	MUST(lockf(file, F_TLOCK, 0) == 0 && lockf(file, F_ULOCK, 0) == 0);
	MUST(fcntl(file, F_GETLK, &lock) == 0 && lock.l_type == F_UNLCK);
}

/* ---- messages, random numbers ---- */

static mqd_t queue;

static void send_message(void)
{
	mq_send(queue, "later", 5, 2);
}

static void receive_message(void)
{
	mq_receive(queue, block, sizeof block, NULL);
}

static struct timespec in_a_minute(void)
{
	return (struct timespec){time(NULL) + 60, 0};
}

#define MESSAGE(name, other, call, n)                                                              \
	CASE name(void)                                                                            \
	{                                                                                          \
		struct timespec until = in_a_minute();                                             \
		pid_t pid = later(other);                                                          \
                                                                                                   \
		MUST(TIMED(call) == (n));                                                          \
		over(pid);                                                                         \
		(void)until;                                                                       \
	}
MESSAGE(message_receive, send_message, mq_receive(queue, block, sizeof block, NULL), 5)
MESSAGE(message_timedreceive, send_message,
	mq_timedreceive(queue, block, sizeof block, NULL, &until), 5)
MESSAGE(message_send, receive_message, mq_send(queue, "now", 3, 1), 0)
MESSAGE(message_timedsend, receive_message, mq_timedsend(queue, "now", 3, 1, &until), 0)

CASE random_numbers(void)
{
	MUST(TIMED(getrandom(block, 16, 0)) == 16 && TIMED(getentropy(block, 16)) == 0);
}

/* ---- children ---- */

extern pid_t __wait(int *);
extern pid_t __waitpid(pid_t, int *, int);

#define CHILD(name, call)                                                                          \
	CASE name(void)                                                                            \
	{                                                                                          \
		struct rusage usage;                                                               \
		siginfo_t info = {0};                                                              \
		pid_t pid = later(NULL);                                                           \
		int status = -1;                                                                   \
		pid_t got = TIMED(call);                                                           \
                                                                                                   \
		MUST((got ? got : info.si_pid) == pid);                                            \
		(void)usage, (void)status;                                                         \
	}
CHILD(child_wait, wait(&status))
CHILD(child_wait_, __wait(&status))
CHILD(child_waitpid, waitpid(pid, &status, 0))
CHILD(child_waitpid_, __waitpid(pid, &status, 0))
CHILD(child_wait3, wait3(&status, 0, &usage))
CHILD(child_wait4, wait4(pid, &status, 0, &usage))
CHILD(child_waitid, waitid(P_PID, (id_t)pid, &info, WEXITED))

CASE child_system(void)
{
	MUST(TIMED(system("sleep 0.05; exit 3")) == 3 << 8);
}

CASE child_pclose(void)
{
	FILE *f = popen("sleep 0.05; exit 4", "r");

	MUST(TIMED(pclose(f)) == 4 << 8);
}

CASE no_child(void)
{
	siginfo_t info;
	pid_t pid = later(NULL);

	MUST(waitpid(pid, NULL, WNOHANG) == 0 && wait3(NULL, WNOHANG, NULL) == 0);
	MUST(wait4(pid, NULL, WNOHANG, NULL) == 0 &&
	     waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG) == 0);
	over(pid);
}

/* ---- streams ---- */

/* Three parts of twelve lines, which end within a line, but for the last one.  Each is written some time after it was asked
 * for. */
static const char *const part[] = {"one\ntwo\nthree\nfo", "ur\nfive\nsix\nseven\ne",
				   "ight\nnine\nten\neleven\ntwelve\n"};
#define PARTS 3
#define LINES 12
static int ask[2];

static __attribute__((noinline)) pid_t writer(void)
{
	pid_t pid;
	char c;

	new_pipe(false);
	MUST(pipe(ask) == 0);
	pid = fork();
	MUST(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int i = 0; i < PARTS && raw(SYS_read, ask[0], &c, 1) == 1; i++) {
			sleep_ms(LONG / 2);
			MUST(raw(SYS_write, pipe_fd[1], part[i], strlen(part[i])) > 0);
		}
		_exit(0);
	}
	close(pipe_fd[1]);
	pipe_fd[1] = 0;
	return pid;
}

static __attribute__((noinline)) void ask_for(void)
{
	MUST(raw(SYS_write, ask[1], "x", 1) == 1);
}

static FILE *reader(void)
{
	FILE *f = fdopen(pipe_fd[0], "r");

	MUST(f != NULL);
	return f;
}

/* At lines 0, 3 and 7 the buffer has no whole one. */
static bool is_first(int line)
{
	return line == 0 || line == 3 || line == 7;
}

extern char *__fgets_chk(char *, size_t, int, FILE *);
extern char *__fgets_unlocked_chk(char *, size_t, int, FILE *);
extern ssize_t __getdelim(char **, size_t *, int, FILE *);
extern size_t __fread_chk(void *, size_t, size_t, size_t, FILE *);
extern size_t __fread_unlocked_chk(void *, size_t, size_t, size_t, FILE *);

/* All lines, and the end of the file. */
#define STREAM(name, call)                                                                         \
	CASE name(void)                                                                            \
	{                                                                                          \
		pid_t pid = writer();                                                              \
		FILE *f = reader();                                                                \
		char *line = malloc(100);                                                          \
		size_t room = 100;                                                                 \
                                                                                                   \
		for (int i = 0; i <= LINES; i++) {                                                 \
			if (is_first(i))                                                           \
				ask_for();                                                         \
			MUST((is_first(i) || i == LINES ? TIMED(call) : (call)) == (i < LINES));   \
		}                                                                                  \
		free(line);                                                                        \
		fclose(f);                                                                         \
		close(ask[0]);                                                                     \
		close(ask[1]);                                                                     \
		over(pid);                                                                         \
		(void)room;                                                                        \
	}
STREAM(stream_fgets, fgets(line, 100, f) != NULL)
STREAM(stream_fgets_unlocked, fgets_unlocked(line, 100, f) != NULL)
STREAM(stream_fgets_chk, __fgets_chk(line, 100, 100, f) != NULL)
STREAM(stream_fgets_unlocked_chk, __fgets_unlocked_chk(line, 100, 100, f) != NULL)
STREAM(stream_getline, getline(&line, &room, f) > 0)
STREAM(stream_getdelim, getdelim(&line, &room, '\n', f) > 0)
STREAM(stream_getdelim_, __getdelim(&line, &room, '\n', f) > 0)

/* Blocks of five: when 16, 35 and 63 bytes have come it has to wait for the 4th, the 8th and the 13th, which is not whole. */
#define BLOCKS(name, call)                                                                         \
	CASE name(void)                                                                            \
	{                                                                                          \
		pid_t pid = writer();                                                              \
		FILE *f = reader();                                                                \
		char to[16];                                                                       \
                                                                                                   \
		for (int i = 0; i < 13; i++) {                                                     \
			const bool waits = i == 0 || i == 3 || i == 7 || i == 12;                  \
                                                                                                   \
			if (waits && i < 12)                                                       \
				ask_for();                                                         \
			MUST((waits ? TIMED(call) : (call)) == (i < 12 ? 5 : 3));                  \
		}                                                                                  \
		fclose(f);                                                                         \
		close(ask[0]);                                                                     \
		close(ask[1]);                                                                     \
		over(pid);                                                                         \
	}
BLOCKS(stream_fread, fread(to, 1, 5, f))
BLOCKS(stream_fread_unlocked, (fread_unlocked)(to, 1, 5, f))
BLOCKS(stream_fread_chk, __fread_chk(to, sizeof to, 1, 5, f))
BLOCKS(stream_fread_unlocked_chk, __fread_unlocked_chk(to, sizeof to, 1, 5, f))

STREAM(threaded_fgets, fgets(line, 100, f) != NULL)
STREAM(threaded_getline, getline(&line, &room, f) > 0)

/* A line that needs many blocks is one wait. */
static inline __attribute__((always_inline)) void long_line(void)
{
	enum { MANY = 50000 };
	FILE *f = tmpfile();
	char *line = NULL;
	size_t room = 0;

	for (int i = 0; i < 3; i++)
		for (int n = 0; n < MANY; n++)
			fputc(n < MANY - 1 ? 'a' + i : '\n', f);
	rewind(f);
	for (int i = 0; i < 3; i++)
		MUST(TIMED(getline(&line, &room, f)) == MANY && line[0] == 'a' + i);
	free(line);
	fclose(f);
}

CASE stream_long_line(void)
{
	long_line();
}

CASE threaded_long_line(void)
{
	long_line();
}

static void *sleep_on(void *unused)
{
	for (;;)
		sleep_ms(999);
	return unused;
}

/* From here on streams may be used by another thread. */
CASE begin_thread(void)
{
	pthread_t thread;

	MUST(pthread_create(&thread, NULL, sleep_on, NULL) == 0);
}

CASE stream_of_memory(void)
{
	char text[] = "one\ntwo\n", line[10];
	FILE *f = fmemopen(text, sizeof text - 1, "r");

	MUST(fgets(line, sizeof line, f) && fread(line, 1, 4, f) == 4);
	MUST(fread(line, 1, 4, f) == 0 && fread(line, 1, 0, f) == 0 &&
	     !fgets(line, sizeof line, f));
	fclose(f);
	MUST(fflush(stdin) == 0);
}

#define FLUSH(name, call)                                                                          \
	CASE name(void)                                                                            \
	{                                                                                          \
		FILE *f;                                                                           \
		pid_t pid;                                                                         \
                                                                                                   \
		new_pipe(true);                                                                    \
		f = fdopen(pipe_fd[1], "w");                                                       \
		fputs("text", f);                                                                  \
		pid = later(read_all);                                                             \
		MUST(TIMED(call) == 0);                                                            \
		over(pid);                                                                         \
	}
FLUSH(flush_fflush, fflush(f))
FLUSH(flush_fflush_unlocked, fflush_unlocked(f))
FLUSH(flush_all, fflush(NULL))
FLUSH(flush_fclose, fclose(f))

/* ---- names of hosts ---- */

/* By a module (so_nss.c) that polls for some time and knows nobody. */
CASE name_getaddrinfo(void)
{
	struct addrinfo *found;

	MUST(TIMED(getaddrinfo("nobody.example", "80", NULL, &found)) != 0);
}

static sigjmp_buf out_of_it;

static void leave(int signo)
{
	siglongjmp(out_of_it, signo);
}

/* A wait that is left has no end, and those after it are waits again. */
CASE name_left(void)
{
	struct itimerval soon = {.it_value.tv_usec = 10000};
	struct addrinfo *found;
	char c;

	new_pipe(false);
	write_byte();
	signal(SIGALRM, leave);
	if (!sigsetjmp(out_of_it, 1)) {
		setitimer(ITIMER_REAL, &soon, NULL);
		getaddrinfo("nobody.example", "80", NULL, &found);
		_exit(4);
	}
	MUST(TIMED(preadv2(pipe_fd[0], &(struct iovec){&c, 1}, 1, -1, 0)) == 1);
	MUST(TIMED(pread(-1, &c, 1, 0)) == -1 && TIMED(pwrite(-1, &c, 1, 0)) == -1);
}

CASE name_gethostbyname(void)
{
	MUST(TIMED(gethostbyname("nobody.example")) == NULL);
}

CASE name_gethostbyname_r(void)
{
	struct hostent entry, *found;
	char room[1000];
	int error;

	MUST(TIMED(gethostbyname_r("nobody.example", &entry, room, sizeof room, &found, &error)) !=
	     -1);
	MUST(!found);
}

CASE name_getnameinfo(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	char text[100];

	MUST(TIMED(getnameinfo((void *)&address, sizeof address, text, sizeof text, NULL, 0,
			       NI_NUMERICHOST)) == 0);
	MUST(strcmp(text, "0.0.0.0") == 0);
}

/* ---- */

static const struct {
	const char *class, *name;
	void (*run)(void);
	int count;
} cases[] = {
#define X(class, name, count)                                                                      \
	{                                                                                          \
#class, #name, name, count                                                         \
	}
	X(open, open_a_fifo, 1),
	X(open, open64_a_fifo, 1),
	X(open, openat_a_fifo, 1),
	X(open, open_2_a_fifo, 1),
	X(open, openat_2_a_fifo, 1),
	X(open, creat_a_fifo, 1),
	X(open, open_files, 0),
	X(io, from_preadv2, 1),
	X(io, from_preadv64v2, 1),
	X(io, from_splice, 1),
	X(io, from_tee, 1),
	X(io, to_pwritev2, 1),
	X(io, to_vmsplice, 1),
	X(io, to_sendfile, 1),
	X(io, file_calls, 12),
	X(sync, sync_calls, 6),
	X(flock, lock_flock, 1),
	X(flock, lock_lockf, 1),
	X(flock, lock_lockf64, 1),
	X(flock, lock_fcntl, 1),
	X(flock, lock_fcntl64, 1),
	X(flock, lock_ofd, 1),
	X(flock, locks_that_do_not_wait, 0),
	X(ipc, message_receive, 1),
	X(ipc, message_timedreceive, 1),
	X(ipc, message_send, 1),
	X(ipc, message_timedsend, 1),
	X(random, random_numbers, 2),
	X(child, child_wait, 1),
	X(child, child_wait_, 1),
	X(child, child_waitpid, 1),
	X(child, child_waitpid_, 1),
	X(child, child_wait3, 1),
	X(child, child_wait4, 1),
	X(child, child_waitid, 1),
	X(child, child_system, 1),
	X(child, child_pclose, 1),
	X(child, no_child, 0),
	X(io, stream_fgets, PARTS + 1),
	X(io, stream_fgets_unlocked, PARTS + 1),
	X(io, stream_fgets_chk, PARTS + 1),
	X(io, stream_fgets_unlocked_chk, PARTS + 1),
	X(io, stream_getline, PARTS + 1),
	X(io, stream_getdelim, PARTS + 1),
	X(io, stream_getdelim_, PARTS + 1),
	X(io, stream_fread, PARTS + 1),
	X(io, stream_fread_unlocked, PARTS + 1),
	X(io, stream_fread_chk, PARTS + 1),
	X(io, stream_fread_unlocked_chk, PARTS + 1),
	X(io, stream_long_line, 3),
	X(io, stream_of_memory, 0),
	X(io, flush_fflush, 1),
	X(io, flush_fflush_unlocked, 1),
	X(io, flush_all, 1),
	X(io, flush_fclose, 1),
	X(network, name_getaddrinfo, 1),
	X(io, name_left, 3),
	X(network, name_gethostbyname, 1),
	X(network, name_gethostbyname_r, 1),
	X(network, name_getnameinfo, 1),
	X(io, begin_thread, 0),
	X(io, threaded_fgets, PARTS + 1),
	X(io, threaded_getline, PARTS + 1),
	X(io, threaded_long_line, 3),
#undef X
};

static void make_queue(void)
{
	struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 16};
	char name[64];

	snprintf(name, sizeof name, "/waited-%d", (int)getpid());
	queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
	MUST(queue != (mqd_t)-1);
	mq_unlink(name);
}

int main(void)
{
	snprintf(path, sizeof path, "%s/waited.file", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	snprintf(fifo, sizeof fifo, "%s/waited.fifo", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	unlink(fifo);
	MUST(mkfifo(fifo, 0600) == 0 && pipe(other_pipe) == 0);
	file = open(path, O_CREAT | O_RDWR, 0600);
	MUST(file >= 0);
	make_queue();
	__nss_configure_lookup("hosts", "waited");
	(void)!pread(-1, block, 1, 0); /* the first wait that is recorded takes its time */
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		waited_ns = 0;
		/* A message too many is to be waited for. */
		if (cases[i].run == message_send || cases[i].run == message_timedsend) {
			struct mq_attr attr;

			mq_getattr(queue, &attr);
			if (!attr.mq_curmsgs)
				send_message();
		}
		cases[i].run();
		printf("%s %s %d %ld\n", cases[i].class, cases[i].name, cases[i].count,
		       cases[i].count ? waited_ns : 0);
	}
	unlink(path);
	unlink(fifo);
	return 0;
}
