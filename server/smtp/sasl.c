/*
 * sasl.c - AUTH (RFC 4954): SASL with PLAIN (RFC 4616) and LOGIN, inside TLS
 * only, unless the listener says otherwise.
 *
 * Which of name and password is wrong is not said, and a name that does not exist takes as long.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../base/log.h"
#include "../base/metrics.h"
#include "guesses.h"
#include "session_private.h"

/* What a line can hold. */
#define DECODED_SIZE ((LINE_MAX_OCTETS + LINE_MAX_EXTRA) / 4 * 3)

/* Decodes base64 and adds a NUL. Returns the size; -1: it is none. */
static int decode(const char *text, char to[DECODED_SIZE + 1])
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length = strlen(text), body = strspn(text, alphabet);
    size_t padding = strspn(text + body, "=");
    if (length % 4 != 0 || body + padding != length || padding > 2)
        return -1;
    int size = EVP_DecodeBlock((unsigned char *)to, (const unsigned char *)text, (int)length);
    if (size < 0)
        return -1;
    size -= (int)padding;
    to[size] = 0;
    return size;
}

static void end_sasl(struct session *session, int code, const char *enhanced, const char *why)
{
    session->state = STATE_READY;
    session_refuse(session, code, enhanced, "%s", why);
}

static void verify(struct session *session, const char *user, const char *password)
{
    char *copy = strdup(user);
    if (!copy) {
        end_sasl(session, 454, "4.7.0", "Out of memory, try again later");
        return;
    }
    free(session->claimed);
    session->claimed = copy;
    session->state = STATE_VERIFYING;
    session->hooks.verify(session->context, user, password);
}

static bool is_fine(const char *text, size_t size)
{
    return size > 0 && size <= SASL_MAX_OCTETS && strlen(text) == size;
}

/* [authzid] NUL authcid NUL passwd: nobody may act for another. */
static void take_plain(struct session *session, const char *message, size_t size)
{
    const char *user = memchr(message, 0, size);
    const char *password = user ? memchr(user + 1, 0, size - (size_t)(user + 1 - message)) : NULL;
    if (!password) {
        end_sasl(session, 501, "5.5.2", "Cannot read the response");
        return;
    }
    user++;
    password++;
    bool fine = is_fine(user, strlen(user)) &&
                is_fine(password, size - (size_t)(password - message)) &&
                (!*message || strcmp(message, user) == 0);
    if (fine)
        verify(session, user, password);
    else
        end_sasl(session, 501, "5.5.2", "Cannot read the response");
}

static void take_login(struct session *session, const char *message, size_t size)
{
    if (!is_fine(message, size)) {
        end_sasl(session, 501, "5.5.2", "Cannot read the response");
        return;
    }
    if (session->sasl_step == SASL_LOGIN_PASSWORD) {
        char *user = session->claimed;
        session->claimed = NULL;
        verify(session, user, message);
        free(user);
        return;
    }
    free(session->claimed);
    session->claimed = strdup(message);
    if (!session->claimed) {
        end_sasl(session, 454, "4.7.0", "Out of memory, try again later");
        return;
    }
    session->sasl_step = SASL_LOGIN_PASSWORD;
    session->state = STATE_SASL;
    session_reply(session, 334, "", "UGFzc3dvcmQ6"); /* Password: */
}

static void take_response(struct session *session, const char *text)
{
    char message[DECODED_SIZE + 1];
    int size = decode(strcmp(text, "=") == 0 ? "" : text, message);
    if (size < 0)
        end_sasl(session, 501, "5.5.2", "Cannot read base64");
    else if (session->sasl_step == SASL_PLAIN)
        take_plain(session, message, (size_t)size);
    else
        take_login(session, message, (size_t)size);
    OPENSSL_cleanse(message, sizeof message);
}

bool session_begin_sasl(struct session *session, const char *argument)
{
    size_t length = strcspn(argument, " ");
    const char *response = argument + length + strspn(argument + length, " ");
    bool plain = length == 5 && strncasecmp(argument, "PLAIN", 5) == 0;
    bool login = length == 5 && strncasecmp(argument, "LOGIN", 5) == 0;
    if (!session->tls && !session->auth_in_clear)
        session_refuse(session, 538, "5.7.11", "Only inside TLS: STARTTLS first");
    else if (session->user)
        session_bad_command(session, 503, "5.5.1", "Authenticated already");
    else if (!plain && !login)
        session_bad_command(session, 504, "5.5.4", "Mechanisms: PLAIN LOGIN");
    else {
        session->sasl_step = plain ? SASL_PLAIN : SASL_LOGIN_USER;
        session->state = STATE_SASL;
        if (*response)
            take_response(session, response);
        else
            session_reply(session, 334, "", plain ? "" : "VXNlcm5hbWU6" /* Username: */);
    }
    OPENSSL_cleanse(session->line.bytes, sizeof session->line.bytes);
    return true;
}

void session_sasl_line(struct session *session, char *line)
{
    session->command = "AUTH";
    if (strcmp(line, "*") == 0)
        end_sasl(session, 501, "5.7.0", "Cancelled");
    else
        take_response(session, line);
    OPENSSL_cleanse(session->line.bytes, sizeof session->line.bytes);
    session->command = "";
}

const char *session_claimed(const struct session *session)
{
    return session->claimed ? session->claimed : "";
}

static void refuse_login(struct session *session)
{
    log_limited(LOG_WARN, "authentication-failed", session->id,
                LOG_TEXT("client", session->client_ip), LOG_TEXT("user", session->claimed));
    session_refuse(session, 535, "5.7.8", "Authentication failed");
    if (++session->sasl_failures >= SASL_MAX_FAILURES)
        session_hang_up(session, "4.7.0", "too many authentication failures");
}

/* RFC 4954 section 6: the mechanism is fine, but not now. */
static void refuse_guesser(struct session *session)
{
    log_limited(LOG_WARN, "authentication-refused", session->id,
                LOG_TEXT("client", session->client_ip), LOG_TEXT("user", session->claimed));
    session_refuse(session, 454, "4.7.0",
                   "Too many failed logins from your network, try again in %d minutes",
                   GUESSES_FORGET_MS / 60000);
    session_hang_up(session, "4.7.0", "too many authentication failures");
}

void session_verified(struct session *session, enum login_result result)
{
    if (session->state != STATE_VERIFYING)
        return;
    session->command = "AUTH";
    session->state = STATE_READY;
    metric_add(METRIC_LOGINS_TOTAL, 1,
               result == LOGIN_RIGHT   ? "right"
               : result == LOGIN_WRONG ? "wrong"
                                       : "turned away");
    if (result == LOGIN_RIGHT) {
        session->user = session->claimed;
        session->claimed = NULL;
        log_info("authenticated", session->id, LOG_TEXT("client", session->client_ip),
                 LOG_TEXT("user", session->user));
        session_reply(session, 235, "2.7.0", "Authentication succeeded");
    } else if (result == LOGIN_WRONG) {
        refuse_login(session);
    } else {
        refuse_guesser(session);
    }
    session->command = "";
    session_flush(session);
}
