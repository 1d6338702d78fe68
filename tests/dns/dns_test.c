#include "dns/dns.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../captured_log.h"
#include "../test.h"
#include "base/metrics.h"
#include "responder.h"

/* Two MX records: 20 b, 10 c; kept for 60 s. */
static const char two_hosts[] = "\xc0\x0c\0\x0f\0\x01\0\0\0\x3c\0\x05\0\x14\x01"
                                "b\0"
                                "\xc0\x0c\0\x0f\0\x01\0\0\0\x3c\0\x05\0\x0a\x01"
                                "c\0";
/* An address that may not be kept: its TTL is 0. */
static const char no_ttl[] = "\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04\xc0\0\x02\x01";

struct fixture {
    uv_loop_t loop;
    struct responder responder;
    struct dns *dns;
};

static bool inside; /* of dns_ask() */

/* One who asks. */
struct asker {
    struct dns_waiter waiter;
    struct dns_answer *answer;
    struct dns_waiter *forgets; /* when its own answer comes */
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct error err;
    uv_loop_init(&f->loop);
    responder_open(&f->responder, &f->loop);
    assert_int_equal(dns_open(&f->loop, &f->responder.config, &f->dns, &err), 0);
    f->responder.records = two_hosts;
    f->responder.size = sizeof two_hosts - 1;
    f->responder.count = 2;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    dns_close(f->dns);
    responder_close(&f->responder);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    free(f);
    return 0;
}

static void on_answer(struct dns_waiter *waiter, struct dns_answer *answer)
{
    struct asker *asker = (struct asker *)waiter;
    assert_false(inside);
    assert_null(asker->answer);
    asker->answer = answer;
    if (asker->forgets)
        dns_forget(asker->forgets);
}

static void ask(struct fixture *f, struct asker *asker, const char *name, enum record_type type)
{
    int code;
    asker->waiter.done = on_answer;
    inside = true;
    asker->answer = dns_ask(f->dns, name, type, &asker->waiter, &code);
    inside = false;
    assert_int_equal(code, 0);
}

static void run_until(struct fixture *f, const struct asker *asker)
{
    while (!asker->answer)
        uv_run(&f->loop, UV_RUN_ONCE);
}

static void the_hosts_of_a_domain(void **state)
{
    struct fixture *f = *state;
    struct asker asker = {0};
    ask(f, &asker, "a", RECORD_MX);
    assert_null(asker.answer);
    run_until(f, &asker);
    assert_int_equal(asker.answer->status, DNS_RECORDS);
    assert_int_equal(asker.answer->count, 2);
    assert_string_equal(asker.answer->records[0].data, "c");
    assert_int_equal(asker.answer->records[0].preference, 10);
    dns_answer_unref(asker.answer);
}

static void an_answer_is_kept(void **state)
{
    struct fixture *f = *state;
    struct asker first = {0}, second = {0};
    ask(f, &first, "a", RECORD_MX);
    run_until(f, &first);
    ask(f, &second, "a", RECORD_MX);
    assert_ptr_equal(second.answer, first.answer);
    assert_int_equal(f->responder.asked, 1);
    dns_answer_unref(first.answer);
    dns_answer_unref(second.answer);
}

static void an_answer_without_ttl_is_not(void **state)
{
    struct fixture *f = *state;
    struct asker first = {0}, second = {0};
    f->responder.records = no_ttl;
    f->responder.size = sizeof no_ttl - 1;
    f->responder.count = 1;
    ask(f, &first, "a", RECORD_A);
    run_until(f, &first);
    assert_int_equal(first.answer->ttl, 0);
    ask(f, &second, "a", RECORD_A);
    assert_null(second.answer);
    run_until(f, &second);
    assert_int_equal(f->responder.asked, 2);
    dns_answer_unref(first.answer);
    dns_answer_unref(second.answer);
}

static void the_same_question_goes_out_once(void **state)
{
    struct fixture *f = *state;
    struct asker askers[3] = {0};
    for (size_t i = 0; i < 3; i++)
        ask(f, &askers[i], "a", RECORD_MX);
    for (size_t i = 0; i < 3; i++) {
        run_until(f, &askers[i]);
        assert_int_equal(askers[i].answer->count, 2);
        dns_answer_unref(askers[i].answer);
    }
    assert_int_equal(f->responder.asked, 1);
}

static void who_is_forgotten_gets_nothing(void **state)
{
    struct fixture *f = *state;
    struct asker gone = {0}, stays = {0};
    ask(f, &gone, "a", RECORD_MX);
    ask(f, &stays, "a", RECORD_MX);
    dns_forget(&gone.waiter);
    dns_forget(&gone.waiter);
    run_until(f, &stays);
    assert_null(gone.answer);
    dns_answer_unref(stays.answer);
}

/* Whichever of the two is told first forgets the other. */
static void one_may_forget_the_other(void **state)
{
    struct fixture *f = *state;
    struct asker one = {0}, other = {0};
    one.forgets = &other.waiter;
    other.forgets = &one.waiter;
    ask(f, &one, "a", RECORD_MX);
    ask(f, &other, "a", RECORD_MX);
    while (!one.answer && !other.answer)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_true(!one.answer != !other.answer);
    dns_answer_unref(one.answer ? one.answer : other.answer);
}

static void failures_and_none_are_told_apart(void **state)
{
    struct fixture *f = *state;
    struct asker failed = {0}, none = {0};
    f->responder.count = 0;
    f->responder.code = 2;
    ask(f, &failed, "a", RECORD_MX);
    run_until(f, &failed);
    assert_int_equal(failed.answer->status, DNS_FAILED);
    assert_in_range(failed.answer->ttl, 1, 2); /* older c-ares says "refused" of any error */
    f->responder.code = 3;
    ask(f, &none, "b", RECORD_MX);
    run_until(f, &none);
    assert_int_equal(none.answer->status, DNS_NONE);
    dns_answer_unref(failed.answer);
    dns_answer_unref(none.answer);
}

/* With short timeouts, so made anew. */
static void open_impatient(struct fixture *f)
{
    struct error err;
    dns_close(f->dns);
    f->responder.config.query_timeout_ms = 50;
    assert_int_equal(dns_open(&f->loop, &f->responder.config, &f->dns, &err), 0);
}

/* Whether a question is answered at once; else it has been waited for, and *status says how it was. */
static bool fails_at_once(struct fixture *f, const char *name, enum dns_answer_status *status)
{
    struct asker asker = {0};
    ask(f, &asker, name, RECORD_MX);
    bool at_once = asker.answer != NULL;
    run_until(f, &asker);
    *status = asker.answer->status;
    dns_answer_unref(asker.answer);
    return at_once;
}

/* Newer c-ares ends every question of a socket that is refused, when the next goes out. */
static void nobody_is_told_inside_of_a_question(void **state)
{
    struct fixture *f = *state;
    struct asker askers[8] = {0};
    struct sockaddr_in address;
    struct error err;
    int size = sizeof address;
    uv_udp_t socket; /* holds a port, and takes nothing from there but from itself */
    uv_udp_init(&f->loop, &socket);
    uv_ip4_addr("127.0.0.1", 0, &address);
    assert_int_equal(uv_udp_bind(&socket, (struct sockaddr *)&address, 0), 0);
    uv_udp_getsockname(&socket, (struct sockaddr *)&address, &size);
    assert_int_equal(uv_udp_connect(&socket, (struct sockaddr *)&address), 0);
    struct listen_address refuses = {.host = "127.0.0.1", .port = ntohs(address.sin_port)};
    struct dns_config config = f->responder.config;
    config.resolvers = &refuses;
    config.resolver_count = 1;
    dns_close(f->dns);
    assert_int_equal(dns_open(&f->loop, &config, &f->dns, &err), 0);
    for (int i = 0; i < 8; i++) {
        char name[] = {(char)('a' + i / 2), 0};
        ask(f, &askers[i], name, RECORD_MX);
        if (i == 3)
            dns_forget(&askers[2].waiter);
        usleep(2000); /* so that the refusal is there when the next goes out */
    }
    for (int i = 0; i < 8; i++) {
        if (i == 2 && !askers[i].answer)
            continue;
        run_until(f, &askers[i]);
        assert_int_equal(askers[i].answer->status, DNS_FAILED);
        dns_answer_unref(askers[i].answer);
    }
    ask(f, &askers[2], "last", RECORD_MX); /* and the tear-down closes what is under way */
    dns_answer_unref(askers[2].answer);
    dns_forget(&askers[2].waiter);
    uv_close((uv_handle_t *)&socket, NULL);
    uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void a_question_goes_out_twice_and_allows_large_answers(void **state)
{
    struct fixture *f = *state;
    struct asker asker = {0};
    open_impatient(f);
    f->responder.silent = true;
    ask(f, &asker, "a", RECORD_MX);
    run_until(f, &asker);
    assert_int_equal(asker.answer->status, DNS_FAILED);
    assert_int_equal(f->responder.asked, 2);
    assert_int_equal(f->responder.room, 1232);
    dns_answer_unref(asker.answer);
}

/* Asks what is answered, or is not, `failed` times in a row. */
static void ask_in_turn(struct fixture *f, const char *prefix, int count, bool dead)
{
    f->responder.dead = dead;
    for (int i = 0; i < count; i++) {
        struct asker asker = {0};
        char name[20];
        snprintf(name, sizeof name, "%s%d", prefix, i);
        ask(f, &asker, name, RECORD_MX);
        assert_null(asker.answer);
        run_until(f, &asker);
        assert_int_equal(asker.answer->status, dead ? DNS_FAILED : DNS_RECORDS);
        if (dead)
            assert_int_equal(asker.answer->ttl, 1);
        dns_answer_unref(asker.answer);
    }
}

static void run_a_while(struct fixture *f)
{
    for (int i = 0; i < 3; i++)
        uv_run(&f->loop, UV_RUN_NOWAIT);
}

/* Five in a row, and no fewer; what is said of it, and counted. */
static void five_that_are_silent_open_the_breaker(void **state)
{
    struct fixture *f = *state;
    enum dns_answer_status status;
    open_impatient(f);
    CAPTURE({
        ask_in_turn(f, "a", 4, true);
        ask_in_turn(f, "b", 1, false); /* they begin anew */
        ask_in_turn(f, "c", 4, true);
        run_a_while(f);
    });
    assert_int_equal(f->responder.probes, 0);
    assert_string_equal(written, "");
    double timeouts = metric_value(METRIC_DNS_LOOKUPS_TOTAL, "timeout", NULL);
    CAPTURE({
        ask_in_turn(f, "d", 1, true);
        while (!*written && !fails_at_once(f, "e", &status))
            run_a_while(f);
        assert_int_equal(status, DNS_FAILED);
        while (!fails_at_once(f, "f", &status)) /* not kept: its time is 0 */
            run_a_while(f);
        unsigned probes = f->responder.probes;
        unsigned asked = f->responder.asked;
        assert_true(fails_at_once(f, "h", &status));
        assert_int_equal(f->responder.asked, asked);
        while (f->responder.probes == probes) /* each second another one, which says nothing */
            uv_run(&f->loop, UV_RUN_ONCE);
        f->responder.dead = false;
        while (fails_at_once(f, "g", &status))
            uv_run(&f->loop, UV_RUN_ONCE);
        assert_int_equal(status, DNS_RECORDS);
    });
    assert_true(metric_value(METRIC_DNS_LOOKUPS_TOTAL, "timeout", NULL) > timeouts);
    assert_int_equal(
        captured_lines(" warn dns resolvers=\"no answer: every look-up fails until one comes\""),
        1);
    assert_int_equal(captured_lines(" info dns resolvers=\"answer again\""), 1);
    assert_int_equal(captured_lines(" dns "), 2);
}

/* What they are counted as. */
static void each_is_counted(void **state)
{
    static const struct {
        unsigned code;
        const char *result;
    } rows[] = {{0, "found"}, {3, "none"}};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct asker asker = {0}, again = {0};
        char name[] = {(char)('a' + i), 0};
        double before = metric_value(METRIC_DNS_LOOKUPS_TOTAL, rows[i].result, NULL);
        double sum = metric_sum(METRIC_DNS_LOOKUPS_TOTAL);
        double cached = metric_value(METRIC_DNS_LOOKUPS_TOTAL, "cached", NULL);
        f->responder.code = rows[i].code;
        f->responder.count = rows[i].code ? 0 : 2;
        ask(f, &asker, name, RECORD_MX);
        run_until(f, &asker);
        ask(f, &again, name, RECORD_MX);
        assert_ptr_equal(again.answer, asker.answer);
        assert_true(metric_value(METRIC_DNS_LOOKUPS_TOTAL, rows[i].result, NULL) == before + 1);
        assert_true(metric_value(METRIC_DNS_LOOKUPS_TOTAL, "cached", NULL) == cached + 1);
        assert_true(metric_sum(METRIC_DNS_LOOKUPS_TOTAL) == sum + 2);
        dns_answer_unref(asker.answer);
        dns_answer_unref(again.answer);
    }
}

/* The first of several is asked; the next where it is silent. */
static void several_resolvers(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "::1", "127.0.0.2"};
    struct fixture *f = *state;
    static struct responder responders[3]; /* until the loop ends, which closes them */
    struct listen_address addresses[3];
    struct error err;
    for (size_t i = 0; i < 3; i++) {
        responder_open_at(&responders[i], &f->loop, hosts[i]);
        responders[i].records = two_hosts;
        responders[i].size = sizeof two_hosts - 1;
        responders[i].count = 2;
        addresses[i] = responders[i].address;
    }
    struct dns_config config = responders[0].config;
    config.resolvers = addresses;
    config.resolver_count = 3;
    config.query_timeout_ms = 50;
    for (size_t alive = 0; alive < 3; alive++) {
        struct asker asker = {0};
        for (size_t i = 0; i < 3; i++) {
            responders[i].dead = i != alive;
            responders[i].asked = 0;
        }
        dns_close(f->dns);
        assert_int_equal(dns_open(&f->loop, &config, &f->dns, &err), 0);
        ask(f, &asker, "a", RECORD_MX);
        run_until(f, &asker);
        assert_int_equal(asker.answer->status, DNS_RECORDS);
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(responders[i].asked > 0, i <= alive);
        dns_answer_unref(asker.answer);
    }
    for (size_t i = 0; i < 3; i++)
        responder_close(&responders[i]);
}

/* More than so many that are under way fail at once, and are not kept. */
static void ten_thousand_at_once(void **state)
{
    enum { MOST = 10000 };
    struct fixture *f = *state;
    struct asker *askers = calloc(MOST + 2, sizeof *askers);
    char name[20];
    f->responder.silent = true;
    for (int i = 0; i < MOST; i++) {
        snprintf(name, sizeof name, "n%d", i);
        ask(f, &askers[i], name, RECORD_MX);
        assert_null(askers[i].answer);
    }
    ask(f, &askers[MOST], "more", RECORD_MX);
    assert_non_null(askers[MOST].answer);
    assert_int_equal(askers[MOST].answer->status, DNS_FAILED);
    dns_answer_unref(askers[MOST].answer);
    ask(f, &askers[MOST + 1], "n7", RECORD_MX); /* whoever asks the same waits along */
    assert_null(askers[MOST + 1].answer);
    dns_close(f->dns);
    f->dns = NULL;
    uv_run(&f->loop, UV_RUN_NOWAIT);
    for (int i = 0; i < MOST; i++)
        assert_null(askers[i].answer);
    free(askers);
}

static void closing_tells_nobody(void **state)
{
    struct fixture *f = *state;
    struct asker asker = {0};
    f->responder.silent = true;
    ask(f, &asker, "a", RECORD_MX);
    while (f->responder.asked == 0)
        uv_run(&f->loop, UV_RUN_ONCE);
    dns_close(f->dns);
    f->dns = NULL;
    uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_null(asker.answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_hosts_of_a_domain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answer_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answer_without_ttl_is_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_same_question_goes_out_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_forgotten_gets_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_may_forget_the_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failures_and_none_are_told_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_is_told_inside_of_a_question, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_question_goes_out_twice_and_allows_large_answers, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(five_that_are_silent_open_the_breaker, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(several_resolvers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ten_thousand_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(closing_tells_nobody, set_up, tear_down),
    };
    return RUN_TESTS(tests);
}
