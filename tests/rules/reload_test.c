/* Generations: loaded by one thread while others run the one before. Made for TSan. */
#include "fixture.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "base/log.h"

#define THREADS     3
#define GENERATIONS 20

struct shared {
    struct fixture *f;
    uv_mutex_t mutex;
    struct ruleset *current;
    atomic_bool done;
    atomic_uint runs, wrong;
};

struct runner {
    struct shared *shared;
    size_t state;
    uv_thread_t thread;
};

/* Both rules of one generation name it: a run must never see two. */
static void run_once(struct shared *shared, size_t state)
{
    struct fixture *f = shared->f;
    struct header_list headers = {0};
    struct verdict *verdict = NULL;
    uv_mutex_lock(&shared->mutex);
    struct ruleset *ruleset = ruleset_ref(shared->current);
    uv_mutex_unlock(&shared->mutex);
    struct rules_input input = {f->message, f->transaction, "user@example.com",
                                &headers,   NULL,           NULL};
    int code = ruleset_run(ruleset, state, &input, &verdict);
    if (code != 0 || verdict->kind != VERDICT_DELIVER || verdict->destination_count != 2 ||
        strcmp(verdict->destinations[0].url, verdict->destinations[1].url) != 0)
        atomic_fetch_add(&shared->wrong, 1);
    atomic_fetch_add(&shared->runs, 1);
    verdict_free(verdict);
    ruleset_unref(ruleset);
}

static void runner_main(void *argument)
{
    struct runner *runner = argument;
    while (!atomic_load(&runner->shared->done))
        run_once(runner->shared, runner->state);
}

static void write_generation(struct fixture *f, int number)
{
    char text[128];
    snprintf(text, sizeof text, "return function() return route.also('https://a.example/%d') end",
             number);
    fixture_rules(f, "10.lua", text);
    snprintf(text, sizeof text, "return function() return 'https://a.example/%d' end", number);
    fixture_rules(f, "20.lua", text);
}

static struct ruleset *load_generation(struct fixture *f, int number)
{
    struct ruleset *ruleset = NULL;
    write_generation(f, number);
    assert_int_equal(ruleset_load(&f->config, THREADS, &ruleset, &f->err), 0);
    return ruleset;
}

static void test_reload_under_load(void **state)
{
    struct shared shared = {.f = *state};
    struct runner runners[THREADS];
    log_set_level(LOG_ERROR);
    assert_int_equal(uv_mutex_init(&shared.mutex), 0);
    shared.current = load_generation(shared.f, 0);
    for (size_t i = 0; i < THREADS; i++) {
        runners[i] = (struct runner){&shared, i, 0};
        assert_int_equal(uv_thread_create(&runners[i].thread, runner_main, &runners[i]), 0);
    }
    for (int number = 1; number <= GENERATIONS; number++) {
        struct ruleset *new = load_generation(shared.f, number);
        uv_mutex_lock(&shared.mutex);
        struct ruleset *old = shared.current;
        shared.current = new;
        uv_mutex_unlock(&shared.mutex);
        ruleset_unref(old);
    }
    atomic_store(&shared.done, true);
    for (size_t i = 0; i < THREADS; i++)
        uv_thread_join(&runners[i].thread);
    ruleset_unref(shared.current);
    uv_mutex_destroy(&shared.mutex);
    log_set_level(LOG_INFO);
    assert_int_equal(shared.wrong, 0);
    assert_true(shared.runs > 0);
}

static void test_states_are_apart(void **state)
{
    struct fixture *f = *state;
    struct ruleset *ruleset = NULL;
    fixture_rules(f, "10.lua",
                  "local n = 0 return function() n = n + 1 return 'https://a.example/' .. n end");
    assert_int_equal(ruleset_load(&f->config, 2, &ruleset, &f->err), 0);
    for (size_t i = 0; i < 4; i++) {
        struct header_list headers = {0};
        struct verdict *verdict = NULL;
        struct rules_input input = {f->message, f->transaction, "user@example.com",
                                    &headers,   NULL,           NULL};
        log_set_level(LOG_ERROR);
        assert_int_equal(ruleset_run(ruleset, i % 2, &input, &verdict), 0);
        log_set_level(LOG_INFO);
        assert_string_equal(verdict->destinations[0].url,
                            i < 2 ? "https://a.example/1" : "https://a.example/2");
        verdict_free(verdict);
    }
    ruleset_unref(ruleset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RULES_TEST(test_reload_under_load),
        RULES_TEST(test_states_are_apart),
    };
    return RUN_TESTS(tests);
}
