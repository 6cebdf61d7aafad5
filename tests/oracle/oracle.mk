# SPDX-License-Identifier: MIT
# The oracle: our stacks against libunwind's, in real programs (see tests/oracle/oracle.c).
# It contains our unwinder and no libunwind: that is loaded when the program is over.
# `make oracle` builds it, tests/oracle/run.sh runs it.
ORACLE_UNWIND := $(addprefix unwind/,cfi.c ehframe.c expr.c gate.c guess.c quick.c resident.c rule.c stack.c trail.c unwind.c)

$(B)/oracle/oracle.so: $(call obj,tests/oracle/oracle.c $(ORACLE_UNWIND))
	@mkdir -p $(@D)
	$(CC) -shared -o $@ $^ $(LDFLAGS) -Wl,-z,now -Wl,-Bsymbolic

oracle: $(B)/oracle/oracle.so
