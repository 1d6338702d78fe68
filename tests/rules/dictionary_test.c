/* mxhook.store: shared by states, expiring, bounded. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/log.h"
#include "rules/dictionary.h"

static _Atomic int64_t ahead_ms; /* of the real clock */

int64_t __real_clock_monotonic_ms(void);
int64_t __wrap_clock_monotonic_ms(void);

int64_t __wrap_clock_monotonic_ms(void)
{
    return __real_clock_monotonic_ms() + ahead_ms;
}

static int clear(void **state)
{
    dictionary_clear();
    return fixture_setup(state);
}

static void test_values(void **state)
{
    static const char *const bodies[] = {
        "assert(store.get('none') == nil)",
        "store.set('a', 'text') assert(store.get('a') == 'text')",
        "assert(store.get('a') == 'text')", /* another message, another Lua state */
        "store.set('a', 7.5) assert(store.get('a') == 7.5)",
        "store.set('a', nil) assert(store.get('a') == nil)",
        "store.set('a\\0b', 'x\\0y') assert(store.get('a\\0b') == 'x\\0y')",
        "assert(store.get('a') == nil)",
        "assert(store.add('n') == 1 and store.add('n', 2) == 3 and store.get('n') == 3)",
        "store.delete('n') assert(store.add('n', -1) == -1)",
        "store.set('s', 'text') assert(not pcall(store.add, 's'))",
        "assert(not pcall(store.set, 'a', {}) and not pcall(store.set, 'a', 'b', 0))",
        "assert(not pcall(store.set, 'a', true) and not pcall(store.get, {}))",
        "store.set(('k'):rep(1024), ('v'):rep(65536)) assert(#store.get(('k'):rep(1024)) == 65536)",
        "assert(not pcall(store.set, ('k'):rep(1025), 'v'))",
        "assert(not pcall(store.set, 'k', ('v'):rep(65537)))",
        "store.set('e', '') assert(store.get('e') == '') store.set('', 1) assert(store.get('') == "
        "1)",
        "store.set('n', 1) store.set('n', '2') assert(store.get('n') == '2')",
        "store.set('n', 3) assert(store.add('n', 0.5) == 3.5)",
        "store.set('a', 'b', 1e9) assert(store.get('a') == 'b')",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        char body[512];
        struct fixture *f = *state;
        snprintf(body, sizeof body, "local store = require 'mxhook.store' %s", bodies[i]);
        fixture_body(f, body);
        if (f->verdict->kind != VERDICT_NO_MATCH)
            fail_msg("%s: %s", bodies[i], f->log);
    }
}

/* What each refuses, and why. */
static void test_errors(void **state)
{
    static const struct {
        const char *call, *error;
    } rows[] = {
        {"store.set(('k'):rep(1025), 'v')", "bad argument #1 to '?' (a key of over 1024 bytes)"},
        {"store.get(('k'):rep(1025))", "bad argument #1 to '?' (a key of over 1024 bytes)"},
        {"store.delete(('k'):rep(1025))", "bad argument #1 to '?' (a key of over 1024 bytes)"},
        {"store.set('k', ('v'):rep(65537))",
         "bad argument #2 to '?' (a value of over 65536 bytes)"},
        {"store.set('k', {})", "bad argument #2 to '?' (a string, number or nil was expected)"},
        {"store.set('k', true)", "bad argument #2 to '?' (a string, number or nil was expected)"},
        {"store.set('k', 1, 0)", "bad argument #3 to '?' (seconds above 0 were expected)"},
        {"store.set('k', 1, -1)", "bad argument #3 to '?' (seconds above 0 were expected)"},
        {"store.set('k', 1, 1e9 + 1)", "bad argument #3 to '?' (seconds above 0 were expected)"},
        {"store.add('k', 1, 0)", "bad argument #3 to '?' (seconds above 0 were expected)"},
        {"store.once('k', 0)", "bad argument #2 to '?' (seconds above 0 were expected)"},
        {"store.once('k')", "bad argument #2 to '?' (number expected, got no value)"},
        {"store.add('text')", "store.add: a string stands under this key"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char body[600];
        struct fixture *f = *state;
        snprintf(body, sizeof body,
                 "local store = require 'mxhook.store' store.set('text', 'x')\n"
                 "local fine, why = pcall(function() %s end)\n"
                 "why = tostring(why):gsub(\"to '[%%w_]+'\", \"to '?'\")\n"
                 "if fine or not why:find(%s%s%s, 1, true) then error(why) end",
                 rows[i].call, "[[", rows[i].error, "]]");
        fixture_body(f, body);
        if (f->verdict->kind != VERDICT_NO_MATCH)
            fail_msg("%s: %s", rows[i].call, f->log);
    }
}

/* On both sides of the end; a counter's begins with its first number. */
static void test_expiry(void **state)
{
    fixture_body(*state, "local store = require 'mxhook.store'\n"
                         "store.set('a', 1, 60) store.add('n', 1, 60) store.set('b', 1, 600)\n"
                         "store.set('c', 1) store.set('d', 'x', 60) store.set('d', 'y')");
    assert_kind(*state, VERDICT_NO_MATCH);
    ahead_ms += 50000;
    fixture_body(*state, "local store = require 'mxhook.store'\n"
                         "assert(store.get('a') == 1 and store.add('n', 1, 60) == 2)");
    assert_kind(*state, VERDICT_NO_MATCH);
    ahead_ms += 11000;
    fixture_body(*state, "local store = require 'mxhook.store'\n"
                         "assert(store.get('a') == nil and store.add('n') == 1)\n"
                         "assert(store.get('b') == 1 and store.get('c') == 1)\n"
                         "assert(store.get('d') == 'y')");
    assert_kind(*state, VERDICT_NO_MATCH);
}

static void test_bounded(void **state)
{
    struct fixture *f = *state;
    f->config.time_limit_ms = 20000;
    fixture_body(f,
                 "local store = require 'mxhook.store'\n"
                 "store.set('kept', 1)\n"
                 "for i = 1, 1000 do store.set('k' .. i, ('v'):rep(60000)) store.get('kept') end\n"
                 "assert(store.get('kept') == 1 and store.get('k1') == nil)\n"
                 "assert(store.get('k1000'))\n"
                 "local bytes = 0\n"
                 "for i = 1, 1000 do bytes = bytes + #(store.get('k' .. i) or '') end\n"
                 "assert(bytes <= 16777216 and bytes > 16777216 - 2 * 60000, bytes)");
    assert_kind(f, VERDICT_NO_MATCH);
    dictionary_clear(); /* of small ones a key, and some hundred bytes for each, count */
    fixture_body(f, "local store = require 'mxhook.store'\n"
                    "for i = 1, 20000 do store.set(('k'):rep(1000) .. i, 1) end\n"
                    "local kept = 0\n"
                    "for i = 1, 20000 do kept = kept + (store.get(('k'):rep(1000) .. i) or 0) end\n"
                    "assert(kept < 16777216 / 1064 and kept > 16777216 / 1300, kept)");
    assert_kind(f, VERDICT_NO_MATCH);
}

/* Another message: the same rules, a transaction of its own. */
static void next_message(struct fixture *f, int code)
{
    f->transaction->reply.code = code;
    transaction_free(f->transaction);
    f->transaction = transaction_new("test-1", NULL, NULL);
    assert_non_null(f->transaction);
    assert_int_equal(transaction_set_sender(f->transaction, "ada@sender.example"), 0);
    assert_int_equal(transaction_add_recipient(f->transaction, "user@example.com"), 0);
    assert_int_equal(transaction_add_recipient(f->transaction, "other@example.com"), 0);
}

static void assert_once(struct fixture *f, const char *recipient, bool expected)
{
    fixture_run(f, recipient);
    assert_kind(f, expected ? VERDICT_NO_MATCH : VERDICT_DISCARD);
}

#define ONCE                                                                                       \
    "local store = require 'mxhook.store'\n"                                                       \
    "return function(msg) if not store.once(msg.message_id, %s) then return route.discard() end "  \
    "end"

static void load_once(struct fixture *f, const char *seconds)
{
    char text[300];
    snprintf(text, sizeof text, ONCE, seconds);
    fixture_rules(f, "10.lua", text);
    fixture_load(f);
    next_message(f, 451);
}

static void test_once(void **state)
{
    struct fixture *f = *state;
    load_once(f, "60");
    assert_once(f, "user@example.com", true);
    assert_once(f, "other@example.com", true); /* a recipient of the same message */
    next_message(f, 451);
    assert_once(f, "user@example.com", true); /* deferred, and sent again */
    next_message(f, 0);
    assert_once(f, "user@example.com", true); /* broken off */
    next_message(f, 250);
    assert_once(f, "user@example.com", false);
    assert_once(f, "other@example.com", false);
    next_message(f, 250); /* what did not take the key neither keeps nor releases it */
    assert_once(f, "user@example.com", false);
    next_message(f, 550);
    assert_once(f, "user@example.com", false);
}

/* Two messages at once: both are taken, since either may still fail. */
static void test_once_of_two_messages_at_once(void **state)
{
    struct fixture *f = *state;
    load_once(f, "60");
    for (int first = 0; first < 2; first++) {
        dictionary_clear();
        assert_once(f, "user@example.com", true);
        struct transaction *other = f->transaction;
        f->transaction = transaction_new("test-1", NULL, NULL);
        assert_int_equal(transaction_add_recipient(f->transaction, "user@example.com"), 0);
        assert_once(f, "user@example.com", true);
        other->reply.code = first == 0 ? 250 : 451;
        transaction_free(other);
        assert_once(f, "user@example.com", true);
        next_message(f, first == 0 ? 451 : 250);
        assert_once(f, "user@example.com", false);
        next_message(f, 451);
    }
}

/* LMTP: the message is sent again to the recipients that were not taken. */
static void test_once_goes_by_each_recipients_reply(void **state)
{
    struct fixture *f = *state;
    load_once(f, "60");
    for (int code = 250; code <= 451; code += 201) {
        assert_once(f, "user@example.com", true);
        assert_once(f, "other@example.com", true);
        f->transaction->replies = calloc(2, sizeof(struct reply));
        assert_non_null(f->transaction->replies);
        f->transaction->replies[0].code = 250;
        f->transaction->replies[1].code = 701 - code; /* 451, then 250 */
        next_message(f, 0);
    }
    assert_once(f, "user@example.com", false);
}

static void test_once_ends(void **state)
{
    struct fixture *f = *state;
    load_once(f, "60");
    assert_once(f, "user@example.com", true);
    next_message(f, 250);
    ahead_ms += 50000;
    assert_once(f, "user@example.com", false);
    ahead_ms += 11000;
    assert_once(f, "user@example.com", true);
    ahead_ms += 61000; /* its end comes before the reply */
    next_message(f, 250);
    assert_once(f, "user@example.com", true);
    next_message(f, 451);
    load_once(f, "60");
    assert_once(f, "user@example.com", true);
    next_message(f, 250);
    fixture_rule(f, "local store = require 'mxhook.store'\n"
                    "return function(msg) store.set(msg.message_id, 1)\n"
                    "store.delete(msg.message_id) assert(store.once(msg.message_id, 1))\n"
                    "assert(store.get(msg.message_id) == nil)\n"
                    "assert(not pcall(store.once, 'a') and not pcall(store.once, 'a', 0))\n"
                    "assert(not pcall(store.once, ('k'):rep(1025), 1))\n"
                    "return route.discard() end");
    assert_kind(f, VERDICT_DISCARD);
    fixture_rules(f, "10.lua", "require('mxhook.store').once('a', 1)");
    assert_non_null(strstr(fixture_load_error(f), "not while rules load"));
}

/* What was reserved and had to make room since is kept all the same; and what a rule deletes is free again. */
static void test_once_that_was_dropped(void **state)
{
    struct fixture *f = *state;
    load_once(f, "60");
    assert_once(f, "user@example.com", true);
    dictionary_clear();
    next_message(f, 250);
    assert_once(f, "user@example.com", false);
    fixture_rules(f, "10.lua",
                  "return function(msg) require('mxhook.store').delete(msg.message_id) end");
    fixture_load(f);
    assert_once(f, "user@example.com", true);
    load_once(f, "60");
    assert_once(f, "user@example.com", true);
    dictionary_clear();
    next_message(f, 451);
    assert_once(f, "user@example.com", true);
}

#define THREADS 4
#define ADDS    2000

struct adder {
    struct fixture *f;
    struct ruleset *ruleset;
    size_t state;
    uv_thread_t thread;
};

static void adder_main(void *argument)
{
    struct adder *adder = argument;
    struct header_list headers = {0};
    struct rules_input input = {
        adder->f->message, adder->f->transaction, "user@example.com", &headers, NULL, NULL};
    for (int i = 0; i < ADDS / 10; i++) {
        struct verdict *verdict = NULL;
        ruleset_run(adder->ruleset, adder->state, &input, &verdict);
        verdict_free(verdict);
    }
}

static void test_counts_of_all_threads(void **state)
{
    struct fixture *f = *state;
    struct adder adders[THREADS];
    struct ruleset *ruleset = NULL;
    char body[128];
    f->config.time_limit_ms = 20000;
    fixture_rules(f, "10.lua",
                  "local store = require 'mxhook.store'\n"
                  "return function() for i = 1, 10 do store.add('n') end end");
    assert_int_equal(ruleset_load(&f->config, THREADS, &ruleset, &f->err), 0);
    log_set_level(LOG_ERROR);
    for (size_t i = 0; i < THREADS; i++) {
        adders[i] = (struct adder){f, ruleset, i, 0};
        assert_int_equal(uv_thread_create(&adders[i].thread, adder_main, &adders[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        uv_thread_join(&adders[i].thread);
    log_set_level(LOG_INFO);
    ruleset_unref(ruleset);
    snprintf(body, sizeof body, "assert(require('mxhook.store').get('n') == %d)", THREADS * ADDS);
    fixture_body(f, body);
    assert_kind(f, VERDICT_NO_MATCH);
}

#define STORE_TEST(function) cmocka_unit_test_setup_teardown(function, clear, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_values),
        STORE_TEST(test_expiry),
        STORE_TEST(test_bounded),
        STORE_TEST(test_counts_of_all_threads),
        STORE_TEST(test_once),
        STORE_TEST(test_once_of_two_messages_at_once),
        STORE_TEST(test_once_goes_by_each_recipients_reply),
        STORE_TEST(test_once_ends),
        STORE_TEST(test_once_that_was_dropped),
        STORE_TEST(test_errors),
    };
    return RUN_TESTS(tests);
}
