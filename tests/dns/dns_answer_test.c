#include "dns/dns_answer.h"

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
    };
    return RUN_TESTS(tests);
}
