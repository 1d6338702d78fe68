/*
 * destination_fields.h - the fields of a destination, as a table. What reads, copies, stores and writes destinations
 * goes by it, and names no field. Any thread.
 *
 * To add a field: struct destination, a row in destination_fields.c, and a column in both stores (spool/columns.h).
 */
#ifndef MXHOOK_DESTINATION_FIELDS_H
#define MXHOOK_DESTINATION_FIELDS_H

#include "destination.h"

#define DESTINATION_FIELDS        12
#define DESTINATION_MAX_URL       4096 /* bytes */
#define DESTINATION_MAX_TEXT      8192 /* bytes of a header's value or a secret */
#define DESTINATION_MAX_HEADERS   50
#define DESTINATION_MAX_MS        3600000 /* of an attempt */
#define DESTINATION_MAX_ATTEMPTS  100
#define DESTINATION_MAX_RATE      1000000 /* requests a second */
#define DESTINATION_MAX_IN_FLIGHT 10000
#define DESTINATION_MAX_BODY      (1ll << 40)    /* bytes of a payload */
#define DESTINATION_MAX_PAUSE_MS  (30 * 86400e3) /* between two attempts */

/* What a field is, in struct destination and as it is written. */
enum destination_type {
    DESTINATION_URL,       /* const char *; or an e-mail address */
    DESTINATION_TEXT,      /* const char * */
    DESTINATION_PATH,      /* const char *, absolute */
    DESTINATION_HEADERS,   /* headers, header_count */
    DESTINATION_DURATION,  /* int64_t, ms; written in seconds, or as "5s" */
    DESTINATION_DURATIONS, /* schedule_ms, schedule_count */
    DESTINATION_NUMBER,    /* unsigned, or of 64 bits */
    DESTINATION_BYTES,     /* uint64_t; also written as "5 MB" */
    DESTINATION_RATE,      /* double, a second; written as "10/s" */
};

#define DESTINATION_MAIL       1u /* an e-mail address has it too */
#define DESTINATION_CONFIGURED 2u /* the configuration can say it too */

struct destination_field {
    const char *name;
    enum destination_type type;
    unsigned char offset, size; /* in struct destination */
    unsigned allowed;
    double min, max;
    const char *expected;   /* what a rule is told */
    const char *configured; /* what who wrote the configuration is told */
};

extern const struct destination_field destination_fields[DESTINATION_FIELDS];

/* By its name; NULL: there is none. */
const struct destination_field *destination_field(const char *name);
/* "url, secret, ...": those that are allowed all of this, without the first `skip`. */
void destination_names(unsigned allowed, size_t skip, char *text, size_t size);

/* Is it set? */
bool destination_has(const struct destination *to, const struct destination_field *field);
/* Where a URL, text or path stands. */
const char **destination_text(const struct destination *to, const struct destination_field *field);
/* Durations, numbers and bytes: the value, and another one. */
int64_t destination_number(const struct destination *to, const struct destination_field *field);
void destination_set_number(struct destination *to, const struct destination_field *field,
                            int64_t number);

#endif
