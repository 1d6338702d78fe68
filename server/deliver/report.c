#include "report.h"

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/redact.h"

/* What was tried: a POST to a URL, or mail to an address by a server, whose reply says under what
 * name it has the mail now. */
static void log_mail(const struct delivery *delivery, const struct attempt_result *result,
                     enum outcome outcome, int64_t pause_ms)
{
    const char *to = delivery->destination.url;
    if (result->in_clear)
        log_warn("tls-failed", delivery->id, LOG_TEXT("to", to), LOG_TEXT("server", result->server),
                 LOG_TEXT("then", "tried in clear (forward.tls_fallback)"));
    if (outcome == OUTCOME_DELIVERED)
        log_held("delivered", delivery->id, LOG_TEXT("to", to),
                 LOG_TEXT("sender", delivery->mail_from), LOG_TEXT("server", result->server),
                 LOG_NUMBER("ms", result->elapsed_ms), LOG_NUMBER("attempt", delivery->attempts),
                 LOG_TEXT("reply", result->error));
    else if (outcome == OUTCOME_RETRY)
        log_warn("retry", delivery->id, LOG_TEXT("to", to), LOG_TEXT("server", result->server),
                 LOG_NUMBER("ms", result->elapsed_ms), LOG_NUMBER("attempt", delivery->attempts),
                 LOG_NUMBER("next_ms", pause_ms), LOG_TEXT("error", result->error));
    else
        log_error("undelivered", delivery->id, LOG_TEXT("to", to),
                  LOG_TEXT("sender", delivery->mail_from), LOG_TEXT("server", result->server),
                  LOG_NUMBER("ms", result->elapsed_ms), LOG_NUMBER("attempt", delivery->attempts),
                  LOG_TEXT("error", result->error));
}

void report_log(const struct delivery *delivery, const struct attempt_result *result,
                enum outcome outcome, int64_t pause_ms)
{
    char url[REDACT_SIZE];
    if (destination_is_mail(&delivery->destination)) {
        log_mail(delivery, result, outcome, pause_ms);
        return;
    }
    redact_url(delivery->destination.url, url);
    if (result->repeated)
        log_info("repeated", delivery->id, LOG_TEXT("url", url),
                 LOG_TEXT("reason", "its connection ended before an answer"));
    if (result->unfinished)
        log_info("answered-early", delivery->id, LOG_TEXT("url", url),
                 LOG_NUMBER("status", result->status), LOG_TEXT("how", result->error));
    if (outcome == OUTCOME_DELIVERED)
        log_held("delivered", delivery->id, LOG_TEXT("url", url),
                 LOG_NUMBER("status", result->status), LOG_NUMBER("ms", result->elapsed_ms),
                 LOG_NUMBER("attempt", delivery->attempts));
    else if (outcome == OUTCOME_RETRY)
        log_warn("retry", delivery->id, LOG_TEXT("url", url), LOG_NUMBER("status", result->status),
                 LOG_NUMBER("ms", result->elapsed_ms), LOG_NUMBER("attempt", delivery->attempts),
                 LOG_NUMBER("next_ms", pause_ms), LOG_TEXT("error", result->error));
    else
        log_error("undelivered", delivery->id, LOG_TEXT("url", url),
                  LOG_NUMBER("status", result->status), LOG_NUMBER("ms", result->elapsed_ms),
                  LOG_NUMBER("attempt", delivery->attempts), LOG_TEXT("error", result->error));
}

void report_note(struct delivery *delivery, const struct attempt_result *result)
{
    delivery->last_status = result->status;
    delivery->last_error = "";
    delivery->last_at_ms = clock_unix_ms() - result->elapsed_ms;
    delivery->last_ms = result->elapsed_ms;
    delivery->last_reply = NULL;
    delivery->last_reply_size = 0;
    if (result->status >= 200 && result->status < 300)
        return;
    const char *error = arena_strdup(delivery->arena, result->error);
    if (error)
        delivery->last_error = error;
    delivery->last_reply = arena_strndup(delivery->arena, result->reply, result->reply_size);
    if (delivery->last_reply)
        delivery->last_reply_size = result->reply_size;
}
