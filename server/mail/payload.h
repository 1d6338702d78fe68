/*
 * payload.h - the JSON that a webhook gets, key by key in the order of mxhook-payload(5).
 *
 * head         `{"headers":{...}`: one for each recipient, since rules may reshape it
 * tail         `,"to":[...] ... }`: the same for every recipient of a message
 *
 * head and tail together are always one valid UTF-8 JSON object, whatever came in.
 */
#ifndef MXHOOK_MAIL_PAYLOAD_H
#define MXHOOK_MAIL_PAYLOAD_H

#include "../transaction.h"
#include "message.h"
#include "provenance.h"

/* The list of headers that a recipient's rules see and may reshape: the message's own, with what the server adds in
 * front, and without what is reserved (RFC 8601 section 5). New strings are in `arena`, the recipient is the
 * caller's: provenance_address() makes the list another recipient's. The caller frees *out. 0 or -ENOMEM. */
int payload_headers(const struct message *message, const struct envelope *envelope,
                    const char *recipient, const struct receiver *receiver, struct arena *arena,
                    struct header_list *out);

/* Both append to `out`: 0, or a negative errno (-ENOSPC where the disk is full). Any thread but the loop. */
int payload_write_head(const struct header_list *headers, struct spill *out);
int payload_write_tail(const struct message *message, const struct envelope *envelope,
                       struct spill *out);

#endif
