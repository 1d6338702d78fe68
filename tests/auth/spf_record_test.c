#include "auth/spf_record.h"

#include <stdio.h>
#include <string.h>

#include "../test.h"
#include "auth/spf_macro.h"

static void assert_reads(const char *terms, bool good)
{
    char record[600];
    snprintf(record, sizeof record, "v=spf1 %s", terms);
    assert_true(spf_record_is(record, strlen(record)));
    if ((spf_record_error(record, strlen(record)) == NULL) != good)
        fail_msg("%s: read as %s", record, good ? "broken" : "good");
}

static void what_is_a_record(void **state)
{
    (void)state;
    assert_true(spf_record_is("v=spf1", 6));
    assert_true(spf_record_is("V=SpF1 ", 7));
    assert_false(spf_record_is("v=spf1", 5));
    assert_false(spf_record_is("v=spf10", 7));
    assert_false(spf_record_is(" v=spf1", 7));
}

static void what_follows_the_grammar(void **state)
{
    (void)state;
    static const char *const terms[] = {"",
                                        "  ",
                                        "all",
                                        "-ALL",
                                        "?all  ~all",
                                        "a",
                                        "a/0",
                                        "a/32",
                                        "a//0",
                                        "a//128",
                                        "a/24//64",
                                        "a:example.com",
                                        "a:example.com.",
                                        "a:example.com/24//64",
                                        "mx",
                                        "mx:%{d}/1",
                                        "ptr",
                                        "PTR:%{o}.x-y",
                                        "ip4:192.0.2.1",
                                        "ip4:192.0.2.0/0",
                                        "ip6:::1",
                                        "ip6:::/0",
                                        "ip6:::ffff:192.0.2.1/96",
                                        "exists:%{ir}.%{v}._spf.%{d2}",
                                        "exists:%{l1r-}.a.b",
                                        "exists:%{L1R+-.=_,/}",
                                        "include:a.b",
                                        "exists:%%%_%-.b",
                                        "exists:%{d128}",
                                        "redirect=a.b",
                                        "redirect=%{d}",
                                        "exp=a.b",
                                        "foo=",
                                        "foo=%{c}%{t}%{r}",
                                        "a=b",
                                        "x-1_.y=z",
                                        "a:b/c.d",
                                        "a:1.2.3.4a"};
    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++)
        assert_reads(terms[i], true);
}

static void what_does_not(void **state)
{
    (void)state;
    static const char *const terms[] = {"al",
                                        "all:a.b",
                                        "all/24",
                                        "-",
                                        "+-all",
                                        "--all",
                                        "a:",
                                        "a/33",
                                        "a/-1",
                                        "a/",
                                        "a/032",
                                        "a//129",
                                        "a/24/64",
                                        "a//64/24",
                                        "a:a.b/33",
                                        "a:b",
                                        "a:b.1",
                                        "a:b.-c",
                                        "a:b.c-",
                                        "a:b.c..",
                                        "ip4",
                                        "ip4:",
                                        "ip4:1.2.3",
                                        "ip4:1.2.3.4/33",
                                        "ip4:1.2.3.4//32",
                                        "ip4:1.2.3.256",
                                        "ip6:1",
                                        "ip6:::1/129",
                                        "ip6:1.2.3.4",
                                        "include",
                                        "include:",
                                        "exists",
                                        "exists:",
                                        "include:a.b/24",
                                        "ptr:",
                                        "ptr/24",
                                        "redirect=",
                                        "exp=",
                                        "redirect=b",
                                        "redirect=a.b redirect=a.b",
                                        "exp=a.b exp=a.b",
                                        "exists:%",
                                        "exists:%a.b",
                                        "exists:%{d",
                                        "exists:%{x}.a.b",
                                        "exists:%{d0}",
                                        "exists:%{dr1}",
                                        "exists:%{d*}",
                                        "exists:%{c}.a.b",
                                        "exists:a.b%{d}c",
                                        "1a=b",
                                        "=b",
                                        "foo=%",
                                        "foo=%{y}",
                                        "\x80",
                                        "a:\xc3\xa4.de",
                                        "a\tall",
                                        "moo",
                                        "ip4:1.2.3.4 moo",
                                        "a:a.b\n"};
    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++)
        assert_reads(terms[i], false);
}

static void terms_are_told(void **state)
{
    (void)state;
    static const char record[] =
        "v=spf1 a ~mx:a.b/20//64 ip4:192.0.2.0/24 ip4:192.0.2.1 redirect=%{d} x=y";
    struct spf_term term;
    size_t at = 0;
    assert_true(spf_record_next(record, sizeof record - 1, &at, &term));
    assert_int_equal(term.kind, TERM_A);
    assert_int_equal(term.cidr4, 32);
    assert_int_equal(term.cidr6, 128);
    assert_true(spf_record_next(record, sizeof record - 1, &at, &term));
    assert_int_equal(term.kind, TERM_MX);
    assert_int_equal(term.qualifier, '~');
    assert_int_equal(term.cidr4, 20);
    assert_int_equal(term.cidr6, 64);
    assert_int_equal(term.domain_size, 3);
    assert_memory_equal(term.domain, "a.b", 3);
    assert_true(spf_record_next(record, sizeof record - 1, &at, &term));
    assert_int_equal(term.kind, TERM_IP4);
    assert_int_equal(term.qualifier, '+');
    assert_int_equal(term.cidr4, 24);
    assert_memory_equal(term.address, "\xc0\0\x02\0", 4);
    assert_true(spf_record_next(record, sizeof record - 1, &at, &term));
    assert_int_equal(term.cidr4, 32);
    assert_true(spf_record_next(record, sizeof record - 1, &at, &term));
    assert_int_equal(term.kind, TERM_REDIRECT);
    assert_memory_equal(term.domain, "%{d}", 4);
    assert_true(spf_record_next(record, sizeof record - 1, &at, &term));
    assert_int_equal(term.kind, TERM_OTHER);
    assert_false(spf_record_next(record, sizeof record - 1, &at, &term));
}

/* --- Macros --- */

static int no_name(void *context, const char *domain, const char **out)
{
    (void)context;
    (void)domain;
    *out = "unknown";
    return 0;
}

static struct spf_macros macros(bool ipv6)
{
    struct spf_macros m = {.local = "strong-bad",
                           .sender_domain = "email.example.com",
                           .helo = "mx.example.com",
                           .receiver = "here.example",
                           .domain = "email.example.com",
                           .ipv6 = ipv6,
                           .now = 1234567890,
                           .client_name = no_name};
    memcpy(m.address,
           ipv6 ? "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\xcb\x01"
                : "\xc0\0\x02\x03\0\0\0\0\0\0\0\0\0\0\0",
           16);
    return m;
}

static void assert_expands(bool ipv6, const char *text, const char *expected)
{
    char out[SPF_EXPANDED_MAX + 1];
    struct spf_macros m = macros(ipv6);
    assert_int_equal(spf_expand(&m, text, strlen(text), out), 0);
    assert_string_equal(out, expected);
}

/* RFC 7208 section 7.4. */
static void the_examples_of_the_rfc(void **state)
{
    (void)state;
    assert_expands(false, "%{s}", "strong-bad@email.example.com");
    assert_expands(false, "%{o}", "email.example.com");
    assert_expands(false, "%{d4}", "email.example.com");
    assert_expands(false, "%{d2}", "example.com");
    assert_expands(false, "%{d1}", "com");
    assert_expands(false, "%{dr}", "com.example.email");
    assert_expands(false, "%{d2r}", "example.email");
    assert_expands(false, "%{l}", "strong-bad");
    assert_expands(false, "%{l-}", "strong.bad");
    assert_expands(false, "%{lr}", "strong-bad");
    assert_expands(false, "%{lr-}", "bad.strong");
    assert_expands(false, "%{l1r-}", "strong");
    assert_expands(false, "%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com");
    assert_expands(false, "%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com");
    assert_expands(false, "%{d2}.trusted-domains.example.net",
                   "example.com.trusted-domains.example.net");
    assert_expands(
        true, "%{ir}.%{v}._spf.%{d2}",
        "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com");
}

static void the_other_letters(void **state)
{
    (void)state;
    assert_expands(false, "%{h} %{c} %{r} %{t} %{p}",
                   "mx.example.com 192.0.2.3 here.example 1234567890 unknown");
    assert_expands(true, "%{c}", "2001:db8::cb01");
    assert_expands(false, "%%%_%-", "% %20");
    assert_expands(false, "%{S}", "strong-bad%40email.example.com");
}

static void a_name_loses_labels_until_it_fits(void **state)
{
    (void)state;
    char text[400], out[SPF_EXPANDED_MAX + 1];
    struct spf_macros m = macros(false);
    for (size_t i = 0; i < 300; i++)
        text[i] = i % 10 == 9 ? '.' : 'a';
    strcpy(text + 300, "b.cd");
    assert_int_equal(spf_expand_name(&m, text, strlen(text), out), 0);
    assert_int_equal(strlen(out), 244);
    assert_string_equal(out + 240, "b.cd");
    assert_int_equal(spf_expand_name(&m, text + 51, strlen(text) - 51, out), 0);
    assert_int_equal(strlen(out), 253);
}

static void what_grows_too_long_is_refused(void **state)
{
    (void)state;
    char text[2 * SPF_EXPANDED_MAX], out[SPF_EXPANDED_MAX + 1];
    struct spf_macros m = macros(false);
    memset(text, 'a', sizeof text);
    assert_int_equal(spf_expand(&m, text, SPF_EXPANDED_MAX, out), 0);
    assert_int_not_equal(spf_expand(&m, text, SPF_EXPANDED_MAX + 1, out), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_a_record),
        cmocka_unit_test(what_follows_the_grammar),
        cmocka_unit_test(what_does_not),
        cmocka_unit_test(terms_are_told),
        cmocka_unit_test(the_examples_of_the_rfc),
        cmocka_unit_test(the_other_letters),
        cmocka_unit_test(a_name_loses_labels_until_it_fits),
        cmocka_unit_test(what_grows_too_long_is_refused),
    };
    return RUN_TESTS(tests);
}
