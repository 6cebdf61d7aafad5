/* SPDX-License-Identifier: MIT */
/*
 * The waiting calls of libc and the kernel, for victims that are interrupted in them (waits.c,
 * leave.c).  Each call waits wait_ms, or for ever until its wake() is called in another process.
 * wait() may be called again and again.
 */
#ifndef TESTS_PROGRAMS_WAITING_H
#define TESTS_PROGRAMS_WAITING_H

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

enum {
	CANCELS = 1,   /* a cancellation point */
	NO_JUMP = 2,   /* not to be left by longjmp: libc's own state would be stuck */
	NO_CANCEL = 4, /* nor by asynchronous cancellation */
	ONCE = 8,      /* cannot be repeated after it has been left */
	LATE = 16,     /* holds our signal back by its own mask: dumps come together, at the end */
	MASKED = 32,   /* the host's signals are blocked outside the call */
};

struct call {
	const char *name;
	void (*prepare)(void);
	long (*wait)(void);
	void (*wake)(void); /* in another process; NULL: a time-out ends it */
	void (*show)(void); /* prints what the call has put out */
	unsigned flags;
};

static long wait_ms = 1000;

/* Shared with the process that wakes. */
static struct shared {
	_Atomic int tid; /* who waits; set with start */
	int word;	 /* a futex */
	int64_t start;
	pid_t pid;
	sem_t sem;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
} * shared;

static int fd[2], epoll_fd, signal_fd, message_queue = -1, semaphores = -1;
static char dir[64], text[80];
static mqd_t mq;
static ssize_t got;
static struct timespec left;
static struct timeval left_us;
static siginfo_t seen;
static int seen_signo;
static struct pollfd pollfd;
static fd_set rfds, wfds;
static struct epoll_event event;
static int status;

__attribute__((format(printf, 1, 2))) static void fail(const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": %s\n", strerror(error));
	_exit(3);
}

#define MUST(call)                                                                                 \
	({                                                                                         \
		__typeof__(call) must_value = (call);                                              \
		if (must_value == (__typeof__(call))-1)                                            \
			fail("%s", #call);                                                         \
		must_value;                                                                        \
	})

static int64_t now_of(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static struct timespec timespec_of(int64_t ns)
{
	return (struct timespec){ns / 1000000000, ns % 1000000000};
}

static struct timespec relative(void)
{
	return timespec_of(wait_ms * INT64_C(1000000));
}

static struct timespec deadline(clockid_t clock)
{
	return timespec_of(now_of(clock) + wait_ms * INT64_C(1000000));
}

static struct timeval relative_us(void)
{
	return (struct timeval){wait_ms / 1000, wait_ms % 1000 * 1000};
}

/* A time in ms, which differs a little from run to run. */
static void show_about(const char *name, int64_t ns)
{
	printf("~%s %ld\n", name, (long)(ns / 1000000));
}

static void show_left(void)
{
	show_about("left", left.tv_sec * INT64_C(1000000000) + left.tv_nsec);
}

static void show_text(void)
{
	printf("text %.*s\n", got > 0 ? (int)got : 0, text);
}

static void nothing(void)
{
}

static void make_pipe(void)
{
	MUST(pipe(fd));
	pollfd = (struct pollfd){.fd = fd[0], .events = POLLIN};
	snprintf(text, sizeof text, "untouched");
}

static void wake_pipe(void)
{
	MUST(write(fd[1], "x", 1));
}

/* ---- poll, select, epoll ---- */

extern int __poll_chk(struct pollfd *, nfds_t, int, size_t);
extern int __ppoll_chk(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, size_t);

static sigset_t current, all;

static void make_poll_mask(void)
{
	make_pipe();
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, NULL, &current);
}

static void show_poll(void)
{
	printf("revents %d\n", pollfd.revents);
}

static void show_ppoll(void)
{
	show_poll();
	show_left();
}

static long wait_poll(void)
{
	return poll(&pollfd, 1, (int)wait_ms);
}

static long wait_poll_nothing(void)
{
	return poll(NULL, 0, (int)wait_ms);
}

static long wait_poll_chk(void)
{
	return __poll_chk(&pollfd, 1, (int)wait_ms, sizeof pollfd);
}

static long wait_poll_forever(void)
{
	return poll(&pollfd, 1, -1);
}

static long wait_ppoll(void)
{
	left = relative();
	return ppoll(&pollfd, 1, &left, NULL);
}

static long wait_ppoll_chk(void)
{
	left = relative();
	return __ppoll_chk(&pollfd, 1, &left, NULL, sizeof pollfd);
}

static long wait_ppoll_forever(void)
{
	return ppoll(&pollfd, 1, NULL, &current);
}

static long wait_ppoll_mask(void)
{
	left = relative();
	return ppoll(&pollfd, 1, &left, &current);
}

static long wait_ppoll_full(void)
{
	left = relative();
	return ppoll(&pollfd, 1, &left, &all);
}

static void set_fds(void)
{
	FD_ZERO(&rfds);
	FD_ZERO(&wfds);
	FD_SET(fd[0], &rfds);
	FD_SET(fd[0], &wfds);
}

static void show_fds(void)
{
	printf("fds %d %d\n", FD_ISSET(fd[0], &rfds), FD_ISSET(fd[0], &wfds));
}

static void show_select(void)
{
	show_fds();
	show_about("left", left_us.tv_sec * INT64_C(1000000000) + left_us.tv_usec * 1000);
}

static void show_pselect(void)
{
	show_fds();
	show_left();
}

static long wait_select(void)
{
	set_fds();
	left_us = relative_us();
	return select(fd[0] + 1, &rfds, &wfds, NULL, &left_us);
}

static long wait_select_forever(void)
{
	set_fds();
	return select(fd[0] + 1, &rfds, &wfds, NULL, NULL);
}

static long wait_select_nothing(void)
{
	set_fds();
	left_us = relative_us();
	return select(0, NULL, NULL, NULL, &left_us);
}

static long wait_pselect(void)
{
	set_fds();
	left = relative();
	return pselect(fd[0] + 1, &rfds, &wfds, NULL, &left, NULL);
}

static long wait_pselect_mask(void)
{
	set_fds();
	left = relative();
	return pselect(fd[0] + 1, &rfds, &wfds, NULL, &left, &current);
}

static long wait_pselect_full(void)
{
	set_fds();
	left = relative();
	return pselect(fd[0] + 1, &rfds, &wfds, NULL, &left, &all);
}

static void make_epoll(void)
{
	struct epoll_event wanted = {.events = EPOLLIN, .data.u64 = 77};

	make_poll_mask();
	epoll_fd = MUST(epoll_create1(0));
	MUST(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd[0], &wanted));
}

static void show_epoll(void)
{
	printf("event %u %lu\n", (unsigned)event.events, (unsigned long)event.data.u64);
}

static long wait_epoll(void)
{
	return epoll_wait(epoll_fd, &event, 1, (int)wait_ms);
}

static long wait_epoll_forever(void)
{
	return epoll_wait(epoll_fd, &event, 1, -1);
}

static long wait_epoll_pwait(void)
{
	return epoll_pwait(epoll_fd, &event, 1, (int)wait_ms, NULL);
}

static long wait_epoll_pwait_mask(void)
{
	return epoll_pwait(epoll_fd, &event, 1, (int)wait_ms, &current);
}

static long wait_epoll_pwait2(void)
{
	struct timespec ts = relative();

	return epoll_pwait2(epoll_fd, &event, 1, &ts, &current);
}

static long wait_epoll_pwait2_forever(void)
{
	return epoll_pwait2(epoll_fd, &event, 1, NULL, NULL);
}

/* ---- sleeps ---- */

static long wait_nanosleep(void)
{
	struct timespec ts = relative();

	return nanosleep(&ts, NULL);
}

static long wait_nanosleep_left(void)
{
	struct timespec ts = relative();

	left = timespec_of(0);
	return nanosleep(&ts, &left);
}

/* The same object in both places. */
static long wait_nanosleep_same(void)
{
	left = relative();
	return nanosleep(&left, &left);
}

static long wait_clock_nanosleep_realtime(void)
{
	struct timespec ts = relative();

	left = timespec_of(0);
	return clock_nanosleep(CLOCK_REALTIME, 0, &ts, &left);
}

static long wait_clock_nanosleep_monotonic(void)
{
	struct timespec ts = relative();

	left = timespec_of(0);
	return clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &left);
}

static long wait_clock_nanosleep_abs(void)
{
	struct timespec ts = deadline(CLOCK_MONOTONIC);

	left = timespec_of(0);
	return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, &left);
}

static long wait_clock_nanosleep_abs_realtime(void)
{
	struct timespec ts = deadline(CLOCK_REALTIME);

	return clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL);
}

static long wait_usleep(void)
{
	return usleep((useconds_t)wait_ms * 1000);
}

static long wait_sleep(void)
{
	return sleep((unsigned)(wait_ms + 999) / 1000);
}

static long wait_thrd_sleep(void)
{
	struct timespec ts = relative();

	left = timespec_of(0);
	return thrd_sleep(&ts, &left);
}

/* ---- semaphores, mutexes, conditions, threads ---- */

static void make_sem(void)
{
	MUST(sem_init(&shared->sem, 1, 0));
}

static void wake_sem(void)
{
	sem_post(&shared->sem);
}

static long wait_sem_timed(void)
{
	struct timespec ts = deadline(CLOCK_REALTIME);

	return sem_timedwait(&shared->sem, &ts);
}

static long wait_sem_clock(void)
{
	struct timespec ts = deadline(CLOCK_MONOTONIC);

	return sem_clockwait(&shared->sem, CLOCK_MONOTONIC, &ts);
}

static long wait_sem(void)
{
	return sem_wait(&shared->sem);
}

static void unlock(void *mutex)
{
	pthread_mutex_unlock(mutex);
}

static void make_cond(void)
{
	pthread_mutexattr_t mattr;
	pthread_condattr_t cattr;

	pthread_mutexattr_init(&mattr);
	pthread_mutexattr_setpshared(&mattr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&shared->mutex, &mattr);
	pthread_condattr_init(&cattr);
	pthread_condattr_setpshared(&cattr, PTHREAD_PROCESS_SHARED);
	pthread_cond_init(&shared->cond, &cattr);
	shared->word = 0;
}

static void wake_cond(void)
{
	pthread_mutex_lock(&shared->mutex);
	shared->word = 1;
	pthread_cond_signal(&shared->cond);
	pthread_mutex_unlock(&shared->mutex);
}

static long wait_cond_timed(void)
{
	struct timespec ts = deadline(CLOCK_REALTIME);
	int r = 0;

	pthread_mutex_lock(&shared->mutex);
	pthread_cleanup_push(unlock, &shared->mutex);
	while (!r)
		r = pthread_cond_timedwait(&shared->cond, &shared->mutex, &ts);
	pthread_cleanup_pop(1);
	return r;
}

static long wait_cond_clock(void)
{
	struct timespec ts = deadline(CLOCK_MONOTONIC);
	int r = 0;

	pthread_mutex_lock(&shared->mutex);
	pthread_cleanup_push(unlock, &shared->mutex);
	while (!r)
		r = pthread_cond_clockwait(&shared->cond, &shared->mutex, CLOCK_MONOTONIC, &ts);
	pthread_cleanup_pop(1);
	return r;
}

static long wait_cond(void)
{
	int r = 0;

	pthread_mutex_lock(&shared->mutex);
	pthread_cleanup_push(unlock, &shared->mutex);
	while (!r && !shared->word)
		r = pthread_cond_wait(&shared->cond, &shared->mutex);
	shared->word = 0;
	pthread_cleanup_pop(1);
	return r;
}

static pthread_mutex_t taken = PTHREAD_MUTEX_INITIALIZER;

static void make_mutex(void)
{
	pthread_mutex_lock(&taken);
}

static long wait_mutex_timed(void)
{
	struct timespec ts = deadline(CLOCK_REALTIME);

	return pthread_mutex_timedlock(&taken, &ts);
}

static long wait_mutex_clock(void)
{
	struct timespec ts = deadline(CLOCK_MONOTONIC);

	return pthread_mutex_clocklock(&taken, CLOCK_MONOTONIC, &ts);
}

static pthread_t other;

static void *until_pipe(void *result)
{
	char c;

	while (read(fd[0], &c, 1) != 1)
		;
	return result;
}

static void make_thread(void)
{
	sigset_t before;

	make_pipe();
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_create(&other, NULL, until_pipe, (void *)5);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static long joined;

static void show_joined(void)
{
	printf("joined %ld\n", joined);
}

static long wait_join(void)
{
	return pthread_join(other, (void **)&joined);
}

static long wait_join_timed(void)
{
	struct timespec ts = deadline(CLOCK_REALTIME);

	return pthread_timedjoin_np(other, (void **)&joined, &ts);
}

/* ---- signals ---- */

static void make_signals(void)
{
	sigset_t here;

	/* The victims block SIGRTMIN everywhere. */
	pthread_sigmask(SIG_BLOCK, NULL, &current);
	sigemptyset(&here);
	sigaddset(&here, SIGRTMIN);
	signal_fd = signalfd(-1, &here, 0);
}

static void wake_queued(void)
{
	sigqueue(shared->pid, SIGRTMIN, (union sigval){.sival_int = 42});
}

static void wake_hup(void)
{
	syscall(SYS_tgkill, shared->pid, shared->tid, SIGHUP);
}

static sigset_t awaited(void)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGRTMIN);
	return s;
}

static void show_seen(void)
{
	printf("seen %d %d %d\n", seen.si_signo, seen.si_code, seen.si_value.sival_int);
}

static void show_signo(void)
{
	printf("signo %d\n", seen_signo);
}

static long wait_sigtimedwait(void)
{
	struct timespec ts = relative();
	sigset_t s = awaited();

	return sigtimedwait(&s, &seen, &ts);
}

static long wait_sigwaitinfo(void)
{
	sigset_t s = awaited();

	return sigwaitinfo(&s, &seen);
}

static long wait_sigwait(void)
{
	sigset_t s = awaited();

	return sigwait(&s, &seen_signo);
}

static long wait_signalfd(void)
{
	struct signalfd_siginfo info = {0};
	long r = read(signal_fd, &info, sizeof info);

	seen_signo = (int)info.ssi_signo;
	return r;
}

static long wait_pause(void)
{
	return pause();
}

static long wait_sigsuspend(void)
{
	return sigsuspend(&current);
}

/* ---- System V and POSIX message queues, semaphores ---- */

struct message {
	long type;
	char body[64];
};

static struct message message;

static void remove_queue(void)
{
	if (message_queue >= 0)
		msgctl(message_queue, IPC_RMID, NULL);
	if (semaphores >= 0)
		semctl(semaphores, 0, IPC_RMID);
}

static void make_msg(void)
{
	message_queue = MUST(msgget(IPC_PRIVATE, 0600));
}

static void make_msg_full(void)
{
	struct message m = {1, "full"};

	make_msg();
	while (!msgsnd(message_queue, &m, sizeof m.body, IPC_NOWAIT))
		;
}

static void wake_msgrcv(void)
{
	struct message m = {7, "hello"};

	MUST(msgsnd(message_queue, &m, 5, 0));
}

static void wake_msgsnd(void)
{
	struct message m;

	MUST(msgrcv(message_queue, &m, sizeof m.body, 0, 0));
}

static void show_message(void)
{
	printf("message %ld %.5s\n", message.type, message.body);
}

static long wait_msgrcv(void)
{
	return msgrcv(message_queue, &message, sizeof message.body, 7, 0);
}

static long wait_msgsnd(void)
{
	struct message m = {1, "one more"};

	return msgsnd(message_queue, &m, sizeof m.body, 0);
}

static void make_semset(void)
{
	semaphores = MUST(semget(IPC_PRIVATE, 1, 0600));
	MUST(semctl(semaphores, 0, SETVAL, 0));
}

static void wake_semop(void)
{
	struct sembuf op = {0, 1, 0};

	MUST(semop(semaphores, &op, 1));
}

static long wait_semop(void)
{
	struct sembuf op = {0, -1, 0};

	return semop(semaphores, &op, 1);
}

static long wait_semtimedop(void)
{
	struct sembuf op = {0, -1, 0};
	struct timespec ts = relative();

	left = ts;
	return semtimedop(semaphores, &op, 1, &left);
}

static void make_mq(void)
{
	struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 16};
	char name[64];

	snprintf(name, sizeof name, "/cprof-waits-%d", getpid());
	mq = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
	if (mq == (mqd_t)-1)
		fail("mq_open");
	mq_unlink(name);
}

static void make_mq_full(void)
{
	make_mq();
	MUST(mq_send(mq, "full", 4, 1));
}

static void wake_mq_receive(void)
{
	MUST(mq_send(mq, "hello", 5, 3));
}

static void wake_mq_send(void)
{
	char buf[16];

	MUST(mq_receive(mq, buf, sizeof buf, NULL));
}

static unsigned priority;

static void show_mq(void)
{
	show_text();
	printf("priority %u\n", priority);
}

static long wait_mq_receive(void)
{
	return got = mq_receive(mq, text, 16, &priority);
}

static long wait_mq_timedreceive(void)
{
	struct timespec ts = deadline(CLOCK_REALTIME);

	return got = mq_timedreceive(mq, text, 16, &priority, &ts);
}

static long wait_mq_send(void)
{
	return mq_send(mq, "more", 4, 1);
}

static long wait_mq_timedsend(void)
{
	struct timespec ts = deadline(CLOCK_REALTIME);

	return mq_timedsend(mq, "more", 4, 1, &ts);
}

/* ---- sockets ---- */

static void make_sockets(void)
{
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	snprintf(text, sizeof text, "untouched");
}

static void limit(int s, int option)
{
	struct timeval tv = relative_us();

	MUST(setsockopt(s, SOL_SOCKET, option, &tv, sizeof tv));
}

static void make_recv(void)
{
	make_sockets();
	limit(fd[0], SO_RCVTIMEO);
}

/* By an instruction of its own, as by another process before this one had the socket. */
static void make_recv_untold(void)
{
	struct timeval tv = relative_us();
	long r = SYS_setsockopt;

	make_sockets();

	register const void *value __asm__("r10") = &tv;
	register long size __asm__("r8") = sizeof tv;
	__asm__ volatile("syscall"
			 : "+a"(r)
			 : "D"((long)fd[0]), "S"((long)SOL_SOCKET), "d"((long)SO_RCVTIMEO),
			   "r"(value), "r"(size)
			 : "rcx", "r11", "memory");
	MUST((int)r);
}

static void fill(int s)
{
	static char page[4096];
	int flags = fcntl(s, F_GETFL);

	fcntl(s, F_SETFL, flags | O_NONBLOCK);
	for (size_t size = sizeof page; size; size /= 2)
		while (write(s, page, size) > 0)
			;
	fcntl(s, F_SETFL, flags);
}

static void drain(int s)
{
	static char page[65536];

	fcntl(s, F_SETFL, O_NONBLOCK);
	while (read(s, page, sizeof page) > 0)
		;
}

static void make_send(void)
{
	make_sockets();
	limit(fd[1], SO_SNDTIMEO);
	fill(fd[1]);
}

static void make_send_forever(void)
{
	make_sockets();
	fill(fd[1]);
}

static void wake_drain(void)
{
	drain(fd[0]);
}

static struct iovec iov[2];

static struct msghdr header(void)
{
	iov[0] = (struct iovec){text, 4};
	iov[1] = (struct iovec){text + 4, 28};
	return (struct msghdr){.msg_iov = iov, .msg_iovlen = 2};
}

extern ssize_t __read_chk(int, void *, size_t, size_t);
extern ssize_t __recv_chk(int, void *, size_t, size_t, int);
extern ssize_t __recvfrom_chk(int, void *, size_t, size_t, int, struct sockaddr *, socklen_t *);

static long wait_recv(void)
{
	return got = recv(fd[0], text, 32, 0);
}

static long wait_recv_chk(void)
{
	return got = __recv_chk(fd[0], text, 32, sizeof text, 0);
}

static long wait_recvfrom(void)
{
	return got = recvfrom(fd[0], text, 32, 0, NULL, NULL);
}

static long wait_recvfrom_chk(void)
{
	return got = __recvfrom_chk(fd[0], text, 32, sizeof text, 0, NULL, NULL);
}

static long wait_recvmsg(void)
{
	struct msghdr m = header();

	return got = recvmsg(fd[0], &m, 0);
}

static long wait_recvmmsg(void)
{
	struct mmsghdr m = {.msg_hdr = header()};

	return recvmmsg(fd[0], &m, 1, 0, NULL);
}

static long wait_read(void)
{
	return got = read(fd[0], text, 32);
}

static long wait_read_chk(void)
{
	return got = __read_chk(fd[0], text, 32, sizeof text);
}

static long wait_readv(void)
{
	(void)header();
	return got = readv(fd[0], iov, 2);
}

static long wait_send(void)
{
	return send(fd[1], "x", 1, 0);
}

static long wait_sendto(void)
{
	return sendto(fd[1], "x", 1, 0, NULL, 0);
}

static long wait_sendmsg(void)
{
	struct msghdr m = header();

	return sendmsg(fd[1], &m, 0);
}

static long wait_sendmmsg(void)
{
	struct mmsghdr m = {.msg_hdr = header()};

	return sendmmsg(fd[1], &m, 1, 0);
}

static long wait_write(void)
{
	return write(fd[1], "x", 1);
}

static long wait_writev(void)
{
	(void)header();
	return writev(fd[1], iov, 2);
}

static struct sockaddr_un address;
static socklen_t address_size;

static void make_accept(void)
{
	address.sun_family = AF_UNIX;
	fd[0] = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	/* Without a name the kernel chooses one. */
	MUST(bind(fd[0], (struct sockaddr *)&address, sizeof address.sun_family));
	address_size = sizeof address;
	MUST(getsockname(fd[0], (struct sockaddr *)&address, &address_size));
	MUST(listen(fd[0], 0));
	limit(fd[0], SO_RCVTIMEO);
}

static void make_accept_forever(void)
{
	struct timeval never = {0};

	make_accept();
	setsockopt(fd[0], SOL_SOCKET, SO_RCVTIMEO, &never, sizeof never);
}

static void wake_accept(void)
{
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	MUST(connect(s, (struct sockaddr *)&address, address_size));
}

static long wait_accept(void)
{
	int s = accept(fd[0], NULL, NULL);

	return s < 0 ? s : 0;
}

static long wait_accept4(void)
{
	int s = accept4(fd[0], NULL, NULL, SOCK_CLOEXEC);

	return s < 0 ? s : 0;
}

static void make_connect_forever(void)
{
	int s;

	make_accept_forever();
	do
		s = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
	while (!connect(s, (struct sockaddr *)&address, address_size));
	fd[1] = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
}

static void make_connect(void)
{
	make_connect_forever();
	limit(fd[1], SO_SNDTIMEO);
}

static void wake_connect(void)
{
	MUST(accept(fd[0], NULL, NULL));
}

static long wait_connect(void)
{
	return connect(fd[1], (struct sockaddr *)&address, address_size);
}

static struct sockaddr_in tcp;

/* Loopback with a full backlog answers no SYN. */
static void make_connect_tcp(void)
{
	socklen_t size = sizeof tcp;

	tcp.sin_family = AF_INET;
	tcp.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd[0] = MUST(socket(AF_INET, SOCK_STREAM, 0));
	MUST(bind(fd[0], (struct sockaddr *)&tcp, size));
	MUST(getsockname(fd[0], (struct sockaddr *)&tcp, &size));
	MUST(listen(fd[0], 0));
	for (int i = 0; i < 3; i++)
		connect(MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)),
			(struct sockaddr *)&tcp, sizeof tcp);
	fd[1] = MUST(socket(AF_INET, SOCK_STREAM, 0));
	limit(fd[1], SO_SNDTIMEO);
}

static long wait_connect_tcp(void)
{
	return connect(fd[1], (struct sockaddr *)&tcp, sizeof tcp);
}

/* ---- pipes and other descriptors ---- */

static void make_pipe_full(void)
{
	make_pipe();
	fill(fd[1]);
}

static void make_eventfd(void)
{
	fd[0] = MUST(eventfd(0, 0));
}

static void wake_eventfd(void)
{
	MUST(write(fd[0], &(uint64_t){7}, 8));
}

static void make_timerfd(void)
{
	fd[0] = MUST(timerfd_create(CLOCK_MONOTONIC, 0));
}

static uint64_t number;

static void show_number(void)
{
	printf("number %lu\n", (unsigned long)number);
}

static long wait_eventfd(void)
{
	return read(fd[0], &number, 8);
}

static long wait_timerfd(void)
{
	struct itimerspec its = {.it_value = relative()};

	timerfd_settime(fd[0], 0, &its, NULL);
	return read(fd[0], &number, 8);
}

static void make_dir(void)
{
	snprintf(dir, sizeof dir, "%s/cprof-waits-XXXXXX",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(dir))
		fail("mkdtemp");
	snprintf(text, sizeof text, "%s/file", dir);
}

static void remove_dir(void)
{
	char path[80];

	if (!dir[0])
		return;
	snprintf(path, sizeof path, "%s/file", dir);
	unlink(path);
	rmdir(dir);
}

static void make_inotify(void)
{
	make_dir();
	fd[0] = MUST(inotify_init1(0));
	MUST(inotify_add_watch(fd[0], dir, IN_CREATE));
}

static void wake_inotify(void)
{
	char path[80];

	snprintf(path, sizeof path, "%s/file", dir);
	MUST(open(path, O_CREAT | O_WRONLY, 0600));
}

static long wait_inotify(void)
{
	char buf[4096];
	long r = read(fd[0], buf, sizeof buf);

	number = r > 0 ? ((struct inotify_event *)buf)->mask : 0;
	return r;
}

static char path_of_lock[80];

/* The lock is held by a child, until it is woken. */
static void hold(bool whole)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int ready[2], go[2], own;
	char c;

	make_dir();
	snprintf(path_of_lock, sizeof path_of_lock, "%s/file", dir);
	own = MUST(open(path_of_lock, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
	MUST(pipe(ready));
	MUST(pipe(go));
	shared->word = 0;
	if (!MUST(fork())) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		own = MUST(open(path_of_lock, O_RDWR));
		if (whole)
			MUST(flock(own, LOCK_EX));
		else
			MUST(fcntl(own, F_SETLK, &lock));
		MUST(write(ready[1], "x", 1));
		while (read(go[0], &c, 1) < 0)
			;
		_exit(0);
	}
	MUST(read(ready[0], &c, 1));
	fd[0] = own;
	fd[1] = go[1];
}

static void make_flock(void)
{
	hold(true);
}

static void make_setlkw(void)
{
	hold(false);
}

static long wait_flock(void)
{
	return flock(fd[0], LOCK_EX);
}

static long wait_setlkw(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd[0], F_SETLKW, &lock);
}

static long wait_ofd_setlkw(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd[0], F_OFD_SETLKW, &lock);
}

static long wait_lockf(void)
{
	return lockf(fd[0], F_LOCK, 0);
}

static void make_fifo(void)
{
	make_dir();
	MUST(mkfifo(text, 0600));
}

static void wake_fifo(void)
{
	MUST(open(text, O_WRONLY));
}

static long wait_open(void)
{
	int s = open(text, O_RDONLY);

	return s < 0 ? s : 0;
}

static long wait_openat(void)
{
	int s = openat(AT_FDCWD, text, O_RDONLY);

	return s < 0 ? s : 0;
}

static void wake_fifo_writer(void)
{
	MUST(open(text, O_RDONLY));
}

static long wait_creat(void)
{
	int s = creat(text, 0600);

	return s < 0 ? s : 0;
}

extern int __open_2(const char *, int);

static long wait_open_2(void)
{
	int s = __open_2(text, O_RDONLY);

	return s < 0 ? s : 0;
}

static FILE *stream;

static void make_stream(void)
{
	make_pipe();
	stream = fdopen(fd[0], "r");
}

static void wake_stream(void)
{
	MUST(write(fd[1], "hello\n", 6));
}

static long wait_fgets(void)
{
	got = fgets(text, sizeof text, stream) ? 5 : 0;
	return got;
}

static long wait_getline(void)
{
	static char *line;
	static size_t room;

	got = getline(&line, &room, stream);
	if (got > 0)
		memcpy(text, line, (size_t)got);
	return got;
}

static long wait_fread(void)
{
	return got = (ssize_t)fread(text, 1, 6, stream);
}

static void make_stream_full(void)
{
	make_pipe_full();
	stream = fdopen(fd[1], "w");
}

static long wait_fflush(void)
{
	fputc('x', stream);
	return fflush(stream);
}

static long wait_fclose(void)
{
	fputc('x', stream);
	return fclose(stream);
}

static long wait_preadv2(void)
{
	(void)header();
	return got = preadv2(fd[0], iov, 2, -1, 0);
}

static long wait_pwritev2(void)
{
	(void)header();
	return pwritev2(fd[1], iov, 2, -1, 0);
}

static long wait_vmsplice(void)
{
	(void)header();
	return vmsplice(fd[1], iov, 1, 0);
}

static long wait_tee(void)
{
	static int out[2];
	long r;
	char c;

	if (!out[0])
		MUST(pipe(out));
	r = tee(fd[0], out[1], 1, 0);
	if (r == 1) {
		MUST(read(out[0], &c, 1));
		MUST(read(fd[0], &c, 1));
	}
	return r;
}

static int from_file;

static void make_sendfile(void)
{
	make_pipe_full();
	make_dir();
	from_file = MUST(open(text, O_CREAT | O_RDWR, 0600));
	MUST(write(from_file, "hello", 5));
}

static long wait_sendfile(void)
{
	off_t at = 0;

	return sendfile(fd[1], from_file, &at, 5);
}

static long wait_splice(void)
{
	static int out[2];
	long r;
	char c;

	if (!out[0])
		MUST(pipe(out));
	r = splice(fd[0], NULL, out[1], NULL, 1, 0);
	if (r == 1)
		MUST(read(out[0], &c, 1));
	return r;
}

/* ---- what gives back a part when it is interrupted ---- */

enum { MUCH = 1 << 20 };
static char much[MUCH];

/* The reader takes all, but not before it is woken. */
static void make_slow_reader(void)
{
	int go[2];
	char c;

	MUST(pipe(go));
	if (!MUST(fork())) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (read(go[0], &c, 1) < 0)
			;
		close(fd[1]);
		while (read(fd[0], much, sizeof much) > 0)
			;
		_exit(0);
	}
	close(fd[0]);
	fd[0] = go[1];
}

static void make_write_much(void)
{
	make_pipe();
	make_slow_reader();
}

static void make_send_much(void)
{
	make_sockets();
	make_slow_reader();
}

static void wake_slow_reader(void)
{
	MUST(write(fd[0], "x", 1));
}

static long wait_write_much(void)
{
	return write(fd[1], much, sizeof much);
}

static long wait_send_much(void)
{
	return send(fd[1], much, sizeof much, 0);
}

static void make_recv_all(void)
{
	make_sockets();
	MUST(write(fd[1], "ab", 2));
}

static void wake_recv_all(void)
{
	MUST(write(fd[1], "cd", 2));
}

static long wait_recv_all(void)
{
	return got = recv(fd[0], text, 4, MSG_WAITALL);
}

/* ---- children ---- */

static pid_t child;

static void make_child(void)
{
	char c;

	make_pipe();
	child = MUST(fork());
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (read(fd[0], &c, 1) < 0)
			;
		_exit(7);
	}
}

static void show_status(void)
{
	printf("status %x\n", (unsigned)status);
}

static long wait_waitpid(void)
{
	return waitpid(child, &status, 0) == child ? 1 : -1;
}

static long wait_wait4(void)
{
	return wait4(child, &status, 0, NULL) == child ? 1 : -1;
}

static long wait_waitid(void)
{
	siginfo_t info = {0};
	int r = waitid(P_PID, (id_t)child, &info, WEXITED);

	status = info.si_status;
	return r;
}

static long wait_wait(void)
{
	return wait(&status) == child ? 1 : -1;
}

static long wait_wait3(void)
{
	return wait3(&status, 0, NULL) == child ? 1 : -1;
}

static long wait_pclose(void)
{
	return pclose(popen("sleep 1", "r"));
}

static long wait_system(void)
{
	return system("sleep 1");
}

/* ---- raw system calls ---- */

static long futex(int op, int value, const struct timespec *ts)
{
	return syscall(SYS_futex, &shared->word, op, value, ts, NULL, FUTEX_BITSET_MATCH_ANY);
}

/* Who is in a handler at this moment does not wait, and would miss it. */
static void wake_futex(void)
{
	for (int i = 0; i < 2000 && futex(FUTEX_WAKE, 1, NULL) == 0; i++)
		usleep(1000);
}

static long wait_futex(void)
{
	struct timespec ts = relative();

	return futex(FUTEX_WAIT, 0, &ts);
}

static long wait_futex_abs(void)
{
	struct timespec ts = deadline(CLOCK_MONOTONIC);

	return futex(FUTEX_WAIT_BITSET, 0, &ts);
}

static long wait_futex_abs_realtime(void)
{
	struct timespec ts = deadline(CLOCK_REALTIME);

	return futex(FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &ts);
}

static long wait_futex_forever(void)
{
	return futex(FUTEX_WAIT, 0, NULL);
}

static long wait_raw_poll(void)
{
	return syscall(SYS_poll, &pollfd, 1, (int)wait_ms);
}

/* The kernel's own: it writes back what is left. */
static long wait_raw_ppoll(void)
{
	left = relative();
	return syscall(SYS_ppoll, &pollfd, 1, &left, NULL, 8);
}

static long wait_raw_select(void)
{
	set_fds();
	left_us = relative_us();
	return syscall(SYS_select, fd[0] + 1, &rfds, &wfds, NULL, &left_us);
}

static long wait_raw_pselect(void)
{
	struct {
		const sigset_t *mask;
		size_t size;
	} mask = {&current, 8};

	set_fds();
	left = relative();
	return syscall(SYS_pselect6, fd[0] + 1, &rfds, &wfds, NULL, &left, &mask);
}

static long wait_raw_epoll(void)
{
	return syscall(SYS_epoll_wait, epoll_fd, &event, 1, (int)wait_ms);
}

static long wait_raw_nanosleep(void)
{
	struct timespec ts = relative();

	left = timespec_of(0);
	return syscall(SYS_nanosleep, &ts, &left);
}

static long wait_raw_clock_nanosleep(void)
{
	struct timespec ts = relative();

	left = timespec_of(0);
	return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &ts, &left);
}

static long wait_raw_pause(void)
{
	return syscall(SYS_pause);
}

static long wait_raw_recv(void)
{
	return got = syscall(SYS_recvfrom, fd[0], text, 32, 0, NULL, NULL);
}

static aio_context_t aio;

static void make_aio(void)
{
	if (syscall(SYS_io_setup, 4, &aio) < 0)
		fail("io_setup");
}

static long wait_io_getevents(void)
{
	struct io_event events[1];
	struct timespec ts = relative();

	return syscall(SYS_io_getevents, aio, 1, 1, events, &ts);
}

static const struct call calls[] = {
	{"poll", make_pipe, wait_poll, NULL, show_poll, CANCELS},
	{"poll_nothing", nothing, wait_poll_nothing, NULL, NULL, CANCELS},
	{"poll_chk", make_pipe, wait_poll_chk, NULL, show_poll, CANCELS},
	{"poll_forever", make_pipe, wait_poll_forever, wake_pipe, show_poll, CANCELS},
	{"ppoll", make_pipe, wait_ppoll, NULL, show_ppoll, CANCELS},
	{"ppoll_chk", make_pipe, wait_ppoll_chk, NULL, show_ppoll, CANCELS},
	{"ppoll_forever", make_poll_mask, wait_ppoll_forever, wake_pipe, show_poll,
	 CANCELS | MASKED},
	{"ppoll_mask", make_poll_mask, wait_ppoll_mask, NULL, show_ppoll, CANCELS | MASKED},
	{"ppoll_full", make_poll_mask, wait_ppoll_full, NULL, show_ppoll, CANCELS | LATE},
	{"select", make_pipe, wait_select, NULL, show_select, CANCELS},
	{"select_forever", make_pipe, wait_select_forever, wake_pipe, show_fds, CANCELS},
	{"select_nothing", make_pipe, wait_select_nothing, NULL, show_select, CANCELS},
	{"pselect", make_pipe, wait_pselect, NULL, show_pselect, CANCELS},
	{"pselect_mask", make_poll_mask, wait_pselect_mask, NULL, show_pselect, CANCELS | MASKED},
	{"pselect_full", make_poll_mask, wait_pselect_full, NULL, show_pselect, CANCELS | LATE},
	{"epoll_wait", make_epoll, wait_epoll, NULL, show_epoll, CANCELS},
	{"epoll_wait_forever", make_epoll, wait_epoll_forever, wake_pipe, show_epoll, CANCELS},
	{"epoll_pwait", make_epoll, wait_epoll_pwait, NULL, show_epoll, CANCELS},
	{"epoll_pwait_mask", make_epoll, wait_epoll_pwait_mask, NULL, show_epoll, CANCELS | MASKED},
	{"epoll_pwait2", make_epoll, wait_epoll_pwait2, NULL, show_epoll, CANCELS | MASKED},
	{"epoll_pwait2_forever", make_epoll, wait_epoll_pwait2_forever, wake_pipe, show_epoll,
	 CANCELS},
	{"nanosleep", nothing, wait_nanosleep, NULL, NULL, CANCELS},
	{"nanosleep_left", nothing, wait_nanosleep_left, NULL, show_left, CANCELS},
	{"nanosleep_same", nothing, wait_nanosleep_same, NULL, show_left, CANCELS},
	{"clock_nanosleep_realtime", nothing, wait_clock_nanosleep_realtime, NULL, show_left,
	 CANCELS},
	{"clock_nanosleep_monotonic", nothing, wait_clock_nanosleep_monotonic, NULL, show_left,
	 CANCELS},
	{"clock_nanosleep_abs", nothing, wait_clock_nanosleep_abs, NULL, show_left, CANCELS},
	{"clock_nanosleep_abs_realtime", nothing, wait_clock_nanosleep_abs_realtime, NULL, NULL,
	 CANCELS},
	{"usleep", nothing, wait_usleep, NULL, NULL, CANCELS},
	{"sleep", nothing, wait_sleep, NULL, NULL, CANCELS},
	{"thrd_sleep", nothing, wait_thrd_sleep, NULL, show_left, CANCELS},
	{"sem_timedwait", make_sem, wait_sem_timed, NULL, NULL, CANCELS},
	{"sem_clockwait", make_sem, wait_sem_clock, NULL, NULL, CANCELS},
	{"sem_wait", make_sem, wait_sem, wake_sem, NULL, CANCELS},
	{"cond_timedwait", make_cond, wait_cond_timed, NULL, NULL, CANCELS | NO_JUMP | NO_CANCEL},
	{"cond_clockwait", make_cond, wait_cond_clock, NULL, NULL, CANCELS | NO_JUMP | NO_CANCEL},
	{"cond_wait", make_cond, wait_cond, wake_cond, NULL, CANCELS | NO_JUMP | NO_CANCEL},
	{"mutex_timedlock", make_mutex, wait_mutex_timed, NULL, NULL, NO_JUMP | NO_CANCEL},
	{"mutex_clocklock", make_mutex, wait_mutex_clock, NULL, NULL, NO_JUMP | NO_CANCEL},
	{"join", make_thread, wait_join, wake_pipe, show_joined, CANCELS | NO_JUMP | NO_CANCEL},
	{"join_timed", make_thread, wait_join_timed, NULL, show_joined,
	 CANCELS | NO_JUMP | NO_CANCEL},
	{"sigtimedwait", make_signals, wait_sigtimedwait, NULL, show_seen, CANCELS},
	{"sigwaitinfo", make_signals, wait_sigwaitinfo, wake_queued, show_seen, CANCELS},
	{"sigwait", make_signals, wait_sigwait, wake_queued, show_signo, CANCELS},
	{"signalfd", make_signals, wait_signalfd, wake_queued, show_signo, CANCELS},
	{"pause", nothing, wait_pause, wake_hup, NULL, CANCELS},
	{"sigsuspend", make_signals, wait_sigsuspend, wake_hup, NULL, CANCELS | MASKED},
	{"msgrcv", make_msg, wait_msgrcv, wake_msgrcv, show_message, CANCELS},
	{"msgsnd", make_msg_full, wait_msgsnd, wake_msgsnd, NULL, CANCELS},
	{"semop", make_semset, wait_semop, wake_semop, NULL, 0},
	{"semtimedop", make_semset, wait_semtimedop, NULL, show_left, 0},
	{"mq_receive", make_mq, wait_mq_receive, wake_mq_receive, show_mq, CANCELS},
	{"mq_timedreceive", make_mq, wait_mq_timedreceive, NULL, show_mq, CANCELS},
	{"mq_send", make_mq_full, wait_mq_send, wake_mq_send, NULL, CANCELS},
	{"mq_timedsend", make_mq_full, wait_mq_timedsend, NULL, NULL, CANCELS},
	{"recv", make_recv, wait_recv, NULL, show_text, CANCELS},
	{"recv_chk", make_recv, wait_recv_chk, NULL, show_text, CANCELS},
	{"recv_forever", make_sockets, wait_recv, wake_pipe, show_text, CANCELS},
	{"recv_untold", make_recv_untold, wait_recv, NULL, show_text, CANCELS},
	{"recvfrom_untold", make_recv_untold, wait_recvfrom, NULL, show_text, CANCELS},
	{"recvmmsg_untold", make_recv_untold, wait_recvmmsg, NULL, show_text, CANCELS},
	{"recvfrom", make_recv, wait_recvfrom, NULL, show_text, CANCELS},
	{"recvfrom_chk", make_recv, wait_recvfrom_chk, NULL, show_text, CANCELS},
	{"recvmsg", make_recv, wait_recvmsg, NULL, show_text, CANCELS},
	{"recvmmsg", make_recv, wait_recvmmsg, NULL, show_text, CANCELS},
	{"read_socket", make_recv, wait_read, NULL, show_text, CANCELS},
	{"read_chk", make_recv, wait_read_chk, NULL, show_text, CANCELS},
	{"readv_socket", make_recv, wait_readv, NULL, show_text, CANCELS},
	{"accept", make_accept, wait_accept, NULL, NULL, CANCELS},
	{"accept_forever", make_accept_forever, wait_accept, wake_accept, NULL, CANCELS},
	{"accept4", make_accept, wait_accept4, NULL, NULL, CANCELS},
	{"send", make_send, wait_send, NULL, NULL, CANCELS},
	{"send_forever", make_send_forever, wait_send, wake_drain, NULL, CANCELS},
	{"sendto", make_send, wait_sendto, NULL, NULL, CANCELS},
	{"sendmsg", make_send, wait_sendmsg, NULL, NULL, CANCELS},
	{"sendmmsg", make_send, wait_sendmmsg, NULL, NULL, CANCELS},
	{"write_socket", make_send, wait_write, NULL, NULL, CANCELS},
	{"writev_socket", make_send, wait_writev, NULL, NULL, CANCELS},
	{"connect", make_connect, wait_connect, NULL, NULL, CANCELS},
	{"connect_forever", make_connect_forever, wait_connect, wake_connect, NULL, CANCELS},
	{"connect_tcp", make_connect_tcp, wait_connect_tcp, NULL, NULL, CANCELS | ONCE},
	{"read_pipe", make_pipe, wait_read, wake_pipe, show_text, CANCELS},
	{"readv_pipe", make_pipe, wait_readv, wake_pipe, show_text, CANCELS},
	{"write_pipe", make_pipe_full, wait_write, wake_drain, NULL, CANCELS},
	{"read_eventfd", make_eventfd, wait_eventfd, wake_eventfd, show_number, CANCELS},
	{"read_timerfd", make_timerfd, wait_timerfd, NULL, show_number, CANCELS},
	{"read_inotify", make_inotify, wait_inotify, wake_inotify, show_number, CANCELS},
	{"fgets", make_stream, wait_fgets, wake_stream, show_text, CANCELS | NO_JUMP | NO_CANCEL},
	{"getline", make_stream, wait_getline, wake_stream, show_text,
	 CANCELS | NO_JUMP | NO_CANCEL},
	{"fread", make_stream, wait_fread, wake_stream, show_text, CANCELS | NO_JUMP | NO_CANCEL},
	{"fflush", make_stream_full, wait_fflush, wake_drain, NULL, CANCELS | NO_JUMP | NO_CANCEL},
	{"fclose", make_stream_full, wait_fclose, wake_drain, NULL,
	 CANCELS | NO_JUMP | NO_CANCEL | ONCE},
	{"preadv2", make_pipe, wait_preadv2, wake_pipe, show_text, CANCELS},
	{"pwritev2", make_pipe_full, wait_pwritev2, wake_drain, NULL, CANCELS},
	{"sendfile", make_sendfile, wait_sendfile, wake_drain, NULL, 0},
	{"vmsplice", make_pipe_full, wait_vmsplice, wake_drain, NULL, CANCELS},
	{"tee", make_pipe, wait_tee, wake_pipe, NULL, CANCELS},
	{"splice", make_pipe, wait_splice, wake_pipe, NULL, CANCELS},
	{"flock", make_flock, wait_flock, wake_pipe, NULL, 0},
	{"setlkw", make_setlkw, wait_setlkw, wake_pipe, NULL, CANCELS},
	{"ofd_setlkw", make_setlkw, wait_ofd_setlkw, wake_pipe, NULL, CANCELS},
	{"lockf", make_setlkw, wait_lockf, wake_pipe, NULL, CANCELS},
	{"open_fifo", make_fifo, wait_open, wake_fifo, NULL, CANCELS},
	{"openat_fifo", make_fifo, wait_openat, wake_fifo, NULL, CANCELS},
	{"open_creat", make_fifo, wait_creat, wake_fifo_writer, NULL, CANCELS},
	{"open_2", make_fifo, wait_open_2, wake_fifo, NULL, CANCELS},
	{"wait", make_child, wait_wait, wake_pipe, show_status, CANCELS | ONCE},
	{"wait3", make_child, wait_wait3, wake_pipe, show_status, CANCELS | ONCE},
	{"pclose", nothing, wait_pclose, NULL, NULL, CANCELS | NO_JUMP | NO_CANCEL | ONCE},
	{"waitpid", make_child, wait_waitpid, wake_pipe, show_status, CANCELS},
	{"wait4", make_child, wait_wait4, wake_pipe, show_status, CANCELS},
	{"waitid", make_child, wait_waitid, wake_pipe, show_status, CANCELS},
	{"system", nothing, wait_system, NULL, NULL, CANCELS | NO_JUMP | NO_CANCEL | ONCE},
	{"write_much", make_write_much, wait_write_much, wake_slow_reader, NULL, CANCELS | ONCE},
	{"send_much", make_send_much, wait_send_much, wake_slow_reader, NULL, CANCELS | ONCE},
	{"recv_all", make_recv_all, wait_recv_all, wake_recv_all, show_text, CANCELS | ONCE},
	{"futex", nothing, wait_futex, NULL, NULL, 0},
	{"futex_abs", nothing, wait_futex_abs, NULL, NULL, 0},
	{"futex_abs_realtime", nothing, wait_futex_abs_realtime, NULL, NULL, 0},
	{"futex_forever", nothing, wait_futex_forever, wake_futex, NULL, 0},
	{"raw_poll", make_pipe, wait_raw_poll, NULL, show_poll, 0},
	{"raw_ppoll", make_pipe, wait_raw_ppoll, NULL, show_ppoll, 0},
	{"raw_select", make_pipe, wait_raw_select, NULL, show_select, 0},
	{"raw_pselect", make_poll_mask, wait_raw_pselect, NULL, show_pselect, MASKED},
	{"raw_epoll", make_epoll, wait_raw_epoll, NULL, show_epoll, 0},
	{"raw_nanosleep", nothing, wait_raw_nanosleep, NULL, show_left, 0},
	{"raw_clock_nanosleep", nothing, wait_raw_clock_nanosleep, NULL, show_left, 0},
	{"raw_pause", nothing, wait_raw_pause, wake_hup, NULL, 0},
	{"raw_recv", make_recv, wait_raw_recv, NULL, show_text, 0},
	{"io_getevents", make_aio, wait_io_getevents, NULL, NULL, 0},
};

static const struct call *call_named(const char *name)
{
	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
		if (!strcmp(calls[i].name, name))
			return &calls[i];
	return NULL;
}

static void share(void)
{
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	shared->pid = getpid();
}

/* Whether a process has a handler for a signal, which may kill it otherwise. */
static bool handles(pid_t pid, int signo)
{
	char path[40], line[256];
	unsigned long caught = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	while (fgets(line, sizeof line, f))
		if (sscanf(line, "SigCgt: %lx", &caught) == 1)
			break;
	fclose(f);
	return caught >> (signo - 1) & 1;
}

static void clean_up(void)
{
	remove_queue();
	remove_dir();
}

#endif
