/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A number of the sequence takes the other way when its multiple of the share wraps around: so the
 * requests that do are as even as whole numbers allow. A word that is counted in is changed by
 * compare-and-swap, since its mark may be another one at any moment; whoever dies has counted or
 * has not. Words of the right mark that are read between two counts differ by what is under way.
 */
#include "worker/base/shift.h"

enum { MARK_BITS = 16 };

#define COUNT_BITS (64 - MARK_BITS)
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)

static uint64_t begun(uint32_t mark)
{
    return (uint64_t)(mark & UINT16_MAX) << COUNT_BITS;
}

bool shift_draw(struct roster_tally *tally, uint32_t share)
{
    uint64_t turn = atomic_fetch_add_explicit(&tally->turn, 1, memory_order_relaxed) % SHIFT_WHOLE;
    return turn * share % SHIFT_WHOLE < share;
}

static void add(_Atomic uint64_t *word, uint32_t mark)
{
    uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);
    while ((seen & ~COUNT_MASK) == begun(mark) &&
           !atomic_compare_exchange_weak_explicit(word, &seen, seen + 1, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

/* A failure is never seen without its answer. */
void shift_count(struct roster_tally *tally, uint32_t mark, bool failed)
{
    add(&tally->answered, mark);
    if (failed) {
        atomic_thread_fence(memory_order_release);
        add(&tally->failed, mark);
    }
}

bool shift_read(const struct roster_tally *tally, uint32_t mark, struct shift_counts *out)
{
    uint64_t failed = atomic_load_explicit(&tally->failed, memory_order_acquire);
    uint64_t answered = atomic_load_explicit(&tally->answered, memory_order_relaxed);
    *out = (struct shift_counts){ answered & COUNT_MASK, failed & COUNT_MASK };
    return (failed & ~COUNT_MASK) == begun(mark) && (answered & ~COUNT_MASK) == begun(mark);
}

void shift_begin(struct roster_tally *tally, uint32_t mark)
{
    atomic_store_explicit(&tally->answered, begun(mark), memory_order_relaxed);
    atomic_store_explicit(&tally->failed, begun(mark), memory_order_relaxed);
}

uint32_t shift_mark(const struct roster_tally *tally)
{
    uint64_t word = atomic_load_explicit(&tally->answered, memory_order_relaxed);
    return ((uint32_t)(word >> COUNT_BITS) + 1) & UINT16_MAX;
}

enum shift_verdict shift_judge(const struct override *o, const struct shift_counts *counts,
                               int64_t now)
{
    const struct override_shift *plan = &o->shift;
    bool guarded = plan->limit >= 0;
    bool enough = counts->answered >= (uint64_t)(unsigned)plan->least;

    if (guarded && enough && counts->answered > 0 &&
        counts->failed * SHIFT_LIMIT_WHOLE > counts->answered * (uint64_t)plan->limit)
        return SHIFT_UNDO;
    if (plan->step <= 0 || now - plan->at < plan->every)
        return SHIFT_STAY;
    if (guarded && !enough)
        return SHIFT_WAIT;
    return o->value >= SHIFT_WHOLE ? SHIFT_FINISH : SHIFT_STEP;
}
