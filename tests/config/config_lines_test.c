/* Where in the file a value or an error stands, and where its paths begin. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

#include "../test.h"

static void an_error_names_its_line(void **state)
{
    static const struct {
        const char *text;
        int line;
    } rows[] = {
        {"domains = { 'a' }\nsmtp = { max_size = true }", 2},
        {"domains = { 'a' }\nsmtp = { max_size = true }\nscan = { max_size = 2048 }", 2},
        {"domains = { 'a' }\nscan = { max_size = 2048 }\nsmtp = { max_size = true }", 3},
        {"domains = { 'a' }\nsmtp = {\n  -- max_size = 1\n  max_size = true,\n\n}\nscan = { "
         "max_size = 2048 }",
         4},
        {"domains = { 'a' }\nsmtp = {\n  max_size\n    = true,\n}", 5},
        {"domains = { 'a' }\nsmtp = { max_size = true,\n  max_errors = 5 }", 2},
        {"domains = { 'a' }\nsmtp = { max_errors = 5,\n  max_size = true }", 3},
        {"domains = { 'a' }\nsmtp = {\n  [\"max_size\"] = true,\n  ['max_errors'] = 3,\n}", 3},
        {"domains = { 'a' }\nsmtp = {\n  max_size = 1024,\n  xmax_size = true,\n}", 4},
        {"domains = { 'a' }\nsmtp = {\n  max_size = 1024,\n}\nsmtp = {\n  max_size = true,\n}", 6},
        {"domains = { 'a' }\nsmtp = {\n  ['a%(.'] = true,\n}", 3},
        {"domains = { 'a' }\nsmtp = {\n  true,\n}", 4},
        {"domains = { 'a' } smtp = {\n  max_size = true,\n}", 3},
        {"domains = { 'a' }\nlisten = { '127.0.0.1:1' }\nlisten = { { address = '127.0.0.1:1', tls "
         "= 'starttls' } }",
         3},
        {"domains = { 'a' }\nforward = {\n  tls = 'off',\n  user = 'u',\n}", 4},
        {"domains = { 'a' }\nadmin = {\n\n  listen = { '192.0.2.1:1' },\n}", 4},
        {"hostname = 'a'\nuser = 'b'\n\n", 4}, /* domains are missing */
        {"hostname = 'a'", 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct config *c = NULL;
        char line[20];
        snprintf(line, sizeof line, ":%d: ", rows[i].line);
        int code = config_load_text(rows[i].text, &c);
        const char *found = strchr(config_err.text, ':');
        if (code != -EINVAL || !found || strncmp(found, line, strlen(line)) != 0)
            fail_msg("row %zu: %d, %s", i, code, config_err.text);
    }
}

static void all_that_is_wrong_is_told(void **state)
{
    (void)state;
    static const char *const expected[] = {
        ":4: smtp.max_errors: expected 1 to 10000\n",
        ":5: smtp.max_size: expected 1024 to 1099511627776 bytes\n",
        ":6: smtp: expected name = value, got a value without a name\n",
        ":7: usr: no such option; did you mean user?",
    };
    struct config *c = NULL;
    assert_int_equal(
        config_load_text(
            "domains = { 'a' }\nsmtp = {\n  true,\n  max_errors = 0,\n  max_size = 0,\n}\nusr = 1",
            &c),
        -EINVAL);
    const char *rest = config_err.text;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        rest = strchr(rest, ':');
        if (!rest || strncmp(rest, expected[i], strlen(expected[i])) != 0)
            fail_msg("%s is not there: %s", expected[i], config_err.text);
        rest += strlen(expected[i]);
    }
    assert_string_equal(rest, "");
    assert_config_error("domains = { 'a' }\nhostname = domains[1] .. ' '",
                        "2: hostname: expected a string without spaces or control characters");
}

static void secrets_have_the_line_where_they_are_named(void **state)
{
    (void)state;
    struct config *c =
        config_loaded("domains = { 'a.example' } -- env:P1\nhostname = 'env:P1'\n"
                      "scan = {\n  password = 'env:P1',\n}\n"
                      "forward = { -- env:P2\n  user = 'u', smarthost = 'smtps://a',\n  password = "
                      "'env:' .. 'P2' }\n"
                      "lookups = { a = {\n  secret = 'file:/a', url = 'https://a' } }\n");
    static const struct {
        const char *option, *text;
        int line;
    } expected[] = {{"scan.password", "env:P1", 4},
                    {"forward.password", "env:P2", 8},
                    {"lookups", "file:/a", 10}};
    assert_int_equal(c->reference_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(c->references[i].option, expected[i].option);
        assert_string_equal(c->references[i].text, expected[i].text);
        assert_int_equal(c->references[i].line, expected[i].line);
    }
    config_unref(c);
}

static void paths_begin_at_the_files_folder(void **state)
{
    char before[4096], path[] = "mxhook-config-XXXXXX";
    struct config *c = NULL;
    (void)state;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir("/tmp"), 0);
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "domains = { 'a' }", 17) == 17 && close(fd) == 0);
    int code = config_load(path, &c, &config_err);
    unlink(path);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(code, 0);
    assert_string_equal(c->rules.directory, "./rules.d");
    assert_string_equal(c->spool.directory, "/var/lib/mxhook");
    config_unref(c);
    assert_int_equal(config_defaults("r", &c, &config_err), 0);
    assert_int_equal(c->smtp.listen_count, 2);
    assert_string_equal(c->smtp.listen[0].host, "0.0.0.0");
    assert_int_equal(c->smtp.listen[0].tls, LISTEN_TLS_OFF);
    assert_int_equal(c->forward.tls, FORWARD_TLS_OPPORTUNISTIC);
    config_unref(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_names_its_line),
        cmocka_unit_test(all_that_is_wrong_is_told),
        cmocka_unit_test(secrets_have_the_line_where_they_are_named),
        cmocka_unit_test(paths_begin_at_the_files_folder),
    };
    return cmocka_run_group_tests(tests, make_config, remove_config);
}
