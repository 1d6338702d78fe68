/* Messages become terms and records. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "segment.h"
#include "segment_private.h"

#define NUMBER_BYTES 10 /* of a number, at most */
#define TEXT_SHORT   4  /* what is not longer is not looked for */

static int put_number(struct packed *p, uint64_t number)
{
    if (packed_reserve(p, NUMBER_BYTES) != 0)
        return -ENOMEM;
    for (; number >= 0x80; number >>= 7)
        p->bytes[p->size++] = (char)(number | 0x80);
    p->bytes[p->size++] = (char)number;
    return 0;
}

/* Of its size and its ends: a wrong guess costs a comparison. */
static unsigned slot_of(const char *text, size_t size)
{
    uint32_t first, last;
    memcpy(&first, text, sizeof first);
    memcpy(&last, text + size - sizeof last, sizeof last);
    uint32_t hash = (first ^ (last * 2654435761u) ^ (uint32_t)size) * 2654435761u;
    return hash >> 24; /* SEGMENT_TEXTS */
}

_Static_assert(SEGMENT_TEXTS == 256, "slot_of() has eight bits");

/* Does this text stand there, with its NUL? */
static bool stands_at(const struct packed *p, size_t at, const char *text, size_t size)
{
    return p->size - at > size && memcmp(p->bytes + at, text, size + 1) == 0;
}

/* Its size, doubled, and its bytes with a NUL; or where it stands, doubled and one. */
static int put_text(struct segment_writer *w, const char *text)
{
    struct packed *p = &w->records;
    size_t size = text ? strlen(text) : 0;
    if (size == 0)
        return put_number(p, 0);
    uint32_t *known = size > TEXT_SHORT ? &w->texts[slot_of(text, size)] : NULL;
    if (known && *known && stands_at(p, *known, text, size))
        return put_number(p, (uint64_t)*known << 1 | 1);
    if (packed_reserve(p, NUMBER_BYTES + size + 1) != 0)
        return -ENOMEM;
    put_number(p, (uint64_t)size << 1);
    if (known)
        *known = (uint32_t)p->size;
    memcpy(p->bytes + p->size, text, size + 1);
    p->size += size + 1;
    return 0;
}

static int put_texts(struct segment_writer *w, const char *const texts[], size_t count)
{
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++)
        code = put_text(w, texts[i]);
    return code;
}

static int put_numbers(struct segment_writer *w, const uint64_t numbers[], size_t count)
{
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++)
        code = put_number(&w->records, numbers[i]);
    return code;
}

#define TEXTS(...)                                                                                 \
    (const char *const[]){__VA_ARGS__}, sizeof(const char *[]){__VA_ARGS__} / sizeof(char *)
#define NUMBERS(...)                                                                               \
    (const uint64_t[]){__VA_ARGS__}, sizeof(uint64_t[]){__VA_ARGS__} / sizeof(uint64_t)

/* ---- Records ---- */

/* An operator's action stands above the status, so that records of before there were any read as they did. */
static int pack_attempt(struct segment_writer *w, const struct history_attempt *a)
{
    uint64_t status = (uint64_t)a->status + (uint64_t)a->action * ACTION_UNIT;
    int code = put_numbers(w, NUMBERS(a->number, (uint64_t)a->at_ms, (uint64_t)a->ms, status));
    return code == 0 ? put_texts(w, TEXTS(a->error, a->reply)) : code;
}

static int pack_delivery(struct segment_writer *w, const struct history_delivery *d)
{
    uint64_t made = 0;
    for (const struct history_attempt *a = d->made; a; a = a->later)
        made++;
    int code = put_numbers(w, NUMBERS(d->attempts, (uint64_t)d->ended_ms, (uint64_t)d->body, made));
    if (code == 0)
        code = put_texts(w, TEXTS(d->recipient, d->destination, d->origin, d->target, d->error));
    for (const struct history_attempt *a = d->made; a && code == 0; a = a->later)
        code = pack_attempt(w, a);
    return code;
}

static int pack_message(struct segment_writer *w, const struct history_message *m)
{
    int code = put_numbers(w, NUMBERS((uint64_t)m->at_ms, (uint64_t)m->ms, m->size,
                                      (uint64_t)m->body, m->tls | (uint64_t)m->lmtp << 1));
    if (code == 0)
        code =
            put_texts(w, TEXTS(m->id, m->reply, m->sender, m->subject, m->message_id, m->client_ip,
                               m->client_name, m->helo, m->user, m->spf, m->dkim, m->dmarc));
    for (size_t i = 0; i < m->recipient_count && code == 0; i++) {
        const struct history_recipient *r = &m->recipients[i];
        code = put_texts(w, TEXTS(r->address, r->verdict, r->rule, r->asked));
    }
    for (size_t i = 0; i < m->delivery_count && code == 0; i++)
        code = pack_delivery(w, &m->deliveries[i]);
    return code;
}

/* ---- Terms ---- */

static uint32_t *put_term(uint32_t *to, uint32_t term)
{
    *to = htole32(term);
    return to + 1;
}

void delivery_term_write(const struct delivery_term *term, unsigned char bytes[4])
{
    uint32_t value = htole32((uint32_t)term->state | (uint32_t)term->later << 2 |
                             ((uint32_t)term->status & STATUS_MASK) << STATUS_SHIFT |
                             (term->number & NUMBER_MASK) << NUMBER_SHIFT);
    memcpy(bytes, &value, sizeof value);
}

static void put_deliveries(uint32_t *to, const struct history_message *m)
{
    for (size_t i = 0; i < m->delivery_count; i++) {
        const struct history_delivery *d = &m->deliveries[i];
        const char *destination = d->destination ? d->destination : "";
        const char *origin = d->origin ? d->origin : "";
        const struct delivery_term term = {d->state, d->status, d->number, d->later};
        to = put_term(to, term_of_text(destination, strlen(destination)));
        to = put_term(to, term_of_text(origin, strlen(origin)));
        delivery_term_write(&term, (unsigned char *)to++);
    }
}

static int put_terms(struct segment_writer *w, const struct history_message *m)
{
    struct packed *p = &w->terms;
    size_t size = 4 * (MESSAGE_TERMS + RECIPIENT_TERMS * m->recipient_count +
                       DELIVERY_TERMS * m->delivery_count);
    if (packed_reserve(p, size) != 0)
        return -ENOMEM;
    uint32_t *to = (uint32_t *)(void *)(p->bytes + p->size);
    to = put_term(to, (uint32_t)w->records.size);
    to = put_term(to, (uint32_t)m->result | (uint32_t)m->recipient_count << 2);
    to = put_term(to, (uint32_t)m->delivery_count);
    to = put_term(to, term_of_connection(m->id));
    to = put_term(to, term_of_text(m->id, strlen(m->id)));
    to = put_term(to, term_of_address(m->sender));
    to = put_term(to, term_of_domain(m->sender));
    for (size_t i = 0; i < m->recipient_count; i++) {
        to = put_term(to, term_of_address(m->recipients[i].address));
        to = put_term(to, term_of_domain(m->recipients[i].address));
    }
    put_deliveries(to, m);
    p->size += size;
    return 0;
}

/* A line, so that all can be searched at once. */
static int put_subject(struct segment_writer *w, const struct history_message *m)
{
    char *folded = m->subject && *m->subject ? subject_folded(m->subject) : NULL;
    size_t size = folded ? strlen(folded) : 0;
    int code = packed_reserve(&w->subjects, size + 1);
    if (code == 0) {
        if (size > 0)
            memcpy(w->subjects.bytes + w->subjects.size, folded, size);
        w->subjects.size += size;
        w->subjects.bytes[w->subjects.size++] = '\n';
        w->has_subjects |= size > 0;
    }
    free(folded);
    return code;
}

static void note_ends(struct segment_writer *w, const struct history_message *m)
{
    if (w->count == 0 || m->at_ms < w->first_ms)
        w->first_ms = m->at_ms;
    if (w->count == 0 || m->at_ms > w->last_ms)
        w->last_ms = m->at_ms;
    if (w->count == 0 || strcmp(m->id, w->first_id) < 0)
        memcpy(w->first_id, m->id, sizeof w->first_id);
    if (w->count == 0 || strcmp(m->id, w->last_id) > 0)
        memcpy(w->last_id, m->id, sizeof w->last_id);
}

int segment_add(struct segment_writer *w, const struct history_message *m)
{
    int code = put_terms(w, m);
    if (code == 0)
        code = pack_message(w, m);
    if (code == 0)
        code = put_subject(w, m);
    if (code != 0)
        return code;
    note_ends(w, m);
    w->count++;
    return 0;
}

bool segment_is_full(const struct segment_writer *w)
{
    return w->count >= SEGMENT_MESSAGES || w->records.size >= SEGMENT_BYTES;
}

void segment_reset(struct segment_writer *w)
{
    struct segment_writer empty = {
        .terms = w->terms, .records = w->records, .subjects = w->subjects};
    empty.terms.size = empty.records.size = empty.subjects.size = 0;
    *w = empty;
}

void segment_free(struct segment_writer *w)
{
    packed_free(&w->terms);
    packed_free(&w->records);
    packed_free(&w->subjects);
}
