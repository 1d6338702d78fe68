#include "traceparent.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "../base/id.h"

#define TRACE_BYTES 16
#define SPAN_BYTES  8

/* All zeros would be no id. */
static void put_hash(char *hex, const char *text, size_t bytes)
{
    unsigned char hash[SHA256_DIGEST_LENGTH];
    unsigned char any = 0;
    SHA256((const unsigned char *)text, strlen(text), hash);
    for (size_t i = 0; i < bytes; i++)
        any |= hash[i];
    if (!any)
        hash[bytes - 1] = 1;
    for (size_t i = 0; i < bytes; i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
}

void traceparent_write(char header[TRACEPARENT_SIZE], const char *delivery_id, unsigned attempt)
{
    char trace[2 * TRACE_BYTES + 1], span[2 * SPAN_BYTES + 1], text[ID_SIZE + 16];
    const char *dash = strrchr(delivery_id, '-');
    int message = dash ? (int)(dash - delivery_id) : (int)strlen(delivery_id);
    snprintf(text, sizeof text, "%.*s", message, delivery_id);
    put_hash(trace, text, TRACE_BYTES);
    snprintf(text, sizeof text, "%s/%u", delivery_id, attempt);
    put_hash(span, text, SPAN_BYTES);
    snprintf(header, TRACEPARENT_SIZE, "traceparent: 00-%s-%s-01", trace, span);
}
