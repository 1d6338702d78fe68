#include "mail_test.h"

#include <gmime/gmime.h>
#include <stdio.h>
#include <stdlib.h>

#include "mail/address.h"

static struct mailbox_list list;
static struct arena *arena;

static void read_list(const char *raw)
{
    struct address_reader reader = {0};
    arena_free(arena);
    arena = arena_new();
    assert_non_null(arena);
    assert_int_equal(address_read(&reader, arena, raw, strlen(raw)), 0);
    assert_int_equal(address_finish(&reader, arena, &list), 0);
}

/* `expected` has "name|email" for each mailbox, and a semicolon after each; "-" is no name. */
static void assert_list(const char *raw, const char *expected)
{
    char text[512] = "";
    read_list(raw);
    for (size_t i = 0; i < list.count; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s|%s;",
                 list.items[i].name ? list.items[i].name : "-",
                 list.items[i].email ? list.items[i].email : "-");
    }
    assert_string_equal(text, expected);
}

static void test_forms(void **state)
{
    (void)state;
    assert_list("a@b.example", "-|a@b.example;");
    assert_list("<a@b.example>", "-|a@b.example;");
    assert_list("Ann Bee <a@b.example>", "Ann Bee|a@b.example;");
    assert_list("\"Bee, Ann\" <a@b.example>, c@d.example", "Bee, Ann|a@b.example;-|c@d.example;");
    assert_list("a@b.example (Ann Bee)", "Ann Bee|a@b.example;");
    assert_list("\"quoted local\"@b.example", "-|\"quoted local\"@b.example;");
    assert_list("a@[192.0.2.1]", "-|a@[192.0.2.1];");
    assert_list("root", "-|root;");
    assert_list("a@b.example,\r\n c@d.example", "-|a@b.example;-|c@d.example;");
    assert_list("", "");
    assert_list(" , ,", "");
}

static void test_groups(void **state)
{
    (void)state;
    assert_list("undisclosed-recipients:;", "");
    assert_list("undisclosed-recipients:", ""); /* without its end */
    assert_list("undisclosed-recipients: \t", "");
    assert_list("friends:, a@b.example", "-|a@b.example;");
    assert_list("friends: , a@b.example", "-|a@b.example;");
    assert_list("Team: a@b.example, Cee <c@d.example>;, e@f.example",
                "-|a@b.example;Cee|c@d.example;-|e@f.example;");
    assert_list("\"A; B\": a@b.example;", "-|a@b.example;");
    assert_list("A (a: b;): a@b.example;", "-|a@b.example;");
    assert_list("A: B: a@b.example;, c@d.example;", "-|a@b.example;-|c@d.example;");
    assert_list("a@b.example; Cee <c@d.example>;", "-|a@b.example;Cee|c@d.example;");
    assert_list("\"x: y\" <a@[IPv6:2001:db8::1]>, <@r.example:c@d.example>",
                "x: y|a@[IPv6:2001:db8::1];-|c@d.example;");
}

static void test_names(void **state)
{
    (void)state;
    assert_list("=?utf-8?q?Jos=C3=A9?= <a@b.example>", "José|a@b.example;");
    assert_list("=?utf-8?q?N=C3=BA=2C_Jos=C3=A9?= <a@b.example>", "Nú, José|a@b.example;");
    assert_list("\"=?utf-8?q?Jos=C3=A9?=\" <a@b.example>", "José|a@b.example;");
    assert_list("Jos\xC3\xA9 <a@b.example>", "José|a@b.example;");
    assert_list("Jos\xE9 <a@b.example>", "José|a@b.example;");
    assert_list("=?utf-8?q?"
                "?= <a@b.example>",
                "-|a@b.example;");
    assert_list("\"\" <a@b.example>", "-|a@b.example;");
    assert_list("=?utf-8?q?=3Cx=40y=3E=2C?= <a@b.example>", "<x@y>,|a@b.example;");
}

/* IDN and SMTPUTF8 addresses stand as they were written. */
static void test_international(void **state)
{
    (void)state;
    assert_list("a@xn--bcher-kva.example", "-|a@xn--bcher-kva.example;");
    assert_list("xn--x <a@b.XN--bcher-kva.example>, c@xn--bcher-kva.example",
                "xn--x|a@b.XN--bcher-kva.example;-|c@xn--bcher-kva.example;");
    assert_list("b\xC3\xBC@b\xC3\xBC\x63her.example", "-|bü@bücher.example;");
}

/* Not by the RFC, but people write it. */
static void test_salvaged(void **state)
{
    (void)state;
    assert_list("Big Bug bb@bug.example", "Big Bug|bb@bug.example;");
    assert_list("Big Bug (bb@bug.example)", "Big Bug|bb@bug.example;");
    assert_list("a@", "a@|-;");
    assert_list("@b", "@b|-;");
    assert_list("a @ ", "a @|-;");
    assert_list("Ann <>", "Ann|-;");
    assert_list("a@b.example c@d.example", "-|a@b.example;-|c@d.example;");
    assert_list("<a@b.example> Ann", "Ann|a@b.example;");
    assert_list("\"Ann <a@b.example>, c@d.example", "Ann|a@b.example;-|c@d.example;");
    assert_list("Ann <a@b.example, c@d.example", "Ann|a@b.example;-|c@d.example;");
}

static void test_names_without_quotes(void **state)
{
    (void)state;
    assert_list("Doe, John <a@b.example>", "Doe, John|a@b.example;");
    assert_list("Bob <b@x>, Doe, John, Jr. <a@b>, c@d", "Bob|b@x;Doe, John, Jr.|a@b;-|c@d;");
    assert_list("=?utf-8?q?D=C3=B6?=, =?utf-8?q?Jo?= <a@b>", "Dö, Jo|a@b;");
    assert_list("Ann, <a@b>", "Ann|a@b;");
    assert_list("Team, bob@x", "-|Team;-|bob@x;");
    assert_list("The team, bob@x", "The team|-;-|bob@x;");
    assert_list("Boss [CEO] Ltd <a@b>", "Boss [CEO] Ltd|a@b;");
    assert_list("[x] <a@b>, c@d", "[x]|a@b;-|c@d;");
    assert_list("john@work <a@b>", "john@work|a@b;");
    assert_list("Support: Tier 2 <a@b>", "Support: Tier 2|a@b;");
    assert_list("Re: you <a@b>, c@d", "Re: you|a@b;-|c@d;");
    assert_list("A. B. Cee <a@b>", "A. B. Cee|a@b;");
    assert_list("Mail Service", "Mail Service|-;");
    assert_list("\"root\"", "root|-;");
    assert_list("A\t \r\n  b <a@b>", "A b|a@b;");
}

static void test_addresses_as_people_write_them(void **state)
{
    (void)state;
    assert_list("a..b@x, <c.@x>, \"D\" <.d@x>", "-|a..b@x;-|c.@x;D|.d@x;");
    assert_list("Ann <mailto:a@b>", "Ann|a@b;");
    assert_list("mailto:a@b", "-|a@b;");
    assert_list("Ann <MAILTO:a@b?subject=x>", "Ann|a@b;");
    assert_list("Ann <<a@b>>, c@d", "Ann|a@b;-|c@d;");
    assert_list("<Bobby <b@x>>, c@d", "Bobby|b@x;-|c@d;");
    assert_list("Ann < a@b >", "Ann|a@b;");
    assert_list("Ann < a . c @ b . example >, d . e @ f", "Ann|a.c@b.example;-|d.e@f;");
    assert_list("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
                "Pete|pete@silly.test;");
    assert_list("Mail Delivery <MAILER-DAEMON>", "Mail Delivery|MAILER-DAEMON;");
    assert_list("Ann <no address>", "Ann|-;");
    assert_list("Ann <a@b> <c@d>", "Ann|a@b;-|c@d;"); /* both are shown */
    assert_list("\"a>b\"@x, <\"c>d\"@x>", "-|\"a>b\"@x;-|\"c>d\"@x;");
}

static void test_lists_inside(void **state)
{
    (void)state;
    assert_list("=?utf-8?Q?=22Support=22_=3Csupport=40b=3E?=", "Support|support@b;");
    assert_list("=?utf-8?Q?Al_D_<al@b>,_T_<t@b>?=, c@d", "Al D|al@b;T|t@b;-|c@d;");
    assert_list("=?utf-8?B?QW5uIDxhQGI+?=", "Ann|a@b;");
    assert_list("=?utf-8?q?a=40b?=", "-|a@b;");
    assert_list("\"Ann <a@b>\"", "Ann|a@b;");
    assert_list("\"a@b\"", "-|a@b;");
    assert_list("Ann <=?utf-8?q?a=40b?=>", "Ann|a@b;");
    assert_list("=?utf-8?q?a=40b?= <c@d>", "a@b|c@d;");
    assert_list("=?utf-8?q?a=40b=2C?= c@d", "-|a@b;-|c@d;");
    assert_list("Ann <a@b@c>, d@e@f", "Ann|-;"); /* whose is it? */
}

/* What cannot be shown as it is, is no address. */
static void test_bytes(void **state)
{
    (void)state;
    assert_list("J\xF6 <j\xF6@b>", "Jö|-;");
    assert_list("j\xF6@b, c@d", "-|c@d;");
    assert_list("J\xF6 \xC3\xB6 <a@b>", "J\xEF\xBF\xBD ö|a@b;"); /* some of it is UTF-8 */
    assert_list("\x1b$BF|K\\\x1b(B <a@b>", "日本|a@b;");
}

static void test_first(void **state)
{
    (void)state;
    read_list("Mail Service, a@b");
    assert_string_equal(address_first(&list)->email, "a@b");
    read_list("Mail Service");
    assert_string_equal(address_first(&list)->name, "Mail Service");
    read_list("");
    assert_null(address_first(&list));
}

static char *many(size_t count, const char *format)
{
    char *raw = malloc(count * 48 + 1), *at = raw;
    assert_non_null(raw);
    for (size_t i = 0; i < count; i++)
        at += sprintf(at, format, i, i);
    return raw;
}

/* Of many none may be lost, cut or doubled. */
static void test_many(void **state)
{
    (void)state;
    char *raw = many(30000, "\"User, %zu\" <u%zu@example.com>, "), expected[64];
    read_list(raw);
    assert_int_equal(list.count, 30000);
    for (size_t i = 0; i < list.count; i++) {
        snprintf(expected, sizeof expected, "User, %zu", i);
        assert_string_equal(list.items[i].name, expected);
        snprintf(expected, sizeof expected, "u%zu@example.com", i);
        assert_string_equal(list.items[i].email, expected);
    }
    free(raw);
}

static void test_limit(void **state)
{
    (void)state;
    char *raw = many(ADDRESSES_MAX, "a%zu@b%zu,");
    read_list(raw);
    assert_int_equal(list.count, ADDRESSES_MAX);
    free(raw);
    raw = many(ADDRESSES_MAX + 1, "a%zu@b%zu,");
    read_list(raw);
    assert_int_equal(list.count, ADDRESSES_MAX);
    free(raw);
}

/* Whatever is made of them, reading these ends, soon, and without a fault. */
static void test_malformed(void **state)
{
    (void)state;
    char *quotes = malloc(300001);
    assert_non_null(quotes);
    const char bytes[] = "\"<(:;,@\\[";
    for (size_t i = 0; i < sizeof bytes - 1; i++) {
        memset(quotes, bytes[i], 300000);
        quotes[300000] = 0;
        read_list(quotes);
    }
    for (size_t i = 0; i < 300000; i++)
        quotes[i] = "g:"[i % 2];
    read_list(quotes); /* groups in groups: on no stack */
    free(quotes);
    read_list("a@b@c, <<d@e>>, \"f\" g@h, i@, @j");
    read_list("a (never closed, b@c.example");
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    message_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_international),
        cmocka_unit_test(test_salvaged),
        cmocka_unit_test(test_names_without_quotes),
        cmocka_unit_test(test_addresses_as_people_write_them),
        cmocka_unit_test(test_lists_inside),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_first),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
