/* Options about who connects: listeners, addresses, AUTH, blocklists. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../test.h"
#include "fixture.h"

static void access_options(void **state)
{
    (void)state;
    struct config *c = config_loaded("domains = { 'a.example' }");
    assert_int_equal(c->access.allow_count, 0);
    assert_int_equal(c->access.deny_count, 0);
    assert_int_equal(c->access.unlimited_count, 2);
    assert_int_equal(c->access.connections_per_address, 50);
    assert_int_equal(c->access.messages_per_minute, 0);
    config_unref(c);
    c = config_loaded(
        "domains = { 'a.example' }\n"
        "access = { deny = { '192.0.2.0/24' }, unlimited = {}, recipients_per_session = 7 }");
    assert_int_equal(c->access.deny_count, 1);
    assert_int_equal(c->access.deny[0].prefix, 96 + 24);
    assert_int_equal(c->access.unlimited_count, 0);
    assert_int_equal(c->access.recipients_per_session, 7);
    config_unref(c);
    assert_config_error(
        "domains = { 'a.example' }\naccess = { deny = { '192.0.2.1/24' } }",
        "2: access.deny: expected an address or a network without bits after its prefix, "
        "such as \"192.0.2.0/24\", got \"192.0.2.1/24\"");
    assert_config_error("domains = { 'a.example' }\naccess = { allow = '192.0.2.1' }",
                        "2: access.allow: expected a list of networks, such as { \"192.0.2.0/24\", "
                        "\"2001:db8::1\" }");
}

static void auth_options(void **state)
{
    (void)state;
    struct config *c = config_loaded("domains = { 'a.example' }");
    assert_true(c->auth.spf && c->auth.dkim && c->auth.dmarc);
    assert_false(c->auth.enforce);
    assert_int_equal(c->dns.resolver_count, 0);
    assert_int_equal(c->auth.timeout_ms, 5000);
    config_unref(c);
    c = config_loaded(
        "domains = { 'a.example' } auth = { spf = false, enforce = true }\n"
        "dns = { cache_size = 0, resolvers = { '192.0.2.1:53', '[2001:db8::1]:5353' } }");
    assert_true(!c->auth.spf && c->auth.dkim && c->auth.enforce);
    assert_int_equal(c->dns.resolver_count, 2);
    assert_string_equal(c->dns.resolvers[1].host, "2001:db8::1");
    assert_int_equal(c->dns.resolvers[1].port, 5353);
    assert_int_equal(c->dns.cache_size, 0);
    config_unref(c);
    assert_config_error("domains = { 'a.example' }\ndns = { resolvers = { 'ns.example' } }",
                        "2: dns.resolvers: expected address:port, such as \"0.0.0.0:25\" or "
                        "\"[::]:25\", got \"ns.example\"");
}

static void listeners_of_every_kind(void **state)
{
    (void)state;
    struct config *c = config_loaded(
        "domains = { 'a.example' } access = { proxies = { '192.0.2.80' } }\n"
        "listen = { '127.0.0.1:2500', { address = '[::1]:24', protocol = 'lmtp' },\n"
        "  { address = '127.0.0.1:26', proxy = true }, { address = 'unix:/run/a-b_c.sock',\n"
        "    protocol = 'lmtp', proxy = true } }");
    const struct listen_address *l = c->smtp.listen;
    assert_int_equal(c->smtp.listen_count, 4);
    assert_true(!l[0].lmtp && !l[0].proxy && l[1].lmtp && !l[1].proxy && !l[2].lmtp && l[2].proxy);
    assert_string_equal(l[3].host, "/run/a-b_c.sock");
    assert_true(l[3].port == 0 && l[3].lmtp && l[3].proxy && l[3].tls == LISTEN_TLS_OFF);
    assert_int_equal(c->access.proxy_count, 1);
    assert_int_equal(c->access.xclient_count, 0);
    config_unref(c);
}

static void listeners_that_cannot_be(void **state)
{
    (void)state;
#define X10            "xxxxxxxxxx"
#define X107           X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 "xxxxxxx"
#define LISTEN(fields) "domains = { 'a.example' }\nlisten = { { " fields " } }"
    assert_config_error(LISTEN("address = '127.0.0.1:24', protcol = 'lmtp'"),
                        "2: listen: a listener has no protcol; did you mean protocol?");
    assert_config_error(LISTEN("address = '127.0.0.1:24', protocol = 'LMTP'"),
                        "2: listen: expected protocol = \"smtp\" or \"lmtp\", got \"LMTP\"");
    assert_config_error(LISTEN("address = '127.0.0.1:24', proxy = 'yes'"),
                        "2: listen: expected proxy = true or false, got \"yes\"");
    assert_config_error(
        LISTEN("address = '127.0.0.1:24', proxy = true"),
        "2: listen: proxy = true needs access.proxies, the addresses of the proxies");
    assert_config_error(LISTEN("address = '127.0.0.1:25', protocol = 'lmtp'"),
                        "2: listen: LMTP must not be spoken on port 25 (RFC 2033 section 5)");
    assert_config_error(
        LISTEN("address = 'unix:lmtp.sock'"),
        "2: listen: expected \"unix:\" and an absolute path of at most 107 bytes without "
        "spaces, got \"unix:lmtp.sock\"");
    assert_config_error(
        LISTEN("address = 'unix:/' .. ('x'):rep(107)"),
        "2: listen: expected \"unix:\" and an absolute path of at most 107 bytes without "
        "spaces, got \"unix:/" X107 "\"");
    config_unref(config_loaded(LISTEN("address = 'unix:/' .. ('x'):rep(106)")));
}

/* Each word of a listener, and one that it does not know. */
static void words_of_a_listener(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"tls = 'on'",
         "expected tls = \"off\", \"starttls\", \"required\" or \"implicit\", got \"on\""},
        {"tls = true", "expected tls ="},
        {"auth = 'maybe'", "expected auth = \"off\", \"offered\" or \"required\", got \"maybe\""},
        {"protocol = 'http'", "expected protocol = \"smtp\" or \"lmtp\", got \"http\""},
        {"min_version = '1.4'", "expected min_version = "},
        {"min_version = 1.2", "expected min_version = "},
        {"min_version = '1.3'", "needs TLS on the same listener"},
        {"proxy = true", "needs access.proxies"},
        {"proxy = 1", "expected proxy = true or false, got \"1\""},
        {"proxy = 'yes'", "expected proxy = true or false"},
        {"auth_without_tls = 'no'", "expected auth_without_tls = true or false"},
        {"prxy = true", "proxy"},
        {"auth = 'required'", "needs TLS on the same listener"},
        {"auth = 'required', auth_without_tls = true", "needs smtp.users"},
        {"auth = 'offered', auth_without_tls = true", "needs smtp.users"},
    };
    char line[300];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(line, sizeof line, "listen = { { address = '127.0.0.1:0', %s } }", wrong[i][0]);
        assert_config_line(line, wrong[i][1]);
    }
    static const char *const right[] = {"tls = 'off'",       "auth = 'off'",
                                        "protocol = 'smtp'", "protocol = 'lmtp'",
                                        "proxy = false",     "auth_without_tls = false"};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        snprintf(line, sizeof line, "listen = { { address = '127.0.0.1:0', %s } }", right[i]);
        assert_config_line(line, NULL);
    }
    assert_config_line("listen = { { address = '127.0.0.1:25', protocol = 'lmtp' } }", "port 25");
    assert_config_line("listen = { { address = '127.0.0.1:24', protocol = 'lmtp' } }", NULL);
}

static void blocklists(void **state)
{
    (void)state;
    struct config *c = config_loaded("domains = { 'a.example' }");
    assert_true(c->auth.reverse_name);
    assert_int_equal(c->auth.dnsbl_count, 0);
    config_unref(c);
    c = config_loaded(
        "domains = { 'a.example' } auth = { reverse_name = false, dnsbl = { 'Zen.Example.',\n"
        "{ zone = 'bl.example', refuse = true } } }");
    assert_false(c->auth.reverse_name);
    assert_int_equal(c->auth.dnsbl_count, 2);
    assert_string_equal(c->auth.dnsbl[0].zone, "zen.example");
    assert_false(c->auth.dnsbl[0].refuse);
    assert_string_equal(c->auth.dnsbl[1].zone, "bl.example");
    assert_true(c->auth.dnsbl[1].refuse);
    config_unref(c);
    assert_config_error("domains = { 'a.example' }\nauth = { dnsbl = 'zen.example' }",
                        "2: auth.dnsbl: expected a list such as { \"zen.example.org\", { zone = "
                        "\"bl.example.net\", refuse = true } }");
    assert_config_error(
        "domains = { 'a.example' }\nauth = { dnsbl = { 'zen..example' } }",
        "2: auth.dnsbl: expected the name of a DNS zone, or { zone = \"zen.example.org\", "
        "refuse = true }");
    assert_config_error(
        "domains = { 'a.example' }\nauth = { dnsbl = { { zone = 'a.b', reject = true } } }",
        "2: auth.dnsbl: a blocklist has no reject");
    assert_config_error("domains = { 'a.example' }\nauth = { dnsbl = { 'a.b', 'A.B' } }",
                        "2: auth.dnsbl: a.b stands there twice");
    assert_config_error(
        "domains = { 'a.example' }\nlocal l = {} for i = 1, 17 do l[i] = 'n' .. i end\n"
        "auth = { dnsbl = l }",
        "3: auth.dnsbl: expected 16 blocklists at most");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(access_options),          cmocka_unit_test(auth_options),
        cmocka_unit_test(listeners_of_every_kind), cmocka_unit_test(listeners_that_cannot_be),
        cmocka_unit_test(words_of_a_listener),     cmocka_unit_test(blocklists),
    };
    return cmocka_run_group_tests(tests, make_config, remove_config);
}
