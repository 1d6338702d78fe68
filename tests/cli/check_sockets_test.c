/* The addresses of systemd's socket, and those of the configuration. */
#include "../captured_log.h"
#include "../test.h"

#include <stdio.h>
#include <string.h>

#include "cli/check_sockets.h"
#include "cli/cli.h"

static struct listen_address listen_on[] = {
    {.host = "0.0.0.0", .port = 25}, {.host = "::", .port = 25}, {.host = "/run/mxhook/lmtp.sock"}};
static struct listen_address admin_on[] = {{.host = "/run/mxhook/admin.sock"}};
static struct config config = {.path = "mxhook.lua",
                               .smtp = {.listen = listen_on, .listen_count = 3},
                               .admin = {.listen = admin_on, .listen_count = 1}};

/* What it says on stderr. */
static const char *said(const char *show, int expected)
{
    int code = CLI_OK;
    FILE *in = fmemopen((void *)show, strlen(show) + 1, "r");
    CAPTURE(code = check_sockets(&config, in));
    fclose(in);
    assert_int_equal(code, expected);
    return written;
}

static void test_compares_both_ways(void **state)
{
    (void)state;
    assert_string_equal(said("Listen=0.0.0.0:25 (Stream)\nListen=[::]:25 (Stream)\n", CLI_OK), "");
    assert_string_equal(
        said("Listen=0.0.0.0:25 (Stream)\nListen=[::]:25 (Stream)\n"
             "/run/mxhook/admin.sock (Stream)\nListen=/run/mxhook/lmtp.sock (Stream)\n",
             CLI_OK),
        "");
    const char *text =
        said("Listen=0.0.0.0:25 (Stream)\nListen=0.0.0.0:587 (Stream)\n", CLI_FAILED);
    assert_non_null(strstr(text, "mxhook.socket listens on 0.0.0.0:587, which `listen` does not"));
    assert_non_null(
        strstr(text, "warning: mxhook.lua: listen: mxhook.socket does not hold [::]:25:"));
    assert_non_null(strstr(
        text,
        "the service will not start, as it may bind no port below 1024 by itself. To have it held: "
        "`systemctl edit mxhook.socket`, and there [Socket] and ListenStream=[::]:25; then "));
    assert_null(strstr(text, "hold 0.0.0.0:25"));
    listen_on[1].port = 1024;
    text = said("Listen=0.0.0.0:25 (Stream)\n", CLI_OK);
    assert_non_null(strstr(
        text, "hold [::]:1024: clients are refused there while the service restarts. To have"));
    assert_null(strstr(text, "will not start"));
    listen_on[1].port = 1023;
    assert_non_null(strstr(said("Listen=0.0.0.0:25 (Stream)\n", CLI_OK),
                           "hold [::]:1023: the service will not start"));
    listen_on[1].port = 0; /* any: no socket can hold it */
    assert_string_equal(said("Listen=0.0.0.0:25 (Stream)\n", CLI_OK), "");
    listen_on[1].port = 25;
    assert_null(strstr(text, "lmtp.sock")); /* the service makes it itself */
}

static void test_no_unit_is_nothing_to_tell(void **state)
{
    (void)state;
    assert_string_equal(said("\n", CLI_OK), "");
    assert_string_equal(said("Unit mxhook.socket could not be found.\n", CLI_OK), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compares_both_ways),
        cmocka_unit_test(test_no_unit_is_nothing_to_tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
