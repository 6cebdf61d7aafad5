#!/bin/bash
# SPDX-License-Identifier: MIT
# Configuration files, good and bad, under real programs; `cprof config` and `cprof run --config`.
. tests/support/lib.sh
C=$B/cprof
NOBODY=65534
PY=/usr/bin/python3 # not a script that starts it
[ -x $PY ] || PY=$(python3 -c 'import sys; print(sys.executable)')
chmod 755 "$scratch" # others may read
umask 022
unset ${!CPROF_@} LD_PRELOAD
export CPROF_STORE_DIR=$scratch/store
mkdir -m 700 "$CPROF_STORE_DIR"

# A host that says something, uses half a second of CPU at most, and ends with a code of its own.
cat > "$scratch/host.py" <<'PY'
import os, sys, time
print("out", sys.argv[1:], flush=True)
print("err", file=sys.stderr, flush=True)
end = time.process_time() + float(os.environ.get("BURN", "0"))
while time.process_time() < end:
    sum(range(1000))
sys.exit(7)
PY
# host CONFIG-OR-NOTHING: out, err and code as without us, but for lines of ours, which are left in $scratch/said.
host() { # NAME CONFIG RUNNER...
	local name=$1 code
	cd "$scratch" || return
	timeout 20 env "CPROF_CONFIG=$2" LD_PRELOAD="$LIB" "${@:3}" "$PY" "$scratch/host.py" a b > "$scratch/o" 2> "$scratch/e"
	code=$?
	cd "$ROOT" || return
	grep '^cprof: ' "$scratch/e" > "$scratch/said"
	claim "${name}_costs_the_host_nothing" "code $code, $(head -3 "$scratch/o" "$scratch/e")" \
		test "$code $(cat "$scratch/o") $(grep -v '^cprof: ' "$scratch/e")" = "7 out ['a', 'b'] err"
}
# says NAME LINE: exactly this one line of ours.
says() { claim "$1" "$(head -3 "$scratch/said")" test "$(cat "$scratch/said")" = "cprof: $2"; }
silent() { claim "$1" "$(head -3 "$scratch/said")" test ! -s "$scratch/said"; }
ini() { # NAME TEXT: a file with it, in $ini
	ini=$scratch/$1.ini
	printf '%b' "$2" > "$ini"
	chmod 644 "$ini"
}

# ---- what is good ----
export BURN=0.3
mkdir -m 700 "$scratch/byfile" "$scratch/byvariable"
ini good "; ours\n[output]\ndir = $scratch/byfile\n[cpu]\nhz = 250\nthread_id = yes\n[follow]\nonly = $(basename "$PY")\n"
host config_good "$ini"
silent config_good_is_silent
out=$scratch/byfile
claim config_directory_is_the_files "$(ls -A "$out")" test "$(files | wc -l)" = 1
claim config_rate_is_the_files "no period of 4 ms" sh -c "go tool pprof -raw '$(files)' 2> /dev/null | grep -qx 'Period: 4000000'"
claim config_label_is_the_files "no label" sh -c "go tool pprof -raw '$(files)' 2> /dev/null | grep -q thread_id:"
rm -f "$out"/*
CPROF_OUTPUT_DIR=$scratch/byvariable host config_with_a_variable "$ini"
silent config_with_a_variable_is_silent
claim config_environment_wins "$(ls "$scratch/byfile" "$scratch/byvariable")" \
	test "$(ls "$scratch/byfile" | wc -l) $(ls "$scratch/byvariable" | grep -c cpu)" = "0 1"
rm -f "$scratch"/by*/*
# A child that was started elsewhere reads the same file by itself.
CPROF_CONFIG=$ini LD_PRELOAD=$LIB sh -c "cd / && '$PY' '$scratch/host.py'; '$PY' '$scratch/host.py'" > /dev/null 2>&1
claim config_is_read_by_each_program "$(ls "$out")" test "$(files | wc -l)" = 2
rm -f "$out"/*
unset BURN
ini dos "\xef\xbb\xbf[cpu]\r\nhz = 250\r\n"
host config_of_dos "$ini"
silent config_of_dos_is_silent
host config_none ""
silent config_none_is_silent
ini empty ""
host config_empty "$ini"
silent config_empty_is_silent

# ---- what is bad ----
export BURN=0.2
ini bad "[output]\ndir = $scratch/byfile\nintervall = 5\n[cpu]\nhz = fast\nenabled = yes\n"
host config_bad "$ini"
claim config_bad_lines_are_told "$(cat "$scratch/said")" test "$(cat "$scratch/said")" = \
	"cprof: $ini:3: output.intervall: no such option; did you mean output.interval?
cprof: $ini:5: cpu.hz = fast: expected a number from 1 to 1000; using 100"
claim config_good_lines_of_a_bad_file_count "$(ls "$out")" test "$(files | wc -l)" = 1
unset BURN
ini log "[output]\nlog = $scratch/log\n[nonsense]\n"
host config_log "$ini"
silent config_log_is_not_stderr
claim config_log_gets_the_lines_of_its_own_file "$(cat "$scratch/log")" grep -q "^cprof: $ini:3: \[nonsense\]" "$scratch/log"

ini others "[nonsense]\n[follow]\nonly = somebody-else\n"
host config_of_others "$ini"
silent config_of_others_is_not_told_by_this_one

host config_missing "$scratch/none.ini"
says config_missing_is_told "$scratch/none.ini: cannot be opened (ENOENT), expected a readable file; using no file"
host config_relative good.ini
says config_relative_is_refused "CPROF_CONFIG=good.ini: expected an absolute path of at most 255 bytes; using no file"
host config_directory "$scratch"
says config_directory_is_told "$scratch: is a directory, expected a regular file; using no file"
mkfifo "$scratch/fifo"
host config_fifo "$scratch/fifo"
says config_fifo_does_not_wait "$scratch/fifo: is a FIFO, expected a regular file; using no file"
host config_device /dev/zero
says config_device_is_told "/dev/zero: is a device, expected a regular file; using no file"
ini open "[cpu]\nhz = 5\n"
chmod 666 "$ini"
host config_open_to_all "$ini"
says config_open_to_all_is_refused "$ini: may be written by everybody, expected mode 644 or less; using no file"
head -c 2000000 /dev/zero > "$scratch/big"
host config_big "$scratch/big"
says config_big_is_refused "$scratch/big: has 2000000 bytes, expected at most 1M; using no file"
head -c 50000 /dev/urandom > "$scratch/noise"
host config_noise "$scratch/noise"
claim config_noise_is_told_in_few_lines "$(wc -l < "$scratch/said") lines" test "$(wc -l < "$scratch/said")" -ge 1 -a "$(wc -l < "$scratch/said")" -le 21
claim config_noise_is_told_with_its_place "$(head -2 "$scratch/said")" test -z "$(grep -avE "^cprof: $scratch/noise:( and [0-9]+ more$|[0-9]+: )" "$scratch/said")"
if [ "$(id -u)" = 0 ]; then
	ini secret "[cpu]\nhz = 5\n"
	chmod 600 "$ini"
	cp "$LIB" "$scratch/libcprof.so" && chmod 644 "$scratch/libcprof.so"
	LIB=$scratch/libcprof.so CPROF_STORE_DIR='' host config_unreadable "$ini" setpriv --reuid=$NOBODY --regid=$NOBODY --clear-groups
	claim config_unreadable_is_told "$(cat "$scratch/said")" \
		test "$(sort -u "$scratch/said")" = "cprof: $ini: cannot be opened (EACCES), expected a readable file; using no file"
else
	echo "skip config_unreadable_is_told: not root"
fi
for closed in '<&-' '>&-' '2>&-' '<&- 2>&-'; do
	want=$(eval "/bin/true $closed; echo \$?")
	claim "config_with_closed_$(tr -dc '02<>' <<< "$closed" | tr '<>' 'io')" "another exit code" \
		test "$(eval "CPROF_CONFIG=$scratch/bad.ini LD_PRELOAD=$LIB /bin/true $closed; echo \$?" 2> /dev/null)" = "$want"
done
ini good "[output]\ndir = $scratch/byfile\n"
descriptors() { "$PY" -c 'import os; print(sorted(os.listdir("/proc/self/fd")))' < /dev/null; }
descriptors > "$scratch/want"
CPROF_CONFIG=$ini LD_PRELOAD=$LIB descriptors > "$scratch/fds"
claim config_leaves_no_descriptor "$(cat "$scratch/fds")" cmp -s "$scratch/want" "$scratch/fds"

# ---- a process that becomes somebody else ----
if [ "$(id -u)" = 0 ]; then
	cat > "$scratch/drop.py" <<-PY
		import os, time
		os.setgid($NOBODY), os.setuid($NOBODY)
		end = time.process_time() + 0.3
		while time.process_time() < end: sum(range(1000))
	PY
	mkdir -m 755 "$scratch/shared"
	ini drop "[output]\ndir = $scratch/shared\n"
	CPROF_CONFIG=$ini LD_PRELOAD=$LIB "$PY" "$scratch/drop.py" 2> "$scratch/said"
	claim config_directory_of_who_drops_privileges "$(ls -lR "$scratch/shared") $(cat "$scratch/said")" \
		test "$(ls "$scratch/shared/cprof-$NOBODY"/*.cpu.* | wc -l)" = 1
else
	echo "skip config_directory_of_who_drops_privileges: not root"
fi

# ---- cprof config ----
unset CPROF_STORE_DIR
# shows NAME CODE ARGS...: the exit code; leaves $scratch/o and $scratch/e.
shows() {
	local name=$1 want=$2 code
	shift 2
	"$C" config "$@" > "$scratch/o" 2> "$scratch/e" < /dev/null
	code=$?
	claim "$name" "code $code, $(head -2 "$scratch/e")" test $code = "$want"
}
value() { sed -n "/^\\[$1\\]/,/^\\[/p" "$scratch/o" | sed -nE "s/^(; )?$2 += +//p"; }
is() { claim "$1" "$(value "$2" "$3")" test "$(value "$2" "$3" | tr -s ' ')" = "$4"; }
ini show "[output]\ndir = /var/prof;x y\nsignal = 10\n\n[cpu]\nhz = 50\n"
CPROF_CPU_HZ=60 CPROF_OUTPUT_MAX_BYTES=1024M shows config_shows_a_good_file 0 "$ini"
is config_shows_the_files_line output dir "/var/prof;x y ; $ini:2"
is config_shows_the_name_of_a_signal output signal "SIGUSR1 ; $ini:3"
is config_shows_the_variable_that_won cpu hz "60 ; CPROF_CPU_HZ"
is config_shows_sizes_with_units output max_bytes "1G ; CPROF_OUTPUT_MAX_BYTES"
is config_shows_the_default store keep "16 ; default"
claim config_columns_are_aligned "$(cat "$scratch/o")" test "$(grep -bo ' ; ' <(grep -o '.* ; ' "$scratch/o") | wc -l) $(awk '/ = /{ print index($0, " = ") " " index($0, "  ; ") }' "$scratch/o" | sort -u | wc -l)" = "$(grep -c " = " "$scratch/o") 1"
cp "$scratch/o" "$scratch/again.ini"
values() { sed -E 's/  ; .*//; s/ +$//' "$1"; }
shows config_output_is_a_file_again 0 "$scratch/again.ini"
claim config_output_has_the_same_values "$(diff <(values "$scratch/o") <(values "$scratch/again.ini"))" \
	cmp -s <(values "$scratch/o") <(values "$scratch/again.ini")
CPROF_CONFIG=$ini shows config_takes_the_file_of_the_environment 0
is config_shows_the_file_of_the_environment cpu hz "50 ; $ini:6"
(cd "$scratch" && "$C" config show.ini > o)
is config_takes_a_relative_file cpu hz "50 ; show.ini:6"
shows config_without_a_file_is_good 0
is config_without_a_file_shows_defaults cpu hz "100 ; default"
CPROF_OUTPUT_DIR='/a ;b' CPROF_OUTPUT_LOG=$'/c\n[cpu]\nhz = 1' shows config_shows_what_no_file_can_say 0
is config_says_that_no_file_can_say_it output dir "/a ;b ; CPROF_OUTPUT_DIR, cannot be written in a file"
is config_writes_no_newline output log "/c?[cpu]?hz = 1 ; CPROF_OUTPUT_LOG, cannot be written in a file"
cp "$scratch/o" "$scratch/again.ini"
shows config_stays_a_file_then 0 "$scratch/again.ini"
is config_stays_at_the_default_then output dir "; default"
shows config_bad_file_is_1 1 "$scratch/bad.ini"
CPROF_CONFIG=$scratch/bad.ini LD_PRELOAD=$LIB /bin/true 2> "$scratch/said"
claim config_says_what_the_library_says "$(diff "$scratch/e" "$scratch/said")" cmp -s "$scratch/e" "$scratch/said"
shows config_missing_file_is_1 1 "$scratch/none.ini"
claim config_missing_file_shows_the_rest "$(wc -l < "$scratch/o")" grep -q '^hz .*default' "$scratch/o"
CPROF_CPU_HZ=x shows config_bad_variable_is_1 1
shows config_two_files_are_usage 2 a b
shows config_unknown_option_is_usage 2 --frob
shows config_example_stands_alone 2 --example x
claim config_to_a_full_device_is_1 "another code" eval "'$C' config > /dev/full 2> /dev/null; test \$? = 1"

# ---- the example, the man page ----
shows config_example 0 --example
mv "$scratch/o" "$scratch/example.ini"
shows config_example_is_good 0 "$scratch/example.ini"
claim config_example_sets_nothing "$(grep -v default "$scratch/o" | head -3)" test -z "$(grep ' = ' "$scratch/o" | grep -v '; default')"
sed -E 's/^;([a-z])/\1/' "$scratch/example.ini" > "$scratch/all.ini"
shows config_example_all_set_is_good 0 "$scratch/all.ini"
claim config_example_has_every_option "$(grep default "$scratch/o" | head -3)" test -z "$(grep ' = ' "$scratch/o" | grep -v "; $scratch/all.ini:")"
mv "$scratch/o" "$scratch/all"
shows config_defaults 0
claim config_example_shows_the_defaults "$(diff <(values "$scratch/o") <(values "$scratch/all"))" cmp -s <(values "$scratch/o") <(values "$scratch/all")
claim config_example_fits_80_columns "$(awk 'length > 80' "$scratch/example.ini" | head -1)" awk 'length > 80 { exit 1 }' "$scratch/example.ini"
"$C" options --man > "$scratch/list"
sed '1,/BEGIN OPTIONS/d; /END OPTIONS/,$d' docs/man/cprof.ini.5 > "$scratch/page"
claim config_man_page_has_the_list "put the output of cprof options --man between BEGIN and END" cmp -s "$scratch/list" "$scratch/page"
if command -v mandoc > /dev/null; then
	mandoc -Tlint docs/man/cprof.ini.5 docs/man/cprof-config.1 2>&1 | grep -v 'referenced manual not found' > "$scratch/lint"
	claim config_man_pages_are_clean "$(head -3 "$scratch/lint")" test ! -s "$scratch/lint"
else
	echo "skip config_man_pages_are_clean: no mandoc"
fi

# ---- cprof run --config ----
(cd "$scratch" && "$C" run --config show.ini --hz 70 env) > "$scratch/o" 2> "$scratch/e"
claim run_config_is_absolute "$(grep CONFIG "$scratch/o")" grep -qxF "CPROF_CONFIG=$scratch/show.ini" "$scratch/o"
claim run_config_and_options_together "$(cat "$scratch/e")" grep -qxF "CPROF_CPU_HZ=70" "$scratch/o"
for bad in "$scratch/none.ini" "$scratch" "$scratch/fifo" ''; do
	timeout 10 "$C" run --config "$bad" -- true > "$scratch/o" 2> "$scratch/e"
	code=$?
	claim "run_config_refuses_$(basename "$bad" | tr . _)" "code $code: $(cat "$scratch/e")" test "$code $(wc -l < "$scratch/e")" = "2 1"
done
for bad in cpu.hz=x cpu.hs=5 hz=5 output.signal=PROF; do
	"$C" run --set $bad -- true 2> "$scratch/e"
	code=$?
	claim "run_set_refuses_$bad" "$(cat "$scratch/e")" test $code = 2
done
finish
