#include "refusals.h"

#include <stdio.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/map.h"
#include "../base/metrics.h"
#include "../base/network.h"
#include "../rules/verdict.h"
#include "../transaction.h"

#define HOUR_MS  3600000
#define NETWORKS 4096 /* two that share a slot share what is kept of them */

static struct {
    int64_t hour;
    unsigned count;
    unsigned short of_network[NETWORKS];
} refusals;

static size_t slot_of(const char *client_ip)
{
    struct ip_address address;
    const unsigned char *bytes;
    if (ip_address_parse(client_ip, &address) != 0)
        return 0;
    size_t size = ip_address_bytes(&address, &bytes), prefix = size == 4 ? 3 : 6;
    return (size_t)(map_hash((struct map_key){bytes, prefix}) % NETWORKS);
}

bool refusals_admit(const char *client_ip, int64_t now_ms)
{
    unsigned short *of_network = &refusals.of_network[slot_of(client_ip)];
    if (refusals.hour != now_ms / HOUR_MS) {
        memset(&refusals, 0, sizeof refusals);
        refusals.hour = now_ms / HOUR_MS;
    }
    if (refusals.count >= REFUSALS_MAX || *of_network >= REFUSALS_OF_NETWORK) {
        metric_add(METRIC_HISTORY_LOST_TOTAL, 1, "too many refused");
        return false;
    }
    refusals.count++;
    (*of_network)++;
    return true;
}

static const char *copy(struct arena *arena, const char *text)
{
    return text && *text ? arena_strndup(arena, text, strnlen(text, 1024)) : NULL;
}

static void add_recipients(struct history_message *m, const struct refused_mail *mail)
{
    char *const *list = mail->recipient ? NULL : mail->envelope ? mail->envelope->recipients : NULL;
    size_t count = mail->recipient ? 1 : list ? mail->envelope->recipient_count : 0;
    m->recipients = arena_alloc(m->arena, (count + 1) * sizeof *m->recipients);
    for (size_t i = 0; m->recipients && i < count; i++)
        m->recipients[m->recipient_count++] = (struct history_recipient){
            .address = copy(m->arena, list ? list[i] : mail->recipient),
            .verdict =
                verdict_name(m->result == HISTORY_REJECTED ? VERDICT_REJECT : VERDICT_DEFER)};
}

struct history_message *history_message_refused(const struct refused_mail *mail)
{
    char text[REPLY_TEXT_SIZE];
    const struct reply *reply = mail->reply;
    struct arena *arena = arena_new();
    struct history_message *m = arena ? arena_alloc(arena, sizeof *m) : NULL;
    if (!m) {
        arena_free(arena);
        return NULL;
    }
    *m = (struct history_message){.arena = arena, .at_ms = clock_unix_ms()};
    snprintf(m->id, sizeof m->id, "%s", mail->id);
    m->result = reply->code < 500 ? HISTORY_DEFERRED : HISTORY_REJECTED;
    reply_text(reply, text);
    m->reply = copy(arena, text);
    m->sender = copy(arena, mail->sender);
    m->client_ip = copy(arena, mail->client_ip);
    m->helo = copy(arena, mail->helo);
    m->user = copy(arena, mail->user);
    m->tls = mail->tls;
    m->lmtp = mail->lmtp;
    add_recipients(m, mail);
    return m;
}
