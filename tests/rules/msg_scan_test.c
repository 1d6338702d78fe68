/* msg.scan, whose symbols are made when a rule asks for them. */
#include "fixture.h"

#include "scan/result.h"

static const char *options[] = {"Eicar", "x"};
static struct scan_symbol symbols[] = {
    {.name = "A", .score = -0.5},
    {.name = "CLAM_VIRUS", .score = 7, .options = options, .option_count = 2}};
static const struct scan_result result = {.score = 6.5,
                                          .required = 15,
                                          .action = "add header",
                                          .spam = true,
                                          .symbols = symbols,
                                          .symbol_count = 2};

static void test_reads(void **state)
{
    static const char *const lines[] = {
        "assert(msg.scan.score == 6.5 and msg.scan.required == 15 and msg.scan.action == 'add "
        "header')",
        "assert(msg.scan.spam == true and msg.scan.virus == nil and msg.scan.error == nil)",
        "assert(msg.scan.symbols.A.score == -0.5 and #msg.scan.symbols.A.options == 0)",
        "assert(msg.scan.symbols.CLAM_VIRUS.options[2] == 'x' and msg.scan.symbols.B == nil)",
        "assert(msg.scan.symbols == msg.scan.symbols)",
        "local n = 0; for name in pairs(msg.scan.symbols) do n = n + 1 end; assert(n == 2)",
        "local seen = {}; for name in pairs(msg.scan) do seen[#seen + 1] = name end; "
        "table.sort(seen);"
        "assert(table.concat(seen, ' ') == 'action required score spam symbols')",
        NULL};
    struct fixture *f = *state;
    f->transaction->envelope.scan = &result;
    for (const char *const *line = lines; *line; line++) {
        fixture_body(f, *line);
        if (f->verdict->kind != VERDICT_NO_MATCH)
            fail_msg("%s: %s", *line, f->log);
    }
}

static void test_unknown_fields(void **state)
{
    struct fixture *f = *state;
    f->transaction->envelope.scan = &result;
    fixture_body(f, "return msg.scan.symbol");
    assert_raises(f, "msg.scan has no field 'symbol'; it has score, required, action, symbols");
    fixture_body(f, "return msg.scan[1]");
    assert_raises(f, "msg.scan has no field 'number'");
    fixture_body(f, "msg.scan.symbols = {}");
    assert_raises(f, "read-only");
}

/* What was not made before the message went cannot be made any more. */
static void test_kept(void **state)
{
    struct fixture *f = *state;
    f->transaction->envelope.scan = &result;
    fixture_rule(f, "local kept; return function(msg) if kept then return kept.symbols.A and "
                    "'https://x.example/' end;"
                    " kept = msg.scan; return 'https://' .. kept.score .. '.example/' end");
    assert_goes_to(f, "https://6.5.example/");
    fixture_run(f, "user@example.com");
    assert_raises(f, "this message is gone");
}

static void test_not_asked(void **state)
{
    struct fixture *f = *state;
    fixture_body(f, "assert(msg.scan == nil)");
    assert_kind(f, VERDICT_NO_MATCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {RULES_TEST(test_reads), RULES_TEST(test_unknown_fields),
                                       RULES_TEST(test_kept), RULES_TEST(test_not_asked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
