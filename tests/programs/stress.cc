// SPDX-License-Identifier: MIT
// RUN:    stress SECONDS SO_THROW
// EXPECT: dlopen/dlclose in three threads, C++ throws in two, thread churn in one, fork in one (the
// child throws,
//         burns CPU and exits), all at once for SECONDS.  Prints the rounds of each and exits 0.  A
//         worker without progress for 8 seconds, or a child that has not ended after 20, is a hang:
//         exit 3.
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

using clock_type = std::chrono::steady_clock;

static std::atomic<bool> stop;
static const char *library;
static volatile unsigned long sink;

__attribute__((noinline)) static void burn(int n)
{
	for (int i = 0; i < n * 1000; i++)
		sink = sink + static_cast<unsigned long>(i);
}

__attribute__((noinline)) static int deep(int n)
{
	if (n == 0)
		throw std::runtime_error("stress");
	std::vector<int> keep(static_cast<size_t>(n));
	return deep(n - 1) + static_cast<int>(keep.size());
}

static void throw_once()
{
	try {
		sink = sink + static_cast<unsigned long>(deep(12));
	} catch (const std::exception &) {
	}
}

static void open_once()
{
	static const char *const others[] = {"libz.so.1", "libm.so.6", "librt.so.1",
					     "libresolv.so.2"};
	static std::atomic<unsigned> turn;
	void *a = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	void *b = dlopen(others[turn++ % 4], RTLD_NOW | RTLD_LOCAL);

	if (a) {
		auto f = reinterpret_cast<int (*)(int)>(dlsym(a, "throw_and_catch"));
		if (f)
			f(6);
	}
	burn(5);
	if (b)
		dlclose(b);
	if (a)
		dlclose(a);
}

static void churn_once()
{
	std::thread one([] { burn(20); });
	std::thread two([] { throw_once(); });
	one.join();
	two.join();
}

static void fork_once()
{
	pid_t child = fork();

	if (child == 0) {
		for (int i = 0; i < 20; i++) {
			throw_once();
			burn(50);
		}
		_exit(7);
	}
	if (child < 0)
		return;
	auto until = clock_type::now() + std::chrono::seconds(20);
	int status = 0;
	while (waitpid(child, &status, WNOHANG) == 0) {
		if (clock_type::now() > until) {
			fprintf(stderr, "stress: child %d hangs\n", child);
			kill(child, SIGABRT);
			_exit(3);
		}
		usleep(1000);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 7) {
		fprintf(stderr, "stress: child ended with status 0x%x\n", status);
		_exit(4);
	}
}

struct worker {
	const char *name;
	void (*once)();
	std::atomic<unsigned long> rounds{0};
};

int main(int argc, char **argv)
{
	static worker workers[] = {{"dlopen", open_once}, {"dlopen", open_once},
				   {"dlopen", open_once}, {"throw", throw_once},
				   {"throw", throw_once}, {"threads", churn_once},
				   {"fork", fork_once}};
	std::vector<std::thread> threads;
	int seconds = argc > 1 ? atoi(argv[1]) : 5;

	library = argc > 2 ? argv[2] : "so_throw.so";
	if (!dlopen(library, RTLD_NOW | RTLD_LOCAL)) {
		fprintf(stderr, "stress: %s\n", dlerror());
		return 2;
	}
	dlclose(dlopen(library, RTLD_NOW | RTLD_LOCAL));
	for (auto &w : workers)
		threads.emplace_back([&w] {
			while (!stop) {
				w.once();
				w.rounds++;
			}
		});
	unsigned long last[7] = {};
	int still[7] = {};
	auto begin = clock_type::now();
	for (int s = 0; s < seconds; s++) {
		// By the clock: a dump signal ends sleep() early.
		std::this_thread::sleep_until(begin + std::chrono::seconds(s + 1));
		for (int i = 0; i < 7; i++) {
			unsigned long now = workers[i].rounds;
			still[i] = now == last[i] ? still[i] + 1 : 0;
			last[i] = now;
			if (still[i] >= (i == 6 ? 25 : 8)) {
				fprintf(stderr, "stress: %s makes no progress\n", workers[i].name);
				_exit(3);
			}
		}
	}
	stop = true;
	for (auto &t : threads)
		t.join();
	for (auto &w : workers)
		printf("%s %lu\n", w.name, w.rounds.load());
	return 0;
}
