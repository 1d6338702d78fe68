/* Rules loaded and run while a request for memory fails: an error that is said, never a crash or another verdict. */
#include "../failing_memory.h"
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail/payload.h"

static const char rule[] =
    "return {\n"
    "  function(msg) msg.headers['X-Seen'] = msg.subject:lower() end,\n"
    "  alias { ['user@example.com'] = { url = 'https://a.example/', headers = { ['X-Tenant'] = '7' "
    "} },\n"
    "          ['/^r(.)@example.com$/'] = 'https://b.example/$1' },\n"
    "  route.cel { when = \"subject.matches('^Hel+o$')\", to = 'https://c.example/' } }";

/* Each of the first, then one in so many: thousands are asked for, most of them at the same places. */
static long after(long failing)
{
    return failing < 120 ? failing + 1 : failing + failing / 12;
}

static void load_with_failures(struct fixture *f)
{
    struct ruleset *ruleset;
    long errors = 0, done = 0;
    bool reached = true;
    for (long failing = 0; reached; failing = after(failing)) {
        struct error err = {""};
        memory_fails_after(failing);
        int code = ruleset_load(&f->config, 1, &ruleset, &err);
        reached = memory_has_failed();
        if (code == 0) {
            ruleset_unref(ruleset);
            done++;
        } else {
            assert_true(reached);
            assert_true(err.text[0]);
            errors++;
        }
    }
    assert_true(errors > 10);
    assert_true(done >= (memory.lasting ? 1 : 50));
}

static void a_load_succeeds_or_says_why(void **state)
{
    struct fixture *f = *state;
    fixture_rules(f, "10.lua", rule);
    load_with_failures(f);
    memory.lasting = true;
    load_with_failures(f);
    memory.lasting = false;
    fixture_load(f);
    fixture_run(f, "user@example.com");
    assert_goes_to(f, "https://a.example/");
}

/* The verdict is that of the rules, or there is none. */
static void a_run_gives_its_verdict_or_none(void **state)
{
    struct fixture *f = *state;
    long errors = 0, whole = 0;
    bool reached = true;
    fixture_rules(f, "10.lua", rule);
    fixture_load(f);
    for (long failing = 0; reached && failing < 400; failing++) {
        struct header_list headers = {0};
        struct arena *arena = arena_new();
        assert_int_equal(payload_headers(f->message, &f->transaction->envelope, "user@example.com",
                                         &(struct receiver){.hostname = "mx.example"}, arena,
                                         &headers),
                         0);
        struct rules_input input = {
            f->message, f->transaction, "user@example.com", &headers, NULL, NULL, 0};
        struct verdict *verdict = NULL;
        memory_fails_after(failing);
        int code = ruleset_run(f->ruleset, 0, &input, &verdict);
        reached = memory_has_failed();
        if (code == 0 && verdict->kind == VERDICT_DELIVER) {
            assert_int_equal(verdict->destination_count, 1);
            assert_string_equal(verdict->destinations[0].url, "https://a.example/");
            assert_int_equal(verdict->destinations[0].header_count, 1);
            assert_string_equal(verdict->destinations[0].headers[0], "X-Tenant: 7");
            whole++;
        } else {
            assert_true(reached);
            assert_true(code != 0 || verdict->kind == VERDICT_DEFER);
            errors++;
        }
        verdict_free(verdict);
        header_list_free(&headers);
        arena_free(arena);
    }
    assert_true(errors > 5);
    assert_true(whole >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RULES_TEST(a_load_succeeds_or_says_why),
        RULES_TEST(a_run_gives_its_verdict_or_none),
    };
    return RUN_TESTS(tests);
}
