#include "auth/spf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../test.h"

/* What the official suite does not ask: limits on both sides, records larger than libspf2 takes. */

#define TEXT_MAX 20000

struct entry {
    char name[64];
    enum record_type type;
    char *text;
};

static struct entry zone[600];
static size_t zone_count;

static void add(enum record_type type, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void add(enum record_type type, const char *name, const char *format, ...)
{
    struct entry *e = &zone[zone_count++];
    va_list args;
    snprintf(e->name, sizeof e->name, "%s", name);
    e->type = type;
    e->text = malloc(TEXT_MAX);
    va_start(args, format);
    vsnprintf(e->text, TEXT_MAX, format, args);
    va_end(args);
}

static int clear(void **state)
{
    (void)state;
    while (zone_count > 0)
        free(zone[--zone_count].text);
    return 0;
}

static struct dns_answer *answer_for(const struct lookup *lookup)
{
    struct record records[32];
    size_t count = 0;
    for (size_t i = 0; i < zone_count; i++)
        if (zone[i].type == lookup->type && strcmp(zone[i].name, lookup->name) == 0)
            records[count++] =
                (struct record){lookup->type == RECORD_A ? 4 : strlen(zone[i].text), zone[i].text};
    return dns_answer_make(records, count, 60);
}

static enum auth_code check_from(const char *ip, const char *sender, char reason[200])
{
    struct spf_query query = {ip, "helo.test", sender, "here.test"};
    struct lookups lookups = {0};
    struct spf_result result;
    int code;
    do {
        struct arena *arena = arena_new();
        code = spf_check(&query, &lookups, arena, &result);
        if (code == 0 && reason)
            snprintf(reason, 200, "%s", result.reason ? result.reason : "");
        for (size_t i = 0; i < lookups.count; i++)
            if (!lookups.items[i].answer)
                lookups.items[i].answer = answer_for(&lookups.items[i]);
        arena_free(arena);
    } while (code == -EAGAIN);
    assert_int_equal(code, 0);
    lookups_free(&lookups);
    return result.code;
}

static enum auth_code check(const char *ip)
{
    return check_from(ip, "a@x.test", NULL);
}

/* "v=spf1", `count` times `term` (with its number for %zu), and `end`. */
static void add_terms(const char *name, size_t count, const char *kind, const char *end)
{
    static char text[TEXT_MAX];
    size_t used = (size_t)snprintf(text, sizeof text, "v=spf1");
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, " %s:%s%zu.test", kind, kind, i);
    add(RECORD_TXT, name, "%s %s", text, end);
}

static void ten_terms_ask_and_no_more(void **state)
{
    (void)state;
    char reason[200];
    for (size_t i = 0; i < 12; i++) {
        char name[64];
        snprintf(name, sizeof name, "a%zu.test", i);
        add(RECORD_A, name, "\x01\x01\x01\x01");
    }
    add_terms("x.test", 10, "a", "+all");
    assert_int_equal(check("192.0.2.1"), AUTH_PASS);
    clear(NULL);
    for (size_t i = 0; i < 12; i++) {
        char name[64];
        snprintf(name, sizeof name, "a%zu.test", i);
        add(RECORD_A, name, "\x01\x01\x01\x01");
    }
    add_terms("x.test", 11, "a", "+all");
    assert_int_equal(check_from("192.0.2.1", "a@x.test", reason), AUTH_PERMERROR);
    assert_string_equal(reason, "more than 10 terms that ask DNS");
}

/* What a fail of x.test is explained with: a text of `size` bytes, of which macros are `macros` times "192.0.2.1". */
static void check_explanation(size_t literal, size_t macros, bool expected)
{
    char text[TEXT_MAX] = "", explanation[TEXT_MAX] = "";
    memset(text, 'x', literal);
    for (size_t i = 0; i < macros; i++)
        strcat(text, "%{i}");
    add(RECORD_TXT, "x.test", "v=spf1 -all exp=why.test");
    add(RECORD_TXT, "why.test", "%s", text);
    struct spf_query query = {"192.0.2.1", "helo.test", "a@x.test", "here.test"};
    struct lookups lookups = {0};
    struct spf_result result;
    int code;
    do {
        struct arena *arena = arena_new();
        code = spf_check(&query, &lookups, arena, &result);
        if (code == 0)
            snprintf(explanation, sizeof explanation, "%s",
                     result.explanation ? result.explanation : "");
        for (size_t i = 0; i < lookups.count; i++)
            if (!lookups.items[i].answer)
                lookups.items[i].answer = answer_for(&lookups.items[i]);
        arena_free(arena);
    } while (code == -EAGAIN);
    assert_int_equal(code, 0);
    assert_int_equal(result.code, AUTH_FAIL);
    lookups_free(&lookups);
    assert_int_equal(strlen(explanation), expected ? literal + macros * strlen("192.0.2.1") : 0);
    if (expected && macros > 0)
        assert_string_equal(explanation + literal + (macros - 1) * strlen("192.0.2.1"),
                            "192.0.2.1");
    clear(NULL);
}

static void an_explanation_has_its_limit(void **state)
{
    (void)state;
    check_explanation(1, 0, true);
    check_explanation(1023, 0, true);
    check_explanation(1024, 0, true);
    check_explanation(1025, 0, false);
    check_explanation(1024 - 9, 1, true);
    check_explanation(1024 - 8, 1, false);
    check_explanation(1024 - 113 * 9, 113, true);
    check_explanation(0, 114, false);
}

/* Of several records there is no explanation (section 6.2). */
static void two_explanations_are_none(void **state)
{
    (void)state;
    add(RECORD_TXT, "why.test", "one");
    check_explanation(1, 0, false);
}

/* libspf2 counts each included record's terms for itself. */
static void terms_of_included_records_count(void **state)
{
    (void)state;
    for (size_t last = 3; last <= 4; last++) {
        clear(NULL);
        add(RECORD_TXT, "x.test", "v=spf1 include:i0.test include:i1.test +all");
        for (size_t i = 0; i < 12; i++) {
            char name[64];
            snprintf(name, sizeof name, "a%zu.test", i);
            add(RECORD_A, name, "\x01\x01\x01\x01");
        }
        add_terms("i0.test", 4, "a", "-all");
        add_terms("i1.test", last + 1, "a", "-all");
        assert_int_equal(check("192.0.2.1"), last == 3 ? AUTH_PASS : AUTH_PERMERROR);
    }
}

static void two_void_lookups_and_no_more(void **state)
{
    (void)state;
    char reason[200];
    add(RECORD_TXT, "x.test", "v=spf1 a:n1.test mx:n2.test +all");
    assert_int_equal(check("192.0.2.1"), AUTH_PASS);
    clear(NULL);
    add(RECORD_TXT, "x.test", "v=spf1 a:n1.test mx:n2.test exists:n3.test +all");
    assert_int_equal(check_from("192.0.2.1", "a@x.test", reason), AUTH_PERMERROR);
    assert_string_equal(reason, "more than 2 DNS look-ups found nothing");
}

static void ten_mx_and_no_more(void **state)
{
    (void)state;
    for (size_t count = 10; count <= 11; count++) {
        clear(NULL);
        add(RECORD_TXT, "x.test", "v=spf1 mx -all");
        for (size_t i = 0; i < count; i++) {
            char name[64];
            snprintf(name, sizeof name, "m%zu.test", i);
            add(RECORD_MX, "x.test", "%s", name);
            add(RECORD_A, name, i == 9 ? "\xc0\x02\x02\x01" : "\x01\x01\x01\x01");
        }
        assert_int_equal(check("192.2.2.1"), count == 10 ? AUTH_PASS : AUTH_PERMERROR);
    }
}

/* libspf2 has room for 511 bytes of a record: 63 addresses. */
static void a_record_of_many_addresses(void **state)
{
    (void)state;
    static char text[TEXT_MAX];
    size_t used = (size_t)snprintf(text, sizeof text, "v=spf1");
    for (unsigned i = 0; i < 700; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, " ip4:10.%u.%u.0/24", i / 250,
                                 i % 250);
    add(RECORD_TXT, "x.test", "%s -all", text);
    assert_int_equal(check("10.2.199.7"), AUTH_PASS);
    assert_int_equal(check("10.2.200.7"), AUTH_FAIL);
}

static void prefixes_that_end_inside_a_byte(void **state)
{
    (void)state;
    add(RECORD_TXT, "x.test", "v=spf1 ip4:192.0.2.64/26 ip6:2001:db8:8000::/33 -all");
    assert_int_equal(check("192.0.2.127"), AUTH_PASS);
    assert_int_equal(check("192.0.2.128"), AUTH_FAIL);
    assert_int_equal(check("192.0.2.63"), AUTH_FAIL);
    assert_int_equal(check("2001:db8:ffff::1"), AUTH_PASS);
    assert_int_equal(check("2001:db8:7fff::1"), AUTH_FAIL);
    assert_int_equal(check("::ffff:192.0.2.127"), AUTH_PASS);
}

static void a_client_on_this_machine_gets_no_free_pass(void **state)
{
    (void)state;
    add(RECORD_TXT, "x.test", "v=spf1 -all");
    assert_int_equal(check("127.0.0.1"), AUTH_FAIL);
    assert_int_equal(check("::1"), AUTH_FAIL);
}

static void hostile_senders(void **state)
{
    (void)state;
    static char sender[2000];
    char reason[200];
    add(RECORD_TXT, "x.test",
        "v=spf1 exists:%%{l}.%%{lr-+}.%%{S}.%%{h}.y.test exists:%%{l99r}.z.test -all");
    memset(sender, '.', 1000);
    strcpy(sender + 1000, "@x.test");
    assert_int_equal(check_from("192.0.2.1", sender, reason), AUTH_PERMERROR);
    assert_string_equal(reason, "a name becomes too long");
    for (size_t i = 0; i < 1000; i++)
        sender[i] = (char)(i % 255 + 1);
    assert_int_equal(check_from("192.0.2.1", sender, NULL), AUTH_PERMERROR);
    assert_int_equal(check_from("192.0.2.1", sender + 800, NULL), AUTH_FAIL);
    assert_int_equal(check_from("192.0.2.1", "\"a b@c\"@x.test", NULL), AUTH_FAIL);
    assert_int_equal(check_from("192.0.2.1", "a@", NULL), AUTH_NONE);
    assert_int_equal(check_from("192.0.2.1", "a@[192.0.2.1]", NULL), AUTH_NONE);
    assert_int_equal(check_from("192.0.2.1", "a@192.0.2.1", NULL), AUTH_NONE);
    assert_int_equal(check_from("192.0.2.1", "a@x.test.", NULL), AUTH_FAIL);
    assert_int_equal(check_from("no address", "a@x.test", NULL), AUTH_NONE);
}

static void loops_end(void **state)
{
    (void)state;
    add(RECORD_TXT, "x.test", "v=spf1 include:y.test -all");
    add(RECORD_TXT, "y.test", "v=spf1 include:x.test -all");
    assert_int_equal(check("192.0.2.1"), AUTH_PERMERROR);
    clear(NULL);
    add(RECORD_TXT, "x.test", "v=spf1 redirect=x.test");
    assert_int_equal(check("192.0.2.1"), AUTH_PERMERROR);
}

/* An include in the width as in the depth: the limit holds what would be 3^10 records. */
static void a_tree_of_includes_ends(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s%.0u", i ? "t" : "x", i);
        strcat(name, ".test");
        add(RECORD_TXT, name, "v=spf1 include:t%u.test include:t%u.test include:t%u.test -all",
            i + 1, i + 1, i + 1);
    }
    assert_int_equal(check("192.0.2.1"), AUTH_PERMERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(ten_terms_ask_and_no_more, clear),
        cmocka_unit_test_teardown(an_explanation_has_its_limit, clear),
        cmocka_unit_test_teardown(two_explanations_are_none, clear),
        cmocka_unit_test_teardown(terms_of_included_records_count, clear),
        cmocka_unit_test_teardown(two_void_lookups_and_no_more, clear),
        cmocka_unit_test_teardown(ten_mx_and_no_more, clear),
        cmocka_unit_test_teardown(a_record_of_many_addresses, clear),
        cmocka_unit_test_teardown(prefixes_that_end_inside_a_byte, clear),
        cmocka_unit_test_teardown(a_client_on_this_machine_gets_no_free_pass, clear),
        cmocka_unit_test_teardown(hostile_senders, clear),
        cmocka_unit_test_teardown(loops_end, clear),
        cmocka_unit_test_teardown(a_tree_of_includes_ends, clear),
    };
    return RUN_TESTS(tests);
}
