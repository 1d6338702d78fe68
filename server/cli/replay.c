/* One delivery of a replay: sent by this process, counted, and told of. */
#include "replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../base/redact.h"
#include "../deliver/attempt.h"
#include "../history/target.h"
#include "../mail/json.h"
#include "pretty.h"
#include "queue.h"

int replay_print_json(const char *id, const char *outcome, const struct attempt_result *result,
                      const char *why)
{
    struct queue_json *document = queue_json_new();
    if (!document)
        return -ENOMEM;
    struct json *json = queue_json_writer(document);
    json_begin_object(json);
    json_pair(json, "id", id);
    json_pair(json, "outcome", outcome);
    json_pair_number(json, "status", result ? result->status : 0);
    json_pair_number(json, "ms", result ? result->elapsed_ms : 0);
    json_pair(json, "error", why && *why ? why : NULL);
    json_end_object(json);
    return queue_json_print(document);
}

static void report(const struct delivery *d, const struct attempt_result *result)
{
    char url[REDACT_SIZE];
    redact_url(d->destination.url, url);
    printf("%s %s ", d->id, url);
    if (result->status)
        printf("%d in %" PRId64 " ms", result->status, result->elapsed_ms);
    else
        printf("no answer after %" PRId64 " ms: ", result->elapsed_ms);
    if (!result->status)
        pretty_text(result->error);
    putchar('\n');
}

void replay_end_if_done(struct replay *r)
{
    if (r->next > 0 || r->in_flight > 0)
        return;
    uv_timer_stop(&r->pace);
    uv_stop(&r->loop);
}

static void sent(void *context, struct delivery *d, const struct attempt_result *result)
{
    struct replay *r = context;
    bool fine = result->status >= 200 && result->status < 300;
    r->in_flight--;
    r->delivered += fine;
    r->failed += !fine;
    if (r->options->json)
        replay_print_json(d->id, fine ? "delivered" : "failed", result,
                          result->status ? NULL : result->error);
    else
        report(d, result);
    delivery_free(d);
    replay_end_if_done(r);
}

static int make_delivery(struct replay *r, const struct item *item, struct delivery **out)
{
    char id[ID_SIZE];
    struct destination to;
    struct spill *bytes = NULL;
    snprintf(id, sizeof id, "%s", item->id);
    if (r->options->new_id)
        id_new(id);
    struct delivery *d = delivery_new(id);
    int code = d ? history_target_read(d->arena, item->target, &to) : -ENOMEM;
    if (code == 0 && r->options->to)
        to = (struct destination){.url = r->options->to};
    if (code == 0)
        code = delivery_set_destination(d, &to);
    if (code == 0)
        code = r->reader->ops->body(r->reader->store, item->body, &bytes);
    if (code == 0) {
        d->payload = payload_new(bytes, NULL);
        d->sender = arena_strdup(d->arena, item->sender);
        d->recipient = arena_strdup(d->arena, item->recipient);
        if (!d->payload)
            spill_free(bytes);
        code = d->payload && d->sender && d->recipient ? 0 : -ENOMEM;
    }
    if (code != 0)
        delivery_free(d);
    else
        *out = d;
    return code;
}

static void not_begun(struct replay *r, const char *id, int code)
{
    r->failed++;
    if (r->options->json)
        replay_print_json(id, "not sent", NULL, strerror(-code));
    else
        printf("%s not sent: %s\n", id, strerror(-code));
}

void replay_send(struct replay *r, struct delivery *d)
{
    r->in_flight++;
    if (attempt_start(r->senders, r->reader->config, d, sent, r))
        return;
    r->in_flight--;
    not_begun(r, d->id, -ENOMEM);
    delivery_free(d);
}

void replay_begin(struct replay *r, const struct item *item)
{
    struct delivery *d = NULL;
    int code = make_delivery(r, item, &d);
    if (code != 0) {
        not_begun(r, item->id, code);
        return;
    }
    r->begun++;
    replay_send(r, d);
}
