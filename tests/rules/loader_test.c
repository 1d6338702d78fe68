/* Which files are rules, in which order, and what is said of those that are wrong. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

static void test_order_and_names(void **state)
{
    struct fixture *f = *state;
    const char *also = "return function() return route.also('https://%s.example') end";
    static const char *const names[] = {"20-b.lua", "10-a.lua", "3-c.lua", "Z.lua"};
    for (size_t i = 0; i < 4; i++) {
        char text[128];
        snprintf(text, sizeof text, also, (const char *[]){"b", "a", "c", "z"}[i]);
        fixture_rules(f, names[i], text);
    }
    fixture_rules(f, "10-a_test.lua", "error('a test is not a rule')");
    fixture_rules(f, ".hidden.lua", "error('hidden')");
    fixture_rules(f, "README.md", "not Lua");
    fixture_rules(f, "lib/unused.lua", "error('only run where it is required')");
    fixture_load(f);
    assert_int_equal(ruleset_count(f->ruleset), 4);
    fixture_run(f, "user@example.com");
    assert_goes_to(f, "https://a.example https://b.example https://c.example https://z.example");
    assert_string_equal(f->verdict->rule, "Z.lua:1");
}

static void test_lists(void **state)
{
    struct fixture *f = *state;
    fixture_rules(f, "10.lua",
                  "local function one() end\n"
                  "return {one, one, alias {['a@example.com'] = 'null'}}");
    fixture_load(f);
    assert_int_equal(ruleset_count(f->ruleset), 3);
    fixture_rules(f, "10.lua", "return {}");
    fixture_load(f);
    assert_int_equal(ruleset_count(f->ruleset), 0);
    assert_false(ruleset_ask(f->ruleset, 0, "user@example.com", NULL) == RULESET_YES);
    fixture_run(f, "user@example.com");
    assert_kind(f, VERDICT_NO_MATCH);
}

struct wrong {
    const char *text, *error;
};

static void test_errors_name_file_and_line(void **state)
{
    struct fixture *f = *state;
    static const struct wrong wrong[] = {
        {"local x =\nreturn 1", ":2: unexpected symbol near 'return'"},
        {"\n\nerror('broken')", ":3: broken"},
        {"error({})", ":1: raised a table"},
        {"local x = nil\nx.y = 1", ":2: attempt to index local 'x' (a nil value)"},
        {"counter = 1", ":1: global 'counter' cannot be set"},
        {"-- nothing", ":1: returned nothing: a rule, or a list of rules, was expected"},
        {"local x\n\nreturn 'https://a.example/'",
         ":3: returned the string 'https://a.example/': a rule, or a list of rules"},
        {"return 7", ":1: returned a number: a rule"},
        {"return {function() end, 'x'}", ":1: returned a list with the string 'x' at 2"},
        {"return {url = 'https://a.example'}", ":1: returned a table with the key 'url'"},
        {"return {function() end, nil, function() end, nil}", ""},
        {"\nreturn alias 'x'", ":2: alias: a table of addresses was expected, not a string"},
        {"\033LJ", ":1: attempt to load chunk with wrong mode"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char expected[256];
        fixture_rules(f, "10.lua", wrong[i].text);
        snprintf(expected, sizeof expected, "%s/10.lua%s", f->directory, wrong[i].error);
        const char *error = fixture_load_error(f);
        if (strncmp(error, expected, strlen(expected)) != 0)
            fail_msg("'%s' does not begin with '%s'", error, expected);
    }
}

static void test_all_or_nothing_with_a_line_each(void **state)
{
    struct fixture *f = *state;
    char expected[512];
    fixture_rules(f, "10.lua", "return function() return 'https://a.example/' end");
    fixture_load(f);
    fixture_rules(f, "20.lua", "return");
    fixture_rules(f, "30.lua", "return function() end");
    fixture_rules(f, "40.lua", "error('four')\n");
    snprintf(expected, sizeof expected, "%s/20.lua:1: returned nothing", f->directory);
    const char *error = fixture_load_error(f);
    assert_memory_equal(error, expected, strlen(expected));
    snprintf(expected, sizeof expected, "\n%s/40.lua:1: four", f->directory);
    assert_non_null(strstr(error, expected));
    fixture_run(f, "user@example.com"); /* the old ones stay */
    assert_goes_to(f, "https://a.example/");
}

static void test_what_changed(void **state)
{
    struct fixture *f = *state;
    char text[128];
    fixture_rules(f, "10.lua",
                  "return alias { ['a@b.example'] = 'null', ['c@b.example'] = 'null' }");
    fixture_rules(f, "20.lua", "return function() end");
    fixture_rules(f, "aliases.csv", "x@b.example,null\n");
    fixture_load(f);
    ruleset_describe(f->ruleset, NULL, text, sizeof text);
    assert_string_equal(text, "2 rules, 2 aliases");
    struct ruleset *before = ruleset_ref(f->ruleset);
    fixture_rules(f, "20.lua", "\nreturn function() end");
    fixture_rules(f, "30.lua", "return alias.file 'aliases.csv'");
    fixture_load(f);
    ruleset_describe(f->ruleset, before, text, sizeof text);
    assert_string_equal(text, "3 rules, 3 aliases; added: 20.lua:2, 30.lua:1; removed: 20.lua:1");
    ruleset_describe(f->ruleset, f->ruleset, text, sizeof text);
    assert_string_equal(text, "3 rules, 3 aliases");
    ruleset_describe(f->ruleset, before, text, 10); /* cut, never overrun */
    assert_string_equal(text, "3 rules, ");
    ruleset_unref(before);
}

static void test_folder_that_is_not_there(void **state)
{
    struct fixture *f = *state;
    f->config.directory = "/nonexistent/rules.d";
    assert_string_equal(fixture_load_error(f), "/nonexistent/rules.d: No such file or directory");
    f->config.directory = f->directory;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RULES_TEST(test_order_and_names),
        RULES_TEST(test_lists),
        RULES_TEST(test_errors_name_file_and_line),
        RULES_TEST(test_all_or_nothing_with_a_line_each),
        RULES_TEST(test_what_changed),
        RULES_TEST(test_folder_that_is_not_there),
    };
    return RUN_TESTS(tests);
}
