/* The history for people. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../history/json.h"
#include "history.h"
#include "pretty.h"
#include "when.h"

static void print_deliveries(const struct history_message *m)
{
    size_t counts[HISTORY_DROPPED + 1] = {0};
    for (size_t i = 0; i < m->delivery_count; i++)
        if (m->deliveries[i].state <= HISTORY_DROPPED)
            counts[m->deliveries[i].state]++;
    for (int state = HISTORY_WAITING; state <= HISTORY_DROPPED; state++)
        if (counts[state] > 0)
            printf(" %s=%zu", history_state_name((enum history_state)state), counts[state]);
}

void history_print_line(const struct history_message *m)
{
    char text[WHEN_SIZE];
    printf("%s %s %-8s from=", m->id, when_write(m->at_ms, text), history_result_name(m->result));
    pretty_text(m->sender && *m->sender ? m->sender : "<>");
    for (size_t i = 0; i < m->recipient_count; i++) {
        fputs(i == 0 ? " to=" : ",", stdout);
        pretty_text(m->recipients[i].address);
    }
    print_deliveries(m);
    if (m->result != HISTORY_ACCEPTED && m->reply) {
        fputs(" reply=", stdout);
        pretty_text(m->reply);
    }
    if (m->subject && *m->subject) {
        fputs(" subject=", stdout);
        pretty_text(m->subject);
    }
    putchar('\n');
}

static void print_row(const char *name, const char *value)
{
    if (!value || !*value)
        return;
    printf("%-12s ", name);
    pretty_text(value);
    putchar('\n');
}

static void print_asked(const char *asked)
{
    while (asked && *asked) {
        size_t size = strcspn(asked, "\n"), rule = strcspn(asked, "\t\n");
        fputs("    ", stdout);
        pretty_safe(stdout, asked, rule);
        printf("%*s ", rule < 28 ? (int)(28 - rule) : 0, "");
        if (rule < size)
            pretty_safe(stdout, asked + rule + 1, size - rule - 1);
        putchar('\n');
        asked += size + (asked[size] == '\n');
    }
}

static int print_attempt(void *context, const struct history_attempt *a)
{
    char text[WHEN_SIZE];
    (void)context;
    if (a->action != HISTORY_ATTEMPTED) {
        printf("    %s %s by ", history_action_name(a->action), when_write(a->at_ms, text));
        pretty_text(a->error ? a->error : "");
        putchar('\n');
        return 0;
    }
    printf("    attempt %u %s status=%d ms=%" PRId64, a->number, when_write(a->at_ms, text),
           a->status, a->ms);
    if (a->error) {
        putchar(' ');
        pretty_text(a->error);
    }
    putchar('\n');
    if (a->reply) {
        fputs("      answered ", stdout);
        pretty_text(a->reply);
        putchar('\n');
    }
    return 0;
}

static void print_client(const struct history_message *m)
{
    printf("%-12s ", "client");
    pretty_text(m->client_ip && *m->client_ip ? m->client_ip : "(unix socket)");
    if (m->client_name) {
        fputs(" name=", stdout);
        pretty_text(m->client_name);
    }
    fputs(" helo=", stdout);
    pretty_text(m->helo ? m->helo : "");
    printf(" tls=%s protocol=%s", m->tls ? "yes" : "no", m->lmtp ? "lmtp" : "smtp");
    if (m->user) {
        fputs(" user=", stdout);
        pretty_text(m->user);
    }
    putchar('\n');
}

int history_print_story(struct history_reader *reader, const struct history_message *m)
{
    char text[WHEN_SIZE];
    int code = 0;
    print_row("id", m->id);
    print_row("time", when_write(m->at_ms, text));
    print_client(m);
    printf("%-12s ", "from");
    pretty_text(m->sender && *m->sender ? m->sender : "<>");
    putchar('\n');
    print_row("subject", m->subject);
    print_row("message-id", m->message_id);
    printf("%-12s %" PRIu64 "\n", "size", m->size);
    if (m->spf)
        printf("%-12s spf=%s dkim=%s dmarc=%s\n", "auth", m->spf, m->dkim, m->dmarc);
    for (size_t i = 0; i < m->recipient_count; i++) {
        print_row("to", m->recipients[i].address);
        print_asked(m->recipients[i].asked);
        print_row("  verdict", m->recipients[i].verdict);
    }
    print_row("reply", m->reply);
    for (size_t i = 0; i < m->delivery_count && code == 0; i++) {
        const struct history_delivery *d = &m->deliveries[i];
        printf("%-12s %s-%u %s ", "delivery", m->id, d->number, history_state_name(d->state));
        pretty_text(d->destination);
        putchar('\n');
        code = reader->ops->attempts(reader->store, m, d->number, print_attempt, NULL);
    }
    return code;
}
