/*
 * bdat.c - a message in chunks (RFC 3030): "BDAT size [LAST]" and so many octets, as they are.
 *
 * The octets follow whatever we think of the command. So one that is refused is answered after they
 * are read, and they are never taken for commands; where the size cannot be read, nothing after it
 * can be told apart, and the session ends.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../base/spill.h"
#include "session_private.h"

#define SIZE_MAX_DIGITS 19 /* so that it fits into 64 bits */

static bool parse(const char *argument, struct chunk *chunk)
{
    size_t digits = strspn(argument, "0123456789");
    const char *rest = argument + digits + strspn(argument + digits, " ");
    chunk->last = strcasecmp(rest, "LAST") == 0;
    chunk->size = chunk->left = strtoull(argument, NULL, 10);
    bool apart = rest > argument + digits;
    return digits > 0 && digits <= SIZE_MAX_DIGITS && (chunk->last ? apart : !*rest);
}

static enum chunk_refusal find_refusal(const struct session *session)
{
    if (session->tls_offer == LISTEN_TLS_REQUIRED && !session->tls)
        return CHUNK_NEEDS_TLS;
    bool in_sequence = session->state == STATE_RCPT || session->state == STATE_CHUNKS;
    return in_sequence ? CHUNK_FINE : CHUNK_OUT_OF_SEQUENCE;
}

static void refuse(struct session *session)
{
    session->state = session->chunk.before;
    if (session->chunk.refusal == CHUNK_NEEDS_TLS)
        session_refuse(session, 530, "5.7.0", "STARTTLS first");
    else
        session_refuse(session, 503, "5.5.1", "Bad sequence of commands: MAIL and RCPT first");
    if (session->shutting_down)
        session_hang_up(session, "4.3.2", "the server is shutting down");
}

static void end_chunk(struct session *session)
{
    session->command = "BDAT";
    if (session->chunk.refusal != CHUNK_FINE)
        refuse(session);
    else if (session->chunk.last)
        session_end_data(session);
    else if (!session_refuse_data(session, 1)) {
        session_reply(session, 250, "2.0.0", "%llu octets received",
                      (unsigned long long)session->chunk.size);
        session->state = STATE_CHUNKS;
    }
}

/* A chunk that will be too much is not kept from its first octet on. */
static void make_ready(struct session *session)
{
    const struct transaction *t = session->transaction;
    if (session->state == STATE_RCPT && !session_begin_data(session))
        session_fail_data(session, DATA_NO_MEMORY);
    else if (session->chunk.size > session->config->smtp.max_size - spill_size(t->data))
        session_fail_data(session, DATA_TOO_BIG);
}

bool session_begin_chunk(struct session *session, const char *argument)
{
    struct chunk *chunk = &session->chunk;
    if (!parse(argument, chunk)) {
        session_bad_command(session, 501, "5.5.4", "Syntax: BDAT size [LAST]; closing");
        session->state = STATE_CLOSING;
        return false;
    }
    chunk->before = session->state;
    chunk->refusal = find_refusal(session);
    if (chunk->refusal == CHUNK_FINE)
        make_ready(session);
    if (chunk->left > 0)
        return true;
    end_chunk(session);
    return false;
}

size_t session_read_chunk(struct session *session, const char *bytes, size_t size)
{
    struct chunk *chunk = &session->chunk;
    if (size > chunk->left)
        size = (size_t)chunk->left;
    if (chunk->refusal == CHUNK_FINE)
        session_keep_data(session, bytes, size);
    chunk->left -= size;
    if (chunk->left == 0)
        end_chunk(session);
    return size;
}
