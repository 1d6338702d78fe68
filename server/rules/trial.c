#include "trial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../auth/format.h"
#include "../base/clock.h"
#include "../mail/payload.h"

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
    verdict_free(trial->verdict);
    header_list_free(&trial->before);
    message_free(trial->message);
    transaction_free(trial->transaction);
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
    const struct message *message = trial->message;
    struct envelope *to = &trial->transaction->envelope;
    const char *sender = from->sender ? from->sender : first_address(&message->from);
    const char *recipient = from->recipient ? from->recipient : first_address(&message->to);
    to->tls = from->tls;
    to->client_name = from->client_name;
    snprintf(to->client_ip, sizeof to->client_ip, "%s",
             from->client_ip ? from->client_ip : "127.0.0.1");
    int code = transaction_set_sender(trial->transaction, sender);
    if (code == 0)
        code = transaction_add_recipient(trial->transaction, recipient);
    if (code == 0)
        code = set_text(&to->helo, from->helo ? from->helo : "localhost");
    if (code == 0 && from->user)
        code = set_text(&to->user, from->user);
    return code;
}

const char *trial_recipient(const struct trial *trial)
{
    return trial->transaction->envelope.recipients[0];
}

static const char *domain_of(const char *address)
{
    const char *at = strrchr(address, '@');
    return at ? at + 1 : "";
}

/* As the server would say it: in the fields that it adds, too. */
static int add_auth(struct trial *trial, struct auth_result *auth, const char *hostname)
{
    struct envelope *envelope = &trial->transaction->envelope;
    const char *author = domain_of(first_address(&trial->message->from));
    if (!*auth->spf.domain) {
        auth->spf.helo = !*envelope->sender;
        auth->spf.domain = auth->spf.helo ? envelope->helo : domain_of(envelope->sender);
    }
    for (size_t i = 0; i < auth->dkim_count; i++)
        if (!*auth->dkim[i].domain)
            auth->dkim[i].domain = author;
    if (!*auth->dmarc.domain)
        auth->dmarc.domain = author;
    if (auth->iprev.code == AUTH_NONE && envelope->client_name)
        auth->iprev.code = AUTH_PASS;
    if (auth->iprev.code == AUTH_PASS)
        auth->iprev.name = envelope->client_name;
    struct format_input input = {hostname, envelope->client_ip, envelope->helo};
    int code = format_result(auth, &input);
    envelope->received_spf = auth->received_spf;
    envelope->authentication_results = auth->authentication_results;
    trial->transaction->auth = auth;
    return code;
}

static int run(struct trial *trial, struct ruleset *ruleset, const struct trial_envelope *envelope)
{
    char hostname[256] = "";
    gethostname(hostname, sizeof hostname - 1);
    int code = fill_envelope(trial, envelope);
    if (code == 0 && envelope->auth)
        code = add_auth(trial, envelope->auth, hostname);
    struct receiver receiver = ruleset_receiver(ruleset, hostname);
    if (code == 0)
        code =
            payload_headers(trial->message, &trial->transaction->envelope, trial_recipient(trial),
                            &receiver, trial->message->arena, &trial->before);
    if (code != 0)
        return code;
    struct rules_input input = {trial->message, trial->transaction, trial_recipient(trial),
                                &trial->before, add_step,           trial};
    return ruleset_run(ruleset, 0, &input, &trial->verdict);
}

int trial_run(struct ruleset *ruleset, struct spill *data, const struct trial_envelope *envelope,
              struct trial **out, struct error *err)
{
    struct trial *trial = calloc(1, sizeof *trial);
    if (!trial)
        return error_set(err, -ENOMEM, "not enough memory");
    trial->transaction = transaction_new("trial", NULL, NULL);
    int code = trial->transaction ? 0 : -ENOMEM;
    if (code == 0)
        code = message_parse(data, clock_unix_ms() / 1000, &trial->message, err);
    if (code == 0)
        code = run(trial, ruleset, envelope);
    if (code != 0) {
        trial_free(trial);
        return error_set(err, code, "%s", strerror(-code));
    }
    *out = trial;
    return 0;
}

int trial_reply(const struct trial *trial, char *text, size_t size)
{
    const struct verdict *verdict = trial->verdict;
    const char *given = verdict->text && *verdict->text ? verdict->text : NULL;
    switch (verdict->kind) {
    case VERDICT_DELIVER:
    case VERDICT_DISCARD: snprintf(text, size, "accepted"); return 250;
    case VERDICT_DEFER: snprintf(text, size, "%s", given ? given : "try again later"); return 451;
    case VERDICT_REJECT:
        snprintf(text, size, "%s", given ? given : "refused");
        return verdict->enhanced ? 554 : 550;
    case VERDICT_NO_MATCH: break;
    }
    snprintf(text, size, "no such recipient");
    return 550;
}
