#include "traceparent.h"

#include <stdint.h>
#include <string.h>

#include "../base/ascii.h"
#include "../base/decimal.h"
#include "../base/id.h"
#include "../base/siphash.h"

#define DIGITS_SIZE 17 /* of a hash, with a NUL */

/* Nothing is secret here: the keys only make three hashes of one function. They must stay as they are, or the attempts
 * of a message would be two traces after an update. */
static const uint64_t trace_high[2] = {0x7472616365, 1}, trace_low[2] = {0x7472616365, 2},
                      span_key[2] = {0x7370616e, 1};

/* All zeros would be no id. */
static void put_hash(char hex[DIGITS_SIZE], const uint64_t key[2], const char *text, size_t size)
{
    uint64_t hash = siphash(key, text, size);
    unsigned char bytes[sizeof hash];
    if (hash == 0)
        hash = 1;
    for (size_t i = sizeof bytes; i-- > 0; hash >>= 8)
        bytes[i] = (unsigned char)hash;
    hex_write(hex, bytes, sizeof bytes);
}

void traceparent_write(char header[TRACEPARENT_SIZE], const char *delivery_id, unsigned attempt)
{
    char high[DIGITS_SIZE], low[DIGITS_SIZE], span[DIGITS_SIZE], text[ID_SIZE + 1 + DECIMAL_SIZE];
    size_t message;
    id_number(delivery_id, &message);
    if (message == 0)
        message = strlen(delivery_id);
    put_hash(high, trace_high, delivery_id, message);
    put_hash(low, trace_low, delivery_id, message);
    size_t size = strnlen(delivery_id, ID_SIZE - 1);
    memcpy(text, delivery_id, size);
    text[size++] = '/';
    put_hash(span, span_key, text, (size_t)(decimal_put(text + size, attempt) - text));
    header = stpcpy(stpcpy(stpcpy(header, "traceparent: 00-"), high), low);
    stpcpy(stpcpy(stpcpy(header, "-"), span), "-01");
}
