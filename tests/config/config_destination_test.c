/* Destinations that the configuration says: on_failure, profiles. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../test.h"
#include "fixture.h"

static void a_destination_is_a_url_or_a_table(void **state)
{
    (void)state;
    struct config *c =
        config_loaded("domains = { 'a.example' } deliver = { on_failure = 'https://b' }");
    assert_string_equal(c->deliver.on_failure->url, "https://b");
    assert_null(c->deliver.on_failure->secret);
    assert_int_equal(c->deliver.on_failure->header_count, 0);
    config_unref(c);
    c = config_loaded(
        "domains = { 'a.example' } deliver = { on_failure = { url = 'http://b/c', secret = "
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
    c = config_loaded("domains = { 'a.example' }");
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
        assert_config_error(text, expected);
    }
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
        assert_config_line(line, rows[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_destination_is_a_url_or_a_table),
        cmocka_unit_test(a_wrong_destination_says_what_was_expected),
        cmocka_unit_test(headers_of_a_destination),
    };
    return cmocka_run_group_tests(tests, make_config, remove_config);
}
