#include "filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONNECTION_SIZE 16 /* a connection's id (base/id.h) */

static int word(const char *const words[], int count, const char *text)
{
    for (int i = 0; text && i < count; i++)
        if (strcmp(words[i], text) == 0)
            return i;
    return -1;
}

static bool is_domain(const char *address)
{
    return address[0] == '@';
}

static uint32_t term_of(const char *address, bool *by_domain)
{
    *by_domain = address && is_domain(address);
    return *by_domain ? term_of_domain(address) : term_of_address(address);
}

static bool is_origin(const char *text)
{
    const char *slashes = strstr(text, "://");
    return slashes && !strchr(slashes + 3, '/');
}

/* Of a connection: all that begins so. Of a message: it, and what was refused in its transaction (ID.1), but not the
 * tenth of that connection. Of a delivery: its message. */
static void begin_id(struct filter_terms *t, const char *wanted)
{
    const char *first = strchr(wanted, '-'), *second = first ? strchr(first + 1, '-') : NULL;
    char *id = t->id_text;
    snprintf(id, ID_SIZE, "%.*s", (int)(second ? second - wanted : ID_SIZE - 1), wanted);
    t->id = id;
    snprintf(t->id_end, sizeof t->id_end, "%.*s%c", ID_SIZE - 1, id, strchr(id, '-') ? '/' : '~');
    t->by_connection = strcspn(id, "-.") >= CONNECTION_SIZE;
    t->connection = term_of_connection(id);
}

static void begin_destination(struct filter_terms *t, const char *destination)
{
    const char *text = destination;
    t->by_origin = is_origin(destination);
    if (t->by_origin) {
        origin_of(destination, t->origin);
        text = t->origin;
    }
    t->destination = term_of_text(text, strlen(text));
}

int filter_begin(struct filter_terms *t, const struct history_filter *f)
{
    static const char *const results[] = {"accepted", "deferred", "rejected"};
    static const char *const states[] = {"waiting", "delivered", "failed", "dropped"};
    *t = (struct filter_terms){.filter = f, .id = "", .id_end = "\x7f"};
    t->result = word(results, 3, f->result);
    t->state = word(states, 4, f->state);
    if ((f->result && t->result < 0) || (f->state && t->state < 0))
        return -EINVAL;
    t->sender = term_of(f->sender, &t->by_sender_domain);
    t->recipient = term_of(f->recipient, &t->by_recipient_domain);
    if (f->id)
        begin_id(t, f->id);
    if (f->destination)
        begin_destination(t, f->destination);
    t->subject = f->subject ? subject_folded(f->subject) : NULL;
    return f->subject && !t->subject ? -ENOMEM : 0;
}

void filter_free(struct filter_terms *t)
{
    free(t->subject);
}

/* ---- By terms ---- */

static bool recipient_may(const struct filter_terms *t, const struct message_terms *m)
{
    for (uint32_t i = 0; i < m->recipient_count; i++) {
        uint32_t address, domain;
        terms_recipient(m, i, &address, &domain);
        if (t->recipient == (t->by_recipient_domain ? domain : address))
            return true;
    }
    return false;
}

static bool filters_deliveries(const struct history_filter *f)
{
    return f->destination || f->state || f->status;
}

static bool delivery_may(const struct filter_terms *t, const struct packed *terms,
                         const struct message_terms *m)
{
    const struct history_filter *f = t->filter;
    for (uint32_t i = 0; i < m->delivery_count; i++) {
        uint32_t destination, origin;
        struct delivery_term term;
        terms_delivery(terms, m, i, &destination, &origin, &term);
        if ((!f->destination || t->destination == (t->by_origin ? origin : destination)) &&
            (!f->state || t->state == (int)term.state) && (!f->status || f->status == term.status))
            return true;
    }
    return false;
}

bool filter_may_match(const struct filter_terms *t, const struct packed *terms,
                      const struct message_terms *m)
{
    const struct history_filter *f = t->filter;
    if (t->by_connection && t->connection != m->connection)
        return false;
    if (f->result && t->result != (int)m->result)
        return false;
    if (f->sender && t->sender != (t->by_sender_domain ? m->sender_domain : m->sender))
        return false;
    if (f->recipient && !recipient_may(t, m))
        return false;
    return !filters_deliveries(f) || delivery_may(t, terms, m);
}

unsigned filter_subjects(const struct filter_terms *t, const struct packed *subjects, bool *found,
                         unsigned count)
{
    const char *at = subjects->bytes, *end = at + subjects->size;
    size_t size = strlen(t->subject);
    unsigned line = 0, matches = 0;
    memset(found, 0, count * sizeof *found);
    while (at < end) {
        const char *hit = memmem(at, (size_t)(end - at), t->subject, size);
        if (!hit)
            break;
        for (const char *p; at < hit && (p = memchr(at, '\n', (size_t)(hit - at)));) {
            line++;
            at = p + 1;
        }
        if (line >= count)
            break;
        found[line] = true;
        matches++;
        at = memchr(hit, '\n', (size_t)(end - hit));
        if (!at)
            break;
        at++;
        line++;
    }
    return matches;
}

/* ---- By what it is ---- */

bool filter_is_address(const char *address, const char *wanted)
{
    const char *at = strrchr(address, '@');
    if (is_domain(wanted))
        return strcasecmp(at ? at + 1 : "", wanted + 1) == 0;
    return strcasecmp(address, wanted) == 0;
}

static bool has_recipient(const struct history_message *m, const char *wanted)
{
    for (size_t i = 0; i < m->recipient_count; i++)
        if (filter_is_address(m->recipients[i].address, wanted))
            return true;
    return false;
}

bool filter_has_delivery(const struct filter_terms *t, const struct history_delivery *d)
{
    const struct history_filter *f = t->filter;
    const char *name = t->by_origin ? d->origin : d->destination;
    const char *wanted = t->by_origin ? t->origin : f->destination;
    return (!f->destination || strcmp(name, wanted) == 0) &&
           (!f->state || t->state == (int)d->state) && (!f->status || f->status == d->status);
}

static bool has_delivery(const struct filter_terms *t, const struct history_message *m)
{
    for (size_t i = 0; i < m->delivery_count; i++)
        if (filter_has_delivery(t, &m->deliveries[i]))
            return true;
    return false;
}

static bool has_subject(const struct filter_terms *t, const struct history_message *m)
{
    char *folded = m->subject ? subject_folded(m->subject) : NULL;
    bool has = folded && strstr(folded, t->subject);
    free(folded);
    return has;
}

bool filter_matches(const struct filter_terms *t, const struct history_message *m)
{
    const struct history_filter *f = t->filter;
    if (f->id && (strcmp(m->id, t->id) < 0 || strcmp(m->id, t->id_end) >= 0))
        return false;
    if ((f->since_ms && m->at_ms < f->since_ms) || (f->until_ms && m->at_ms >= f->until_ms))
        return false;
    if ((f->sender && !filter_is_address(m->sender, f->sender)) ||
        (f->recipient && !has_recipient(m, f->recipient)))
        return false;
    if (f->result && t->result != (int)m->result)
        return false;
    return (!filters_deliveries(f) || has_delivery(t, m)) && (!f->subject || has_subject(t, m));
}
