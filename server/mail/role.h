/* role.h - which part is what: text, html, inline or attachment. The rules stand in role.c. */
#ifndef MXHOOK_MAIL_ROLE_H
#define MXHOOK_MAIL_ROLE_H

#include "message.h"

/* Sets the role of every part. 0, -ENOMEM or an error from reading. */
int role_assign(struct message *message);

#endif
