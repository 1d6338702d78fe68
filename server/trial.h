/*
 * trial.h - one message, to one recipient, as the server would take it at the end of DATA, but without taking it: for
 * `mxhook route`, `test`, `send` and `history replay`, and for the console's playground, on a thread of the admin
 * room's.
 *
 * The way is the server's own (processing.h); the envelope, and what authentication found, are given instead of
 * being a client's and the DNS's. Nothing is spooled or sent, and what happens at RCPT is left out.
 */
#ifndef MXHOOK_TRIAL_H
#define MXHOOK_TRIAL_H

#include "history/record.h"
#include "processing.h"
#include "rules/ruleset.h"

struct trial_step {
    char *rule, *answer; /* "10-alias.lua:3", "no match" */
    struct trial_step *next;
};

struct trial {
    struct processing processing;  /* reply: in its transaction; deliveries can be rendered */
    struct header_list before;     /* what the rules were shown */
    struct trial_step *steps;      /* each rule that was asked, in order */
    struct scan_result *asked;     /* by ask_scan */
    struct auth_result *auth;      /* of what was kept */
    const struct verdict *verdict; /* a reject without a rule where none was asked */
};

struct trial_envelope {
    const char *id;                      /* of its transaction; NULL: a new one */
    int64_t received_ms;                 /* Unix time when it came; 0: now */
    const char *sender, *recipient;      /* NULL: the first address of From, of To */
    const char *client_ip, *helo, *user; /* NULL: 127.0.0.1, localhost, none */
    const char *client_name;             /* confirmed; NULL: none. It must outlive the trial. */
    bool tls;
    /* What authentication found; NULL: nothing was checked. Domains that are "" become those that a
     * check would ask for; it must outlive the trial. */
    struct auth_result *auth;
    /* NULL, or what the history has kept of it counts, where `auth` is NULL: the results, not their domains. */
    const struct history_message *kept;
    struct scan_result *scan; /* what a scanner said; NULL: not asked. It must outlive the trial. */
    /* NULL, or asks one instead, of the transaction with its data; the result is the trial's. */
    struct scan_result *(*ask_scan)(const struct config *config,
                                    const struct transaction *transaction);
    /* NULL, or the answers that rules get to what they ask (questions_give()): taken over. Else who is configured is
     * asked. */
    struct questions *answers;
};

/* As the message came, to one of its recipients; borrowed from the record. */
struct trial_envelope trial_envelope_of(const struct history_message *message,
                                        const char *recipient);

/* With state 0 of the ruleset. `config`, `ruleset` and `data` must outlive the trial. *out is freed by trial_free().
 * 0, or a negative errno with `err`. Blocking. */
int trial_run(struct config *config, struct ruleset *ruleset, struct spill *data,
              const struct trial_envelope *envelope, struct trial **out, struct error *err);
void trial_free(struct trial *trial); /* takes NULL */

/* What the client would be answered. */
const struct reply *trial_reply(const struct trial *trial);

const char *trial_recipient(const struct trial *trial);

#endif
