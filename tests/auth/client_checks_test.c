/* Blocklists (dnsbl.c) and the client's name (iprev.c): each kind of answer, several, and both sides of each limit. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "auth/dnsbl.h"
#include "auth/iprev.h"

#include "../test.h"

static const unsigned char client[4] = {192, 0, 2, 1};
static struct lookups lookups;
static struct arena *arena;

static int start(void **state)
{
    (void)state;
    arena = arena_new();
    return arena ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    lookups_free(&lookups);
    arena_free(arena);
    return 0;
}

static void answer(const char *name, enum record_type type, struct dns_answer *given)
{
    const struct dns_answer *none;
    assert_int_equal(lookups_get(&lookups, name, type, &none), -EAGAIN);
    for (size_t i = 0; i < lookups.count; i++)
        if (lookups.items[i].type == type && strcmp(lookups.items[i].name, name) == 0)
            lookups.items[i].answer = given;
}

static void say(const char *name, enum record_type type, const struct record *records, size_t count)
{
    struct dns_answer *made = dns_answer_make(records, count, 60);
    assert_non_null(made);
    answer(name, type, made);
}

/* ---- Blocklists ---- */

#define LISTED "1.2.0.192.list.example"

static struct dnsbl_result list(void)
{
    struct dnsbl_result result;
    assert_int_equal(dnsbl_check("list.example", client, 4, &lookups, arena, &result), 0);
    assert_string_equal(result.zone, "list.example");
    return result;
}

static void asks_for_the_address_then_for_the_text(void **state)
{
    const struct record codes[] = {{4, "\x7f\0\0\x02", 0}};
    struct dnsbl_result result;
    (void)state;
    assert_int_equal(dnsbl_check("list.example", client, 4, &lookups, arena, &result), -EAGAIN);
    assert_int_equal(lookups.count, 1);
    assert_string_equal(lookups.items[0].name, LISTED);
    assert_int_equal(lookups.items[0].type, RECORD_A);
    say(LISTED, RECORD_A, codes, 1);
    assert_int_equal(dnsbl_check("list.example", client, 4, &lookups, arena, &result), -EAGAIN);
    assert_int_equal(lookups.count, 2);
    assert_int_equal(lookups.items[1].type, RECORD_TXT);
    answer(LISTED, RECORD_TXT, dns_answer_empty(DNS_NONE, 0));
    result = list();
    assert_true(result.listed);
    assert_int_equal(result.code_count, 1);
    assert_string_equal(result.codes[0], "127.0.0.2");
    assert_null(result.reason);
    assert_null(result.error);
}

/* Three codes among what is none; the first text of two, as one line of ASCII. */
static void keeps_each_code_and_one_text(void **state)
{
    const struct record codes[] = {{4, "\x7f\xff\xff\xfe", 0},
                                   {4, "\x7f\xff\xfe\xff", 0},
                                   {4, "\x08\x08\x08\x08", 0},
                                   {4, "\x7f\xfe\xff\0", 0},
                                   {4, "\x7f\0\x01\xc8", 0}};
    const struct record texts[] = {{9, " a\n~\x7f\x1f!\xc3\xa9", 0}, {3, "two", 0}};
    (void)state;
    say(LISTED, RECORD_A, codes, 5);
    say(LISTED, RECORD_TXT, texts, 2);
    struct dnsbl_result result = list();
    assert_true(result.listed);
    assert_int_equal(result.code_count, 3);
    assert_string_equal(result.codes[0], "127.255.254.255");
    assert_string_equal(result.codes[1], "127.254.255.0");
    assert_string_equal(result.codes[2], "127.0.1.200");
    assert_string_equal(result.reason, " a?~?"
                                       "?!?"
                                       "?");
}

static void at_most_so_many_codes_and_so_long_a_text(void **state)
{
    struct record codes[DNSBL_CODES_MAX + 1];
    char octets[DNSBL_CODES_MAX + 1][4], text[DNSBL_REASON_MAX + 1];
    const struct record reason = {sizeof text, text, 0};
    (void)state;
    memset(text, 'x', sizeof text);
    for (unsigned i = 0; i <= DNSBL_CODES_MAX; i++) {
        memcpy(octets[i], (char[]){127, 0, 0, (char)i}, 4);
        codes[i] = (struct record){4, octets[i], 0};
    }
    say(LISTED, RECORD_A, codes, DNSBL_CODES_MAX + 1);
    say(LISTED, RECORD_TXT, &reason, 1);
    struct dnsbl_result result = list();
    assert_int_equal(result.code_count, DNSBL_CODES_MAX);
    assert_string_equal(result.codes[DNSBL_CODES_MAX - 1], "127.0.0.15");
    assert_int_equal(strlen(result.reason), DNSBL_REASON_MAX);
}

static void what_is_no_listing(void **state)
{
    static const struct {
        const char *octets, *error;
        bool refused;
    } rows[] = {
        {"\x7f\xff\xff\xfe", "the list refuses to answer: 127.255.255.254", true},
        {"\x7e\0\0\x02", "the answer 126.0.0.2 is not one of a blocklist", false},
        {"\x80\0\x01\x02", "the answer 128.0.1.2 is not one of a blocklist", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct record record = {4, rows[i].octets, 0};
        say(LISTED, RECORD_A, &record, 1);
        struct dnsbl_result result = list();
        assert_false(result.listed);
        assert_false(result.failed);
        assert_int_equal(result.refused, rows[i].refused);
        assert_string_equal(result.error, rows[i].error);
        assert_int_equal(result.code_count, 0);
        lookups_free(&lookups);
    }
    answer(LISTED, RECORD_A, dns_answer_empty(DNS_NONE, 0));
    struct dnsbl_result result = list();
    assert_false(result.listed);
    assert_null(result.error);
    lookups_free(&lookups);
    answer(LISTED, RECORD_A, dns_answer_empty(DNS_FAILED, 0));
    result = list();
    assert_true(result.failed);
    assert_false(result.listed);
    assert_string_equal(result.error, "DNS look-up failed");
}

static void fill(size_t count)
{
    const struct dns_answer *none;
    char name[32];
    for (size_t i = lookups.count; i < count; i++) {
        snprintf(name, sizeof name, "n%zu.example", i);
        assert_int_equal(lookups_get(&lookups, name, RECORD_A, &none), -EAGAIN);
    }
}

/* After the last look-up that a check may make. */
static void without_a_look_up_left(void **state)
{
    const struct record code = {4, "\x7f\0\0\x02", 0};
    (void)state;
    fill(LOOKUPS_MAX);
    struct dnsbl_result result = list();
    assert_true(result.failed);
    assert_string_equal(result.error, "DNS look-up failed");
    lookups_free(&lookups);
    say(LISTED, RECORD_A, &code, 1);
    fill(LOOKUPS_MAX);
    result = list(); /* listed all the same, without the list's text */
    assert_true(result.listed);
    assert_int_equal(result.code_count, 1);
    assert_null(result.reason);
    struct iprev_result name;
    assert_int_equal(iprev_check(client, 4, &lookups, arena, &name), 0);
    assert_int_equal(name.code, AUTH_TEMPERROR);
    assert_string_equal(name.reason, "DNS look-up of the address failed");
}

/* ---- The client's name ---- */

#define REVERSE "1.2.0.192.in-addr.arpa"

static const struct record right = {4, (const char *)client, 0}, wrong = {4, "\xc0\0\x02\x02", 0};

static void assert_name(enum auth_code code, const char *name, const char *reason)
{
    struct iprev_result result;
    assert_int_equal(iprev_check(client, 4, &lookups, arena, &result), 0);
    assert_int_equal(result.code, code);
    assert_int_equal(result.name != NULL, name != NULL);
    if (name)
        assert_string_equal(result.name, name);
    assert_int_equal(result.reason != NULL, reason != NULL);
    if (reason)
        assert_string_equal(result.reason, reason);
}

/* What cannot be a host's name is not asked for; the first that has the address counts. */
static void the_first_name_that_has_the_address(void **state)
{
    const struct record names[] = {{10, "a b.exampl", 0},
                                   {5, "plain", 0},
                                   {11, "One.example", 0},
                                   {13, "two_2-3.example" + 2, 0},
                                   {13, "three.example", 0}};
    const struct record both[] = {wrong, {16, "0123456789abcdef", 0}, right};
    struct iprev_result result;
    (void)state;
    say(REVERSE, RECORD_PTR, names, 5);
    assert_int_equal(iprev_check(client, 4, &lookups, arena, &result), -EAGAIN);
    assert_int_equal(lookups.count, 4); /* all three at once */
    say("one.example", RECORD_A, &wrong, 1);
    assert_int_equal(iprev_check(client, 4, &lookups, arena, &result), -EAGAIN);
    say("three.example", RECORD_A, both, 3);
    assert_name(AUTH_PASS, "three.example", NULL);
    say("o_2-3.example", RECORD_A, &right, 1);
    assert_name(AUTH_PASS, "o_2-3.example", NULL);
}

static void why_there_is_no_name(void **state)
{
    const struct record names[] = {{11, "one.example", 0}, {11, "two.example", 0}};
    (void)state;
    answer(REVERSE, RECORD_PTR, dns_answer_empty(DNS_FAILED, 0));
    assert_name(AUTH_TEMPERROR, NULL, "DNS look-up of the address failed");
    lookups_free(&lookups);
    answer(REVERSE, RECORD_PTR, dns_answer_empty(DNS_NONE, 0));
    assert_name(AUTH_PERMERROR, NULL, "the address has no name");
    lookups_free(&lookups);
    say(REVERSE, RECORD_PTR, names, 2);
    answer("one.example", RECORD_A, dns_answer_empty(DNS_FAILED, 0));
    say("two.example", RECORD_A, &wrong, 1);
    assert_name(AUTH_TEMPERROR, NULL, "DNS look-up of the name failed");
    lookups_free(&lookups);
    say(REVERSE, RECORD_PTR, names, 2);
    answer("one.example", RECORD_A, dns_answer_empty(DNS_NONE, 0));
    say("two.example", RECORD_A, &wrong, 1);
    assert_name(AUTH_FAIL, NULL, "the name does not have the address");
}

static void at_most_so_many_names(void **state)
{
    struct record names[IPREV_NAMES_MAX + 1];
    char texts[IPREV_NAMES_MAX + 1][16];
    struct iprev_result result;
    (void)state;
    for (size_t i = 0; i <= IPREV_NAMES_MAX; i++) {
        names[i] = (struct record){0, texts[i], 0};
        names[i].size = (size_t)snprintf(texts[i], sizeof texts[i], "n%zu.example", i);
    }
    say(REVERSE, RECORD_PTR, names, IPREV_NAMES_MAX + 1);
    assert_int_equal(iprev_check(client, 4, &lookups, arena, &result), -EAGAIN);
    assert_int_equal(lookups.count, 1 + IPREV_NAMES_MAX);
    assert_string_equal(lookups.items[IPREV_NAMES_MAX].name, "n9.example");
}

static void ipv6_is_asked_for_as_such(void **state)
{
    static const unsigned char address[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x1f};
    const struct record name = {10, "v6.example", 0}, own = {16, (const char *)address, 0};
    static const char reverse[] =
        "f.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    struct iprev_result result;
    (void)state;
    say(reverse, RECORD_PTR, &name, 1);
    say("v6.example", RECORD_AAAA, &own, 1);
    assert_int_equal(iprev_check(address, 16, &lookups, arena, &result), 0);
    assert_string_equal(result.name, "v6.example");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(asks_for_the_address_then_for_the_text),
        TEST(keeps_each_code_and_one_text),
        TEST(at_most_so_many_codes_and_so_long_a_text),
        TEST(what_is_no_listing),
        TEST(without_a_look_up_left),
        TEST(the_first_name_that_has_the_address),
        TEST(why_there_is_no_name),
        TEST(at_most_so_many_names),
        TEST(ipv6_is_asked_for_as_such),
    };
    return RUN_TESTS(tests);
}
