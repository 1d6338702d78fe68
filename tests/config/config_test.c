/* The configuration: defaults, what is given, errors and their lines. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../test.h"
#include "fixture.h"

static void every_option_but_domains_has_a_default(void **state)
{
    (void)state;
    struct config *c = config_loaded("domains = { 'Example.COM', '*.example.com' }");
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
    assert_int_equal(config_defaults("some/rules", &c, &config_err), 0);
    assert_string_equal(c->rules.directory, "some/rules");
    assert_int_equal(c->rules.time_limit_ms, 100);
    assert_int_equal(c->rules.text_limit, 4 << 20);
    assert_int_equal(c->smtp.domain_count, 0);
    config_unref(c);
}

static void reads_what_is_given(void **state)
{
    (void)state;
    struct config *c = config_loaded(
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
    assert_config_error("domains = { 'a.example' }\ndomain = 1\n",
                        "2: domain: no such option; did you mean domains?");
    assert_config_error("domains = { 'a.example' }\nmax_size = 1\n",
                        "2: max_size: no such option; did you mean smtp.max_size?");
    assert_config_error(
        "domains = { 'a.example' }\nsmtp = {\n  max_size = 4096,\n  max_sise = 1,\n}\n",
        "4: smtp.max_sise: no such option; did you mean smtp.max_size?");
    assert_config_error("domains = { 'a.example' }\nzzzzzzzzzzzzzzzz = 1\n",
                        "2: zzzzzzzzzzzzzzzz: no such option");
    assert_config_error("domains = { 'a.example' }\nrules = {\n  time_limti = '1s',\n}\n",
                        "3: rules.time_limti: no such option; did you mean rules.time_limit?");
    assert_config_error("domains = { 'a.example' }\nruls = {}\n",
                        "2: ruls: no such option; did you mean rules?");
}

static void wrong_types_say_what_was_expected(void **state)
{
    (void)state;
    assert_config_error("domains = 'a.example'",
                        "1: domains: expected a list of domains, such as { \"example.com\" }");
    assert_config_error("domains = { 'a b' }",
                        "1: domains: expected a domain such as \"example.com\" or "
                        "\"*.example.com\", got \"a b\"");
    assert_config_error(
        "domains = { 'a.example' }\nlisten = { '1.2.3.4' }",
        "2: listen: expected address:port, such as \"0.0.0.0:25\" or \"[::]:25\", got "
        "\"1.2.3.4\"");
    assert_config_error("domains = { 'a.example' }\nsmtp = 3",
                        "2: smtp: expected a table of options");
    assert_config_error("domains = { 'a.example' }\nrules = { unsafe = 'yes' }",
                        "2: rules.unsafe: expected true or false");
    assert_config_error(
        "domains = { 'a.example' }\nrules = { reserved_headers = 'X-Customer' }",
        "2: rules.reserved_headers: expected a list of headers, such as { \"X-Customer\", "
        "\"X-Tenant-*\" }");
    assert_config_error(
        "domains = { 'a.example' }\nrules = { reserved_headers = { 'X-Customer:' } }",
        "2: rules.reserved_headers: expected the name of a header, or a pattern such as "
        "\"X-Tenant-*\"");
    config_unref(config_loaded("domains = { 'a.example' }\nrules = { reserved_headers = {} }"));
    assert_config_error(
        "domains = { 'a.example' }\nrules = { time_limit = 100 }",
        "2: rules.time_limit: expected a duration such as \"100ms\", \"5s\", \"10m\", "
        "\"6h\" or \"1d\"");
}

static void limits_have_two_sides(void **state)
{
    (void)state;
    config_unref(config_loaded("domains = { 'a.example' } deliver = { attempts = 1 }"));
    config_unref(config_loaded("domains = { 'a.example' } deliver = { attempts = 1000 }"));
    assert_config_error("domains = { 'a.example' } deliver = { attempts = 0 }",
                        "1: deliver.attempts: expected 1 to 1000");
    assert_config_error("domains = { 'a.example' } deliver = { attempts = 1001 }",
                        "1: deliver.attempts: expected 1 to 1000");
    assert_config_error("domains = { 'a.example' } deliver = { attempts = 1.5 }",
                        "1: deliver.attempts: expected a whole number");
}

static void several_errors_stand_in_order(void **state)
{
    (void)state;
    struct config *config;
    config_load_text("hostname = 'a b'\ndomain = 1", &config);
    assert_non_null(strstr(config_err.text, ":1: hostname: "));
    assert_non_null(strstr(config_err.text, "\n"));
    assert_non_null(strstr(strstr(config_err.text, ":1: "), ":2: domain: "));
    assert_non_null(strstr(config_err.text, "domains: missing"));
}

static void syntax_errors_and_raised_ones_have_a_line(void **state)
{
    (void)state;
    assert_config_error("domains = { 'a.example' }\nx = = 1", "2: unexpected symbol near '='");
    assert_config_error("\nerror('no')", "2: no");
    assert_config_error("local t = nil\nt.x = 1", "2: attempt to index local 't' (a nil value)");
}

static void a_file_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    struct config *config;
    assert_int_equal(config_load("/nonexistent.lua", &config, &config_err), -ENOENT);
    assert_string_equal(config_err.text, "/nonexistent.lua: No such file or directory");
}

static void sees_the_environment(void **state)
{
    (void)state;
    setenv("MXHOOK_TEST_DOMAIN", "env.example", 1);
    struct config *c = config_loaded("domains = { env('MXHOOK_TEST_DOMAIN') }\n"
                                     "hostname = env('MXHOOK_TEST_UNSET', 'fallback.example')");
    assert_string_equal(c->smtp.domains[0], "env.example");
    assert_string_equal(c->hostname, "fallback.example");
    config_unref(c);
}

static void assert_secrets(const char *rules, const char *expected)
{
    char text[300];
    snprintf(text, sizeof text, "domains = { 'a.example' }\nrules = { %s }", rules);
    struct config *c = config_loaded(text);
    assert_string_equal(c->rules.secrets, expected);
    config_unref(c);
}

static void a_proxy_and_denied_addresses_exclude_each_other(void **state)
{
    struct config *c;
    (void)state;
    assert_config_error(
        "domains = { 'a.example' }\ndeliver = {\n  proxy = 'http://127.0.0.1:3128',\n"
        "  deny_private = true }\n",
        "4: deliver.deny_private: not together with deliver.proxy: only the proxy learns "
        "the address; deny it there");
    c = config_loaded("domains = { 'a.example' }\ndeliver = { proxy = 'http://127.0.0.1:3128' }\n");
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
    assert_int_equal(config_defaults("rules.d", &c, &config_err), 0);
    snprintf(expected, sizeof expected, "%s/secrets", working);
    assert_string_equal(c->rules.secrets, expected);
    config_unref(c);
    const char *around[] = {"./rules.d", ".//rules.d", "../%s/rules.d", "./../%s/./rules.d"};
    for (size_t i = 0; i < sizeof around / sizeof *around; i++) { /* as rules write it themselves */
        char directory[1100];
        snprintf(directory, sizeof directory, around[i], strrchr(working, '/') + 1);
        assert_int_equal(config_defaults(directory, &c, &config_err), 0);
        assert_string_equal(c->rules.secrets, expected);
        config_unref(c);
    }
    assert_int_equal(config_defaults("a/rules.d", &c, &config_err), 0);
    snprintf(expected, sizeof expected, "%s/a/secrets", working);
    assert_string_equal(c->rules.secrets, expected);
    config_unref(c);
    assert_int_equal(config_defaults("/rules.d", &c, &config_err), 0);
    assert_string_equal(c->rules.secrets, "/secrets");
    config_unref(c);
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
        {"deliver = { on_failure = { url = 'https://b', max_body = 1 } }",
         "deliver = { on_failure = { url = 'https://b', max_body = 0 } }",
         "max_body: expected a number of bytes"},
        {"deliver = { on_failure = { url = 'https://b', max_body = '1024 GiB' } }",
         "deliver = { on_failure = { url = 'https://b', max_body = '1025 GiB' } }",
         "max_body: expected a number of bytes"},
        {"deliver = { on_failure = { url = 'https://b', timeout = 3600 } }",
         "deliver = { on_failure = { url = 'https://b', timeout = 3601 } }",
         "timeout: expected a duration"},
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
        assert_config_line(rows[i].taken, NULL);
        assert_config_line(rows[i].refused, rows[i].says);
    }
}

static void words_mean_what_they_name(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int level, format, bodies;
    } rows[] = {
        {"log_level = 'debug'", LOG_DEBUG, LOG_FORMAT_AUTO, HISTORY_BODIES_NONE},
        {"log_level = 'info'", LOG_INFO, LOG_FORMAT_AUTO, HISTORY_BODIES_NONE},
        {"log_level = 'warn'", LOG_WARN, LOG_FORMAT_AUTO, HISTORY_BODIES_NONE},
        {"log_level = 'error'", LOG_ERROR, LOG_FORMAT_AUTO, HISTORY_BODIES_NONE},
        {"log_format = 'auto'", LOG_INFO, LOG_FORMAT_AUTO, HISTORY_BODIES_NONE},
        {"log_format = 'text'", LOG_INFO, LOG_FORMAT_TEXT, HISTORY_BODIES_NONE},
        {"log_format = 'json'", LOG_INFO, LOG_FORMAT_JSON, HISTORY_BODIES_NONE},
        {"log_format = 'journal'", LOG_INFO, LOG_FORMAT_JOURNAL, HISTORY_BODIES_NONE},
        {"history = { bodies = 'none' }", LOG_INFO, LOG_FORMAT_AUTO, HISTORY_BODIES_NONE},
        {"history = { bodies = 'failed' }", LOG_INFO, LOG_FORMAT_AUTO, HISTORY_BODIES_FAILED},
        {"history = { bodies = 'all' }", LOG_INFO, LOG_FORMAT_AUTO, HISTORY_BODIES_ALL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[200];
        snprintf(text, sizeof text, "domains = { 'a.example' }\n%s\n", rows[i].line);
        struct config *c = config_loaded(text);
        if ((int)c->log_level != rows[i].level || (int)c->log_format != rows[i].format ||
            (int)c->history.bodies != rows[i].bodies)
            fail_msg("%s: %d, %d, %d", rows[i].line, (int)c->log_level, (int)c->log_format,
                     (int)c->history.bodies);
        config_unref(c);
    }
    assert_config_line("log_level = 'loud'", "debug, info, warn or error");
    assert_config_line("log_format = 'xml'", "journal");
    assert_config_line("history = { bodies = 'some' }", "failed");
}

/* A third of the letters may be wrong, and one of a short name; two that are swapped are one. */
static void what_was_meant(void **state)
{
    static const char *const rows[][2] = {
        {"hostname2", "hostname"},
        {"hotname", "hostname"},
        {"HostName", "hostname"},
        {"hxstnxme", "hostname"},
        {"hostna", "hostname"},
        {"hsotnmae", "hostname"},
        {"hxstnxmx", NULL},
        {"hostn", NULL},
        {"suer", "user"},
        {"usrr", "user"},
        {"xuser", "user"},
        {"ser", "user"},
        {"usxy", NULL},
        {"us", NULL},
        {"userxx", "user"},
        {"max_recipients", "smtp.max_recipients"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[200], says[200];
        snprintf(text, sizeof text, "domains = { 'a.example' }\n%s = 1", rows[i][0]);
        snprintf(says, sizeof says, "2: %s: no such option%s%s%s", rows[i][0],
                 rows[i][1] ? "; did you mean " : "", rows[i][1] ? rows[i][1] : "",
                 rows[i][1] ? "?" : "");
        assert_config_error(text, says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_but_domains_has_a_default),
        cmocka_unit_test(defaults_need_no_file),
        cmocka_unit_test(reads_what_is_given),
        cmocka_unit_test(unknown_names_get_a_suggestion),
        cmocka_unit_test(wrong_types_say_what_was_expected),
        cmocka_unit_test(limits_have_two_sides),
        cmocka_unit_test(what_was_meant),
        cmocka_unit_test(several_errors_stand_in_order),
        cmocka_unit_test(syntax_errors_and_raised_ones_have_a_line),
        cmocka_unit_test(a_file_that_is_not_there_is_an_error),
        cmocka_unit_test(sees_the_environment),
        cmocka_unit_test(a_proxy_and_denied_addresses_exclude_each_other),
        cmocka_unit_test(secrets_stand_beside_the_rules),
        cmocka_unit_test(limits_at_the_exact_value),
        cmocka_unit_test(words_mean_what_they_name),
    };
    return cmocka_run_group_tests(tests, make_config, remove_config);
}
