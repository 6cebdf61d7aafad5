# SPDX-License-Identifier: MIT
# bash completion for cprof. Commands and options are asked of cprof itself, so that there is no list to keep.
# shellcheck shell=bash

_cprof_commands() { "$1" --help 2> /dev/null | sed -n 's/^  \([a-z]\{2,\}\)  *[^ ].*/\1/p' | grep -vx cprof; }
_cprof_options() { "$1" "$2" --help 2> /dev/null | grep -oE -- '(^|[^[:alnum:]-])--[a-z][a-z-]*' | grep -oE -- '--.*'; }
# Processes that are profiled: the first part of their stores' names.
_cprof_pids() {
	local f
	for f in "${CPROF_STORE_DIR:-/dev/shm/cprof-$EUID}"/*.store; do
		f=${f##*/}
		[ "$f" != '*.store' ] && echo "${f%%.*}"
	done
}

_cprof() {
	local cprof=${COMP_WORDS[0]} cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command i
	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_cprof_commands "$cprof") --help --version" -- "$cur")
		return
	fi
	command=${COMP_WORDS[1]}
	# "--sort=cum" is three words here, "--sort cum" two.
	if [ "$cur" = = ]; then cur=; elif [ "$prev" = = ]; then prev=${COMP_WORDS[COMP_CWORD - 2]}; fi
	case $prev in
	--sort) mapfile -t COMPREPLY < <(compgen -W "flat cum name" -- "$cur") ;;
	--color) mapfile -t COMPREPLY < <(compgen -W "auto always never" -- "$cur") ;;
	--kind) mapfile -t COMPREPLY < <(compgen -W "cpu heap allocs block mutex wall" -- "$cur") ;;
	--format) mapfile -t COMPREPLY < <(compgen -W "svg html" -- "$cur") ;;
	--dir) compopt -o filenames 2> /dev/null && mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	--signal) mapfile -t COMPREPLY < <(compgen -W "USR1 USR2 RTMIN none" -- "$cur") ;;
	esac
	[ "${#COMPREPLY[@]}" = 0 ] || return 0
	# What follows the program to run is the program's.
	if [ "$command" = run ]; then
		for ((i = 2; i < COMP_CWORD; i++)); do
			[ "${COMP_WORDS[i]}" != -- ] || break
		done
		if [ "$i" -lt "$COMP_CWORD" ] && declare -F _command_offset > /dev/null; then
			_command_offset $((i + 1))
			return
		fi
	fi
	case $cur in
	-*)
		mapfile -t COMPREPLY < <(compgen -W "$(_cprof_options "$cprof" "$command") --help" -- "$cur" | sort -u)
		return
		;;
	esac
	compopt -o filenames 2> /dev/null
	case $command in
	run | check) mapfile -t COMPREPLY < <(compgen -c -- "$cur"; compgen -f -- "$cur") ;;
	dump | status | recover) mapfile -t COMPREPLY < <(compgen -W "$(_cprof_pids)" -- "$cur"; compgen -f -- "$cur") ;;
	*) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	esac
}
complete -F _cprof cprof
