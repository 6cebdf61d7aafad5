/* SPDX-License-Identifier: MIT */
/*
 * RUN:    heap_fork fork|_Fork|clone|vfork|spawn|exec
 * EXPECT: a process with ten blocks of 1000 bytes; its child frees them all and keeps two of five blocks of 200 bytes.
 * A child of vfork shares the memory: what it allocates and frees is its parent's.  spawn and exec: a new image instead.  Prints the pid of the
 * child.
 */
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static void *volatile inherited[10], *volatile own[5];

__attribute__((noinline)) static void inherits(void)
{
	for (int i = 0; i < 10; i++)
		inherited[i] = malloc(1000);
}

__attribute__((noinline)) static void frees(void)
{
	for (int i = 0; i < 10; i++)
		free(inherited[i]);
}

__attribute__((noinline)) static void has_its_own(void)
{
	for (int i = 0; i < 5; i++)
		own[i] = malloc(200);
	for (int i = 0; i < 3; i++)
		free(own[i]);
}

static pid_t begin(const char *how, char **argv)
{
	char *const image[] = {argv[0], "image", NULL};
	pid_t child = -1;

	if (strcmp(how, "fork") == 0)
		return fork();
	if (strcmp(how, "_Fork") == 0)
		return _Fork();
	if (strcmp(how, "clone") == 0)
		return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (strcmp(how, "spawn") == 0)
		posix_spawn(&child, argv[0], NULL, NULL, image, environ);
	if (strcmp(how, "exec") == 0)
		execv(argv[0], image);
	return child;
}

int main(int argc, char **argv)
{
	pid_t child;
	int status;

	if (argc < 2)
		return 2;
	if (strcmp(argv[1], "image") == 0) {
		has_its_own();
		return 0;
	}
	inherits();
	if (strcmp(argv[1], "vfork") == 0) {
		child = vfork();
		if (child == 0) {
			frees();
			has_its_own();
			_exit(0);
		}
	} else {
		child = begin(argv[1], argv);
		if (child == 0) {
			frees();
			has_its_own();
			exit(0);
		}
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
		return 1;
	printf("%d\n", (int)child);
	return 0;
}
