#include "traceparent.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "../base/id.h"

#define TRACE_BYTES 16
#define SPAN_BYTES  8

static EVP_MD *sha256;
static pthread_once_t fetched = PTHREAD_ONCE_INIT;

static void fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256",
                          NULL); /* for the life of the process: SHA256() fetches it each time */
}

/* All zeros would be no id. */
static void put_hash(char *hex, const char *text, size_t bytes)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[EVP_MAX_MD_SIZE] = {0};
    unsigned char any = 0;
    pthread_once(&fetched, fetch);
    if (sha256)
        EVP_Digest(text, strlen(text), hash, NULL, sha256, NULL);
    for (size_t i = 0; i < bytes; i++)
        any |= hash[i];
    if (!any)
        hash[bytes - 1] = 1;
    for (size_t i = 0; i < bytes; i++) {
        *hex++ = digits[hash[i] >> 4];
        *hex++ = digits[hash[i] & 15];
    }
    *hex = 0;
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
