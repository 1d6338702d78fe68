#include "policy.h"

#include <string.h>

#include "../base/log.h"

/* A reply is ASCII; what is not becomes "?". */
static void ascii(const char *text, char *out, size_t size)
{
    size_t used = 0;
    for (; *text && used < size - 1; text++)
        if (((unsigned char)*text & 0xc0) != 0x80)
            out[used++] = (unsigned char)*text < 0x80 ? *text : '?';
    out[used] = 0;
}

bool scan_refuses(const struct scan_config *config, const struct scan_result *result,
                  struct reply *reply)
{
    char text[300];
    if (result->error && config->defer)
        reply_set(reply, 451, "4.7.1", "The message cannot be scanned now, try again later");
    if (result->error || !config->refuse)
        return result->error && config->defer;
    ascii(result->message ? result->message : "", text, sizeof text);
    if (strcmp(result->action, "reject") == 0)
        reply_set(reply, 550, "5.7.1", "%s", *text ? text : "Refused as spam or a virus");
    else if (strcmp(result->action, "soft reject") == 0 || strcmp(result->action, "greylist") == 0)
        reply_set(reply, 451, "4.7.1", "%s", *text ? text : "Try again later");
    else
        return false;
    return true;
}

void scan_log(const char *id, const struct scan_result *r)
{
    char score[SCAN_SCORE_SIZE], required[SCAN_SCORE_SIZE];
    if (r->error) {
        log_warn("scan", id, LOG_TEXT("error", r->error));
        return;
    }
    struct log_field fields[8] = {LOG_TEXT("action", r->action),
                                  LOG_TEXT("score", scan_score_write(r->score, score)),
                                  LOG_TEXT("required", scan_score_write(r->required, required)),
                                  LOG_NUMBER("symbols", (int64_t)r->symbol_count)};
    if (r->virus)
        fields[4] = LOG_TEXT("virus", r->virus);
    log_write(LOG_INFO, "scan", id, fields);
}
