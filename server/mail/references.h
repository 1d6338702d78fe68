/* references.h - which parts the HTML refers to by `cid:` URLs (RFC 2392). */
#ifndef MXHOOK_MAIL_REFERENCES_H
#define MXHOOK_MAIL_REFERENCES_H

#include "message.h"

/* Makes each attachment with a Content-ID that the HTML refers to an inline.
 * 0, -ENOMEM or an error from reading. */
int references_find(struct message *message);

#endif
