/* waiting.h - looks into a session: is it the server's turn? */
#ifndef MXHOOK_TESTS_SMTP_WAITING_H
#define MXHOOK_TESTS_SMTP_WAITING_H

#include "smtp/session_private.h"

/* Is it with the server, which has something to answer: a message, a password, a recipient, a pause? */
static inline bool session_is_waiting(const struct session *session)
{
    return session->state >= STATE_WAITING && session->state < STATE_CLOSING;
}

#endif
