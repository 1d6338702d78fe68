/* json.h - a record of the history as JSON, for `mxhook history --json` and the admin room: the same in both. */
#ifndef MXHOOK_HISTORY_JSON_H
#define MXHOOK_HISTORY_JSON_H

#include "../mail/json.h"
#include "ops.h"

/* An object: who, when, with which result, and its deliveries. */
void history_json_message(struct json *json, const struct history_message *message);

/* The same with all that is known: each rule that was asked, each attempt. 0 or a negative errno of reading. */
int history_json_story(struct json *json, const struct history_ops *ops,
                       struct history_store *store, const struct history_message *message);

/* "accepted", "failed", ... */
const char *history_result_name(enum history_result result);
const char *history_state_name(enum history_state state);
/* What an operator did: "dropped", ...; "" of an attempt. */
const char *history_action_name(enum history_action action);

#endif
