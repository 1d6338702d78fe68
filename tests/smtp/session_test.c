/* What the dialogues cannot show: what is submitted, how input is used, time-outs, shutting down.
 */
#include "smtp/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../test.h"
#include "fixture.h"
#include "waiting.h"
#include "base/spill.h"

#define GREETING "220 mx.test ESMTP mxhook\r\n"
#define EHLO_REPLY                                                                                 \
    "250-mx.test\r\n250-SIZE 100000\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"         \
    "250-CHUNKING\r\n250-BINARYMIME\r\n250-LIMITS RCPTMAX=5\r\n"                                   \
    "250-ENHANCEDSTATUSCODES\r\n250 HELP\r\n"
#define TRANSACTION "MAIL FROM:<a@b.test>\r\nRCPT TO:<user@example.com>\r\nDATA\r\n"
#define TRANSACTION_REPLY                                                                          \
    "250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n354 End data with <CR><LF>.<CR><LF>\r\n"

static struct config *config;
static struct peer peer;

static int start(void **state)
{
    (void)state;
    config = fixture_config("");
    peer_start(&peer, config, "/tmp");
    peer_expect(&peer, GREETING);
    return 0;
}

static int end(void **state)
{
    (void)state;
    peer_end(&peer);
    config_unref(config);
    return 0;
}

static void begin_data(void)
{
    peer_exchange(&peer, "HELO client.test\r\n" TRANSACTION, "250 mx.test\r\n" TRANSACTION_REPLY);
}

/* One 421, and nothing of what follows is answered. */
static void expect_end_of(const char *line, size_t size, size_t step, const char *before)
{
    peer_start(&peer, config, "/tmp");
    peer_say(&peer, before);
    size_t greeted = peer.replies_size;
    peer_play(&peer, line, size, step);
    const char *reply = peer.replies + greeted;
    if (!peer.closed)
        fail_msg("%s answered %s", line, reply);
    assert_int_equal(strncmp(reply, "421 4.7.0 mx.test ", 18), 0);
    assert_string_equal(strstr(reply, "\r\n"), "\r\n");
    peer_expect(&peer, peer.replies);
    peer_end(&peer);
}

/* What was never SMTP is not answered twice, whole or not, whatever fault its first line has. */
static void other_protocols_end_the_session(void **state)
{
    (void)state;
#define LINE(text) {text "\r\n" TRANSACTION, sizeof text "\r\n" TRANSACTION - 1}
#define LONG       "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LONGER     LONG LONG LONG LONG LONG LONG LONG LONG
    static const struct {
        const char *text;
        size_t size;
    } lines[] = {
        LINE("GET"),
        LINE("gEt \t"),
        LINE("\t post / HTTP/1.1"),
        LINE("PUT /\0 HTTP/1.1"),
        LINE("POST /\r HTTP/1.1"),
        LINE("CONNECT " LONGER LONGER LONGER " HTTP/1.1"),
        LINE("GET / HTTP/1.0\nHost: x"),
        LINE("PRI * HTTP/2.0"),
        LINE("PROPFIND / HTTP/1.1"),
        LINE("M-SEARCH * HTTP/1.1 "),
        LINE("DESCRIBE rtsp://x/ RTSP/1.0"),
        LINE("INVITE sip:x SIP/2.0"),
        LINE("Host: x"),
        LINE("Content-Length:12"),
        LINE("Content-Length : 12"),
        LINE("SSH-2.0-x"),
        LINE("{\"a\": 1}"),
        LINE("--boundary"),
        LINE("\xff\xfd\x06"),
        LINE("\x80\x2e\x01\0\x02"),
        LINE("\x16\x03\x01\x02\0\x01\n\n\n"),
    };
    peer_end(&peer);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        expect_end_of(lines[i].text, lines[i].size, lines[i].size, "");
        expect_end_of(lines[i].text, lines[i].size, 1, "");
        expect_end_of(lines[i].text, lines[i].size, 3, "EHLO x\r\nMAIL FROM:<a@b.test>\r\n");
    }
    peer_start(&peer, config, "/tmp");
    peer_expect(&peer, GREETING);
}

/* And what looks like it is answered as a command. */
static void what_only_looks_like_another_protocol(void **state)
{
    (void)state;
    peer_exchange(&peer,
                  "HELO GET / HTTP/1.1\r\nNOOP HTTP/1.1\r\nGETS\r\n mailfrom:<a@b.test>\r\n"
                  "HELO x:\r\nXY/1.1\r\n",
                  "250 mx.test\r\n250 2.0.0 OK\r\n500 5.5.2 Command not recognized\r\n"
                  "500 5.5.2 Command not recognized\r\n250 mx.test\r\n"
                  "500 5.5.2 Command not recognized\r\n");
}

/* What a client calls itself is shown in logs, histories and payloads: nothing of it acts there. */
static void a_name_is_made_printable(void **state)
{
    (void)state;
    peer_say(&peer,
             "EHLO \xc3\xa9\x1b\xc2\x85\xe2\x80\xae\xf3\xa0\x81\x81\xffz\xe2\x80\r\n" TRANSACTION
             "Subject: x\r\n\r\n.\r\n");
    assert_int_equal(peer.submitted_count, 1);
#define REPLACED "\xef\xbf\xbd"
    assert_string_equal(peer.submitted[0]->envelope.helo,
                        "\xc3\xa9" REPLACED REPLACED REPLACED REPLACED REPLACED
                        "z" REPLACED REPLACED);
}

static void transaction_holds_what_was_said(void **state)
{
    (void)state;
    peer_say(&peer, "EHLO client.test\r\n"
                    "MAIL FROM:<@route.test:Sender@b.test> BODY=8BITMIME SMTPUTF8\r\n"
                    "RCPT TO:<User@Example.com>\r\nRCPT TO:<\"q p\"@a.sub.example.com>\r\n"
                    "RCPT TO:<postMaster>\r\nRCPT TO:<User@example.COM>\r\nDATA\r\n"
                    "Subject: x\r\n\r\n..dot\r\n.\r\n");
    assert_int_equal(peer.submitted_count, 1);
    const struct transaction *t = peer.submitted[0];
    const struct envelope *e = &t->envelope;
    assert_string_equal(t->id, "connection-1");
    assert_true(t->received_ms > 1700000000000);
    assert_string_equal(e->sender, "Sender@b.test");
    assert_int_equal(e->recipient_count, 3);
    assert_string_equal(e->recipients[0], "User@Example.com");
    assert_string_equal(e->recipients[1], "\"q p\"@a.sub.example.com");
    assert_string_equal(e->recipients[2], "postMaster@example.com");
    assert_string_equal(e->helo, "client.test");
    assert_string_equal(e->client_ip, "192.0.2.1");
    assert_true(e->esmtp && e->smtputf8 && e->eight_bit && !e->tls);
    assert_null(e->user);
    assert_non_null(t->rules);
    char *data = fixture_data(t);
    assert_string_equal(data, "Subject: x\r\n\r\n.dot\r\n");
    free(data);
}

static void ids_count_transactions(void **state)
{
    (void)state;
    peer.answers = true;
    peer_say(&peer, "HELO a\r\n" TRANSACTION ".\r\nMAIL FROM:<>\r\nRSET\r\n" TRANSACTION ".\r\n");
    assert_int_equal(peer.submitted_count, 2);
    assert_string_equal(peer.submitted[0]->id, "connection-1");
    assert_string_equal(peer.submitted[1]->id, "connection-3");
    assert_false(peer.submitted[1]->envelope.esmtp);
    assert_string_equal(peer.submitted[1]->envelope.sender, "a@b.test");
}

static void input_stops_at_a_submitted_message(void **state)
{
    (void)state;
    const char *first = "HELO client.test\r\n" TRANSACTION "one\r\n.\r\n";
    char text[512];
    snprintf(text, sizeof text, "%sNOOP\r\nQUIT\r\n", first);
    assert_false(session_is_waiting(peer.session));
    assert_int_equal(session_input(peer.session, text, strlen(text)), strlen(first));
    assert_true(session_is_waiting(peer.session));
    peer_expect(&peer, "250 mx.test\r\n" TRANSACTION_REPLY);
    assert_int_equal(session_input(peer.session, text, strlen(text)), 0);
    peer_answer(&peer, 250, "2.0.0", "Queued");
    assert_false(session_is_waiting(peer.session));
    peer_expect(&peer, "250 2.0.0 Queued\r\n");
    peer_exchange(&peer, text + strlen(first), "250 2.0.0 OK\r\n221 2.0.0 mx.test closing\r\n");
    assert_true(peer.closed);
    peer_exchange(&peer, "NOOP\r\n", "");
}

static void a_refusal_of_two_lines(void **state)
{
    (void)state;
    begin_data();
    peer_say(&peer, ".\r\n");
    peer_answer(&peer, 550, "5.7.1", "Not for me,\nask\rsomebody else");
    peer_expect(&peer, "550-5.7.1 Not for me,\r\n550 5.7.1 ask somebody else\r\n");
}

static void an_answer_from_inside_submit(void **state)
{
    (void)state;
    peer.answers_inside = true;
    peer_exchange(&peer, "HELO a\r\n" TRANSACTION ".\r\n" TRANSACTION ".\r\nQUIT\r\n",
                  "250 mx.test\r\n" TRANSACTION_REPLY "250 2.0.0 OK\r\n" TRANSACTION_REPLY
                  "250 2.0.0 OK\r\n221 2.0.0 mx.test closing\r\n");
    assert_true(peer.closed);
}

static void one_send_for_one_piece(void **state)
{
    (void)state;
    peer.sends = 0;
    peer_say(&peer, "EHLO client.test\r\n" TRANSACTION);
    assert_int_equal(peer.sends, 1);
    peer_expect(&peer, EHLO_REPLY TRANSACTION_REPLY);
    peer_say(&peer, "no reply to this");
    assert_int_equal(peer.sends, 1);
}

static void very_many_replies(void **state)
{
    (void)state;
    enum { COUNT = 10000 };
    char *text = malloc(COUNT * 6 + 1), *replies = malloc(COUNT * 14 + 1);
    for (size_t i = 0; i < COUNT; i++) {
        strcpy(text + i * 6, "NOOP\r\n");
        strcpy(replies + i * 14, "250 2.0.0 OK\r\n");
    }
    peer_exchange(&peer, text, replies);
    free(text);
    free(replies);
}

static void slow_client_stops_the_input(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    char text[COUNT * 6 + 1];
    for (size_t i = 0; i < COUNT; i++)
        strcpy(text + i * 6, "NOOP\r\n");
    peer.slow = true;
    size_t used = session_input(peer.session, text, strlen(text));
    assert_in_range(used, 6, 300 * 6);
    assert_int_equal(used % 6, 0);
    assert_int_equal(peer.sends, 3); /* greeting, a full buffer, what came after */
    assert_int_equal(peer.replies_size, used / 6 * 14);
    peer.slow = false;
    assert_int_equal(session_input(peer.session, text + used, strlen(text) - used),
                     strlen(text) - used);
    assert_int_equal(peer.replies_size, (size_t)COUNT * 14);
}

/* Everything that a session does with this input must be the same, however it is cut. */
static const char script[] =
    "EHLO client.test\r\nNOOP\nRSET\r\nMAIL FROM:<a@b.test> SIZE=10\r\n"
    "RCPT TO:<user@example.com>\r\nRCPT TO:<x@elsewhere.test>\r\nDATA\r\n"
    "Subject: a\r\n\r\n..b\r\n.c\r\n\r\n.\r\n"
    "MAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\ntext\n.\r\nMAIL FROM:<evil@b.test>\r\n.\r\n"
    "BAD\r\nMAIL FROM:<\"q\\\"\"@[192.0.2.1]>\r\nRCPT TO:<user@a.sub.example.com>\r\nDATA\r\n.\r\n"
    "HELP\r\nQUIT\r\nNOOP\r\n";

static char *transcript(const size_t *pieces, size_t count)
{
    struct peer p;
    peer_start(&p, config, "/tmp");
    p.answers = true;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(peer_play(&p, script + at, pieces[i], SIZE_MAX), pieces[i]);
        at += pieces[i];
    }
    char *out = NULL;
    size_t size;
    FILE *file = open_memstream(&out, &size);
    fprintf(file, "%sclosed: %d\n", p.replies, p.closed);
    for (size_t i = 0; i < p.submitted_count; i++) {
        const struct envelope *e = &p.submitted[i]->envelope;
        char *data = fixture_data(p.submitted[i]);
        fprintf(file, "%s %s\n%s", e->sender, e->recipients[0], data);
        free(data);
    }
    fclose(file);
    peer_end(&p);
    return out;
}

static void segmentation_changes_nothing(void **state)
{
    (void)state;
    const size_t size = sizeof script - 1;
    char *whole = transcript(&size, 1);
    assert_non_null(strstr(whole, "smuggling"));
    assert_non_null(
        strstr(whole, "closed: 1\na@b.test user@example.com\nSubject: a\r\n\r\n.b\r\nc\r\n"));
    assert_non_null(strstr(whole, "\"q\\\"\"@[192.0.2.1] user@a.sub.example.com\n"));
    for (size_t cut = 1; cut < size; cut++) {
        const size_t pieces[] = {cut, size - cut};
        char *cut_in_two = transcript(pieces, 2);
        assert_string_equal(cut_in_two, whole);
        free(cut_in_two);
    }
    for (size_t step = 1; step <= 40; step++) {
        size_t pieces[sizeof script], count = 0;
        for (size_t at = 0; at < size; at += step)
            pieces[count++] = size - at < step ? size - at : step;
        char *in_steps = transcript(pieces, count);
        assert_string_equal(in_steps, whole);
        free(in_steps);
    }
    free(whole);
}

static void answers(void **state)
{
    (void)state;
    begin_data();
    peer_exchange(&peer, ".\r\n", "");
    peer_answer(&peer, 451, "4.3.0", "A rule failed");
    peer_expect(&peer, "451 4.3.0 A rule failed\r\n");
    peer_exchange(&peer, TRANSACTION, TRANSACTION_REPLY);
    peer_exchange(&peer, ".\r\n", "");
    peer_answer(&peer, 550, "", "no code");
    peer_expect(&peer, "550 no code\r\n");
}

static void answers_cannot_break_the_line(void **state)
{
    (void)state;
    begin_data();
    peer_exchange(&peer, ".\r\n", "");
    peer_answer(&peer, 550, "5.7.1", "no\r\n250 \t\x01 \x7f \xe2\x82\xac\xff.");
    peer_expect(&peer, "550-5.7.1 no \r\n550 5.7.1 250      ??.\r\n");

    peer_exchange(&peer, "MAIL FROM:<> SMTPUTF8\r\nRCPT TO:<user@example.com>\r\nDATA\r\n",
                  TRANSACTION_REPLY);
    peer_exchange(&peer, ".\r\n", "");
    peer_answer(&peer, 550, "5.7.1", "\xe2\x82\xac\xff\xe2\x82");
    peer_expect(&peer, "550 5.7.1 \xe2\x82\xac???\r\n");
}

static void long_answers_fit_the_reply_line(void **state)
{
    (void)state;
    begin_data();
    peer_exchange(&peer, ".\r\n", "");
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    peer_answer(&peer, 550, "5.123.123", text);
    assert_in_range(peer.replies_size, 400, 512); /* RFC 5321 section 4.5.3.1.5 */
    assert_memory_equal(peer.replies + peer.replies_size - 3, "x\r\n", 3);
}

static void no_rules_no_transaction(void **state)
{
    (void)state;
    peer.no_rules = true;
    peer_exchange(&peer, "HELO a\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<user@example.com>\r\n",
                  "250 mx.test\r\n451 4.3.0 Cannot take mail now, try again later\r\n"
                  "503 5.5.1 Bad sequence of commands: MAIL first\r\n");
    peer.no_rules = false;
    peer_exchange(&peer, "MAIL FROM:<a@b.test>\r\n", "250 2.1.0 Sender OK\r\n");
}

static void timeouts(void **state)
{
    (void)state;
    struct config *own =
        fixture_config("smtp = { command_timeout = '300s', data_timeout = '180s' }");
    struct peer p;
    peer_start(&p, own, "/tmp");
    assert_int_equal(session_timeout_ms(p.session), 300000);
    peer_say(&p, "HELO a\r\n" TRANSACTION);
    assert_int_equal(session_timeout_ms(p.session), 180000);
    peer_say(&p, ".\r\n");
    assert_int_equal(session_timeout_ms(p.session), 0);
    session_timed_out(p.session);
    assert_false(p.closed);
    peer_answer(&p, 250, "2.0.0", "OK");
    assert_int_equal(session_timeout_ms(p.session), 300000);
    peer_expect(&p, GREETING "250 mx.test\r\n" TRANSACTION_REPLY "250 2.0.0 OK\r\n");
    session_timed_out(p.session);
    assert_true(p.closed);
    peer_expect(&p, "421 4.4.2 mx.test timeout, closing\r\n");
    assert_int_equal(session_timeout_ms(p.session), 0);
    session_timed_out(p.session);
    peer_expect(&p, "");
    peer_end(&p);
    config_unref(own);
}

static void timeout_in_data(void **state)
{
    (void)state;
    begin_data();
    peer_exchange(&peer, "half a message\r\n.", "");
    session_timed_out(peer.session);
    assert_true(peer.closed);
    peer_expect(&peer, "421 4.4.2 mx.test timeout, closing\r\n");
    peer_exchange(&peer, "\r\n", "");
    assert_int_equal(peer.submitted_count, 0);
}

#define SHUT_DOWN "421 4.3.2 mx.test the server is shutting down, closing\r\n"

static void shut_down_between_messages(void **state)
{
    (void)state;
    peer_exchange(&peer, "HELO a\r\nMAIL FROM:<>\r\n", "250 mx.test\r\n250 2.1.0 Sender OK\r\n");
    session_shut_down(peer.session);
    assert_true(peer.closed);
    peer_expect(&peer, SHUT_DOWN);
    session_shut_down(peer.session);
    peer_expect(&peer, "");
}

static void shut_down_in_a_message(void **state)
{
    (void)state;
    begin_data();
    session_shut_down(peer.session);
    assert_false(peer.closed);
    peer_exchange(&peer, "text\r\n.\r\n", "");
    assert_int_equal(peer.submitted_count, 1);
    peer_answer(&peer, 250, "2.0.0", "OK");
    assert_true(peer.closed);
    peer_expect(&peer, "250 2.0.0 OK\r\n" SHUT_DOWN);
}

static void shut_down_in_a_message_that_is_refused(void **state)
{
    (void)state;
    begin_data();
    session_shut_down(peer.session);
    peer_say(&peer, "text\n.\n\r\n.\r\nNOOP\r\n");
    assert_true(peer.closed);
    assert_non_null(strstr(peer.replies, "smuggling"));
    assert_non_null(strstr(peer.replies, "\r\n" SHUT_DOWN));
}

static void shut_down_while_waiting(void **state)
{
    (void)state;
    begin_data();
    peer_exchange(&peer, ".\r\n", "");
    session_shut_down(peer.session);
    peer_expect(&peer, "");
    peer_answer(&peer, 451, "4.3.0", "Later");
    assert_true(peer.closed);
    peer_expect(&peer, "451 4.3.0 Later\r\n" SHUT_DOWN);
}

/* A message of this many bytes, its lines numbered, and its final dot. */
static char *long_message(size_t lines, size_t *size)
{
    char *text = NULL;
    FILE *file = open_memstream(&text, size);
    for (size_t i = 0; i < lines; i++)
        fprintf(file, "%061zu\r\n", i);
    fputs(".\r\n", file);
    fclose(file);
    return text;
}

static void large_message_goes_to_a_file(void **state)
{
    (void)state;
    struct config *own = fixture_config("smtp = { max_size = '10 MiB' }");
    struct peer p;
    size_t size;
    char *text = long_message(50000, &size);
    peer_start(&p, own, "/tmp");
    peer_say(&p, "HELO a\r\n" TRANSACTION);
    assert_int_equal(peer_play(&p, text, size, 10000), size);
    assert_int_equal(p.submitted_count, 1);
    assert_null(spill_memory(p.submitted[0]->data));
    char *data = fixture_data(p.submitted[0]);
    text[size - 3] = 0;
    assert_string_equal(data, text);
    free(data);
    free(text);
    peer_end(&p);
    config_unref(own);
}

static void no_storage(void **state)
{
    (void)state;
    struct config *own = fixture_config("smtp = { max_size = '10 MiB' }");
    struct peer p;
    size_t size;
    char *text = long_message(20000, &size);
    peer_start(&p, own, "/tmp/there/is/no/such/directory");
    peer_say(&p, "HELO a\r\n" TRANSACTION);
    peer_expect(&p, GREETING "250 mx.test\r\n" TRANSACTION_REPLY);
    assert_int_equal(peer_play(&p, text, size, 10000), size);
    peer_expect(&p, "452 4.3.1 Out of storage, try again later\r\n");
    assert_int_equal(p.submitted_count, 0);
    /* The session goes on, and what needs no file still works. */
    peer_say(&p, TRANSACTION "small\r\n.\r\n");
    assert_int_equal(p.submitted_count, 1);
    free(text);
    peer_end(&p);
    config_unref(own);
}

static void end_in_any_state_frees_all(void **state)
{
    (void)state;
    static const char *const inputs[] = {"", "HELO a\r\nMAIL FR", "HELO a\r\nMAIL FROM:<>\r\n",
                                         "HELO a\r\n" TRANSACTION,
                                         "HELO a\r\n" TRANSACTION "half a message"};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        struct peer p;
        peer_start(&p, config, "/tmp");
        peer_say(&p, inputs[i]);
        peer_end(&p);
    }
    session_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(other_protocols_end_the_session),
        TEST(what_only_looks_like_another_protocol),
        TEST(a_name_is_made_printable),
        TEST(transaction_holds_what_was_said),
        TEST(ids_count_transactions),
        TEST(input_stops_at_a_submitted_message),
        TEST(a_refusal_of_two_lines),
        TEST(an_answer_from_inside_submit),
        TEST(one_send_for_one_piece),
        TEST(very_many_replies),
        TEST(slow_client_stops_the_input),
        TEST(segmentation_changes_nothing),
        TEST(answers),
        TEST(answers_cannot_break_the_line),
        TEST(long_answers_fit_the_reply_line),
        TEST(no_rules_no_transaction),
        TEST(timeouts),
        TEST(timeout_in_data),
        TEST(shut_down_between_messages),
        TEST(shut_down_in_a_message),
        TEST(shut_down_in_a_message_that_is_refused),
        TEST(shut_down_while_waiting),
        TEST(large_message_goes_to_a_file),
        TEST(no_storage),
        TEST(end_in_any_state_frees_all),
    };
    return RUN_TESTS(tests);
}
