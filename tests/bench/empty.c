/* SPDX-License-Identifier: MIT */
/* The empty preload library: what a wrapper-less LD_PRELOAD costs. */
__attribute__((visibility("default"))) int cprof_bench_empty;
