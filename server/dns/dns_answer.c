#include "dns_answer.h"

#include <arpa/nameser.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>

#define TTL_NEGATIVE 60u /* where the zone does not say (RFC 2308 section 5) */
#define TTL_FAILED   2u  /* so that a name that is broken is not asked for at every message */

static struct dns_answer *allocate(size_t count, size_t bytes)
{
    size_t memory = sizeof(struct dns_answer) + count * sizeof(struct record) + bytes;
    struct dns_answer *answer = calloc(1, memory);
    if (!answer)
        return NULL;
    atomic_init(&answer->references, 1);
    answer->memory = memory;
    answer->count = count;
    return answer;
}

struct dns_answer *dns_answer_empty(enum dns_answer_status status, uint32_t ttl)
{
    struct dns_answer *answer = allocate(0, 0);
    if (!answer)
        return NULL;
    answer->status = status;
    answer->ttl = ttl;
    return answer;
}

struct dns_answer *dns_answer_make(const struct record *records, size_t count, uint32_t ttl)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += records[i].size + 1;
    struct dns_answer *answer = allocate(count, bytes);
    if (!answer)
        return NULL;
    char *at = (char *)&answer->records[count];
    for (size_t i = 0; i < count; i++) {
        answer->records[i] = (struct record){records[i].size, at, records[i].preference};
        memcpy(at, records[i].data, records[i].size);
        at += records[i].size + 1;
    }
    answer->status = count ? DNS_RECORDS : DNS_NONE;
    answer->ttl = ttl;
    return answer;
}

/* --- Messages --- */

/* A record read from a message: its bytes are in the reader's scratch. */
struct read_record {
    struct record record;
    size_t order;
};

struct record_reader {
    enum record_type type;
    ns_msg message;
    struct read_record *records;
    size_t count;
    char *scratch; /* no record's text is longer than its part of the message, but for names */
    size_t used, capacity;
    uint32_t ttl;
};

static bool read_name(struct record_reader *reader, const unsigned char *name)
{
    char *out = reader->scratch + reader->used;
    size_t room = reader->capacity - reader->used;
    if (room < NS_MAXDNAME || ns_name_uncompress(ns_msg_base(reader->message),
                                                 ns_msg_end(reader->message), name, out, room) < 0)
        return false;
    reader->records[reader->count].record = (struct record){strlen(out), out};
    reader->used += strlen(out) + 1;
    return true;
}

/* The character-strings of a TXT record, joined without anything between (RFC 7208 section 3.3). */
static bool read_text(struct record_reader *reader, const unsigned char *data, size_t size)
{
    char *out = reader->scratch + reader->used;
    size_t length = 0;
    for (size_t at = 0; at < size; at += 1 + data[at]) {
        if (data[at] >= size - at)
            return false;
        memcpy(out + length, data + at + 1, data[at]);
        length += data[at];
    }
    reader->records[reader->count].record = (struct record){length, out};
    reader->used += length;
    return true;
}

static bool read_address(struct record_reader *reader, const unsigned char *data, size_t size)
{
    if (size != (reader->type == RECORD_A ? 4 : 16))
        return false;
    reader->records[reader->count].record = (struct record){size, (const char *)data};
    return true;
}

static bool read_record(struct record_reader *reader, const ns_rr *rr)
{
    const unsigned char *data = ns_rr_rdata(*rr);
    size_t size = ns_rr_rdlen(*rr);
    reader->records[reader->count].order = reader->count;
    switch (reader->type) {
    case RECORD_A:
    case RECORD_AAAA: return read_address(reader, data, size);
    case RECORD_TXT: return read_text(reader, data, size);
    case RECORD_PTR: return read_name(reader, data);
    case RECORD_MX:
        if (size <= 2 || !read_name(reader, data + 2))
            return false;
        reader->records[reader->count].record.preference = ns_get16(data);
        return true;
    }
    return false;
}

static int by_preference(const void *a, const void *b)
{
    const struct read_record *x = a, *y = b;
    if (x->record.preference != y->record.preference)
        return x->record.preference < y->record.preference ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* How long "there is none" holds: the lesser of the SOA's TTL and its last field (RFC 2308). */
static uint32_t negative_ttl(ns_msg message)
{
    ns_rr rr;
    for (int i = 0; i < ns_msg_count(message, ns_s_ns); i++) {
        if (ns_parserr(&message, ns_s_ns, i, &rr) != 0)
            break;
        if (ns_rr_type(rr) != ns_t_soa || ns_rr_rdlen(rr) < 22)
            continue;
        uint32_t minimum = ns_get32(ns_rr_rdata(rr) + ns_rr_rdlen(rr) - 4);
        return minimum < ns_rr_ttl(rr) ? minimum : ns_rr_ttl(rr);
    }
    return TTL_NEGATIVE;
}

/* False where the message is broken. */
static bool read_all(struct record_reader *reader)
{
    ns_rr rr;
    int count = ns_msg_count(reader->message, ns_s_an);
    for (int i = 0; i < count; i++) {
        if (ns_parserr(&reader->message, ns_s_an, i, &rr) != 0)
            return false;
        /* A CNAME on the way shortens the whole (RFC 2181 section 5.2 has no better word). */
        if (ns_rr_ttl(rr) < reader->ttl)
            reader->ttl = ns_rr_ttl(rr);
        if (ns_rr_type(rr) != (ns_type)reader->type)
            continue;
        if (!read_record(reader, &rr))
            return false;
        reader->count++;
    }
    return true;
}

static struct dns_answer *finish(struct record_reader *reader)
{
    if (reader->count == 0)
        return dns_answer_empty(DNS_NONE, negative_ttl(reader->message));
    qsort(reader->records, reader->count, sizeof *reader->records, by_preference);
    struct record *records = malloc(reader->count * sizeof *records);
    if (!records)
        return NULL;
    for (size_t i = 0; i < reader->count; i++)
        records[i] = reader->records[i].record;
    struct dns_answer *answer = dns_answer_make(records, reader->count, reader->ttl);
    free(records);
    return answer;
}

static struct dns_answer *read_answer(struct record_reader *reader)
{
    size_t count = ns_msg_count(reader->message, ns_s_an);
    reader->ttl = UINT32_MAX;
    reader->capacity = ns_msg_size(reader->message) + count * NS_MAXDNAME;
    reader->records = calloc(count + 1, sizeof *reader->records);
    reader->scratch = malloc(reader->capacity);
    struct dns_answer *answer = NULL;
    if (reader->records && reader->scratch)
        answer = read_all(reader) ? finish(reader) : dns_answer_empty(DNS_FAILED, TTL_FAILED);
    free(reader->records);
    free(reader->scratch);
    return answer;
}

struct dns_answer *dns_answer_parse(enum record_type type, const unsigned char *message,
                                    size_t size)
{
    struct record_reader reader = {.type = type};
    if (size > NS_MAXMSG || ns_initparse(message, (int)size, &reader.message) != 0)
        return dns_answer_empty(DNS_FAILED, TTL_FAILED);
    switch (ns_msg_getflag(reader.message, ns_f_rcode)) {
    case ns_r_noerror: return read_answer(&reader);
    case ns_r_nxdomain: return dns_answer_empty(DNS_NONE, negative_ttl(reader.message));
    default: return dns_answer_empty(DNS_FAILED, TTL_FAILED);
    }
}

struct dns_answer *dns_answer_ref(struct dns_answer *answer)
{
    atomic_fetch_add(&answer->references, 1);
    return answer;
}

void dns_answer_unref(struct dns_answer *answer)
{
    if (answer && atomic_fetch_sub(&answer->references, 1) == 1)
        free(answer);
}
