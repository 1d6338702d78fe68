/* session_input.c - what a client sends, its silence and the end of the server, each to whom it belongs. */
#include "../base/log.h"
#include "session_private.h"

void session_start(struct session *session)
{
    session_greet(session);
    session_flush(session);
}

/* A line that is none. What follows one of another protocol is not read as commands. */
static void refuse_line(struct session *session, enum line_result result)
{
    bool in_sasl = session->state == STATE_SASL;
    if (!in_sasl && session_refuse_foreign(session, session->line.bytes))
        return;
    switch (result) {
    case LINE_MORE:
    case LINE_COMPLETE: break;
    case LINE_BARE_CR:
        session_bad_command(session, 500, "5.5.2", "Bare CR: a line ends with CRLF");
        break;
    case LINE_BARE_LF:
        session_bad_command(session, 500, "5.5.2", "Bare LF: a line ends with CRLF");
        break;
    case LINE_NUL: session_bad_command(session, 500, "5.5.2", "NUL in a command"); break;
    case LINE_TOO_LONG: session_bad_command(session, 500, "5.5.2", "Line too long"); break;
    }
    if (in_sasl && session->state == STATE_SASL)
        session->state = STATE_READY;
}

static size_t read_line(struct session *session, const char *bytes, size_t size)
{
    size_t used;
    enum line_result result = line_take(&session->line, bytes, size, &used);
    session->command = "unknown";
    session->progress += result != LINE_MORE;
    if (result == LINE_COMPLETE && session->state == STATE_SASL)
        session_sasl_line(session, session->line.bytes);
    else if (result == LINE_COMPLETE)
        session_command(session, session->line.bytes);
    else if (result != LINE_MORE)
        refuse_line(session, result);
    return used;
}

/* data_sink */
static void write_data(void *context, const char *bytes, size_t size)
{
    session_keep_data(context, bytes, size);
}

static size_t read_data(struct session *session, const char *bytes, size_t size)
{
    const struct data_sink sink = {write_data, session};
    size_t used = data_scan(&session->scanner, bytes, size, &sink);
    if (session->scanner.state != DATA_END)
        return used;
    session->command = "DATA";
    session_end_data(session);
    return used;
}

/* Nothing of it may count as said inside TLS (RFC 3207 section 5). */
static size_t throw_away(struct session *session, size_t size)
{
    if (!session->injected)
        log_limited(LOG_WARN, "starttls-injection", session->id,
                    LOG_TEXT("client", session->client_ip), LOG_NUMBER("size", (int64_t)size));
    session->injected = true;
    return size;
}

size_t session_input(struct session *session, const char *bytes, size_t size)
{
    size_t used = 0;
    session->blocked = false;
    while (used < size && session->state < STATE_WAITING && !session->blocked) {
        if (session->state == STATE_HANDSHAKE)
            used += throw_away(session, size - used);
        else if (session->state == STATE_CHUNK)
            used += session_read_chunk(session, bytes + used, size - used);
        else if (session->state == STATE_DATA)
            used += read_data(session, bytes + used, size - used);
        else
            used += read_line(session, bytes + used, size - used);
    }
    if (session->state >= STATE_CLOSING)
        used = size;
    session_flush(session);
    return used;
}

void session_timed_out(struct session *session)
{
    if (session->state >= STATE_WAITING)
        return;
    session->command = session_is_in_message(session) ? "DATA" : "";
    session_hang_up(session, "4.4.2", "timeout");
    session_flush(session);
}

void session_shut_down(struct session *session)
{
    if (session_is_in_message(session) || session->state == STATE_CHUNKS ||
        session->state == STATE_WAITING)
        session->shutting_down = true;
    else if (session->state < STATE_CLOSING) {
        session->command = "";
        session_hang_up(session, "4.3.2", "the server is shutting down");
        session_flush(session);
    }
}
