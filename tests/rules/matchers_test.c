/* route.regex and route.cel as rules. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "auth/result.h"

static const char message[] = "From: Ada <ada@sender.example>\n"
                              "To: user@example.com, other@example.com\n"
                              "Subject: Finance report\n"
                              "Date: Thu, 13 Feb 2020 13:44:12 -0800\n"
                              "X-Priority: 1\n"
                              "MIME-Version: 1.0\n"
                              "Content-Type: multipart/mixed; boundary=b\n"
                              "\n"
                              "--b\n"
                              "Content-Type: text/plain\n"
                              "\n"
                              "Your code is 123456.\n"
                              "--b\n"
                              "Content-Type: application/pdf; name=a.pdf\n"
                              "Content-Disposition: attachment\n"
                              "\n"
                              "hello\n"
                              "--b--\n";

struct condition {
    const char *text;
    bool matches;
};

static void test_cel_sees_the_message(void **state)
{
    static const struct condition conditions[] = {
        {"subject.contains('Finance') && !recipient.startsWith('richard')", true},
        {"subject == 'Finance report' || size < 10", true},
        {"subject.matches('(?i)^finance') && body.matches('[0-9]{6}')", true},
        {"sender.endsWith('@sender.example') && from == 'ada@sender.example'", true},
        {"size > 100 && size < 100000 && size % 2 >= 0", true},
        {"headers['x-priority'] == '1' && headers['X-PRIORITY'] == '1'", true},
        {"headers['x-none'] == ''", true},
        {"'x-none' in headers || has(headers.subject) == false", false},
        {"headers.exists(name, name == 'x-priority')", true},
        {"size(headers) > 5", true},
        {"attachments.exists(a, a.type == 'application/pdf' && a.size < 10)", true},
        {"size(attachments) == 1 && attachments[0].name == 'a.pdf'", true},
        {"to.exists(t, t == 'other@example.com') && size(cc) == 0", true},
        {"'user@example.com' in to", true},
        {"timestamp > timestamp('2020-01-01T00:00:00Z') && timestamp.getFullYear() == 2020", true},
        {"client_ip == '192.0.2.1' && !tls && user == ''", true},
        {"spf == 'none' && dkim == 'none' && dmarc == 'none'", true},
        {"html == '' && text.size() > 5 && message_id == ''", true},
        {"headers['subject'].lowerAscii().split(' ')[0] == 'finance'", true},
        {"int(headers['x-priority']) <= 2", true},
        {"false || subject.contains('nothing')", false},
    };
    struct fixture *f = *state;
    fixture_message(f, message);
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
        char text[512];
        snprintf(text, sizeof text, "return route.cel { when = [[%s]], to = 'https://a.example/' }",
                 conditions[i].text);
        fixture_rule(f, text);
        if (f->verdict->kind != (conditions[i].matches ? VERDICT_DELIVER : VERDICT_NO_MATCH))
            fail_msg("%s: %d; %s", conditions[i].text, f->verdict->kind, f->log);
    }
    assert_string_equal(f->verdict->rule, "");
}

static void test_cel_sees_authentication(void **state)
{
    static const struct condition conditions[] = {
        {"spf == 'softfail'", true},
        {"dkim == 'pass' && dmarc == 'fail'", true},
        {"spf in ['fail', 'softfail'] || dmarc == 'pass'", true},
        {"iprev == 'pass' && client_name.endsWith('.client.example')", true},
        {"'zen.example' in dnsbl && !('bl.example' in dnsbl) && size(dnsbl) == 1", true},
    };
    static const char *const codes[] = {"127.0.0.2"};
    struct dnsbl_result lists[] = {
        {.zone = "bl.example", .error = "DNS look-up failed"},
        {.zone = "zen.example", .listed = true, .codes = codes, .code_count = 1}};
    struct dkim_result signatures[] = {{.code = AUTH_FAIL, .domain = "a.example"},
                                       {.code = AUTH_PASS, .domain = "b.example"}};
    struct auth_result auth = {.spf = {.code = AUTH_SOFTFAIL},
                               .dkim = signatures,
                               .dkim_count = 2,
                               .dmarc = {.code = AUTH_FAIL, .policy = "reject"},
                               .iprev = {.code = AUTH_PASS, .name = "mx.client.example"},
                               .dnsbl = lists,
                               .dnsbl_count = 2};
    struct fixture *f = *state;
    f->transaction->auth = &auth;
    f->transaction->envelope.client_name = auth.iprev.name;
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
        char text[256];
        snprintf(text, sizeof text, "return route.cel { when = [[%s]], to = 'https://a.example/' }",
                 conditions[i].text);
        fixture_rule(f, text);
        assert_goes_to(f, "https://a.example/");
    }
    fixture_body(
        f,
        "assert(msg.auth.spf.result == 'softfail' and msg.auth.dmarc.policy == 'reject')\n"
        "assert(#msg.auth.dkim == 2 and msg.auth.dkim[2].domain == 'b.example')\n"
        "assert(msg.envelope.client_name == 'mx.client.example')\n"
        "local zen = msg.auth.dnsbl['zen.example']\n"
        "assert(zen.listed and #zen.codes == 1 and zen.codes[1] == '127.0.0.2')\n"
        "assert(msg.auth.dnsbl['bl.example'].error and not msg.auth.dnsbl['bl.example'].listed)\n"
        "assert(msg.auth.dnsbl['other.example'] == nil)\n"
        "assert(not pcall(function() msg.auth.dnsbl.x = 1 end))");
    assert_kind(f, VERDICT_NO_MATCH);
    f->transaction->auth = NULL;
    f->transaction->envelope.client_name = NULL;
}

static void test_cel_errors_show_a_caret(void **state)
{
    static const struct {
        const char *when, *error;
    } wrong[] = {
        {"sbject == 'x'",
         "there is no 'sbject' (did you mean 'subject'?)\n    sbject == 'x'\n    ^"},
        {"subject == ", "it ends too early\n    subject == \n               ^"},
        {"subject == 'a' &&& tls", "'&' was not expected\n    subject == 'a' &&& tls\n"
                                   "                     ^"},
        {"size > 'x'", "'>' of int and string\n    size > 'x'\n         ^"},
        {"subject.has('x')", "there is no method 'has'"},
        {"subject.contians('x')", "there is no method 'contians' (did you mean 'contains'?)"},
        {"size + 1", "it gives int, but true or false is needed"},
        {"subject && tls", "a bool was expected, not string"},
        {"len(subject) > 1", "there is no function 'len'"},
        {"'\\\\q' == ''", "unknown escape"},
        {"99999999999999999999 > 1", "a number out of range"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "\nreturn route.cel {\n  when = \"%s\",\n  to = 'https://a.example/' }",
                 wrong[i].when);
        fixture_rules(f, "10.lua", text);
        const char *error = fixture_load_error(f);
        /* Where the text in the file is not the expression itself, the line is that of the call. */
        const char *place = strchr(wrong[i].when, '\\') ? "/10.lua:2: " : "/10.lua:3: ";
        if (!strstr(error, wrong[i].error) || !strstr(error, place) ||
            !strstr(error, "route.cel: when: "))
            fail_msg("'%s' is not in '%s'", wrong[i].error, error);
    }
}

static void test_cel_raises_when_it_must(void **state)
{
    fixture_rule(*state, "return route.cel { when = '1 / (size - size) == 1', to = 'null' }");
    assert_raises(*state, "division by zero\\n    1 / (size - size) == 1\\n      ^");
    fixture_rule(*state,
                 "return route.cel { when = '1 / (size - size) == 1 || true', to = 'null' }");
    assert_kind(*state, VERDICT_DISCARD);
    /* evaluation is bounded as rules are */
    struct fixture *f = *state;
    f->config.time_limit_ms = 100;
    fixture_rule(*state, "local list = '[' .. ('1,'):rep(99) .. '1]'\n"
                         "local e = list .. '.exists(a, ' .. list .. '.exists(b, ' .. list .. "
                         "'.exists(c, ' .. list .. '.exists(d, a + b + c + d > 9))))'\n"
                         "return route.cel { when = e, to = 'null' }");
    assert_raises(*state, "went over the time limit");
}

static void test_regex(void **state)
{
    static const struct condition conditions[] = {
        {"subject = 'Finance'", true},
        {"subject = 'finance'", false},
        {"subject = '/finance/i'", true},
        {"body = [[code is \\d{6}]]", true},
        {"sender = '@sender%.example$'", false},
        {"sender = [[@sender\\.example$]]", true},
        {"recipient = '^user@'", true},
        {"recipient = '^nobody@', subject = 'report$'", true},
        {"recipient = '^nobody@', subject = 'nothing'", false},
    };
    struct fixture *f = *state;
    fixture_message(f, message);
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
        char text[512];
        snprintf(text, sizeof text, "return route.regex { %s, to = 'https://a.example/' }",
                 conditions[i].text);
        fixture_rule(f, text);
        if (f->verdict->kind != (conditions[i].matches ? VERDICT_DELIVER : VERDICT_NO_MATCH))
            fail_msg("%s: %d; %s", conditions[i].text, f->verdict->kind, f->log);
    }
}

static void test_wrong_tables(void **state)
{
    static const struct {
        const char *rule, *error;
    } wrong[] = {
        {"route.regex { subjct = 'x', to = 'null' }",
         "route.regex: there is no 'subjct'; there is recipient, sender, subject, body, from, cc, "
         "headers, all, any, to (did "
         "you "
         "mean 'subject'?)"},
        {"route.regex { subject = '(', to = 'null' }",
         "route.regex: subject: regular expression, at"},
        {"route.regex { subject = 7, to = 'null' }",
         "subject: a pattern was expected, not a number"},
        {"route.regex { to = 'null' }", "it names no field"},
        {"route.regex { subject = 'x' }", "route.regex: `to` is missing"},
        {"route.regex { all = {}, to = 'null' }", "route.regex: all: it names no field"},
        {"route.regex { all = { x = 'a' }, to = 'null' }", "route.regex: all: there is no 'x'"},
        {"route.regex { headers = 'x', to = 'null' }",
         "headers: a table {name = pattern} was expected"},
        {"route.regex { headers = {['x'] = '('}, to = 'null' }",
         "route.regex: headers: x: regular"},
        {"route.regex { subject = '(a)', to = 'https://a.example/$2' }",
         "route.regex: to: $2 in its destination, but the pattern has 1 group(s)"},
        {"route.regex { subject = 'a', to = 'https://a.example/$name' }",
         "route.regex: to: $name: write ${name}"},
        {"route.cel { when = 'tls', to = 'https://a.example/$1' }",
         "route.cel: to: groups, as $1, are those of patterns"},
        {"route.cel { when = 'tls', to = 'https://a.example/$name' }",
         "route.cel: to: $name: write ${name}"},
        {"route.regex { subject = 'a', to = 'https://a.example/${n}' }", "${n} in its destination"},
        {"route.regex 'x'", "a table was expected, not a string"},
        {"route.cel { when = 'true' }", "route.cel: `to` is missing"},
        {"route.cel { when = 7, to = 'null' }", "when: an expression was expected, not a number"},
        {"route.cel { when = 'true', to = 'a.example' }",
         "route.cel: to: a destination was expected"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[256];
        snprintf(text, sizeof text, "\nreturn %s", wrong[i].rule);
        fixture_rules(f, "10.lua", text);
        const char *error = fixture_load_error(f);
        if (!strstr(error, wrong[i].error) || !strstr(error, "/10.lua:2: "))
            fail_msg("'%s' is not in '%s'", wrong[i].error, error);
    }
}

static void test_regex_of_all_fields(void **state)
{
    static const struct condition conditions[] = {
        {"from = '^Ada <ada@'", true},
        {"from = 'bob'", false},
        {"cc = '.'", false},
        {"any = { to = '<other@example.com>' }", true},
        {"any = { to = 'nobody', subject = 'Finance' }", true},
        {"all = { to = 'nobody', subject = 'Finance' }", false},
        {"all = { to = 'user@', subject = 'Finance', body = '123456' }", true},
        {"all = { subject = 'Finance' }, sender = 'nobody'", false},
        {"all = { subject = 'Finance' }, sender = 'nobody', any = { from = 'ada' }", true},
        {"headers = { ['x-priority'] = '^1$' }", true},
        {"headers = { ['X-Priority'] = '^2$', ['X-None'] = '.' }", false},
        {"recipient = '^user@example.com$'", true},
    };
    struct fixture *f = *state;
    fixture_message(f, message);
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
        char text[256];
        snprintf(text, sizeof text, "return route.regex { %s, to = 'null' }", conditions[i].text);
        fixture_rules(f, "10.lua", text);
        fixture_load(f);
        fixture_run(f, "User@Example.COM");
        if ((f->verdict->kind == VERDICT_DISCARD) != conditions[i].matches)
            fail_msg("%s: %s", conditions[i].text, f->log);
    }
}

static void test_regex_groups_in_its_destination(void **state)
{
    static const char *const rows[][2] = {
        {"subject = '(\\\\w+) (report)', to = 'https://a.example/$2/$1'",
         "https://a.example/report/Finance"},
        {"all = { from = '<(?<who>[^@]+)@', subject = '^(.*)$' }, to = "
         "'https://a.example/${who}?s=$1'",
         "https://a.example/ada?s=Finance%20report"},
        {"subject = '(x)|report', to = 'https://a.example/$1/'", "https://a.example//"},
        {"body = '(\\\\d+)', to = {url = 'https://a.example/', headers = {['X-Code'] = '$1'}}",
         "https://a.example/"},
    };
    struct fixture *f = *state;
    fixture_message(f, message);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[256];
        snprintf(text, sizeof text, "return route.regex { %s }", rows[i][0]);
        fixture_rule(f, text);
        assert_goes_to(f, rows[i][1]);
    }
    assert_string_equal(f->verdict->destinations[0].headers[0], "X-Code: 123456");
    fixture_rule(f, "return route.regex { body = 'code( )is', subject = 'Finance', to = "
                    "'https://a.example/t/$1' }");
    assert_goes_to(f, "https://a.example/t/");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RULES_TEST(test_cel_sees_the_message),
        RULES_TEST(test_cel_sees_authentication),
        RULES_TEST(test_cel_errors_show_a_caret),
        RULES_TEST(test_cel_raises_when_it_must),
        RULES_TEST(test_regex),
        RULES_TEST(test_wrong_tables),
        RULES_TEST(test_regex_of_all_fields),
        RULES_TEST(test_regex_groups_in_its_destination),
    };
    return RUN_TESTS(tests);
}
