#include "auth/dnsbl_monitor.h"

#include <stdlib.h>
#include <string.h>

#include "../dns/responder.h"
#include "../captured_log.h"
#include "../test.h"
#include "base/log.h"

#define PAUSE_MS 5

struct fixture {
    uv_loop_t loop;
    struct responder responder;
    struct dns *dns;
    struct dnsbl_monitor *monitor;
};

static const struct dnsbl_result fine = {.zone = "bl.test"};
static const struct dnsbl_result failed = {.zone = "bl.test", .failed = true, .error = "no"};
static const struct dnsbl_result refused = {.zone = "bl.test", .refused = true, .error = "no"};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct error err;
    log_set_level(LOG_ERROR);
    uv_loop_init(&f->loop);
    responder_open(&f->responder, &f->loop);
    f->responder.config.cache_size = 0;
    assert_int_equal(dns_open(&f->loop, &f->responder.config, &f->dns, &err), 0);
    f->monitor = dnsbl_monitor_new(&f->loop, f->dns, PAUSE_MS);
    assert_non_null(f->monitor);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    dnsbl_monitor_close(f->monitor);
    dns_close(f->dns);
    responder_close(&f->responder);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    free(f);
    return 0;
}

static void note(struct fixture *f, const struct dnsbl_result *result, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        dnsbl_monitor_note(f->monitor, result);
}

static void failures_in_a_row_make_it_silent(void **state)
{
    struct fixture *f = *state;
    note(f, &failed, DNSBL_FAILURES - 1);
    assert_true(dnsbl_monitor_answers(f->monitor, "bl.test"));
    note(f, &fine, 1);
    note(f, &failed, DNSBL_FAILURES - 1);
    assert_true(dnsbl_monitor_answers(f->monitor, "bl.test"));
    note(f, &failed, 1);
    assert_false(dnsbl_monitor_answers(f->monitor, "bl.test"));
    assert_true(dnsbl_monitor_answers(f->monitor, "other.test"));
}

/* A line where something changes, and none where nothing does. */
static void the_log_says_each_change_once(void **state)
{
    struct fixture *f = *state;
    static const char silent[] = "warn dnsbl zone=bl.test result=\"no answer: nothing is taken for "
                                 "listed until one comes\"\n",
                      again[] = "info dnsbl zone=bl.test result=\"answers again\"\n";
    struct dnsbl_result refuses = refused;
    refuses.error = "the list refuses";
    log_set_level(LOG_INFO);
    CAPTURE(note(f, &fine, 2));
    assert_string_equal(written, "");
    CAPTURE(note(f, &failed, DNSBL_FAILURES - 1));
    assert_string_equal(written, "");
    CAPTURE(note(f, &failed, 3));
    assert_string_equal(after_time(), silent);
    CAPTURE(note(f, &fine, 2));
    assert_string_equal(after_time(), again);
    CAPTURE(note(f, &refuses, 2));
    assert_string_equal(after_time(), "warn dnsbl zone=bl.test result=\"the list refuses\"\n");
    CAPTURE(note(f, &failed, DNSBL_FAILURES));
    assert_string_equal(after_time(), silent);
    CAPTURE(note(f, &refuses, 1)); /* it was silent before: that it answers at all is no news yet */
    assert_string_equal(written, "");
    CAPTURE(note(f, &failed, DNSBL_FAILURES - 1));
    assert_string_equal(written, "");
    CAPTURE(note(f, &fine, 1));
    assert_string_equal(after_time(), again);
}

/* What is said of one, or counted, is not of another. */
static void lists_do_not_share_a_count(void **state)
{
    struct fixture *f = *state;
    struct dnsbl_result second = failed, third = failed;
    second.zone = "second.test";
    third.zone = "third.test";
    note(f, &third, 1);
    note(f, &failed, DNSBL_FAILURES - 1);
    note(f, &second, DNSBL_FAILURES);
    assert_true(dnsbl_monitor_answers(f->monitor, "bl.test"));
    assert_false(dnsbl_monitor_answers(f->monitor, "second.test"));
    assert_true(dnsbl_monitor_answers(f->monitor, "third.test"));
    note(f, &failed, 1);
    assert_false(dnsbl_monitor_answers(f->monitor, "bl.test"));
}

static void a_list_that_refuses_is_asked_on(void **state)
{
    struct fixture *f = *state;
    note(f, &refused, 2 * DNSBL_FAILURES);
    assert_true(dnsbl_monitor_answers(f->monitor, "bl.test"));
}

static void a_silent_one_is_probed_until_it_answers(void **state)
{
    struct fixture *f = *state;
    f->responder.code = 2; /* fails */
    note(f, &failed, DNSBL_FAILURES);
    while (f->responder.asked < 3)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_false(dnsbl_monitor_answers(f->monitor, "bl.test"));
    f->responder.code = 3; /* no such name, but an answer */
    while (!dnsbl_monitor_answers(f->monitor, "bl.test"))
        uv_run(&f->loop, UV_RUN_ONCE);
}

/* A probe without an answer is not followed by another; and closing waits for none. */
static void one_probe_at_a_time(void **state)
{
    struct fixture *f = *state;
    f->responder.silent = true;
    note(f, &failed, DNSBL_FAILURES);
    uint64_t end = uv_now(&f->loop) + 10 * PAUSE_MS;
    while (f->responder.asked == 0 || uv_now(&f->loop) < end)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(f->responder.asked, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(failures_in_a_row_make_it_silent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_log_says_each_change_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lists_do_not_share_a_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_list_that_refuses_is_asked_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_silent_one_is_probed_until_it_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_probe_at_a_time, set_up, tear_down),
    };
    return RUN_TESTS(tests);
}
