#include "destination_fields.h"

#include <stdio.h>
#include <string.h>

#define AT(member) offsetof(struct destination, member), sizeof((struct destination){0}.member)
#define CONFIGURED DESTINATION_CONFIGURED
#define ANYWHERE   (DESTINATION_MAIL | DESTINATION_CONFIGURED)

const struct destination_field destination_fields[DESTINATION_FIELDS] = {
    {"url", DESTINATION_URL, AT(url), ANYWHERE, 1, DESTINATION_MAX_URL,
     "a destination without a url", "url: expected a URL that begins with http:// or https://"},
    {"secret", DESTINATION_TEXT, AT(secret), CONFIGURED, 1, DESTINATION_MAX_TEXT,
     "secret: it is empty",
     "secret: expected a string, such as \"whsec_...\", \"env:NAME\" or \"file:/path\""},
    {"headers", DESTINATION_HEADERS, AT(headers), CONFIGURED, 0, DESTINATION_MAX_HEADERS,
     "headers: a table {name = value} was expected", "headers: expected a table { name = value }"},
    {"timeout", DESTINATION_DURATION, AT(timeout_ms), ANYWHERE, 1, DESTINATION_MAX_MS,
     "timeout: seconds, from 0.001 to 3600, were expected",
     "timeout: expected a duration such as \"5s\", from 1 ms to 1 h"},
    {"attempts", DESTINATION_NUMBER, AT(attempts), ANYWHERE, 1, DESTINATION_MAX_ATTEMPTS,
     "attempts: a whole number from 1 to 100 was expected", "expected 1 to 100"},
    {"schedule", DESTINATION_DURATIONS, AT(schedule_ms), ANYWHERE, 0, DESTINATION_MAX_PAUSE_MS,
     "schedule: durations such as \"5s\", \"10m\", \"6h\" were expected, up to 30d",
     "schedule: expected a list of durations, such as { \"10s\", \"1m\" }, up to 30d"},
    {"rate", DESTINATION_RATE, AT(rate), 0, 1.0 / 86400, DESTINATION_MAX_RATE,
     "rate: \"10/s\", \"600/m\" or \"1000/h\" was expected, from one a day to 1000000/s", NULL},
    {"max_in_flight", DESTINATION_NUMBER, AT(max_in_flight), 0, 1, DESTINATION_MAX_IN_FLIGHT,
     "max_in_flight: a whole number from 1 to 10000 was expected", NULL},
    {"max_body", DESTINATION_BYTES, AT(max_body), CONFIGURED, 1, (double)DESTINATION_MAX_BODY,
     "max_body: bytes, or a size such as \"100 kB\" or \"5 MB\", were expected",
     "max_body: expected a number of bytes, or a size such as \"256 KiB\" or \"50 MB\""},
    {"ca_file", DESTINATION_PATH, AT(ca_file), 0, 1, DESTINATION_MAX_TEXT,
     "ca_file: an absolute path was expected", NULL},
    {"client_cert", DESTINATION_PATH, AT(client_cert), 0, 1, DESTINATION_MAX_TEXT,
     "client_cert: an absolute path was expected", NULL},
    {"client_key", DESTINATION_PATH, AT(client_key), 0, 1, DESTINATION_MAX_TEXT,
     "client_key: an absolute path was expected", NULL},
};

const struct destination_field *destination_field(const char *name)
{
    for (size_t i = 0; i < DESTINATION_FIELDS; i++)
        if (strcmp(destination_fields[i].name, name) == 0)
            return &destination_fields[i];
    return NULL;
}

void destination_names(unsigned allowed, size_t skip, char *text, size_t size)
{
    size_t used = 0;
    *text = 0;
    for (size_t i = 0; i < DESTINATION_FIELDS && used < size; i++)
        if ((destination_fields[i].allowed & allowed) == allowed && i >= skip)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "",
                                     destination_fields[i].name);
}

const char **destination_text(const struct destination *to, const struct destination_field *field)
{
    return (const char **)((char *)to + field->offset);
}

/* Numbers have two sizes here. */
int64_t destination_number(const struct destination *to, const struct destination_field *field)
{
    const char *at = (const char *)to + field->offset;
    uint32_t small;
    int64_t large;
    if (field->size == sizeof small) {
        memcpy(&small, at, sizeof small);
        return small;
    }
    memcpy(&large, at, sizeof large);
    return large;
}

void destination_set_number(struct destination *to, const struct destination_field *field,
                            int64_t number)
{
    char *at = (char *)to + field->offset;
    uint32_t small = (uint32_t)number;
    if (field->size == sizeof small)
        memcpy(at, &small, sizeof small);
    else
        memcpy(at, &number, sizeof number);
}

bool destination_has(const struct destination *to, const struct destination_field *field)
{
    switch (field->type) {
    case DESTINATION_HEADERS: return to->header_count > 0;
    case DESTINATION_DURATIONS: return to->schedule_count > 0;
    case DESTINATION_RATE: return to->rate > 0;
    case DESTINATION_DURATION:
    case DESTINATION_NUMBER:
    case DESTINATION_BYTES: return destination_number(to, field) != 0;
    case DESTINATION_URL:
    case DESTINATION_TEXT:
    case DESTINATION_PATH: break;
    }
    return *destination_text(to, field);
}
