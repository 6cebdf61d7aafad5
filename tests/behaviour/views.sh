#!/bin/bash
# SPDX-License-Identifier: MIT
# What cprof top, tree and flame show beyond the numbers that cli.sh compares with pprof: profiles whose answers are
# known by construction, hostile ones, pages read by other parsers, colours on a terminal.
. tests/support/lib.sh
C=$B/cprof
unset CPROF_OUTPUT_DIR LC_ALL LC_CTYPE NO_COLOR
export LANG=C TZ=UTC TERM=xterm
for kind in calls hostile deep "many 10000"; do
	python3 tests/behaviour/cli_profiles.py "$scratch" $kind
done
calls=$scratch/calls.pb

# status NAME CODE PATTERN COMMAND...: the exit code, and what stderr says in one line, nothing when empty.
status() {
	local name=$1 want=$2 pattern=$3 code
	shift 3
	"$@" > "$scratch/out" 2> "$scratch/err" < /dev/null
	code=$?
	if [ "$code" != "$want" ]; then
		not_ok "$name" "exit code $code; $(head -1 "$scratch/err")"
	elif [ -z "$pattern" ]; then
		claim "$name" "$(head -1 "$scratch/err")" test ! -s "$scratch/err"
	else
		claim "$name" "$(cat "$scratch/err")" sh -c "test \$(wc -l < '$scratch/err') = 1 && grep -q -- '$pattern' '$scratch/err'"
	fi
}
# shows NAME FILE: the rows of the last command, from the heading on, are those on standard input.
shows() {
	cat > "$scratch/want"
	sed -n '/^ *\(flat\|cum\) /,$p' "$scratch/out" > "$scratch/rows"
	claim "$1" "$(diff "$scratch/want" "$scratch/rows" | head -5)" cmp -s "$scratch/want" "$scratch/rows"
}

# ---- help ----
for sub in top tree flame; do
	status view_${sub}_help_exits_0 0 "" "$C" $sub --help
	claim view_${sub}_help_fits_a_screen "$(wc -l < "$scratch/out") lines" test "$(wc -l < "$scratch/out")" -le 24
	claim view_${sub}_help_is_80_columns_wide "a line is longer" awk 'length > 80 { exit 1 }' "$scratch/out"
done

# ---- top ----
status top_by_name_exits_0 0 "" "$C" top --sort=name --focus=work $calls
shows top_by_name_is_in_order_of_names << 'END'
      flat  flat%   sum%        cum   cum%
     150ms 15.00% 15.00%      150ms 15.00%  f
     300ms 30.00% 45.00%      300ms 30.00%  leaf
         0     0% 45.00%      550ms 55.00%  main
     100ms 10.00% 55.00%      550ms 55.00%  work
END
status top_says_when_nothing_matches 0 "--focus nobody: no frame matches" "$C" top --focus=nobody $calls
status top_says_when_no_class_matches 0 "--class io: no class matches" "$C" top --class=io $calls

# ---- tree ----
status tree_exits_0 0 "" "$C" tree $calls
shows tree_is_the_calls_from_their_roots << 'END'
       cum   cum%       flat  flat%  function, and what it calls
    1000ms   100%          .      .  (all stacks)
     800ms 80.00%          .      .  |- main
     550ms 55.00%      100ms 10.00%  |  |- work
     300ms 30.00%      300ms 30.00%  |  |  |- leaf
     150ms 15.00%      150ms 15.00%  |  |  `- f
     200ms 20.00%          .      .  |  |- f
     200ms 20.00%          .      .  |  |  f
     200ms 20.00%      200ms 20.00%  |  |  f
      50ms  5.00%          .      .  |  `- few
      20ms  2.00%       20ms  2.00%  |     |- a
      20ms  2.00%       20ms  2.00%  |     |- b
      10ms  1.00%       10ms  1.00%  |     `- c
     200ms 20.00%          .      .  `- thread
     200ms 20.00%      200ms 20.00%     leaf
END
status tree_min_exits_0 0 "" env LANG=C.UTF-8 "$C" tree --min=4% --ignore thread $calls
shows tree_counts_what_is_left_out << 'END'
       cum   cum%       flat  flat%  function, and what it calls
     800ms 80.00%          .      .  (all stacks)
     800ms 80.00%          .      .  main
     550ms 55.00%      100ms 10.00%  ├─ work
     300ms 30.00%      300ms 30.00%  │  ├─ leaf
     150ms 15.00%      150ms 15.00%  │  └─ f
     200ms 20.00%          .      .  ├─ f
     200ms 20.00%          .      .  │  f
     200ms 20.00%      200ms 20.00%  │  f
      50ms  5.00%          .      .  └─ few
      50ms  5.00%          .      .     (3 more)
END
claim tree_says_how_much_is_left_out "$(grep Showing "$scratch/out")" grep -q '^Showing 8 calls out of 11; 5.00% of the total is left out$' "$scratch/out"
status tree_depth_exits_0 0 "" "$C" tree --depth 2 --focus '^main$' $calls
shows tree_ends_at_the_depth << 'END'
       cum   cum%       flat  flat%  function, and what it calls
     800ms 80.00%          .      .  (all stacks)
     800ms 80.00%          .      .  main
     550ms 55.00%      100ms 10.00%  |- work
     450ms 45.00%          .      .  |  (2 more)
     200ms 20.00%          .      .  |- f
     200ms 20.00%          .      .  |  (2 more)
      50ms  5.00%          .      .  `- few
      50ms  5.00%          .      .     (3 more)
END
status tree_bottom_up_exits_0 0 "" "$C" tree --bottom-up --min 10 $calls
shows tree_bottom_up_is_the_callers << 'END'
       cum   cum%  function, and what calls it
    1000ms   100%  (all stacks)
     500ms 50.00%  |- leaf
     300ms 30.00%  |  |- work
     300ms 30.00%  |  |  main
     200ms 20.00%  |  `- thread
     350ms 35.00%  |- f
     200ms 20.00%  |  |- f
     200ms 20.00%  |  |  f
     200ms 20.00%  |  |  main
     150ms 15.00%  |  `- work
     150ms 15.00%  |     main
     100ms 10.00%  `- work
     100ms 10.00%     main
END
status tree_of_a_deep_stack_exits_0 0 "" "$C" tree "$scratch/deep.pb"
claim tree_of_a_deep_stack_is_not_wide "$(wc -L < "$scratch/out") columns" test "$(wc -L < "$scratch/out")" -le 80
claim tree_shows_recursion_as_it_is "$(grep -c 'again$' "$scratch/out")" test "$(grep -c 'again$' "$scratch/out")" = 3000
status tree_min_wants_a_percentage 2 "--min 200: expected a percentage" "$C" tree --min 200 $calls
status tree_min_wants_a_number 2 "--min x%: expected a percentage" "$C" tree --min x% $calls
status tree_depth_wants_a_number 2 "--depth -1: expected a number" "$C" tree --depth=-1 $calls
status tree_of_a_missing_file_fails 1 "No such file" "$C" tree "$scratch/missing"
status tree_of_an_unknown_column_fails 1 "this profile has: cpu" "$C" tree --sample=wall $calls

# ---- colours ----
plain=$("$C" top $calls)
coloured() { grep -q $'\033\[' <<< "$1"; }
on_a_terminal() { script -qec "$1" /dev/null < /dev/null | tr -d '\r'; }
claim colour_never_is_plain "differs" test "$("$C" top --color=never $calls)" = "$plain"
claim colour_not_into_a_pipe "$plain" test "$(grep -c $'\033' <<< "$plain")" = 0
claim colour_always_into_a_pipe "none" coloured "$("$C" top --color=always $calls)"
claim colour_only_styles_the_text "differs" test "$("$C" top --color always $calls | sed $'s/\033\\[[0-9;]*m//g')" = "$plain"
claim colour_of_a_tree_only_styles_it "differs" test \
	"$("$C" tree --color always $calls | sed $'s/\033\\[[0-9;]*m//g')" = "$("$C" tree $calls)"
if command -v script > /dev/null; then
	claim colour_on_a_terminal "none" coloured "$(on_a_terminal "$C top $calls")"
	claim colour_not_with_NO_COLOR "coloured" test "$(NO_COLOR=1 on_a_terminal "$C top $calls")" = "$plain"
	claim colour_not_on_a_dumb_terminal "coloured" test "$(TERM=dumb on_a_terminal "$C top $calls")" = "$plain"
else
	echo "skip colour_on_a_terminal: no script"
fi
for sub in top tree; do
	"$C" $sub "$scratch/hostile.pb" > "$scratch/out"
	claim ${sub}_prints_no_control_character "$(grep -na '[[:cntrl:]]' "$scratch/out" | head -1 | cat -v)" \
		sh -c "! LC_ALL=C grep -qa '[[:cntrl:]]' '$scratch/out'"
done

"$C" top --sample=none "$scratch/hostile.pb" 2> "$scratch/err"
claim top_says_no_control_character "$(cat -v "$scratch/err")" sh -c "test -s '$scratch/err' && ! LC_ALL=C grep -qa '[[:cntrl:]]' '$scratch/err'"
mkdir "$scratch/names" && : > "$scratch/names/"$'x\033[31m.pb.gz'
status top_offers_no_name_that_is_a_sequence 1 "without a profile in it" "$C" top "$scratch/names"

# ---- flame ----
for page in calls hostile deep many; do
	for format in html svg; do
		status flame_${page}_${format}_exits_0 0 "" "$C" flame -o "$scratch/$page.$format" "$scratch/$page.pb"
		claim flame_${page}_${format}_holds_only_what_we_wrote "$(cat "$scratch/err")" \
			sh -c "python3 tests/behaviour/views_pages.py safe '$scratch/$page.$format' 2> '$scratch/err'"
	done
	if command -v xmllint > /dev/null; then
		claim flame_${page}_svg_is_well_formed "see xmllint" xmllint --noout "$scratch/$page.svg"
	else
		echo "skip flame_${page}_svg_is_well_formed: no xmllint"
	fi
done
for format in html svg; do
	below flame_of_10000_stacks_is_small_as_$format "$(stat -c %s "$scratch/many.$format")" 2000000
done
status flame_to_stdout_exits_0 0 "" "$C" flame --format=svg -o - $calls
claim flame_to_stdout_is_the_page "differs" cmp -s "$scratch/out" "$scratch/calls.svg"
status flame_format_beats_the_name 0 "" "$C" flame --format html -o "$scratch/x.svg" --title "<b>" $calls
claim flame_title_is_text "$(grep '<title>' "$scratch/x.svg")" grep -q '<title>&lt;b&gt;</title>' "$scratch/x.svg"
status flame_focus_exits_0 0 "" "$C" flame --focus '^thread' --min=0 -o "$scratch/focus.html" $calls
claim flame_focus_keeps_the_total "$(grep total "$scratch/focus.html")" grep -q '"total":5,.*"left":0' "$scratch/focus.html"
claim flame_without_script_draws_the_frames "no leaf" grep -q '>thread</text>' "$scratch/focus.html"
status flame_without_output_is_usage 2 "no -o FILE given" "$C" flame $calls
status flame_of_an_unknown_format_is_usage 2 "neither .svg nor .html" "$C" flame -o "$scratch/x.png" $calls
status flame_bad_format_is_usage 2 "expected svg or html" "$C" flame --format png -o - $calls
status flame_to_a_missing_directory_fails 1 "No such file" "$C" flame -o "$scratch/none/x.svg" $calls
status flame_to_a_full_device_fails 1 "No space left" "$C" flame --format svg -o /dev/full $calls
status flame_to_a_full_stdout_fails 1 "No space left" sh -c "'$C' flame --format svg -o - $calls > /dev/full"
status flame_without_a_stack_fails 1 "no stack is left" sh -c "'$C' flame --focus nobody -o '$scratch/x.svg' $calls 2> '$scratch/two'; e=\$?; tail -1 '$scratch/two' >&2; exit \$e"
mkdir "$scratch/s" && python3 tests/behaviour/cli_profiles.py "$scratch/s" 1 30
refused=0 drawn=0
for f in "$scratch"/s/*.pb; do
	: > "$f.svg" && "$C" flame -o "$f.svg" "$f" 2> "$scratch/err"
	case $? in
	0) drawn=$((drawn + 1)) ;;
	1) refused=$((refused + 1)) && rm "$f.svg" ;;
	*) not_ok flame_of "$f: $(head -1 "$scratch/err")" ;;
	esac
done
claim "flame_of_any_profile_is_a_page_or_a_refusal ($drawn, $refused)" "$drawn drawn, $refused refused" test "$drawn" -ge 10 -a "$refused" -ge 1
claim flame_of_any_profile_holds_only_what_we_wrote "see above" python3 tests/behaviour/views_pages.py safe "$scratch"/s/*.svg
contrast=$(python3 tests/behaviour/views_pages.py contrast cli/flame.css)
claim "flame_text_is_readable_on_every_colour (contrast $contrast)" "$contrast" awk -v c="$contrast" 'BEGIN { exit !(c >= 4.5) }'
claim flame_script_can_be_embedded "it ends a script or a CDATA section" \
	sh -c "! grep -qiE '</script|</style|\]\]>|<!--' cli/flame.js cli/flame.css"
if command -v node > /dev/null; then
	"$C" flame -o "$scratch/all.html" --min 0 "$scratch/many.pb"
	node tests/behaviour/views_script.js "$scratch/calls.html" "$scratch/many.svg" "$scratch/all.html" "$scratch/hostile.html" > "$scratch/claims" 2>&1 ||
		not_ok flame_script "$(tail -5 "$scratch/claims" | tr '\n' ' ')"
	node tests/behaviour/views_page.js "$scratch/calls.html" >> "$scratch/claims" 2>&1 ||
		not_ok flame_page "$(tail -5 "$scratch/claims" | tr '\n' ' ')"
	cat "$scratch/claims"
	! grep -q '^not ok' "$scratch/claims" || failed=1
else
	echo "skip flame_script: no node"
fi
finish
