/* How a request gets there: addresses that are refused, proxies, the address that it comes from. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void a_private_address_is_refused_where_the_configuration_says_so(void **state)
{
    struct rig *rig = *state;
    START(rig, "deny_private = true", {.bytes = OK});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, FAILED, 1);
    rig_check_error(rig, "its address is not public (deny_private)");
    assert_int_equal(receiver_connections(rig->receiver), 0);
    snprintf(rig->url, sizeof rig->url, "http://localhost:%d/", receiver_port(rig->receiver));
    rig_post(rig, "m-2", rig->url); /* a name that leads there is no better */
    rig_run_until(rig, FAILED, 2);
    assert_int_equal(receiver_connections(rig->receiver), 0);
}

/* libcurl, or the system, takes all of these for an address of this machine. */
static void no_form_of_a_private_address_is_let_through(void **state)
{
    static const char *const forms[] = {
        "127.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "127.0.1",
        "0",
        "0.0.0.0",
        "127.0.0.2",
        "LOCALHOST",
        "[::1]",
        "[::]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::FFFF:7f00:1]",
        "[0:0:0:0:0:ffff:7f00:0001]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "u:p@127.1",
        "[fe80::1%25lo]",
        "[fe80::1%lo]",
    };
    struct rig *rig = *state;
    START(rig, "deny_private = true", {.bytes = OK});
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char id[16];
        snprintf(id, sizeof id, "m-%zu", i + 1);
        snprintf(rig->url, sizeof rig->url, "http://%s:%d/", forms[i],
                 receiver_port(rig->receiver));
        rig_post(rig, id, rig->url);
        rig_run_until(rig, FAILED " AND last_error LIKE '%(deny_private)'", (long long)i + 1);
    }
    assert_int_equal(receiver_connections(rig->receiver), 0);
}

static void the_environment_s_proxy_is_not_used(void **state)
{
    struct rig *rig = *state;
    setenv("http_proxy", "http://127.0.0.1:9", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:9", 1);
    START(rig, "", {.bytes = OK});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, COUNT, 0);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
}

static void a_proxy_of_the_configuration_is_used(void **state)
{
    struct rig *rig = *state;
    char options[100];
    static const struct answer answers[] = {{.bytes = OK}};
    rig->receiver = receiver_start(answers, 1);
    snprintf(options, sizeof options, "proxy = 'http://127.0.0.1:%d'",
             receiver_port(rig->receiver));
    setenv("NO_PROXY", "*", 1); /* goes round none that the configuration names */
    rig_start(rig, options);
    rig_post(rig, "m-1", "http://nowhere.invalid/x");
    rig_run_until(rig, COUNT, 0);
    unsetenv("NO_PROXY");
    assert_ptr_equal(strstr(receiver_request(rig->receiver, 0)->head,
                            "POST http://nowhere.invalid/x HTTP/1.1\r\n"),
                     receiver_request(rig->receiver, 0)->head);
}

static void the_source_address_is_as_configured(void **state)
{
    struct rig *rig = *state;
    START(rig, "source_address = '127.0.0.9'", {.bytes = OK});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, COUNT, 0);
    assert_string_equal(receiver_request(rig->receiver, 0)->from, "127.0.0.9");
}

/* It was made when that was allowed. */
static void a_kept_connection_is_not_used_once_its_address_is_denied(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = OK});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, COUNT, 0);
    rig_configure(rig, "deny_private = true");
    rig_post(rig, "m-2", rig->url);
    rig_run_until(rig, FAILED, 1);
    rig_check_error(rig, "its address is not public (deny_private)");
    assert_int_equal(receiver_count(rig->receiver), 1);
}

static void a_connection_that_is_too_old_is_not_used_again(void **state)
{
    struct rig *rig = *state;
    START(rig, "connection_age = '1s'", {.bytes = OK});
    for (int i = 0; i < 2; i++) {
        rig_post(rig, "m-1", rig->url);
        rig_run_until(rig, COUNT, 0);
    }
    assert_int_equal(receiver_connections(rig->receiver), 1);
    rig_run_for(rig, 2100); /* libcurl counts whole seconds */
    rig_post(rig, "m-2", rig->url);
    rig_run_until(rig, COUNT, 0);
    assert_int_equal(receiver_connections(rig->receiver), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_private_address_is_refused_where_the_configuration_says_so),
        RIG_TEST(no_form_of_a_private_address_is_let_through),
        RIG_TEST(the_environment_s_proxy_is_not_used),
        RIG_TEST(a_kept_connection_is_not_used_once_its_address_is_denied),
        RIG_TEST(a_connection_that_is_too_old_is_not_used_again),
        RIG_TEST(a_proxy_of_the_configuration_is_used),
        RIG_TEST(the_source_address_is_as_configured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
