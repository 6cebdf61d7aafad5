/* SPDX-License-Identifier: MIT */
/*
 * output/sink: files that appear complete or not at all, in a directory that only we can have
 * prepared.
 *
 * The directory rule.  Good is a directory that we or root own and that nobody else may write, or
 * that is sticky.  In one that others may write (a volume, a group's directory) the files go into
 * our own cprof-<uid>/ inside, mode 0700; and so they do in one of root's that we may not write,
 * when cprof-<uid>/ is there (see sink_dir_prepare()).  The default, /tmp/cprof-<uid>, is made with
 * mode 0700 and must be ours.  A directory of somebody else, and one that is reached by a symbolic
 * link as its last component, is refused: whoever owns it could exchange the files, and whoever
 * planted the link chooses where we write.
 *
 * A file is written to a temporary name, created O_EXCL, O_NOFOLLOW and 0600, and renamed when
 * complete.
 */
#ifndef CPROF_OUTPUT_SINK_H
#define CPROF_OUTPUT_SINK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/text.h"

#define SINK_PATH_BYTES 512u

struct sink_dir {
	int fd; /* -1: closed */
	/* In the name of temporary files: keeps two writers of one name apart (a dump and `cprof recover`, the processes 1 of two
	 * containers), and lets a writer replace what one of its own, killed, has left.  0: the time. */
	uint64_t writer;
	char path[SINK_PATH_BYTES];
};

struct sink {
	const struct sink_dir *dir;
	int fd;		/* -1: complete or gone */
	uint64_t room;	/* bytes until RLIMIT_FSIZE */
	char name[192]; /* in the directory */
	char temp[224]; /* the name until then, "" when there is no such file */
};

/* Opens (and for the default one makes) the directory that dir means; "" is /tmp/cprof-<euid>.
 * 0 or -errno with a one-line explanation in problem.
 * Context: own (signal-safe).  Allocates: no.  Locks: none. */
int sink_dir_open(struct sink_dir *d, const char *dir, struct text *problem);
void sink_dir_close(struct sink_dir *d);

/* Before a process of root becomes uid: makes cprof-<uid>/ of that user in the configured directory
 * dir, when nobody but root may write there.  What is there already and belongs to somebody else
 * stays as it is.  d is scratch space.  0 or -errno.
 * Context: wrapper (signal-safe).  Allocates: no.  Locks: none. */
int sink_dir_prepare(struct sink_dir *d, const char *dir, uid_t uid);

/* Starts a file.  0 or -errno with the explanation.
 * Context: as above. */
int sink_create(struct sink *s, const struct sink_dir *d, const char *name, struct text *problem);

/* Appends; partial writes are continued.  At RLIMIT_FSIZE the result is -EFBIG and the system call
 * is not made: the kernel would send the host a SIGXFSZ.  0 or -errno.
 * Context: as above. */
int sink_write(struct sink *s, const void *bytes, size_t n);

/* Gives the complete file its name; an older one of that name stays and is -EEXIST: the caller may give s->name another and call
 * again.  0 or -errno.
 * Context: as above. */
int sink_commit(struct sink *s);

/* Removes the temporary file, or the complete one when `committed` files must not stay behind.
 * Context: as above. */
void sink_remove(struct sink *s);

#endif
