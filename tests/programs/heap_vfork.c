/* SPDX-License-Identifier: MIT */
/* RUN    heap_vfork
 * EXPECT with a sample for every allocation: in_child 64 objects of 1000 bytes allocated and none in use; in_parent 64 of 100
 *        bytes, of which the child has freed half.  A child of vfork works in its parent's memory. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void *volatile from_child[64];
static void *volatile from_parent[64];

static __attribute__((noinline)) void in_child(void)
{
	for (int i = 0; i < 64; i++)
		from_child[i] = malloc(1000);
}

static __attribute__((noinline)) void in_parent(void)
{
	for (int i = 0; i < 64; i++)
		from_parent[i] = malloc(100);
}

int main(void)
{
	pid_t child;

	in_parent();
	child = vfork();
	if (child == 0) {
		in_child();
		for (int i = 0; i < 32; i++)
			free(from_parent[i]);
		_exit(0);
	}
	for (int i = 0; i < 64; i++)
		free(from_child[i]);
	return child < 0 || waitpid(child, NULL, 0) != child;
}
