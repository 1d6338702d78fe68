#include "json.h"

#include <stdio.h>
#include <string.h>

const char *history_result_name(enum history_result result)
{
    static const char *const names[] = {"accepted", "deferred", "rejected"};
    return result <= HISTORY_REJECTED ? names[result] : "";
}

const char *history_state_name(enum history_state state)
{
    static const char *const names[] = {"waiting", "delivered", "failed", "dropped"};
    return state <= HISTORY_DROPPED ? names[state] : "";
}

const char *history_action_name(enum history_action action)
{
    static const char *const names[] = {"", "dropped", "retried", "edited"};
    return action <= HISTORY_EDIT ? names[action] : "";
}

static void put_text(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    json_text(json, text && *text ? text : NULL);
}

/* Lines of a rule, a tab, and its answer. */
static void write_asked(struct json *json, const char *asked)
{
    json_key(json, "asked");
    json_begin_array(json);
    while (asked && *asked) {
        size_t size = strcspn(asked, "\n"), rule = strcspn(asked, "\t\n");
        json_begin_object(json);
        json_key(json, "rule");
        json_string(json, asked, rule);
        json_key(json, "answer");
        json_string(json, asked + rule + (rule < size), size - rule - (rule < size));
        json_end_object(json);
        asked += size + (asked[size] == '\n');
    }
    json_end_array(json);
}

static void write_recipients(struct json *json, const struct history_message *m, bool story)
{
    json_key(json, "recipients");
    json_begin_array(json);
    for (size_t i = 0; i < m->recipient_count; i++) {
        const struct history_recipient *r = &m->recipients[i];
        json_begin_object(json);
        put_text(json, "address", r->address);
        put_text(json, "verdict", r->verdict);
        put_text(json, "rule", r->rule);
        if (story)
            write_asked(json, r->asked);
        json_end_object(json);
    }
    json_end_array(json);
}

static int write_attempt(void *context, const struct history_attempt *a)
{
    struct json *json = context;
    json_begin_object(json);
    json_pair_number(json, "number", a->number);
    put_text(json, "action", history_action_name(a->action));
    json_key(json, "time");
    json_time(json, a->at_ms);
    json_pair_number(json, "ms", a->ms);
    json_pair_number(json, "status", a->status);
    put_text(json, "error", a->error);
    put_text(json, "reply", a->reply);
    json_end_object(json);
    return 0;
}

static void write_delivery(struct json *json, const struct history_message *m,
                           const struct history_delivery *d)
{
    char id[ID_SIZE];
    id_child(id, m->id, d->number);
    put_text(json, "id", id);
    put_text(json, "recipient", d->recipient);
    put_text(json, "destination", d->destination);
    put_text(json, "origin", d->origin);
    put_text(json, "state", history_state_name(d->state));
    json_pair_number(json, "status", d->status);
    json_pair_number(json, "attempts", d->attempts);
    put_text(json, "error", d->error);
    json_key(json, "ended");
    json_time(json, d->ended_ms);
    json_pair_boolean(json, "kept", d->body != 0);
}

static void write_envelope(struct json *json, const struct history_message *m)
{
    json_key(json, "client");
    json_begin_object(json);
    put_text(json, "ip", m->client_ip);
    put_text(json, "name", m->client_name);
    put_text(json, "helo", m->helo);
    put_text(json, "user", m->user);
    json_pair_boolean(json, "tls", m->tls);
    put_text(json, "protocol", m->lmtp ? "lmtp" : "smtp");
    json_end_object(json);
    json_key(json, "auth");
    json_begin_object(json);
    put_text(json, "spf", m->spf);
    put_text(json, "dkim", m->dkim);
    put_text(json, "dmarc", m->dmarc);
    json_end_object(json);
}

static void write_facts(struct json *json, const struct history_message *m)
{
    json_pair_number(json, "cursor", m->row);
    put_text(json, "id", m->id);
    json_key(json, "time");
    json_time(json, m->at_ms);
    put_text(json, "result", history_result_name(m->result));
    put_text(json, "reply", m->reply);
    json_pair_number(json, "ms", m->ms);
    json_pair(json, "sender", m->sender ? m->sender : "");
    put_text(json, "subject", m->subject);
    put_text(json, "message_id", m->message_id);
    json_pair_number(json, "size", (int64_t)m->size);
    json_pair_boolean(json, "kept", m->body != 0);
    write_envelope(json, m);
}

void history_json_message(struct json *json, const struct history_message *m)
{
    json_begin_object(json);
    write_facts(json, m);
    write_recipients(json, m, false);
    json_key(json, "deliveries");
    json_begin_array(json);
    for (size_t i = 0; i < m->delivery_count; i++) {
        json_begin_object(json);
        write_delivery(json, m, &m->deliveries[i]);
        json_end_object(json);
    }
    json_end_array(json);
    json_end_object(json);
}

int history_json_story(struct json *json, const struct history_ops *ops,
                       struct history_store *store, const struct history_message *m)
{
    int code = 0;
    json_begin_object(json);
    write_facts(json, m);
    write_recipients(json, m, true);
    json_key(json, "deliveries");
    json_begin_array(json);
    for (size_t i = 0; i < m->delivery_count && code == 0; i++) {
        json_begin_object(json);
        write_delivery(json, m, &m->deliveries[i]);
        json_key(json, "made");
        json_begin_array(json);
        code = ops->attempts(store, m, m->deliveries[i].number, write_attempt, json);
        json_end_array(json);
        json_end_object(json);
    }
    json_end_array(json);
    json_end_object(json);
    return code;
}
