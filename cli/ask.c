/* SPDX-License-Identifier: MIT */
#include "cli/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/control.h"
#include "core/sys.h"

#define NS	   UINT64_C(1000000000)
#define SETTLED_NS (NS / 10) /* the same image for so long */
#define HOLD_NS	   (NS / 20) /* in which exec waits */

/* ---- the store ---- */

static bool read_word(const struct ask *a, size_t at, uint32_t *ret)
{
	return a->store >= 0 && pread(a->store, ret, sizeof *ret, (off_t)at) == sizeof *ret;
}

uint32_t ask_word(const struct ask *a, size_t at)
{
	uint32_t value = 0;

	return read_word(a, at, &value) ? value : 0;
}

bool ask_read_header(const struct ask *a, struct store_header *h)
{
	if (a->store < 0 || pread(a->store, h, sizeof *h, 0) != sizeof *h ||
	    memcmp(h->magic, STORE_MAGIC, sizeof h->magic) != 0 || h->version != STORE_VERSION)
		return false;
	h->program[sizeof h->program - 1] = '\0';
	return true;
}

static void forget_store(struct ask *a)
{
	if (a->store >= 0)
		close(a->store);
	a->store = -1;
	a->dumps = a->heard = 0;
}

bool ask_find_store(struct ask *a, const char **ret_why)
{
	struct store_header h;
	int fd;

	if (!a->live.store[0] || (a->store >= 0 && a->inode == a->live.store_inode))
		return true;
	fd = live_open_store(&a->live, O_RDWR);
	forget_store(a); /* another image's */
	if (fd < 0)
		return true; /* see why_not_now() */
	a->store = fd;
	a->inode = a->live.store_inode;
	if (!ask_read_header(a, &h)) {
		if (ASK_WORD(a, version) && ASK_WORD(a, version) != STORE_VERSION) {
			/* Nothing may be written there: its places are others. */
			*ret_why = "its libcprof.so is of another version; use the cprof beside it";
			forget_store(a);
			return false;
		}
		forget_store(a); /* half made */
		return true;
	}
	if (h.pid != a->live.inner_pid) {
		*ret_why = "it is a copy of a process and about to become another program";
		forget_store(a);
		return false;
	}
	return true;
}

/* ---- asking ---- */

static void note_image(struct ask *a)
{
	if (a->image_ns && a->image_at == a->live.library_at)
		return;
	a->image_at = a->live.library_at;
	a->image_ns = sys_clock_ns(CLOCK_MONOTONIC);
}

bool ask_look_again(struct ask *a)
{
	char why[256];
	struct live l;

	if (live_look(&l, a->live.pid, why) < 0)
		return false;
	a->live = l;
	note_image(a);
	return true;
}

/* With a store: nobody enters exec until *ret_until. */
static bool hold(struct ask *a, uint64_t *ret_until)
{
	*ret_until = sys_clock_ns(CLOCK_MONOTONIC) + HOLD_NS;
	if (pwrite(a->store, ret_until, sizeof *ret_until,
		   offsetof(struct store_header, hold_until_ns)) != sizeof *ret_until)
		return false;
	/* Pairs with the order in store_leaving(). */
	atomic_thread_fence(memory_order_seq_cst);
	return ASK_WORD(a, leaving) == 0;
}

/* NULL: it is safe to send the signal now, until *ret_until. */
static const char *why_not_now(struct ask *a, uint64_t *ret_until)
{
	static const char leaving[] = "it is about to execute another program; try again";
	static const char unheld[] =
		"its store cannot be opened from here, so it can be asked only while all of it "
		"sleeps; try again";
	static const char starting[] = "it has just started; try again";

	*ret_until = UINT64_MAX;
	if (!live_again(&a->live))
		return "it has ended";
	if (!live_is_at_work(&a->live))
		return "libcprof.so is loaded but does nothing there: it is still starting, or its "
		       "options leave this program out ([follow])";
	if (a->store >= 0)
		return hold(a, ret_until) ? NULL : leaving;
	note_image(a);
	if (sys_clock_ns(CLOCK_MONOTONIC) < a->image_ns + SETTLED_NS)
		return starting;
	if (!live_rests(&a->live)) {
		/* With a store it has used its CPU, may exec at any time, and is not held. */
		if (a->live.store[0])
			return unheld;
		if (sys_clock_ns(CLOCK_MONOTONIC) < a->image_ns + NS)
			return starting;
	}
	/* That has taken a moment. */
	return live_again(&a->live) && live_is_at_work(&a->live) ? NULL : leaving;
}

int ask_send(struct ask *a, const char **ret_why)
{
	siginfo_t info;
	uint64_t until;

	memset(&info, 0, sizeof info);
	info.si_signo = SIGPROF;
	info.si_code = SI_QUEUE;
	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value.sival_ptr = (void *)CONTROL_VALUE(CONTROL_DUMP);
	a->heard = ASK_WORD(a, dump_requests);
	a->asked_ns = sys_clock_ns(CLOCK_MONOTONIC);
	*ret_why = why_not_now(a, &until);
	if (!*ret_why && sys_clock_ns(CLOCK_MONOTONIC) > until - HOLD_NS / 2)
		*ret_why = "this machine is too busy; try again";
	if (*ret_why)
		return -EAGAIN;
	if (syscall(SYS_pidfd_send_signal, a->process, SIGPROF, &info, 0) == 0)
		return 0;
	*ret_why = errno == ESRCH ? "it has ended" : strerror(errno);
	return -errno;
}
