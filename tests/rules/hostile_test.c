/*
 * A rule that calls everything it can reach with hostile arguments, by chance (lua/hostile.lua): no
 * crash, no run that goes on past its limits, and the next honest run in the same state is answered.
 *
 *     hostile_test [SECONDS [SEED]]    by hand, best in a build with sanitizers
 *
 * ctest gives a few seconds. There a run is only found fault with that takes many times its limit of
 * the processor's time, since the machine may be slow; by hand all above twice the limit are told.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

#define URL        "https://a.example/"
#define LIMIT_MS   100
#define RUNS_ON_MS 5000 /* of processor time: it was not stopped */

static unsigned seconds = 3, seed = 1;

static const char message[] = "From: Ada <ada@sender.example>\n"
                              "To: User <user@example.com>\n"
                              "Subject: Hello\n"
                              "Content-Type: multipart/mixed; boundary=b\n"
                              "\n"
                              "--b\n\nThe body.\n--b\n"
                              "Content-Type: text/plain; name=a.txt\n"
                              "Content-Disposition: attachment\n\nHello.\n--b--\n";

static int64_t processor_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static char *read_script(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = fopen(LUA_TESTS "/hostile.lua", "r");
    assert_non_null(file);
    assert_true(getdelim(&text, &size, '\0', file) > 0);
    fclose(file);
    return text;
}

static void test_hostile_calls(void **state)
{
    struct fixture *f = *state;
    char recipient[64], *script = read_script();
    int64_t end = clock_monotonic_ms() + seconds * 1000, most = 0;
    unsigned runs = 0, over = 0, raised = 0;
    unsigned long calls = 0, counted = 0;
    f->config.time_limit_ms = LIMIT_MS;
    fixture_message(f, message);
    fixture_rules(f, "10.lua", script);
    free(script);
    log_set_level(LOG_ERROR);
    fixture_load(f);
    /* Once in any case: on a busy machine loading alone may take as long. */
    for (; runs == 0 || clock_monotonic_ms() < end; runs++, seed++) {
        snprintf(recipient, sizeof recipient, "%u@example.com", seed);
        int64_t start = processor_ms();
        fixture_run(f, recipient);
        int64_t took = processor_ms() - start;
        raised += f->verdict->kind == VERDICT_DEFER;
        most = took > most ? took : most;
        if (took > 2 * LIMIT_MS) {
            over++;
            printf("    seed %u: %lld ms\n", seed, (long long)took);
        }
        assert_true(took < RUNS_ON_MS);
        fixture_run(f, "honest@example.com");
        assert_kind(f, VERDICT_DELIVER);
        unsigned long made = strtoul(f->verdict->destinations[0].url + sizeof URL - 1, NULL, 10);
        calls += made - (made >= counted ? counted : 0); /* a state made anew counts from 0 */
        counted = made;
    }
    printf("    %lu calls in %u runs, %u of them raised or were stopped; the longest took %lld ms "
           "of %d, %u more "
           "than twice the limit\n",
           calls, runs, raised, (long long)most, LIMIT_MS, over);
    assert_true(calls > 20 * (unsigned long)runs); /* it did come to that */
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {RULES_TEST(test_hostile_calls)};
    if (argc > 1)
        seconds = (unsigned)strtoul(argv[1], NULL, 10);
    if (argc > 2)
        seed = (unsigned)strtoul(argv[2], NULL, 10);
    return RUN_TESTS(tests);
}
