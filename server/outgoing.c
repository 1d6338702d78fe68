#include "outgoing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/domain.h"
#include "deliver/forward_sign.h"
#include "deliver/srs.h"
#include "mail/original.h"
#include "mail/payload.h"
#include "mail/trace.h"
#include "rules/ruleset.h"

/* ---- Checks ---- */

static bool delivers(const struct outgoing *o, size_t index, bool mail)
{
    const struct verdict *v = o->verdicts[index];
    for (size_t i = 0; v->kind == VERDICT_DELIVER && i < v->destination_count; i++)
        if (destination_is_mail(&v->destinations[i]) == mail)
            return true;
    return false;
}

static size_t count_recipients(const struct outgoing *o, bool mail)
{
    size_t count = 0;
    for (size_t i = 0; i < o->transaction->envelope.recipient_count; i++)
        count += delivers(o, i, mail);
    return count;
}

/* All of it: its POSTs went out when the message was here before. */
static void refuse(struct verdict *verdict, const char *enhanced, const char *text)
{
    verdict->kind = VERDICT_REJECT;
    verdict->enhanced = enhanced;
    verdict->text = text;
}

static uint64_t size_limit(const struct outgoing *o)
{
    return OUTGOING_TIMES * spill_size(o->message->data) +
           (uint64_t)OUTGOING_MORE * o->transaction->envelope.recipient_count;
}

/* Does the file system keep what it must (spool.min_free), with `more` bytes less? */
static bool has_room(const struct outgoing *o, uint64_t more)
{
    struct statvfs disk;
    if (!o->spool || statvfs(spool_scratch_directory(o->spool), &disk) != 0)
        return true; /* writing will tell */
    return (uint64_t)disk.f_bavail * disk.f_frsize >= o->config->spool.min_free + more;
}

#define SUFFIX_SIZE (sizeof "mail" + DECIMAL_SIZE) /* of a body's name, with its NUL */

/* A body that is about to be written; about `expected` bytes. */
static int new_body(const struct outgoing *o, const char *suffix, uint64_t expected,
                    struct spill **out)
{
    char name[ID_SIZE + SUFFIX_SIZE];
    stpcpy(stpcpy(stpcpy(name, o->transaction->id), "."), suffix);
    *out = NULL;
    if (expected > SPILL_THRESHOLD &&
        !has_room(o, expected)) /* else the spool looks, for many at once */
        return -ENOSPC;
    *out = o->spool ? spool_new_body(o->spool, name) : spill_new(o->directory, NULL);
    if (!*out)
        return -ENOMEM;
    spill_bound(*out, o->in_memory < OUTGOING_MEMORY ? SPILL_THRESHOLD : 0,
                size_limit(o) - o->size);
    if (o->spool)
        spill_keep_free(*out, o->config->spool.min_free);
    return 0;
}

/* It is whole: it counts, and is made durable. */
static int end_body(struct outgoing *o, struct spill *body)
{
    o->size += spill_size(body);
    o->in_memory += spill_memory(body) ? spill_size(body) : 0;
    spill_trim(body);
    return spill_sync(body);
}

static void add_scan(const struct outgoing *o, struct receiver *receiver)
{
    receiver->scans = o->config->scan.url_count > 0;
    receiver->scan = o->transaction->envelope.scan;
}

static int prepare_original(struct outgoing *o)
{
    bool changed = false;
    struct receiver receiver = {.hostname = o->config->hostname};
    add_scan(o, &receiver);
    int code = new_body(o, "mail", spill_size(o->message->data), &o->original);
    if (code == 0)
        code = original_write(o->message, &receiver, o->original, &changed);
    if (code == 0)
        o->size += spill_size(o->original);
    if (code != 0 || !changed || !original_is_binary(o->message))
        return code;
    for (size_t i = 0; i < o->transaction->envelope.recipient_count; i++)
        if (delivers(o, i, true))
            refuse(o->verdicts[i], "5.6.3", "Binary mail cannot be forwarded to an e-mail address");
    return 0;
}

int outgoing_check(struct outgoing *o)
{
    for (size_t i = 0; i < o->transaction->envelope.recipient_count; i++) {
        if (!delivers(o, i, true))
            continue;
        const char *loop = trace_loop(o->message, o->transaction->envelope.recipients[i]);
        if (loop)
            refuse(o->verdicts[i], "5.4.6", loop);
    }
    return count_recipients(o, true) > 0 ? prepare_original(o) : 0;
}

/* ---- Payloads ---- */

/* What all recipients share stands once, in a tail of its own; for one recipient head and tail are
 * one piece. *tail is NULL then. */
static int render_tail(struct outgoing *o, struct spill **tail)
{
    *tail = NULL;
    if (count_recipients(o, false) < 2)
        return 0;
    int code = new_body(o, "tail", 2 * spill_size(o->message->data), tail);
    if (code == 0)
        code = payload_write_tail(o->message, &o->transaction->envelope, *tail);
    return code == 0 ? end_body(o, *tail) : code;
}

static int write_head(const struct outgoing *o, size_t index, struct spill *head)
{
    const struct verdict *verdict = o->verdicts[index];
    if (verdict->reshaped || !o->spool)
        return payload_write_head(&verdict->headers, head);
    provenance_address(o->headers, o->transaction->envelope.recipients[index]);
    return payload_write_head(o->headers, head);
}

static int write_json(const struct outgoing *o, size_t index, struct spill *tail,
                      struct spill *head)
{
    int code = write_head(o, index, head);
    return code == 0 && !tail ? payload_write_tail(o->message, &o->transaction->envelope, head)
                              : code;
}

/* Once for all to whom it goes, since no field that is for one of them is signed. Mail that cannot be
 * signed goes without: a receiver may like it less, but it is not lost. */
static void make_signature(struct outgoing *o)
{
    struct error err = {""};
    if (!o->original || !o->config->forward.dkim_domain || o->signature)
        return;
    if (forward_sign(&o->config->forward, o->transaction->id, o->original, &o->signature, &err) !=
        0)
        log_limited(LOG_ERROR, "not-signed", o->transaction->id, LOG_TEXT("error", err.text));
}

static int write_trace(const struct outgoing *o, size_t index, struct spill *head)
{
    int code = trace_write(o->transaction, o->transaction->envelope.recipients[index],
                           o->config->hostname, head);
    if (code == 0 && o->signature)
        code = spill_write(head, o->signature, strlen(o->signature));
    return code;
}

static void discard_body(struct spill *spill)
{
    if (spill)
        spill_unlink(spill);
    spill_free(spill);
}

/* One recipient's: JSON, or the mail. `tail` is NULL for none. */
static int render_payload(struct outgoing *o, size_t index, bool mail, struct spill *tail,
                          struct payload **out)
{
    char suffix[SUFFIX_SIZE];
    decimal_put(stpcpy(suffix, mail ? "mail" : ""), (int64_t)index + 1);
    struct spill *head;
    int code = new_body(o, suffix, 0, &head);
    if (code == 0)
        code = mail ? write_trace(o, index, head) : write_json(o, index, tail, head);
    if (code == 0)
        code = end_body(o, head);
    if (code == 0) {
        *out = payload_new(head, tail);
        if (*out && tail)
            spill_ref(tail);
        if (*out)
            return 0;
        code = -ENOMEM;
    }
    discard_body(head);
    return code;
}

/* ---- Deliveries ---- */

static int set_mail(const struct outgoing *o, struct delivery *d)
{
    char via[ORIGIN_SIZE], sender[SRS_SIZE], mail_from[SRS_SIZE];
    const char *smarthost = o->config->forward.smarthost;
    if (smarthost)
        origin_of(smarthost, via);
    else
        snprintf(via, sizeof via, "mx:%s", strrchr(d->destination.url, '@') + 1);
    bool fits = domain_address_to_ascii(d->sender, sender, sizeof sender);
    srs_rewrite(&o->config->forward, fits ? sender : d->sender, o->transaction->received_ms / 1000,
                mail_from);
    d->mail_from = arena_strdup(d->arena, mail_from);
    d->via = arena_strdup(d->arena, via);
    return d->via && d->mail_from ? 0 : -ENOMEM;
}

static int add_delivery(struct outgoing *o, size_t index, const struct destination *destination,
                        struct payload *payload, unsigned number)
{
    const struct transaction *t = o->transaction;
    char id[ID_SIZE];
    id_child(id, t->id, number);
    struct delivery *d = delivery_new(id);
    if (!d)
        return -ENOMEM;
    d->payload = payload_ref(payload);
    d->created_ms = d->due_ms = t->received_ms;
    d->sender = arena_strdup(d->arena, t->envelope.sender);
    d->recipient = arena_strdup(d->arena, t->envelope.recipients[index]);
    if (!d->sender || !d->recipient || delivery_set_destination(d, destination) != 0 ||
        (destination_is_mail(destination) && set_mail(o, d) != 0)) {
        delivery_free(d);
        return -ENOMEM;
    }
    d->next = o->deliveries;
    o->deliveries = d;
    return 0;
}

/* The destinations of one kind, which share a payload. */
static int add_kind(struct outgoing *o, size_t index, bool mail, struct spill *tail,
                    unsigned *number)
{
    const struct verdict *v = o->verdicts[index];
    struct payload *payload;
    if (!delivers(o, index, mail))
        return 0;
    int code = render_payload(o, index, mail, tail, &payload);
    if (code != 0)
        return code;
    for (size_t i = 0; i < v->destination_count && code == 0; i++)
        if (destination_is_mail(&v->destinations[i]) == mail)
            code = add_delivery(o, index, &v->destinations[i], payload, ++*number);
    payload_free(payload);
    return code;
}

void outgoing_drop(struct outgoing *o)
{
    while (o->deliveries) {
        struct delivery *d = o->deliveries;
        o->deliveries = d->next;
        spill_unlink(d->payload->head);
        if (d->payload->tail)
            spill_unlink(d->payload->tail);
        delivery_free(d);
    }
}

/* Makes the deliveries, oldest last: the list's order does not matter to anybody. */
int outgoing_make(struct outgoing *o)
{
    struct spill *tail = NULL;
    unsigned number = 0;
    int code = o->original ? spill_sync(o->original) : 0;
    make_signature(o);
    if (code == 0)
        code = render_tail(o, &tail);
    for (size_t i = 0; i < o->transaction->envelope.recipient_count && code == 0; i++) {
        code = add_kind(o, i, false, tail, &number);
        if (code == 0)
            code = add_kind(o, i, true, o->original, &number);
    }
    if (code != 0) {
        outgoing_drop(o);
        if (tail)
            spill_unlink(tail);
    }
    o->kept = o->deliveries != NULL;
    spill_free(tail);
    return code;
}

void outgoing_free(struct outgoing *o)
{
    if (o->original && !o->kept)
        spill_unlink(o->original);
    spill_free(o->original);
    free(o->signature);
}
