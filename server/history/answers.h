/* answers.h - how each origin has answered, of the attempts of a batch: what a store adds to what it knows. The
 * history's thread. */
#ifndef MXHOOK_HISTORY_ANSWERS_H
#define MXHOOK_HISTORY_ANSWERS_H

#include "ops.h"

struct batch_answers { /* of one origin */
    uint64_t origin;
    const struct history_attempt *last;
    int64_t answered; /* HISTORY_ANSWERS at most */
    double mean_ms;
    struct batch_answers *next;
};

/* Freed by batch_answers_free(), which takes NULL. 0 or -ENOMEM. */
int batch_answers_of(const struct history_attempt *attempts, struct batch_answers **out);
void batch_answers_free(struct batch_answers *answers);

#endif
