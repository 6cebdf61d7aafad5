#!/bin/bash
# SPDX-License-Identifier: MIT
# `make install`: everything is where a distribution looks for it, and the installed command works with the installed library.
. tests/support/lib.sh
root=$scratch/root
make -s B="$B" PREFIX=/usr DESTDIR="$root" install > "$scratch/log" 2>&1
claim install_succeeds "$(tail -1 "$scratch/log")" test $? = 0
for f in bin/cprof lib/libcprof.so lib/pkgconfig/cprof.pc share/man/man1/cprof.1 share/man/man5/cprof.ini.5 \
	share/doc/cprof/README.md share/doc/cprof/guide.md share/doc/cprof/examples/cprof.ini.example share/doc/cprof/examples/service.conf \
	share/bash-completion/completions/cprof share/zsh/site-functions/_cprof; do
	claim "installs_$f" "it is missing or empty" test -s "$root/usr/$f"
done
claim installs_nothing_outside_the_prefix "$(ls "$root")" test "$(ls "$root")" = usr
claim pkg_config_names_the_library "cprof.pc" test "$(PKG_CONFIG_PATH=$root/usr/lib/pkgconfig pkg-config --variable=preload cprof)" = /usr/lib/libcprof.so
claim pkg_config_names_the_version "cprof.pc" test "cprof $(PKG_CONFIG_PATH=$root/usr/lib/pkgconfig pkg-config --modversion cprof)" = "$("$root/usr/bin/cprof" --version)"
fresh out
claim installed_command_finds_the_installed_library "no such line in maps" \
	eval '"$root/usr/bin/cprof" run -- cat /proc/self/maps | grep -q "$root/usr/lib/libcprof.so"'

# The example for systemd, as an addition to a service.
if command -v systemd-analyze > /dev/null; then
	mkdir -p "$scratch/units/a.service.d"
	printf '[Service]\nExecStart=/bin/true\n' > "$scratch/units/a.service"
	cp docs/examples/service.conf "$scratch/units/a.service.d/"
	said=$(SYSTEMD_UNIT_PATH="$scratch/units:" systemd-analyze verify "$scratch/units/a.service" 2>&1 | grep -F "$scratch/units")
	claim systemd_example_is_understood "$said" test -z "$said"
else
	echo "skip systemd_example_is_understood: no systemd-analyze"
fi
finish
