/* Both forms of a domain, and the one by which domains and addresses are compared. */
#include "base/domain.h"

#include <string.h>

#include "../test.h"

#define BUECHER                                                                                    \
    "b\xc3\xbc"                                                                                    \
    "cher.example"

static void to_ascii(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"example.com", "example.com"},
        {"Example.COM.", "example.com"},
        {"_dmarc.x", "_dmarc.x"},
        {BUECHER, "xn--bcher-kva.example"},
        {"B\xc3\x9c"
         "CHER.Example",
         "xn--bcher-kva.example"},
        {"bu\xcc\x88"
         "cher.example",
         "xn--bcher-kva.example"},
        {"XN--BCHER-KVA.example", "xn--bcher-kva.example"},
        {"stra\xc3\x9f"
         "e.de",
         "xn--strae-oqa.de"},
        {"\xe4\xbe\x8b\xe3\x81\x88\xe3\x80\x82\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88",
         "xn--r8jz45g.xn--zckzah"}, /* an ideographic full stop */
        {"[192.0.2.1]", "[192.0.2.1]"},
        {"[IPv6:2001:DB8:0:0::1]", "[ipv6:2001:db8::1]"},
        {"", ""},
    };
    char out[DOMAIN_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(domain_to_ascii(cases[i][0], out));
        assert_string_equal(out, cases[i][1]);
    }
    static const char *const bad[] = {"\xc3.example", "b\xc3\xbc..example", "\xe2\x80\xae.example"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!domain_to_ascii(bad[i], out))
            fail_msg("taken: %s", bad[i]);
}

static void length_limit(void **state)
{
    (void)state;
    char domain[300], out[DOMAIN_SIZE];
    memset(domain, 'a', sizeof domain);
    domain[255] = 0;
    assert_null(domain_to_ascii(domain, out));
    domain[255] = 'a';
    domain[256] = 0;
    assert_non_null(domain_to_ascii(domain, out));
}

static void to_unicode(void **state)
{
    (void)state;
    char out[DOMAIN_SIZE];
    domain_to_unicode("xn--bcher-kva.example", out);
    assert_string_equal(out, BUECHER);
    domain_to_unicode("example.com", out);
    assert_string_equal(out, "example.com");
    domain_to_unicode("xn--a.example", out); /* of no U-label */
    assert_string_equal(out, "xn--a.example");
}

static void addresses(void **state)
{
    (void)state;
    char out[64];
    assert_true(domain_fold_address("User+X@B\xc3\x9c"
                                    "CHER.example",
                                    out, sizeof out));
    assert_string_equal(out, "user+x@xn--bcher-kva.example");
    assert_true(domain_unfold_address(out, out + 32, 32));
    assert_string_equal(out + 32, "user+x@" BUECHER);
    assert_true(domain_fold_address("\"A@b\"@Example.com", out, sizeof out));
    assert_string_equal(out, "\"a@b\"@example.com");
    assert_true(domain_fold_address("*@" BUECHER, out, sizeof out));
    assert_string_equal(out, "*@xn--bcher-kva.example");
    assert_true(domain_address_to_ascii("J\xc3\xb6rg@" BUECHER, out, sizeof out));
    assert_string_equal(out, "J\xc3\xb6rg@xn--bcher-kva.example");
    assert_true(domain_address_to_ascii("User@Example.COM", out, sizeof out));
    assert_string_equal(out, "User@Example.COM");
    assert_true(domain_address_to_ascii("", out, sizeof out));
    assert_true(domain_fold_address("a@b.cd", out, 7)); /* six bytes and a NUL */
    assert_false(domain_fold_address("a@b.cd", out, 6));
    assert_false(domain_address_to_ascii("a@b.cd", out, 6));
}

/* Each way of writing an address: what becomes of it, into as many bytes as it needs, and into one less. */
static void addresses_at_the_exact_size(void **state)
{
    static const struct {
        bool (*convert)(const char *address, char *out, size_t size);
        const char *address, *expected;
    } rows[] = {
        {domain_fold_address, "NoDomain", "nodomain"},
        {domain_fold_address, "A@", "a@"},
        {domain_fold_address, "", ""},
        {domain_fold_address, "A@" BUECHER, "a@xn--bcher-kva.example"},
        {domain_fold_address, "A@\xc3X", "a@\xc3X"}, /* what cannot be converted stays */
        {domain_fold_address, "A@[IPv6:2001:DB8:0::1]", "a@[ipv6:2001:db8::1]"},
        {domain_fold_address, "A@[IPv6:x]", "a@[ipv6:x]"},
        {domain_fold_address, "A@[IPv6:2001:DB8:0::1", "a@[ipv6:2001:db8:0::1"},
        {domain_unfold_address, "NoDomain", "NoDomain"},
        {domain_unfold_address, "A@xn--bcher-kva.example", "A@" BUECHER},
        {domain_unfold_address, "a@b@c.example", "a@b@c.example"},
        {domain_unfold_address, "", ""},
        {domain_address_to_ascii, "A@b@" BUECHER, "A@b@xn--bcher-kva.example"},
        {domain_address_to_ascii, "NoDomain", "NoDomain"},
        {domain_address_to_ascii, "A@\xc3X", "A@\xc3X"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[64];
        size_t size = strlen(rows[i].expected) + 1;
        assert_true(rows[i].convert(rows[i].address, out, size));
        assert_string_equal(out, rows[i].expected);
        assert_false(rows[i].convert(rows[i].address, out, size - 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_ascii),
        cmocka_unit_test(length_limit),
        cmocka_unit_test(to_unicode),
        cmocka_unit_test(addresses),
        cmocka_unit_test(addresses_at_the_exact_size),
    };
    return RUN_TESTS(tests);
}
