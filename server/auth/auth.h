/*
 * auth.h - who really sent a message: SPF, DKIM and DMARC, the client's name, and blocklists.
 *
 * check        what is found out about one transaction: begun at MAIL, when SPF and what concerns
 *              the client start, fed with the message at its end, concluded by a worker
 * result       what came out (result.h)
 *
 * Waiting and computing are apart. One thread of this room's own waits for DNS, for all checks at
 * once, and computes SPF, which is little; a worker gets a check when every answer is there, or
 * time is up, and verifies signatures. So a slow resolver delays the messages that need it, by
 * auth.timeout at most, and takes no worker away from the others.
 *
 * Where to start: check.h says which file is which. A new check asks in step() of check.c,
 * concludes in auth_conclude(), and has a result in result.h and words in format.c.
 */
#ifndef MXHOOK_AUTH_AUTH_H
#define MXHOOK_AUTH_AUTH_H

#include "../config/config.h"
#include "../base/error.h"
#include "../transaction.h"
#include "result.h"

struct auth;
struct auth_check;

/* Starts the thread, with a DNS of its own as `config` says. 0 or a negative errno. */
int auth_start(const struct dns_config *config, struct auth **out, struct error *err);

/* Joins and frees; checks that are not done yet are dropped and not told. The thread that started
 * it; takes NULL. */
void auth_stop(struct auth *auth);

/* Begins, with what the envelope says. Copies what it needs; which checks are made, and the time
 * limit, are `config`'s of now. 0 or -ENOMEM. Any thread. */
int auth_begin(struct auth *auth, const struct config *config, const struct envelope *envelope,
               struct auth_check **out);

/* Drops it, in whatever state, but not between auth_finish() and done(). Any thread; takes NULL. */
void auth_check_free(struct auth_check *check);

/* The client's confirmed name, valid as long as the check; NULL: none, or not known yet. Any thread. */
const char *auth_client_name(struct auth_check *check);

/* The message is there; `data` must stay as it is until the check is freed. done() is called once,
 * at the latest auth.timeout later, on this room's thread or from inside auth_finish(): it should
 * only hand over. */
void auth_finish(struct auth_check *check, const struct spill *data, void (*done)(void *context),
                 void *context);

/* After done(): verifies signatures, judges. *out is the caller's, to be freed by
 * auth_result_free(). 0, or a negative errno from reading or for memory. Workers (CPU). */
int auth_conclude(struct auth_check *check, struct auth_result **out);

#endif
