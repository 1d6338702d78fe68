/*
 * elsewhere.h - would a message that was kept go elsewhere by the rules of today? Any thread.
 */
#ifndef MXHOOK_HISTORY_ELSEWHERE_H
#define MXHOOK_HISTORY_ELSEWHERE_H

#include "../mail/json.h"
#include "../rules/verdict.h"
#include "record.h"

/* Is that one of its deliveries for this recipient? */
bool history_is_for(const struct history_delivery *delivery, const char *recipient);

/* Is what the rules say of this recipient now anything else than where its deliveries went? By URLs as the history
 * shows them (redact.h). */
bool history_goes_elsewhere(const struct history_message *message, const char *recipient,
                            const struct verdict *verdict);

/* Pairs of an object: the message's id, the recipient, what the rules say now, and where it went before. */
void history_json_elsewhere(struct json *json, const struct history_message *message,
                            const char *recipient, const struct verdict *verdict);

#endif
