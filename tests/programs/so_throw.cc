// SPDX-License-Identifier: MIT
// A library that throws, for programs that are no C++: see throw_host.c and stress.cc.
#include <stdexcept>
#include <string>

__attribute__((noinline)) static int deep(int n)
{
	if (n == 0)
		throw std::runtime_error("thrown in so_throw");
	std::string keep(static_cast<size_t>(n), 'x'); // something for the landing pads to destroy
	return deep(n - 1) + static_cast<int>(keep.size());
}

extern "C" int throw_and_catch(int depth)
{
	try {
		return deep(depth);
	} catch (const std::runtime_error &e) {
		return static_cast<int>(std::string(e.what()).size());
	}
}
