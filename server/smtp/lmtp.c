/*
 * lmtp.c - LMTP (RFC 2033): after the message there is a reply for each RCPT that was accepted, in
 * their order, even where two named the same recipient.
 */
#include <stdlib.h>

#include "session_private.h"

bool session_expect_reply(struct session *session, size_t recipient)
{
    struct expected *expected = &session->expected;
    if (!session->lmtp)
        return true;
    if (expected->count >= session->config->smtp.max_recipients) {
        session_refuse(session, 452, "4.5.3", "Too many recipients");
        return false;
    }
    size_t *grown = realloc(expected->recipients, (expected->count + 1) * sizeof *grown);
    if (!grown) {
        session_refuse(session, 451, "4.3.0", "Out of memory, try again later");
        return false;
    }
    expected->recipients = grown;
    expected->recipients[expected->count++] = recipient;
    return true;
}

void session_unexpect_reply(struct session *session)
{
    if (session->lmtp)
        session->expected.count--;
}

size_t session_replies(const struct session *session)
{
    return session->lmtp ? session->expected.count : 1;
}
