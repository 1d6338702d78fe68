#include "processing.h"

#include <errno.h>
#include <stdlib.h>

#include "auth/auth.h"
#include "auth/policy.h"
#include "base/log.h"
#include "base/metrics.h"
#include "deliver/srs.h"
#include "mail/payload.h"
#include "outcome.h"
#include "rules/ruleset.h"
#include "scan/policy.h"

static void count_auth(const struct auth_result *auth)
{
    metric_add(METRIC_AUTH_RESULTS_TOTAL, 1, "spf", auth_code_name(auth->spf.code));
    for (size_t i = 0; i < auth->dkim_count; i++)
        metric_add(METRIC_AUTH_RESULTS_TOTAL, 1, "dkim", auth_code_name(auth->dkim[i].code));
    metric_add(METRIC_AUTH_RESULTS_TOTAL, 1, "dmarc", auth_code_name(auth->dmarc.code));
}

static int authenticate(struct processing *p)
{
    struct transaction *t = p->transaction;
    if (!t->check)
        return 0;
    int code = auth_conclude(t->check, &p->auth);
    if (code != 0)
        return code;
    count_auth(p->auth);
    t->auth = p->auth;
    t->envelope.received_spf = p->auth->received_spf;
    t->envelope.authentication_results = p->auth->authentication_results;
    t->envelope.client_name = p->auth->iprev.name;
    policy_log(t->id, &p->config->auth, p->auth);
    return 0;
}

static bool is_refused(const struct processing *p)
{
    struct transaction *t = p->transaction;
    return t->auth && policy_refuses(&p->config->auth, &t->envelope, t->auth, &t->reply);
}

static bool is_refused_by_scan(struct processing *p)
{
    struct transaction *t = p->transaction;
    t->envelope.scan = p->scan;
    if (!p->scan)
        return false;
    metric_add(METRIC_SCANS_TOTAL, 1, p->scan->error ? "error" : p->scan->action);
    scan_log(t->id, p->scan);
    return scan_refuses(&p->config->scan, p->scan, &t->reply);
}

static bool is_too_large(const struct processing *p)
{
    if (p->message->too_large)
        reply_set(&p->transaction->reply, 552, "5.3.4", MESSAGE_TOO_LARGE, HEADER_MAX_BYTES,
                  HEADER_MAX_FIELDS);
    return p->message->too_large;
}

struct receiver processing_receiver(const struct processing *p)
{
    struct receiver receiver = ruleset_receiver(p->transaction->rules, p->config->hostname);
    receiver.scans = p->config->scan.url_count > 0;
    receiver.scan = p->scan;
    return receiver;
}

/* Of a recipient's headers, as rules have set them so far; NULL: none. */
static size_t reshaped_bytes(const struct verdict *verdict)
{
    if (!verdict)
        return 0;
    bool has_list = verdict->waits && verdict->reshaped; /* it is counted there once it is whole */
    return verdict->reshaped_bytes +
           (has_list ? verdict->headers.count * sizeof *verdict->headers.items : 0);
}

static int run_rules_for(struct processing *p, size_t state, size_t index)
{
    struct transaction *t = p->transaction;
    struct rules_input input = {p->message,
                                t,
                                t->envelope.recipients[index],
                                &p->headers,
                                p->trace,
                                p->trace_context,
                                p->reshaped - reshaped_bytes(p->verdicts[index]),
                                &p->questions,
                                p->trial};
    provenance_address(&p->headers, input.recipient);
    int code = ruleset_run(t->rules, state, &input, &p->verdicts[index]);
    const struct verdict *verdict = code == 0 ? p->verdicts[index] : NULL;
    p->reshaped = input.reshaped_before + reshaped_bytes(p->verdicts[index]);
    if (verdict && p->spool && (!verdict->reshaped || verdict->kind != VERDICT_DELIVER))
        header_list_free(&p->verdicts[index]->headers); /* outgoing.c has it in p->headers */
    return code;
}

/* A bounce to a sender that we have rewritten passes no rules: *verdict is then set. */
static int reverse_bounce(struct processing *p, const char *recipient, struct verdict **verdict)
{
    char original[SRS_SIZE];
    const struct transaction *t = p->transaction;
    if (!t->bounce ||
        srs_reverse(&p->config->forward, recipient, t->received_ms / 1000, original) != SRS_VALID)
        return 0;
    *verdict = verdict_to(original, "srs");
    log_info("ruled", t->id, LOG_TEXT("recipient", recipient), LOG_TEXT("verdict", "deliver"),
             LOG_TEXT("rule", "srs"), LOG_TEXT("to", original));
    return *verdict ? 0 : -ENOMEM;
}

/* None yet, and the headers that each begins with. */
static int begin_verdicts(struct processing *p)
{
    const struct envelope *envelope = &p->transaction->envelope;
    struct receiver receiver = processing_receiver(p);
    p->verdicts = calloc(envelope->recipient_count, sizeof *p->verdicts);
    if (!p->verdicts)
        return -ENOMEM;
    return payload_headers(p->message, envelope, envelope->recipients[0], &receiver,
                           p->message->arena, &p->headers);
}

/* One recipient's; -EAGAIN where a rule has to wait. */
static int run_recipient(struct processing *p, size_t state, size_t index)
{
    int code = 0;
    p->recipient = index;
    if (!p->verdicts[index])
        code = reverse_bounce(p, p->transaction->envelope.recipients[index], &p->verdicts[index]);
    if (code == 0 && (!p->verdicts[index] || p->verdicts[index]->waits))
        code = run_rules_for(p, state, index);
    if (code == 0 && !p->trial)
        metric_add(METRIC_RECIPIENTS_TOTAL, 1, verdict_name(p->verdicts[index]->kind));
    return code;
}

/* Where a recipient's rule has to wait (-EAGAIN) the next recipients' are asked as well, so that all that they want to
 * know is asked at once; those that wait go on when it is called again. */
static int run_rules(struct processing *p, size_t state)
{
    const struct envelope *envelope = &p->transaction->envelope;
    size_t known = p->questions.count;
    int code = p->verdicts ? 0 : begin_verdicts(p);
    bool waits = false;
    for (size_t i = 0; i < envelope->recipient_count && code == 0; i++) {
        if (p->verdicts[i] && !p->verdicts[i]->waits)
            continue;
        if (waits && questions_open(&p->questions, known) >= QUESTIONS_AT_ONCE)
            break;
        code = run_recipient(p, state, i);
        waits = waits || code == -EAGAIN;
        code = code == -EAGAIN ? 0 : code;
    }
    return code == 0 && waits ? -EAGAIN : code;
}

/* *on: the rules are to be asked. */
static int begin(struct processing *p, bool *on)
{
    struct transaction *t = p->transaction;
    struct error err = {""};
    p->begun = true;
    p->at = "auth";
    int code = authenticate(p);
    if (code != 0 || is_refused(p))
        return code;
    if (is_refused_by_scan(p))
        return 0;
    p->at = "parse";
    if (!p->message)
        code = message_parse(t->data, t->received_ms / 1000, &p->message, &err);
    *on = code == 0 && !is_too_large(p);
    return code;
}

int processing_decide(struct processing *p, size_t state, bool *store)
{
    struct transaction *t = p->transaction;
    bool on = p->begun;
    *store = false;
    int code = p->begun ? 0 : begin(p, &on);
    if (!on)
        return code;
    p->at = "rules";
    code = run_rules(p, state);
    if (code != 0)
        return code;
    p->at = "render";
    p->outgoing = (struct outgoing){.config = p->config,
                                    .transaction = t,
                                    .message = p->message,
                                    .verdicts = p->verdicts,
                                    .headers = &p->headers,
                                    .spool = p->spool,
                                    .directory = p->directory};
    code = outgoing_check(&p->outgoing);
    return code == 0 ? outcome_decide(t, p->verdicts, store) : code;
}

int processing_render(struct processing *p)
{
    return outgoing_make(&p->outgoing);
}

void processing_end(struct processing *p)
{
    struct transaction *t = p->transaction;
    for (size_t i = 0; p->verdicts && i < t->envelope.recipient_count; i++)
        verdict_free(p->verdicts[i]);
    free(p->verdicts);
    questions_free(&p->questions);
    outgoing_free(&p->outgoing);
    header_list_free(&p->headers);
    message_free(p->message);
    auth_result_free(p->auth);
    t->envelope.scan = NULL;
    t->auth = NULL;
    t->envelope.received_spf = t->envelope.authentication_results = NULL;
    t->envelope.client_name = NULL;
}
