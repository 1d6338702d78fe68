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

static void the_environment_s_proxy_is_not_used(void **state)
{
    struct rig *rig = *state;
    setenv("http_proxy", "http://127.0.0.1:9", 1);
    START(rig, "", {.bytes = OK});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, COUNT, 0);
    unsetenv("http_proxy");
}

static void a_proxy_of_the_configuration_is_used(void **state)
{
    struct rig *rig = *state;
    char options[100];
    static const struct answer answers[] = {{.bytes = OK}};
    rig->receiver = receiver_start(answers, 1);
    snprintf(options, sizeof options, "proxy = 'http://127.0.0.1:%d'",
             receiver_port(rig->receiver));
    rig_start(rig, options);
    rig_post(rig, "m-1", "http://nowhere.invalid/x");
    rig_run_until(rig, COUNT, 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_private_address_is_refused_where_the_configuration_says_so),
        RIG_TEST(the_environment_s_proxy_is_not_used),
        RIG_TEST(a_proxy_of_the_configuration_is_used),
        RIG_TEST(the_source_address_is_as_configured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
