/* Options of the scanner. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../test.h"
#include "fixture.h"

static void scan_defaults(void **state)
{
    (void)state;
    struct config *c = config_loaded("domains = { 'a.example' }");
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
    struct config *c = config_loaded(
        "domains = { 'a.example' }\nscan = { rspamd = 'http://127.0.0.1:11333', timeout = "
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
    c = config_loaded("domains = { 'a.example' }\nscan = { rspamd = { 'http://a', 'https://b:1' }, "
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
    assert_config_error(text, full);
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
        config_unref(config_loaded(text));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scan_defaults),
        cmocka_unit_test(scan_options),
        cmocka_unit_test(scan_options_have_two_sides),
    };
    return cmocka_run_group_tests(tests, make_config, remove_config);
}
