#include "result_class.h"

#define HTTP_GONE        410
#define HTTP_TOO_MANY    429
#define HTTP_UNAVAILABLE 503
#define SMTP_CLOSING     421 /* RFC 5321 section 3.8: in answer to any command */

static enum result_class of_http(const struct attempt_result *result)
{
    int status = result->status;
    if (status == 0)
        return result->sent || result->broken ? RESULT_FAILING : RESULT_UNREACHED;
    if (status == HTTP_TOO_MANY || (status == HTTP_UNAVAILABLE && result->retry_after_ms > 0))
        return RESULT_SLOW_DOWN;
    if (status == HTTP_GONE)
        return RESULT_GONE;
    return status >= 500 ? RESULT_FAILING : RESULT_REFUSED;
}

/* A 5xx is final (RFC 5321 section 4.2.1), but one about us or about the server, which somebody may
 * put right. */
static enum result_class of_smtp(const struct attempt_result *result)
{
    int status = result->status;
    if (status == 0 || (status >= 300 && (result->early || status == SMTP_CLOSING)))
        return RESULT_UNREACHED;
    return status >= 500 ? RESULT_FINAL : RESULT_REFUSED;
}

enum result_class result_class_of(const struct attempt_result *result)
{
    if (result->status >= 200 && result->status < 300)
        return RESULT_DELIVERED;
    if (result->hopeless)
        return RESULT_FINAL;
    if (result->ours)
        return RESULT_OURS;
    return result->protocol == PROTOCOL_SMTP ? of_smtp(result) : of_http(result);
}

bool result_class_costs(enum result_class class, enum protocol protocol)
{
    if (class == RESULT_SLOW_DOWN)
        return false;
    return protocol == PROTOCOL_SMTP || class != RESULT_UNREACHED;
}
