#include "auth/answer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../test.h"
#include "auth/lookups.h"

static void assert_name(const char *name, const char *expected)
{
    char out[DNS_NAME_MAX + 1];
    assert_true(dns_name(name, out));
    assert_string_equal(out, expected);
}

static void assert_no_name(const char *name)
{
    char out[DNS_NAME_MAX + 1];
    assert_false(dns_name(name, out));
}

static void names_are_made_alike(void **state)
{
    (void)state;
    assert_name("Example.COM", "example.com");
    assert_name("example.com.", "example.com");
    assert_name("a", "a");
    assert_name("_dmarc.x-y.z", "_dmarc.x-y.z");
}

static void what_is_no_name(void **state)
{
    (void)state;
    static const char *const names[] = {"",      ".",    "..",          ".a",  "a..b",  "a b",
                                        "a\\.b", "a\tb", "\xc3\xa4.de", "a..", "\x7f.x"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_no_name(names[i]);
}

static void a_label_has_63_octets_at_most(void **state)
{
    (void)state;
    char name[80];
    memset(name, 'a', sizeof name);
    strcpy(name + 63, ".b");
    assert_name(name, name);
    memset(name, 'a', sizeof name);
    strcpy(name + 64, ".b");
    assert_no_name(name);
}

static void a_name_has_253_octets_at_most(void **state)
{
    (void)state;
    char name[300];
    for (size_t i = 0; i < sizeof name; i++)
        name[i] = i % 50 == 49 ? '.' : 'a';
    name[253] = 0;
    assert_name(name, name);
    name[253] = 'a';
    name[254] = 0;
    assert_no_name(name);
}

/* --- Messages --- */

static const unsigned char question[] = {0, 1, 0x81, 0x80, 0, 1, 0,  0, 0, 0,
                                         0, 0, 1,    'a',  0, 0, 16, 0, 1};

/* Builds an answer with these bytes after the question. */
static struct answer *parse(enum record_type type, unsigned code, unsigned answers,
                            unsigned authority, const void *bytes, size_t size)
{
    unsigned char message[512];
    memcpy(message, question, sizeof question);
    message[3] = (unsigned char)(0x80 | code);
    message[7] = (unsigned char)answers;
    message[9] = (unsigned char)authority;
    memcpy(message + sizeof question, bytes, size);
    return answer_parse(type, message, sizeof question + size);
}

#define PARSE(type, code, answers, authority, bytes)                                               \
    parse(type, code, answers, authority, bytes, sizeof(bytes) - 1)

static void text_strings_are_joined(void **state)
{
    (void)state;
    struct answer *a = PARSE(RECORD_TXT, 0, 1, 0,
                             "\xc0\x0c\0\x10\0\x01\0\0\0\x3c\0\x08\x03"
                             "abc\x03"
                             "def");
    assert_int_equal(a->status, ANSWER_RECORDS);
    assert_int_equal(a->count, 1);
    assert_int_equal(a->ttl, 60);
    assert_string_equal(a->records[0].data, "abcdef");
    assert_int_equal(a->records[0].size, 6);
    answer_unref(a);
}

static void a_string_past_its_record_is_a_failure(void **state)
{
    (void)state;
    struct answer *a = PARSE(RECORD_TXT, 0, 1, 0,
                             "\xc0\x0c\0\x10\0\x01\0\0\0\x3c\0\x04\x04"
                             "abc");
    assert_int_equal(a->status, ANSWER_FAILED);
    answer_unref(a);
}

static void mx_come_in_order(void **state)
{
    (void)state;
    struct answer *a = PARSE(RECORD_MX, 0, 2, 0,
                             "\xc0\x0c\0\x0f\0\x01\0\0\0\x3c\0\x05\0\x14\x01"
                             "b\0"
                             "\xc0\x0c\0\x0f\0\x01\0\0\0\x1e\0\x05\0\x0a\x01"
                             "c\0");
    assert_int_equal(a->count, 2);
    assert_string_equal(a->records[0].data, "c");
    assert_string_equal(a->records[1].data, "b");
    assert_int_equal(a->ttl, 30);
    answer_unref(a);
}

static void an_alias_is_passed_over(void **state)
{
    (void)state;
    struct answer *a = PARSE(RECORD_A, 0, 2, 0,
                             "\xc0\x0c\0\x05\0\x01\0\0\0\x05\0\x03\x01"
                             "b\0"
                             "\x01"
                             "b\0\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01");
    assert_int_equal(a->count, 1);
    assert_memory_equal(a->records[0].data, "\xc0\0\x02\x01", 4);
    assert_int_equal(a->ttl, 5);
    answer_unref(a);
}

static void an_address_of_the_wrong_size_is_a_failure(void **state)
{
    (void)state;
    struct answer *a = PARSE(RECORD_A, 0, 1, 0, "\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x03\xc0\0\x02");
    assert_int_equal(a->status, ANSWER_FAILED);
    answer_unref(a);
}

static void none_is_kept_as_long_as_the_zone_says(void **state)
{
    (void)state;
    static const char soa[] = "\xc0\x0c\0\x06\0\x01\0\0\0\x3c\0\x16\0\0"
                              "\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\x2a";
    for (unsigned code = 0; code <= 3; code += 3) {
        struct answer *a = PARSE(RECORD_TXT, code, 0, 1, soa);
        assert_int_equal(a->status, ANSWER_NONE);
        assert_int_equal(a->ttl, 42);
        answer_unref(a);
    }
}

static void other_codes_are_failures(void **state)
{
    (void)state;
    for (unsigned code = 1; code < 16; code++) {
        struct answer *a = PARSE(RECORD_TXT, code, 0, 0, "");
        assert_int_equal(a->status, code == 3 ? ANSWER_NONE : ANSWER_FAILED);
        answer_unref(a);
    }
}

static void every_cut_is_read_without_harm(void **state)
{
    (void)state;
    static const char whole[] = "\xc0\x0c\0\x0f\0\x01\0\0\0\x3c\0\x05\0\x14\x01"
                                "b\0";
    for (size_t size = 0; size < sizeof whole - 1; size++) {
        struct answer *a = parse(RECORD_MX, 0, 1, 0, whole, size);
        assert_int_equal(a->status, ANSWER_FAILED);
        answer_unref(a);
    }
}

/* --- Look-ups --- */

static void a_question_is_noted_once(void **state)
{
    (void)state;
    struct lookups lookups = {0};
    const struct answer *answer;
    assert_int_equal(lookups_get(&lookups, "A.example", RECORD_A, &answer), -EAGAIN);
    assert_int_equal(lookups_get(&lookups, "a.example.", RECORD_A, &answer), -EAGAIN);
    assert_int_equal(lookups_get(&lookups, "a.example", RECORD_TXT, &answer), -EAGAIN);
    assert_int_equal(lookups.count, 2);
    assert_null(lookups_find(&lookups, "a.example", RECORD_A));
    lookups.items[0].answer = answer_empty(ANSWER_FAILED, 0);
    assert_int_equal(lookups_get(&lookups, "a.example", RECORD_A, &answer), 0);
    assert_int_equal(answer->status, ANSWER_FAILED);
    assert_ptr_equal(lookups_find(&lookups, "a.EXAMPLE", RECORD_A), answer);
    lookups_free(&lookups);
}

static void what_cannot_be_asked_is_not(void **state)
{
    (void)state;
    struct lookups lookups = {0};
    const struct answer *answer;
    assert_int_equal(lookups_get(&lookups, "a..b", RECORD_A, &answer), 0);
    assert_int_equal(answer->status, ANSWER_NONE);
    assert_int_equal(lookups.count, 0);
}

static void so_many_and_no_more(void **state)
{
    (void)state;
    struct lookups lookups = {0};
    const struct answer *answer;
    char name[32];
    for (unsigned i = 0; i < LOOKUPS_MAX; i++) {
        snprintf(name, sizeof name, "n%u.x", i);
        assert_int_equal(lookups_get(&lookups, name, RECORD_A, &answer), -EAGAIN);
    }
    assert_int_equal(lookups_get(&lookups, "more.x", RECORD_A, &answer), -E2BIG);
    assert_int_equal(lookups_get(&lookups, "n0.x", RECORD_A, &answer), -EAGAIN);
    lookups_free(&lookups);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_made_alike),
        cmocka_unit_test(what_is_no_name),
        cmocka_unit_test(a_label_has_63_octets_at_most),
        cmocka_unit_test(a_name_has_253_octets_at_most),
        cmocka_unit_test(text_strings_are_joined),
        cmocka_unit_test(a_string_past_its_record_is_a_failure),
        cmocka_unit_test(mx_come_in_order),
        cmocka_unit_test(an_alias_is_passed_over),
        cmocka_unit_test(an_address_of_the_wrong_size_is_a_failure),
        cmocka_unit_test(none_is_kept_as_long_as_the_zone_says),
        cmocka_unit_test(other_codes_are_failures),
        cmocka_unit_test(every_cut_is_read_without_harm),
        cmocka_unit_test(a_question_is_noted_once),
        cmocka_unit_test(what_cannot_be_asked_is_not),
        cmocka_unit_test(so_many_and_no_more),
    };
    return RUN_TESTS(tests);
}
