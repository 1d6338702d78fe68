/*
 * trial.h - one message through the rules, outside of the server: for `mxhook route` and `mxhook
 * test`.
 *
 * The same parser, the same rules, the same limits; nothing is spooled or sent.
 */
#ifndef MXHOOK_RULES_TRIAL_H
#define MXHOOK_RULES_TRIAL_H

#include "../auth/result.h"
#include "ruleset.h"

struct trial_step {
    char *rule, *answer; /* "10-alias.lua:3", "no match" */
    struct trial_step *next;
};

struct trial {
    struct message *message;
    struct transaction *transaction;
    struct header_list before; /* what the rules were shown */
    struct trial_step *steps;  /* each rule that was asked, in order */
    struct verdict *verdict;
};

struct trial_envelope {
    const char *sender, *recipient;      /* NULL: the first address of From, of To */
    const char *client_ip, *helo, *user; /* NULL: 127.0.0.1, localhost, none */
    const char *client_name;             /* confirmed; NULL: none. It must outlive the trial. */
    bool tls;
    /* What authentication found; NULL: nothing was checked. Domains that are "" become those that a
     * check would ask for; it must outlive the trial. */
    struct auth_result *auth;
};

/* *out is freed by trial_free(). 0, or a negative errno with `err`. Blocking. */
int trial_run(struct ruleset *ruleset, struct spill *data, const struct trial_envelope *envelope,
              struct trial **out, struct error *err);
void trial_free(struct trial *trial); /* takes NULL */

/* The code and text that the client would get: 250, 451 or 550. */
int trial_reply(const struct trial *trial, char *text, size_t size);

const char *trial_recipient(const struct trial *trial);

#endif
