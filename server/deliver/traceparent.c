#include "traceparent.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "../base/ascii.h"
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

    unsigned char hash[EVP_MAX_MD_SIZE] = {0};
    unsigned char any = 0;
    pthread_once(&fetched, fetch);
    if (sha256)
        EVP_Digest(text, strlen(text), hash, NULL, sha256, NULL);
    for (size_t i = 0; i < bytes; i++)
        any |= hash[i];
    if (!any)
        hash[bytes - 1] = 1;
    hex_write(hex, hash, bytes);
}

void traceparent_write(char header[TRACEPARENT_SIZE], const char *delivery_id, unsigned attempt)
{
    char trace[2 * TRACE_BYTES + 1], span[2 * SPAN_BYTES + 1], text[ID_SIZE + 16];
    size_t message;
    id_number(delivery_id, &message);
    snprintf(text, sizeof text, "%.*s", message ? (int)message : ID_SIZE, delivery_id);
    put_hash(trace, text, TRACE_BYTES);
    snprintf(text, sizeof text, "%s/%u", delivery_id, attempt);
    put_hash(span, text, SPAN_BYTES);
    snprintf(header, TRACEPARENT_SIZE, "traceparent: 00-%s-%s-01", trace, span);
}
