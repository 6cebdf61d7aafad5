// SPDX-License-Identifier: MIT
// RUN:    chaos SECONDS SO_THROW
// EXPECT: fork, fork+exec, vfork+exec, posix_spawn, dlopen, throw, cancellation, siglongjmp out of a
//         handler and thread churn, all at once, and a request for a dump every 100 ms.  After a
//         fifth of the time and at the end everything is stopped, and what is there is compared:
//         memory, mappings, descriptors, timers, threads, children of any kind.  Prints the rounds
//         of each worker and both states; exits 0.  3: a worker without progress, or a child that
//         does not end.  4: a child that ended otherwise than it should.  5: something is left.
#include <dirent.h>
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using clock_type = std::chrono::steady_clock;
using std::chrono::milliseconds;

static std::atomic<bool> stop;
static const char *library;
static volatile unsigned long sink;

__attribute__((noinline)) static void burn(int ms)
{
	timespec ts;
	long now, end = 0;

	do {
		for (unsigned long i = 0; i < 20000; i++)
			sink = sink + i;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
		now = ts.tv_sec * 1000000000L + ts.tv_nsec;
		end = end ? end : now + ms * 1000000L;
	} while (now < end);
}

// ---- workers: each is called again and again ----

__attribute__((noinline)) static int deep(int n)
{
	if (n == 0)
		throw std::runtime_error("chaos");
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
	burn(1);
	if (b)
		dlclose(b);
	if (a)
		dlclose(a);
}

static void churn_once()
{
	std::thread one([] { burn(1); });
	std::thread two([] { throw_once(); });

	one.join();
	two.join();
}

static void *sleeps(void *unused)
{
	for (;;)
		usleep(500);
	return unused;
}

static void *spins(void *unused)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
	for (;;)
		sink = sink + 1;
	return unused;
}

static void cancel_once()
{
	pthread_t one, two;

	if (pthread_create(&one, nullptr, sleeps, nullptr) != 0 ||
	    pthread_create(&two, nullptr, spins, nullptr) != 0)
		_exit(4);
	burn(1);
	pthread_cancel(one);
	pthread_cancel(two);
	pthread_join(one, nullptr);
	pthread_join(two, nullptr);
}

static thread_local sigjmp_buf back;

static void jump(int)
{
	siglongjmp(back, 1);
}

__attribute__((noinline)) static int raise_deep(int n)
{
	if (n == 0)
		pthread_kill(pthread_self(), SIGUSR1);
	return n ? raise_deep(n - 1) + static_cast<int>(sink) : 0;
}

static void jump_once()
{
	if (sigsetjmp(back, 1) == 0)
		raise_deep(20);
	burn(1);
}

static void wait_for_child(pid_t child)
{
	auto until = clock_type::now() + std::chrono::seconds(20);
	int status = 0;

	while (waitpid(child, &status, WNOHANG) == 0) {
		if (clock_type::now() > until) {
			fprintf(stderr, "chaos: child %d hangs\n", child);
			kill(child, SIGABRT);
			_exit(3);
		}
		usleep(500);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 7) {
		fprintf(stderr, "chaos: child ended with status 0x%x\n", status);
		_exit(4);
	}
}

// Every eighth child works so long that it has a profile.
static std::atomic<unsigned> children;

static void fork_once()
{
	int ms = children++ % 8 ? 1 : 20;
	pid_t child = fork();

	if (child == 0) {
		throw_once();
		burn(ms);
		if (ms == 1)
			execl("/proc/self/exe", "chaos", "child", "2",
			      static_cast<char *>(nullptr));
		_exit(7);
	}
	if (child > 0)
		wait_for_child(child);
}

static void spawn_once()
{
	char *const argv[] = {const_cast<char *>("chaos"), const_cast<char *>("child"),
			      const_cast<char *>(children++ % 8 ? "1" : "20"), nullptr};
	pid_t child;

	if (children % 2) {
		child = vfork();
		if (child == 0) {
			execv("/proc/self/exe", argv);
			_exit(6);
		}
	} else if (posix_spawn(&child, "/proc/self/exe", nullptr, nullptr, argv, environ) != 0) {
		_exit(4);
	}
	if (child > 0)
		wait_for_child(child);
}

struct worker {
	const char *name;
	void (*once)();
	std::atomic<unsigned long> rounds{0};
	unsigned long last;
	clock_type::time_point moved;
};
static worker workers[] = {{"dlopen", open_once},   {"dlopen", open_once},   {"throw", throw_once},
			   {"threads", churn_once}, {"cancel", cancel_once}, {"longjmp", jump_once},
			   {"fork", fork_once},	    {"fork", fork_once},     {"spawn", spawn_once}};

// Everything at once until then, with a request for a dump every 100 ms.
static void rage(clock_type::time_point until)
{
	std::vector<std::thread> threads;

	stop = false;
	for (auto &w : workers) {
		w.moved = clock_type::now();
		threads.emplace_back([&w] {
			while (!stop) {
				w.once();
				w.rounds++;
			}
		});
	}
	for (auto next = clock_type::now(); next < until; next += milliseconds(100)) {
		std::this_thread::sleep_until(next);
		kill(getpid(), SIGUSR2);
		for (auto &w : workers) {
			unsigned long now = w.rounds;
			if (now != w.last)
				w.moved = clock_type::now();
			w.last = now;
			if (clock_type::now() - w.moved > std::chrono::seconds(25)) {
				fprintf(stderr, "chaos: %s makes no progress\n", w.name);
				_exit(3);
			}
		}
	}
	stop = true;
	for (auto &t : threads)
		t.join();
}

// ---- what is there when nothing runs ----

struct state {
	long anon_kb, mappings, threads, timers, children;
	std::string descriptors;
};

static std::string read_whole(const std::string &path)
{
	std::string text;
	char buf[4096];
	FILE *f = fopen(path.c_str(), "re");

	for (size_t n; f && (n = fread(buf, 1, sizeof buf, f)) > 0;)
		text.append(buf, n);
	if (f)
		fclose(f);
	return text;
}

static long count_of(const std::string &text, const std::string &what)
{
	long n = 0;

	for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size())
		n++;
	return n;
}

static long number_behind(const std::string &text, const std::string &name)
{
	size_t at = text.find(name);

	return at == std::string::npos ? -1 : atol(text.c_str() + at + name.size());
}

static std::vector<std::string> list(const char *path)
{
	std::vector<std::string> names;
	DIR *d = opendir(path);

	while (dirent *entry = d ? readdir(d) : nullptr)
		if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(d))
			names.push_back(entry->d_name);
	if (d)
		closedir(d);
	return names;
}

static long count_children()
{
	long n = 0;

	for (auto &name : list("/proc")) {
		std::string stat = read_whole("/proc/" + name + "/stat");
		size_t end = stat.rfind(')');
		n += end != std::string::npos && end + 4 < stat.size() &&
		     atoi(stat.c_str() + end + 4) == getpid();
	}
	return n;
}

static state look()
{
	state s = {};

	// A dumper ends by itself, and is buried at an event: a tick.  On a busy machine it takes longer.
	for (int i = 0; i < 10 && (i == 0 || s.children); i++) {
		for (auto end = clock_type::now() + milliseconds(300); clock_type::now() < end;)
			std::this_thread::sleep_until(end);
		burn(100);
		s.children = count_children();
	}
	malloc_trim(0);
	for (auto &name : list("/proc/self/fd")) {
		char target[512];
		ssize_t n = readlink(("/proc/self/fd/" + name).c_str(), target, sizeof target);
		s.descriptors +=
			name + " " + std::string(target, n > 0 ? static_cast<size_t>(n) : 0) + "\n";
	}
	std::string status = read_whole("/proc/self/status");
	s.anon_kb = number_behind(status, "RssAnon:");
	s.threads = number_behind(status, "Threads:");
	s.timers = count_of(read_whole("/proc/self/timers"), "signal:");
	s.mappings = count_of(read_whole("/proc/self/maps"), "\n");
	printf("anon %ld kB, mappings %ld, descriptors %ld, threads %ld, timers %ld, children "
	       "%ld\n",
	       s.anon_kb, s.mappings, count_of(s.descriptors, "\n"), s.threads, s.timers,
	       s.children);
	return s;
}

static int compare(const state &was, const state &is)
{
	enum { MORE_KB = 6144, MORE_MAPPINGS = 48 }; // of malloc's arenas and the cache of stacks
	int bad = 0;
	auto check = [&bad](bool good, const char *what) {
		if (!good)
			fprintf(stderr, "chaos: %s\n", what);
		bad += !good;
	};

	check(is.anon_kb <= was.anon_kb + MORE_KB, "memory has grown");
	check(is.mappings <= was.mappings + MORE_MAPPINGS, "mappings are left");
	check(is.descriptors == was.descriptors, "descriptors are not the same");
	check(is.threads == 1, "threads are left");
	check(is.timers <= is.threads, "timers are left");
	check(is.children == 0, "children are left");
	return bad;
}

int main(int argc, char **argv)
{
	int seconds = argc > 2 && strcmp(argv[1], "child") ? atoi(argv[1]) : 0;

	// Without the library the dump signal would end us.
	signal(SIGUSR2, SIG_IGN);
	if (!seconds) {
		throw_once();
		burn(argc > 2 ? atoi(argv[2]) : 1);
		return 7;
	}
	setvbuf(stdout, nullptr, _IOLBF, 0);
	library = argv[2];
	signal(SIGUSR1, jump);
	auto begin = clock_type::now();
	rage(begin + milliseconds(seconds * 200));
	state was = look();
	rage(begin + milliseconds(seconds * 1000));
	state is = look();
	for (auto &w : workers)
		printf("%s %lu\n", w.name, w.rounds.load());
	return compare(was, is) ? 5 : 0;
}
