/* forward.h - an attempt by SMTP: the message to one address, through the smarthost or, where there
 * is none, by the MX of the address's domain, one after the other until one answers. */
#ifndef MXHOOK_DELIVER_FORWARD_H
#define MXHOOK_DELIVER_FORWARD_H

#include "senders.h"

/* As attempt_start(). */
struct attempt *forward_start(struct senders *senders, struct config *config,
                              struct delivery *delivery, attempt_done done, void *context);

#endif
