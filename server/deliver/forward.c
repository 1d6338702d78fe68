#include "forward.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/domain.h"
#include "mx.h"
#include "reference.h"
#include "smtp.h"

struct forward {
    struct attempt attempt; /* first */
    struct smtp_request request;
    struct senders *senders;
    struct config *config;
    struct delivery *delivery; /* not to be touched once cancelled */
    attempt_done done;
    void *context;
    struct mx mx;       /* without a smarthost */
    bool sending;       /* DNS has said all */
    size_t target;      /* of the MX: which one is being tried */
    int64_t elapsed_ms; /* of those before */
    char url[DNS_NAME_MAX + 16];
    char *from, *to; /* copies, since the delivery may go while a thread sends */
    char password[REFERENCE_SIZE];
};

static void forward_free(struct forward *f)
{
    OPENSSL_cleanse(f->password, sizeof f->password);
    payload_free(f->request.payload);
    config_unref(f->config);
    free(f->from);
    free(f->to);
    free(f);
}

static int send_to_target(struct forward *f);

static struct forward *forward_of(struct smtp_request *request)
{
    return (struct forward *)((char *)request - offsetof(struct forward, request));
}

/* The server could not be reached, or would not hear of anything: another one may. */
static bool is_another_worth(const struct forward *f)
{
    const struct attempt_result *result = &f->request.result;
    return f->target + 1 < f->mx.target_count && (result->status == 0 || result->early) &&
           !result->starved;
}

static void on_done(struct smtp_request *request)
{
    struct forward *f = forward_of(request);
    f->elapsed_ms += request->result.elapsed_ms;
    if (is_another_worth(f)) {
        f->target++;
        if (send_to_target(f) == 0)
            return;
    }
    request->result.elapsed_ms = f->elapsed_ms;
    f->done(f->context, f->delivery, &request->result);
    forward_free(f);
}

static void on_release(struct smtp_request *request)
{
    forward_free(forward_of(request));
}

static void cancel(struct attempt *attempt)
{
    struct forward *f = (struct forward *)attempt;
    if (!f->sending) {
        mx_forget(&f->mx);
        forward_free(f);
        return;
    }
    smtp_cancel(f->senders->smtp, &f->request);
}

/* What is the same for every server that is tried. */
static void fill_request(struct forward *f)
{
    const struct forward_config *forward = &f->config->forward;
    const struct deliver_config *deliver = &f->config->deliver;
    struct smtp_request *r = &f->request;
    r->helo = forward->helo ? forward->helo : f->config->hostname;
    r->from = f->from;
    r->to = f->to;
    r->payload = payload_ref(f->delivery->payload);
    r->tls = forward->tls;
    r->tls_fallback = forward->tls_fallback;
    r->ca_file = deliver->ca_file;
    r->source_address = deliver->source_address;
    r->deny_private = deliver->deny_private;
    r->connect_timeout_ms = deliver->connect_timeout_ms;
    r->reply_timeout_ms = forward->timeout_ms;
    r->timeout_ms = f->delivery->destination.timeout_ms;
    r->done = on_done;
    r->release = on_release;
}

/* Read for each attempt: a file that is changed counts at once, and it is a small one. */
static int read_password(struct forward *f, struct error *err)
{
    const struct forward_config *forward = &f->config->forward;
    if (!forward->user)
        return 0;
    f->request.user = forward->user;
    return reference_read(forward->password, f->password, &f->request.password, err);
}

/* It is the operator's to put right, so the message is kept and tried again. */
static int fail(struct forward *f, const char *what, const struct error *err)
{
    struct attempt_result *result = &f->request.result;
    *result = (struct attempt_result){.ours = true};
    f->sending = true;
    snprintf(result->error, sizeof result->error, "%s: %.250s", what, err->text);
    smtp_answer(f->senders->smtp, &f->request);
    return 0;
}

static int send_to_target(struct forward *f)
{
    const struct mx_target *target = &f->mx.targets[f->target];
    snprintf(f->url, sizeof f->url, "smtp://%s:%d", f->mx.hosts[target->host].name,
             f->config->forward.mx_port);
    f->request.url = f->url;
    f->request.address = target->address;
    return smtp_send(f->senders->smtp, &f->request);
}

static void on_mx(struct mx *mx)
{
    struct forward *f = (struct forward *)((char *)mx - offsetof(struct forward, mx));
    struct attempt_result *result = &f->request.result;
    f->sending = true;
    if (mx->target_count > 0 && send_to_target(f) == 0)
        return;
    *result = (struct attempt_result){.hopeless = mx->final};
    result->ours = result->starved = mx->target_count > 0;
    snprintf(result->error, sizeof result->error, "%s",
             mx->target_count > 0 ? "no thread can be had" : mx->error);
    smtp_answer(f->senders->smtp, &f->request);
}

static int find_mx(struct forward *f)
{
    struct senders *senders = f->senders;
    struct error err = {""};
    if (!senders->dns && dns_open(senders->loop, &f->config->dns, &senders->dns, &err) != 0)
        return fail(f, "dns", &err);
    f->mx.done = on_mx;
    mx_find(&f->mx, senders->dns, strrchr(f->to, '@') + 1, f->config->hostname);
    return 0;
}

static int send_to_smarthost(struct forward *f)
{
    f->sending = true;
    f->request.url = f->config->forward.smarthost;
    return smtp_send(f->senders->smtp, &f->request);
}

static int begin(struct forward *f)
{
    struct error err = {""};
    if (!f->config->forward.smarthost)
        return find_mx(f);
    if (read_password(f, &err) != 0)
        return fail(f, "forward.password", &err);
    return send_to_smarthost(f);
}

#define ADDRESS_SIZE 1024 /* more than a destination may have */

struct attempt *forward_start(struct senders *senders, struct config *config,
                              struct delivery *delivery, attempt_done done, void *context)
{
    char to[ADDRESS_SIZE];
    struct forward *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->attempt.cancel = cancel;
    f->senders = senders;
    f->config = config_ref(config);
    f->delivery = delivery;
    f->done = done;
    f->context = context;
    f->from = strdup(delivery->mail_from ? delivery->mail_from : "");
    bool fits = domain_address_to_ascii(delivery->destination.url, to, sizeof to);
    f->to = strdup(fits ? to : delivery->destination.url);
    if (f->from && f->to) {
        fill_request(f);
        if (begin(f) == 0)
            return &f->attempt;
    }
    forward_free(f);
    return NULL;
}
