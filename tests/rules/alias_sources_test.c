/* alias.file and alias.sqlite: many aliases, kept outside of the Lua states. */
#include "fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

static void assert_route(struct fixture *f, const char *recipient, const char *goes_to)
{
    fixture_run(f, recipient);
    if (goes_to)
        assert_goes_to(f, goes_to);
    else
        assert_kind(f, VERDICT_NO_MATCH);
    enum ruleset_lookup quick = ruleset_look_up(f->ruleset, recipient);
    assert_int_equal(ruleset_ask(f->ruleset, 0, recipient, NULL) == RULESET_YES, goes_to != NULL);
    assert_true(quick == RULESET_ASK || quick == (goes_to ? RULESET_YES : RULESET_NO));
}

static void assert_routes(struct fixture *f)
{
    assert_route(f, "a@example.com", "https://a.example/");
    assert_route(f, "A@Example.COM", "https://a.example/");
    assert_route(f, "a+tag@example.com", "https://a.example/");
    assert_route(f, "two@example.com", "https://a.example/1 https://a.example/2");
    assert_route(f, "quoted@example.com", "https://q.example/1 https://q.example/2");
    assert_route(f, "other@wild.example", "https://w.example/");
    assert_route(f, "other@example.com", NULL);
    assert_route(f, "a@example.co", NULL);
    assert_route(f, "a@example.com.example", NULL);
    assert_route(f, "", NULL);
    fixture_run(f, "none@example.com");
    assert_kind(f, VERDICT_DISCARD);
}

static void test_file(void **state)
{
    struct fixture *f = *state;
    fixture_rules(f, "aliases.csv",
                  "# address,destination\n"
                  "\n"
                  "A@example.com,https://a.example/\r\n"
                  "two@example.com , https://a.example/1,https://a.example/2\n"
                  "\"quoted@example.com\",\"https://q.example/1, https://q.example/2\"\n"
                  "*@wild.example,https://w.example/\n"
                  "none@example.com,null");
    fixture_rule(f, "return alias.file('aliases.csv')");
    assert_routes(f);
}

/* Nothing but the byte order mark is an empty file, and what ends within one is no mark. */
static void test_file_of_a_mark(void **state)
{
    struct fixture *f = *state;
    fixture_rules(f, "aliases.csv", "\xEF\xBB\xBF");
    fixture_rule(f, "return alias.file('aliases.csv')");
    assert_route(f, "a@example.com", NULL);
    fixture_rules(f, "aliases.csv", "\xEF\xBB");
    fixture_rules(f, "10.lua", "return alias.file('aliases.csv')");
    assert_non_null(strstr(fixture_load_error(f), "aliases.csv:1: "));
}

/* Each is itself, whatever their names and order, and one that is asked for twice is the same. */
static void test_several_files(void **state)
{
    struct fixture *f = *state;
    fixture_rules(f, "a.csv", "a@example.com,https://a.example/");
    fixture_rules(f, "b.csv", "b@example.com,https://b.example/");
    fixture_rules(f, "c.csv", "c@example.com,https://c.example/");
    fixture_rule(f, "return { alias.file('b.csv'), alias.file('a.csv'), alias.file('c.csv'), "
                    "alias.file('b.csv') }");
    assert_route(f, "a@example.com", "https://a.example/");
    assert_route(f, "b@example.com", "https://b.example/");
    assert_route(f, "c@example.com", "https://c.example/");
}

static void test_what_is_no_file(void **state)
{
    struct fixture *f = *state;
    fixture_rules(f, "10.lua", "return alias.file('/dev')");
    assert_non_null(strstr(fixture_load_error(f), "/dev"));
    fixture_rules(f, "10.lua", "return alias.file('/dev/zero')");
    assert_non_null(strstr(fixture_load_error(f), "/dev/zero"));
}

static void test_file_has_patterns_as_a_table_has(void **state)
{
    struct fixture *f = *state;
    fixture_rules(f, "aliases.csv",
                  "\xEF\xBB\xBF"
                  "a@example.com,https://a.example/\n"
                  "*@example.com,https://all.example/\n"
                  "In-(*)@example.com,https://in.example/$1\n"
                  "\"/^inv-(\\d{1,3})@example\\.com$/\",https://books.example/$1\n"
                  "/^x\\D@example\\.com$/,https://d.example/\n"
                  "*@*.example,https://wild.example/\n");
    fixture_rule(f, "return alias.file('aliases.csv')");
    assert_route(f, "a@example.com", "https://a.example/"); /* behind the byte order mark */
    assert_route(f, "b@example.com", "https://all.example/");
    assert_route(f, "in-7@example.com", "https://in.example/7");
    assert_route(f, "inv-77@example.com", "https://books.example/77");
    assert_route(f, "inv-7777@example.com", "https://all.example/");
    assert_route(f, "XY@example.com", "https://d.example/");
    assert_route(f, "a@b.example", "https://wild.example/");
    assert_route(f, "a@b.org", NULL);
    fixture_rules(f, "aliases.csv", "a@b,null\n/(/,null\n");
    fixture_rules(f, "10.lua", "\nreturn alias.file('aliases.csv')");
    assert_non_null(
        strstr(fixture_load_error(f), "10.lua:2: alias.file: aliases.csv:2: alias key '/(/'"));
    fixture_rules(f, "aliases.csv", "(*)@b,https://a.example/$2\n");
    assert_non_null(
        strstr(fixture_load_error(f), "aliases.csv:1: alias key '(*)@b': $2 in its destination"));
    fixture_rules(f, "aliases.csv", "\n*@b*,x$1\n");
    assert_non_null(strstr(fixture_load_error(f), "aliases.csv:2: "));
}

/* The destination, with what a profile says of it. */
static void assert_profiled(struct fixture *f, const char *recipient, const char *url,
                            const char *secret, const char *header)
{
    fixture_run(f, recipient);
    assert_kind(f, VERDICT_DELIVER);
    const struct destination *to = &f->verdict->destinations[f->verdict->destination_count - 1];
    assert_string_equal(to->url, url);
    assert_string_equal(to->secret ? to->secret : "", secret);
    assert_string_equal(to->header_count ? to->headers[0] : "", header);
    assert_int_equal(to->timeout_ms, *secret ? 60000 : 0);
    assert_int_equal(to->max_body, *secret ? 5 : 0);
}

static void test_profiles(void **state)
{
    static const char *headers[] = {"x-team: sales"};
    static struct profile profiles[] = {{"crm",
                                         {.secret = "env:CRM",
                                          .timeout_ms = 60000,
                                          .headers = headers,
                                          .header_count = 1,
                                          .max_body = 5}},
                                        {"plain", {0}}};
    struct fixture *f = *state;
    f->config.profiles = profiles;
    f->config.profile_count = 2;
    fixture_rules(f, "aliases.csv",
                  "a@b,crm:https://a.example/\n"
                  "c@b,https://c.example/,crm\n"
                  "d@b,\"https://d.example/1, https://d.example/2\",crm \n"
                  "e@b,plain:https://e.example/\n"
                  "(*)@f,https://f.example/$1,crm\n"
                  "/^g(\\d)@b$/,crm:https://g.example/$1\n"
                  "n@b,https://n.example/,null\n"
                  "*@h,https://h.example/,crm\n");
    fixture_rule(f, "return alias.file('aliases.csv')");
    assert_profiled(f, "a@b", "https://a.example/", "env:CRM", "x-team: sales");
    assert_profiled(f, "c@b", "https://c.example/", "env:CRM", "x-team: sales");
    assert_profiled(f, "d@b", "https://d.example/2", "env:CRM", "x-team: sales");
    assert_goes_to(f, "https://d.example/1 https://d.example/2");
    assert_profiled(f, "e@b", "https://e.example/", "", "");
    assert_profiled(f, "x@f", "https://f.example/x", "env:CRM", "x-team: sales");
    assert_profiled(f, "g7@b", "https://g.example/7", "env:CRM", "x-team: sales");
    assert_profiled(f, "n@b", "https://n.example/", "", "");
    assert_profiled(f, "any@h", "https://h.example/", "env:CRM", "x-team: sales");
    fixture_body(f, "return {url = 'crm:https://i.example/', headers = {['X-Team'] = 'own'}}");
    assert_profiled(f, "a@b", "https://i.example/", "env:CRM", "X-Team: own");
    fixture_rule(f, "return alias {['a@b'] = 'crm:https://j.example/, https://k.example/'}");
    assert_profiled(f, "a@b", "https://k.example/", "", "");
}

static void test_profiles_that_are_wrong_name_their_line(void **state)
{
    static const char *const rows[][2] = {
        {"\na@b,crm:https://a.example/\n", "aliases.csv:2: not a destination"},
        {"\n\na@b,https://a.example/,crm\n", "aliases.csv:3: the configuration has no profile"},
        {"a@b,\"https://a.example/\",two words\n", "aliases.csv:1: something stands after"},
        {"a@b,crm\n", "aliases.csv:1: not a destination"},
        {"*@b*,https://a.example/,crm\n", "aliases.csv:1: the configuration has no profile"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fixture_rules(f, "aliases.csv", rows[i][0]);
        fixture_rules(f, "10.lua", "return alias.file('aliases.csv')");
        assert_non_null(strstr(fixture_load_error(f), rows[i][1]));
    }
    fixture_rules(f, "10.lua", "return alias {\n['a@b'] = 'crm:https://a.example/'}");
    assert_non_null(strstr(fixture_load_error(f), "10.lua:2: alias key 'a@b'"));
    assert_non_null(strstr(fixture_load_error(f), "no profile of that name"));
}

/* Once the log, which the fixture has put in stderr's place, says that somebody waits; after 8 s at any rate. */
static void unlock_later(void *argument)
{
    static char log[65536];
    for (int i = 0; i < 800 && !strstr(log, "aliases-locked"); i++) {
        usleep(10000);
        ssize_t size = pread(STDERR_FILENO, log, sizeof log - 1, 0);
        log[size > 0 ? size : 0] = '\0';
    }
    sqlite3_exec(argument, "COMMIT", NULL, NULL, NULL);
}

/* A transaction under way when rules load is waited for. */
static void test_locked_database_is_waited_for(void **state)
{
    struct fixture *f = *state;
    char path[128];
    sqlite3 *db;
    uv_thread_t thread;
    snprintf(path, sizeof path, "%s/aliases.db", f->directory);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "CREATE TABLE aliases (address TEXT PRIMARY KEY COLLATE NOCASE, destination "
                     "TEXT NOT NULL); INSERT INTO aliases VALUES ('a@b.example', 'null'); "
                     "BEGIN EXCLUSIVE",
                     NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(uv_thread_create(&thread, unlock_later, db), 0);
    fixture_rules(f, "10.lua", "return alias.sqlite('aliases.db')");
    fixture_load(f);
    assert_logged(f, "warn aliases-locked");
    uv_thread_join(&thread);
    sqlite3_close(db);
    fixture_run(f, "a@b.example");
    assert_kind(f, VERDICT_DISCARD);
}

static void test_sqlite(void **state)
{
    struct fixture *f = *state;
    char path[128];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/aliases.db", f->directory);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(
            db,
            "CREATE TABLE aliases (address TEXT PRIMARY KEY COLLATE NOCASE, destination TEXT "
            "NOT NULL);"
            "INSERT INTO aliases VALUES ('a@example.com', 'https://a.example/'),"
            "('two@example.com', 'https://a.example/1,https://a.example/2'),"
            "('quoted@example.com', 'https://q.example/1, https://q.example/2'),"
            "('*@wild.example', 'https://w.example/'), ('none@example.com', 'null');",
            NULL, NULL, NULL),
        SQLITE_OK);
    fixture_rule(f, "return alias.sqlite('aliases.db')");
    assert_routes(f);
    /* a change needs no reload */
    assert_int_equal(sqlite3_exec(db, "INSERT INTO aliases VALUES ('new@example.com', 'null')",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    fixture_run(f, "new@example.com");
    assert_kind(f, VERDICT_DISCARD);
}

/* Somebody's view may never end: the rules' time limit holds inside of SQLite too. */
static void test_a_query_without_end_is_broken_off(void **state)
{
    struct fixture *f = *state;
    char path[128];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/aliases.db", f->directory);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "CREATE VIEW aliases AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + "
                     "1 FROM n) SELECT i || '' AS address, 'null' AS destination FROM n",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    f->config.time_limit_ms = 100;
    fixture_rule(f, "return alias.sqlite('aliases.db')");
    assert_raises(f, "went over the time limit");
}

static void test_malformed_lines_are_told_with_numbers(void **state)
{
    struct fixture *f = *state;
    static const char *const told[] = {
        "/10.lua:1: alias.file: ",
        "aliases.csv:2: a comma after the address was expected",
        "aliases.csv:3: not an address",
        "aliases.csv:4: not a destination",
        "aliases.csv:5: this address stands in the file twice",
        "aliases.csv:6: a quote that is not closed",
        "aliases.csv: 7 lines in all",
    };
    fixture_rules(
        f, "aliases.csv",
        "a@b,null\nnothing\nx,null\nb@b,ftp://a/\nA@B,null\n\"c@b,null\nd@b,\n e@b,null,\n,\n");
    fixture_rules(f, "10.lua", "return alias.file('aliases.csv')");
    const char *error = fixture_load_error(f);
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (!strstr(error, told[i]))
            fail_msg("'%s' is not in '%s'", told[i], error);
    fixture_rules(f, "10.lua", "return alias.file('missing.csv')");
    assert_non_null(strstr(fixture_load_error(f), "missing.csv: No such file or directory"));
    fixture_rules(f, "10.lua", "return alias.sqlite('aliases.csv')");
    assert_non_null(strstr(fixture_load_error(f), "file is not a database"));
    fixture_rules(f, "10.lua", "return alias.file(7)");
    assert_non_null(strstr(fixture_load_error(f), "alias.file: a path was expected, not a number"));
}

/* A line each that can never do what it says. */
static void test_lines_that_can_never_match(void **state)
{
    static const struct {
        const char *line, *says;
    } rows[] = {
        {"a@b,https://a.example/$1",
         "a.csv:1: a group in the destination, but the key is one address"},
        {"a@b,https://a.example/${1}", "a group in the destination"},
        {"a@b,https://a.example/$name", "a group in the destination"},
        {"*@b,https://a.example/$1", "a group in the destination"},
        {"a@b,x$1@b.example", "a group in the destination"},
        {"mailto:a@b,null", "a.csv:1: not an address"},
        {"m\xfcller@b,null", "a.csv:1: an address that is not UTF-8"},
        {"in-*@b,https://a.example/$name", "$name: write ${name}"},
    };
    fixture_rules(*state, "10.lua", "return alias.file('a.csv')");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fixture_rules(*state, "a.csv", rows[i].line);
        const char *error = fixture_load_error(*state);
        if (!strstr(error, rows[i].says))
            fail_msg("%s: '%s' is not in '%s'", rows[i].line, rows[i].says, error);
    }
    fixture_rules(*state, "a.csv",
                  "a@b,https://a.example/?a=$&b=%24name&$filter=x\nb$c@b,x$y@b.example\n");
    fixture_load(*state);
}

static void test_not_by_a_message(void **state)
{
    fixture_body(*state, "return alias.file('/etc/passwd')");
    assert_raises(*state, "opened while rules load, not by a message");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RULES_TEST(test_file),
        RULES_TEST(test_profiles),
        RULES_TEST(test_profiles_that_are_wrong_name_their_line),
        RULES_TEST(test_file_of_a_mark),
        RULES_TEST(test_several_files),
        RULES_TEST(test_what_is_no_file),
        RULES_TEST(test_file_has_patterns_as_a_table_has),
        RULES_TEST(test_locked_database_is_waited_for),
        RULES_TEST(test_sqlite),
        RULES_TEST(test_a_query_without_end_is_broken_off),
        RULES_TEST(test_malformed_lines_are_told_with_numbers),
        RULES_TEST(test_lines_that_can_never_match),
        RULES_TEST(test_not_by_a_message),
    };
    return RUN_TESTS(tests);
}
