/* SPDX-License-Identifier: MIT */
#include "preload/capture.h"

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

/* From addresses to frames; there is room for one more. */
static unsigned finish(struct store *s, struct uw_result r, uint64_t *frame, unsigned depth)
{
	depth = modules_tag(s, frame, depth, recorder_exe());
	if (r.guessed)
		store_lost(s, LOST_GUESSED, 1);
	if (r.end != UW_END_ROOT) {
		store_lost(s, LOST_TRUNCATED, 1);
		frame[depth++] = FRAME(FRAME_SYNTHETIC, truncated_by[r.end]);
	}
	return depth;
}

unsigned capture_interrupted(struct store *s, const struct thread *t, const void *context,
			     uint64_t *frame, unsigned max)
{
	uw_expect(context, &t->stack);
	struct uw_result r = uw_from_context(context, &t->stack, frame, max - 1);
	unsigned depth = finish(s, r, frame, r.depth);

	if (FRAME_MODULE(frame[0]) == FRAME_NO_MODULE) /* perhaps gone before the dump */
		remapped_note();
	return depth;
}

unsigned capture_call(struct store *s, const struct thread *t, const void *leaf, uint64_t *frame,
		      unsigned max)
{
	struct uw_registers here;

	frame[0] = (uintptr_t)leaf;
	uw_here(&here);
	struct uw_result r = uw_from_call(&here, t ? &t->stack : NULL, frame + 1, max - 2);
	return finish(s, r, frame, r.depth + 1);
}
