/* What another server says, line by line, and to which command; and what it may say instead. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "deliver/smtp_transfer.h"

static struct smtp_dialogue dialogue;

static int begin(void **state)
{
    (void)state;
    dialogue = (struct smtp_dialogue){SMTP_CONNECT};
    return 0;
}

static void command(const char *text)
{
    smtp_note_command(&dialogue, text, strlen(text));
}

static void line(const char *text)
{
    smtp_note_line(&dialogue, text, strlen(text));
}

static const char *description(void)
{
    static char text[80];
    smtp_describe(&dialogue, text, sizeof text);
    return text;
}

static void a_reply_belongs_to_its_command(void **state)
{
    (void)state;
    line("220 mail.test\r\n");
    assert_int_equal(dialogue.code, 220);
    command("EHLO mx.test\r\n");
    assert_int_equal(dialogue.code, 0);
    line("250-mail.test\r\n");
    line("250-SMTPUTF8X\r\n");
    assert_int_equal(dialogue.code, 0);
    assert_false(dialogue.offers_utf8);
    line("250 smtputf8\r\n");
    assert_int_equal(dialogue.code, 250);
    assert_true(dialogue.offers_utf8);
    command("AUTH PLAIN\r\n");
    line("334 \r\n");
    command("AHMAcGFzc3dvcmQ=\r\n"); /* what AUTH goes on with is no command, and is kept nowhere */
    line("235 2.7.0 ok\r\n");
    assert_int_equal(dialogue.phase, SMTP_AUTH);
    command("MAIL FROM:<a@b>\r\n");
    line("250 2.1.0 ok\r\n");
    command("RCPT TO:<c@d>\r\n");
    line("550 5.1.1 nobody\r\n");
    assert_string_equal(description(), "550 5.1.1 nobody (in reply to RCPT TO)");
    command("QUIT\r\n"); /* its answer is none to the message */
    line("221 2.0.0 bye\r\n");
    assert_string_equal(description(), "550 5.1.1 nobody (in reply to RCPT TO)");
}

static void the_end_of_data_is_a_phase_of_its_own(void **state)
{
    (void)state;
    command("MAIL FROM:<a@b>\r\n");
    line("250 ok\r\n");
    command("RCPT TO:<c@d>\r\n");
    line("250 ok\r\n");
    command("DATA\r\n");
    line("354 go\r\n");
    assert_int_equal(dialogue.phase, SMTP_END_OF_DATA);
    assert_int_equal(dialogue.code, 0);
    line("250-2.0.0 taken\r\n");
    line("250 2.0.0 as 7\r\n");
    assert_int_equal(dialogue.code, 250);
    assert_string_equal(description(), "250-2.0.0 taken 250 2.0.0 as 7 (in reply to end of DATA)");
}

static void what_is_no_reply_is_not_one(void **state)
{
    static const char *const lines[] = {"",           "\r\n",       "2",
                                        "25",         "2x0 ok\r\n", "150 ok\r\n",
                                        "650 ok\r\n", "abc\r\n",    "\xff\xff\xff\r\n"};
    (void)state;
    command("RCPT TO:<c@d>\r\n");
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        line(lines[i]);
    assert_int_equal(dialogue.code, 0);
    assert_int_equal(dialogue.size, 0);
    line("250\r\n"); /* RFC 5321 section 4.2: text may be missing */
    assert_int_equal(dialogue.code, 250);
}

static void long_and_ugly_replies_are_cut_and_cleaned(void **state)
{
    char text[5000];
    (void)state;
    command("DATA\r\n");
    memset(text, 'x', sizeof text);
    memcpy(text, "550-\x1b[2J\tbad\0byte ", 19);
    smtp_note_line(&dialogue, text, sizeof text);
    for (int i = 0; i < 100; i++)
        smtp_note_line(&dialogue, text, sizeof text);
    line("550 end\r\n");
    assert_int_equal(dialogue.size, sizeof dialogue.text);
    assert_int_equal(dialogue.code, 550);
    const char *said = description();
    assert_int_equal(strlen(said), 79);
    assert_string_equal(said + 79 - strlen(" (in reply to DATA)"), " (in reply to DATA)");
    for (const char *p = said; *p; p++)
        assert_true(*p >= ' ' && *p != 0x7f);
}

static void quit_for_another_connection_is_not_ours(void **state)
{
    (void)state;
    command("QUIT\r\n");
    line("221 bye\r\n");
    line("220 hello\r\n");
    command("EHLO mx.test\r\n");
    line("250 ok\r\n");
    assert_int_equal(dialogue.code, 250);
    assert_false(dialogue.over);
}

#define TEST(function) cmocka_unit_test_setup(function, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_reply_belongs_to_its_command),
        TEST(the_end_of_data_is_a_phase_of_its_own),
        TEST(what_is_no_reply_is_not_one),
        TEST(long_and_ugly_replies_are_cut_and_cleaned),
        TEST(quit_for_another_connection_is_not_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
