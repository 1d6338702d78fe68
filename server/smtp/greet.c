/* greet.c - our greeting; EHLO, HELO and LHLO, what they announce, and STARTTLS, after which they come anew. */
#include <stdlib.h>
#include <string.h>

#include "../base/path.h"
#include "../base/printable.h"
#include "session_private.h"

/* What a client calls itself, made UTF-8 of what may be shown; NULL: no memory. */
static char *clean_name(const char *name)
{
    static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
    size_t left = strlen(name);
    char *copy = malloc(3 * left + 1), *to = copy;
    while (copy && left > 0) {
        size_t length = printable(name, left), used = length > 0 ? length : utf8_length(name);
        memcpy(to, length > 0 ? name : replacement, length > 0 ? length : sizeof replacement - 1);
        to += length > 0 ? length : sizeof replacement - 1;
        used += used == 0;
        name += used;
        left -= used;
    }
    if (copy)
        *to = 0;
    return copy;
}

static bool greet(struct session *session, const char *name)
{
    char *copy = clean_name(name);
    if (!copy) {
        session_refuse(session, 451, "", "Out of memory, try again later");
        return false;
    }
    free(session->helo);
    session->helo = copy;
    session_drop_transaction(session);
    return true;
}

/* What is true on this listener, at this moment, for this client. */
static void announce(struct session *session)
{
    session_reply_more(session, 250, "%s", session->config->hostname);
    session_reply_more(session, 250, "SIZE %llu",
                       (unsigned long long)session->config->smtp.max_size);
    session_reply_more(session, 250, "PIPELINING");
    session_reply_more(session, 250, "8BITMIME");
    session_reply_more(session, 250, "SMTPUTF8");
    session_reply_more(session, 250, "CHUNKING");
    session_reply_more(session, 250, "BINARYMIME");
    session_reply_more(session, 250, "LIMITS RCPTMAX=%zu", session->config->smtp.max_recipients);
    session_reply_more(session, 250, "ENHANCEDSTATUSCODES");
    if (session->tls_offer != LISTEN_TLS_OFF && !session->tls)
        session_reply_more(session, 250, "STARTTLS");
    if (session->auth_offer != LISTEN_AUTH_OFF && (session->tls || session->auth_in_clear) &&
        !session->user)
        session_reply_more(session, 250, "AUTH PLAIN LOGIN");
    if (session->trusted)
        session_reply_more(session, 250, "XCLIENT " XCLIENT_ATTRIBUTES);
    session_reply(session, 250, "", "HELP");
}

bool session_run_ehlo(struct session *session, const char *argument)
{
    if (!greet(session, argument))
        return false;
    session->esmtp = true;
    announce(session);
    return true;
}

/* RFC 2033 section 4.1: as EHLO. */
bool session_run_lhlo(struct session *session, const char *argument)
{
    if (!greet(session, argument))
        return false;
    session->esmtp = true;
    announce(session);
    return true;
}

bool session_run_helo(struct session *session, const char *argument)
{
    if (!greet(session, argument))
        return false;
    session->esmtp = false;
    session_reply(session, 250, "", "%s", session->config->hostname);
    return true;
}

/* RFC 3207. Nothing that was said before counts afterwards. */
bool session_run_starttls(struct session *session, const char *argument)
{
    (void)argument;
    if (session->tls) {
        session_bad_command(session, 503, "5.5.1", "TLS is active already");
        return false;
    }
    free(session->helo);
    session->helo = NULL;
    session->esmtp = session->smtputf8 = false;
    session_reply(session, 220, "2.0.0", "Ready to start TLS");
    session_flush(session);
    session->hooks.start_tls(session->context);
    return true;
}

void session_greet(struct session *session)
{
    session_reply(session, 220, "", "%s %s mxhook", session->config->hostname,
                  session->lmtp ? "LMTP" : "ESMTP");
}
