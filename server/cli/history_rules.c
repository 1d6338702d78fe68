/* mxhook history replay --through-rules --dry-run: where what was kept would go by the rules of today. */
#include <stdio.h>
#include <string.h>

#include "../history/elsewhere.h"
#include "../history/walk.h"
#include "../base/redact.h"
#include "../mail/json.h"
#include "../trial.h"
#include "pretty.h"
#include "queue.h"
#include "replay.h"

/* ---- Through the rules ---- */

struct ruling {
    struct replay *replay;
    size_t same, different;
};

static void print_before(const struct history_message *m, const char *recipient)
{
    for (size_t i = 0; i < m->delivery_count; i++)
        if (history_is_for(&m->deliveries[i], recipient)) {
            fputs("  - ", stdout);
            pretty_text(m->deliveries[i].destination);
            putchar('\n');
        }
}

static void print_json(const struct history_message *m, const char *recipient,
                       const struct verdict *v)
{
    struct queue_json *document = queue_json_new();
    if (!document)
        return;
    struct json *json = queue_json_writer(document);
    json_begin_object(json);
    history_json_elsewhere(json, m, recipient, v);
    json_key(json, "destinations");
    json_begin_array(json);
    for (size_t i = 0; i < v->destination_count; i++) {
        char url[REDACT_SIZE];
        redact_url(v->destinations[i].url, url);
        json_text(json, url);
    }
    json_end_array(json);
    json_end_object(json);
    queue_json_print(document);
}

/* Where it would go now, if that is elsewhere. */
static void compare(struct ruling *ruling, const struct history_message *m, const char *recipient,
                    const struct verdict *v)
{
    if (!history_goes_elsewhere(m, recipient, v)) {
        ruling->same++;
        return;
    }
    ruling->different++;
    if (ruling->replay->options->json) {
        print_json(m, recipient, v);
        return;
    }
    printf("%s ", m->id);
    pretty_text(recipient);
    printf(" %s by %s\n", verdict_name(v->kind), *v->rule ? v->rule : "no rule");
    print_before(m, recipient);
    for (size_t i = 0; i < v->destination_count; i++) {
        fputs("  + ", stdout);
        pretty_url(v->destinations[i].url);
        putchar('\n');
    }
}

static int rule_one(void *context, const struct history_message *m)
{
    struct ruling *ruling = context;
    struct replay *r = ruling->replay;
    struct spill *data = NULL;
    struct error err = {""};
    if (m->body == 0) {
        r->without_body++;
        return 0;
    }
    int code = r->reader->ops->body(r->reader->store, m->body, &data);
    for (size_t i = 0; i < m->recipient_count && code == 0; i++) {
        if (!reroute_wanted(&r->terms, m, m->recipients[i].address))
            continue;
        struct trial_envelope envelope = trial_envelope_of(m, m->recipients[i].address);
        struct trial *trial;
        code = trial_run(r->reader->config, r->rules, data, &envelope, &trial, &err);
        if (code == 0) {
            compare(ruling, m, m->recipients[i].address, trial->verdict);
            trial_free(trial);
        }
    }
    spill_free(data);
    return code;
}

int replay_compare(struct replay *r, struct error *err)
{
    struct ruling ruling = {.replay = r};
    int code = history_walk(r->reader->ops, r->reader->store, r->filter, rule_one, &ruling);
    if (code != 0)
        return error_set(err, code, "%s", r->reader->ops->error(r->reader->store));
    fprintf(
        stderr,
        "mxhook history: %zu would go elsewhere, %zu where they went; %zu messages were not kept\n",
        ruling.different, ruling.same, r->without_body);
    return code;
}
