/* SPDX-License-Identifier: Apache-2.0 */
/* What a stage of the request's way says when it returns, and the stages by name. The order is in
 * stages.def. */
#ifndef WORKER_STAGE_H
#define WORKER_STAGE_H

struct stream;

enum stage_result {
    STAGE_NEXT,  /* go on with the next stage */
    STAGE_WAIT,  /* something will call stream_run() again; the same stage goes on */
    STAGE_RETRY, /* the peer failed and the request may be repeated: back to the balance stage */
    STAGE_LOOK,  /* back to the cache stage: another stream brings what this one waits for */
    STAGE_DONE,  /* an answer is set (stream_answer, a cache hit): go on with the respond stage */
    STAGE_FAIL,  /* nothing can be said to the client any more: go on with the log stage, then close
                  */
};

enum stage_id {
#define STAGE(id, function) STAGE_##id,
#include "worker/stages.def"
#undef STAGE
    STAGES
};

#define STAGE(id, function) enum stage_result function(struct stream *s);
#include "worker/stages.def"
#undef STAGE

/* A name has room for one fixed copy into the board's row, so that noting what goes on costs one
 * store. */
enum { STAGE_NAME = 16 };

struct stage {
    enum stage_result (*run)(struct stream *s);
    char name[STAGE_NAME];
};

extern const struct stage stages_table[STAGES];

#endif
