#!/bin/bash
# SPDX-License-Identifier: MIT
# The man pages and the completions know every command and every option that the command itself knows.
. tests/support/lib.sh
C=$B/cprof
commands=$("$C" --help | sed -n 's/^  \([a-z]\{2,\}\)  *[^ ].*/\1/p' | grep -vx cprof)
options_of() { "$C" "$1" --help | grep -oE -- '(^|[^[:alnum:]-])--[a-z][a-z-]*' | grep -oE -- '--.*' | sort -u; }
claim help_lists_commands "$commands" grep -qx top <<< "$commands"

# ---- man pages ----
have_mandoc=$(command -v mandoc)
[ -n "$have_mandoc" ] || echo "skip man_pages_are_clean: no mandoc"
for page in docs/man/*.[15]; do
	[ -z "$have_mandoc" ] || claim "man_$(basename "$page" .1)_is_clean" "see mandoc -T lint" mandoc -T lint -W warning "$page"
done
for c in $commands; do
	page=docs/man/cprof-$c.1 missing=
	claim man_overview_lists_$c "not in docs/man/cprof.1" grep -qx "^\.It Cm $c" docs/man/cprof.1
	if [ ! -f "$page" ]; then
		not_ok man_page_of_$c "no $page"
		continue
	fi
	for o in $(options_of "$c"); do
		grep -qE -- "Fl -${o#--}( |\$)" "$page" || missing="$missing $o"
	done
	claim man_page_of_${c}_has_its_options "missing:$missing" test -z "$missing"
done

# ---- completion ----
# completes WORD...: what bash offers for the last of these words.
completes() {
	bash --norc -c 'source cli/completion/cprof.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
		_cprof 2> /dev/null; printf "%s\n" "${COMPREPLY[@]}"' - "$C" "$@"
}
offered=$(completes "")
for c in $commands; do
	claim completion_offers_$c "$offered" grep -qx -- "$c" <<< "$offered"
	missing= offered_options=$(completes "$c" --)
	for o in $(options_of "$c"); do
		grep -qx -- "$o" <<< "$offered_options" || missing="$missing $o"
	done
	claim completion_offers_the_options_of_$c "missing:$missing" test -z "$missing"
done
claim completion_by_prefix "$(completes to)" test "$(completes to)" = top
claim completion_of_an_option_by_prefix "$(completes top --fo)" test "$(completes top --fo)" = --focus
claim completion_of_an_option_behind_a_file "$(completes top f.gz --s)" test "$(completes top f.gz --s | tr '\n' ' ')" = "--sample --show --sort "
claim completion_of_values "$(completes top --sort c)" test "$(completes top --sort c)" = cum
claim completion_of_values_behind_an_equals_sign "$(completes top --sort = c)" test "$(completes top --sort = c)" = cum
: > "$scratch/one.pb.gz"
claim completion_of_files "$(completes top "$scratch/o")" test "$(completes top "$scratch/o")" = "$scratch/one.pb.gz"
mkdir "$scratch/stores" && : > "$scratch/stores/4711.1.store"
claim completion_of_processes "$(CPROF_STORE_DIR=$scratch/stores completes recover 47)" \
	test "$(CPROF_STORE_DIR=$scratch/stores completes recover 47)" = 4711
claim completion_is_bound_to_cprof "not by complete" bash --norc -c 'source cli/completion/cprof.bash && complete -p cprof > /dev/null'
if command -v zsh > /dev/null; then
	claim zsh_completion_parses "see zsh -n" zsh -n cli/completion/_cprof
	# The same lists with zsh's own functions stood in for.
	cat > "$scratch/offer.zsh" <<-'ZSH'
		_describe() { print -l -- ${(P)4%%:*}; }
		_call_program() { shift; "$@"; }
		compadd() { print -l -- "$@"; }
		_files() { :; }
		_alternative() { :; }
		words=("$@") CURRENT=$# PREFIX=${@[-1]}
		source cli/completion/_cprof
	ZSH
	offered=$(zsh -f "$scratch/offer.zsh" "$C" "")
	for c in $commands; do
		claim zsh_completion_offers_$c "$offered" grep -qx -- "$c" <<< "$offered"
		missing= offered_options=$(zsh -f "$scratch/offer.zsh" "$C" "$c" --)
		for o in $(options_of "$c"); do
			grep -qx -- "$o" <<< "$offered_options" || missing="$missing $o"
		done
		claim zsh_completion_offers_the_options_of_$c "missing:$missing" test -z "$missing"
	done
else
	echo "skip zsh_completion_parses: no zsh"
fi

finish
