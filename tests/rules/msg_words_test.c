/* What msg says of a message beside its fields: the recipient's parts, automatic mail, bounces, the
 * reply's own text. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

/* The rule's body asserts; it must not raise. */
static void check(struct fixture *f, const char *message, const char *recipient, const char *body)
{
    char text[2048];
    if (message)
        fixture_message(f, message);
    snprintf(text, sizeof text,
             "local cel = require 'mxhook.cel'\nlocal function same(a, b) if a ~= b then "
             "error(('%%s, not "
             "%%s'):format(tostring(a), tostring(b)), 2) end end\nreturn function(msg)\n%s\nend",
             body);
    fixture_rules(f, "10.lua", text);
    fixture_load(f);
    fixture_run(f, recipient);
    if (f->verdict->kind != VERDICT_NO_MATCH)
        fail_msg("%s: %s", body, f->log);
}

static void test_parts_of_the_recipient(void **state)
{
    static const struct {
        const char *recipient, *localpart, *tag, *domain, *address;
    } rows[] = {
        {"Support+ACME@Example.COM", "'support'", "'acme'", "'example.com'",
         "'support+acme@example.com'"},
        {"sales@example.com", "'sales'", "nil", "'example.com'", "'sales@example.com'"},
        {"a+b+c@example.com", "'a'", "'b+c'", "'example.com'", "'a+b+c@example.com'"},
        {"a+@example.com", "'a'", "''", "'example.com'", "'a+@example.com'"},
        {"+a@example.com", "'+a'", "nil", "'example.com'", "'+a@example.com'"},
        {"\"A+B\"@example.com", "'\"a+b\"'", "nil", "'example.com'", "'\"a+b\"@example.com'"},
        {"J\xC3\x96RG@B\xC3\xBC"
         "cher.example",
         "'j\\195\\182rg'", "nil", "'xn--bcher-kva.example'",
         "'j\\195\\182rg@xn--bcher-kva.example'"},
        {"a@[192.0.2.1]", "'a'", "nil", "'[192.0.2.1]'", "'a@[192.0.2.1]'"},
        {"postmaster", "'postmaster'", "nil", "''", "'postmaster'"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char body[600];
        snprintf(body, sizeof body,
                 "local e = msg.envelope same(e.localpart, %s) same(e.tag, %s) same(e.domain, %s) "
                 "same(e.address, %s)",
                 rows[i].localpart, rows[i].tag, rows[i].domain, rows[i].address);
        check(*state, NULL, rows[i].recipient, body);
    }
    check(
        *state, NULL, "Support+ACME@Example.COM",
        "same(msg.envelope.recipient, 'Support+ACME@Example.COM')\n"
        "assert(cel.compile(\"recipient == 'support+acme@example.com' && localpart == 'support' && "
        "tag == 'acme' && domain == 'example.com'\")(msg))");
    check(*state, NULL, "a@b.example", "assert(cel.compile(\"tag == ''\")(msg))");
}

static void test_time_of_receipt(void **state)
{
    struct fixture *f = *state;
    f->transaction->received_ms = 1772353800999;
    check(f, NULL, "a@b.example",
          "same(msg.received, 1772353800)\n"
          "assert(cel.compile(\"now == timestamp('2026-03-01T08:30:00Z') && now != "
          "timestamp\")(msg))\n"
          "assert(cel.compile(\"now.getHours('Europe/Berlin') == 9\")(msg))");
}

static void test_automatic(void **state)
{
    static const struct {
        const char *headers, *kind, *reason;
    } rows[] = {
        {"", "nil", "nil"},
        {"Auto-Submitted: auto-replied\n", "'reply'", "'Auto-Submitted: auto-replied'"},
        {"Auto-Submitted: Auto-Replied; owner-email=a\n", "'reply'", NULL},
        {"Auto-Submitted: auto-generated\n", "'report'", NULL},
        {"Auto-Submitted: auto-notified\n", "'report'", NULL},
        {"Auto-Submitted: no\n", "nil", NULL},
        {"Precedence: auto_reply\n", "'reply'", NULL},
        {"Precedence: bulk\n", "'list'", "'Precedence: bulk'"},
        {"Precedence: LIST\n", "'list'", NULL},
        {"Precedence: first-class\n", "nil", NULL},
        {"Precedence: bulky\n", "nil", NULL},
        {"List-Id: <a.example>\n", "'list'", "'List-Id: <a.example>'"},
        {"X-Auto-Response-Suppress: OOF, AutoReply\n", "'reply'", NULL},
        {"X-Auto-Response-Suppress: None\n", "nil", NULL},
        {"X-Failed-Recipients: a@b.example\nAuto-Submitted: auto-replied\n", "'bounce'",
         "'X-Failed-Recipients: a@b.example'"},
        {"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n", "'bounce'",
         NULL},
        {"Content-Type: multipart/report; boundary=b;\n report-type=\"disposition-notification\"\n",
         "'report'", NULL},
        {"Content-Type: multipart/report; report-type=\"delivery-status\"\n", "'bounce'", NULL},
        {"Content-Type: multipart/reports\n", "nil", NULL},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char message[400], body[400];
        snprintf(message, sizeof message, "From: a@b.example\n%s\nText\n", rows[i].headers);
        snprintf(body, sizeof body,
                 "same(msg.automatic, %s)\n%s%s%s\n"
                 "assert(cel.compile(\"automatic == '\" .. (msg.automatic or '') .. \"'\")(msg))",
                 rows[i].kind, rows[i].reason ? "same(msg.automatic_reason, " : "",
                 rows[i].reason ? rows[i].reason : "", rows[i].reason ? ")" : "");
        check(f, message, "a@b.example", body);
    }
    assert_int_equal(transaction_set_sender(f->transaction, ""), 0);
    check(f, "From: a@b.example\n\nText\n", "a@b.example",
          "same(msg.automatic, 'bounce') same(msg.automatic_reason, 'null sender') "
          "same(msg.bounce, nil)");
    check(f, "From: a@b.example\nAuto-Submitted: auto-replied\n\nText\n", "a@b.example",
          "same(msg.automatic, 'reply')");
    check(f, "From: a@b.example\nAuto-Submitted: auto-generated\n\nText\n", "a@b.example",
          "same(msg.automatic, 'bounce')");
}

#define BOUNCE                                                                                     \
    "From: mailer-daemon@mx.example\nSubject: failed\nMIME-Version: 1.0\n"                         \
    "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"                  \
    "--b\n\nIt failed.\n--b\nContent-Type: message/delivery-status\n\n"

static void test_bounce(void **state)
{
    check(*state,
          BOUNCE
          "Reporting-MTA: dns; mx.example\n\nOriginal-Recipient: rfc822;old@c.example\n"
          "Final-Recipient: rfc822; joe@c.example\nAction: failed\nStatus: 5.1.1\n"
          "Diagnostic-Code: smtp; 550 5.1.1\n <joe@c.example>: no such user\n\n"
          "Final-Recipient: rfc822; ann@c.example\nAction: delayed\n--b\n"
          "Content-Type: message/rfc822\n\nFrom: a@b.example\nMessage-ID: <one@b.example>\n\nHi\n"
          "--b--\n",
          "a@b.example",
          "local b = msg.bounce same(msg.automatic, 'bounce') same(b.recipient, 'joe@c.example')\n"
          "same(b.action, 'failed') same(b.status, '5.1.1') same(b.message_id, 'one@b.example')\n"
          "same(b.diagnostic, '550 5.1.1 <joe@c.example>: no such user')\n"
          "assert(not pcall(function() b.status = '' end))");
    check(*state, BOUNCE "\nStatus:\n--b\nContent-Type: text/rfc822-headers\n\nSubject: a\n--b--\n",
          "a@b.example",
          "local b = msg.bounce same(b.recipient, nil) same(b.status, '') same(b.message_id, nil)");
    /* What is said of the next recipient, or in the message's text, is not said of this one. */
    check(
        *state,
        BOUNCE
        "\nReporting-MTA: dns; mx.example\n \n\nFinal-recipient: RFC822;Joe@c.example\n"
        "Action: Relayed (to non-DSN)\nStatus: 2.1.5 (ok)\n\t\n"
        "Final-Recipient: rfc822; ann@c.example\nDiagnostic-Code: smtp; 550 no\n--b\n"
        "Content-Type: message/rfc822\n\nFrom: a@b.example\n\nMessage-ID: <no@b.example>\n--b--\n",
        "a@b.example",
        "local b = msg.bounce same(b.recipient, 'Joe@c.example') same(b.action, 'relayed')\n"
        "same(b.status, '2.1.5') same(b.diagnostic, nil) same(b.message_id, nil)");
    check(*state, BOUNCE "--b--\n", "a@b.example", "same(msg.bounce, nil)");
    check(*state, "From: a@b.example\n\nText\n", "a@b.example", "same(msg.bounce, nil)");
}

static void test_repairs(void **state)
{
    check(*state, "From: a@b.example\n\nx\n", "a@b.example", "same(#msg.repairs, 0)");
    check(*state, "From x\nFrom: a@b.example\nstray line\nX: y\n\nx\n", "a@b.example",
          "same(msg.repairs[1], 'mbox-line') same(msg.repairs[2], 'stray-lines')\n"
          "same(#msg.repairs, 2)");
}

static void test_reply_text(void **state)
{
    static const struct {
        const char *text, *reply;
    } rows[] = {
        {"Yes.\n\nOn Mon, 1 Mar 2026 at 09:00, Ada <ada@a.example> wrote:\n> Is it?\n> Really?\n",
         "Yes."},
        {"Yes.\n\nOn Mon, 1 Mar 2026 at 09:00, A very long name\n<ada@a.example> wrote:\n\n> Is "
         "it?\n",
         "Yes."},
        {"Ja.\n\nAm 01.03.26 um 09:00 schrieb Ada:\n> Ist es so?\n", "Ja."},
        {"On it.\n-- \nBob\nACME\n", "On it."},
        {"Will do\n\nSent from my iPhone\n\n> On 1 Mar 2026, at 09:00, Ada <a@b> wrote:\n> x\n",
         "Will do"},
        {"On 1 Mar 2026, Ada <a@b.example> wrote:\n> First?\nYes.\n> Second?\nNo.\n", "Yes.\nNo."},
        {"See below.\n\nFrom: Ada\nSent: Monday\nTo: Bob\nSubject: Hi\n\nText\n", "See below."},
        {"Fine\n\n-----Original Message-----\nFrom: Ada\n\nold\n", "Fine"},
        {"Fine\n________________________________\nFrom: Ada\nSent: Monday\nTo: Bob\n\nold\n",
         "Fine"},
        {"New text\n##- Please type your reply above this line -##\nOld text\n", "New text"},
        {"On Monday he wrote:\nnothing.\nFrom: here it is mine.\n",
         "On Monday he wrote:\nnothing.\nFrom: here it is mine."},
        {"All mine -- and mine\n", "All mine -- and mine"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char message[600], body[800];
        snprintf(message, sizeof message, "From: a@b.example\n\n%s", rows[i].text);
        snprintf(body, sizeof body, "same(msg.reply_text, [==[%s]==])", rows[i].reply);
        check(*state, message, "a@b.example", body);
    }
    check(*state,
          "From: a@b.example\nContent-Type: "
          "text/html\n\n<html><head><title>t</title><style>p{}</style></head>"
          "<body><p>Yes &amp; no&#33;</p><div>Two</div><div class=\"gmail_quote\">On ... wrote:"
          "<blockquote>old</blockquote></div></body></html>\n",
          "a@b.example", "same(msg.reply_text, 'Yes & no!\\n\\nTwo')");
    check(*state, "From: a@b.example\nContent-Type: image/png\n\nabc\n", "a@b.example",
          "same(msg.reply_text, nil)");
}

static void test_encoding(void **state)
{
    check(*state, NULL, "a@b.example",
          "same(route.encode('a b/\\195\\169?&..~'), 'a%20b%2F%C3%A9%3F%26..~')\n"
          "same(route.encode(7), '7') assert(not pcall(route.encode, {}))\n"
          "same(route.encode_base64(''), '') same(route.encode_base64('a'), 'YQ==')\n"
          "same(route.encode_base64('Hi!\\0'), 'SGkhAA==')\n"
          "same(#route.encode_base64(('a'):rep(65536)), 87384)\n"
          "assert(not pcall(route.encode_base64, ('a'):rep(65537)))\n"
          "assert(not pcall(route.encode_base64))");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RULES_TEST(test_parts_of_the_recipient),
        RULES_TEST(test_time_of_receipt),
        RULES_TEST(test_automatic),
        RULES_TEST(test_bounce),
        RULES_TEST(test_repairs),
        RULES_TEST(test_reply_text),
        RULES_TEST(test_encoding),
    };
    return RUN_TESTS(tests);
}
