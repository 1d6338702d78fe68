/* What if: which of the messages of the history would go elsewhere with a rule that is not saved. */
#include <errno.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../history/elsewhere.h"
#include "../history/json.h"
#include "../trial.h"
#include "request.h"
#include "rule_files.h"

#define MESSAGES_DEFAULT 1000
#define MESSAGES_MAX     20000
#define DIFFERENT_MAX    200   /* that are told; all are counted */
#define TIME_MAX_MS      15000 /* then what was looked at so far is the answer */

struct what_if {
    struct request *request;
    struct json *json;
    struct ruleset *rules;
    const struct history_ops *ops;
    struct history_store *store;
    int64_t ends_ms;
    int64_t messages, recipients, different, not_kept;
    bool cut; /* time was up */
    struct error err;
};

static void write_different(struct what_if *w, const struct history_message *m,
                            const char *recipient, const struct verdict *v)
{
    struct json *json = w->json;
    json_begin_object(json);
    json_pair(json, "subject", m->subject);
    history_json_elsewhere(json, m, recipient, v);
    playground_put_destinations(json, "after", v);
    json_end_object(json);
}

static int ask_for(struct what_if *w, const struct history_message *m, struct spill *data,
                   const char *recipient)
{
    struct trial_envelope envelope = trial_envelope_of(m, recipient);
    struct trial *trial = NULL;
    int code = trial_run(w->request->config, w->rules, data, &envelope, &trial, &w->err);
    if (code != 0)
        return code;
    w->recipients++;
    if (history_goes_elsewhere(m, recipient, trial->verdict) && w->different++ < DIFFERENT_MAX)
        write_different(w, m, recipient, trial->verdict);
    trial_free(trial);
    return 0;
}

static int ask(void *context, const struct history_message *m)
{
    struct what_if *w = context;
    struct spill *data = NULL;
    if (clock_monotonic_ms() > w->ends_ms || atomic_load(&w->request->admin->ended)) {
        w->cut = true;
        return 1;
    }
    if (m->body == 0) {
        w->not_kept++;
        return 0;
    }
    w->messages++;
    int code = w->ops->body(w->store, m->body, &data);
    for (size_t i = 0; i < m->recipient_count && code == 0; i++)
        code = ask_for(w, m, data, m->recipients[i].address);
    spill_free(data);
    return code;
}

static void respond(struct what_if *w, struct lua_State *L)
{
    int64_t limit = MESSAGES_DEFAULT;
    struct history_filter filter = {.sender = body_text(L, "sender"),
                                    .recipient = body_text(L, "recipient")};
    if (!body_number(L, "limit", 1, MESSAGES_MAX, &limit) ||
        !body_number(L, "since", 0, INT64_MAX, &filter.since_ms) ||
        !body_number(L, "until", 0, INT64_MAX, &filter.until_ms)) {
        response_error(w->request, 400, "limit: 1 to %d; since, until: milliseconds", MESSAGES_MAX);
        return;
    }
    filter.limit = (unsigned)limit;
    struct json *json = w->json = response_json(w->request);
    if (!json)
        return;
    json_begin_object(json);
    json_key(json, "list");
    json_begin_array(json);
    int code = w->ops->list(w->store, &filter, ask, w);
    json_end_array(json);
    json_pair_number(json, "messages", w->messages);
    json_pair_number(json, "recipients", w->recipients);
    json_pair_number(json, "different", w->different);
    json_pair_number(json, "not_kept", w->not_kept);
    json_pair_boolean(json, "cut", w->cut);
    json_end_object(json);
    if (code < 0)
        response_error(w->request, 503, "%s", *w->err.text ? w->err.text : w->ops->error(w->store));
}

void api_what_if(struct request *request)
{
    struct what_if w = {.request = request, .ends_ms = clock_monotonic_ms() + TIME_MAX_MS};
    struct playground playground;
    struct lua_State *L = request_body(request);
    if (!L)
        return;
    if (playground_begin(request, L, &playground) && (w.store = request_history(request, &w.ops))) {
        w.rules = playground.rules;
        respond(&w, L);
        w.ops->close(w.store);
    }
    playground_end(&playground);
    lua_close(L);
}
