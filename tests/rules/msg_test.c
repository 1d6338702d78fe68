/* msg: what a rule reads, what it is refused, and how headers are reshaped. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char full_message[] = "Received: from a by b; Thu, 13 Feb 2020 13:44:12 -0800\n"
                                   "From: =?utf-8?q?Ad=C3=A9?= <ada@sender.example>\n"
                                   "To: User <user@example.com>, other@example.com\n"
                                   "Cc: boss@example.com\n"
                                   "Subject: =?utf-8?b?w6l0w6k=?= fnord\n"
                                   "Date: Thu, 13 Feb 2020 13:44:12 -0800\n"
                                   "Message-ID: <one@sender.example>\n"
                                   "X-Tag: a\n"
                                   "x-tag: b\n"
                                   "MIME-Version: 1.0\n"
                                   "Content-Type: multipart/mixed; boundary=b\n"
                                   "\n"
                                   "--b\n"
                                   "Content-Type: multipart/related; boundary=r\n"
                                   "\n"
                                   "--r\n"
                                   "Content-Type: text/html; charset=utf-8\n"
                                   "\n"
                                   "<p>h\xc3\xa9llo <img src=\"cid:i1\"></p>\n"
                                   "--r\n"
                                   "Content-Type: image/png; name=dot.png\n"
                                   "Content-ID: <i1>\n"
                                   "Content-Disposition: inline\n"
                                   "Content-Transfer-Encoding: base64\n"
                                   "\n"
                                   "AAEC\n"
                                   "--r--\n"
                                   "--b\n"
                                   "Content-Type: application/pdf\n"
                                   "Content-Disposition: attachment; filename=\"a b.pdf\"\n"
                                   "Content-Transfer-Encoding: base64\n"
                                   "\n"
                                   "aGVsbG8=\n"
                                   "--b--\n";

/* Each line must hold. */
static void assert_all(struct fixture *f, const char *const *lines)
{
    for (; *lines; lines++) {
        fixture_body(f, *lines);
        if (f->verdict->kind != VERDICT_NO_MATCH)
            fail_msg("%s: %s", *lines, f->log);
    }
}

static void test_reads(void **state)
{
    static const char *const lines[] = {
        "assert(msg.subject == '\xc3\xa9t\xc3\xa9 fnord')",
        "assert(msg.from.email == 'ada@sender.example' and msg.from.name == 'Ad\xc3\xa9')",
        "assert(#msg.to == 2 and msg.to[1].name == 'User' and msg.to[2].name == nil)",
        "assert(msg.to[2].email == 'other@example.com' and msg.to[3] == nil)",
        "assert(#msg.cc == 1 and msg.cc[1].email == 'boss@example.com')",
        "assert(msg.date == 'Thu, 13 Feb 2020 13:44:12 -0800' and msg.timestamp == 1581630252)",
        "assert(msg.message_id == 'one@sender.example' and msg.size > 700)",
        "assert(msg.text == nil and msg.html:find('h\xc3\xa9llo', 1, true))",
        "assert(#msg.attachments == 1 and #msg.inlines == 1)",
        "local a = msg.attachments[1] assert(a.name == 'a b.pdf' and a.type == 'application/pdf')",
        "local a = msg.attachments[1] assert(a.size == 5 and a.content == 'hello')",
        "local a = msg.inlines[1] assert(a.cid == 'i1' and a.content == '\\0\\1\\2' and a.size == "
        "3)",
        "local n = 0 for i, a in ipairs(msg.attachments) do n = n + i assert(a.size == 5) end"
        " assert(n == 1)",
        "local n = 0 for _, to in pairs(msg.to) do n = n + #to.email end assert(n == 33)",
        "assert(msg.envelope.sender == 'ada@sender.example')",
        "assert(msg.envelope.recipient == 'user@example.com')",
        "assert(msg.envelope.client_ip == '192.0.2.1' and msg.envelope.tls == false)",
        "assert(msg.envelope.user == nil and msg.auth.spf.result == 'none' and #msg.auth.dkim == 0)",
        "assert(msg.auth.dmarc.result == 'none' and msg.auth.dmarc.policy == nil and msg.auth.iprev.result == 'none')",
        "assert(msg.headers['x-tag'] == 'a' and msg.headers.Subject == msg.subject)",
        "assert(msg.headers.nothing == nil and msg.headers['X-TAG'] == 'a')",
        "local all = msg.headers:all('X-Tag') assert(#all == 2 and all[1] == 'a' and all[2] == "
        "'b')",
        "assert(#msg.headers:all('nothing') == 0)",
        "local t = {} for name, value in msg.headers:iter() do t[#t + 1] = name .. '=' .. value end"
        " assert(table.concat(t, ';'):find('X-Tag=a;x-tag=b;MIME-Version=1.0', 1, true))",
        "local a, b = 0, 0 for _ in pairs(msg.headers) do a = a + 1 end"
        " for _ in msg.headers:iter() do b = b + 1 end assert(a == b and a > 9)",
        "assert(msg.headers['Delivered-To'] == 'user@example.com')",
        NULL};
    fixture_message(*state, full_message);
    assert_all(*state, lines);
}

static void test_message_without_anything(void **state)
{
    static const char *const lines[] = {
        "assert(msg.subject == '' and msg.text == '' and msg.html == nil)",
        "assert(msg.from.email == nil and #msg.to == 0 and #msg.cc == 0)",
        "assert(msg.date == nil and msg.message_id == nil and msg.timestamp == 1600000000)",
        "assert(#msg.attachments == 0 and #msg.inlines == 0)", NULL};
    fixture_message(*state, "X-A: b\n\n");
    assert_all(*state, lines);
}

struct refusal {
    const char *body, *says;
};

static void test_refusals(void **state)
{
    static const struct refusal refusals[] = {
        {"msg.subject = 'x'",
         "10.lua:2: msg.subject is read-only: rules may change msg.headers only"},
        {"msg.new = 'x'", "msg.new is read-only"},
        {"msg.headers = {}", "msg.headers cannot be replaced"},
        {"msg.from.email = 'x'", "msg.from is read-only"},
        {"msg.to[1] = nil", "msg.to is read-only"},
        {"msg.envelope.recipient = 'x'", "msg.envelope is read-only"},
        {"msg.attachments[1].name = 'x'", "attachments are read-only"},
        {"msg.attachments[1] = nil", "msg.attachments is read-only"},
        {"return msg.sbject", "msg has no field 'sbject'; it has subject, text"},
        {"return msg[1]", "msg has no field 'number'"},
        {"return msg.envelope.from", "msg.envelope has no field 'from'; it has sender, recipient"},
        {"return msg.from.address", "msg.from has no field 'address'; it has name, email"},
        {"return msg.attachments[1].body", "an attachment has no field 'body'"},
        {"return msg.headers[1]", "the name of a header is a string, not a number"},
        {"msg.headers['a b'] = 'x'", "not the name of a header"},
        {"msg.headers['a:b'] = 'x'", "not the name of a header"},
        {"msg.headers[''] = 'x'", "not the name of a header"},
        {"msg.headers['a\\0b'] = 'x'", "not the name of a header"},
        {"msg.headers['\xc3\xa9'] = 'x'", "not the name of a header"},
        {"msg.headers[('a'):rep(256)] = 'x'", "not the name of a header"},
        {"msg.headers.x = 'a\\r\\nBcc: b'", "header x: a value cannot hold CR, LF or NUL"},
        {"msg.headers.x = 'a\\nb'", "cannot hold CR, LF or NUL"},
        {"msg.headers.x = 'a\\0b'", "cannot hold CR, LF or NUL"},
        {"msg.headers.x = {'a', 'b\\nc'}", "cannot hold CR, LF or NUL"},
        {"msg.headers.x = true", "header x: a string, a list of strings or nil was expected, not a "
                                 "boolean"},
        {"msg.headers.x = {{}}", "not a list with a table"},
        {"local t = {} t[1] = t msg.headers.x = t", "not a list with a table"},
        {"msg.headers.x = msg.headers", "not a userdata"},
        {"msg.headers.x = ('a'):rep(262145)", "the limit is 262144"},
        {"local t = {} for i = 1, 10001 do t[i] = 'a' end msg.headers.x = t", "over 10000 headers"},
    };
    fixture_message(*state, full_message);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        fixture_body(*state, refusals[i].body);
        assert_raises(*state, refusals[i].says);
    }
}

static void test_reshaping(void **state)
{
    struct fixture *f = *state;
    fixture_message(f, full_message);
    fixture_body(f, "msg.headers['X-Tag'] = 'one'\n"
                    "msg.headers['X-New'] = {'a', 'b', 7}\n"
                    "msg.headers.subject = nil\n"
                    "msg.headers['X-Gone'] = nil\n"
                    "msg.headers.date = 'a\\255b'\n"
                    "msg.headers.cc = {}\n"
                    "assert(msg.headers['x-new'] == 'a' and msg.headers.subject == nil)\n"
                    "assert(msg.subject == '\xc3\xa9t\xc3\xa9 fnord')\n"
                    "return 'https://a.example/'");
    assert_goes_to(f, "https://a.example/");
    assert_header(f, "X-Tag", "one");
    assert_header(f, "X-New", "a|b|7");
    assert_header(f, "Subject", "(none)");
    assert_header(f, "Cc", "(none)");
    assert_header(f, "Date",
                  "a\xef\xbf\xbd"
                  "b");
    /* the place and the name of the first stay */
    size_t tag = header_list_find(&f->verdict->headers, "x-tag", 0);
    assert_string_equal(f->verdict->headers.items[tag].name, "X-Tag");
    assert_string_equal(f->verdict->headers.items[tag + 1].name, "MIME-Version");
    size_t end = f->verdict->headers.count;
    assert_string_equal(f->verdict->headers.items[end - 1].value, "7");
}

static void test_reshaping_stays_with_its_recipient(void **state)
{
    struct fixture *f = *state;
    fixture_rule(f, "return {function(msg)\n"
                    "  if msg.envelope.recipient == 'user@example.com' then\n"
                    "    msg.headers['X-Tag'] = 'reshaped'\n"
                    "  end\n"
                    "end,\n"
                    "function(msg) return 'https://a.example/' .. msg.headers['X-Tag'] end}");
    assert_goes_to(f, "https://a.example/reshaped"); /* later rules of the same run see it */
    fixture_run(f, "other@example.com");
    assert_goes_to(f, "https://a.example/a");
    assert_header(f, "X-Tag", "a|b");
}

static void test_kept_msg_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const kept[] = {"msg", "msg.headers", "msg.attachments[1]"};
    static const char *const used[] = {"kept.subject", "kept.subject", "kept.content"};
    fixture_message(f, full_message);
    for (size_t i = 0; i < 3; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "local kept\nreturn function(msg)\nif kept then return %s end\n"
                 "kept = %s\nreturn 'https://a.example/' end",
                 used[i], kept[i]);
        fixture_rule(f, text);
        assert_goes_to(f, "https://a.example/");
        fixture_run(f, "user@example.com");
        assert_raises(f, "10.lua:3: this message is gone");
    }
    fixture_rule(f, "local next_header\nreturn function(msg)\n"
                    "if next_header then return next_header() end\n"
                    "next_header = msg.headers:iter() next_header() end");
    fixture_run(f, "user@example.com");
    assert_raises(f, "this message is gone");
}

static void test_text_is_cut_between_characters(void **state)
{
    struct fixture *f = *state;
    static const int kept[] = {0, 0, 2, 2, 4, 5, 5, 5, 8};
    fixture_message(f, "Content-Type: text/plain; charset=utf-8\n\n\xc3\xa9\xc3\xa9"
                       "a\xe2\x82\xacz");
    for (size_t limit = 1; limit < 9; limit++) {
        char expected[64];
        f->config.text_limit = limit;
        fixture_body(f, "return 'https://a.example/' .. #msg.text");
        snprintf(expected, sizeof expected, "https://a.example/%d", kept[limit]);
        assert_goes_to(f, expected);
    }
    f->config.text_limit = 100;
    fixture_body(f, "return 'https://a.example/' .. #msg.text");
    assert_goes_to(f, "https://a.example/9");
}

static void test_large_attachment_meets_the_limit(void **state)
{
    struct fixture *f = *state;
    static const char head[] = "Content-Type: application/x; name=a\n\n";
    size_t size = 12 << 20;
    char *text = malloc(sizeof head + size);
    assert_non_null(text);
    memcpy(text, head, sizeof head - 1);
    memset(text + sizeof head - 1, 'x', size);
    text[sizeof head - 1 + size] = '\0';
    fixture_message(f, text);
    free(text);
    f->config.time_limit_ms = 20000;
    fixture_body(f, "return 'https://a.example/' .. #msg.attachments[1].content");
    assert_goes_to(f, "https://a.example/12582912");
    f->config.memory_limit = 8 << 20;
    fixture_body(f, "return 'https://a.example/' .. msg.attachments[1].size");
    assert_goes_to(f, "https://a.example/12582912");
    fixture_body(f, "return 'https://a.example/' .. #msg.attachments[1].content");
    assert_raises(f, "memory limit of 8388608 bytes");
}

/* The sizes of large attachments are there for rules that send them elsewhere. */
static void test_counting_does_not_use_up_the_time(void **state)
{
    struct fixture *f = *state;
    static const char head[] = "Content-Type: application/x; name=a\n"
                               "Content-Transfer-Encoding: base64\n\n";
    size_t size = 96 << 20;
    char *text = malloc(sizeof head + size);
    assert_non_null(text);
    memcpy(text, head, sizeof head - 1);
    for (size_t i = 0; i < size; i++)
        text[sizeof head - 1 + i] = i % 64 == 63 ? '\n' : 'A';
    text[sizeof head - 1 + size] = '\0';
    fixture_message(f, text);
    free(text);
    f->config.time_limit_ms = 100;
    fixture_rule(f, "return route.cel { when = 'attachments.exists(a, a.size > 70000000)',"
                    " to = 'https://a.example/' }");
    assert_goes_to(f, "https://a.example/");
    fixture_body(f, "local n = 0 for i = 1, 1000 do n = n + msg.attachments[1].size end\n"
                    "return 'https://a.example/' .. n / 1000");
    assert_goes_to(f, "https://a.example/74317824");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RULES_TEST(test_reads),
        RULES_TEST(test_message_without_anything),
        RULES_TEST(test_refusals),
        RULES_TEST(test_reshaping),
        RULES_TEST(test_reshaping_stays_with_its_recipient),
        RULES_TEST(test_kept_msg_is_refused),
        RULES_TEST(test_text_is_cut_between_characters),
        RULES_TEST(test_large_attachment_meets_the_limit),
        RULES_TEST(test_counting_does_not_use_up_the_time),
    };
    return RUN_TESTS(tests);
}
