/*
 * trace.h - the fields that stand in front of a message that is forwarded (RFC 5321 section 4.4).
 *
 * hop          a server that had the message: each adds a Received
 */
#ifndef MXHOOK_MAIL_TRACE_H
#define MXHOOK_MAIL_TRACE_H

#include "../transaction.h"
#include "message.h"

#define TRACE_HOPS_MAX 100 /* RFC 5321 section 6.3: a loop is found at 100 or more */

/* Appends the fields that tell of this server, folded, each with its CRLF: what provenance.h has,
 * and Received. 0 or a negative errno. Any thread but the loop. */
int trace_write(const struct transaction *transaction, const char *recipient, const char *hostname,
                struct spill *out);

/* Has this recipient's mail been here before (Delivered-To), or been at too many servers? Then it
 * says which; else NULL. */
const char *trace_loop(const struct message *message, const char *recipient);

#endif
