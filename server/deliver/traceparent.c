#include "traceparent.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "../base/id.h"
#include "../base/siphash.h"

#define DIGITS 16 /* of a hash */

/* Nothing is secret here: the keys only make three hashes of one function. They must stay as they are, or the attempts
 * of a message would be two traces after an update. */
static const uint64_t trace_high[2] = {0x7472616365, 1}, trace_low[2] = {0x7472616365, 2},
                      span_key[2] = {0x7370616e, 1};

/* All zeros would be no id. */
static void put_hash(char hex[DIGITS], const uint64_t key[2], const char *text, size_t size)
{
    uint64_t hash = siphash(key, text, size);
    if (hash == 0)
        hash = 1;
    for (int i = DIGITS; i-- > 0; hash >>= 4)
        hex[i] = "0123456789abcdef"[hash & 15];
}

void traceparent_write(char header[TRACEPARENT_SIZE], const char *delivery_id, unsigned attempt)
{
    static const char form[] =
        "traceparent: 00-TTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT-SSSSSSSSSSSSSSSS-01";
    char *trace = header + (strchr(form, 'T') - form), *span = header + (strchr(form, 'S') - form);
    char text[ID_SIZE + 16];
    const char *dash = strrchr(delivery_id, '-');
    size_t message = dash ? (size_t)(dash - delivery_id) : strlen(delivery_id);
    memcpy(header, form, sizeof form);
    put_hash(trace, trace_high, delivery_id, message);
    put_hash(trace + DIGITS, trace_low, delivery_id, message);
    int size = snprintf(text, sizeof text, "%s/%u", delivery_id, attempt);
    put_hash(span, span_key, text, (size_t)size);
}
