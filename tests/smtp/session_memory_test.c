/* A session in which each request for memory fails once: it must answer 4xx or close, and never
 * crash. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../failing_memory.h"
#include "../test.h"
#include "fixture.h"
#include "smtp/session_private.h"
#include "waiting.h"

static struct session *session;
static char replies[4096];
static size_t submitted;
static int rules_held;

static bool on_send(void *context, const char *bytes, size_t size)
{
    (void)context;
    assert_true(strlen(replies) + size < sizeof replies);
    strncat(replies, bytes, size);
    return true;
}

static void on_close(void *context)
{
    (void)context;
}

static struct ruleset *on_rules(void *context)
{
    rules_held++;
    return context;
}

static void on_release(struct ruleset *rules)
{
    (void)rules;
    rules_held--;
}

static enum recipient_answer on_check(void *context, struct ruleset *rules, const char *recipient)
{
    (void)context;
    (void)rules;
    (void)recipient;
    return RECIPIENT_OK;
}

static void on_submit(void *context, struct transaction *transaction)
{
    (void)context;
    submitted++;
    transaction_free(transaction);
}

static const struct session_hooks hooks = {.send = on_send,
                                           .close = on_close,
                                           .rules = on_rules,
                                           .release_rules = on_release,
                                           .check_recipient = on_check,
                                           .submit = on_submit};

static void say(const char *text)
{
    size_t size = strlen(text), used = session_input(session, text, size);
    if (session_is_waiting(session)) {
        struct reply reply;
        reply_set(&reply, 250, "2.0.0", "OK");
        session_answer(session, &reply, 1);
    }
    assert_int_equal(used, size);
}

/* Each line a step: after one that failed, the client goes on as if it had not. */
static void talk(void)
{
    say("EHLO client.test\r\n");
    say("EHLO client.test\r\n"); /* if the first one failed */
    say("MAIL FROM:<a@b.test>\r\n");
    say("RCPT TO:<one@example.com>\r\n");
    say("RCPT TO:<two@example.com>\r\n");
    say("DATA\r\n");
    char line[9001];
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = 0;
    if (strstr(replies, "354 ")) {
        say(line);
        say("\r\n.\r\n");
    }
}

static void every_request_may_fail(void **state)
{
    (void)state;
    struct config *config = fixture_config("");
    static int context;
    bool failed = true;
    size_t failures = 0, refusals = 0;
    for (long failing = 0; failed; failing++) {
        replies[0] = 0;
        submitted = 0;
        memory_fails_after(failing);
        session = session_new(config, &hooks, &context, "id", "192.0.2.1", "/tmp");
        if (session) {
            session_start(session);
            talk();
        }
        failed = memory_has_failed();
        failures += failed;
        /* Somebody was told: no session, or a 4xx; or all went well without that memory. */
        if (failed && session)
            assert_true(strstr(replies, "451 ") || strstr(replies, "452 ") || submitted == 1);
        if (strstr(replies, " 4.3.0 "))
            refusals++;
        if (!failed)
            assert_int_equal(submitted, 1);
        session_free(session);
        assert_int_equal(rules_held, 0);
    }
    assert_true(failures >= 10);
    assert_true(refusals >= 5);
    config_unref(config);
}

/* What XCLIENT says counts whole or not at all: a client is never taken for the one before, nor for nobody's user. */
static void xclient_counts_whole_or_not(void **state)
{
    (void)state;
    struct config *config = fixture_config("");
    static int context;
    bool failed = true;
    size_t refusals = 0;
    for (long failing = 0; failed; failing++) {
        replies[0] = 0;
        session = session_new(config, &hooks, &context, "id", "192.0.2.1", "/tmp");
        assert_non_null(session);
        session_start(session);
        say("EHLO proxy.test\r\n");
        memory_fails_after(failing);
        bool changed =
            session_change_client(session, "ADDR=192.0.2.7 HELO=client.test LOGIN=ann PROTO=ESMTP");
        session_flush(session);
        failed = memory_has_failed();
        bool refused = strstr(replies, "421 4.3.0") != NULL;
        if (changed == refused)
            fail_msg("%s", replies);
        assert_int_equal(changed, session->state == STATE_READY);
        if (changed) {
            assert_string_equal(session->helo, "client.test");
            assert_string_equal(session->user, "ann");
            assert_string_equal(session->client_ip, "192.0.2.7");
        } else {
            assert_string_equal(session->helo, "proxy.test");
            assert_string_equal(session->client_ip, "192.0.2.1");
        }
        refusals += refused;
        session_free(session);
    }
    assert_int_equal(refusals, 2);
    config_unref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_request_may_fail),
                                       cmocka_unit_test(xclient_counts_whole_or_not)};
    return RUN_TESTS(tests);
}
