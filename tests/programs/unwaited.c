/* SPDX-License-Identifier: MIT */
/*
 * RUN:    unwaited
 * EXPECT: half a second of CPU time each in opening a regular file and in reading lines that are in their buffer, in a process that has had a second
 * thread.  None of it is a wait.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LINES 20000

static void *nothing(void *unused)
{
	return unused;
}

static void opens(const char *path)
{
	const clock_t end = clock() + CLOCKS_PER_SEC / 2;

	while (clock() < end)
		for (int i = 0; i < 100; i++)
			close(open(path, O_RDONLY));
}

static void reads_lines(void)
{
	static char buffer[LINES * 8];
	const clock_t end = clock() + CLOCKS_PER_SEC / 2;
	FILE *f = tmpfile();
	char *line = NULL;
	size_t room = 0;

	for (int i = 0; i < LINES; i++)
		fputs("a line\n", f);
	setvbuf(f, buffer, _IOFBF, sizeof buffer);
	while (clock() < end) {
		rewind(f);
		while (getline(&line, &room, f) > 0)
			;
	}
	free(line);
	fclose(f);
}

int main(int argc, char **argv)
{
	pthread_t thread;

	(void)argc;
	pthread_create(&thread, NULL, nothing, NULL);
	pthread_join(thread, NULL);
	opens(argv[0]);
	reads_lines();
	usleep(12000); /* one wait there is, or there would be no wall profile */
	return 0;
}
