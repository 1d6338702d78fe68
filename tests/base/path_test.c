#include "base/path.h"

#include <stdio.h>
#include <string.h>

#include "../test.h"

struct good {
    const char *text, *address, *domain;
};

static void check_good(const struct good *cases, size_t count, enum path_kind kind)
{
    for (size_t i = 0; i < count; i++) {
        struct path path;
        const char *end = path_parse(cases[i].text, kind, &path);
        if (!end)
            fail_msg("refused: %s", cases[i].text);
        assert_string_equal(end, "");
        assert_string_equal(path.address, cases[i].address);
        if (cases[i].domain)
            assert_string_equal(path.domain, cases[i].domain);
        else
            assert_null(path.domain);
    }
}

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void mailboxes(void **state)
{
    (void)state;
    static const struct good cases[] = {
        {"<a@b>", "a@b", "b"},
        {"<user@example.com>", "user@example.com", "example.com"},
        {"<first.last@mail.example.com>", "first.last@mail.example.com", "mail.example.com"},
        {"<!#$%&'*+-/=?^_`{|}~@example.com>", "!#$%&'*+-/=?^_`{|}~@example.com", "example.com"},
        {"<0@1.2>", "0@1.2", "1.2"},
        {"<a@x-y.example>", "a@x-y.example", "x-y.example"},
        {"<a@_dmarc.example>", "a@_dmarc.example", "_dmarc.example"},
    };
    check_good(cases, COUNT(cases), PATH_FORWARD);
    check_good(cases, COUNT(cases), PATH_REVERSE);
}

static void quoted_local_parts(void **state)
{
    (void)state;
    static const struct good cases[] = {
        {"<\"a b\"@example.com>", "\"a b\"@example.com", "example.com"},
        {"<\"\"@example.com>", "\"\"@example.com", "example.com"},
        {"<\"a\\\"b\\\\c\"@example.com>", "\"a\\\"b\\\\c\"@example.com", "example.com"},
        {"<\"x@y>z\"@example.com>", "\"x@y>z\"@example.com", "example.com"},
        {"<\"..\"@example.com>", "\"..\"@example.com", "example.com"},
    };
    check_good(cases, COUNT(cases), PATH_FORWARD);
}

static void address_literals(void **state)
{
    (void)state;
    static const struct good cases[] = {
        {"<a@[192.0.2.1]>", "a@[192.0.2.1]", "[192.0.2.1]"},
        {"<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"},
        {"<a@[ipv6:::ffff:192.0.2.1]>", "a@[ipv6:::ffff:192.0.2.1]", "[ipv6:::ffff:192.0.2.1]"},
        {"<a@[x400:c=US]>", "a@[x400:c=US]", "[x400:c=US]"},
        /* not the IPv6 address that it looks like, but a "General-address-literal" */
        {"<a@[2001:db8::1]>", "a@[2001:db8::1]", "[2001:db8::1]"},
    };
    check_good(cases, COUNT(cases), PATH_REVERSE);
}

static void source_routes_are_ignored(void **state)
{
    (void)state;
    static const struct good cases[] = {
        {"<@relay.example:a@b.example>", "a@b.example", "b.example"},
        {"<@one.example,@two.example:\"c d\"@b.example>", "\"c d\"@b.example", "b.example"},
    };
    check_good(cases, COUNT(cases), PATH_FORWARD);
    check_good(cases, COUNT(cases), PATH_REVERSE);
}

static void utf8_addresses(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "<j\xc3\xb6rg@example.com>",
        "<a@b\303\274cher.example>",
        "<\"\xe2\x82\xac \xf0\x9f\x92\xa9\"@example.com>",
        "<\xf4\x8f\xbf\xbf@example.com>",
    };
    struct path path;
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_non_null(path_parse(texts[i], PATH_FORWARD, &path));
        assert_true(path.non_ascii);
    }
    assert_non_null(path_parse("<a@b>", PATH_FORWARD, &path));
    assert_false(path.non_ascii);
}

static void null_path_and_postmaster(void **state)
{
    (void)state;
    struct path path;
    const char *end = path_parse("<> SIZE=1", PATH_REVERSE, &path);
    assert_non_null(end);
    assert_string_equal(end, " SIZE=1");
    assert_string_equal(path.address, "");
    assert_null(path.domain);
    assert_null(path_parse("<>", PATH_FORWARD, &path));

    static const struct good cases[] = {{"<postmaster>", "postmaster", NULL},
                                        {"<POSTmaster>", "POSTmaster", NULL},
                                        {"<postmaster@b>", "postmaster@b", "b"},
                                        {"<postmasters@b>", "postmasters@b", "b"}};
    check_good(cases, COUNT(cases), PATH_FORWARD);
    assert_null(path_parse("<postmaster>", PATH_REVERSE, &path));
}

static void what_is_no_path(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "<",
        ">",
        "a@b",
        "<a@b",
        "a@b>",
        "< a@b>",
        "<a@b >",
        "<a>",
        "<@b>",
        "<a@>",
        "<a@b@c>",
        "<a b@c>",
        "<.a@b>",
        "<a.@b>",
        "<a..b@c>",
        "<a@.b>",
        "<a@b.>",
        "<a@b..c>",
        "<a@-b>",
        "<a@b->",
        "<a@b-.c>",
        "<a(x)@b>",
        "<a,b@c>",
        "<a@b,c>",
        "<a:b@c>",
        "<a;b@c>",
        "<a\\b@c>",
        "<a\"b\"@c>",
        "<\"a\"b@c>",
        "<\"a@c>",
        "<\"a\\\"@c>",
        "<\"a\tb\"@c>",
        "<\"a\\\x01\"@c>",
        "<\"a\x7f\"@c>",
        "<a\x7f@b>",
        "<a\x01@b>",
        "<a@b\x7f>",
        "<a@[192.0.2]>",
        "<a@[192.0.2.256]>",
        "<a@[192.0.2.1>",
        "<a@192.0.2.1]>",
        "<a@[]>",
        "<a@[IPv6:]>",
        "<a@[IPv6:2001:db8::1::]>",
        "<a@[tag:]>",
        "<a@[tag:a b]>",
        "<a@[tag:a[b]>",
        "<a@[tag:a\\b]>",
        "<a@[-tag:a]>",
        "<@:a@b>",
        "<@x a@b>",
        "<@x,:a@b>",
        "<@x,y:a@b>",
        "<a@[x:b@c]>", /* of the grammar, but nobody's: an address has one @ that is not quoted */
        "<@x:>",
        "<@x:@y:a@b>",
        "<@[192.0.2.1]:a@b>",
        "<<a@b>>",
        "<\xff@b>",
        "<a@\xff>",
        "<\xc3@b>",
        "<\xc0\xaf@b>",
        "<\xe0\x80\xaf@b>",
        "<\xed\xa0\x80@b>",
        "<\xf4\x90\x80\x80@b>",
        "<\xf0\x80\x80\xaf@b>",
        "<\x80@b>",
        "<\xe2\x82@b>",
        "<\"\xff\"@b>",
        "<\"\\\xc3\xb6\"@b>",
        "<a@\xc3>",
        "<a@[tag:\xc3\xb6]>",
    };
    struct path path;
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (path_parse(texts[i], PATH_FORWARD, &path))
            fail_msg("taken as forward-path: %s", texts[i]);
        if (path_parse(texts[i], PATH_REVERSE, &path))
            fail_msg("taken as reverse-path: %s", texts[i]);
    }
}

/* "<" local "@" labels ">", of these lengths. */
static const char *made(size_t local, size_t label, size_t labels)
{
    static char text[2048];
    char *to = text;
    *to++ = '<';
    memset(to, 'l', local);
    to += local;
    for (size_t i = 0; i < labels; i++) {
        *to++ = i == 0 ? '@' : '.';
        memset(to, 'd', label);
        to += label;
    }
    strcpy(to, ">");
    return text;
}

static bool taken(const char *text)
{
    struct path path;
    const char *end = path_parse(text, PATH_REVERSE, &path);
    return end && *end == 0;
}

static void length_limits(void **state)
{
    (void)state;
    assert_true(taken(made(1, 63, 1)));
    assert_false(taken(made(1, 64, 1)));
    /* 256 octets with the brackets: 2 + local + 1 + domain */
    assert_true(taken(made(256 - 3 - 7, 7, 1)));
    assert_false(taken(made(257 - 3 - 7, 7, 1)));
    /* a source route counts too */
    char text[4096];
    snprintf(text, sizeof text, "<@r:%s", made(256 - 3 - 7 - 3, 7, 1) + 1);
    assert_true(taken(text));
    snprintf(text, sizeof text, "<@r:%s", made(256 - 3 - 7 - 2, 7, 1) + 1);
    assert_false(taken(text));
}

/* As clients send it: what is read, and what is left of the text. NULL: it cannot be read. */
struct sent {
    const char *text, *address, *rest;
};

static void check_sent(const struct sent *cases, size_t count, enum path_kind kind)
{
    for (size_t i = 0; i < count; i++) {
        struct path path;
        const char *rest = path_read(cases[i].text, kind, &path);
        if ((rest != NULL) != (cases[i].address != NULL))
            fail_msg("%s: %s", cases[i].text, rest ? path.address : path.wrong);
        if (!rest) {
            assert_non_null(path.wrong);
            continue;
        }
        assert_string_equal(path.address, cases[i].address);
        assert_string_equal(rest, cases[i].rest ? cases[i].rest : "");
        const char *at = strrchr(path.address, '@');
        assert_ptr_equal(path.domain, at ? at + 1 : NULL);
        assert_null(path.wrong);
    }
}

static void as_clients_send_it(void **state)
{
    (void)state;
    static const struct sent cases[] = {
        {"<a@b.example>", "a@b.example"},
        {"a@b.example SIZE=100", "a@b.example", " SIZE=100"},
        {"  a@b.example", "a@b.example"},
        {"\t<a@b.example>\tSIZE=1", "a@b.example", "\tSIZE=1"},
        {"< a@b.example >", "a@b.example"},
        {"<\ta@b.example\t> X", "a@b.example", " X"},
        {"<<a@b.example>>", "a@b.example"},
        {"<a@b.example>>", "a@b.example"},
        {"a@b.example>", "a@b.example"},
        {"<Bobby Smith <b@x.example>>", "b@x.example"},
        {"<\"Smith, B <b@y>\" <b@x.example> >", "b@x.example"},
        {"Bobby Smith <b@x.example> SIZE=1", "b@x.example", " SIZE=1"},
        {"\"Bobby <x\" <b@x.example>", "b@x.example"},
        {"<user..name@x>", "user..name@x"},
        {"<user.@x>", "user.@x"},
        {"<.user@x>", ".user@x"},
        {"<a@b.example.>", "a@b.example"},
        {"a@sub.b.example.", "a@sub.b.example"},
        {"<a@[192.0.2.1].>", "a@[192.0.2.1]"},
        {"<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]"},
        {"<\"a b\"@x.example>", "\"a b\"@x.example"},
        {"\"a b\"@x.example SIZE=1", "\"a b\"@x.example", " SIZE=1"},
        {"<\"a@b\"@x.example>", "\"a@b\"@x.example"},
        {"<\"a@x.example\">", "a@x.example"},
        {"\"a@x.example\"", "a@x.example"},
        {"<@r.example:a@x.example>", "a@x.example"},
        {"@r.example,@s.example:a@x.example", "a@x.example"},
        {"< @r.example: a@x.example >", "a@x.example"},
        {"<j\xc3\xb6rg@b\xc3\xbc"
         "cher.example>",
         "j\xc3\xb6rg@b\xc3\xbc"
         "cher.example"},
        {"<root>", "root"},
        {"root AUTH=<>", "root", " AUTH=<>"},
        {"<\"postmaster\">", "postmaster"},
    };
    check_sent(cases, COUNT(cases), PATH_REVERSE);
    check_sent(cases, COUNT(cases), PATH_FORWARD);
    static const struct sent null_paths[] = {{"<>", ""}, {"< > SIZE=1", "", " SIZE=1"}};
    check_sent(null_paths, COUNT(null_paths), PATH_REVERSE);
}

static void what_cannot_be_read(void **state)
{
    (void)state;
    static const struct sent cases[] = {
        {""},
        {" "},
        {"<a@b.example"},
        {"<a <b@x.example>"},
        {"<\"a@x.example>"},
        {"<a@b.example>SIZE=1"},
        {"<a@b.example>,<c@d.example>"},
        {"<<a@b.example><c@d.example>>"},
        {"<a@b.example,c@d.example>"},
        {"<a b@x.example>"},
        {"<b@x.example a>"},
        {"<a@b@c.example>"},
        {"<a(comment)@x.example>"},
        {"<postmaster@>"},
        {"<@x.example>"},
        {"<@x.example:>"},
        {"<a@x..example>"},
        {"<a@x.example..>"},
        {"<a@.x.example>"},
        {"<a@.>"},
        {"<a@-x.example>"},
        {"<a@[192.0.2.1>"},
        {"<a@[192.0.2]>"},
        {"<a@[192.0.2.1]..>"},
        {"<a;b@x.example>"},
        {"<a\x01@x.example>"},
        {"<a\xff@x.example>"},
        {"<a@\xc0\xaf>"},
    };
    check_sent(cases, COUNT(cases), PATH_REVERSE);
    check_sent(cases, COUNT(cases), PATH_FORWARD);
    static const struct sent null_paths[] = {{"<>"}, {"< >"}};
    check_sent(null_paths, COUNT(null_paths), PATH_FORWARD);
}

static void length_limit_of_what_is_sent(void **state)
{
    (void)state;
    struct path path;
    assert_non_null(path_read(made(256 - 3 - 7, 7, 1), PATH_REVERSE, &path));
    assert_null(path_read(made(257 - 3 - 7, 7, 1), PATH_REVERSE, &path));
    assert_string_equal(path.wrong, "it is longer than 254 octets");
}

static void utf8(void **state)
{
    (void)state;
    assert_int_equal(utf8_length("a"), 1);
    assert_int_equal(utf8_length("\x7f"), 1);
    assert_int_equal(utf8_length(""), 0);
    assert_int_equal(utf8_length("\xc2\x80"), 2);
    assert_int_equal(utf8_length("\xdf\xbf"), 2);
    assert_int_equal(utf8_length("\xe0\xa0\x80"), 3);
    assert_int_equal(utf8_length("\xed\x9f\xbf"), 3);
    assert_int_equal(utf8_length("\xee\x80\x80"), 3);
    assert_int_equal(utf8_length("\xf0\x90\x80\x80"), 4);
    assert_int_equal(utf8_length("\xf4\x8f\xbf\xbf"), 4);
    assert_int_equal(utf8_length("\xf5\x80\x80\x80"), 0);
    assert_int_equal(utf8_length("\xc1\xbf"), 0);
    assert_int_equal(utf8_length("\xe0\x9f\xbf"), 0);
    assert_int_equal(utf8_length("\xf0\x8f\xbf\xbf"), 0);
    assert_int_equal(utf8_length("\xf0\x9f\x92"), 0);
    assert_true(utf8_valid(""));
    assert_true(utf8_valid("a\xe2\x82\xac"));
    assert_false(utf8_valid("a\xe2\x82"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mailboxes),
        cmocka_unit_test(quoted_local_parts),
        cmocka_unit_test(address_literals),
        cmocka_unit_test(source_routes_are_ignored),
        cmocka_unit_test(utf8_addresses),
        cmocka_unit_test(null_path_and_postmaster),
        cmocka_unit_test(what_is_no_path),
        cmocka_unit_test(length_limits),
        cmocka_unit_test(as_clients_send_it),
        cmocka_unit_test(what_cannot_be_read),
        cmocka_unit_test(length_limit_of_what_is_sent),
        cmocka_unit_test(utf8),
    };
    return RUN_TESTS(tests);
}
