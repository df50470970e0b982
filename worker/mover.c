/* SPDX-License-Identifier: Apache-2.0 */
/*
 * It runs before the first worker of its generation does, while the generation before still serves:
 * nobody waits for it but the reload. It reads shared memory that may be damaged, which is why it
 * is a process of its own: where it dies, what it has copied by then is what moved.
 */
#include "worker/mover.h"
#include "shm/cache_move.h"
#include "worker/base/log.h"
#include "worker/http/labels.h"
#include <time.h>

static void move_dict(const struct heritage *h, size_t i)
{
    struct cache *to = cache_attach(&h->dicts[i], h->slot),
                 *from = cache_attach(&h->twins[i], h->slot);
    struct cache_moved moved;

    if (to && from) {
        purges_use(to, labels_see);
        purges_use(from, labels_see);
        cache_move(to, from, (int64_t)time(NULL), &moved);
        log_write(
            LOG_LEVEL_NOTICE,
            "shared dict %s: %llu objects of %llu bytes moved from %zu to %zu bytes, %llu did "
            "not",
            h->conf->shared_dicts[i].name.s, (unsigned long long)moved.objects,
            (unsigned long long)moved.bytes, h->twins[i].size, h->dicts[i].size,
            (unsigned long long)moved.left);
    }
    cache_detach(&from);
    cache_detach(&to);
}

int mover_main(const struct heritage *heritage)
{
    struct board_row_shm *row = &board_of(&heritage->board)->rows[heritage->slot];

    log_who("mover");
    board_catch(row);
    board_doing(row, "moving a dictionary");
    atomic_store(&row->state, BOARD_RUNNING);
    for (size_t i = 0; i < heritage->conf->shared_dicts_n && i < HERITAGE_DICTS_MAX; i++)
        if (heritage->moves >> i & 1 && heritage->twins[i].shm)
            move_dict(heritage, i);
    return 0;
}
