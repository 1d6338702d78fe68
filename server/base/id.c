#include "id.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"

#define TIME_DIGITS    10
#define COUNTER_DIGITS 6

static _Atomic uint32_t counter;
static pthread_once_t seeded = PTHREAD_ONCE_INIT;

static void seed(void)
{
    uint32_t start;
    if (getrandom(&start, sizeof start, 0) != (ssize_t)sizeof start)
        start = (uint32_t)clock_monotonic_us();
    atomic_store(&counter, start);
}

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

static char *put_base32(char *end, uint64_t value, int digits)
{
    while (digits-- > 0) {
        *--end = alphabet[value & 31];
        value >>= 5;
    }
    return end;
}

void id_new(char id[ID_SIZE])
{
    pthread_once(&seeded, seed);
    char *end = id + TIME_DIGITS + COUNTER_DIGITS;
    *end = 0;
    end = put_base32(end, atomic_fetch_add(&counter, 1), COUNTER_DIGITS);
    put_base32(end, (uint64_t)clock_unix_ms(), TIME_DIGITS);
}

/* By hand: a message has two, and snprintf() took 1,000 instructions for each. */
void id_child(char id[ID_SIZE], const char *parent, unsigned number)
{
    char digits[12], *digit = digits + sizeof digits;
    size_t size = strnlen(parent, ID_SIZE - sizeof digits);
    do
        *--digit = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    *--digit = '-';
    memmove(id, parent, size);
    size_t rest = (size_t)(digits + sizeof digits - digit);
    memcpy(id + size, digit, rest);
    id[size + rest] = 0;
}

unsigned id_number(const char *id, size_t *parent)
{
    const char *dash = strrchr(id, '-');
    *parent = dash ? (size_t)(dash - id) : 0;
    return dash ? (unsigned)strtoul(dash + 1, NULL, 10) : 0;
}

int64_t id_time_ms(const char *id)
{
    int64_t value = 0;
    for (int i = 0; i < TIME_DIGITS; i++) {
        const char *digit = id[i] ? strchr(alphabet, id[i]) : NULL;
        if (!digit)
            return 0;
        value = value << 5 | (digit - alphabet);
    }
    return value;
}
