/* A flood of refusals fills no history: how many are kept of one network, and of all. */
#include <stdio.h>
#include <string.h>

#include "../test.h"
#include "history/refusals.h"
#include "transaction.h"

#define HOUR_MS 3600000ll

static unsigned admitted(const char *format, unsigned from, unsigned to, int64_t now_ms)
{
    unsigned count = 0;
    char ip[46];
    for (unsigned i = from; i <= to; i++) {
        snprintf(ip, sizeof ip, format, i / 256 % 256, i % 256);
        count += refusals_admit(ip, now_ms);
    }
    return count;
}

static void a_network_has_a_share(void **state)
{
    (void)state;
    assert_int_equal(admitted("192.0.%u.%u", 1, 255, HOUR_MS), REFUSALS_OF_NETWORK);
    assert_false(refusals_admit("192.0.0.7", HOUR_MS));
    assert_true(refusals_admit("192.0.3.7", HOUR_MS));
    assert_int_equal(admitted("2001:db8:1:%u::%u", 1, 400, HOUR_MS), REFUSALS_OF_NETWORK);
    assert_false(refusals_admit("192.0.0.7", 2 * HOUR_MS - 1));
    assert_true(refusals_admit("192.0.0.7", 2 * HOUR_MS));
}

static void all_have_no_more_than_the_most(void **state)
{
    (void)state;
    assert_int_equal(admitted("10.%u.%u.1", 0, 3 * REFUSALS_MAX, 5 * HOUR_MS), REFUSALS_MAX);
    assert_int_equal(admitted("10.%u.%u.1", 0, 10, 6 * HOUR_MS), 11);
}

static void a_record_says_who_and_why(void **state)
{
    (void)state;
    struct reply reply;
    struct refused_mail mail = {.id = "a-1.1",
                                .client_ip = "192.0.2.1",
                                .sender = "a@b.test",
                                .recipient = "c@example.com",
                                .reply = &reply};
    reply_set(&reply, 550, "5.1.1", "No such recipient here");
    struct history_message *m = history_message_refused(&mail);
    assert_string_equal(m->id, "a-1.1");
    assert_string_equal(m->reply, "550 5.1.1 No such recipient here");
    assert_int_equal(m->result, HISTORY_REJECTED);
    assert_int_equal(m->recipient_count, 1);
    assert_string_equal(m->recipients[0].address, "c@example.com");
    assert_string_equal(m->recipients[0].verdict, "reject");
    history_message_free(m);
    reply_set(&reply, 451, "4.7.1", "Too many messages from your address, try again later");
    mail.recipient = NULL;
    m = history_message_refused(&mail);
    assert_int_equal(m->result, HISTORY_DEFERRED);
    assert_int_equal(m->recipient_count, 0);
    history_message_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_has_a_share),
        cmocka_unit_test(all_have_no_more_than_the_most),
        cmocka_unit_test(a_record_says_who_and_why),
    };
    return RUN_TESTS(tests);
}
