/* What is done about what was found of a client: the whole reply, and the whole line of the log. */
#include "auth/policy.h"

#include "../captured_log.h"
#include "../test.h"

static struct dnsbl_result lists[] = {
    {.zone = "one.example", .listed = true},
    {.zone = "two.example", .listed = false, .refuse = true},
    {.zone = "three.example", .listed = true, .refuse = true, .reason = "ask us"},
    {.zone = "four.example", .listed = true, .refuse = true},
};

static void assert_refused(const struct auth_config *config, const struct envelope *envelope,
                           const struct auth_result *result, const char *text)
{
    struct reply reply = {0};
    assert_int_equal(policy_refuses(config, envelope, result, &reply), text != NULL);
    assert_int_equal(reply.code, text ? 550 : 0);
    assert_string_equal(reply.enhanced, text ? "5.7.1" : "");
    assert_string_equal(reply.text, text ? text : "");
}

static void refuses_by_dmarc(void **state)
{
    const struct auth_config on = {.enforce = true}, off = {0};
    const struct envelope envelope = {.client_ip = "192.0.2.1"};
    struct auth_result result = {.dmarc.domain = "from.example", .refuse = true};
    (void)state;
    assert_refused(&on, &envelope, &result, "Refused by the DMARC policy of from.example");
    assert_refused(&off, &envelope, &result, NULL);
    result.refuse = false;
    assert_refused(&on, &envelope, &result, NULL);
}

static void refuses_by_a_list(void **state)
{
    const struct auth_config config = {0};
    struct envelope envelope = {.client_ip = "192.0.2.1"};
    struct auth_result result = {.dmarc.domain = "", .dnsbl = lists};
    (void)state;
    assert_refused(&config, &envelope, &result, NULL);
    result.dnsbl_count = 2; /* one that refuses nothing, and one that does not list it */
    assert_refused(&config, &envelope, &result, NULL);
    result.dnsbl_count = 3;
    assert_refused(&config, &envelope, &result,
                   "Your address 192.0.2.1 is listed by three.example: ask us");
    result.dnsbl_count = 4; /* the first of two */
    assert_refused(&config, &envelope, &result,
                   "Your address 192.0.2.1 is listed by three.example: ask us");
    result.dnsbl = lists + 3;
    result.dnsbl_count = 1;
    assert_refused(&config, &envelope, &result, "Your address 192.0.2.1 is listed by four.example");
    envelope.user = "printer";
    assert_refused(&config, &envelope, &result, NULL);
}

/* Nothing, or a line with what was checked. */
static void says_what_was_checked(void **state)
{
    static const struct {
        struct auth_config config;
        enum auth_code iprev;
        size_t lists;
        const char *line;
    } rows[] = {
        {{0}, AUTH_NONE, 0, ""},
        {{.spf = true},
         AUTH_NONE,
         0,
         "info auth id=1-1 spf=softfail signatures=3 dmarc=fail from=from.example\n"},
        {{.dkim = true},
         AUTH_NONE,
         0,
         "info auth id=1-1 spf=softfail signatures=3 dmarc=fail from=from.example\n"},
        {{.dmarc = true},
         AUTH_NONE,
         0,
         "info auth id=1-1 spf=softfail signatures=3 dmarc=fail from=from.example\n"},
        {{0}, AUTH_PASS, 0, "info auth id=1-1 iprev=pass client_name=mx.example\n"},
        {{0}, AUTH_NONE, 1, "info auth id=1-1 dnsbl=one.example\n"},
        {{0}, AUTH_NONE, 4, "info auth id=1-1 dnsbl=one.example,three.example,four.example\n"},
        {{.spf = true},
         AUTH_PASS,
         2,
         "info auth id=1-1 spf=softfail signatures=3 dmarc=fail from=from.example iprev=pass "
         "client_name=mx.example dnsbl=one.example\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct auth_result result = {.spf.code = AUTH_SOFTFAIL,
                                           .dkim_count = 3,
                                           .dmarc = {AUTH_FAIL, "from.example", NULL, NULL},
                                           .iprev = {rows[i].iprev, "mx.example", NULL},
                                           .dnsbl = lists,
                                           .dnsbl_count = rows[i].lists};
        CAPTURE(policy_log("1-1", &rows[i].config, &result));
        assert_string_equal(after_time(), rows[i].line);
    }
}

/* RFC 8601's words, each way. */
static void each_code_has_its_word(void **state)
{
    static const char *const words[] = {"none",    "pass",   "fail",      "softfail",
                                        "neutral", "policy", "temperror", "permerror"};
    enum auth_code code;
    (void)state;
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        assert_string_equal(auth_code_name((enum auth_code)i), words[i]);
        assert_true(auth_code_parse(words[i], &code));
        assert_int_equal(code, i);
    }
    assert_false(auth_code_parse("", &code));
    assert_false(auth_code_parse("PASS", &code));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_by_dmarc),
        cmocka_unit_test(refuses_by_a_list),
        cmocka_unit_test(says_what_was_checked),
        cmocka_unit_test(each_code_has_its_word),
    };
    return RUN_TESTS(tests);
}
