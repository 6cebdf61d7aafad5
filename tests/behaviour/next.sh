#!/bin/bash
# SPDX-License-Identifier: MIT
# The next function of a name: what preload/next finds is what dlsym(RTLD_NEXT) finds, whatever stands before and behind it.
. tests/support/lib.sh
P=$B/programs
fresh next
export NEXT_NAMES
more="memcpy pthread_cond_wait no_such_name mq_send getline flock sync"
NEXT_NAMES=$({ nm -D --defined-only "$LIB" | awk '{ print $3 }' && tr ' ' '\n' <<< "$more"; } | sort -u)

# looks NAME LD_PRELOAD PROGRAM ARGS...: into $said.  None differs.
looks() {
	local name=$1 preload=$2
	shift 2
	said=$(LD_PRELOAD=$preload "$@" 2>&1 > /dev/null)
	claim "next_${name}_is_that_of_dlsym" "$(grep 'differs$' <<< "$said" | head -3) $(head -3 <<< "$said")" \
		eval '[ "$(grep -c "^next " <<< "$said")" = "$(wc -w <<< "$NEXT_NAMES")" ] && ! grep -q "differs$" <<< "$said"'
}
found() { grep -q "^next $1 $2\$" <<< "$said"; }
asked() { sed -n 's/^asked //p' <<< "$said"; }
none() { grep -c ' none$' <<< "$said"; }
object() { # NAME OPTIONS... < SOURCE
	local name=$1
	shift
	gcc -x c -O2 -w -shared -fPIC -o "$scratch/$name" - "$@" || echo "not ok next_build_$name: $?"
}

looks alone "$P/so_next.so" /bin/true
claim next_is_in_libc "$(head -3 <<< "$said")" found read 'libc.so.*'
claim next_of_no_name_is_none "$(head -3 <<< "$said")" found no_such_name none
# memcpy is an IFUNC, and the others are in no library: only dlsym knows.
claim next_asks_for_the_rest_only "$(asked) asked, $(none) none" test "$(asked)" = $(($(none) + 1))

cat > "$scratch/map" << 'MAP'
OLD { global: poll; sync; local: *; };
NEW { global: poll; mq_send; getline; flock; } OLD;
MAP
cat > "$scratch/behind.c" << 'SOURCE'
int mq_send, first_poll(void), second_poll(void), old_sync(void);
int first_poll(void) { return 1; }
int second_poll(void) { return 2; }
int old_sync(void) { return 3; }
__asm__(".symver first_poll,poll@OLD");
__asm__(".symver second_poll,poll@@NEW");
__asm__(".symver old_sync,sync@OLD");
__attribute__((weak)) int getline(void) { return 4; }
static int (*choose(void))(void) { return first_poll; }
int flock(void) __attribute__((ifunc("choose")));
SOURCE
object behind.so -Wl,--version-script="$scratch/map" < "$scratch/behind.c"
looks behind "$P/so_next.so $scratch/behind.so" /bin/true
claim next_is_the_next_library "$(head -3 <<< "$said")" eval 'found poll behind.so && found getline behind.so && found flock behind.so && found mq_send behind.so'
claim next_has_a_default_version "$(head -3 <<< "$said")" found sync 'libc.so.*'
claim next_asks_for_what_is_unclear "$(asked) asked, $(none) none" test "$(asked)" = $(($(none) + 3))
looks in_front "$scratch/behind.so $P/so_next.so" /bin/true
claim next_is_not_in_front "$(grep behind <<< "$said")" eval '! grep -q behind <<< "$said"'
echo 'int poll(void) { return 5; }' | object old.so -Wl,--hash-style=sysv
looks old_table "$P/so_next.so $scratch/old.so $scratch/behind.so" /bin/true
claim next_of_an_old_table "$(head -3 <<< "$said")" found poll old.so
claim next_asks_for_all_behind_an_old_table "$(asked) asked" test "$(asked)" = "$(wc -w <<< "$NEXT_NAMES")"
looks library "$P/so_next.so $LIB" /bin/true
claim next_is_the_library "$(head -3 <<< "$said")" eval 'found read libcprof.so && found malloc libcprof.so'

# A checker of locks that has no function that tries: it must see every call, and the calls are those of a program with threads.
cat > "$scratch/checker.c" << 'SOURCE'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>
static __thread int held;
int pthread_mutex_lock(pthread_mutex_t *m)
{
	int r = ((int (*)(pthread_mutex_t *))dlsym(RTLD_NEXT, "pthread_mutex_lock"))(m);
	held += !r;
	return r;
}
int pthread_mutex_unlock(pthread_mutex_t *m)
{
	if (--held < 0)
		write(2, "unlocked without lock\n", 22);
	return ((int (*)(pthread_mutex_t *))dlsym(RTLD_NEXT, "pthread_mutex_unlock"))(m);
}
int sem_wait(sem_t *s) { write(2, "sem_wait\n", 9); return ((int (*)(sem_t *))dlsym(RTLD_NEXT, "sem_wait"))(s); }
SOURCE
cat > "$scratch/checked.c" << 'SOURCE'
#include <pthread.h>
#include <semaphore.h>
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static void *run(void *unused)
{
	for (int i = 0; i < 1000; i++)
		pthread_mutex_lock(&m), pthread_mutex_unlock(&m);
	return unused;
}
int main(void)
{
	pthread_t t;
	sem_t s;
	sem_init(&s, 0, 1);
	pthread_create(&t, 0, run, 0);
	run(0);
	pthread_join(t, 0);
	return sem_wait(&s);
}
SOURCE
object checker.so < "$scratch/checker.c"
gcc -O2 -o "$scratch/checked" "$scratch/checked.c" || echo "not ok next_build_checked: $?"
said=$(LD_PRELOAD="$LIB $scratch/checker.so" "$scratch/checked" 2>&1)
claim next_checker_of_locks_sees_all "status $?, $(head -3 <<< "$said")" test "$?:$said" = 0:sem_wait
looks in_python "$LIB $P/so_next.so" python3 -c ''
looks in_many_libraries "$P/so_next.so $scratch/behind.so" node --version
finish
