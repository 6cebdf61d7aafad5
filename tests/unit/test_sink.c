/* SPDX-License-Identifier: MIT */
#include "output/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/check.h"

static char scratch[64]; /* a directory that is ours alone */
static char why[512];
static struct text problem;
static struct sink_dir dir;
static struct sink sink;

static void begin(void)
{
	snprintf(scratch, sizeof scratch, "/tmp/cprof-sink-XXXXXX");
	CHECK(mkdtemp(scratch) != NULL);
	problem = TEXT_ON(why);
	why[0] = '\0';
}

static void end(void)
{
	char command[128];

	sink_dir_close(&dir);
	snprintf(command, sizeof command, "rm -rf %s", scratch);
	CHECK_EQ(system(command), 0);
}

static const char *sub(const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", scratch, name);
	return path;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	CHECK_EQ(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

TEST(sink_writes_a_complete_file_that_only_we_can_read)
{
	char back[16] = "";

	begin();
	CHECK_EQ(sink_dir_open(&dir, scratch, &problem), 0);
	CHECK_STR(dir.path, scratch);
	CHECK_EQ(sink_create(&sink, &dir, "a.1.cpu.1.pb.gz", &problem), 0);
	CHECK_EQ(sink_write(&sink, "hello ", 6), 0);
	CHECK_EQ(access(sub("a.1.cpu.1.pb.gz"), F_OK), -1); /* nobody sees half a file */
	CHECK_EQ(check_files_in(scratch), 1);
	CHECK_EQ(sink_write(&sink, "world", 5), 0);
	CHECK_EQ(sink_commit(&sink), 0);
	CHECK_EQ(check_files_in(scratch), 1);
	CHECK_EQ(mode_of(sub("a.1.cpu.1.pb.gz")), 0600);
	int fd = open(sub("a.1.cpu.1.pb.gz"), O_RDONLY);
	CHECK_EQ(read(fd, back, sizeof back), 11);
	CHECK_STR(back, "hello world");
	close(fd);
	CHECK_STR(why, "");
	end();
}

/* write(2) of more than 64 bytes fails with EDQUOT from now on, in this process. */
static bool deny_long_writes(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 64, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDQUOT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(sink_edquot_in_the_middle_leaves_nothing_and_the_next_file_works)
{
	char long_text[100] = "";
	int state;

	begin();
	pid_t child = fork();
	if (child == 0) {
		bool good = deny_long_writes() && sink_dir_open(&dir, scratch, &problem) == 0 &&
			    sink_create(&sink, &dir, "a.1.cpu.1.pb.gz", &problem) == 0 &&
			    sink_write(&sink, "short", 5) == 0 && check_files_in(scratch) == 1 &&
			    sink_write(&sink, long_text, sizeof long_text) == -EDQUOT;
		sink_remove(&sink);
		good = good && check_files_in(scratch) == 0 &&
		       sink_create(&sink, &dir, "a.1.cpu.1.pb.gz", &problem) == 0 &&
		       sink_write(&sink, "short", 5) == 0 && sink_commit(&sink) == 0;
		_exit(!good);
	}
	waitpid(child, &state, 0);
	CHECK(WIFEXITED(state) && WEXITSTATUS(state) == 0);
	CHECK_EQ(check_files_in(scratch), 1);
	end();
}

TEST(sink_default_directory_is_made_for_us_alone)
{
	char expected[64];

	begin();
	snprintf(expected, sizeof expected, "/tmp/cprof-%u", geteuid());
	CHECK_EQ(sink_dir_open(&dir, "", &problem), 0);
	CHECK_STR(dir.path, expected);
	CHECK_EQ(mode_of(expected) & 0077, 0);
	end();
}

/* Runs body as a user without rights; true when it returned true.  Needs root. */
static bool as_nobody(bool (*body)(void))
{
	int state;
	pid_t child = fork();

	if (child == 0) {
		if (setgid(65534) || setuid(65534))
			_exit(2);
		_exit(!body());
	}
	waitpid(child, &state, 0);
	return WIFEXITED(state) && WEXITSTATUS(state) == 0;
}

static bool default_dir_of_another_is_refused(void)
{
	int rc = sink_dir_open(&dir, "", &problem);

	return rc == -EPERM && strcmp(why, "/tmp/cprof-65534: is not ours alone, not written to "
					   "(EPERM)") == 0;
}

static bool default_dir_that_is_a_link_is_refused(void)
{
	int rc = sink_dir_open(&dir, "", &problem);

	return (rc == -ELOOP || rc == -ENOTDIR) && strncmp(why, "/tmp/cprof-65534: is ", 20) == 0;
}

TEST(sink_default_directory_that_was_planted_is_refused)
{
	if (geteuid() != 0)
		SKIP("needs root to act as another user");
	begin();
	rmdir("/tmp/cprof-65534");
	CHECK_EQ(mkdir("/tmp/cprof-65534", 0777), 0);
	CHECK(as_nobody(default_dir_of_another_is_refused));
	CHECK_EQ(rmdir("/tmp/cprof-65534"), 0);
	CHECK_EQ(symlink(scratch, "/tmp/cprof-65534"), 0);
	CHECK(as_nobody(default_dir_that_is_a_link_is_refused));
	CHECK_EQ(unlink("/tmp/cprof-65534"), 0);
	end();
}

static bool open_default_dir_is_refused(void)
{
	bool refused = mkdir("/tmp/cprof-65534", 0700) == 0 &&
		       chmod("/tmp/cprof-65534", 0770) == 0 &&
		       sink_dir_open(&dir, "", &problem) == -EPERM;

	return rmdir("/tmp/cprof-65534") == 0 && refused;
}

TEST(sink_default_directory_that_others_may_write_is_refused)
{
	if (geteuid() != 0)
		SKIP("needs root to act as another user");
	begin();
	CHECK(as_nobody(open_default_dir_is_refused));
	end();
}

TEST(sink_missing_directory_is_an_error_that_names_it)
{
	char expected[256];

	begin();
	CHECK_EQ(sink_dir_open(&dir, sub("missing"), &problem), -ENOENT);
	snprintf(expected, sizeof expected, "%s: cannot be opened (ENOENT)", sub("missing"));
	CHECK_STR(why, expected);
	CHECK_EQ(dir.fd, -1);
	end();
}

TEST(sink_relative_or_endless_directory_is_an_error)
{
	char endless[1024];

	begin();
	CHECK_EQ(sink_dir_open(&dir, "profiles", &problem), -EINVAL);
	CHECK_STR(why, "profiles: is not an absolute path (EINVAL)");
	memset(endless, 'x', sizeof endless - 1);
	endless[0] = '/';
	endless[sizeof endless - 1] = '\0';
	CHECK_EQ(sink_dir_open(&dir, endless, &problem), -ENAMETOOLONG);
	end();
}

TEST(sink_file_in_the_place_of_a_directory_is_an_error)
{
	begin();
	close(open(sub("file"), O_CREAT | O_WRONLY, 0600));
	CHECK_EQ(sink_dir_open(&dir, sub("file"), &problem), -ENOTDIR);
	end();
}

TEST(sink_symlinked_directory_is_refused_with_and_without_a_slash)
{
	char path[160];

	begin();
	CHECK_EQ(mkdir(sub("real"), 0700), 0);
	CHECK_EQ(symlink("real", sub("link")), 0);
	CHECK_EQ(sink_dir_open(&dir, sub("link"), &problem), -ELOOP);
	CHECK(strstr(why, "is a symbolic link") != NULL);
	snprintf(path, sizeof path, "%s//", sub("link"));
	CHECK_EQ(sink_dir_open(&dir, path, &problem), -ELOOP);
	snprintf(path, sizeof path, "%s//", sub("real"));
	CHECK_EQ(sink_dir_open(&dir, path, &problem), 0);
	CHECK_STR(dir.path, sub("real"));
	end();
}

static bool foreign_is_refused(void)
{
	return sink_dir_open(&dir, scratch, &problem) == -EPERM &&
	       strstr(why, "belongs to another user") != NULL;
}

TEST(sink_foreign_directory_is_refused)
{
	if (geteuid() != 0)
		SKIP("needs root to act as another user");
	begin();
	CHECK_EQ(chown(scratch, 1000, 1000), 0);
	CHECK_EQ(chmod(scratch, 0777), 0);
	CHECK(as_nobody(foreign_is_refused));
	CHECK_EQ(sink_dir_open(&dir, scratch, &problem), -EPERM); /* root too */
	end();
}

TEST(sink_group_writable_directory_gets_a_directory_of_ours_inside)
{
	char own[128];

	begin();
	CHECK_EQ(chmod(scratch, 0770), 0);
	snprintf(own, sizeof own, "%s/cprof-%u", scratch, geteuid());
	CHECK_EQ(sink_dir_open(&dir, scratch, &problem), 0);
	CHECK_STR(dir.path, own);
	CHECK_EQ(mode_of(own), 0700);
	sink_dir_close(&dir);
	CHECK_EQ(sink_dir_open(&dir, scratch, &problem), 0); /* and again */
	sink_dir_close(&dir);
	/* What somebody else planted there is refused. */
	CHECK_EQ(chmod(own, 0777), 0);
	CHECK_EQ(sink_dir_open(&dir, scratch, &problem), -EPERM);
	CHECK_EQ(rmdir(own), 0);
	CHECK_EQ(symlink("/tmp", own), 0);
	CHECK(sink_dir_open(&dir, scratch, &problem) < 0);
	end();
}

TEST(sink_sticky_directory_is_good_as_it_is)
{
	begin();
	CHECK_EQ(chmod(scratch, 01777), 0);
	CHECK_EQ(sink_dir_open(&dir, scratch, &problem), 0);
	CHECK_STR(dir.path, scratch);
	end();
}

static char expected[256];

static bool roots_directory_says_eacces(void)
{
	return sink_dir_open(&dir, scratch, &problem) == -EACCES && strcmp(why, expected) == 0;
}

TEST(sink_directory_of_root_that_we_may_not_write_is_an_error)
{
	if (geteuid() != 0)
		SKIP("needs root to act as another user");
	begin();
	CHECK_EQ(chmod(scratch, 0755), 0);
	snprintf(expected, sizeof expected, "%s: cannot be written to (EACCES) for uid 65534",
		 scratch);
	CHECK(as_nobody(roots_directory_says_eacces));
	CHECK_EQ(chmod(scratch, 0700), 0);
	CHECK(as_nobody(roots_directory_says_eacces));
	CHECK_EQ(check_files_in(scratch), 0);
	end();
}

/* The right is asked for the effective user, who is nobody here while the real one is root. */
static bool prepared_directory_is_used(void)
{
	snprintf(expected, sizeof expected, "%s/cprof-65534", scratch);
	return sink_dir_open(&dir, scratch, &problem) == 0 && strcmp(dir.path, expected) == 0 &&
	       sink_create(&sink, &dir, "x", &problem) == 0 && sink_commit(&sink) == 0;
}

static bool effective_nobody_uses_it_too(void)
{
	return setreuid(0, 65534) == 0 && prepared_directory_is_used();
}

static bool sticky_directory_is_used_as_it_is(void)
{
	return sink_dir_open(&dir, scratch, &problem) == 0 && strcmp(dir.path, scratch) == 0;
}

static bool as_root_in_a_child(bool (*body)(void))
{
	int state;
	pid_t child = fork();

	if (child == 0)
		_exit(!body());
	waitpid(child, &state, 0);
	return state == 0;
}

TEST(sink_directory_that_root_has_prepared_is_used)
{
	struct sink_dir space;
	struct stat st;
	char own[128];

	if (geteuid() != 0)
		SKIP("needs root to act as another user");
	begin();
	snprintf(own, sizeof own, "%s/cprof-65534", scratch);
	CHECK_EQ(chmod(scratch, 0755), 0);
	CHECK_EQ(sink_dir_prepare(&space, scratch, 65534), 0);
	CHECK_EQ(lstat(own, &st), 0);
	CHECK_EQ(st.st_uid, 65534);
	CHECK_EQ(mode_of(own), 0700);
	CHECK(as_nobody(prepared_directory_is_used));
	CHECK_EQ(check_files_in(own), 1);
	CHECK_EQ(unlink(sub("cprof-65534/x")), 0);
	CHECK_EQ(chmod(scratch, 0711), 0); /* not to be listed, but to be passed */
	CHECK(as_nobody(prepared_directory_is_used));
	CHECK_EQ(unlink(sub("cprof-65534/x")), 0);
	CHECK_EQ(chmod(scratch, 0755), 0);
	CHECK(as_root_in_a_child(effective_nobody_uses_it_too));
	/* Root itself goes on writing to the directory. */
	CHECK_EQ(sink_dir_open(&dir, scratch, &problem), 0);
	CHECK_STR(dir.path, scratch);
	/* Again, after the same user's directory was made and before it was given away. */
	CHECK_EQ(sink_dir_prepare(&space, scratch, 65534), -EEXIST);
	CHECK_EQ(chown(own, 0, 0), 0);
	CHECK_EQ(unlink(sub("cprof-65534/x")), 0);
	CHECK_EQ(sink_dir_prepare(&space, scratch, 65534), 0);
	CHECK(as_nobody(prepared_directory_is_used));
	CHECK_EQ(chmod(scratch, 01777), 0);
	CHECK(as_nobody(sticky_directory_is_used_as_it_is));
	end();
}

static bool planted_directory_is_refused(void)
{
	int rc = sink_dir_open(&dir, scratch, &problem);

	return rc < 0 && strstr(why, "/cprof-65534: cannot be made or is not ours alone") != NULL;
}

TEST(sink_prepares_nothing_where_others_may_write_or_own)
{
	struct sink_dir space;
	struct stat st;
	char own[128];

	if (geteuid() != 0)
		SKIP("needs root to act as another user");
	begin();
	snprintf(own, sizeof own, "%s/cprof-65534", scratch);
	CHECK_EQ(sink_dir_prepare(&space, sub("missing"), 65534), -ENOENT);
	CHECK_EQ(sink_dir_prepare(&space, "relative", 65534), -EINVAL);
	CHECK_EQ(chmod(scratch, 0775), 0);
	CHECK_EQ(sink_dir_prepare(&space, scratch, 65534), -EPERM);
	CHECK_EQ(chmod(scratch, 01777), 0);
	CHECK_EQ(sink_dir_prepare(&space, scratch, 65534), -EPERM);
	CHECK_EQ(chmod(scratch, 0755), 0);
	CHECK_EQ(chown(scratch, 1000, 1000), 0);
	CHECK_EQ(sink_dir_prepare(&space, scratch, 65534), -EPERM);
	CHECK_EQ(chown(scratch, 0, 0), 0);
	CHECK_EQ(check_files_in(scratch), 0);
	/* Somebody else's directory, a link and a file stay what they are, and are not used. */
	CHECK_EQ(mkdir(own, 0777), 0);
	CHECK_EQ(chown(own, 1000, 1000), 0);
	CHECK_EQ(sink_dir_prepare(&space, scratch, 65534), -EEXIST);
	CHECK_EQ(lstat(own, &st), 0);
	CHECK_EQ(st.st_uid, 1000);
	CHECK(as_nobody(planted_directory_is_refused));
	CHECK_EQ(rmdir(own), 0);
	CHECK_EQ(mkdir(sub("victim"), 0700), 0);
	CHECK_EQ(symlink("victim", own), 0);
	CHECK_EQ(sink_dir_prepare(&space, scratch, 65534), -EEXIST);
	CHECK_EQ(stat(own, &st), 0);
	CHECK_EQ(st.st_uid, 0);
	CHECK(as_nobody(planted_directory_is_refused));
	CHECK_EQ(unlink(own), 0);
	close(open(own, O_CREAT | O_WRONLY, 0600));
	CHECK_EQ(sink_dir_prepare(&space, scratch, 65534), -EEXIST);
	end();
}

TEST(sink_read_only_file_system_is_an_error)
{
	begin();
	if (mount("none", scratch, "tmpfs", MS_RDONLY, "size=64k") < 0) {
		end();
		SKIP("needs the right to mount a tmpfs");
	}
	CHECK_EQ(chmod(scratch, 0700), -1);
	int rc = sink_dir_open(&dir, scratch, &problem);
	if (rc == 0 && dir.path[strlen(scratch)] == '\0')
		rc = sink_create(&sink, &dir, "x", &problem);
	CHECK(rc == -EROFS);
	sink_dir_close(&dir);
	umount(scratch);
	end();
}

TEST(sink_full_disk_leaves_nothing_behind)
{
	static char block[4096];
	int rc = 0;

	begin();
	if (mount("none", scratch, "tmpfs", 0, "size=64k,mode=700") < 0) {
		end();
		SKIP("needs the right to mount a tmpfs");
	}
	CHECK_EQ(sink_dir_open(&dir, scratch, &problem), 0);
	CHECK_EQ(sink_create(&sink, &dir, "x", &problem), 0);
	for (unsigned i = 0; i < 100 && rc == 0; i++)
		rc = sink_write(&sink, block, sizeof block);
	CHECK_EQ(rc, -ENOSPC);
	sink_remove(&sink);
	unsigned left = check_files_in(scratch);
	sink_dir_close(&dir);
	umount(scratch);
	end();
	CHECK_EQ(left, 0);
}

TEST(sink_file_size_limit_is_an_error_and_no_signal)
{
	struct rlimit old, limit;
	static char block[4096];

	begin();
	signal(SIGXFSZ, SIG_DFL); /* it would kill us */
	getrlimit(RLIMIT_FSIZE, &old);
	limit = (struct rlimit){.rlim_cur = 10000, .rlim_max = old.rlim_max};
	CHECK_EQ(sink_dir_open(&dir, scratch, &problem), 0);
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
	CHECK_EQ(sink_create(&sink, &dir, "x", &problem), 0);
	CHECK_EQ(sink_write(&sink, block, sizeof block), 0);
	CHECK_EQ(sink_write(&sink, block, sizeof block), 0);
	CHECK_EQ(sink_write(&sink, block, sizeof block), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &old);
	sink_remove(&sink);
	CHECK_EQ(check_files_in(scratch), 0);
	end();
}

TEST(sink_partial_writes_are_continued)
{
	int ends[2];
	static char block[1 << 20], back[1 << 16];
	size_t got = 0;
	ssize_t n;

	begin();
	CHECK_EQ(pipe(ends), 0);
	sink = (struct sink){.fd = ends[1], .room = UINT64_MAX};
	pid_t child = fork();
	if (child == 0) {
		close(ends[0]);
		_exit(sink_write(&sink, block, sizeof block) != 0);
	}
	close(ends[1]);
	while ((n = read(ends[0], back, sizeof back)) > 0)
		got += (size_t)n;
	int state;
	waitpid(child, &state, 0);
	CHECK_EQ(state, 0);
	CHECK_EQ(got, sizeof block);
	close(ends[0]);
	end();
}

TEST(sink_leftover_of_a_killed_writer_does_not_jam)
{
	begin();
	CHECK_EQ(sink_dir_open(&dir, scratch, &problem), 0);
	dir.writer = 1111111111;
	CHECK_EQ(sink_create(&sink, &dir, "x", &problem), 0);
	close(sink.fd); /* killed here */
	CHECK_EQ(sink_create(&sink, &dir, "x", &problem), 0);
	CHECK_EQ(sink_commit(&sink), 0);
	CHECK_EQ(check_files_in(scratch), 1);
	end();
}

TEST(sink_planted_temporary_link_is_not_followed)
{
	char temp[64], victim[128];

	begin();
	snprintf(victim, sizeof victim, "%s", sub("victim"));
	close(open(victim, O_CREAT | O_WRONLY, 0600));
	CHECK_EQ(sink_dir_open(&dir, scratch, &problem), 0);
	dir.writer = 1111111111;
	snprintf(temp, sizeof temp, ".x.%lu", (unsigned long)dir.writer);
	CHECK_EQ(symlink("victim", sub(temp)), 0);
	CHECK_EQ(sink_create(&sink, &dir, "x", &problem), 0);
	CHECK_EQ(sink_write(&sink, "data", 4), 0);
	CHECK_EQ(sink_commit(&sink), 0);
	struct stat st;
	CHECK_EQ(stat(victim, &st), 0);
	CHECK_EQ(st.st_size, 0);
	end();
}

TEST(sink_remove_takes_a_committed_file_away_but_nothing_foreign)
{
	begin();
	CHECK_EQ(sink_dir_open(&dir, scratch, &problem), 0);
	CHECK_EQ(sink_create(&sink, &dir, "x", &problem), 0);
	CHECK_EQ(sink_commit(&sink), 0);
	sink_remove(&sink);
	CHECK_EQ(check_files_in(scratch), 0);
	sink_remove(&sink); /* twice is harmless */
	close(open(sub("y"), O_CREAT | O_WRONLY, 0600));
	struct sink_dir closed = {.fd = -1, .path = "/gone"};
	CHECK(sink_create(&sink, &closed, "y", &problem) < 0);
	sink_remove(&sink);
	CHECK_EQ(check_files_in(scratch), 1);
	char endless[300];
	memset(endless, 'n', sizeof endless - 1);
	endless[sizeof endless - 1] = '\0';
	CHECK_EQ(sink_create(&sink, &dir, endless, &problem), -ENAMETOOLONG);
	sink_remove(&sink);
	end();
}

TEST(sink_commit_leaves_an_older_file_alone_and_remove_cleans_up)
{
	char older[2] = "";

	begin();
	CHECK_EQ(sink_dir_open(&dir, scratch, &problem), 0);
	FILE *f = fopen(sub("x"), "w");
	CHECK(f && fputc('o', f) == 'o' && fclose(f) == 0);
	CHECK_EQ(sink_create(&sink, &dir, "x", &problem), 0);
	CHECK_EQ(sink_write(&sink, "new", 3), 0);
	CHECK_EQ(sink_commit(&sink), -EEXIST);
	sink_remove(&sink);
	CHECK_EQ(check_files_in(scratch), 1);
	f = fopen(sub("x"), "r");
	CHECK(f && fread(older, 1, 2, f) == 1 && older[0] == 'o');
	fclose(f);
	end();
}

TEST(sink_of_another_writer_of_the_same_name_is_left_alone)
{
	struct sink_dir others;
	struct sink theirs;
	char text[8] = "";

	begin();
	CHECK_EQ(sink_dir_open(&dir, scratch, &problem), 0);
	CHECK_EQ(sink_dir_open(&others, scratch, &problem), 0);
	dir.writer = 1111111111;
	others.writer = 2222222222;
	CHECK_EQ(sink_create(&sink, &dir, "x", &problem), 0);
	CHECK_EQ(sink_create(&theirs, &others, "x", &problem), 0);
	CHECK_EQ(sink_write(&theirs, "theirs", 6), 0);
	CHECK_EQ(sink_write(&sink, "mine", 4), 0);
	CHECK_EQ(sink_commit(&sink), 0);
	/* Theirs takes another name instead. */
	CHECK_EQ(sink_commit(&theirs), -EEXIST);
	strcpy(theirs.name, "y");
	CHECK_EQ(sink_commit(&theirs), 0);
	FILE *f = fopen(sub("x"), "r");
	CHECK(f && fread(text, 1, sizeof text, f) == 4 && !memcmp(text, "mine", 4));
	fclose(f);
	f = fopen(sub("y"), "r");
	CHECK(f && fread(text, 1, sizeof text, f) == 6 && !memcmp(text, "theirs", 6));
	fclose(f);
	CHECK_EQ(check_files_in(scratch), 2);
	sink_dir_close(&others);
	end();
}
