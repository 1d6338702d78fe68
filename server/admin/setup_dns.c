/*
 * What DNS says of our domains and our name, for the set-up: asked by this thread, on a loop of its own that ends with the
 * answers.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../dns/dns.h"
#include "request.h"

#define QUESTIONS_MAX 40
#define TEXT_SIZE     1200

struct setup_question {
    struct dns_waiter waiter; /* the first: done() is given its address */
    char name[DNS_NAME_MAX + 1];
    enum record_type type;
    const char *domain; /* of an MX; NULL: an address of ours */
    struct dns_answer *answer;
    struct look_up *look_up;
};

struct look_up {
    uv_loop_t loop;
    struct dns *dns;
    struct setup_question questions[QUESTIONS_MAX];
    size_t count, waiting;
};

static void on_answer(struct dns_waiter *waiter, struct dns_answer *answer)
{
    struct setup_question *q = (struct setup_question *)waiter;
    q->answer = answer;
    if (--q->look_up->waiting == 0)
        uv_stop(&q->look_up->loop);
}

static void add(struct look_up *l, const char *name, enum record_type type, const char *domain)
{
    struct setup_question *q = &l->questions[l->count];
    if (l->count == QUESTIONS_MAX || !dns_name(name, q->name))
        return;
    l->count++;
    *q = (struct setup_question){
        .type = type, .domain = domain, .look_up = l, .waiter.done = on_answer};
    (void)dns_name(name, q->name);
}

static void ask_all(struct look_up *l)
{
    int code;
    l->waiting = l->count;
    for (size_t i = 0; i < l->count; i++) {
        struct setup_question *q = &l->questions[i];
        struct dns_answer *answer = dns_ask(l->dns, q->name, q->type, &q->waiter, &code);
        if (!answer && code == 0)
            continue;
        q->answer = answer;
        l->waiting--;
    }
}

static void append(char *text, const char *part)
{
    size_t used = strlen(text);
    snprintf(text + used, TEXT_SIZE - used, "%s%s", used ? ", " : "", part);
}

static void describe_record(const struct setup_question *q, const struct record *record, char *text)
{
    char part[DNS_NAME_MAX + 32] = "";
    if (q->type == RECORD_MX)
        snprintf(part, sizeof part, "%u %s", record->preference, record->data);
    else if (q->type == RECORD_PTR)
        snprintf(part, sizeof part, "%s", record->data);
    else
        inet_ntop(q->type == RECORD_A ? AF_INET : AF_INET6, record->data, part, sizeof part);
    append(text, part);
}

/* An MX should lead to us; it is no fault where another server hands the mail on. */
static bool is_fine(const struct setup_question *q, const char *hostname)
{
    if (!q->answer || q->answer->status != DNS_RECORDS)
        return false;
    bool found = q->type != RECORD_MX;
    for (size_t i = 0; i < q->answer->count && !found; i++)
        found = strcasecmp(q->answer->records[i].data, hostname) == 0;
    return found;
}

static void write_one(struct json *json, const struct setup_question *q, const char *hostname)
{
    static const char *const types[] = {
        [RECORD_A] = "A", [RECORD_MX] = "MX", [RECORD_AAAA] = "AAAA"};
    char text[TEXT_SIZE] = "";
    bool answered = q->answer && q->answer->status != DNS_FAILED;
    for (size_t i = 0; answered && i < q->answer->count; i++)
        describe_record(q, &q->answer->records[i], text);
    json_begin_object(json);
    json_pair(json, "name", q->name);
    json_pair(json, "type", types[q->type]);
    json_pair_boolean(json, "ok", is_fine(q, hostname));
    json_pair(json, "now", !answered ? "no answer" : *text ? text : "not there");
    json_end_object(json);
}

static void respond(struct request *request, const struct look_up *l)
{
    struct json *json = response_json(request);
    if (!json)
        return;
    json_begin_object(json);
    json_key(json, "records");
    json_begin_array(json);
    for (size_t i = 0; i < l->count; i++)
        write_one(json, &l->questions[i], request->config->hostname);
    json_end_array(json);
    json_end_object(json);
}

void api_dns(struct request *request)
{
    const struct config *config = request->config;
    struct look_up *l = calloc(1, sizeof *l);
    struct error err = {""};
    if (!l || uv_loop_init(&l->loop) != 0) {
        free(l);
        response_error(request, 503, "out of memory");
        return;
    }
    if (dns_open(&l->loop, &config->dns, &l->dns, &err) == 0) {
        add(l, config->hostname, RECORD_A, NULL);
        add(l, config->hostname, RECORD_AAAA, NULL);
        for (size_t i = 0; i < config->smtp.domain_count; i++)
            if (config->smtp.domains[i][0] != '*' && config->smtp.domains[i][0] != '[')
                add(l, config->smtp.domains[i], RECORD_MX, config->smtp.domains[i]);
        ask_all(l);
        if (l->waiting > 0)
            uv_run(&l->loop, UV_RUN_DEFAULT);
        dns_close(l->dns);
        respond(request, l);
    } else {
        response_error(request, 503, "%s", err.text);
    }
    uv_run(&l->loop, UV_RUN_DEFAULT); /* handles close */
    uv_loop_close(&l->loop);
    for (size_t i = 0; i < l->count; i++)
        dns_answer_unref(l->questions[i].answer);
    free(l);
}
