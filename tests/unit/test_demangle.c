/* SPDX-License-Identifier: MIT */
#include "output/demangle.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/utf8.h"
#include "tests/support/check.h"

static struct demangler d;

static const char *readable(const char *linkage)
{
	static char name[DEMANGLE_OUTPUT_MAX];

	demangle_start(&d);
	CHECK(d.stack != NULL);
	demangle_name(&d, linkage, name);
	demangle_stop(&d);
	CHECK(d.stack == NULL);
	return name;
}

TEST(demangle_c_names_are_their_own)
{
	CHECK_STR(readable("main"), "main");
	CHECK_STR(readable("_start"), "_start");
	CHECK_STR(readable("_GLOBAL__sub_I_foo.cpp"), "_GLOBAL__sub_I_foo.cpp");
	CHECK_STR(readable("_Zebra"), "_Zebra");
	CHECK_STR(readable("_R"), "_R");
	CHECK_STR(readable(""), "");
	CHECK_STR(readable("runtime.mallocgc"), "runtime.mallocgc");
}

TEST(demangle_cxx_keeps_templates_and_drops_parameters_and_return_type)
{
	CHECK_STR(readable("_Z3fooi"), "foo");
	CHECK_STR(readable("_ZN2ns3FooIiE3barEPKc"), "ns::Foo<int>::bar");
	CHECK_STR(readable("_ZNK2ns3FooIiE3barEv"), "ns::Foo<int>::bar");
	CHECK_STR(readable("_Z3addIiET_S0_S0_"), "add<int>");
	CHECK_STR(readable("_ZNSt6vectorIiSaIiEE9push_backERKi"),
		  "std::vector<int, std::allocator<int> >::push_back");
	CHECK_STR(readable("_ZZ4mainENKUlvE_clEv"), "main::{lambda()#1}::operator()");
	CHECK_STR(readable("_ZN12_GLOBAL__N_13fooEv"), "(anonymous namespace)::foo");
	CHECK_STR(readable("_ZN3FooC1Ev"), "Foo::Foo");
	CHECK_STR(readable("_Znwm"), "operator new");
	CHECK_STR(readable("_ZTv0_n24_N3Foo3barEv"), "virtual thunk to Foo::bar()");
}

TEST(demangle_rust_legacy_and_v0)
{
	CHECK_STR(readable("_ZN4core3fmt5write17h0123456789abcdefE"), "core::fmt::write");
	CHECK_STR(
		readable("_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$"
			 "$GT$3bar17h930b740aa94f1d3aE"),
		"<Test + 'static as foo::Bar<Test>>::bar");
	CHECK_STR(readable("_RNvC6_123foo3bar"), "123foo::bar");
	CHECK_STR(
		readable(
			"_RNvMsr_NtCs3ssYzQotkvD_3std4pathNtB5_7PathBuf3newCs15kBYyAo9fc_7mycrate"),
		"<std::path::PathBuf>::new");
	CHECK_STR(readable("_ZN4core3fmt5write17h0123456789abcdefE.llvm.1234567890"),
		  "core::fmt::write");
}

TEST(demangle_clone_suffixes_go_and_outlined_bodies_stay)
{
	CHECK_STR(readable("foo.cold"), "foo");
	CHECK_STR(readable("foo.part.0"), "foo");
	CHECK_STR(readable("foo.constprop.0.isra.0"), "foo");
	CHECK_STR(readable("foo.isra.0.cold"), "foo");
	CHECK_STR(readable("foo.lto_priv.0.cold"), "foo");
	CHECK_STR(readable("foo.warm"), "foo");
	CHECK_STR(readable("foo.cold.0"), "foo");
	CHECK_STR(readable("_ZL3foov.__uniq.175283929876543210.llvm.1234"), "foo");
	CHECK_STR(readable("foo.specialized.1"), "foo");
	CHECK_STR(readable("_Z3foov.cold"), "foo");
	CHECK_STR(readable("_Z3foov.part.12"), "foo");
	CHECK_STR(readable("foo._omp_fn.0"), "foo._omp_fn.0");
	CHECK_STR(readable("foo._omp_fn.0.cold"), "foo._omp_fn.0");
	CHECK_STR(readable("_Z3foov._omp_fn.0"), "foo._omp_fn.0");
	CHECK_STR(readable("foo.1234"), "foo.1234");
	CHECK_STR(readable("foo.colder"), "foo.colder");
	CHECK_STR(readable("foo."), "foo.");
	CHECK_STR(readable(".cold"), ".cold");
}

TEST(demangle_cxx_operators_tags_lambdas_and_thunks)
{
	CHECK_STR(readable("_ZN3FooplERKS_"), "Foo::operator+");
	CHECK_STR(readable("_ZNK3FoocvbEv"), "Foo::operator bool");
	CHECK_STR(readable("_ZN3FooclEi"), "Foo::operator()");
	CHECK_STR(readable("_ZlsRSoRK3Foo"), "operator<<");
	CHECK_STR(readable("_ZN2ns4nameB5cxx11Ev"), "ns::name[abi:cxx11]");
	CHECK_STR(readable("_ZZN2ns3runEvENKUliE0_clEi"), "ns::run()::{lambda(int)#2}::operator()");
	CHECK_STR(readable("_ZNSt17_Function_handlerIFvvEZ4mainEUlvE_E9_M_invokeERKSt9_Any_data"),
		  "std::_Function_handler<void (), main::{lambda()#1}>::_M_invoke");
	CHECK_STR(readable("_ZThn16_N3Foo3barEv"), "non-virtual thunk to Foo::bar()");
	CHECK_STR(readable("_Z3fooILi3ELb1EEvv"), "foo<3, true>");
	CHECK_STR(readable("_ZN3FooD0Ev"), "Foo::~Foo");
	CHECK_STR(readable("_ZZ4mainE3fun.lto_priv.0"), "main::fun");
	CHECK_STR(readable("_ZN2ns3barEi.constprop.0.isra.0"), "ns::bar");
	CHECK_STR(readable("_ZN2ns3barEi.lto_priv.0.cold"), "ns::bar");
}

TEST(demangle_rust_generics_closures_and_suffixes)
{
	CHECK_STR(readable("_RINvNtC3std3mem8align_ofjE"), "std::mem::align_of::<usize>");
	CHECK_STR(readable("_RNCNvC4bike4main0"), "bike::main::{closure#0}");
	CHECK_STR(readable("_RNvC4bike4main.llvm.9876543210"), "bike::main");
	CHECK_STR(readable("_RNvC4bike4main.cold"), "bike::main");
	CHECK_STR(readable("_ZN4bike4main28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE"),
		  "bike::main::{{closure}}");
	CHECK_STR(readable("_ZN3std2rt10lang_start17hfedcba9876543210E.constprop.0"),
		  "std::rt::lang_start");
}

TEST(demangle_other_languages_stay_as_they_are)
{
	CHECK_STR(readable("_D3std5stdio7writelnFZv"), "_D3std5stdio7writelnFZv"); /* D */
	CHECK_STR(readable("$s4main3fooyyF"), "$s4main3fooyyF");		   /* Swift */
	CHECK_STR(readable("_T04main3fooyyF"), "_T04main3fooyyF");
	CHECK_STR(readable("camlStdlib__List__iter_507"), "camlStdlib__List__iter_507");
	CHECK_STR(readable("main.(*T).Method"), "main.(*T).Method"); /* Go */
}

TEST(demangle_plt_stubs_keep_their_tail)
{
	CHECK_STR(readable("memcpy@plt"), "memcpy@plt");
	CHECK_STR(readable("_Znwm@plt"), "operator new@plt");
	CHECK_STR(readable("_ZNSt6vectorIiSaIiEE9push_backERKi@plt"),
		  "std::vector<int, std::allocator<int> >::push_back@plt");
	CHECK_STR(readable("_ZN4core3fmt5write17h0123456789abcdefE@plt"), "core::fmt::write@plt");
	CHECK_STR(readable("@plt"), "@plt");
	CHECK_STR(readable("foo.cold@plt"), "foo@plt");
}

TEST(demangle_result_is_utf8_without_control_characters)
{
	CHECK_STR(readable("a\xff\x80z"), "a??z");
	CHECK_STR(readable("a\nb\x7f"), "a?b?");
	CHECK_STR(readable("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
	CHECK_STR(readable("_Z4a\xff\nbv"), "a??b");
	CHECK_STR(readable("overlong\xc0\xaf surrogate\xed\xa0\x80 high\xf4\x90\x80\x80"),
		  "overlong?? surrogate??? high????");
}

TEST(demangle_without_a_stack_gives_the_linkage_name)
{
	struct demangler none = {.stack = NULL};
	char name[DEMANGLE_OUTPUT_MAX];
	struct rlimit old, limit;

	demangle_name(&none, "_Z3foov.cold", name);
	CHECK_STR(name, "_Z3foov");
	getrlimit(RLIMIT_AS, &old);
	limit = old;
	limit.rlim_cur = 4096;
	CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
	demangle_start(&none);
	setrlimit(RLIMIT_AS, &old);
	CHECK(none.stack == NULL);
	demangle_stop(&none);
}

TEST(demangle_long_input_is_cut_and_not_demangled)
{
	char linkage[2 * DEMANGLE_INPUT_MAX];

	memset(linkage, 'x', sizeof linkage - 1);
	linkage[sizeof linkage - 1] = '\0';
	memcpy(linkage, "_Z3000", 6);
	CHECK_EQ(strlen(readable(linkage)), DEMANGLE_OUTPUT_MAX - 1);
}

/* Bytes of the demangler's stack that were ever touched. */
static size_t stack_used(void)
{
	size_t all = (size_t)16 << 20, pages = all / 4096;
	unsigned char *in_core = malloc(pages);
	size_t used = 0;

	CHECK_EQ(mincore(d.stack, all, in_core), 0);
	for (size_t i = 16; i < pages; i++)
		if (in_core[i] & 1) {
			used = (pages - i) * 4096;
			break;
		}
	free(in_core);
	return used;
}

/* The worst cases of input: each part uses an array of libiberty's or a recursion of its own. */
TEST(demangle_worst_cases_stay_far_from_the_guard)
{
	static const struct {
		const char *head, *repeat, *tail;
	} worst[] = {
		{"_Z1f", "P", "i"},		    /* pointers to pointers */
		{"_Z1fIiEv", "RT_", ""},	    /* references to a template parameter */
		{"_Z1fI", "1aIiERT_", "Evv"},	    /* templates times references */
		{"_Z1fI1aIiE", "S_IiERT_", "EvS_"}, /* by substitution */
		{"_Z1fI1aIiE", "S0_IRT_E", "EvS_"},
		{"_ZN", "1aIiE", "1fEv"},	    /* nested names */
		{"_Z1fILi", "9", "EEvv"},	    /* a long literal */
		{"_Z1fIXad", "adLi1ELi1E", "EEvv"}, /* expressions */
		{"_Z1fIX", "nt", "Li1EEEvv"},
		{"_Z1f", "F", "vvE"}, /* functions of functions */
		{"_Z1f", "FvP", "vE"},
		{"_Z", "Z1fvEN", "1aE"}, /* local names */
		{"_Z1fI", "J", "iEvv"},	 /* packs */
		{"_RN", "v", "C1a1b"},
		{"_RI", "I", "C1a1bE"},
		{"_RINvC1a1b", "R", "uE"},
		{"_RINvC1a1bT", "B_", "EE"},
	};
	static char name[DEMANGLE_OUTPUT_MAX], linkage[DEMANGLE_INPUT_MAX];
	size_t most = 0;

	demangle_start(&d);
	for (unsigned i = 0; i < sizeof worst / sizeof worst[0]; i++) {
		for (size_t n = 100; n < DEMANGLE_INPUT_MAX - 20; n += 480) {
			strcpy(linkage, worst[i].head);
			while (strlen(linkage) < n)
				strcat(linkage, worst[i].repeat);
			strcat(linkage, worst[i].tail);
			demangle_name(&d, linkage, name);
		}
	}
	most = stack_used();
	demangle_stop(&d);
	CHECK(most > 64 << 10);
	CHECK(most < (size_t)8 << 20); /* of 16 MiB */
}

static uint64_t seed = 88172645463325252u;
static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

TEST(demangle_survives_random_manglings_in_bounded_time)
{
	static const char *const pieces[] = {
		"_Z", "N",     "E",  "I",   "J",  "3foo", "S_",	 "S0_",	 "T_",	"T0_",
		"R",  "O",     "P",  "K",   "F",  "v",	  "i",	 "L",	 "Li1", "X",
		"ad", "cl",    "sr", "Dp",  "Dt", "dt",	  "Ul",	 "vE_",	 "Ut_", "Z",
		"C1", "D0",    "St", "Sa",  "cv", "nw",	  "T_",	 "fp",	 "sZ",	"tl",
		"il", "1aIiE", "M",  "A3_", "GR", "TV",	  "Tc",	 "h1_",	 "_R",	"C",
		"1a", "B_",    "Nv", "Mp",  "Y",  "B0_",  "17h", "$LT$", "..",	"0123456789abcdefE",
	};
	static char name[DEMANGLE_OUTPUT_MAX], linkage[DEMANGLE_INPUT_MAX];
	struct timespec from, to;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	demangle_start(&d);
	for (unsigned n = 0; n < 40000; n++) {
		size_t length = 0, want = next_random() % (n % 64 ? 60 : 2000);

		strcpy(linkage, next_random() % 4 ? "_Z" : "_R");
		while (length = strlen(linkage), length < want)
			strcpy(linkage + length,
			       pieces[next_random() % (sizeof pieces / sizeof pieces[0])]);
		demangle_name(&d, linkage, name);
		CHECK(strlen(name) < sizeof name);
		for (size_t i = 0; name[i];) {
			size_t k = utf8_sequence((unsigned char *)name + i, strlen(name + i));

			CHECK(k > 0);
			i += k;
		}
	}
	size_t used = stack_used();
	demangle_stop(&d);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	CHECK(to.tv_sec - from.tv_sec < 5);
	CHECK(used < (size_t)8 << 20);
}

TEST(demangle_exponential_expansion_is_cut)
{
	/* f<a<int,int>, a<A,A>, ...>, where each A is the argument before: 2^40 pieces.
	 * Substitution 0 is f; every argument adds two, its name and itself. */
	char linkage[1024] = "_Z1fI1aIiiE", name[DEMANGLE_OUTPUT_MAX];

	for (unsigned i = 1; i <= 40; i++) {
		static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
		size_t n = strlen(linkage);
		unsigned id = 2 * i - 1; /* S_ is 0, S0_ is 1 */
		char high[2] = {id >= 36 ? digits[id / 36] : '\0', '\0'};

		snprintf(linkage + n, sizeof linkage - n, "1aIS%s%c_S%s%c_E", high, digits[id % 36],
			 high, digits[id % 36]);
	}
	strcat(linkage, "Evv");
	demangle_start(&d);
	demangle_name(&d, linkage, name);
	demangle_stop(&d);
	CHECK_EQ(strlen(name), DEMANGLE_OUTPUT_MAX - 1);
	CHECK_STR(name + strlen(name) - 3, "...");
	CHECK(strncmp(name, "f<a<int, int>, a<a<int, int>, a<int, int> >,", 40) == 0);
}
