/* mxhook history replay --through-rules: sends what was kept to where the rules of today say. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../base/redact.h"
#include "../history/elsewhere.h"
#include "../history/walk.h"
#include "../rules/answer.h"
#include "../trial.h"
#include "replay.h"
#include "pretty.h"

/* ---- What is to be sent ---- */

/* Of what went nowhere only who sent it, when, and to whom can be asked. */
bool reroute_wanted(const struct filter_terms *terms, const struct history_message *m,
                    const char *recipient)
{
    const struct history_filter *f = terms->filter;
    bool any = false, wanted = false;
    for (size_t i = 0; i < m->delivery_count; i++)
        if (history_is_for(&m->deliveries[i], recipient)) {
            any = true;
            wanted |= replay_wanted(terms, &m->deliveries[i]);
        }
    if (any)
        return wanted;
    return !f->state && !f->status && !f->destination &&
           (!f->recipient || filter_is_address(recipient, f->recipient));
}

static int collect(void *context, const struct history_message *m)
{
    struct replay *r = context;
    int code = 0;
    bool any = false;
    for (size_t i = m->recipient_count; i > 0 && code == 0; i--) {
        const char *recipient = m->recipients[i - 1].address;
        if (!reroute_wanted(&r->terms, m, recipient))
            continue;
        any = true;
        if (m->body)
            code = replay_add(r, m->id, NULL, recipient, m->sender, m->body);
    }
    r->without_body += any && !m->body;
    return code;
}

int reroute_find(struct replay *r)
{
    return history_walk(r->reader->ops, r->reader->store, r->filter, collect, r);
}

/* ---- Sending it ---- */

struct rerouting {
    struct replay *replay;
    const struct item *item;
    bool found;
};

static bool is_used(const struct delivery *deliveries, const char *id)
{
    for (; deliveries; deliveries = deliveries->next)
        if (strcmp(deliveries->id, id) == 0)
            return true;
    return false;
}

static bool went_to(const struct history_delivery *d, const char *url)
{
    char shown[REDACT_SIZE];
    redact_url(url, shown);
    return strcmp(d->destination, shown) == 0;
}

/* The id that it had where it went before (`same`); else one that this recipient's mail had elsewhere. */
static bool take_id(struct delivery *d, const struct delivery *others,
                    const struct history_message *m, const char *recipient, bool same)
{
    char id[ID_SIZE];
    for (size_t i = 0; i < m->delivery_count; i++) {
        const struct history_delivery *before = &m->deliveries[i];
        if (!history_is_for(before, recipient) || (same && !went_to(before, d->destination.url)))
            continue;
        id_child(id, m->id, before->number);
        if (is_used(others, id))
            continue;
        memcpy(d->id, id, sizeof id);
        return true;
    }
    return false;
}

/* The same each time that it is asked for, so that receivers know it again. */
static void new_place(struct delivery *d, const struct history_message *m, const char *recipient,
                      unsigned place)
{
    unsigned last = 0;
    for (size_t i = 0; i < m->delivery_count; i++)
        last = m->deliveries[i].number > last ? m->deliveries[i].number : last;
    for (size_t i = 0; i < m->recipient_count; i++, last += ANSWER_MAX_DESTINATIONS)
        if (strcasecmp(m->recipients[i].address, recipient) == 0)
            break;
    id_child(d->id, m->id, last + 1 + place);
}

static void give_ids(struct delivery *deliveries, const struct history_message *m,
                     const char *recipient, bool new_id)
{
    unsigned place = 0;
    for (struct delivery *d = deliveries; d; d = d->next)
        *d->id = 0;
    for (struct delivery *d = deliveries; d; d = d->next)
        if (new_id)
            id_new(d->id);
        else
            take_id(d, deliveries, m, recipient, true);
    for (struct delivery *d = deliveries; d; d = d->next)
        if (!*d->id && !take_id(d, deliveries, m, recipient, false))
            new_place(d, m, recipient, place++);
}

static void print_not_sent(const struct item *item, const char *what, const char *why)
{
    printf("%s ", item->id);
    pretty_text(item->recipient);
    printf(" not sent: %s", what);
    if (*why)
        printf(" by %s", why);
    putchar('\n');
}

static void send_all(struct replay *r, const struct history_message *m, const struct item *item,
                     struct delivery *deliveries)
{
    give_ids(deliveries, m, item->recipient, r->options->new_id);
    for (struct delivery *next; deliveries; deliveries = next) {
        next = deliveries->next;
        deliveries->next = NULL;
        if (destination_is_mail(&deliveries->destination)) {
            print_not_sent(item, "it is e-mail", "");
            r->elsewhere++;
            delivery_free(deliveries);
        } else {
            r->begun++;
            replay_send(r, deliveries);
        }
    }
}

static int rule(struct replay *r, const struct history_message *m, const struct item *item,
                struct spill *data, struct error *err)
{
    struct trial_envelope envelope = trial_envelope_of(m, item->recipient);
    struct trial *trial;
    int code = trial_run(r->reader->config, r->rules, data, &envelope, &trial, err);
    if (code != 0)
        return code;
    struct outgoing *outgoing = &trial->processing.outgoing;
    if (trial->verdict->kind != VERDICT_DELIVER) {
        print_not_sent(item, verdict_name(trial->verdict->kind), trial->verdict->rule);
        r->elsewhere++;
    } else if ((code = processing_render(&trial->processing)) == 0) {
        send_all(r, m, item, outgoing->deliveries);
        outgoing->deliveries = NULL;
    }
    trial_free(trial);
    return code;
}

static int reroute_one(void *context, const struct history_message *m)
{
    struct rerouting *rerouting = context;
    struct replay *r = rerouting->replay;
    const struct item *item = rerouting->item;
    struct spill *data = NULL;
    struct error err = {""};
    if (strcmp(m->id, item->id) != 0)
        return 0;
    rerouting->found = true;
    int code = r->reader->ops->body(r->reader->store, item->body, &data);
    if (code == 0)
        code = rule(r, m, item, data, &err);
    if (code != 0) {
        print_not_sent(item, *err.text ? err.text : strerror(-code), "");
        r->failed++;
    }
    spill_free(data);
    return 0;
}

void reroute(struct replay *r, const struct item *item)
{
    struct rerouting rerouting = {r, item, false};
    const struct history_filter filter = {.id = item->id, .limit = 100};
    int code = r->reader->ops->list(r->reader->store, &filter, reroute_one, &rerouting);
    if (code == 0 && rerouting.found)
        return;
    print_not_sent(item, code ? r->reader->ops->error(r->reader->store) : "it has gone", "");
    r->failed++;
}
