#include "answers.h"

#include <errno.h>
#include <stdlib.h>

#include "../base/map.h"

/* The origin's, made where there is none; NULL: no memory. */
static struct batch_answers *answers_of(struct map *by_origin, uint64_t origin,
                                        struct batch_answers **all)
{
    struct batch_answers *of = map_get(by_origin, origin);
    if (of)
        return of;
    of = calloc(1, sizeof *of);
    if (!of || map_put(by_origin, origin, of) != 0) {
        free(of);
        return NULL;
    }
    of->origin = origin;
    of->next = *all;
    *all = of;
    return of;
}

static void count_one(struct batch_answers *of, const struct history_attempt *a)
{
    if (!of->last || a->at_ms >= of->last->at_ms)
        of->last = a;
    if (a->status == 0)
        return;
    of->answered += of->answered < HISTORY_ANSWERS;
    of->mean_ms += ((double)a->ms - of->mean_ms) / (double)of->answered;
}

int batch_answers_of(const struct history_attempt *attempts, struct batch_answers **out)
{
    struct map by_origin = {0};
    struct batch_answers *of = NULL;
    int code = 0;
    *out = NULL;
    for (const struct history_attempt *a = attempts; a && code == 0; a = a->next) {
        if (a->origin == 0)
            continue;
        if (!of || of->origin != a->origin)
            of = answers_of(&by_origin, a->origin, out);
        if (of)
            count_one(of, a);
        else
            code = -ENOMEM;
    }
    map_free(&by_origin);
    return code;
}

void batch_answers_free(struct batch_answers *answers)
{
    for (struct batch_answers *next; answers; answers = next) {
        next = answers->next;
        free(answers);
    }
}
