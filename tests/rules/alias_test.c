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
        assert_int_equal(ruleset_ask(f->ruleset, 0, match->recipient, NULL) == RULESET_YES, served);
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
        assert_true(ruleset_ask(f->ruleset, 0, served[i], NULL) == RULESET_YES);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        fixture_run(f, refused[i]);
        assert_kind(f, VERDICT_NO_MATCH);
        assert_false(ruleset_ask(f->ruleset, 0, refused[i], NULL) == RULESET_YES);
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
    assert_true(ruleset_ask(f->ruleset, 0, "a@example.com", NULL) == RULESET_YES);
    assert_false(ruleset_ask(f->ruleset, 0, "b@example.com", NULL) == RULESET_YES);
    fixture_rules(f, "20.lua", "return function() end");
    fixture_load(f);
    assert_true(ruleset_ask(f->ruleset, 0, "b@example.com", NULL) == RULESET_YES);
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

static void test_groups_by_number_and_name(void **state)
{
    static const char *const rows[][3] = {
        {"['/^(?<t>\\\\w+)-(\\\\d+)@h$/'] = 'https://${t}.example/$2/${2}0/$1x'", "blue-7@h",
         "https://blue.example/7/70/bluex"},
        {"['in-(*)-*@h'] = 'https://a.example/$1'", "in-a-b-c@h", "https://a.example/a-b"},
        {"['(*)@(*).h'] = 'https://a.example/$2/$1'", "joe@blue.h", "https://a.example/blue/joe"},
        {"['/^(.*)@h$/'] = '$1@h.example'", "$1${1}@h", "$1${1}@h.example"},
        {"['a@h'] = 'https://a.example/?$filter=x'", "a@h", "https://a.example/?$filter=x"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[300];
        snprintf(text, sizeof text, "return alias { %s }", rows[i][0]);
        fixture_rule(*state, text);
        fixture_run(*state, rows[i][1]);
        assert_goes_to(*state, rows[i][2]);
    }
}

static void assert_warns(struct fixture *f, const char *expected)
{
    fixture_load(f);
    if (strcmp(ruleset_warnings(f->ruleset), expected) != 0)
        fail_msg("'%s', not '%s'", ruleset_warnings(f->ruleset), expected);
}

static void test_what_is_hardly_meant_is_warned_of(void **state)
{
    struct fixture *f = *state;
    fixture_rules(f, "10.lua",
                  "return alias {\n ['a@b'] = 'null',\n ['/sales/'] = 'null',\n"
                  " ['/^x@b$/'] = 'null',\n ['/\\\\Ax@b\\\\z/'] = 'null' }");
    assert_warns(
        f,
        "10.lua:3: alias key '/sales/' matches anywhere in an address: /^...$/ is the whole of it");
    fixture_rules(f, "10.lua",
                  "return alias { ['a@b'] = 'null', ['c@b'] = route.also 'https://c.example' }");
    fixture_rules(f, "20.lua",
                  "return alias {\n ['A@b'] = 'https://a.example', ['c@b'] = 'null' }");
    assert_warns(f, "20.lua:1: 'a@b' is answered by 10.lua:1 before: this one is never asked");
    fixture_rules(f, "20.lua", "return {}");
    assert_warns(f, "");
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
        {"['a@b'] = 'null', [('A@B')] = 'null'", "stands twice, in upper and lower case"},
        {"['a@b'] = 'null',\n['x@b'] = 'null', -- ['a@b'] = 1\n[\"a@b\"] = 'null'",
         "10.lua:5: the key 'a@b' stands twice in one table"},
        {"['/(a)/'] = 'https://a.example/$10'",
         "$10: groups are $1 to $9; where a digit follows, write ${1}"},
        {"['/(a)/'] = 'https://a.example/$0'",
         "$0 in its destination, but the pattern has 1 group(s)"},
        {"['/(?<n>a)/'] = 'https://a.example/${m}'",
         "${m} in its destination, but the pattern has 1 group(s), named n"},
        {"['/(?<n>a)(?<k>b)(?<z>c)(?<a>d)(?<m>e)/'] = 'https://a.example/${x}'",
         "but the pattern has 5 group(s), named a, k, m, n, z"},
        {"['/(?<n>a)/'] = 'https://a.example/${2}'",
         "${2} in its destination, but the pattern has 1 group(s)"},
        {"['/(?<n>a)/'] = 'https://a.example/${0}'",
         "${0} in its destination, but the pattern has 1 group(s)"},
        {"['/(?<n>a)/'] = 'https://a.example/$2'",
         "$2 in its destination, but the pattern has 1 group(s)"},
        {"['/(?<n>a)/'] = 'https://a.example/$n'", "$n: write ${n}; a dollar sign itself is %24"},
        {"['a@example.com'] = 'https://a.example/$n'",
         "$n: write ${n}; a dollar sign itself is %24"},
        {"['a@example.com'] = {'https://a.example/', {url = 'https://a.example/$_n'}}",
         "$_n: write"},
        {"['*@example.com'] = 'https://a.example/$name'", "$name: write ${name}"},
        {"['mailto:a@example.com'] = 'null'", "an address was expected"},
        {"['a<b@example.com'] = 'null'", "an address was expected"},
        {"['/(?<n>a)/'] = 'https://a.example/${n'", "must be percent-encoded"},
        {"['a@b'] = 'https://a.example/$1'",
         "a group in its destination, but the key is one address"},
        {"['*@b'] = 'https://a.example/$1'",
         "$1 in its destination, but the pattern has 0 group(s)"},
        {"['(*)@b'] = {url = 'https://a.example/$2'}", "$2 in its destination"},
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
        RULES_TEST(test_groups_by_number_and_name),
        RULES_TEST(test_what_is_hardly_meant_is_warned_of),
        RULES_TEST(test_wrong_keys_are_errors_of_loading),
    };
    return RUN_TESTS(tests);
}
