/*
 * original.h - a message's own bytes, as they are forwarded.
 *
 * They are the bytes that came, so that DKIM signatures hold, but for three things:
 *
 * - An Authentication-Results that claims this server's name is left out: RFC 8601 section 5 asks
 *   for that, since whoever reads ours would believe it. A signature that covers such a field breaks;
 *   no signer should cover it, as the field is for the receiver's side to add.
 * - Where a scanner is asked, so are the fields that are its own, or that it asks to remove.
 * - A LF that no CR precedes becomes CRLF, and a CR that no LF follows a space: neither may be sent
 *   (RFC 5321 section 2.3.8), and servers that take either for a line end could be made to see
 *   another message in this one (SMTP smuggling).
 */
#ifndef MXHOOK_MAIL_ORIGINAL_H
#define MXHOOK_MAIL_ORIGINAL_H

#include "message.h"
#include "provenance.h"

/* Appends them to `out`. *changed: the last thing was needed, or there is a NUL: what RFC 2045
 * calls binary. 0 or a negative errno. Any thread but the loop. */
int original_write(const struct message *message, const struct receiver *receiver,
                   struct spill *out, bool *changed);

/* Has it a part that declares to be binary (RFC 2045 section 6.2)? If that is so, and the above
 * changed it, it cannot be sent by DATA (RFC 3030 section 3). */
bool original_is_binary(const struct message *message);

#endif
