/* SPDX-License-Identifier: MIT */
#include "core/process.h"

#include <errno.h>

#include "core/sys.h"
#include "core/text.h"

#include "core/as_safe.h"

enum { STATE = 3, THREADS = 20, START = 22 }; /* fields of /proc/PID/stat, see proc(5) */

/* Reads a small file of /proc; the number of bytes, or -errno. */
static ssize_t read_file(const char *path, char *buf, size_t size)
{
	int fd = sys_open(path, O_RDONLY, 0);

	if (fd < 0)
		return fd;
	ssize_t n = sys_read(fd, buf, size);
	sys_close(fd);
	return n;
}

int process_start_ticks(uint32_t pid, uint64_t *ret_ticks)
{
	char buf[512], name[32];
	struct text path = TEXT_ON(name);
	uint64_t threads = 0, ticks = 0;
	unsigned field = 2;
	char is = 0;

	text_str(&path, "/proc/");
	if (pid)
		text_u64(&path, pid);
	else
		text_str(&path, "self");
	text_str(&path, "/stat");
	ssize_t n = read_file(name, buf, sizeof buf), at = n;
	if (n == -ENOENT && pid && sys_kill((int)pid, 0) != -ESRCH)
		return -EIO; /* there is no /proc, or it hides other users' processes */
	if (n < 0)
		return n == -ENOENT ? -ESRCH : (int)n;
	/* Behind the last ')': the second field is the program's name and may hold anything. */
	while (at && buf[at - 1] != ')')
		at--;
	for (; at < n && field <= START; at++) {
		unsigned digit = (unsigned char)buf[at] - (unsigned)'0';

		if (buf[at] == ' ')
			field++;
		else if (field == STATE)
			is = buf[at];
		else if (field == THREADS && digit <= 9)
			threads = threads * 10 + digit;
		else if (field == START && digit <= 9)
			ticks = ticks * 10 + digit;
	}
	if (field <= START)
		return -EIO;
	/* A main thread may end before the others: a zombie with threads is alive. */
	if ((is == 'Z' || is == 'X') && threads <= 1)
		return -ESRCH;
	*ret_ticks = ticks;
	return 0;
}

bool process_has_own_proc(void)
{
	uint64_t pid;
	char buf[16];
	ssize_t n = sys_readlink("/proc/self", buf, sizeof buf);

	return n > 0 && text_parse_u64(buf, (size_t)n, &pid) == 0 && pid == (uint64_t)sys_getpid();
}

bool process_may_be_alive(uint32_t pid, uint64_t start_ticks)
{
	uint64_t ticks;

	if (sys_kill((int)pid, 0) == -ESRCH)
		return false;
	if (!process_has_own_proc())
		return true;
	int rc = process_start_ticks(pid, &ticks);
	return rc == 0 ? ticks == start_ticks : rc != -ESRCH;
}

uint64_t process_boot_realtime_ns(void)
{
	uint64_t now = sys_clock_ns(CLOCK_REALTIME), since = sys_clock_ns(CLOCK_BOOTTIME);

	return since && now > since ? now - since : 0;
}

void process_boot_id(uint64_t ret_id[2])
{
	char buf[40];
	ssize_t n = read_file("/proc/sys/kernel/random/boot_id", buf, sizeof buf);
	unsigned digits = 0;

	ret_id[0] = ret_id[1] = 0;
	for (ssize_t i = 0; i < n && digits < 32; i++) {
		unsigned v;

		if (buf[i] >= '0' && buf[i] <= '9')
			v = (unsigned)(buf[i] - '0');
		else if (buf[i] >= 'a' && buf[i] <= 'f')
			v = (unsigned)(buf[i] - 'a') + 10;
		else
			continue;
		ret_id[digits / 16] = ret_id[digits / 16] << 4 | v;
		digits++;
	}
}

uint64_t process_pid_ns(void)
{
	struct stat st;

	return sys_fstatat(AT_FDCWD, "/proc/self/ns/pid", &st, 0) < 0 ? 0 : st.st_ino;
}
