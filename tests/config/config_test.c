#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../test.h"

static char path[] = "/tmp/mxhook-config-XXXXXX";
static struct error err;

static int load(const char *text, struct config **config)
{
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    err.text[0] = 0;
    return config_load(path, config, &err);
}

static void assert_error(const char *text, const char *expected)
{
    struct config *config;
    char full[2048];
    assert_int_equal(load(text, &config), -EINVAL);
    snprintf(full, sizeof full, "%s:%s", path, expected);
    assert_string_equal(err.text, full);
}

static struct config *loaded(const char *text)
{
    struct config *config = NULL;
    if (load(text, &config) != 0)
        fail_msg("%s", err.text);
    return config;
}

static void access_options(void **state)
{
    (void)state;
    struct config *c = loaded("domains = { 'a.example' }");
    assert_int_equal(c->access.allow_count, 0);
    assert_int_equal(c->access.deny_count, 0);
    assert_int_equal(c->access.unlimited_count, 2);
    assert_int_equal(c->access.connections_per_address, 50);
    assert_int_equal(c->access.messages_per_minute, 0);
    config_unref(c);
    c = loaded(
        "domains = { 'a.example' }\n"
        "access = { deny = { '192.0.2.0/24' }, unlimited = {}, recipients_per_session = 7 }");
    assert_int_equal(c->access.deny_count, 1);
    assert_int_equal(c->access.deny[0].prefix, 96 + 24);
    assert_int_equal(c->access.unlimited_count, 0);
    assert_int_equal(c->access.recipients_per_session, 7);
    config_unref(c);
    assert_error("domains = { 'a.example' }\naccess = { deny = { '192.0.2.1/24' } }",
                 "2: access.deny: expected an address or a network without bits after its prefix, "
                 "such as \"192.0.2.0/24\", got \"192.0.2.1/24\"");
    assert_error("domains = { 'a.example' }\naccess = { allow = '192.0.2.1' }",
                 "2: access.allow: expected a list of networks, such as { \"192.0.2.0/24\", "
                 "\"2001:db8::1\" }");
}

static void a_destination_is_a_url_or_a_table(void **state)
{
    (void)state;
    struct config *c = loaded("domains = { 'a.example' } deliver = { on_failure = 'https://b' }");
    assert_string_equal(c->deliver.on_failure->url, "https://b");
    assert_null(c->deliver.on_failure->secret);
    assert_int_equal(c->deliver.on_failure->header_count, 0);
    config_unref(c);
    c = loaded("domains = { 'a.example' } deliver = { on_failure = { url = 'http://b/c', secret = "
               "'env:S', headers = { B = '1', A = { file = '/t' }, C = { env = 'X' } }, "
               "timeout = '5s', attempts = 7, schedule = { '1s', '2s' } } }");
    const struct destination *to = c->deliver.on_failure;
    assert_string_equal(to->secret, "env:S");
    assert_int_equal(to->header_count, 3);
    assert_string_equal(to->headers[0], "A=file:/t");
    assert_string_equal(to->headers[1], "B: 1");
    assert_string_equal(to->headers[2], "C=env:X");
    assert_int_equal(to->timeout_ms, 5000);
    assert_int_equal(to->attempts, 7);
    assert_int_equal(to->schedule_count, 2);
    assert_int_equal(to->schedule_ms[1], 2000);
    config_unref(c);
    c = loaded("domains = { 'a.example' }");
    assert_null(c->deliver.on_failure);
    config_unref(c);
}

static void a_wrong_destination_says_what_was_expected(void **state)
{
    (void)state;
    static const struct {
        const char *value, *why;
    } cases[] = {
        {"'ops@a.example'", "url: expected a URL that begins with http:// or https://"},
        {"'https://'", "url: expected a URL that begins with http:// or https://"},
        {"'https://a b'", "url: expected a URL that begins with http:// or https://"},
        {"{ secret = 'x' }", "url: expected a URL that begins with http:// or https://"},
        {"{ url = 'https://b', secrets = 'x' }",
         "a destination has no secrets; did you mean secret?"},
        {"{ url = 'https://b', secret = '' }",
         "secret: expected a string, such as \"whsec_...\", \"env:NAME\" or \"file:/path\""},
        {"{ url = 'https://b', headers = { ['a b'] = 'c' } }",
         "headers: 'a b' is not the name of an HTTP header"},
        {"{ url = 'https://b', headers = { ['Webhook-Id'] = 'c' } }",
         "headers: Webhook-Id is set by the server"},
        {"{ url = 'https://b', headers = { a = { file = 'c' } } }",
         "headers: a: expected a string, { env = \"NAME\" } or { file = \"/path\" }"},
        {"{ url = 'https://b', attempts = 0 }", "expected 1 to 100"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[300], expected[300];
        snprintf(text, sizeof text, "domains = { 'a.example' }\ndeliver = { on_failure = %s }",
                 cases[i].value);
        snprintf(expected, sizeof expected, "2: deliver.on_failure: %s", cases[i].why);
        assert_error(text, expected);
    }
}

static void auth_options(void **state)
{
    (void)state;
    struct config *c = loaded("domains = { 'a.example' }");
    assert_true(c->auth.spf && c->auth.dkim && c->auth.dmarc);
    assert_false(c->auth.enforce);
    assert_int_equal(c->dns.resolver_count, 0);
    assert_int_equal(c->auth.timeout_ms, 5000);
    config_unref(c);
    c = loaded("domains = { 'a.example' } auth = { spf = false, enforce = true }\n"
               "dns = { cache_size = 0, resolvers = { '192.0.2.1:53', '[2001:db8::1]:5353' } }");
    assert_true(!c->auth.spf && c->auth.dkim && c->auth.enforce);
    assert_int_equal(c->dns.resolver_count, 2);
    assert_string_equal(c->dns.resolvers[1].host, "2001:db8::1");
    assert_int_equal(c->dns.resolvers[1].port, 5353);
    assert_int_equal(c->dns.cache_size, 0);
    config_unref(c);
    assert_error("domains = { 'a.example' }\ndns = { resolvers = { 'ns.example' } }",
                 "2: dns.resolvers: expected address:port, such as \"0.0.0.0:25\" or "
                 "\"[::]:25\", got \"ns.example\"");
}

static void blocklists(void **state)
{
    (void)state;
    struct config *c = loaded("domains = { 'a.example' }");
    assert_true(c->auth.reverse_name);
    assert_int_equal(c->auth.dnsbl_count, 0);
    config_unref(c);
    c = loaded(
        "domains = { 'a.example' } auth = { reverse_name = false, dnsbl = { 'Zen.Example.',\n"
        "{ zone = 'bl.example', refuse = true } } }");
    assert_false(c->auth.reverse_name);
    assert_int_equal(c->auth.dnsbl_count, 2);
    assert_string_equal(c->auth.dnsbl[0].zone, "zen.example");
    assert_false(c->auth.dnsbl[0].refuse);
    assert_string_equal(c->auth.dnsbl[1].zone, "bl.example");
    assert_true(c->auth.dnsbl[1].refuse);
    config_unref(c);
    assert_error("domains = { 'a.example' }\nauth = { dnsbl = 'zen.example' }",
                 "2: auth.dnsbl: expected a list such as { \"zen.example.org\", { zone = "
                 "\"bl.example.net\", refuse = true } }");
    assert_error("domains = { 'a.example' }\nauth = { dnsbl = { 'zen..example' } }",
                 "2: auth.dnsbl: expected the name of a DNS zone, or { zone = \"zen.example.org\", "
                 "refuse = true }");
    assert_error(
        "domains = { 'a.example' }\nauth = { dnsbl = { { zone = 'a.b', reject = true } } }",
        "2: auth.dnsbl: a blocklist has no reject");
    assert_error("domains = { 'a.example' }\nauth = { dnsbl = { 'a.b', 'A.B' } }",
                 "2: auth.dnsbl: a.b stands there twice");
    assert_error("domains = { 'a.example' }\nlocal l = {} for i = 1, 17 do l[i] = 'n' .. i end\n"
                 "auth = { dnsbl = l }",
                 "3: auth.dnsbl: expected 16 blocklists at most");
}

static void every_option_but_domains_has_a_default(void **state)
{
    (void)state;
    struct config *c = loaded("domains = { 'Example.COM', '*.example.com' }");
    assert_int_equal(c->smtp.domain_count, 2);
    assert_string_equal(c->smtp.domains[0], "example.com");
    assert_string_equal(c->smtp.domains[1], "*.example.com");
    assert_int_equal(c->smtp.listen_count, 2);
    assert_string_equal(c->smtp.listen[1].host, "::");
    assert_int_equal(c->smtp.listen[1].port, 25);
    assert_int_equal(c->smtp.max_size, 50 * 1024 * 1024);
    assert_int_equal(c->smtp.max_recipients, 100);
    assert_int_equal(c->smtp.command_timeout_ms, 300000);
    assert_int_equal(c->rules.time_limit_ms, 100);
    assert_int_equal(c->rules.memory_limit, 64 * 1024 * 1024);
    assert_false(c->rules.unsafe);
    assert_true(c->confine.enabled);
    assert_int_equal(c->confine.read_count, 0);
    assert_int_equal(c->rules.reserved_header_count, 2);
    assert_string_equal(c->rules.reserved_headers[1], "Delivered-To");
    assert_string_equal(c->rules.directory, "/tmp/rules.d");
    assert_string_equal(c->spool.directory, "/var/lib/mxhook");
    assert_int_equal(c->spool.min_free, 64 * 1024 * 1024);
    assert_int_equal(c->spool.max_size, 0);
    assert_int_equal(c->log_limit, 100);
    assert_int_equal(c->metrics_max_origins, 100);
    assert_int_equal(c->spool.commit_timeout_ms, 25000);
    assert_int_equal(c->spool.old_transaction_ms, 300000);
    assert_int_equal(c->spool.max_age_ms, 5 * 86400000);
    assert_int_equal(c->deliver.retry.attempts, 3);
    assert_int_equal(c->deliver.retry.schedule_count, 2);
    assert_null(c->deliver.ca_file);
    assert_null(c->user);
    assert_int_equal(c->log_level, LOG_INFO);
    assert_true(c->rules.workers >= 1 && *c->hostname);
    config_unref(c);
}

static void defaults_need_no_file(void **state)
{
    (void)state;
    struct config *c = NULL;
    assert_int_equal(config_defaults("some/rules", &c, &err), 0);
    assert_string_equal(c->rules.directory, "some/rules");
    assert_int_equal(c->rules.time_limit_ms, 100);
    assert_int_equal(c->rules.text_limit, 4 << 20);
    assert_int_equal(c->smtp.domain_count, 0);
    config_unref(c);
}

static void reads_what_is_given(void **state)
{
    (void)state;
    struct config *c = loaded(
        "domains = { 'a.example' }\n"
        "hostname = 'mx.a.example'\n"
        "listen = { '127.0.0.1:0' }\n"
        "log_level = 'error'\n"
        "user = 'mail'\n"
        "smtp = { max_size = '1.5 MiB', command_timeout = '90s' }\n"
        "rules = { directory = '/r', workers = 3, unsafe = true, reserved_headers = { 'X-*' } }\n"
        "confine = { enabled = false, read = { '/r', 'lists' } }\n"
        "spool = { directory = 'spool' }\n"
        "deliver = { schedule = { '1s', '2m', '3h', '1d' }, ca_file = 'ca' }\n");
    assert_string_equal(c->hostname, "mx.a.example");
    assert_int_equal(c->smtp.listen[0].port, 0);
    assert_int_equal(c->log_level, LOG_ERROR);
    assert_string_equal(c->user, "mail");
    assert_int_equal(c->smtp.max_size, 1572864);
    assert_int_equal(c->smtp.command_timeout_ms, 90000);
    assert_string_equal(c->rules.directory, "/r");
    assert_int_equal(c->rules.workers, 3);
    assert_true(c->rules.unsafe);
    assert_false(c->confine.enabled);
    assert_string_equal(c->confine.read[0], "/r");
    assert_string_equal(c->confine.read[1], "/tmp/lists");
    assert_int_equal(c->rules.reserved_header_count, 1);
    assert_string_equal(c->rules.reserved_headers[0], "X-*");
    assert_string_equal(c->spool.directory, "/tmp/spool");
    assert_int_equal(c->deliver.retry.schedule_ms[3], 86400000);
    assert_string_equal(c->deliver.ca_file, "/tmp/ca");
    config_unref(config_ref(c));
    config_unref(c);
    config_unref(NULL);
}

static void unknown_names_get_a_suggestion(void **state)
{
    (void)state;
    assert_error("domains = { 'a.example' }\ndomain = 1\n",
                 "2: domain: no such option; did you mean domains?");
    assert_error("domains = { 'a.example' }\nmax_size = 1\n",
                 "2: max_size: no such option; did you mean smtp.max_size?");
    assert_error("domains = { 'a.example' }\nsmtp = {\n  max_size = 4096,\n  max_sise = 1,\n}\n",
                 "4: smtp.max_sise: no such option; did you mean smtp.max_size?");
    assert_error("domains = { 'a.example' }\nzzzzzzzzzzzzzzzz = 1\n",
                 "2: zzzzzzzzzzzzzzzz: no such option");
    assert_error("domains = { 'a.example' }\nrules = {\n  time_limti = '1s',\n}\n",
                 "3: rules.time_limti: no such option; did you mean rules.time_limit?");
    assert_error("domains = { 'a.example' }\nruls = {}\n",
                 "2: ruls: no such option; did you mean rules?");
}

static void listeners_of_every_kind(void **state)
{
    (void)state;
    struct config *c =
        loaded("domains = { 'a.example' } access = { proxies = { '192.0.2.80' } }\n"
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
    assert_error(LISTEN("address = '127.0.0.1:24', protcol = 'lmtp'"),
                 "2: listen: a listener has no protcol; did you mean protocol?");
    assert_error(LISTEN("address = '127.0.0.1:24', protocol = 'LMTP'"),
                 "2: listen: expected protocol = \"smtp\" or \"lmtp\", got \"LMTP\"");
    assert_error(LISTEN("address = '127.0.0.1:24', proxy = 'yes'"),
                 "2: listen: expected proxy = true or false, got \"yes\"");
    assert_error(LISTEN("address = '127.0.0.1:24', proxy = true"),
                 "2: listen: proxy = true needs access.proxies, the addresses of the proxies");
    assert_error(LISTEN("address = '127.0.0.1:25', protocol = 'lmtp'"),
                 "2: listen: LMTP must not be spoken on port 25 (RFC 2033 section 5)");
    assert_error(LISTEN("address = 'unix:lmtp.sock'"),
                 "2: listen: expected \"unix:\" and an absolute path of at most 107 bytes without "
                 "spaces, got \"unix:lmtp.sock\"");
    assert_error(LISTEN("address = 'unix:/' .. ('x'):rep(107)"),
                 "2: listen: expected \"unix:\" and an absolute path of at most 107 bytes without "
                 "spaces, got \"unix:/" X107 "\"");
    config_unref(loaded(LISTEN("address = 'unix:/' .. ('x'):rep(106)")));
}

static void wrong_types_say_what_was_expected(void **state)
{
    (void)state;
    assert_error("domains = 'a.example'",
                 "1: domains: expected a list of domains, such as { \"example.com\" }");
    assert_error("domains = { 'a b' }", "1: domains: expected a domain such as \"example.com\" or "
                                        "\"*.example.com\", got \"a b\"");
    assert_error("domains = { 'a.example' }\nlisten = { '1.2.3.4' }",
                 "2: listen: expected address:port, such as \"0.0.0.0:25\" or \"[::]:25\", got "
                 "\"1.2.3.4\"");
    assert_error("domains = { 'a.example' }\nsmtp = 3", "2: smtp: expected a table of options");
    assert_error("domains = { 'a.example' }\nrules = { unsafe = 'yes' }",
                 "2: rules.unsafe: expected true or false");
    assert_error("domains = { 'a.example' }\nrules = { reserved_headers = 'X-Customer' }",
                 "2: rules.reserved_headers: expected a list of headers, such as { \"X-Customer\", "
                 "\"X-Tenant-*\" }");
    assert_error("domains = { 'a.example' }\nrules = { reserved_headers = { 'X-Customer:' } }",
                 "2: rules.reserved_headers: expected the name of a header, or a pattern such as "
                 "\"X-Tenant-*\"");
    config_unref(loaded("domains = { 'a.example' }\nrules = { reserved_headers = {} }"));
    assert_error("domains = { 'a.example' }\nrules = { time_limit = 100 }",
                 "2: rules.time_limit: expected a duration such as \"100ms\", \"5s\", \"10m\", "
                 "\"6h\" or \"1d\"");
}

static void limits_have_two_sides(void **state)
{
    (void)state;
    config_unref(loaded("domains = { 'a.example' } deliver = { attempts = 1 }"));
    config_unref(loaded("domains = { 'a.example' } deliver = { attempts = 1000 }"));
    assert_error("domains = { 'a.example' } deliver = { attempts = 0 }",
                 "1: deliver.attempts: expected 1 to 1000");
    assert_error("domains = { 'a.example' } deliver = { attempts = 1001 }",
                 "1: deliver.attempts: expected 1 to 1000");
    assert_error("domains = { 'a.example' } deliver = { attempts = 1.5 }",
                 "1: deliver.attempts: expected a whole number");
}

static void scan_defaults(void **state)
{
    (void)state;
    struct config *c = loaded("domains = { 'a.example' }");
    assert_int_equal(c->scan.url_count, 0);
    assert_int_equal(c->scan.timeout_ms, 8000);
    assert_int_equal(c->scan.max_size, 20 << 20);
    assert_false(c->scan.defer || c->scan.refuse || c->scan.headers || c->scan.all);
    assert_null(c->scan.password);
    assert_int_equal(c->scan.virus_symbol_count, 8);
    assert_string_equal(c->scan.virus_symbols[0], "CLAM_VIRUS");
    config_unref(c);
}

static void scan_options(void **state)
{
    (void)state;
    struct config *c =
        loaded("domains = { 'a.example' }\nscan = { rspamd = 'http://127.0.0.1:11333', timeout = "
               "'1s', on_failure = 'defer', refuse = true, headers = true, all = true, max_size = "
               "'1 MiB', password = 'env:P', virus_symbols = { 'A', 'B' } }");
    assert_int_equal(c->scan.url_count, 1);
    assert_string_equal(c->scan.urls[0], "http://127.0.0.1:11333");
    assert_int_equal(c->scan.timeout_ms, 1000);
    assert_int_equal(c->scan.max_size, 1 << 20);
    assert_true(c->scan.defer && c->scan.refuse && c->scan.headers && c->scan.all);
    assert_string_equal(c->scan.password, "env:P");
    assert_int_equal(c->scan.virus_symbol_count, 2);
    assert_string_equal(c->scan.virus_symbols[1], "B");
    config_unref(c);
    c = loaded("domains = { 'a.example' }\nscan = { rspamd = { 'http://a', 'https://b:1' }, "
               "on_failure = 'accept', virus_symbols = {} }");
    assert_int_equal(c->scan.url_count, 2);
    assert_string_equal(c->scan.urls[1], "https://b:1");
    assert_false(c->scan.defer);
    assert_int_equal(c->scan.virus_symbol_count, 0);
    config_unref(c);
}

static void assert_scan_error(const char *options, const char *expected)
{
    char text[512], full[512];
    snprintf(text, sizeof text, "domains = { 'a.example' }\nscan = { %s }", options);
    snprintf(full, sizeof full, "2: scan.%s", expected);
    assert_error(text, full);
}

static void scan_options_have_two_sides(void **state)
{
    static const char *const taken[] = {
        "timeout = '10ms'",         "timeout = '10m'",     "max_size = 1024",
        "max_size = 1099511627776", "max_size = '1 TiB'",  "max_size = '20 kB'",
        "max_size = '20KB'",        "max_size = '0.5 GB'", "max_size = '2 GiB'",
        "max_size = '1TB'",         "rspamd = {}",         "rspamd = 'http://[::1]:11333/'",
        "virus_symbols = {'A'}"};
    (void)state;
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        char text[512];
        snprintf(text, sizeof text, "domains = { 'a.example' }\nscan = { %s }", taken[i]);
        config_unref(loaded(text));
    }
    assert_scan_error("timeout = '9ms'", "timeout: expected 10 to 600000 ms");
    assert_scan_error("timeout = '600001ms'", "timeout: expected 10 to 600000 ms");
    assert_scan_error("max_size = 1023", "max_size: expected 1024 to 1099511627776 bytes");
    assert_scan_error("max_size = 1099511627777", "max_size: expected 1024 to 1099511627776 bytes");
    for (size_t i = 0; i < 5; i++) {
        static const char *const wrong[] = {"20 kb", "20 mb", "20 M", "1 PiB", "20 MiBs"};
        char text[40];
        snprintf(text, sizeof text, "max_size = '%s'", wrong[i]);
        assert_scan_error(
            text,
            "max_size: expected a number of bytes, or a size such as \"256 KiB\" or \"50 MB\" (B, "
            "kB, MB, GB, TB are powers of 1000; KiB, MiB, GiB, TiB of 1024)");
    }
    assert_scan_error("on_failure = 'reject'", "on_failure: expected \"accept\" or \"defer\"");
    assert_scan_error("refuse = 'yes'", "refuse: expected true or false");
    assert_scan_error("rspamd = 'ftp://a'",
                      "rspamd: expected a URL such as \"http://127.0.0.1:11333\", got \"ftp://a\"");
    assert_scan_error(
        "rspamd = '127.0.0.1:11333'",
        "rspamd: expected a URL such as \"http://127.0.0.1:11333\", got \"127.0.0.1:11333\"");
    assert_scan_error("virus_symbols = 'A'", "virus_symbols: expected a list of strings");
    assert_scan_error("virus_symbols = { 1 }",
                      "virus_symbols: expected a string without spaces or control characters");
    assert_scan_error("refused = true", "refused: no such option; did you mean scan.refuse?");
}

static void several_errors_stand_in_order(void **state)
{
    (void)state;
    struct config *config;
    load("hostname = 'a b'\ndomain = 1", &config);
    assert_non_null(strstr(err.text, ":1: hostname: "));
    assert_non_null(strstr(err.text, "\n"));
    assert_non_null(strstr(strstr(err.text, ":1: "), ":2: domain: "));
    assert_non_null(strstr(err.text, "domains: missing"));
}

static void syntax_errors_and_raised_ones_have_a_line(void **state)
{
    (void)state;
    assert_error("domains = { 'a.example' }\nx = = 1", "2: unexpected symbol near '='");
    assert_error("\nerror('no')", "2: no");
    assert_error("local t = nil\nt.x = 1", "2: attempt to index local 't' (a nil value)");
}

static void a_file_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    struct config *config;
    assert_int_equal(config_load("/nonexistent.lua", &config, &err), -ENOENT);
    assert_string_equal(err.text, "/nonexistent.lua: No such file or directory");
}

static void sees_the_environment(void **state)
{
    (void)state;
    setenv("MXHOOK_TEST_DOMAIN", "env.example", 1);
    struct config *c = loaded("domains = { env('MXHOOK_TEST_DOMAIN') }\n"
                              "hostname = env('MXHOOK_TEST_UNSET', 'fallback.example')");
    assert_string_equal(c->smtp.domains[0], "env.example");
    assert_string_equal(c->hostname, "fallback.example");
    config_unref(c);
}

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void assert_secrets(const char *rules, const char *expected)
{
    char text[300];
    snprintf(text, sizeof text, "domains = { 'a.example' }\nrules = { %s }", rules);
    struct config *c = loaded(text);
    assert_string_equal(c->rules.secrets, expected);
    config_unref(c);
}

static void a_proxy_and_denied_addresses_exclude_each_other(void **state)
{
    struct config *c;
    (void)state;
    assert_error("domains = { 'a.example' }\ndeliver = {\n  proxy = 'http://127.0.0.1:3128',\n"
                 "  deny_private = true }\n",
                 "4: deliver.deny_private: not together with deliver.proxy: only the proxy learns "
                 "the address; deny it there");
    c = loaded("domains = { 'a.example' }\ndeliver = { proxy = 'http://127.0.0.1:3128' }\n");
    assert_false(c->deliver.deny_private);
    config_unref(c);
}

static void secrets_stand_beside_the_rules(void **state)
{
    char working[1024], expected[1100];
    struct config *c;
    (void)state;
    assert_secrets("", "/tmp/secrets"); /* beside rules.d, which is beside the file */
    assert_secrets("directory = '/etc/mail/rules.d'", "/etc/mail/secrets");
    assert_secrets("directory = '/etc/mail/rules.d//'", "/etc/mail/secrets");
    assert_secrets("secrets = '/run/keys/'", "/run/keys");
    assert_secrets("secrets = 'keys'", "/tmp/keys");
    assert_non_null(getcwd(working, sizeof working));
    assert_int_equal(config_defaults("rules.d", &c, &err), 0);
    snprintf(expected, sizeof expected, "%s/secrets", working);
    assert_string_equal(c->rules.secrets, expected);
    config_unref(c);
    const char *around[] = {"./rules.d", ".//rules.d", "../%s/rules.d", "./../%s/./rules.d"};
    for (size_t i = 0; i < sizeof around / sizeof *around; i++) { /* as rules write it themselves */
        char directory[1100];
        snprintf(directory, sizeof directory, around[i], strrchr(working, '/') + 1);
        assert_int_equal(config_defaults(directory, &c, &err), 0);
        assert_string_equal(c->rules.secrets, expected);
        config_unref(c);
    }
    assert_int_equal(config_defaults("a/rules.d", &c, &err), 0);
    snprintf(expected, sizeof expected, "%s/a/secrets", working);
    assert_string_equal(c->rules.secrets, expected);
    config_unref(c);
    assert_int_equal(config_defaults("/rules.d", &c, &err), 0);
    assert_string_equal(c->rules.secrets, "/secrets");
    config_unref(c);
}

/* A configuration's line, which is taken or refused with these words. */
static void assert_line(const char *line, const char *refused_with)
{
    char text[2048];
    struct config *config = NULL;
    snprintf(text, sizeof text, "domains = { 'a.example' }\n%s", line);
    int code = load(text, &config);
    if (!refused_with && code != 0)
        fail_msg("%s: %s", line, err.text);
    if (refused_with && (code != -EINVAL || !strstr(err.text, refused_with)))
        fail_msg("%s: '%s' is not in: %s", line, refused_with, err.text);
    config_unref(config);
}

/* Lengths and numbers: the last that is taken, and the first that is not. */
static void limits_at_the_exact_value(void **state)
{
    (void)state;
    static const struct {
        const char *taken, *refused, *says;
    } rows[] = {
        {"deliver = { on_failure = 'https://b/' .. ('x'):rep(4086) }",
         "deliver = { on_failure = 'https://b/' .. ('x'):rep(4087) }", "url: expected a URL"},
        {"deliver = { on_failure = { url = 'https://b', secret = ('x'):rep(8192) } }",
         "deliver = { on_failure = { url = 'https://b', secret = ('x'):rep(8193) } }",
         "secret: expected"},
        {"deliver = { on_failure = { url = 'https://b', headers = { A = ('x'):rep(8192) } } }",
         "deliver = { on_failure = { url = 'https://b', headers = { A = ('x'):rep(8193) } } }",
         "headers: A: expected"},
        {"deliver = { on_failure = { url = 'https://b', attempts = 1 } }",
         "deliver = { on_failure = { url = 'https://b', attempts = 0 } }", "1"},
        {"deliver = { on_failure = { url = 'https://b', attempts = 100 } }",
         "deliver = { on_failure = { url = 'https://b', attempts = 101 } }", "100"},
        {"deliver = { on_failure = { url = 'https://b', timeout = '1ms' } }",
         "deliver = { on_failure = { url = 'https://b', timeout = '0s' } }", "on_failure"},
        {"deliver = { on_failure = { url = 'https://b', timeout = '1h' } }",
         "deliver = { on_failure = { url = 'https://b', timeout = '3601s' } }", "on_failure"},
        {"deliver = { on_failure = { url = 'https://b', schedule = { '0s', '30d' } } }",
         "deliver = { on_failure = { url = 'https://b', schedule = { '30d', '721h' } } }",
         "on_failure"},
        {"spool = { commit_timeout = '1s' }", "spool = { commit_timeout = '999ms' }",
         "spool.commit_timeout: expected"},
        {"spool = { commit_timeout = '5m' }", "spool = { commit_timeout = '300001ms' }",
         "spool.commit_timeout: expected"},
        {"spool = { old_transaction = '1s' }", "spool = { old_transaction = '999ms' }",
         "spool.old_transaction: expected"},
        {"spool = { old_transaction = '1d' }", "spool = { old_transaction = '86400001ms' }",
         "spool.old_transaction: expected"},
        {"metrics = { max_origins = 1 }", "metrics = { max_origins = 0 }",
         "metrics.max_origins: expected"},
        {"metrics = { max_origins = 1000 }", "metrics = { max_origins = 1001 }",
         "metrics.max_origins: expected"},
        {"smtp = { users = { [('n'):rep(255)] = '$6$a$b' } }",
         "smtp = { users = { [('n'):rep(256)] = '$6$a$b' } }", "expected a table of names"},
        {"smtp = { users = { n = '$6$a$b' } }", "smtp = { users = { n = 'plain' } }",
         "is not a hash"},
        {"smtp = { users = { n = '$6$a$b' } }", "smtp = { users = {} }",
         "expected a table of names"},
        {"listen = { 'unix:/' .. ('x'):rep(106) }", "listen = { 'unix:/' .. ('x'):rep(107) }",
         "at most 107 bytes"},
        {"listen = { 'unix:/a' }", "listen = { 'unix:a' }", "an absolute path"},
        {"listen = { 'unix:/a' }", "listen = { 'unix:/a b' }", "without spaces"},
        {"listen = { '127.0.0.1:0', '127.0.0.1:65535' }", "listen = { '127.0.0.1:65536' }",
         "listen"},
        {"forward = { smarthost = 'smtp://a:1' }", "forward = { smarthost = 'smtp://a:0' }",
         "smarthost"},
        {"forward = { smarthost = 'smtps://a:65535' }",
         "forward = { smarthost = 'smtps://a:65536' }", "smarthost"},
        {"forward = { smarthost = 'smtp://[::1]:25' }",
         "forward = { smarthost = 'smtp://[::1:25' }", "smarthost"},
        {"forward = { smarthost = 'smtp://a' }", "forward = { smarthost = 'http://a' }",
         "smarthost"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_line(rows[i].taken, NULL);
        assert_line(rows[i].refused, rows[i].says);
    }
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
        assert_line(line, wrong[i][1]);
    }
    static const char *const right[] = {"tls = 'off'",       "auth = 'off'",
                                        "protocol = 'smtp'", "protocol = 'lmtp'",
                                        "proxy = false",     "auth_without_tls = false"};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        snprintf(line, sizeof line, "listen = { { address = '127.0.0.1:0', %s } }", right[i]);
        assert_line(line, NULL);
    }
    assert_line("listen = { { address = '127.0.0.1:25', protocol = 'lmtp' } }", "port 25");
    assert_line("listen = { { address = '127.0.0.1:24', protocol = 'lmtp' } }", NULL);
}

/* A header of a destination is one of ours, a name and a value, or where its value stands. */
static void headers_of_a_destination(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"A = 'b', ['X-1!'] = 'c'", NULL},
        {"A = { env = 'NAME' }, B = { file = '/path' }", NULL},
        {"A = { env = 'NAME', file = '/path' }", "headers: A: expected"},
        {"A = { file = 'path' }", "headers: A: expected"},
        {"A = { env = '' }", "headers: A: expected"},
        {"A = ''", "headers: A: expected"},
        {"A = 'b\\n'", "headers: A: expected"},
        {"A = 1", "headers: A: expected"},
        {"['A b'] = 'c'", "is not the name of an HTTP header"},
        {"[1] = 'c'", "is not the name of an HTTP header"},
        {"['Content-Length'] = '1'", "is set by the server"},
        {"['webhook-id'] = '1'", "is set by the server"},
        {"Expect = '1'", "is set by the server"},
    };
    char line[300];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(line, sizeof line,
                 "deliver = { on_failure = { url = 'https://b', headers = { %s } } }", rows[i][0]);
        assert_line(line, rows[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocklists),
        cmocka_unit_test(every_option_but_domains_has_a_default),
        cmocka_unit_test(access_options),
        cmocka_unit_test(secrets_stand_beside_the_rules),
        cmocka_unit_test(a_proxy_and_denied_addresses_exclude_each_other),
        cmocka_unit_test(a_destination_is_a_url_or_a_table),
        cmocka_unit_test(a_wrong_destination_says_what_was_expected),
        cmocka_unit_test(auth_options),
        cmocka_unit_test(defaults_need_no_file),
        cmocka_unit_test(reads_what_is_given),
        cmocka_unit_test(unknown_names_get_a_suggestion),
        cmocka_unit_test(listeners_of_every_kind),
        cmocka_unit_test(listeners_that_cannot_be),
        cmocka_unit_test(wrong_types_say_what_was_expected),
        cmocka_unit_test(limits_have_two_sides),
        cmocka_unit_test(scan_defaults),
        cmocka_unit_test(scan_options),
        cmocka_unit_test(scan_options_have_two_sides),
        cmocka_unit_test(several_errors_stand_in_order),
        cmocka_unit_test(syntax_errors_and_raised_ones_have_a_line),
        cmocka_unit_test(a_file_that_is_not_there_is_an_error),
        cmocka_unit_test(sees_the_environment),
        cmocka_unit_test(limits_at_the_exact_value),
        cmocka_unit_test(words_of_a_listener),
        cmocka_unit_test(headers_of_a_destination),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
