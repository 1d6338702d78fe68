/* The example rules of rules.d do what their comments say. */
#include "fixture.h"

#include <stdlib.h>

#ifndef EXAMPLES
#error "EXAMPLES names the folder of the example rules"
#endif

static void test_examples(void **state)
{
    struct fixture *f = *state;
    char *directory = f->config.directory;
    f->config.directory = EXAMPLES;
    setenv("MXHOOK_DEMO_URL", "http://127.0.0.1:1/mail", 1);
    fixture_load(f);
    fixture_run(f, "hook@example.com");
    assert_goes_to(f, "http://127.0.0.1:1/mail");
    fixture_run(f, "support+acme@example.com");
    assert_goes_to(f, "http://127.0.0.1:1/mail");
    assert_header(f, "X-Customer", "acme");
    fixture_run(f, "inv-2042@example.com");
    assert_goes_to(f, "http://127.0.0.1:1/mail/invoices/2042");
    fixture_run(f, "noreply@example.com");
    assert_kind(f, VERDICT_DISCARD);
    fixture_run(f, "nobody@example.com");
    assert_kind(f, VERDICT_REJECT);
    assert_string_equal(f->verdict->text, "No such person here: nobody@example.com");
    f->config.directory = directory;
}

int main(void)
{
    const struct CMUnitTest tests[] = {RULES_TEST(test_examples)};
    return RUN_TESTS(tests);
}
