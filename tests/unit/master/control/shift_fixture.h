/* SPDX-License-Identifier: Apache-2.0 */
/* The small gateway with a second upstream, "green", that its service can be shifted to. */
#ifndef TESTS_SHIFT_FIXTURE_H
#define TESTS_SHIFT_FIXTURE_H

#include "tests/unit/master/control/api_fixture.h"

static int shift_setup(void **state)
{
    static struct conf_upstream two[2];
    struct fixture *f = fixture_make();
    if (!f)
        return -1;
    two[0] = fixture_upstream;
    two[1] = (struct conf_upstream){ .name = TEXT("green"),
                                     .id = TEXT("up2"),
                                     .index = 1,
                                     .targets = fixture_targets,
                                     .targets_n = 1 };
    f->conf.upstreams = two;
    f->conf.upstreams_n = 2;
    peers_close(&f->api.peers);
    *state = f;
    return peers_open(&f->api.peers, &f->heritage, NULL, NULL) ? 0 : -1;
}

static int shift_teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

#endif
