/*
 * ruleset.h - the rules of rules.d, loaded.
 *
 * ruleset      one generation: what one load of rules.d made. It never changes; a reload makes the
 *              next, and transactions under way keep the one they began with
 * state        a Lua state with the whole generation loaded; a ruleset has one for each worker, and
 *              no state is ever used by two threads at once
 *
 * Rules are functions of `msg`; what they may return stands in mxhook-rules(7) and in
 * lua/mxhook/route.lua.
 */
#ifndef MXHOOK_RULES_RULESET_H
#define MXHOOK_RULES_RULESET_H

#include "../config/config.h"
#include "../base/error.h"
#include "../lookup/questions.h"
#include "../mail/message.h"
#include "../mail/provenance.h"
#include "../transaction.h"
#include "verdict.h"

/* What a sender is told where it cannot be known now where mail for a recipient goes: RFC 3463, "directory server
 * failure". */
#define RULESET_UNKNOWN_ENHANCED "4.4.3"
#define RULESET_UNKNOWN_TEXT     "The recipient cannot be looked up now, try again later"

struct ruleset;

/* Loads every rules.d/(name).lua, in name order, into `states` Lua states. All or nothing: on any
 * error a negative errno, and `err` holds a line for each file that failed: "file:line: what".
 * Blocking (it runs the files): any thread but the loop's, once it runs. *out is one reference. */
int ruleset_load(const struct rules_config *config, size_t states, struct ruleset **out,
                 struct error *err);

struct ruleset *ruleset_ref(struct ruleset *ruleset); /* any thread */
void ruleset_unref(struct ruleset *ruleset);          /* any thread; takes NULL */

/* How many rules there are, for the log. */
size_t ruleset_count(const struct ruleset *ruleset);

/* And how many keys their aliases have. */
size_t ruleset_alias_count(const struct ruleset *ruleset);

/* What loads but is hardly meant, a line each, "10-alias.lua:4: ...": for `mxhook check`. Lives as long
 * as the ruleset. Any thread. */
const char *ruleset_warnings(const struct ruleset *ruleset);

/* Aliases that can answer nobody, since mail is taken for other domains or another rule answers before; and domains
 * that no rule can match: a line each, for `mxhook check`. The caller's to free; NULL: it cannot be told (too many to
 * look at, no memory). The thread that owns the first state. */
char *ruleset_unreachable(struct ruleset *ruleset, char *const *domains, size_t count);

/* "3 rules, 12 aliases"; compared to `before` (NULL: not) also "; added: 20-vip.lua:4; removed:
 * ...": for the log of a reload, and for `mxhook check`. A rule is known by its file and line. Any
 * thread. */
void ruleset_describe(const struct ruleset *ruleset, const struct ruleset *before, char *text,
                      size_t size);

/* This server, as payload_headers() needs it, with what rules.reserved_headers had when these rules
 * were loaded; valid as long as both. Any thread. */
struct receiver ruleset_receiver(const struct ruleset *ruleset, const char *hostname);

enum ruleset_lookup {
    RULESET_YES,
    RULESET_NO,
    RULESET_ASK,     /* it cannot be told without asking */
    RULESET_UNKNOWN, /* it cannot be told now: who was asked does not answer */
};

/* Can this recipient get a destination? No only where nothing but aliases serve it and none
 * matches, so that RCPT can refuse it at once. Runs nothing that a rule's author wrote; where that
 * is needed to tell, the answer is to ask ruleset_ask(). Any thread. */
enum ruleset_lookup ruleset_look_up(const struct ruleset *ruleset, const char *recipient);

/* The same, asking every alias. Bounded by the rules' limits. RULESET_ASK: questions are noted that must be answered
 * first, by lookup_ask() (lookup/lookup.h); then it is to be asked again. The thread that owns `state`. */
enum ruleset_lookup ruleset_ask(struct ruleset *ruleset, size_t state, const char *recipient,
                                struct questions *questions);

/* For tests of rules, of state 0. Rules see this Unix time; 0: the machine's. */
void ruleset_fix_time(struct ruleset *ruleset, int64_t unix_ms);
/* Rules and keys of aliases are counted from now on. */
void ruleset_track(struct ruleset *ruleset);
/* Those that answered nothing since, a line each: "10-alias.lua:3", "10-alias.lua:3 sales@example.com".
 * Into `text`, cut where it is too small. */
void ruleset_unreached(struct ruleset *ruleset, char *text, size_t size);

/* What the rules are shown of a message for one recipient. */
struct rules_input {
    const struct message *message;
    struct transaction *transaction; /* its reservations change, no more */
    const char *recipient;
    const struct header_list *headers; /* from payload_headers(); copied, not changed */
    /* NULL, or told of every rule that was asked, and in words what it answered ("error: ...": it failed);
     * and before it of what it logged: "log: ..." */
    void (*trace)(void *context, const char *rule, const char *answer);
    void *trace_context;
    size_t reshaped_before;      /* bytes of headers that were set for the other recipients */
    struct questions *questions; /* what was asked for this message, and what was heard */
    bool trial; /* nothing comes of it: it counts in no metric, and is no line of the log */
};

/* Runs the rules for one recipient. Never fails but for -ENOMEM: a rule that raises, returns what
 * is not in the table, or goes over its limits makes a VERDICT_DEFER, and the log says file, line
 * and traceback under the transaction's id. -EAGAIN: a rule has asked what is not answered yet (as ruleset_ask() has
 * it); *out is what there is so far, to be handed in again: then the rules go on with the one that asked, which begins
 * anew. *out, NULL at first, is freed by verdict_free(). The thread that owns `state`. */
int ruleset_run(struct ruleset *ruleset, size_t state, const struct rules_input *input,
                struct verdict **out);

#endif
