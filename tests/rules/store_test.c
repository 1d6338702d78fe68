/* mxhook.store: shared by states, expiring, bounded. */
#include "fixture.h"

#include <stdio.h>
#include <unistd.h>
#include <uv.h>

#include "base/log.h"
#include "rules/store.h"

static int clear(void **state)
{
    rules_store_clear();
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

static void test_expiry(void **state)
{
    fixture_body(*state, "local store = require 'mxhook.store'\n"
                         "store.set('a', 1, 0.05) store.add('n', 1, 0.05) store.set('b', 1, 60)");
    assert_kind(*state, VERDICT_NO_MATCH);
    usleep(120000);
    fixture_body(*state, "local store = require 'mxhook.store'\n"
                         "assert(store.get('a') == nil and store.add('n') == 1)\n"
                         "assert(store.get('b') == 1)");
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
                 "assert(store.get('k1000'))");
    assert_kind(f, VERDICT_NO_MATCH);
    assert_true(rules_store_bytes() <= STORE_MAX_BYTES);
    assert_true(rules_store_bytes() > STORE_MAX_BYTES / 2);
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
    };
    return RUN_TESTS(tests);
}
