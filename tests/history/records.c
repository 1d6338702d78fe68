#include "records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spool/origin.h"

static const char *text(struct arena *arena, const char *format, int64_t number)
{
    char buffer[200];
    snprintf(buffer, sizeof buffer, format, (long long)number);
    return arena_strdup(arena, buffer);
}

static void add_recipient(struct history_message *m, const char *address, unsigned number)
{
    struct history_recipient *r = &m->recipients[m->recipient_count++];
    *r = (struct history_recipient){
        .address = address,
        .verdict = "deliver",
        .rule = "10-alias.lua:3",
        .asked = "05-spam.lua:1\tno match\n10-alias.lua:3\thttps://a.example/in\n"};
    if (m->result != HISTORY_ACCEPTED)
        return;
    struct history_delivery *d = &m->deliveries[m->delivery_count++];
    *d = (struct history_delivery){.number = number, .recipient = address};
    d->destination = text(m->arena, "https://hook%lld.example/in", number == 1 ? m->row % 50 : 99);
    d->origin = text(m->arena, "https://hook%lld.example:443", number == 1 ? m->row % 50 : 99);
}

struct history_message *record_message(int64_t number, int64_t at_ms)
{
    static const char *const words[] = {"Invoice", "Order", "Alert: disk", "Re: lunch", "Backup"};
    struct arena *arena = arena_new();
    struct history_message *m = arena_alloc(arena, sizeof *m);
    *m = (struct history_message){.arena = arena, .row = number, .at_ms = at_ms, .ms = 3};
    snprintf(m->id, sizeof m->id, "01k%013lld-1", (long long)number);
    m->result = number % 10 == 0 ? HISTORY_REJECTED : HISTORY_ACCEPTED;
    m->reply = number % 10 == 0 ? "550 5.7.1 no" : "250 2.0.0 Ok";
    m->sender = text(arena, number % 7 == 0 ? "Rare@seven.example" : "user%lld@many.example",
                     number % 1000);
    char subject[100];
    snprintf(subject, sizeof subject, "%s number %lld, ümläut", words[number % 5],
             (long long)number);
    m->subject = arena_strdup(arena, subject);
    m->client_ip = "192.0.2.1";
    m->helo = "client.test";
    m->size = 5000;
    m->spf = m->dkim = m->dmarc = "pass";
    m->recipients = arena_alloc(arena, 2 * sizeof *m->recipients);
    m->deliveries = arena_alloc(arena, 2 * sizeof *m->deliveries);
    add_recipient(m, "hook@example.com", 1);
    if (number % 2 == 0)
        add_recipient(m, text(arena, "team%lld@example.org", number % 100), 2);
    return m;
}

struct history_attempt *record_attempt(int64_t number, unsigned delivery, unsigned attempt,
                                       int status, enum history_state state)
{
    struct arena *arena = arena_new();
    struct history_attempt *a = arena_alloc(arena, sizeof *a);
    *a = (struct history_attempt){
        .arena = arena, .number = attempt, .at_ms = 1000 * attempt, .ms = 12};
    snprintf(a->id, sizeof a->id, "01k%013lld-1-%u", (long long)number, delivery);
    a->origin =
        origin_key(text(arena, "https://hook%lld.example:443", delivery == 1 ? number % 50 : 99));
    a->status = status;
    a->state = state;
    a->error = status == 200 ? NULL : "answered 500: oops";
    a->reply = status == 200 ? NULL : "oops";
    return a;
}

static char found[4096];

int record_note(void *context, const struct history_message *m)
{
    (void)context;
    char number[24];
    snprintf(number, sizeof number, "%lld ", strtoll(m->id + 3, NULL, 10));
    strcat(found, number);
    return 0;
}

const char *records_found(struct history_store *store, struct history_filter filter)
{
    found[0] = 0;
    return history_sqlite.list(store, &filter, record_note, NULL) == 0 ? found : NULL;
}
