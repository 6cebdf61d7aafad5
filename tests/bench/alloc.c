/* SPDX-License-Identifier: MIT */
/* ns per malloc and free: alloc MODE DEPTH THREADS PAIRS LOOPS
 *
 *   same   64 bytes, freed at once
 *   mixed  random places of a table of 1024, each pair frees what is there and puts a new one: 16 to 8191 bytes, 379 on
 *          average
 *   held   the same sizes, and nothing is freed; then a second's sleep
 *
 * at the bottom of a recursion of so many frames.  Each thread on a CPU of its own, as far as there are; all do PAIRS pairs,
 * LOOPS times.  Printed: the least time of a loop, from the first thread's start to the last one's end, as ns per pair
 * and CPU in use; pairs, bytes allocated by them in all, bytes in use at the end.
 * ALLOC_TCMALLOC=PATH: where to write the profile of tcmalloc, which writes none by itself. */
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PLACES	    1024u
#define SIZES	    4096u
#define THREADS_MAX 64
#define OCTAVES	    9u
#define RATIO	    0.7048

static uint16_t sizes[SIZES];
static int depth;
static long pairs, loops;
static pthread_barrier_t barrier;

struct worker {
	pthread_t thread;
	uint64_t seed, allocated, held;
	double begin, end; /* of the last loop; main reads them between two of them */
	void *place[PLACES];
	uint16_t size[PLACES];
};
static struct worker workers[THREADS_MAX];
static void (*loop)(struct worker *w);

static uint64_t random_word(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* Octaves from 16 on, each RATIO times as frequent as the one below; evenly spread within: 379 on average. */
static void make_sizes(void)
{
	double all = 0, share = 1;
	unsigned n = 0;

	for (unsigned octave = 0; octave < OCTAVES; octave++, share *= RATIO)
		all += share;
	share = 1;
	for (unsigned octave = 0; octave < OCTAVES; octave++, share *= RATIO) {
		unsigned count = (unsigned)(SIZES * share / all + 0.5);

		for (unsigned i = 0; i < count && n < SIZES; i++)
			sizes[n++] = (uint16_t)((16u << octave) + (16u << octave) * i / count);
	}
	while (n < SIZES)
		sizes[n++] = 16;
}

static void loop_same(struct worker *w)
{
	for (long i = 0; i < pairs; i++) {
		void *p = malloc(64);

		__asm__ volatile("" : : "r"(p) : "memory");
		free(p);
	}
	w->allocated += 64 * (uint64_t)pairs;
}

static void loop_mixed(struct worker *w)
{
	uint64_t seed = w->seed, bytes = 0;

	for (long i = 0; i < pairs; i++) {
		uint64_t r = random_word(&seed);
		unsigned at = r % PLACES, size = sizes[(r >> 20) % SIZES];
		char *p;

		free(w->place[at]);
		p = malloc(size);
		*p = 1;
		w->place[at] = p;
		w->size[at] = (uint16_t)size;
		bytes += size;
	}
	w->seed = seed;
	w->allocated += bytes;
}

static void loop_held(struct worker *w)
{
	uint64_t bytes = 0;

	for (long i = 0; i < pairs; i++) {
		unsigned size = sizes[random_word(&w->seed) % SIZES];

		*(char *)malloc(size) = 1;
		bytes += size;
	}
	w->allocated += bytes;
	w->held += bytes;
}

static __attribute__((noinline)) void descend(struct worker *w, int left)
{
	if (left > 0)
		descend(w, left - 1);
	else
		loop(w);
	__asm__ volatile("" : : "r"(w) : "memory"); /* no tail call */
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof set, &set);
}

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	pin((int)((w - workers) % sysconf(_SC_NPROCESSORS_ONLN)));
	for (long i = 0; i < loops; i++) {
		pthread_barrier_wait(&barrier);
		w->begin = now_ns();
		descend(w, depth);
		w->end = now_ns();
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

/* What tcmalloc has sampled and is in use: MallocExtension::instance()->GetHeapSample(std::string *). */
static void write_tcmalloc(const char *path)
{
	void *(*instance)(void) =
		(void *(*)(void))dlsym(RTLD_DEFAULT, "_ZN15MallocExtension8instanceEv");
	void (*sample)(void *, void *) = (void (*)(void *, void *))dlsym(
		RTLD_DEFAULT, "_ZN15MallocExtension13GetHeapSampleEPNSt7__cxx1112basic_"
			      "stringIcSt11char_traitsIcESaIcEEE");
	struct {
		char *text;
		size_t length;
		char small[16];
	} string = {string.small, 0, ""};
	FILE *f = instance && sample ? fopen(path, "w") : NULL;

	if (!f)
		return;
	sample(instance(), &string);
	fwrite(string.text, 1, string.length, f);
	fclose(f);
}

int main(int argc, char **argv)
{
	int threads, cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t allocated = 0, in_use = 0;
	double least = 1e18;

	if (argc != 6)
		return 2;
	loop = strcmp(argv[1], "same") == 0    ? loop_same
	       : strcmp(argv[1], "mixed") == 0 ? loop_mixed
					       : loop_held;
	depth = atoi(argv[2]);
	threads = atoi(argv[3]);
	pairs = atol(argv[4]);
	loops = atol(argv[5]);
	if (threads < 1 || threads > THREADS_MAX)
		return 2;
	make_sizes();
	for (int i = 0; i < threads; i++)
		workers[i].seed = 0x9e3779b97f4a7c15u * (uint64_t)(i + 1);
	pthread_barrier_init(&barrier, NULL, (unsigned)threads + 1);
	for (int i = 0; i < threads && threads > 1; i++)
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			return 1;
	for (long i = 0; i < loops; i++) {
		double begin = 1e18, end = 0;

		if (threads == 1) { /* and the process stays one without threads */
			pin(cpus - 1);
			begin = now_ns();
			descend(&workers[0], depth);
			end = now_ns();
		} else {
			pthread_barrier_wait(&barrier);
			pthread_barrier_wait(&barrier);
		}
		for (int k = 0; k < threads && threads > 1; k++) {
			begin = workers[k].begin < begin ? workers[k].begin : begin;
			end = workers[k].end > end ? workers[k].end : end;
		}
		least = end - begin < least ? end - begin : least;
	}
	for (int i = 0; i < threads && threads > 1; i++)
		pthread_join(workers[i].thread, NULL);
	for (int i = 0; i < threads; i++) {
		allocated += workers[i].allocated;
		in_use += workers[i].held;
		for (unsigned k = 0; k < PLACES; k++)
			in_use += workers[i].size[k];
	}
	if (loop == loop_held)
		sleep(1); /* a process that has lived for a second has a last dump */
	printf("%.3f %ld %llu %llu\n",
	       least * (threads < cpus ? threads : cpus) / ((double)pairs * threads),
	       pairs * loops * threads, (unsigned long long)allocated, (unsigned long long)in_use);
	if (getenv("ALLOC_TCMALLOC"))
		write_tcmalloc(getenv("ALLOC_TCMALLOC"));
	return 0;
}
