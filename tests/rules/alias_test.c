/* Which key of an alias answers for which recipient. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

static const char aliases[] =
    "return alias {\n"
    "  ['sales@example.com'] = 'https://a.example/sales',\n"
    "  ['Sales+VIP@Example.com'] = 'https://a.example/vip',\n"
    "  ['both@example.com'] = 'https://a.example/1, https://a.example/2',\n"
    "  ['list@example.com'] = {'https://a.example/1', {url = 'https://a.example/3', secret = "
    "'s'}},\n"
    "  ['noreply@example.com'] = 'null',\n"
    "  ['gone@example.com'] = route.reject('moved away'),\n"
    "  ['/^inv-(\\\\d+)@example\\\\.com$/'] = 'https://a.example/inv/$1',\n"
    "  ['/^(\\\\w+)\\\\.(\\\\w+)@people\\\\.example\\\\.com$/'] = {url = "
    "'https://$2.a.example/$2/$1', headers = {['X-Who'] = '$1'}},\n"
    "  ['/^inv-/'] = 'https://a.example/shorter',\n"
    "  ['*@example.com'] = 'https://a.example/all',\n"
    "  ['team-*@example.com'] = 'https://a.example/team',\n"
    "  ['*@*.example.org'] = 'https://a.example/org',\n"
    "}\n";

struct match {
    const char *recipient, *goes_to; /* NULL: no match; "" discard */
};

static void test_best_match_alone_answers(void **state)
{
    static const struct match matches[] = {
        {"sales@example.com", "https://a.example/sales"},
        {"SALES@EXAMPLE.COM", "https://a.example/sales"},
        {"sales+x@example.com", "https://a.example/sales"},
        {"sales+x+y@example.com", "https://a.example/sales"},
        {"sales+@example.com", "https://a.example/sales"},
        {"sales+vip@example.com", "https://a.example/vip"},
        {"+sales@example.com", "https://a.example/all"},
        {"both@example.com", "https://a.example/1 https://a.example/2"},
        {"list@example.com", "https://a.example/1 https://a.example/3"},
        {"noreply@example.com", ""},
        {"noreply+x@example.com", ""},
        {"inv-123@example.com", "https://a.example/inv/123"},
        {"INV-123@example.com", "https://a.example/inv/123"},
        {"inv-12x@example.com", "https://a.example/shorter"},
        {"ada.blue@people.example.com", "https://blue.a.example/blue/ada"},
        {"team-red@example.com", "https://a.example/team"},
        {"anyone@example.com", "https://a.example/all"},
        {"a@sub.example.org", "https://a.example/org"},
        {"a@example.org", NULL},
        {"a@other.example", NULL},
        {"sales@example.com.evil.example", NULL},
        {"", NULL},
    };
    struct fixture *f = *state;
    fixture_rules(f, "10.lua", aliases);
    fixture_load(f);
    for (size_t i = 0; i < sizeof matches / sizeof *matches; i++) {
        const struct match *match = &matches[i];
        fixture_run(f, match->recipient);
        if (!match->goes_to)
            assert_kind(f, VERDICT_NO_MATCH);
        else if (!*match->goes_to)
            assert_kind(f, VERDICT_DISCARD);
        else
            assert_goes_to(f, match->goes_to);
        bool served = match->goes_to != NULL;
        enum ruleset_lookup quick = ruleset_look_up(f->ruleset, match->recipient);
        assert_int_equal(ruleset_accepts(f->ruleset, 0, match->recipient), served);
        assert_true(quick == RULESET_ASK || quick == (served ? RULESET_YES : RULESET_NO));
    }
    fixture_run(f, "gone@example.com");
    assert_kind(f, VERDICT_REJECT);
    assert_string_equal(f->verdict->text, "moved away");
    assert_string_equal(f->verdict->rule, "10.lua:1");
    fixture_run(f, "ada.blue@people.example.com");
    assert_string_equal(f->verdict->destinations[0].headers[0], "X-Who: ada");
}

/* What a sender may write in an address must not change where its mail goes. */
static void test_groups_cannot_change_a_url(void **state)
{
    struct fixture *f = *state;
    fixture_rule(f, "return alias { ['/^(.*)@h\\\\.example$/'] = 'https://$1.a.example/$1' }");
    fixture_run(f, "x/../y?z#%@h.example");
    assert_raises(f, "no valid host");
    fixture_rule(f, "return alias { ['/^(.*)@h\\\\.example$/'] = 'https://a.example/in/$1/z' }");
    fixture_run(f, "x/../y?a b&\xc3\xa9@h.example");
    assert_goes_to(f, "https://a.example/in/x%2F..%2Fy%3Fa%20b%26%C3%A9/z");
}

/* "https://a.example/tenants/../new" is "https://a.example/new". */
static void test_groups_cannot_walk_up_a_path(void **state)
{
    static const char *const served[] = {"a@h.example", "...@h.example", "..a@h.example"};
    static const char *const refused[] = {"..@h.example", ".@h.example"};
    struct fixture *f = *state;
    fixture_rule(f, "return alias { ['/^(.*)@h\\\\.example$/'] = 'https://a.example/t/$1/new' }");
    for (size_t i = 0; i < sizeof served / sizeof *served; i++) {
        fixture_run(f, served[i]);
        assert_kind(f, VERDICT_DELIVER);
        assert_true(ruleset_accepts(f->ruleset, 0, served[i]));
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        fixture_run(f, refused[i]);
        assert_kind(f, VERDICT_NO_MATCH);
        assert_false(ruleset_accepts(f->ruleset, 0, refused[i]));
    }
    fixture_rule(f, "return alias { ['/^(.*)@h\\\\.example$/'] = "
                    "{ url = 'https://a.example/t/.$1?a=..#..', timeout = 5 } }");
    fixture_run(f, ".@h.example");
    assert_kind(f, VERDICT_NO_MATCH);
    fixture_run(f, "a@h.example");
    assert_goes_to(f, "https://a.example/t/.a?a=..#..");
}

static void test_groups_cannot_change_an_address(void **state)
{
    struct fixture *f = *state;
    fixture_rule(f,
                 "return alias { ['/^(.*)@h\\\\.example$/'] = 'in+$1@new.example, https://$1' }");
    fixture_run(f, "joe.x+y\xc3\xa9@h.example");
    assert_raises(f, "no valid host");
    fixture_rule(f, "return alias { ['/^(.*)@h\\\\.example$/'] = "
                    "'in+$1@new.example, https://a.example/$1' }");
    fixture_run(f, "joe.x+y\xc3\xa9@h.example");
    assert_goes_to(f, "in+joe.x+y\xc3\xa9@new.example https://a.example/joe.x%2By%C3%A9");
    fixture_run(f, "\"a b@evil.example, c\"@h.example");
    assert_goes_to(f, "in+%22a%20b%40evil.example%2C%20c%22@new.example "
                      "https://a.example/%22a%20b%40evil.example%2C%20c%22");
}

static void test_refused_only_where_aliases_serve_alone(void **state)
{
    struct fixture *f = *state;
    fixture_rules(f, "10.lua", "return alias { ['a@example.com'] = 'null' }");
    fixture_load(f);
    assert_true(ruleset_accepts(f->ruleset, 0, "a@example.com"));
    assert_false(ruleset_accepts(f->ruleset, 0, "b@example.com"));
    fixture_rules(f, "20.lua", "return function() end");
    fixture_load(f);
    assert_true(ruleset_accepts(f->ruleset, 0, "b@example.com"));
}

static void test_catastrophic_key_is_no_match(void **state)
{
    struct fixture *f = *state;
    fixture_rules(f, "10.lua", "return alias { ['/^(.*)*(.*)*(.*)*x@y$/'] = 'null' }");
    fixture_load(f);
    char address[201];
    memset(address, 'a', 200);
    address[200] = '\0';
    memcpy(address + 190, "=x@zzzzzy", 9);
    fixture_run(f, address);
    assert_kind(f, VERDICT_NO_MATCH);
    assert_logged(f, "warn regex-gave-up id=test-1");
}

struct wrong {
    const char *entry, *error;
};

static void test_wrong_keys_are_errors_of_loading(void **state)
{
    static const struct wrong wrong[] = {
        {"['sales'] = 'null'",
         "alias key 'sales': an address was expected, as in \"sales@example.com\""},
        {"['a@b@c'] = 'null'", "an address was expected"},
        {"['a b@c'] = 'null'", "an address was expected"},
        {"[''] = 'null'", "an address was expected"},
        {"['/x'] = 'null'", "a regular expression ends with '/'"},
        {"['/(/'] = 'null'", "alias key '/(/': "},
        {"['/x/q'] = 'null'", "unknown flag 'q'"},
        {"['/(a)/'] = 'https://a.example/$2'",
         "$2 in its destination, but the pattern has 1 group(s)"},
        {"['a@b'] = 7", "a destination was expected"},
        {"['a@b'] = 'a.example'",
         "begins with http:// or https://, or an e-mail address, was expected"},
        {"['a@b'] = 'boss@[192.0.2.1]'", "a domain was expected after '@'"},
        {"['a@b'] = {url = 'https://a.example', retries = 3}", "no field 'retries'"},
        {"'https://a.example'", "keys are addresses, not a number"},
        {"['a@b'] = 'null', ['A@B'] = 'null'", "stands twice, in upper and lower case"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[512];
        snprintf(text, sizeof text, "\nreturn alias {\n%s\n}\n", wrong[i].entry);
        fixture_rules(f, "10.lua", text);
        const char *error = fixture_load_error(f);
        if (!strstr(error, wrong[i].error) || !strstr(error, "/10.lua:"))
            fail_msg("'%s' is not in '%s'", wrong[i].error, error);
    }
    /* the line is the key's, not the constructor's */
    fixture_rules(f, "10.lua", "return alias {\n\n['a@b'] = 'null',\n['c'] = 'null',\n}");
    assert_non_null(strstr(fixture_load_error(f), "/10.lua:4: alias key 'c'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RULES_TEST(test_best_match_alone_answers),
        RULES_TEST(test_groups_cannot_change_a_url),
        RULES_TEST(test_groups_cannot_walk_up_a_path),
        RULES_TEST(test_groups_cannot_change_an_address),
        RULES_TEST(test_refused_only_where_aliases_serve_alone),
        RULES_TEST(test_catastrophic_key_is_no_match),
        RULES_TEST(test_wrong_keys_are_errors_of_loading),
    };
    return RUN_TESTS(tests);
}
