/*
 * result.h - what a scanner (rspamd) says of a message: plain data.
 *
 * score        the sum of the symbols' scores; `required` and more is what rspamd would reject
 * action       rspamd's advice: "no action", "greylist", "add header", "rewrite subject", "soft reject" or "reject", or
 *              one of its operator's own
 * symbol       a check that found something, its score, and what it found (options)
 */
#ifndef MXHOOK_SCAN_RESULT_H
#define MXHOOK_SCAN_RESULT_H

#include <stdbool.h>
#include <stddef.h>

#include "../base/arena.h"
#include "../mail/header.h"

#define SCAN_ACTION_MAX 64 /* bytes */

struct scan_symbol {
    const char *name;
    double score;
    const char **options;
    size_t option_count;
};

struct scan_result {
    struct arena *arena; /* every string and list here */
    const char *error;   /* why there is no answer; NULL: there is one */
    double score, required;
    const char *action;
    const char *message; /* what to tell the sender; NULL: nothing */
    const char *virus;   /* its name, or the symbol's; NULL: none */
    bool spam;           /* the action is "add header", "rewrite subject" or "reject" */
    struct scan_symbol *symbols;
    size_t symbol_count;
    const char **removed; /* names of fields that rspamd asks to remove */
    size_t removed_count;
    struct header_list fields; /* X-Spam-*, X-Virus, and those that rspamd asks to add */
};

struct scan_result *scan_result_new(void);         /* no action; NULL: no memory */
void scan_result_free(struct scan_result *result); /* takes NULL */

/* The one of a scan that could not be done for want of memory. */
struct scan_result *scan_result_failed(void);

#define SCAN_SCORE_SIZE 32

/* A score as it is shown, with two decimals (one of 1e13 and more with an exponent); returns `out`. */
char *scan_score_write(double score, char out[SCAN_SCORE_SIZE]);

/* Fills `fields` with what is said of the answer in a message's header: X-Spam-Status, X-Spam-Score, X-Spam-Action
 * and, where there is one, X-Virus. Nothing where there was no answer. 0 or -ENOMEM. */
int scan_result_write_fields(struct scan_result *result);

#endif
