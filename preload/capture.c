/* SPDX-License-Identifier: MIT */
#include "preload/capture.h"

#include "core/hot.h"
#include "output/remapped.h"
#include "preload/recorder.h"
#include "unwind/modules.h"

#include "core/as_safe.h"

static const uint8_t truncated_by[] = {
	[UW_END_DEPTH] = SYNTH_TRUNC_DEPTH,	[UW_END_NO_MODULE] = SYNTH_TRUNC_NO_MODULE,
	[UW_END_NO_RULE] = SYNTH_TRUNC_NO_RULE, [UW_END_UNSUPPORTED] = SYNTH_TRUNC_UNSUPPORTED,
	[UW_END_BOUNDS] = SYNTH_TRUNC_BOUNDS,	[UW_END_BAD_PC] = SYNTH_TRUNC_BAD_PC,
	[UW_END_BUSY] = SYNTH_TRUNC_BUSY,
};

HOT_PATH unsigned capture_finish(struct store *s, struct uw_result end, uint64_t *pc,
				 unsigned depth)
{
	depth = modules_tag(s, pc, depth, recorder_exe());
	if (end.guessed)
		store_lost(s, LOST_GUESSED, 1);
	if (end.end != UW_END_ROOT) {
		store_lost(s, LOST_TRUNCATED, 1);
		pc[depth++] = FRAME(FRAME_SYNTHETIC, truncated_by[end.end]);
	}
	return depth;
}

unsigned capture_interrupted(struct store *s, const struct thread *t, const void *context,
			     uint64_t *frame, unsigned max)
{
	uw_expect(context, &t->stack);
	struct uw_result r = uw_from_context(context, &t->stack, frame, max - 1);
	unsigned depth = capture_finish(s, r, frame, r.depth);

	if (FRAME_MODULE(frame[0]) == FRAME_NO_MODULE) /* perhaps gone before the dump */
		remapped_note();
	return depth;
}

HOT_PATH unsigned capture_call(const struct thread *t, const void *leaf, uint64_t *pc, unsigned max,
			       struct uw_result *ret_end)
{
	struct uw_registers here;

	pc[0] = (uintptr_t)leaf;
	uw_here(&here);
	*ret_end = uw_from_call(&here, t ? &t->stack : NULL, pc + 1, max - 2);
	return ret_end->depth + 1;
}
