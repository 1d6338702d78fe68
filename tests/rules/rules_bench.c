/*
 * What rules cost. Not a test: it asserts nothing on speed, and ctest does not run it. To run it,
 * where nothing else keeps the processor busy:
 *
 *     ninja -C BUILD rules_bench && BUILD/tests/rules/rules_bench [ALIASES]
 *
 * A call of a rule is what a run of a file with many copies of it takes more than a run of one
 * without any, divided by their number: so the message's own costs are not in it, and are printed
 * apart. ALIASES (default: 1,000,000) is how many lines of a CSV the second half is measured with;
 * its file stands in /tmp while it runs.
 */
#include "fixture.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "mail/payload.h"
#include "rules/alias_table.h"

#define COPIES 100
#define RUNS   20000
#define ROUNDS 5 /* of which the best counts */

static size_t alias_count = 1000000;

/* The time of one run of the loaded rules, in ns. */
static double time_runs(struct fixture *f, int runs)
{
    struct header_list headers = {0};
    struct verdict *verdict = NULL;
    struct arena *arena = arena_new();
    assert_int_equal(payload_headers(f->message, &f->transaction->envelope, "user@example.com",
                                     &(struct receiver){.hostname = "mx.example"}, arena, &headers),
                     0);
    struct rules_input input = {f->message, f->transaction, "user@example.com", &headers};
    int64_t start = clock_monotonic_us();
    for (int i = 0; i < runs; i++) {
        assert_int_equal(ruleset_run(f->ruleset, 0, &input, &verdict), 0);
        assert_int_equal(verdict->kind, VERDICT_NO_MATCH); /* all copies were asked */
        verdict_free(verdict);
        verdict = NULL;
        transaction_settle(f->transaction); /* store.once(): released */
    }
    double each = (double)(clock_monotonic_us() - start) * 1000 / runs;
    header_list_free(&headers);
    arena_free(arena);
    return each;
}

/* A file that returns COPIES rules of this expression; time_runs() of it. */
static double time_rule(struct fixture *f, const char *rule, int copies)
{
    char text[2048];
    double best = 0;
    snprintf(text, sizeof text,
             "local rules = {}\nfor i = 1, %d do rules[i] = %s end\nreturn rules", copies, rule);
    fixture_rules(f, "10.lua", text);
    fixture_load(f);
    for (int i = 0; i < ROUNDS; i++) {
        double time = time_runs(f, RUNS / (copies > 1 ? 20 : 1));
        if (i == 0 || time < best)
            best = time;
    }
    return best;
}

static void bench_rules(void **state)
{
    static const struct {
        const char *name, *rule;
    } rules[] = {
        {"alias, exact and + and none", "alias { ['a@example.com'] = 'https://a.example/' }"},
        {"alias, with a regex and a *", "alias { ['/^inv-(\\\\d+)@example\\\\.com$/'] = "
                                        "'https://a.example/$1', ['*@b.example'] = 'null' }"},
        {"route.regex, subject", "route.regex { subject = '^invoice \\\\d+', to = 'null' }"},
        {"route.cel, subject", "route.cel { when = \"subject.contains('finance') && "
                               "!recipient.startsWith('richard')\", to = 'null' }"},
        {"route.cel, matches", "route.cel { when = \"sender.endsWith('@sender.example') && "
                               "body.matches('[0-9]{6}')\", to = 'null' }"},
        {"route.cel, header", "route.cel { when = \"'X-Spam' in headers && size > 100\", "
                              "to = 'null' }"},
        {"function, subject", "function(msg) if msg.subject:find('finance', 1, true) then return "
                              "'null' end end"},
        {"function, envelope", "function(msg) if msg.envelope.recipient:match('^support%+(.+)@') "
                               "then return 'null' end end"},
    };
    struct fixture *f = *state;
    double empty = time_rule(f, "function() end", 1);
    double calls = time_rule(f, "function() end", COPIES);
    double call = (calls - empty) / (COPIES - 1);
    printf("a message, one rule that does nothing   %7.0f ns\n", empty);
    printf("a call of a function that does nothing  %7.0f ns\n", call);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        /* what the first reads of the message is kept for the next: it is not in the figure */
        double one = time_rule(f, rules[i].rule, 1);
        double many = time_rule(f, rules[i].rule, COPIES);
        printf("%-39s %7.0f ns\n", rules[i].name, (many - one) / (COPIES - 1));
    }
    /* taken and released for each message: not what a second call for the same one costs */
    double once = time_rule(f,
                            "(function() local store = require 'mxhook.store' return function(msg) "
                            "store.once('key', 60) end end)()",
                            1);
    printf("store.once, of a message                %7.0f ns\n", once - empty);
}

static size_t resident_kb(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*u %lu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

static size_t write_aliases(const char *path)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (size_t i = 0; i < alias_count; i++)
        fprintf(file, "user%zu@example.com,https://hooks.example/mail/%zu\n", i, i);
    long size = ftell(file);
    assert_int_equal(fclose(file), 0);
    return (size_t)size;
}

/* Looks up every address in an order that is not the file's: so that the processor's caches help as
 * little as they would. */
static double time_lookups(const struct alias_table *table, const char *host, bool found)
{
    enum { LOOKUPS = 1000000 };
    char(*addresses)[40] = malloc((size_t)LOOKUPS * sizeof *addresses);
    double best = 0;
    uint64_t seed = 1;
    assert_non_null(addresses);
    for (size_t i = 0; i < LOOKUPS; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        snprintf(addresses[i], sizeof *addresses, "user%zu@%s", (size_t)(seed >> 33) % alias_count,
                 host);
    }
    for (int round = 0; round < ROUNDS; round++) {
        size_t hits = 0;
        int64_t start = clock_monotonic_us();
        for (size_t i = 0; i < LOOKUPS; i++)
            hits += alias_table_find(table, addresses[i], strlen(addresses[i])) != NULL;
        double each = (double)(clock_monotonic_us() - start) * 1000 / LOOKUPS;
        assert_int_equal(hits, found ? LOOKUPS : 0);
        if (round == 0 || each < best)
            best = each;
    }
    free(addresses);
    return best;
}

static void bench_table(const char *path)
{
    struct alias_tables tables;
    struct alias_table *table;
    struct error err = {""};
    assert_int_equal(alias_tables_init(&tables), 0);
    size_t before = resident_kb();
    int64_t start = clock_monotonic_us();
    if (alias_tables_get(&tables, path, &table, &err) != 0)
        fail_msg("%s", err.text);
    printf("read in %.0f ms, %zu KB\n", (double)(clock_monotonic_us() - start) / 1000,
           resident_kb() - before);
    assert_int_equal(alias_table_count(table), alias_count);
    printf("a look-up: hit %.0f ns", time_lookups(table, "example.com", true));
    printf(", miss %.0f ns\n", time_lookups(table, "example.org", false));
    alias_tables_destroy(&tables);
    malloc_trim(0);
}

static void bench_million(void **state)
{
    struct fixture *f = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/aliases.csv", f->directory);
    size_t size = write_aliases(path);
    printf("alias.file of %zu lines, %zu KB\n", alias_count, size / 1024);
    bench_table(path);
    fixture_rules(f, "10.lua", "return alias.file('aliases.csv')");
    for (size_t states = 1; states <= 4; states *= 4) {
        struct ruleset *ruleset;
        size_t before = resident_kb();
        int64_t start = clock_monotonic_ms();
        assert_int_equal(ruleset_load(&f->config, states, &ruleset, &f->err), 0);
        printf("rules with it, for %zu workers: loaded in %" PRId64 " ms, %zu KB\n", states,
               clock_monotonic_ms() - start, resident_kb() - before);
        ruleset_unref(ruleset);
        malloc_trim(0);
    }
    printf("as a rule, a miss (three look-ups): %.0f ns a call\n",
           (time_rule(f, "alias.file('aliases.csv')", 11) -
            time_rule(f, "alias.file('aliases.csv')", 1)) /
               10);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {RULES_TEST(bench_rules), RULES_TEST(bench_million)};
    if (argc > 1)
        alias_count = strtoull(argv[1], NULL, 10);
    if (alias_count == 0) {
        fputs("usage: rules_bench [ALIASES]\n", stderr);
        return 2;
    }
    log_set_level(LOG_WARN);
    return RUN_TESTS(tests);
}
