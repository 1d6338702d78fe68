/* Terms and records become messages again. */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "segment.h"
#include "segment_private.h"

static uint32_t term_at(const unsigned char *bytes, size_t number)
{
    uint32_t term;
    memcpy(&term, bytes + 4 * number, sizeof term);
    return le32toh(term);
}

/* ---- Terms ---- */

int terms_next(const struct packed *terms, size_t *at, struct message_terms *m)
{
    const unsigned char *bytes = (const unsigned char *)terms->bytes + *at;
    size_t left = (terms->size - *at) / 4;
    if (left == 0)
        return -ENOENT;
    if (left < MESSAGE_TERMS)
        return -EBADMSG;
    uint32_t counts = term_at(bytes, 1);
    *m = (struct message_terms){.record = term_at(bytes, 0),
                                .result = counts & 3,
                                .recipient_count = counts >> 2,
                                .delivery_count = term_at(bytes, 2),
                                .connection = term_at(bytes, 3),
                                .id = term_at(bytes, 4),
                                .sender = term_at(bytes, 5),
                                .sender_domain = term_at(bytes, 6)};
    left -= MESSAGE_TERMS;
    if (m->recipient_count > left / RECIPIENT_TERMS)
        return -EBADMSG;
    left -= RECIPIENT_TERMS * m->recipient_count;
    if (m->delivery_count > left / DELIVERY_TERMS)
        return -EBADMSG;
    m->recipients = bytes + 4 * MESSAGE_TERMS;
    m->deliveries = m->recipients + 4 * RECIPIENT_TERMS * m->recipient_count;
    *at = (size_t)(m->deliveries - (const unsigned char *)terms->bytes) +
          4 * DELIVERY_TERMS * m->delivery_count;
    return 0;
}

void terms_recipient(const struct message_terms *m, uint32_t number, uint32_t *address,
                     uint32_t *domain)
{
    *address = term_at(m->recipients, RECIPIENT_TERMS * number);
    *domain = term_at(m->recipients, RECIPIENT_TERMS * number + 1);
}

size_t terms_delivery(const struct packed *terms, const struct message_terms *m, uint32_t number,
                      uint32_t *destination, uint32_t *origin, struct delivery_term *term)
{
    const unsigned char *bytes = m->deliveries + 4 * DELIVERY_TERMS * number;
    uint32_t value = term_at(bytes, 2);
    *destination = term_at(bytes, 0);
    *origin = term_at(bytes, 1);
    *term = (struct delivery_term){.state = (enum history_state)(value & 3),
                                   .later = value & 4,
                                   .status = (int)(value >> STATUS_SHIFT & STATUS_MASK),
                                   .number = value >> NUMBER_SHIFT};
    return (size_t)(bytes - (const unsigned char *)terms->bytes) + 8;
}

/* ---- Records ---- */

struct segment_cursor {
    const struct packed *records;
    size_t at;
    bool bad; /* it is damaged: what is read from there on is 0 */
};

static uint64_t number(struct segment_cursor *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && r->at < r->records->size; shift += 7) {
        unsigned char byte = (unsigned char)r->records->bytes[r->at++];
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    r->bad = true;
    return 0;
}

/* One that stands further ahead. */
static const char *text_at(struct segment_cursor *r, uint64_t at)
{
    const struct packed *p = r->records;
    if (at < p->size && memchr(p->bytes + at, 0, p->size - at))
        return p->bytes + at;
    r->bad = true;
    return NULL;
}

static const char *text(struct segment_cursor *r)
{
    uint64_t head = number(r), size = head >> 1;
    if (head & 1)
        return text_at(r, size);
    if (size == 0)
        return NULL;
    const char *found = r->records->bytes + r->at;
    if (size >= r->records->size - r->at || found[size] != 0) {
        r->bad = true;
        return NULL;
    }
    r->at += size + 1;
    return found;
}

static const char *text_or_empty(struct segment_cursor *r)
{
    const char *found = text(r);
    return found ? found : "";
}

/* Room for `count` that take a byte each of the record at least; NULL: damaged, or no memory. */
static void *room_for(struct segment_cursor *r, struct arena *arena, uint64_t count, size_t size)
{
    if (count > r->records->size - r->at) {
        r->bad = true;
        return NULL;
    }
    char *room = arena_alloc(arena, (count + 1) * size);
    if (room)
        memset(room, 0, count * size);
    return room;
}

static enum history_action read_action(struct segment_cursor *r, uint64_t action)
{
    r->bad |= action > HISTORY_EDIT;
    return action > HISTORY_EDIT ? HISTORY_ATTEMPTED : (enum history_action)action;
}

static int read_attempts(struct segment_cursor *r, struct arena *arena, uint64_t count,
                         struct history_delivery *d)
{
    struct history_attempt *attempts = room_for(r, arena, count, sizeof *attempts);
    if (!attempts)
        return r->bad ? -EBADMSG : -ENOMEM;
    for (uint64_t i = 0; i < count; i++) {
        struct history_attempt *a = &attempts[i];
        a->number = (unsigned)number(r);
        a->at_ms = (int64_t)number(r);
        a->ms = (int64_t)number(r);
        uint64_t status = number(r);
        a->status = (int)(status % ACTION_UNIT);
        a->action = read_action(r, status / ACTION_UNIT);
        a->error = text(r);
        a->reply = text(r);
        a->later = i + 1 < count ? a + 1 : NULL;
    }
    d->made = count > 0 ? attempts : NULL;
    return r->bad ? -EBADMSG : 0;
}

static int read_delivery(struct segment_cursor *r, const struct packed *terms,
                         const struct message_terms *m, uint32_t index, struct arena *arena,
                         struct history_delivery *d)
{
    struct delivery_term term;
    uint32_t destination, origin;
    terms_delivery(terms, m, index, &destination, &origin, &term);
    *d = (struct history_delivery){
        .number = term.number, .state = term.state, .status = term.status, .later = term.later};
    d->attempts = (unsigned)number(r);
    d->ended_ms = (int64_t)number(r);
    d->body = (int64_t)number(r);
    uint64_t made = number(r);
    d->recipient = text_or_empty(r);
    d->destination = text_or_empty(r);
    d->origin = text_or_empty(r);
    d->target = text(r);
    d->error = text(r);
    return read_attempts(r, arena, made, d);
}

static void read_head(struct segment_cursor *r, struct history_message *m)
{
    m->at_ms = (int64_t)number(r);
    m->ms = (int64_t)number(r);
    m->size = number(r);
    m->body = (int64_t)number(r);
    uint64_t flags = number(r);
    m->tls = flags & 1;
    m->lmtp = flags & 2;
    snprintf(m->id, sizeof m->id, "%s", text_or_empty(r));
    m->reply = text(r);
    m->sender = text_or_empty(r);
    m->subject = text(r);
    m->message_id = text(r);
    m->client_ip = text(r);
    m->client_name = text(r);
    m->helo = text(r);
    m->user = text(r);
    m->spf = text(r);
    m->dkim = text(r);
    m->dmarc = text(r);
}

int segment_read(const struct packed *terms, const struct message_terms *message,
                 const struct packed *records, struct history_message *m)
{
    struct segment_cursor r = {.records = records, .at = message->record};
    if (message->record >= records->size || message->result > HISTORY_REJECTED)
        return -EBADMSG;
    m->result = (enum history_result)message->result;
    read_head(&r, m);
    m->recipients = room_for(&r, m->arena, message->recipient_count, sizeof *m->recipients);
    m->deliveries = room_for(&r, m->arena, message->delivery_count, sizeof *m->deliveries);
    if (!m->recipients || !m->deliveries || r.bad)
        return r.bad ? -EBADMSG : -ENOMEM;
    for (; m->recipient_count < message->recipient_count; m->recipient_count++) {
        struct history_recipient *to = &m->recipients[m->recipient_count];
        to->address = text_or_empty(&r);
        to->verdict = text(&r);
        to->rule = text(&r);
        to->asked = text(&r);
    }
    int code = 0;
    for (uint32_t i = 0; i < message->delivery_count && code == 0; i++) {
        code = read_delivery(&r, terms, message, i, m->arena, &m->deliveries[i]);
        m->delivery_count += code == 0;
    }
    return code != 0 ? code : r.bad ? -EBADMSG : 0;
}
