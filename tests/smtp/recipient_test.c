#include "smtp/recipient.h"

#include "../test.h"
#include "fixture.h"

static void domains(void **state)
{
    (void)state;
    struct config *config = fixture_config("domains = { 'Example.COM', '*.sub.example.com' }");
    static const char *const ours[] = {"example.com", "EXAMPLE.com", "a.sub.example.com",
                                       "A.b.SUB.example.com"};
    static const char *const others[] = {"example.org",          "a.example.com",
                                         "sub.example.com",      ".sub.example.com",
                                         "asub.example.com",     "example.com.evil.test",
                                         "notexample.com",       "*.sub.example.co",
                                         "a.sub.example.com.au", "",
                                         "[127.0.0.1]",          "xsub.example.com"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        assert_true(recipient_domain_is_ours(&config->smtp, ours[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (recipient_domain_is_ours(&config->smtp, others[i]))
            fail_msg("taken for ours: %s", others[i]);
    config_unref(config);
}

/* In either form, in any case, wherever it was written so. */
static void internationalized_domains(void **state)
{
    (void)state;
    struct config *config =
        fixture_config("domains = { 'B\xc3\xbc"
                       "cher.example', '*.xn--mnchen-3ya.example', '[192.0.2.1]',"
                       " '[IPv6:2001:DB8:0::1]' }");
    static const char *const ours[] = {"b\xc3\xbc"
                                       "cher.example",
                                       "B\xc3\x9c"
                                       "CHER.example",
                                       "bu\xcc\x88"
                                       "cher.example", /* decomposed */
                                       "xn--bcher-kva.example",
                                       "XN--BCHER-KVA.EXAMPLE",
                                       "a.m\xc3\xbcnchen.example",
                                       "A.xn--mnchen-3ya.example",
                                       "[192.0.2.1]",
                                       "[IPv6:2001:db8::1]",
                                       "[ipv6:2001:db8::0:1]"};
    static const char *const others[] = {
        "bucher.example", "m\xc3\xbcnchen.example", "xn--bcher-kva.example.org", "[192.0.2.2]",
        "192.0.2.1",      "[IPv6:2001:db8::2]",     "b\xc3\xbc..example",        "\xc3.example"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (!recipient_domain_is_ours(&config->smtp, ours[i]))
            fail_msg("not ours: %s", ours[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (recipient_domain_is_ours(&config->smtp, others[i]))
            fail_msg("taken for ours: %s", others[i]);
    config_unref(config);
}

static void postmaster(void **state)
{
    (void)state;
    struct config *config =
        fixture_config("domains = { '*.example.org', 'b.example', 'c.example' }");
    assert_string_equal(recipient_postmaster_domain(config), "b.example");
    config_unref(config);
    config = fixture_config("domains = { '*.example.org' }");
    assert_string_equal(recipient_postmaster_domain(config), "mx.test");
    config_unref(config);
}

static void duplicates(void **state)
{
    (void)state;
    char *list[] = {"a@example.com", "\"b@c\"@example.com"};
    struct envelope envelope = {.recipients = list, .recipient_count = 2};
    assert_true(recipient_index(&envelope, "a@example.com") < envelope.recipient_count);
    assert_true(recipient_index(&envelope, "a@EXAMPLE.com") < envelope.recipient_count);
    assert_true(recipient_index(&envelope, "\"b@c\"@Example.com") < envelope.recipient_count);
    assert_int_equal(recipient_index(&envelope, "A@example.com"), envelope.recipient_count);
    assert_int_equal(recipient_index(&envelope, "\"b@C\"@example.com"), envelope.recipient_count);
    assert_int_equal(recipient_index(&envelope, "a@example.co"), envelope.recipient_count);
    assert_int_equal(recipient_index(&envelope, "a@example.comm"), envelope.recipient_count);
    assert_int_equal(recipient_index(&envelope, "aa@example.com"), envelope.recipient_count);
    envelope.recipient_count = 0;
    assert_int_equal(recipient_index(&envelope, "a@example.com"), envelope.recipient_count);
}

/* SRS0 and SRS1 of the one domain, quoted or not, in any case; where it is on. */
static void which_may_be_bounces(void **state)
{
    static const struct {
        const char *address, *domain;
        bool may;
    } rows[] = {
        {"SRS0=x", "srs.example", true},    {"SRS1=x", "srs.example", true},
        {"srs0+x", "SRS.Example", true},    {"\"SRS0=x y\"", "srs.example", true},
        {"SRS", "srs.example", false},      {"SRS2=x", "srs.example", false},
        {"SRX0=x", "srs.example", false},   {"xSRS0=x", "srs.example", false},
        {"\"\"SRS0", "srs.example", false}, {"SRS/=x", "srs.example", false},
        {"SRS0=x", "example", false},       {"SRS0=x", "a.srs.example", false},
        {"SRS0=x", "srs..example", false},  {"", "srs.example", false},
    };
    struct forward_config config = {.srs = true, .srs_domain = "srs.example"};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (recipient_may_be_bounce(&config, rows[i].address, rows[i].domain) != rows[i].may)
            fail_msg("%s@%s", rows[i].address, rows[i].domain);
    config.srs = false;
    assert_false(recipient_may_be_bounce(&config, "SRS0=x", "srs.example"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(domains),
        cmocka_unit_test(internationalized_domains),
        cmocka_unit_test(postmaster),
        cmocka_unit_test(duplicates),
        cmocka_unit_test(which_may_be_bounces),
    };
    return RUN_TESTS(tests);
}
