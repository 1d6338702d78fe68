/* The domains that From shows: each way to write one that a reader may be shown. */
#include "auth/author.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spill.h"
#include "mail/message.h"

#include "../test.h"

/* The domains of a header, by commas, and the flaw behind a "|". */
static void assert_author_of(const char *header, size_t size, const char *expected)
{
    struct author author;
    struct head head;
    char found[2000] = "";
    struct arena *arena = arena_new();
    struct spill *data = spill_from_bytes(header, size);
    assert_non_null(arena);
    assert_non_null(data);
    assert_int_equal(head_read(data, &head), 0);
    assert_int_equal(author_read(&head, arena, &author), 0);
    for (size_t i = 0; i < author.count; i++)
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s%s", i ? "," : "",
                 author.domains[i]);
    snprintf(found + strlen(found), sizeof found - strlen(found), "|%s",
             author.flaw ? author.flaw : "");
    if (strcmp(found, expected) != 0)
        fail_msg("%s: %s instead of %s", header, found, expected);
    head_free(&head);
    spill_free(data);
    arena_free(arena);
}

static void assert_author(const char *from, const char *expected)
{
    char header[2000];
    int size = snprintf(header, sizeof header, "From: %s\r\nSubject: x\r\n\r\nbody\r\n", from);
    assert_author_of(header, (size_t)size, expected);
}

#define NO_DOMAIN  "From has an address whose domain cannot be looked up"
#define UNREADABLE "From has an address that cannot be read"

static void one_mailbox(void **state)
{
    (void)state;
    assert_author("ceo@bank.test", "bank.test|");
    assert_author("<ceo@bank.test>", "bank.test|");
    assert_author("CEO <ceo@BANK.Test>", "bank.test|");
    assert_author("CEO <ceo@bank.test.>", "bank.test|");
    assert_author("\"Doe, John\" <ceo@bank.test>", "bank.test|");
    assert_author("ceo@bank.test (the CEO)", "bank.test|");
    assert_author("ceo(a)@(b)bank.test(c)", "bank.test|");
    assert_author("ceo @ bank . test", "bank.test|");
    assert_author("CEO\r\n <ceo@\r\n\tbank.test>", "bank.test|");
    assert_author("ceo@b\xc3\xa4nk.test", "xn--bnk-qla.test|");
    assert_author("ceo@xn--bnk-qla.test", "xn--bnk-qla.test|");
}

static void several(void **state)
{
    (void)state;
    assert_author("CEO <ceo@bank.test>, x@evil.test", "bank.test,evil.test|");
    assert_author("x@evil.test, CEO <ceo@bank.test>", "evil.test,bank.test|");
    assert_author("a@bank.test, b@bank.test", "bank.test|");
    assert_author("CEO <ceo@bank.test>, foo", "bank.test|");
    assert_author("Doe, John <ceo@bank.test>", "bank.test|");
    assert_author("The board: ceo@bank.test, x@evil.test;", "bank.test,evil.test|");
    assert_author("The board: ceo@bank.test;, x@evil.test", "bank.test,evil.test|");
    assert_author("x@evil.test; ceo@bank.test", "evil.test,bank.test|");
    assert_author(",, ceo@bank.test,", "bank.test|");
    assert_author("undisclosed:;", "|From has no address");
}

/* RFC 2047 section 5 has no encoded words in addresses; readers decode them all the same. */
static void encoded(void **state)
{
    (void)state;
    assert_author("=?utf-8?q?ceo=40bank.test?=", "bank.test|");
    assert_author("=?utf-8?b?Y2VvQGJhbmsudGVzdA==?=", "bank.test|");
    assert_author("=?utf-8?q?=3Cceo=40bank.test=3E?=", "bank.test|");
    assert_author("<=?utf-8?q?ceo=40bank.test?=>", "bank.test|");
    assert_author("ceo@=?utf-8?q?bank.test?=", "bank.test|" UNREADABLE);
    assert_author("ceo=?utf-8?q?=40bank?=.test", "bank.test|");
    assert_author("=?utf-8?q?ceo=40bank.test?=, x@evil.test", "bank.test,evil.test|");
    assert_author("x@evil.test, =?utf-8?q?ceo=40bank.test?=", "evil.test,bank.test|");
    assert_author("=?utf-8?q?ceo=40bank.test=2C?= x@evil.test", "bank.test,evil.test|");
    assert_author("=?utf-8?q?ceo=40bank.test?= <x@evil.test>", "evil.test|"); /* a name */
    assert_author("=?utf-8?q?CEO_=3Cceo=40bank.test=3E?= <x@evil.test>", "evil.test|");
    assert_author("=?utf-8?q?M=C3=BCller?= <a@bank.test>", "bank.test|");
}

static void what_cannot_be_read(void **state)
{
    (void)state;
    assert_author("ceo@bank.test <x@evil.test>", "evil.test,bank.test|" UNREADABLE);
    assert_author("x@evil.test <ceo@bank.test>", "bank.test,evil.test|" UNREADABLE);
    assert_author("CEO <ceo@bank.test", "bank.test|");
    assert_author("CEO ceo@bank.test>", "bank.test|");
    assert_author("<ceo@bank.test> <x@evil.test>", "bank.test,evil.test|");
    assert_author("<x@evil.test> <ceo@bank.test>", "evil.test,bank.test|");
    assert_author("<<ceo@bank.test>>", "bank.test|");
    assert_author("x@evil.test ceo@bank.test", "evil.test,bank.test|");
    assert_author("\"CEO <ceo@bank.test>", "bank.test|");
    assert_author("(CEO <ceo@bank.test>", "bank.test|");
    assert_author("[CEO <ceo@bank.test>", "bank.test|");
    assert_author("CEO\\ <ceo@bank.test>", "bank.test|");
    assert_author("ceo@bank.test@evil.test", "bank.test,evil.test|" UNREADABLE);
    assert_author("\"ceo@bank.test\"@evil.test", "bank.test,evil.test|");
    assert_author("ceo@bank..test", "bank.test|" NO_DOMAIN);
    assert_author("ceo@.bank.test", "bank.test|" NO_DOMAIN);
    assert_author("ceo@bank.test..", "bank.test|" NO_DOMAIN);
    assert_author("ceo@ba\x01nk.test", "bank.test,nk.test|" NO_DOMAIN);
    assert_author("ceo@bank.test\x01", "bank.test|" NO_DOMAIN);
    assert_author("ceo@bank.test\xe2\x80\x8b", "bank.test|");
    assert_author("ceo@\xc2\xa0"
                  "bank.test",
                  "bank.test|" NO_DOMAIN);
    assert_author("ceo\xef\xbc\xa0"
                  "bank.test",
                  "bank.test|" UNREADABLE);
    assert_author("x@[192.0.2.1]", "|" NO_DOMAIN);
    assert_author("x@[192.0.2.1], ceo@bank.test", "bank.test|" NO_DOMAIN);
    assert_author("ceo", "|From has no address");
    assert_author("", "|From has no address");
    assert_author("@bank.test", "bank.test|" UNREADABLE);
    assert_author("ceo@", "|From has no address");
    assert_author("<@relay.test:ceo@bank.test>", "bank.test,relay.test|" UNREADABLE);
}

/* Behind the "@" stands what cannot be looked up, and is shown. */
static void what_may_be_taken_for_a_domain(void **state)
{
    (void)state;
    assert_author("ceo@\\bank.test", "bank.test|" NO_DOMAIN);
    assert_author("ceo@bank\\.test", "bank.test|" NO_DOMAIN);
    assert_author("ceo@[bank.test]", "bank.test|" NO_DOMAIN);
    assert_author("ceo@[x]bank.test", "bank.test|" NO_DOMAIN);
    assert_author("ceo@]bank.test", "bank.test|" NO_DOMAIN);
    assert_author("ceo@bank.test/x", "bank.testx,bank.test|" NO_DOMAIN);
    assert_author("ceo@x|bank.test", "xbank.test,bank.test|" NO_DOMAIN);
    assert_author("ceo@b\xc3\xa4nk.test|x", "xn--bnk-qla.testx,xn--bnk-qla.test|" NO_DOMAIN);
    assert_author("ceo@bank.test\xc2\xa0x", "bank.testx,bank.test|" NO_DOMAIN); /* a space */
    assert_author("ceo@bank.test\xe2\x80\xa8x",
                  "bank.testx,bank.test|" NO_DOMAIN); /* a line's end */
    assert_author("ceo@,bank.test", "bank.test|" UNREADABLE);
    assert_author("ceo@:bank.test", "bank.test|" UNREADABLE);
    assert_author("ceo@;bank.test", "bank.test|" UNREADABLE);
    assert_author("ceo@)bank.test", "bank.test|" UNREADABLE);
    assert_author("ceo@<bank.test>", "bank.test|" UNREADABLE);
    assert_author("ceo@@bank.test", "bank.test|" UNREADABLE);
}

/* What is no name, or another one, once its letters are those of ASCII. */
static void other_widths(void **state)
{
    (void)state;
    assert_author("ceo@\xef\xbd\x82\xef\xbd\x81nk.test", "bank.test|");
    assert_author("ceo@bank\xef\xbc\x8etest", "bank.test|"); /* U+FF0E, a full stop to IDNA */
    assert_author("ceo@bank\xe2\x80\xa4test", "bank.test|" NO_DOMAIN);  /* U+2024 */
    assert_author("ceo@bank\xef\xb9\x92test", "bank.test|" NO_DOMAIN);  /* U+FE52 */
    assert_author("ceo@bank\xe2\x80\xa5test", "bank.test|" NO_DOMAIN);  /* U+2025 */
    assert_author("ceo@bank.test\xef\xbc\x8c", "bank.test|" NO_DOMAIN); /* a comma */
    assert_author("ceo@bank.test\xef\xbc\x9e", "bank.test|" NO_DOMAIN); /* > */
    assert_author("ceo@bank.test\xef\xbc\x89", "bank.test|" NO_DOMAIN); /* ) */
    assert_author("ceo@bank.test\xef\xbc\x9b", "bank.test|" NO_DOMAIN); /* ; */
    assert_author("x@evil.test\xef\xbc\x8c ceo@bank.test", "evil.test,bank.test|" NO_DOMAIN);
}

/* Where there is no address, the name is all that is shown. */
static void a_name_only(void **state)
{
    (void)state;
    assert_author("=?utf-8?q?\"ceo=40bank.test\"?=", "bank.test|" UNREADABLE);
    assert_author("=?utf-8?q?\"ceo=40bank.test\"?= <foo>", "bank.test|" UNREADABLE);
    assert_author("\"ceo@bank.test\" <>", "bank.test|" UNREADABLE);
    assert_author("\"ceo@bank.test\" <x@evil.test>", "evil.test|");
}

static void assert_header(const char *header, const char *expected)
{
    assert_author_of(header, strlen(header), expected);
}

static void fields(void **state)
{
    (void)state;
    assert_header("Subject: x\r\n\r\nFrom: a@b.test\r\n", "|no From");
    assert_header("FROM : ceo@bank.test\r\n\r\n", "bank.test|");
    assert_header("From: ceo@bank.test\r\nfrom: x@evil.test\r\n\r\n",
                  "bank.test,evil.test|more than one From");
    assert_header("From: x@evil.test\r\nX: y\r\nFROM: ceo@bank.test\r\n\r\n",
                  "evil.test,bank.test|more than one From");
    assert_header("From:\r\n ceo@bank.test\r\nFrom:\r\n\r\n", "bank.test|more than one From");
    static const char nul[] = "From: ceo@ba\0nk.test\r\n\r\n";
    assert_author_of(nul, sizeof nul - 1, "ba,bank.test,nk.test|" NO_DOMAIN);
}

/* On both sides of the limit. */
static void as_many_domains_as_are_looked_at(void **state)
{
    (void)state;
    assert_author("a@1.t, a@2.t, a@3.t, a@4.t, a@5.t, a@6.t, a@7.t, a@8.t, b@8.t",
                  "1.t,2.t,3.t,4.t,5.t,6.t,7.t,8.t|");
    assert_author("a@1.t, a@2.t, a@3.t, a@4.t, a@5.t, a@6.t, a@7.t, a@8.t, a@bank.test",
                  "1.t,2.t,3.t,4.t,5.t,6.t,7.t,8.t|From shows more domains than are checked");
}

static void assert_copies(size_t count, const char *address, const char *expected)
{
    char *header = calloc(count + 2, strlen(address) + 4);
    strcpy(header, "From: ");
    for (size_t i = 0; i < count; i++)
        strcat(strcat(header, i ? ",\r\n " : ""), address);
    strcat(header, "\r\n\r\n");
    assert_author_of(header, strlen(header), expected);
    free(header);
}

/* The reader's addresses, and then what anybody may read, are tried. */
static void as_many_addresses_as_are_tried(void **state)
{
    (void)state;
    assert_copies(AUTHOR_TRIES_MAX / 2, "a@b.t", "b.t|");
    assert_copies(AUTHOR_TRIES_MAX / 2 + 1, "a@b.t",
                  "b.t|From shows more domains than are checked");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_mailbox),
        cmocka_unit_test(several),
        cmocka_unit_test(encoded),
        cmocka_unit_test(what_cannot_be_read),
        cmocka_unit_test(fields),
        cmocka_unit_test(as_many_domains_as_are_looked_at),
        cmocka_unit_test(what_may_be_taken_for_a_domain),
        cmocka_unit_test(other_widths),
        cmocka_unit_test(a_name_only),
        cmocka_unit_test(as_many_addresses_as_are_tried),
    };
    message_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
