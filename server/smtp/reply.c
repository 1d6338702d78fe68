#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../base/path.h"
#include "session_private.h"

/* Replies may carry words of others, such as a rule's: nothing of those may end the line, and UTF-8
 * goes only to clients that asked for it (RFC 6531 section 3.7.4). Returns how many bytes. */
static size_t clean(char *to, const char *text, size_t room, bool utf8)
{
    size_t size = 0;
    while (*text) {
        size_t length = utf8_length(text);
        bool as_is = length == 1 ? *text >= ' ' && *text <= '~' : length > 1 && utf8;
        if (length == 0 || !as_is)
            to[size] = length == 1 ? ' ' : '?';
        length = length == 0 ? 1 : length;
        if (size + (as_is ? length : 1) > room)
            break;
        if (as_is)
            memcpy(to + size, text, length);
        size += as_is ? length : 1;
        text += length;
    }
    return size;
}

#define TEXT_MAX       sizeof((struct reply *)0)->text
#define REPLY_LINE_MAX (32 + TEXT_MAX + 2)

static void send_bytes(struct session *session, const char *bytes, size_t size)
{
    if (!session->hooks.send(session->context, bytes, size))
        session->blocked = true;
}

static void hand_over_output(struct session *session)
{
    if (session->output_size > 0)
        send_bytes(session, session->output, session->output_size);
    session->output_size = 0;
}

/* Replies to one piece of input leave together; without memory for that, one by one. */
static void put_output(struct session *session, const char *line, size_t size)
{
    if (size > OUTPUT_SIZE - session->output_size)
        hand_over_output(session);
    if (!session->output)
        session->output = malloc(OUTPUT_SIZE);
    if (!session->output) {
        send_bytes(session, line, size);
        return;
    }
    memcpy(session->output + session->output_size, line, size);
    session->output_size += size;
}

#define ENHANCED_MAX (REPLY_LINE_MAX - TEXT_MAX - 2 - 5)

/* "250-2.1.0 ", by hand: there are some five in a message, and snprintf() takes 1,000 instructions for each. */
static size_t put_code(char *line, int code, char separator, const char *enhanced)
{
    size_t size = strnlen(enhanced, ENHANCED_MAX);
    line[0] = (char)('0' + code / 100);
    line[1] = (char)('0' + code / 10 % 10);
    line[2] = (char)('0' + code % 10);
    line[3] = separator;
    memcpy(line + 4, enhanced, size);
    if (size > 0)
        line[4 + size++] = ' ';
    return 4 + size;
}

static void put_line(struct session *session, int code, char separator, const char *enhanced,
                     const char *text)
{
    char line[REPLY_LINE_MAX];
    size_t size = put_code(line, code, separator, enhanced);
    size += clean(line + size, text, TEXT_MAX, session->smtputf8);
    memcpy(line + size, "\r\n", 2);
    put_output(session, line, size + 2);
}

/* A rule's words may stand on several lines. */
static void put_lines(struct session *session, int code, const char *enhanced, const char *text)
{
    char line[TEXT_MAX];
    for (const char *end; (end = strchr(text, '\n')); text = end + 1) {
        snprintf(line, sizeof line, "%.*s", (int)(end - text), text);
        put_line(session, code, '-', enhanced, line);
    }
    put_line(session, code, ' ', enhanced, text);
}

static void log_refusal(const struct session *session, const struct reply *reply)
{
    char text[REPLY_TEXT_SIZE];
    reply_text(reply, text);
    bool in_transaction = session->transaction || session->state == STATE_WAITING;
    log_limited(LOG_INFO, "refused", in_transaction ? session->transaction_id : session->id,
                LOG_TEXT("client", session->client_ip), LOG_TEXT("command", session->command),
                LOG_TEXT("argument", session->argument), LOG_TEXT("reply", text));
}

/* The address that an argument of MAIL or RCPT names, as far as it can be read; into *path. */
static const char *named_address(const char *argument, struct path *path)
{
    size_t keyword = strncasecmp(argument, "FROM:", 5) == 0 ? 5
                     : strncasecmp(argument, "TO:", 3) == 0 ? 3
                                                            : 0;
    const char *text = argument + keyword + strspn(argument + keyword, " \t");
    return keyword > 0 && path_read(text, PATH_REVERSE, path) ? path->address : text;
}

/* What was refused for its place in the session is no mail; nor is hanging up. */
static bool is_of_mail(const struct session *session, const struct reply *reply)
{
    if (reply->code == 503 || reply->code == 421)
        return false;
    if (strcmp(session->command, "MAIL") == 0)
        return true;
    return session->transaction &&
           (strcmp(session->command, "RCPT") == 0 || !session->data_refused);
}

static void tell_refused(struct session *session, const struct reply *reply)
{
    struct path path;
    char id[ID_SIZE];
    const struct transaction *t = session->transaction;
    if (!session->hooks.refused || !is_of_mail(session, reply))
        return;
    bool mail = strcmp(session->command, "MAIL") == 0, rcpt = strcmp(session->command, "RCPT") == 0;
    const char *named = mail || rcpt ? named_address(session->argument, &path) : "";
    snprintf(id, sizeof id, "%.*s.%u", ID_SIZE - 12, t ? t->id : session->id,
             ++session->told_refused);
    session->data_refused |= !mail && !rcpt;
    const struct session_refused refused = {.id = id,
                                            .client_ip = session->client_ip,
                                            .helo = session->helo,
                                            .user = session->user,
                                            .tls = session->tls,
                                            .lmtp = session->lmtp,
                                            .sender = mail ? named : t->envelope.sender,
                                            .recipient = rcpt ? named : NULL,
                                            .envelope = mail || rcpt ? NULL : &t->envelope,
                                            .reply = reply};
    session->hooks.refused(session->context, &refused);
}

static void put_refusal(struct session *session, int code, const char *enhanced, const char *format,
                        va_list args)
{
    struct reply reply;
    reply_set(&reply, code, enhanced, "%s", "");
    vsnprintf(reply.text, sizeof reply.text, format, args);
    put_lines(session, code, enhanced, reply.text);
    log_refusal(session, &reply);
    tell_refused(session, &reply);
}

void session_reply(struct session *session, int code, const char *enhanced, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put_line(session, code, ' ', enhanced, text);
}

void session_reply_more(struct session *session, int code, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put_line(session, code, '-', "", text);
}

void session_refuse(struct session *session, int code, const char *enhanced, const char *format,
                    ...)
{
    va_list args;
    va_start(args, format);
    put_refusal(session, code, enhanced, format, args);
    va_end(args);
}

void session_bad_command(struct session *session, int code, const char *enhanced,
                         const char *format, ...)
{
    if (++session->errors > session->config->smtp.max_errors) {
        session_hang_up(session, "4.7.0", "too many errors");
        return;
    }
    va_list args;
    va_start(args, format);
    put_refusal(session, code, enhanced, format, args);
    va_end(args);
}

/* A server that sends much has dead recipients too: so slower first, as Postfix does. */
void session_count_refused(struct session *session)
{
    size_t free_ones = session->config->smtp.max_errors;
    session->refused_recipients++;
    if (session->refused_recipients >= 2 * free_ones) {
        session_hang_up(session, "4.7.0", "too many recipients were refused");
    } else if (session->refused_recipients > free_ones && session->hooks.delay) {
        session->before_delay = session->state;
        session->state = STATE_DELAYED;
        session->hooks.delay(session->context);
    }
}

void session_hang_up(struct session *session, const char *enhanced, const char *why)
{
    session_refuse(session, 421, enhanced, "%s %s, closing", session->config->hostname, why);
    session->state = STATE_CLOSING;
}

void session_flush(struct session *session)
{
    hand_over_output(session);
    free(session->output);
    session->output = NULL;
    if (session->state != STATE_CLOSING)
        return;
    session_drop_transaction(session);
    session->state = STATE_CLOSED;
    session->hooks.close(session->context);
}
