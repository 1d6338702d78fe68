#include "record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/ascii.h"
#include "../auth/result.h"
#include "../base/clock.h"
#include "../base/redact.h"
#include "../mail/message.h"
#include "../rules/verdict.h"
#include "../spool/origin.h"
#include "../transaction.h"
#include "keep.h"
#include "note.h"
#include "target.h"

#define TEXT_MAX 1024 /* bytes of a subject, a Message-ID, a name */

static const char *copy(struct arena *arena, const char *text)
{
    return text && *text ? arena_strndup(arena, text, strnlen(text, TEXT_MAX)) : NULL;
}

/* ---- A message ---- */

static void fill_delivery(struct arena *arena, struct history_delivery *to,
                          const struct delivery *from, bool bodies)
{
    char text[REDACT_SIZE], origin[ORIGIN_SIZE];
    bool mail = destination_is_mail(&from->destination);
    if (!mail)
        redact_url(from->destination.url, text);
    origin_of(delivery_origin(from), origin);
    size_t parent;
    *to = (struct history_delivery){.number = id_number(from->id, &parent)};
    to->recipient = copy(arena, from->recipient);
    to->destination = arena_strdup(arena, mail ? from->destination.url : text);
    to->origin = arena_strdup(arena, origin);
    if (!bodies || payload_size(from->payload) > HISTORY_BODY_MAX)
        return;
    to->target = history_target_write(arena, &from->destination);
    to->payload = payload_ref(from->payload);
}

static bool fill_deliveries(struct history_message *m, const struct delivery *deliveries)
{
    bool bodies = history_bodies() == HISTORY_BODIES_ALL;
    size_t count = 0;
    for (const struct delivery *d = deliveries; d; d = d->next)
        count++;
    m->deliveries = arena_alloc(m->arena, (count + 1) * sizeof *m->deliveries);
    if (!m->deliveries)
        return false;
    for (const struct delivery *d = deliveries; d; d = d->next)
        fill_delivery(m->arena, &m->deliveries[m->delivery_count++], d, bodies);
    return true;
}

/* Rules answer with URLs, whose queries may hold secrets: cuts those out, as redact_url() does. */
static char *without_queries(char *text)
{
    char *to = text;
    bool in_url = false;
    if (!strchr(text, '?'))
        return text;
    for (const char *from = text; *from; from++) {
        if (strncmp(from, "://", 3) == 0)
            in_url = true;
        else if (strchr(" ,\t\n", *from))
            in_url = false;
        *to++ = *from;
        if (in_url && *from == '?')
            from += strcspn(from + 1, " ,\t\n");
    }
    *to = 0;
    return text;
}

static bool fill_recipients(struct history_message *m, const struct envelope *envelope,
                            struct verdict *const *verdicts)
{
    m->recipients = arena_alloc(m->arena, (envelope->recipient_count + 1) * sizeof *m->recipients);
    if (!m->recipients)
        return false;
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        struct history_recipient *r = &m->recipients[m->recipient_count++];
        const struct verdict *v = verdicts ? verdicts[i] : NULL;
        *r = (struct history_recipient){.address = copy(m->arena, envelope->recipients[i])};
        if (v) {
            r->verdict = verdict_name(v->kind);
            r->rule = copy(m->arena, v->rule);
        }
    }
    return true;
}

static void fill_auth(struct history_message *m, const struct auth_result *auth)
{
    if (!auth)
        return;
    m->spf = auth_code_name(auth->spf.code);
    m->dmarc = auth_code_name(auth->dmarc.code);
    m->dkim = auth_code_name(auth->dkim_count > 0 ? auth->dkim[0].code : AUTH_NONE);
    for (size_t i = 1; i < auth->dkim_count; i++)
        if (auth->dkim[i].code == AUTH_PASS)
            m->dkim = auth_code_name(AUTH_PASS);
}

static void fill_envelope(struct history_message *m, const struct envelope *envelope)
{
    m->sender = copy(m->arena, envelope->sender);
    m->client_ip = copy(m->arena, envelope->client_ip);
    m->client_name = copy(m->arena, envelope->client_name);
    m->helo = copy(m->arena, envelope->helo);
    m->user = copy(m->arena, envelope->user);
    m->tls = envelope->tls;
    m->lmtp = envelope->lmtp;
}

struct history_message *history_message_new(const struct transaction *t,
                                            const struct message *message,
                                            struct verdict *const *verdicts,
                                            const struct delivery *deliveries)
{
    struct arena *arena = arena_new();
    struct history_message *m = arena ? arena_alloc(arena, sizeof *m) : NULL;
    if (!m) {
        arena_free(arena);
        return NULL;
    }
    *m = (struct history_message){.arena = arena, .at_ms = t->received_ms};
    memcpy(m->id, t->id, sizeof m->id);
    fill_envelope(m, &t->envelope);
    fill_auth(m, t->auth);
    m->size = spill_size(t->data);
    if (message) {
        m->message_id = copy(arena, message->message_id);
        m->subject = history_subjects() ? copy(arena, message->subject) : NULL;
    }
    if (history_bodies() == HISTORY_BODIES_ALL && m->size <= HISTORY_BODY_MAX)
        m->data = spill_ref(t->data);
    if (fill_recipients(m, &t->envelope, verdicts) && fill_deliveries(m, deliveries))
        return m;
    history_message_free(m);
    return NULL;
}

struct history_message *history_sent_again(const struct delivery *d)
{
    struct arena *arena = arena_new();
    struct history_message *m = arena ? arena_alloc(arena, sizeof *m) : NULL;
    if (!m) {
        arena_free(arena);
        return NULL;
    }
    *m = (struct history_message){.arena = arena, .at_ms = d->created_ms};
    size_t parent;
    id_number(d->id, &parent);
    memcpy(m->id, d->id, parent);
    m->sender = copy(arena, d->sender);
    m->recipients = arena_alloc(arena, sizeof *m->recipients);
    if (m->recipients)
        m->recipients[m->recipient_count++] =
            (struct history_recipient){.address = copy(arena, d->recipient)};
    if (m->recipients && fill_deliveries(m, d))
        return m;
    history_message_free(m);
    return NULL;
}

void history_message_asked(struct history_message *m, size_t recipient, const char *asked)
{
    char *copied = m && asked ? arena_strdup(m->arena, asked) : NULL;
    if (copied)
        m->recipients[recipient].asked = without_queries(copied);
}

/* LMTP has a reply for each: the message counts as its best one. */
void history_message_end(struct history_message *m, const struct transaction *t)
{
    char text[REPLY_TEXT_SIZE];
    const struct reply *reply = &t->reply;
    for (size_t i = 0; t->replies && i < t->envelope.recipient_count; i++)
        if (i == 0 || t->replies[i].code < reply->code)
            reply = &t->replies[i];
    reply_text(reply, text);
    m->reply = arena_strdup(m->arena, text);
    m->ms = clock_unix_ms() - t->received_ms;
    m->result = reply->code < 400   ? HISTORY_ACCEPTED
                : reply->code < 500 ? HISTORY_DEFERRED
                                    : HISTORY_REJECTED;
    /* What was not stored will be delivered nowhere. */
    if (m->result != HISTORY_ACCEPTED) {
        for (size_t i = 0; i < m->delivery_count; i++)
            payload_free(m->deliveries[i].payload);
        m->delivery_count = 0;
    }
}

void history_message_free(struct history_message *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->delivery_count; i++)
        payload_free(m->deliveries[i].payload);
    spill_free(m->data);
    arena_free(m->arena);
}

/* ---- An attempt ---- */

static const char *printable(struct arena *arena, const char *bytes, size_t size)
{
    char *text = arena_strndup(arena, bytes ? bytes : "", bytes ? size : 0);
    for (size_t i = 0; text && bytes && i < size; i++)
        if (is_control(bytes[i]))
            text[i] = ' ';
    return text;
}

struct history_attempt *history_attempt_new(const struct delivery *d, enum history_state state)
{
    struct arena *arena = arena_new();
    struct history_attempt *a = arena ? arena_alloc(arena, sizeof *a) : NULL;
    if (!a) {
        arena_free(arena);
        return NULL;
    }
    *a = (struct history_attempt){.arena = arena,
                                  .number = d->attempts,
                                  .at_ms = d->last_at_ms ? d->last_at_ms : clock_unix_ms(),
                                  .ms = d->last_ms,
                                  .status = d->last_status,
                                  .state = state};
    memcpy(a->id, d->id, sizeof a->id);
    if (d->last_at_ms) /* else it was given up, and nobody was asked */
        a->origin = origin_key(delivery_origin(d));
    a->error = copy(arena, d->last_error);
    a->reply = d->last_reply_size ? printable(arena, d->last_reply, d->last_reply_size) : NULL;
    if (state == HISTORY_FAILED && history_bodies() == HISTORY_BODIES_FAILED && d->payload &&
        payload_size(d->payload) <= HISTORY_BODY_MAX) {
        a->target = history_target_write(arena, &d->destination);
        a->payload = payload_ref(d->payload);
    }
    return a;
}

struct history_attempt *history_action_new(const char *id, enum history_action action,
                                           const char *words)
{
    struct arena *arena = arena_new();
    struct history_attempt *a = arena ? arena_alloc(arena, sizeof *a) : NULL;
    if (!a) {
        arena_free(arena);
        return NULL;
    }
    *a = (struct history_attempt){.arena = arena,
                                  .at_ms = clock_unix_ms(),
                                  .action = action,
                                  .state =
                                      action == HISTORY_DROP ? HISTORY_DROPPED : HISTORY_WAITING};
    snprintf(a->id, sizeof a->id, "%s", id);
    a->error = copy(arena, words);
    return a;
}

void history_attempt_free(struct history_attempt *a)
{
    if (!a)
        return;
    payload_free(a->payload);
    arena_free(a->arena);
}

void history_records_free(struct history_message *messages, struct history_attempt *attempts)
{
    for (struct history_message *next; messages; messages = next) {
        next = messages->next;
        history_message_free(messages);
    }
    for (struct history_attempt *next; attempts; attempts = next) {
        next = attempts->next;
        history_attempt_free(attempts);
    }
}
