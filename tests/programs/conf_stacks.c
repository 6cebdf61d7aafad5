/* SPDX-License-Identifier: MIT */
/*
 * RUN:    conf_stacks
 * EXPECT: four threads recurse through random chains of eight functions, up to 300 deep, for 1.5 s
 * of CPU each: thousands of different stacks.
 */
#include <pthread.h>
#include <stdint.h>
#include <time.h>

static volatile unsigned long sink;

typedef void (*step_fn)(uint64_t random, int depth);
static const step_fn steps[8];

#define STEP(n)                                                                                    \
	__attribute__((noinline, noclone)) static void step_##n(uint64_t random, int depth)        \
	{                                                                                          \
		for (unsigned i = 0; i < 200; i++)                                                 \
			sink += i * (n + 1);                                                       \
		if (depth > 0) {                                                                   \
			random = random * UINT64_C(6364136223846793005) + 1;                       \
			steps[random >> 61](random, depth - 1);                                    \
		}                                                                                  \
		__asm__ volatile("");                                                              \
	}
STEP(0)
STEP(1)
STEP(2)
STEP(3)
STEP(4)
STEP(5)
STEP(6)
STEP(7)
static const step_fn steps[8] = {step_0, step_1, step_2, step_3, step_4, step_5, step_6, step_7};

static void *work(void *seed)
{
	uint64_t random = (uint64_t)(uintptr_t)seed;
	struct timespec ts;

	do {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		step_0(random, (int)(random >> 32) % 300);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	} while (ts.tv_sec < 1 || ts.tv_nsec < 500000000);
	return NULL;
}

int main(void)
{
	pthread_t thread[4];

	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, work, (void *)(i + 1));
	for (unsigned i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
