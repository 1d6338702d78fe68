/* compare.h - many messages through two folders of rules: what a reload would change (mxhook route --against). */
#ifndef MXHOOK_CLI_COMPARE_H
#define MXHOOK_CLI_COMPARE_H

#include "../config/config.h"
#include "../history/ops.h"
#include "../rules/ruleset.h"
#include "../trial.h"

struct compare {
    struct config *config;
    struct ruleset *rules, *others;
    const char *const *recipients; /* none: the first address of To */
    size_t recipient_count;
    size_t messages, outcomes, different; /* counted; an outcome is of one recipient */
    size_t without_body;                  /* messages of the history that were not kept */
};

/* Runs every message of `path` (a folder with what is below it, an mbox, or one message) through both, and prints to
 * stdout where they differ. What rules remember begins empty for each run. 0, or a negative errno with `err`. */
int compare_run(struct compare *compare, const char *path, struct error *err);

/* The same for what the history has kept, found by the filter: each of its recipients, as it came. */
int compare_history(struct compare *compare, const struct history_filter *filter,
                    struct error *err);

/* One message, for one recipient; `name` is what it is called. */
int compare_recipient(struct compare *compare, const char *name, struct spill *data,
                      const struct trial_envelope *envelope, struct error *err);

#endif
