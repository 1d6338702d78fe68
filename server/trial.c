#include "trial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/format.h"
#include "base/clock.h"
#include "base/spill.h"
#include "lookup/lookup.h"
#include "mail/payload.h"

static void add_step(void *context, const char *rule, const char *answer)
{
    struct trial *trial = context;
    struct trial_step *step = calloc(1, sizeof *step), **end = &trial->steps;
    if (!step)
        return;
    step->rule = strdup(rule);
    step->answer = strdup(answer);
    while (*end)
        end = &(*end)->next;
    *end = step;
}

void trial_free(struct trial *trial)
{
    if (!trial)
        return;
    while (trial->steps) {
        struct trial_step *step = trial->steps;
        trial->steps = step->next;
        free(step->rule);
        free(step->answer);
        free(step);
    }
    header_list_free(&trial->before);
    if (trial->processing.transaction)
        processing_end(&trial->processing);
    transaction_free(trial->processing.transaction);
    scan_result_free(trial->asked);
    auth_result_free(trial->auth);
    free(trial);
}

static const char *first_address(const struct mailbox_list *list)
{
    return list->count > 0 && list->items[0].email ? list->items[0].email : "";
}

static int set_text(char **to, const char *text)
{
    free(*to);
    *to = strdup(text);
    return *to ? 0 : -ENOMEM;
}

static int fill_envelope(struct trial *trial, const struct trial_envelope *from)
{
    const struct message *message = trial->processing.message;
    struct transaction *t = trial->processing.transaction;
    struct envelope *to = &t->envelope;
    const char *sender = from->sender ? from->sender : first_address(&message->from);
    const char *recipient = from->recipient ? from->recipient : first_address(&message->to);
    to->tls = from->tls;
    to->client_name = from->client_name;
    snprintf(to->client_ip, sizeof to->client_ip, "%s",
             from->client_ip ? from->client_ip : "127.0.0.1");
    int code = transaction_set_sender(t, sender);
    if (code == 0)
        code = transaction_add_recipient(t, recipient);
    if (code == 0)
        code = set_text(&to->helo, from->helo ? from->helo : "localhost");
    if (code == 0 && from->user)
        code = set_text(&to->user, from->user);
    return code;
}

const char *trial_recipient(const struct trial *trial)
{
    return trial->processing.transaction->envelope.recipients[0];
}

static const char *domain_of(const char *address)
{
    const char *at = strrchr(address, '@');
    return at ? at + 1 : "";
}

/* What is refused for these results, where the configuration asks for that. */
static void apply_policy(struct auth_result *auth, const struct auth_config *config)
{
    const char *policy = auth->dmarc.policy;
    auth->refuse = auth->dmarc.code == AUTH_FAIL && policy && strcmp(policy, "reject") == 0;
    for (size_t i = 0; i < auth->dnsbl_count; i++)
        for (size_t j = 0; j < config->dnsbl_count; j++)
            if (strcmp(auth->dnsbl[i].zone, config->dnsbl[j].zone) == 0)
                auth->dnsbl[i].refuse = config->dnsbl[j].refuse;
}

/* As the server would say it: in the fields that it adds, too. */
static int add_auth(struct trial *trial, struct auth_result *auth, const char *hostname)
{
    struct envelope *envelope = &trial->processing.transaction->envelope;
    const char *author = domain_of(first_address(&trial->processing.message->from));
    if (!*auth->spf.domain) {
        auth->spf.helo = !*envelope->sender;
        auth->spf.domain = auth->spf.helo ? envelope->helo : domain_of(envelope->sender);
    }
    for (size_t i = 0; i < auth->dkim_count; i++)
        if (!*auth->dkim[i].domain)
            auth->dkim[i].domain = author;
    if (!*auth->dmarc.domain)
        auth->dmarc.domain = author;
    apply_policy(auth, &trial->processing.config->auth);
    if (auth->iprev.code == AUTH_NONE && envelope->client_name)
        auth->iprev.code = AUTH_PASS;
    if (auth->iprev.code == AUTH_PASS)
        auth->iprev.name = envelope->client_name;
    struct format_input input = {hostname, envelope->client_ip, envelope->helo};
    int code = format_result(auth, &input);
    envelope->received_spf = auth->received_spf;
    envelope->authentication_results = auth->authentication_results;
    trial->processing.transaction->auth = auth;
    return code;
}

static int read_kept(struct trial *trial, const struct history_message *kept)
{
    struct auth_result *auth = trial->auth = auth_result_new();
    if (!auth || !(auth->dkim = arena_alloc(auth->arena, sizeof *auth->dkim)))
        return -ENOMEM;
    auth->dkim[0] =
        (struct dkim_result){.domain = "", .selector = "", .algorithm = "", .signature = ""};
    if (auth_code_parse(kept->spf, &auth->spf.code) && kept->dkim &&
        auth_code_parse(kept->dkim, &auth->dkim[0].code))
        auth->dkim_count = auth->dkim[0].code != AUTH_NONE;
    if (kept->dmarc)
        auth_code_parse(kept->dmarc, &auth->dmarc.code);
    return add_auth(trial, auth, trial->processing.config->hostname);
}

/* What the rules ask is waited for here. */
static int decide(struct processing *p, bool *store)
{
    int code;
    while ((code = processing_decide(p, 0, store)) == -EAGAIN)
        if ((code = lookup_wait(&p->questions)) != 0)
            break;
    return code;
}

static int run(struct trial *trial, struct spill *data, const struct trial_envelope *envelope)
{
    static const struct verdict refused = {.kind = VERDICT_REJECT, .text = "", .rule = ""};
    struct processing *p = &trial->processing;
    bool store;
    int code = fill_envelope(trial, envelope);
    if (code == 0 && envelope->auth)
        code = add_auth(trial, envelope->auth, p->config->hostname);
    else if (code == 0 && envelope->kept && envelope->kept->spf)
        code = read_kept(trial, envelope->kept);
    p->scan = envelope->scan;
    if (code == 0 && envelope->ask_scan) {
        p->transaction->data = data; /* lent */
        trial->asked = p->scan = envelope->ask_scan(p->config, p->transaction);
        p->transaction->data = NULL;
    }
    p->transaction->envelope.scan = p->scan;
    struct receiver receiver = processing_receiver(p);
    if (code == 0)
        code = payload_headers(p->message, &p->transaction->envelope, trial_recipient(trial),
                               &receiver, p->message->arena, &trial->before);
    if (envelope->answers) {
        p->questions = *envelope->answers;
        *envelope->answers = (struct questions){0};
    }
    if (code == 0)
        code = decide(p, &store);
    trial->verdict = p->verdicts ? p->verdicts[0] : &refused;
    return code;
}

static void release(struct ruleset *ruleset)
{
    ruleset_unref(ruleset);
}

static int begin(struct trial *trial, struct ruleset *ruleset, struct spill *data,
                 const struct trial_envelope *envelope, struct error *err)
{
    struct processing *p = &trial->processing;
    char id[ID_SIZE];
    id_new(id);
    p->transaction = transaction_new(envelope->id ? envelope->id : id, ruleset, release);
    if (!p->transaction)
        return -ENOMEM;
    ruleset_ref(ruleset);
    p->transaction->received_ms = envelope->received_ms ? envelope->received_ms : clock_unix_ms();
    p->directory = spill_temporary_directory();
    p->trace = add_step;
    p->trace_context = trial;
    p->trial = true;
    return message_parse(data, p->transaction->received_ms / 1000, &p->message, err);
}

struct trial_envelope trial_envelope_of(const struct history_message *m, const char *recipient)
{
    return (struct trial_envelope){.kept = m,
                                   .id = m->id,
                                   .received_ms = m->at_ms,
                                   .sender = m->sender ? m->sender : "",
                                   .recipient = recipient,
                                   .client_ip = m->client_ip,
                                   .client_name = m->client_name,
                                   .helo = m->helo,
                                   .user = m->user,
                                   .tls = m->tls};
}

int trial_run(struct config *config, struct ruleset *ruleset, struct spill *data,
              const struct trial_envelope *envelope, struct trial **out, struct error *err)
{
    struct trial *trial = calloc(1, sizeof *trial);
    if (!trial)
        return error_set(err, -ENOMEM, "not enough memory");
    trial->processing.config = config;
    int code = begin(trial, ruleset, data, envelope, err);
    if (code == 0)
        code = run(trial, data, envelope);
    if (code != 0) {
        trial_free(trial);
        return error_set(err, code, "%s", strerror(-code));
    }
    *out = trial;
    return 0;
}

const struct reply *trial_reply(const struct trial *trial)
{
    return &trial->processing.transaction->reply;
}
