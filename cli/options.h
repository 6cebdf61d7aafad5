/* SPDX-License-Identifier: MIT */
/*
 * cli/options: the option table as text for people.
 */
#ifndef CPROF_CLI_OPTIONS_H
#define CPROF_CLI_OPTIONS_H

/* Prints a configuration file with every option commented out: what it means, what it expects, its
 * default. */
void options_print_example(void);

#endif
