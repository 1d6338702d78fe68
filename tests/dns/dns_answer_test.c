#include "dns/dns_answer.h"

#include <stdlib.h>
#include <string.h>

#include "../test.h"

static const unsigned char question[] = {0, 1, 0x81, 0x80, 0, 1, 0,  0, 0, 0,
                                         0, 0, 1,    'a',  0, 0, 16, 0, 1};

/* Builds an answer with these bytes after the question. */
static struct dns_answer *parse(enum record_type type, unsigned code, unsigned answers,
                                unsigned authority, const void *bytes, size_t size)
{
    unsigned char message[512];
    memcpy(message, question, sizeof question);
    message[3] = (unsigned char)(0x80 | code);
    message[7] = (unsigned char)answers;
    message[9] = (unsigned char)authority;
    memcpy(message + sizeof question, bytes, size);
    return dns_answer_parse(type, message, sizeof question + size);
}

#define PARSE(type, code, answers, authority, bytes)                                               \
    parse(type, code, answers, authority, bytes, sizeof(bytes) - 1)

static void text_strings_are_joined(void **state)
{
    (void)state;
    struct dns_answer *a = PARSE(RECORD_TXT, 0, 1, 0,
                                 "\xc0\x0c\0\x10\0\x01\0\0\0\x3c\0\x08\x03"
                                 "abc\x03"
                                 "def");
    assert_int_equal(a->status, DNS_RECORDS);
    assert_int_equal(a->count, 1);
    assert_int_equal(a->ttl, 60);
    assert_string_equal(a->records[0].data, "abcdef");
    assert_int_equal(a->records[0].size, 6);
    dns_answer_unref(a);
}

static void a_string_past_its_record_is_a_failure(void **state)
{
    (void)state;
    struct dns_answer *a = PARSE(RECORD_TXT, 0, 1, 0,
                                 "\xc0\x0c\0\x10\0\x01\0\0\0\x3c\0\x04\x04"
                                 "abc");
    assert_int_equal(a->status, DNS_FAILED);
    dns_answer_unref(a);
}

static void mx_come_in_order(void **state)
{
    (void)state;
    struct dns_answer *a = PARSE(RECORD_MX, 0, 2, 0,
                                 "\xc0\x0c\0\x0f\0\x01\0\0\0\x3c\0\x05\0\x14\x01"
                                 "b\0"
                                 "\xc0\x0c\0\x0f\0\x01\0\0\0\x1e\0\x05\0\x0a\x01"
                                 "c\0");
    assert_int_equal(a->count, 2);
    assert_string_equal(a->records[0].data, "c");
    assert_int_equal(a->records[0].preference, 10);
    assert_string_equal(a->records[1].data, "b");
    assert_int_equal(a->records[1].preference, 20);
    assert_int_equal(a->ttl, 30);
    dns_answer_unref(a);
}

static void a_domain_that_takes_no_mail_says_so(void **state)
{
    (void)state;
    struct dns_answer *a = PARSE(RECORD_MX, 0, 1, 0, "\xc0\x0c\0\x0f\0\x01\0\0\0\x3c\0\x03\0\0\0");
    assert_int_equal(a->count, 1);
    assert_string_equal(a->records[0].data, ".");
    assert_int_equal(a->records[0].preference, 0);
    dns_answer_unref(a);
}

static void an_alias_is_passed_over(void **state)
{
    (void)state;
    struct dns_answer *a = PARSE(RECORD_A, 0, 2, 0,
                                 "\xc0\x0c\0\x05\0\x01\0\0\0\x05\0\x03\x01"
                                 "b\0"
                                 "\x01"
                                 "b\0\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01");
    assert_int_equal(a->count, 1);
    assert_memory_equal(a->records[0].data, "\xc0\0\x02\x01", 4);
    assert_int_equal(a->ttl, 5);
    dns_answer_unref(a);
}

static void an_address_of_the_wrong_size_is_a_failure(void **state)
{
    (void)state;
    struct dns_answer *a =
        PARSE(RECORD_A, 0, 1, 0, "\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x03\xc0\0\x02");
    assert_int_equal(a->status, DNS_FAILED);
    dns_answer_unref(a);
}

static void none_is_kept_as_long_as_the_zone_says(void **state)
{
    (void)state;
    static const char soa[] = "\xc0\x0c\0\x06\0\x01\0\0\0\x3c\0\x16\0\0"
                              "\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\x2a";
    for (unsigned code = 0; code <= 3; code += 3) {
        struct dns_answer *a = PARSE(RECORD_TXT, code, 0, 1, soa);
        assert_int_equal(a->status, DNS_NONE);
        assert_int_equal(a->ttl, 42);
        dns_answer_unref(a);
    }
}

static void other_codes_are_failures(void **state)
{
    (void)state;
    for (unsigned code = 1; code < 16; code++) {
        struct dns_answer *a = PARSE(RECORD_TXT, code, 0, 0, "");
        assert_int_equal(a->status, code == 3 ? DNS_NONE : DNS_FAILED);
        dns_answer_unref(a);
    }
}

static void every_cut_is_read_without_harm(void **state)
{
    (void)state;
    static const char whole[] = "\xc0\x0c\0\x0f\0\x01\0\0\0\x3c\0\x05\0\x14\x01"
                                "b\0";
    for (size_t size = 0; size < sizeof whole - 1; size++) {
        struct dns_answer *a = parse(RECORD_MX, 0, 1, 0, whole, size);
        assert_int_equal(a->status, DNS_FAILED);
        dns_answer_unref(a);
    }
}

/* A record of each type but for its header, of which there are many. */
static void append(unsigned char *to, size_t *size, unsigned type, const void *data,
                   size_t data_size)
{
    const unsigned char head[] = {0xC0, 0x0C, 0, (unsigned char)type,     0, 1, 0, 0,
                                  0,    60,   0, (unsigned char)data_size};
    memcpy(to + *size, head, sizeof head);
    memcpy(to + *size + sizeof head, data, data_size);
    *size += sizeof head + data_size;
}

static void many_texts_are_kept_apart(void **state)
{
    (void)state;
    unsigned char bytes[400];
    size_t size = 0;
    append(bytes, &size, 16, "\x03one", 4);
    append(bytes, &size, 16, "\x02tw\x01o", 5);
    append(bytes, &size, 16, "\0", 1);
    append(bytes, &size, 16, "\x01t\x01h\x03ree", 8);
    struct dns_answer *a = parse(RECORD_TXT, 0, 4, 0, bytes, size);
    static const char *const texts[] = {"one", "two", "", "three"};
    assert_int_equal(a->status, DNS_RECORDS);
    assert_int_equal(a->count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(a->records[i].data, texts[i]);
        assert_int_equal(a->records[i].size, strlen(texts[i]));
    }
    dns_answer_unref(a);
}

static void many_addresses_and_names_are_kept_apart(void **state)
{
    (void)state;
    unsigned char bytes[400];
    size_t size = 0;
    append(bytes, &size, 1, "\xc0\0\x02\x01", 4);
    append(bytes, &size, 1, "\xc0\0\x02\x02", 4);
    append(bytes, &size, 1, "\xc0\0\x02\x03", 4);
    struct dns_answer *a = parse(RECORD_A, 0, 3, 0, bytes, size);
    assert_int_equal(a->count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(a->records[i].size, 4);
        assert_int_equal(((const unsigned char *)a->records[i].data)[3], i + 1);
    }
    dns_answer_unref(a);
    size = 0;
    append(bytes, &size, 12,
           "\x03one\x07"
           "example",
           13);
    append(bytes, &size, 12,
           "\x03two\x07"
           "example",
           13);
    append(bytes, &size, 12, "\x01z", 3);
    a = parse(RECORD_PTR, 0, 3, 0, bytes, size);
    assert_int_equal(a->count, 3);
    assert_string_equal(a->records[0].data, "one.example");
    assert_string_equal(a->records[1].data, "two.example");
    assert_string_equal(a->records[2].data, "z");
    dns_answer_unref(a);
}

/* As many as a message has room for: TXT of any length between, each whole. */
static void as_many_texts_as_there_is_room_for(void **state)
{
    (void)state;
    unsigned char bytes[480], text[40];
    for (size_t length = 0; length < sizeof text - 1; length++) {
        size_t size = 0, count = 0;
        text[0] = (unsigned char)length;
        for (; size + 13 + length <= sizeof bytes; count++) {
            memset(text + 1, 'a' + (int)(count % 26), length);
            append(bytes, &size, 16, text, 1 + length);
        }
        struct dns_answer *a = parse(RECORD_TXT, 0, (unsigned)count, 0, bytes, size);
        assert_int_equal(a->count, count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(a->records[i].size, length);
            assert_int_equal(strspn(a->records[i].data, (char[]){(char)('a' + i % 26), 0}), length);
        }
        dns_answer_unref(a);
    }
}

/* A domain's SOA in the authority section, of so many bytes of data: all that counts is its TTL and its last field. */
static size_t add_authority(unsigned char *to, unsigned type, unsigned ttl, unsigned size,
                            unsigned minimum)
{
    const unsigned char head[] = {0xC0, 0x0C, 0, (unsigned char)type, 0, 1,
                                  0,    0,    0, (unsigned char)ttl,  0, (unsigned char)size};
    memcpy(to, head, sizeof head);
    memset(to + sizeof head, 0, size);
    to[sizeof head + size - 1] = (unsigned char)minimum;
    return sizeof head + size;
}

static void how_long_there_is_none(void **state)
{
    static const struct {
        unsigned ttl, size, minimum; /* of the SOA; size 0: there is none */
        uint32_t expected;
    } rows[] = {{60, 22, 42, 42}, {42, 22, 43, 42}, {43, 22, 42, 42}, {5, 30, 9, 5},
                {60, 21, 42, 60}, {7, 21, 42, 60},  {0, 0, 0, 60},    {0, 22, 9, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (unsigned before = 0; before < 3; before++) { /* other records stand before it */
            unsigned char bytes[200];
            size_t size = 0;
            for (unsigned k = 0; k < before; k++)
                size += add_authority(bytes + size, 2, 3, 22, 1);
            if (rows[i].size > 0)
                size += add_authority(bytes + size, 6, rows[i].ttl, rows[i].size, rows[i].minimum);
            unsigned authority = before + (rows[i].size > 0);
            struct dns_answer *a = parse(RECORD_TXT, 3, 0, authority, bytes, size);
            assert_int_equal(a->status, DNS_NONE);
            assert_int_equal(a->ttl, rows[i].expected);
            dns_answer_unref(a);
            a = parse(RECORD_TXT, 3, 0, authority, bytes, size ? size - 1 : 0); /* cut off */
            assert_int_equal(a->status, size ? DNS_FAILED : DNS_NONE);
            dns_answer_unref(a);
        }
}

/* Kept for two seconds, so that what is broken is not asked for at every message. */
static void a_failure_is_kept_for_a_while(void **state)
{
    (void)state;
    struct dns_answer *answers[] = {
        PARSE(RECORD_TXT, 2, 0, 0, ""), PARSE(RECORD_TXT, 0, 0, 1, "x"),
        PARSE(RECORD_A, 0, 1, 0, "\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x03\xc0\0\x02")};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        assert_int_equal(answers[i]->status, DNS_FAILED);
        assert_int_equal(answers[i]->ttl, 2);
        dns_answer_unref(answers[i]);
    }
}

static void mx_of_one_preference_stay_in_order(void **state)
{
    (void)state;
    unsigned char bytes[400];
    char data[] = "\0\x0a\x01?";
    size_t size = 0;
    for (unsigned i = 0; i < 20; i++) {
        data[1] = (char)(10 - i / 10); /* twice ten, the preferred ones last */
        data[3] = (char)('a' + i);
        append(bytes, &size, 15, data, 5);
    }
    struct dns_answer *a = parse(RECORD_MX, 0, 20, 0, bytes, size);
    assert_int_equal(a->count, 20);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(a->records[i].preference, i < 10 ? 9 : 10);
        assert_int_equal(a->records[i].data[0], 'a' + (i + 10) % 20);
    }
    dns_answer_unref(a);
}

/* On both sides of each size that a record has at least, or exactly. */
static void sizes_of_records(void **state)
{
    static const struct {
        unsigned type;
        const char *data;
        size_t size;
        bool good;
    } rows[] = {
        {RECORD_A, "abcd", 3, false},
        {RECORD_A, "abcd", 4, true},
        {RECORD_A, "abcde", 5, false},
        {RECORD_AAAA, "abcdefghijklmnop", 15, false},
        {RECORD_AAAA, "abcdefghijklmnop", 16, true},
        {RECORD_AAAA, "abcdefghijklmnopq", 17, false},
        {RECORD_AAAA, "abcd", 4, false},
        {RECORD_MX, "\0\1\0", 0, false},
        {RECORD_MX, "\0\1\0", 1, false},
        {RECORD_MX, "\0\1\0", 2, false},
        {RECORD_MX, "\0\1\0", 3, true},
        {RECORD_TXT, "", 0, true},
        {RECORD_TXT, "\0", 1, true},
        {RECORD_TXT, "\1a", 1, false},
        {RECORD_TXT, "\1a", 2, true},
        {RECORD_TXT, "\1a\1b", 3, false},
        {RECORD_TXT, "\1a\1b", 4, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsigned char bytes[64];
        size_t size = 0;
        append(bytes, &size, rows[i].type, rows[i].data, rows[i].size);
        struct dns_answer *a = parse(rows[i].type, 0, 1, 0, bytes, size);
        if ((a->status == DNS_RECORDS) != rows[i].good || (rows[i].good && a->count != 1))
            fail_msg("row %zu: status %d", i, a->status);
        dns_answer_unref(a);
    }
}

/* Full of addresses: as large as a message may be, and more. */
static void a_message_has_64_kib_at_most(void **state)
{
    (void)state;
    enum { MOST = 65535 };
    unsigned char *message = calloc(1, MOST + 100);
    for (unsigned over = 0; over <= 1; over++) {
        size_t size = sizeof question, count = 0, end = MOST + over;
        unsigned char address[] = {0xC0, 0x0C, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1};
        memcpy(message, question, sizeof question);
        for (; size + 2 * sizeof address <= end; size += sizeof address, count++)
            memcpy(message + size, address, sizeof address);
        unsigned left = (unsigned)(end - size - 12); /* a record of another type fills the rest */
        address[3] = 99;
        address[11] = (unsigned char)left;
        memcpy(message + size, address, 12);
        count++;
        message[3] = 0x80;
        message[6] = (unsigned char)(count >> 8);
        message[7] = (unsigned char)count;
        struct dns_answer *a = dns_answer_parse(RECORD_A, message, end);
        assert_int_equal(a->status, over ? DNS_FAILED : DNS_RECORDS);
        assert_int_equal(a->count, over ? 0 : count - 1);
        dns_answer_unref(a);
    }
    free(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_strings_are_joined),
        cmocka_unit_test(a_string_past_its_record_is_a_failure),
        cmocka_unit_test(mx_come_in_order),
        cmocka_unit_test(a_domain_that_takes_no_mail_says_so),
        cmocka_unit_test(an_alias_is_passed_over),
        cmocka_unit_test(an_address_of_the_wrong_size_is_a_failure),
        cmocka_unit_test(none_is_kept_as_long_as_the_zone_says),
        cmocka_unit_test(other_codes_are_failures),
        cmocka_unit_test(every_cut_is_read_without_harm),
        cmocka_unit_test(many_texts_are_kept_apart),
        cmocka_unit_test(many_addresses_and_names_are_kept_apart),
        cmocka_unit_test(as_many_texts_as_there_is_room_for),
        cmocka_unit_test(how_long_there_is_none),
        cmocka_unit_test(a_failure_is_kept_for_a_while),
        cmocka_unit_test(mx_of_one_preference_stay_in_order),
        cmocka_unit_test(sizes_of_records),
        cmocka_unit_test(a_message_has_64_kib_at_most),
    };
    return RUN_TESTS(tests);
}
