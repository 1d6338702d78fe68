#include "verdict.h"

#define HTTP_GONE        410
#define HTTP_TOO_MANY    429
#define HTTP_UNAVAILABLE 503
#define SMTP_CLOSING     421 /* RFC 5321 section 3.8: in answer to any command */

static enum verdict of_http(const struct attempt_result *result)
{
    int status = result->status;
    if (status == 0)
        return result->sent || result->broken ? VERDICT_FAILING : VERDICT_UNREACHED;
    if (status == HTTP_TOO_MANY || (status == HTTP_UNAVAILABLE && result->retry_after_ms > 0))
        return VERDICT_SLOW_DOWN;
    if (status == HTTP_GONE)
        return VERDICT_GONE;
    return status >= 500 ? VERDICT_FAILING : VERDICT_REFUSED;
}

/* A 5xx is final (RFC 5321 section 4.2.1), but one about us or about the server, which somebody may
 * put right. */
static enum verdict of_smtp(const struct attempt_result *result)
{
    int status = result->status;
    if (status == 0 || (status >= 300 && (result->early || status == SMTP_CLOSING)))
        return VERDICT_UNREACHED;
    return status >= 500 ? VERDICT_FINAL : VERDICT_REFUSED;
}

enum verdict verdict_of(const struct attempt_result *result)
{
    if (result->status >= 200 && result->status < 300)
        return VERDICT_DELIVERED;
    if (result->hopeless)
        return VERDICT_FINAL;
    if (result->ours)
        return VERDICT_OURS;
    return result->protocol == PROTOCOL_SMTP ? of_smtp(result) : of_http(result);
}

bool verdict_costs(enum verdict verdict, enum protocol protocol)
{
    if (verdict == VERDICT_SLOW_DOWN)
        return false;
    return protocol == PROTOCOL_SMTP || verdict != VERDICT_UNREACHED;
}
