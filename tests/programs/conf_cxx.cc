/* SPDX-License-Identifier: MIT */
/*
 * RUN:    conf_cxx
 * EXPECT: 1 s of CPU in shape::Circle<int>::area(long), called by a lambda in main.
 */
#include <ctime>

static volatile unsigned long sink;

namespace shape
{
template <typename T> struct Circle {
	__attribute__((noinline)) T area(long rounds)
	{
		for (long i = 0; i < rounds; i++)
			sink = sink + static_cast<unsigned long>(i * i);
		return static_cast<T>(sink);
	}
};
} // namespace shape

int main()
{
	shape::Circle<int> circle;
	auto round = [&circle]() __attribute__((noinline))
	{
		sink = sink + static_cast<unsigned long>(circle.area(1000000));
	};
	clock_t until = clock() + CLOCKS_PER_SEC;

	while (clock() < until)
		round();
	return 0;
}
