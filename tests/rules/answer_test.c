/* What a rule may return, and what is made of it. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

struct form {
    const char *returned; /* after `return` */
    enum verdict_kind kind;
    const char *result; /* destinations; or a part of the text or log */
};

static void test_every_form(void **state)
{
    static const struct form forms[] = {
        {"nil", VERDICT_NO_MATCH, ""},
        {"false", VERDICT_NO_MATCH, ""},
        {"", VERDICT_NO_MATCH, ""},
        {"'https://a.example/x'", VERDICT_DELIVER, "https://a.example/x"},
        {"'http://127.0.0.1:8025'", VERDICT_DELIVER, "http://127.0.0.1:8025"},
        {"'HTTPS://[::1]:1/?q=1#f'", VERDICT_DELIVER, "HTTPS://[::1]:1/?q=1#f"},
        {"'https://u:p@a.example:65535/'", VERDICT_DELIVER, "https://u:p@a.example:65535/"},
        {"'https://[fe80::1%25eth0]/'", VERDICT_DELIVER, "https://[fe80::1%25eth0]/"},
        {"'https://[fe80::1%123456789012345]/'", VERDICT_DELIVER,
         "https://[fe80::1%123456789012345]/"},
        {"'https://a.example, https://b.example ,\thttps://c.example'", VERDICT_DELIVER,
         "https://a.example https://b.example https://c.example"},
        {"{'https://a.example', 'https://b.example,https://c.example'}", VERDICT_DELIVER,
         "https://a.example https://b.example https://c.example"},
        {"{url = 'https://a.example'}", VERDICT_DELIVER, "https://a.example"},
        {"{{url = 'https://a.example', secret = 's'}, 'https://b.example'}", VERDICT_DELIVER,
         "https://a.example https://b.example"},
        {"'boss@example.net'", VERDICT_DELIVER, "boss@example.net"},
        {"'https://a.example, Boss+x@Example.NET'", VERDICT_DELIVER,
         "https://a.example Boss+x@Example.NET"},
        {"{url = 'boss@example.net', timeout = 5, attempts = 2, schedule = {'1h'}}",
         VERDICT_DELIVER, "boss@example.net"},
        {"'gr\xc3\xbc\xc3\x9f"
         "e@example.net'",
         VERDICT_DELIVER,
         "gr\xc3\xbc\xc3\x9f"
         "e@example.net"},
        {"('x'):rep(242) .. '@example.net'", VERDICT_DELIVER, NULL},
        {"'null'", VERDICT_DISCARD, ""},
        {"'https://a.example, null'", VERDICT_DELIVER, "https://a.example"},
        {"route.also('https://a.example')", VERDICT_DELIVER, "https://a.example"},
        {"route.discard()", VERDICT_DISCARD, ""},
        {"route.reject('No such person')", VERDICT_REJECT, "No such person"},
        {"route.defer('Back at six')", VERDICT_DEFER, "Back at six"},
        {"route.defer()", VERDICT_DEFER, ""},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char body[512];
        snprintf(body, sizeof body, "do return %s end", forms[i].returned);
        fixture_body(*state, body);
        struct fixture *f = *state;
        assert_kind(f, forms[i].kind);
        if (!forms[i].result)
            continue;
        if (forms[i].kind == VERDICT_DELIVER)
            assert_goes_to(f, forms[i].result);
        else
            assert_string_equal(f->verdict->text ? f->verdict->text : "", forms[i].result);
    }
}

static void test_what_is_not_an_answer(void **state)
{
    static const struct form forms[] = {
        {"true", VERDICT_DEFER, "a boolean"},
        {"7", VERDICT_DEFER, "a number"},
        {"msg", VERDICT_DEFER, "a userdata"},
        {"function() end", VERDICT_DEFER, "a function"},
        {"''", VERDICT_DEFER, "an empty destination"},
        {"'https://a.example,,'", VERDICT_DEFER, "an empty destination"},
        {"{}", VERDICT_DEFER, "neither a list of destinations nor has a url"},
        {"{7}", VERDICT_DEFER, "a list with a number at 1"},
        {"{'https://a.example', nil, 'https://b.example', {}}", VERDICT_DEFER, ""},
        {"{{{url = 'https://a.example'}}}", VERDICT_DEFER, "has no field 'number'"},
        {"'ftp://a.example/'", VERDICT_DEFER,
         "begins with http:// or https://, or an e-mail address, was expected"},
        {"'a.example'", VERDICT_DEFER,
         "begins with http:// or https://, or an e-mail address, was expected"},
        {"'https://'", VERDICT_DEFER, "no valid host"},
        {"'https:///path'", VERDICT_DEFER, "no valid host"},
        {"'https://[:::]/'", VERDICT_DEFER, "no valid host"},
        {"'https://[1.2.3.4]/'", VERDICT_DEFER, "no valid host"},
        {"'https://[::1%]/'", VERDICT_DEFER, "no valid host"},
        {"'https://[fe80::1%1234567890123456]/'", VERDICT_DEFER, "no valid host"},
        {"'https://a b.example'", VERDICT_DEFER, "must be percent-encoded"},
        {"'https://a.example/\\n'", VERDICT_DEFER, "must be percent-encoded"},
        {"'https://a.example/\\0'", VERDICT_DEFER, "NUL"},
        {"{url = 'https://a.example/\\0'}", VERDICT_DEFER, "must be percent-encoded"},
        {"'https://\xc3\xa9.example/'", VERDICT_DEFER, "must be percent-encoded"},
        {"'https://a.example:0/'", VERDICT_DEFER, "port is not 1 to 65535"},
        {"'https://a.example:65536/'", VERDICT_DEFER, "port is not 1 to 65535"},
        {"'https://a.example:/'", VERDICT_DEFER, "port is not 1 to 65535"},
        {"'boss@'", VERDICT_DEFER, "not an e-mail address"},
        {"'@example.net'", VERDICT_DEFER, "not an e-mail address"},
        {"'boss@example..net'", VERDICT_DEFER, "not an e-mail address"},
        {"'boss@example.net>'", VERDICT_DEFER, "not an e-mail address"},
        {"'boss@example.net\\r\\nRCPT TO:<a@b>'", VERDICT_DEFER, "not an e-mail address"},
        {"'@relay.example:boss@example.net'", VERDICT_DEFER, "not an e-mail address"},
        {"'boss@[192.0.2.1]'", VERDICT_DEFER, "a domain was expected after '@'"},
        {"'boss@\xc3\xa9.example'", VERDICT_DEFER, "its ASCII form (xn--...)"},
        {"('x'):rep(243) .. '@example.net'", VERDICT_DEFER,
         "address of 255 bytes; the limit is 254"},
        {"{url = 'boss@example.net', secret = 's'}", VERDICT_DEFER,
         "secret: only a URL can have it"},
        {"{url = 'boss@example.net', headers = {a = 'b'}}", VERDICT_DEFER, "headers: only a URL"},
        {"{url = 'boss@example.net', ca_file = '/ca'}", VERDICT_DEFER, "ca_file: only a URL"},
        {"{url = 'boss@example.net', client_cert = '/c'}", VERDICT_DEFER,
         "client_cert: only a URL"},
        {"{url = 'boss@example.net', client_key = '/k'}", VERDICT_DEFER, "client_key: only a URL"},
        {"'https://a.example/' .. ('x'):rep(4096)", VERDICT_DEFER, "the limit is 4096"},
        {"{url = 7}", VERDICT_DEFER, "url: a string was expected, not a number"},
        {"{url = 'https://a.example', secert = 's'}", VERDICT_DEFER, "no field 'secert'"},
        {"{url = 'https://a.example', secret = ''}", VERDICT_DEFER, "secret: it is empty"},
        {"{url = 'https://a.example', secret = 'a\\nb'}", VERDICT_DEFER, "control character"},
        {"{url = 'https://a.example', timeout = 0}", VERDICT_DEFER, "timeout: seconds"},
        {"{url = 'https://a.example', timeout = 0/0}", VERDICT_DEFER, "timeout: seconds"},
        {"{url = 'https://a.example', timeout = 3601}", VERDICT_DEFER, "timeout: seconds"},
        {"{url = 'https://a.example', timeout = '5'}", VERDICT_DEFER, "timeout: seconds"},
        {"{url = 'https://a.example', attempts = 0}", VERDICT_DEFER, "attempts: a whole number"},
        {"{url = 'https://a.example', attempts = 101}", VERDICT_DEFER, "attempts: a whole number"},
        {"{url = 'https://a.example', attempts = 1.5}", VERDICT_DEFER, "attempts: a whole number"},
        {"{url = 'https://a.example', rate = 10}", VERDICT_DEFER, "1000/h\\\" was expected"},
        {"{url = 'https://a.example', rate = '10'}", VERDICT_DEFER, "1000/h\\\" was expected"},
        {"{url = 'https://a.example', rate = '0/s'}", VERDICT_DEFER, "1000/h\\\" was expected"},
        {"{url = 'https://a.example', rate = '-1/s'}", VERDICT_DEFER, "1000/h\\\" was expected"},
        {"{url = 'https://a.example', rate = '10/d'}", VERDICT_DEFER, "1000/h\\\" was expected"},
        {"{url = 'https://a.example', rate = '1000001/s'}", VERDICT_DEFER, "to 1000000/s"},
        {"{url = 'https://a.example', rate = '0.04/h'}", VERDICT_DEFER, "one a day"},
        {"{url = 'https://a.example', max_in_flight = 0}", VERDICT_DEFER, "max_in_flight: a whole"},
        {"{url = 'https://a.example', max_in_flight = 10001}", VERDICT_DEFER, "from 1 to 10000"},
        {"{url = 'https://a.example', max_in_flight = 2.5}", VERDICT_DEFER, "a whole number"},
        {"{url = 'https://a.example', max_body = 0}", VERDICT_DEFER, "max_body: bytes"},
        {"{url = 'https://a.example', max_body = '5 XB'}", VERDICT_DEFER, "max_body: bytes"},
        {"{url = 'https://a.example', max_body = {}}", VERDICT_DEFER, "max_body: bytes"},
        {"{url = 'boss@example.net', rate = '1/s'}", VERDICT_DEFER, "rate: only a URL"},
        {"{url = 'boss@example.net', max_in_flight = 1}", VERDICT_DEFER, "max_in_flight: only"},
        {"{url = 'boss@example.net', max_body = 1}", VERDICT_DEFER, "max_body: only a URL"},
        {"'http://a@b@host.example/'", VERDICT_DEFER, "more than one '@'"},
        {"'https://u:p@ss@host.example'", VERDICT_DEFER, "write those of a user or password"},
        {"{url = 'https://a.example', schedule = '5s'}", VERDICT_DEFER, "schedule: a list"},
        {"{url = 'https://a.example', schedule = {}}", VERDICT_DEFER, "schedule: a list"},
        {"{url = 'https://a.example', schedule = {'5'}}", VERDICT_DEFER, "durations such as"},
        {"{url = 'https://a.example', schedule = {5}}", VERDICT_DEFER, "durations such as"},
        {"{url = 'https://a.example', schedule = {'-1s'}}", VERDICT_DEFER, "durations such as"},
        {"{url = 'https://a.example', schedule = {'31d'}}", VERDICT_DEFER, "durations such as"},
        {"{url = 'https://a.example', ca_file = 'ca.pem'}", VERDICT_DEFER, "an absolute path"},
        {"{url = 'https://a.example', client_cert = 7}", VERDICT_DEFER, "a string was expected"},
        {"{url = 'https://a.example', headers = 'a'}", VERDICT_DEFER, "headers: a table"},
        {"{url = 'https://a.example', headers = {'a'}}", VERDICT_DEFER, "headers: a table"},
        {"{url = 'https://a.example', headers = {['a b'] = 'c'}}", VERDICT_DEFER, "not the name"},
        {"{url = 'https://a.example', headers = {a = 'b\\r\\nc: d'}}", VERDICT_DEFER, "control"},
        {"{url = 'https://a.example', headers = {a = {'b'}}}", VERDICT_DEFER,
         "a: a string, {env ="},
        {"{url = 'https://a.example', headers = {a = {}}}", VERDICT_DEFER, "or {file"},
        {"{url = 'https://a.example', headers = {a = {env = 'MXHOOK_B', file = '/etc/secrets/c'}}}",
         VERDICT_DEFER, "or {file"},
        {"{url = 'https://a.example', headers = {a = {env = ''}}}", VERDICT_DEFER, "it is empty"},
        {"{url = 'https://a.example', headers = {a = {env = 7}}}", VERDICT_DEFER, "a string was"},
        {"{url = 'https://a.example', headers = {a = {file = 'b'}}}", VERDICT_DEFER,
         "an absolute path"},
        {"{url = 'https://a.example', headers = {['Content-Length'] = '1'}}", VERDICT_DEFER,
         "content-length is set by the server"},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char body[512];
        snprintf(body, sizeof body, "do return %s end", forms[i].returned);
        fixture_body(*state, body);
        assert_raises(*state, "returned what is not a destination");
        assert_logged(*state, forms[i].result);
        struct fixture *f = *state;
        assert_int_equal(f->verdict->destination_count, 0);
    }
}

static void test_destination_table_is_whole(void **state)
{
    struct fixture *f = *state;
    fixture_body(f, "return {url = 'https://a.example', secret = 'whsec_x', timeout = 2.5,"
                    " attempts = 7, headers = {['X-Tenant'] = 'blue'},"
                    " schedule = {'500ms', '1.5s', '10m', '6h', '30d'},"
                    " ca_file = '/ca', client_cert = '/cert', client_key = '/key'}");
    assert_goes_to(f, "https://a.example");
    const struct destination *to = f->verdict->destinations;
    assert_string_equal(to->secret, "whsec_x");
    assert_int_equal(to->timeout_ms, 2500);
    assert_int_equal(to->attempts, 7);
    static const int64_t pauses[] = {500, 1500, 600000, 6 * 3600000, 30ll * 86400000};
    assert_int_equal(to->schedule_count, 5);
    assert_memory_equal(to->schedule_ms, pauses, sizeof pauses);
    assert_string_equal(to->ca_file, "/ca");
    assert_string_equal(to->client_cert, "/cert");
    assert_string_equal(to->client_key, "/key");
    assert_int_equal(to->header_count, 1);
    assert_string_equal(to->headers[0], "X-Tenant: blue");
}

static void test_header_values_may_stand_elsewhere(void **state)
{
    static const struct {
        const char *value, *header;
    } forms[] = {
        {"{env = 'MXHOOK_TOKEN'}", "X-A=env:MXHOOK_TOKEN"},
        {"{file = '/etc/secrets/token'}", "X-A=file:/etc/secrets/token"},
        {"{file = '/etc/secrets/a/..token'}", "X-A=file:/etc/secrets/a/..token"},
        {"'env:TOKEN'", "X-A: env:TOKEN"}, /* it may come from a message: only a text */
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char body[200];
        snprintf(body, sizeof body,
                 "do return {url = 'https://a.example', headers = {['X-A'] = %s}} end",
                 forms[i].value);
        fixture_body(*state, body);
        assert_goes_to(*state, "https://a.example");
        struct fixture *f = *state;
        assert_string_equal(f->verdict->destinations[0].headers[0], forms[i].header);
    }
}

/* A rule's destination reaches what the rule itself does: no other variable, no file elsewhere. */
static void test_references_reach_no_secrets_of_others(void **state)
{
    static const char *const refused[] = {
        "headers = {A = {env = 'HOME'}}",
        "headers = {A = {env = 'XMXHOOK_A'}}",
        "secret = 'env:HOME'",
        "secret = 'file:/etc/hostname'",
        "headers = {A = {file = '/etc/hostname'}}",
        "headers = {A = {file = '/etc/secrets'}}",
        "headers = {A = {file = '/etc/secrets/'}}",
        "headers = {A = {file = '/etc/secrets2/a'}}",
        "headers = {A = {file = '/etc/secrets/../hostname'}}",
        "headers = {A = {file = '/etc/secrets/a/../../hostname'}}",
        "headers = {A = {file = '/etc/secrets//a'}}",
        "headers = {A = {file = '/etc/secrets/./a'}}",
        "client_key = '/dev/zero'", /* reading it would never end */
        "ca_file = '/tmp'",
    };
    static const char *const taken[] = {
        "secret = 'env:MXHOOK_A'",
        "secret = 'file:/etc/secrets/a'",
        "secret = 'environment'",
        "ca_file = '/etc/no-such-file.pem'",
    };
    struct fixture *f = *state;
    char body[200];
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        snprintf(body, sizeof body, "do return {url = 'https://a.example', %s} end", refused[i]);
        fixture_body(f, body);
        assert_raises(f, "returned what is not a destination");
    }
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        snprintf(body, sizeof body, "do return {url = 'https://a.example', %s} end", taken[i]);
        fixture_body(f, body);
        assert_goes_to(f, "https://a.example");
    }
    f->config.secrets = NULL;
    fixture_body(f, "do return {url = 'https://a.example', secret = 'file:/a'} end");
    assert_raises(f, "below rules.secrets only, which is not set");
}

static void test_dot_segments_are_refused(void **state)
{
    static const char *const refused[] = {"/..",         "/a/../b", "/./",
                                          "/a/%2e%2E/b", "/.%2e?x", "/%2e#x"};
    static const char *const taken[] = {"/...",   "/a..b",         "/?a=/../",
                                        "/#/../", "/.a/%2e%2e%2e", "?/.."};
    char body[200];
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        snprintf(body, sizeof body, "do return 'https://a.example%s' end", refused[i]);
        fixture_body(*state, body);
        assert_raises(*state, "a segment of its path is '.' or '..'");
    }
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        snprintf(body, sizeof body, "do return 'https://a.example%s' end", taken[i]);
        fixture_body(*state, body);
        assert_kind(*state, VERDICT_DELIVER);
    }
}

static void test_limits_have_two_sides(void **state)
{
    fixture_body(*state, "local t = {} for i = 1, 100 do t[i] = 'https://a.example/' end return t");
    assert_kind(*state, VERDICT_DELIVER);
    fixture_body(*state, "local t = {} for i = 1, 101 do t[i] = 'https://a.example/' end return t");
    assert_raises(*state, "more than 100 destinations");
    fixture_body(*state, "return 'https://a.example/' .. ('x'):rep(4096 - 18)");
    assert_kind(*state, VERDICT_DELIVER);
    fixture_body(*state, "return 'https://a.example/' .. ('x'):rep(4096 - 17)");
    assert_raises(*state, "the limit is 4096");
    fixture_body(*state, "return {url = 'https://a.example', timeout = 3600, attempts = 100}");
    assert_kind(*state, VERDICT_DELIVER);
    fixture_body(*state, "return {url = 'https://a.example', timeout = 0.001, attempts = 1}");
    assert_kind(*state, VERDICT_DELIVER);
    fixture_body(*state, "return {url = 'https://u:p%40ss@a.example', rate = '600/m', "
                         "max_in_flight = 10000, max_body = '2.5 MB'}");
    assert_kind(*state, VERDICT_DELIVER);
    const struct destination *to = ((struct fixture *)*state)->verdict->destinations;
    assert_true(to->rate == 10);
    assert_int_equal(to->max_in_flight, 10000);
    assert_int_equal(to->max_body, 2500000);
    fixture_body(*state, "return {url = 'https://a.example', rate = '1000000/s', "
                         "max_in_flight = 1, max_body = 1}");
    assert_kind(*state, VERDICT_DELIVER);
}

static void test_texts_are_cleaned(void **state)
{
    struct fixture *f = *state;
    fixture_body(f, "return route.reject('a\\tb\\255')");
    assert_kind(f, VERDICT_REJECT);
    assert_string_equal(f->verdict->text, "a b\xef\xbf\xbd");
    fixture_body(f, "return route.reject(('\xc3\xa9'):rep(1000))");
    assert_int_equal(strlen(f->verdict->text), 400);
    fixture_body(f, "return route.reject('a\\r\\n250 ok')");
    assert_raises(f, "the text must have no NUL or CR");
    fixture_body(f, "return route.reject({})");
    assert_raises(f, "a text was expected, not a table");
}

static void test_first_answer_decides_and_also_adds(void **state)
{
    struct fixture *f = *state;
    fixture_rule(f, "return {\n"
                    "function() return route.also('https://log.example') end,\n"
                    "function() end,\n"
                    "function() return 'https://a.example' end,\n"
                    "function() error('never asked') end}\n");
    assert_goes_to(f, "https://log.example https://a.example");
    assert_string_equal(f->verdict->rule, "10.lua:4");

    fixture_rule(f, "return {function() return route.also('https://log.example') end,\n"
                    "function() return route.discard() end}");
    assert_goes_to(f, "https://log.example");

    fixture_rule(f, "return {function() return route.also('https://log.example') end,\n"
                    "function() return route.reject('no') end}");
    assert_kind(f, VERDICT_REJECT);
    assert_int_equal(f->verdict->destination_count, 0);
    assert_string_equal(f->verdict->rule, "10.lua:2");

    fixture_rule(f, "return {function() return route.also('https://log.example') end,\n"
                    "function() error('broken') end}");
    assert_raises(f, "broken");
    assert_int_equal(f->verdict->destination_count, 0);
}

static void test_forged_answers(void **state)
{
    /* a rule can change what route made, but not into something that C would not check */
    fixture_body(*state, "local a = route.reject('x') a.action = 'nonsense' return a");
    assert_raises(*state, "an answer that route did not make");
    fixture_body(*state, "local a = route.also('https://a.example') a.value = {} return a");
    assert_raises(*state, "neither a list");
    fixture_body(*state, "local a = route.also('https://a.example') a.value = a return a");
    assert_raises(*state, "neither a list");
    fixture_body(*state, "return setmetatable({}, {__index = {url = 'https://a.example'}})");
    assert_raises(*state, "neither a list");
}

static void test_errors_name_file_line_and_traceback(void **state)
{
    fixture_rule(*state, "local function deep(msg)\n"
                         "  return msg.subject.x.y\n"
                         "end\n"
                         "return function(msg) return (deep(msg)) end\n");
    assert_raises(*state, "10.lua:2: attempt to index field 'x'");
    assert_logged(*state, "rule=10.lua:4");
    assert_logged(*state, "stack traceback");
    assert_logged(*state, "10.lua:4: in function");
    fixture_body(*state, "error({})");
    assert_raises(*state, "(error of type table)");
    fixture_body(*state, "error(nil)");
    assert_raises(*state, "(error of type nil)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RULES_TEST(test_every_form),
        RULES_TEST(test_what_is_not_an_answer),
        RULES_TEST(test_destination_table_is_whole),
        RULES_TEST(test_header_values_may_stand_elsewhere),
        RULES_TEST(test_references_reach_no_secrets_of_others),
        RULES_TEST(test_dot_segments_are_refused),
        RULES_TEST(test_limits_have_two_sides),
        RULES_TEST(test_texts_are_cleaned),
        RULES_TEST(test_first_answer_decides_and_also_adds),
        RULES_TEST(test_forged_answers),
        RULES_TEST(test_errors_name_file_line_and_traceback),
    };
    return RUN_TESTS(tests);
}
