/* Questions to the rules about a recipient. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lookup/lookup.h"
#include "worker_private.h"

struct inquiry {
    struct task task; /* the workers', then the loop's */
    struct workers *workers;
    struct ruleset *rules;
    struct questions questions; /* what the rules have asked in turn */
    enum ruleset_lookup answer;
    void (*done)(void *context, enum ruleset_lookup answer);
    void *context;
    char recipient[];
};

static void tell_answer(struct task *task, void *context)
{
    (void)context;
    struct inquiry *inquiry = (struct inquiry *)task;
    inquiry->done(inquiry->context, inquiry->answer);
    ruleset_unref(inquiry->rules);
    questions_free(&inquiry->questions);
    free(inquiry);
}

/* On the thread of the lookup room. */
static void inquiry_answered(void *context)
{
    struct inquiry *inquiry = context;
    task_queue_push(&inquiry->workers->queue, &inquiry->task);
}

static void ask_rules(struct task *task, void *context)
{
    struct inquiry *inquiry = (struct inquiry *)task;
    const struct worker *worker = context;
    inquiry->answer =
        ruleset_ask(inquiry->rules, worker->index, inquiry->recipient, &inquiry->questions);
    if (inquiry->answer == RULESET_ASK) {
        if (lookup_ask(&inquiry->questions, inquiry_answered, inquiry) == 0)
            return;
        inquiry->answer = RULESET_UNKNOWN;
    }
    task->run = tell_answer;
    loop_queue_push(inquiry->workers->answers, task);
}

int workers_ask(struct workers *workers, struct ruleset *rules, const char *recipient,
                void (*done)(void *context, enum ruleset_lookup answer), void *context)
{
    size_t size = strlen(recipient) + 1;
    struct inquiry *inquiry = malloc(sizeof *inquiry + size);
    if (!inquiry)
        return -ENOMEM;
    *inquiry = (struct inquiry){.task = {.run = ask_rules},
                                .workers = workers,
                                .rules = ruleset_ref(rules),
                                .done = done,
                                .context = context};
    memcpy(inquiry->recipient, recipient, size);
    workers_hand(workers, &inquiry->task);
    return 0;
}
