/* SPDX-License-Identifier: MIT */
/* ns per call of what is wrapped and often called, the best of 125 loops of 200 us each: name and figure a line. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/bench/best.h"

enum { LOOPS = 125, BATCH = 100 };
enum { FILE_BYTES = 1 << 20 }; /* more than are read in all loops */
static int zero, null, file, ends[2], pair[2];
static char buf[64], much[FILE_BYTES];
static sigset_t full, old;

static void call_read_file(void)
{
	if (read(file, buf, 1) != 1)
		_exit(1);
}
static void call_read_empty(void)
{
	(void)!read(ends[0], buf, 1);
}
static void call_pipe(void)
{
	(void)!write(ends[1], buf, 1);
	(void)!read(ends[0], buf, 1);
}
static void call_read_zero(void)
{
	(void)!read(zero, buf, 1);
}
static void call_write(void)
{
	(void)!write(null, buf, 1);
}
static void call_poll(void)
{
	poll(NULL, 0, 0);
}
static void call_send_recv(void)
{
	(void)send(pair[0], buf, 1, 0);
	(void)recv(pair[1], buf, 1, 0);
}
static void call_sigmask(void)
{
	pthread_sigmask(SIG_BLOCK, &full, &old);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}
static void call_syscall(void)
{
	syscall(SYS_gettid);
}

int main(void)
{
	static const struct {
		const char *name;
		void (*call)(void);
	} all[] = {{"read_1_byte_file", call_read_file},
		   {"read_1_byte_EAGAIN", call_read_empty},
		   {"read_1_byte_/dev/zero", call_read_zero},
		   {"write+read_1_byte_pipe", call_pipe},
		   {"write_1_byte", call_write},
		   {"poll_nothing", call_poll},
		   {"send+recv_1_byte", call_send_recv},
		   {"sigmask_block+restore", call_sigmask},
		   {"syscall_gettid", call_syscall}};

	zero = open("/dev/zero", O_RDONLY);
	null = open("/dev/null", O_WRONLY);
	file = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);
	if (file < 0 || write(file, much, sizeof much) != sizeof much || lseek(file, 0, SEEK_SET) ||
	    pipe2(ends, O_NONBLOCK) < 0)
		return 1;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return 1;
	sigfillset(&full);
	for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++)
		printf("%s %.1f\n", all[i].name, best(all[i].call, LOOPS, BATCH));
	return 0;
}
