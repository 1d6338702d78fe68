#include "attempt.h"

#include <errno.h>
#include <stdlib.h>

#include "http.h"
#include "../dns/dns.h"
#include "forward.h"
#include "multi.h"
#include "post.h"
#include "smtp.h"

int senders_new(uv_loop_t *loop, struct senders **out)
{
    struct senders *senders = calloc(1, sizeof *senders);
    if (!senders)
        return -ENOMEM;
    senders->loop = loop;
    int code = multi_new(loop, &senders->multi);
    if (code == 0)
        code = http_new(loop, senders->multi, &senders->http);
    if (code == 0)
        code = smtp_new(loop, &senders->smtp);
    if (code == 0)
        *out = senders;
    else
        senders_free(senders);
    return code;
}

void senders_keep(struct senders *senders, size_t connections)
{
    multi_keep(senders->multi, connections);
}

void senders_free(struct senders *senders)
{
    if (!senders)
        return;
    smtp_free(senders->smtp);
    dns_close(senders->dns);
    http_free(senders->http);
    multi_free(senders->multi);
    free(senders);
}

struct attempt *attempt_start(struct senders *senders, struct config *config,
                              struct delivery *delivery, attempt_done done, void *context)
{
    return destination_is_mail(&delivery->destination)
               ? forward_start(senders, config, delivery, done, context)
               : post_start(senders, config, delivery, done, context);
}

void attempt_cancel(struct attempt *attempt)
{
    attempt->cancel(attempt);
}
