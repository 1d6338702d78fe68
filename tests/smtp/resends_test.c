/* What is remembered of a message whose reply was lost, and what counts as the same message. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/spill.h"
#include "smtp/resends.h"

static bool unread; /* what is_unread() says */

static bool is_unread(void *context)
{
    (void)context;
    return unread;
}

struct mail {
    const char *client, *sender, *recipients[3], *body;
};

static const struct mail first = {
    "192.0.2.1", "a@client.test", {"x@example.com", "y@example.com"}, "body"};

static struct transaction *transaction_of(const struct mail *mail)
{
    struct transaction *t = transaction_new("1", NULL, NULL);
    assert_non_null(t);
    strcpy(t->envelope.client_ip, mail->client);
    assert_int_equal(transaction_set_sender(t, mail->sender), 0);
    for (int i = 0; i < 3 && mail->recipients[i]; i++)
        assert_int_equal(transaction_add_recipient(t, mail->recipients[i]), 0);
    t->data = spill_from_bytes(mail->body, strlen(mail->body));
    return t;
}

static struct receipt *answer(struct resends *resends, const struct mail *mail, int code)
{
    struct transaction *t = transaction_of(mail);
    struct reply reply;
    reply_set(&reply, code, "2.0.0", "queued as first");
    struct receipt_terms terms = {resends_key(t), 0, t->data, &reply, 1, is_unread, NULL};
    struct receipt *receipt = receipt_new(resends, &terms, 1);
    transaction_free(t);
    return receipt;
}

static bool is_resend(struct resends *resends, const struct mail *mail, int64_t now_ms)
{
    struct transaction *t = transaction_of(mail);
    resends_look_up(resends, t, resends_key(t), now_ms);
    bool resent = resend_answer(t);
    if (resent)
        assert_string_equal(t->reply.text, "queued as first");
    transaction_free(t);
    return resent;
}

static void the_same_message_is_a_resend_for_an_hour(void **state)
{
    struct resends *resends = resends_new();
    (void)state;
    assert_false(is_resend(resends, &first, 1));
    receipt_lose(resends, answer(resends, &first, 250), 1);
    assert_true(is_resend(resends, &first, 2));
    assert_true(is_resend(resends, &first, RESENDS_KEEP_MS)); /* the reply may be lost again */
    assert_false(is_resend(resends, &first, RESENDS_KEEP_MS + 1));
    assert_int_equal(resends_lost(resends), 0);
    resends_free(resends);
}

static void another_message_is_none(void **state)
{
    static const struct mail others[] = {
        {"192.0.3.1", "a@client.test", {"x@example.com", "y@example.com"}, "body"},
        {"2001:db8::1", "a@client.test", {"x@example.com", "y@example.com"}, "body"},
        {"", "a@client.test", {"x@example.com", "y@example.com"}, "body"},
        {"192.0.2.1", "b@client.test", {"x@example.com", "y@example.com"}, "body"},
        {"192.0.2.1", "", {"x@example.com", "y@example.com"}, "body"},
        {"192.0.2.1", "a@client.test", {"x@example.com"}, "body"},
        {"192.0.2.1", "a@client.test", {"y@example.com", "x@example.com"}, "body"},
        {"192.0.2.1", "a@client.test", {"x@example.comy@example.com"}, "body"},
        {"192.0.2.1", "a@client.test", {"x@example.com", "y@example.com"}, "Body"},
        {"192.0.2.1", "a@client.test", {"x@example.com", "y@example.com"}, "body\r\n"},
        {"192.0.2.1", "a@client.test", {"x@example.com", "y@example.com"}, ""},
    };
    static const struct mail same = {
        "192.0.2.200", "a@client.test", {"x@example.com", "y@example.com"}, "body"};
    struct resends *resends = resends_new();
    (void)state;
    receipt_lose(resends, answer(resends, &first, 250), 1);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(is_resend(resends, &others[i], 2));
    assert_true(is_resend(resends, &same, 2)); /* from another address of its network */
    resends_free(resends);
}

static void what_is_confirmed_or_refused_is_forgotten(void **state)
{
    struct resends *resends = resends_new();
    (void)state;
    receipt_confirm(resends, answer(resends, &first, 250));
    assert_false(is_resend(resends, &first, 2));
    assert_null(answer(resends, &first, 451));
    assert_null(answer(resends, &first, 550));
    resends_free(resends);
}

/* The client has given up, and comes again before the first connection is seen to be dead. */
static void one_that_is_not_confirmed_counts_while_nobody_took_its_reply(void **state)
{
    struct resends *resends = resends_new();
    (void)state;
    struct receipt *receipt = answer(resends, &first, 250);
    unread = false;
    assert_false(is_resend(resends, &first, 2));
    unread = true;
    assert_false(is_resend(resends, &first, RESENDS_UNREAD_MS)); /* its system is still to say so */
    assert_true(is_resend(resends, &first, RESENDS_UNREAD_MS + 1));
    unread = false;
    assert_false(is_resend(resends, &first, RESENDS_UNREAD_MS + 1));
    receipt_confirm(resends, receipt);
    assert_false(is_resend(resends, &first, 2));
    resends_free(resends);
}

/* Two mails of one envelope, and one that is answered at last. */
static void each_is_known_by_its_bytes(void **state)
{
    struct mail second = first;
    struct resends *resends = resends_new();
    (void)state;
    second.body = "another";
    receipt_lose(resends, answer(resends, &first, 250), 1);
    receipt_lose(resends, answer(resends, &second, 250), 2);
    assert_true(is_resend(resends, &first, 3));
    assert_true(is_resend(resends, &second, 3));
    struct transaction *t = transaction_of(&second);
    resends_look_up(resends, t, resends_key(t), 3);
    assert_true(resend_answer(t));
    struct receipt_terms terms = {resends_key(t), t->digest, NULL, &t->reply, 1, is_unread, NULL};
    receipt_confirm(resends, receipt_new(resends, &terms, 1)); /* it has the reply now */
    transaction_free(t);
    assert_false(is_resend(resends, &second, 4)); /* so a third time is another message */
    assert_true(is_resend(resends, &first, 4));
    resends_free(resends);
}

static void what_is_remembered_is_bounded(void **state)
{
    struct resends *resends = resends_new();
    char sender[40];
    struct mail mail = first;
    (void)state;
    mail.sender = sender;
    for (int i = 0; i < RESENDS_MAX + 10; i++) {
        snprintf(sender, sizeof sender, "%d@client.test", i);
        receipt_lose(resends, answer(resends, &mail, 250), 1);
        assert_int_equal(resends_lost(resends), i < RESENDS_MAX ? i + 1 : RESENDS_MAX);
    }
    assert_true(is_resend(resends, &mail, 2));
    strcpy(sender, "9@client.test"); /* the last of those that had to go */
    assert_false(is_resend(resends, &mail, 2));
    strcpy(sender, "10@client.test");
    assert_true(is_resend(resends, &mail, 2));
    resends_free(resends);
}

/* A large one is in a file, and is known by its bytes as well. */
static void large_messages_too(void **state)
{
    struct resends *resends = resends_new();
    (void)state;
    for (int change = 0; change < 2; change++) {
        struct transaction *t = transaction_of(&first);
        spill_free(t->data);
        t->data = spill_new("/tmp", NULL);
        for (int i = 0; i < 400000; i++)
            assert_int_equal(spill_write(t->data, i == 399999 && change ? "y" : "x", 1), 0);
        assert_true(spill_fd(t->data) >= 0);
        resends_look_up(resends, t, resends_key(t), 2);
        assert_false(resend_answer(t));
        assert_true(t->digest != 0);
        struct reply reply;
        reply_set(&reply, 250, "2.0.0", "queued as first");
        struct receipt_terms terms = {resends_key(t), t->digest, t->data, &reply, 1,
                                      is_unread,      NULL};
        receipt_lose(resends, receipt_new(resends, &terms, 1), 1);
        resends_look_up(resends, t, resends_key(t), 2);
        assert_true(resend_answer(t));
        transaction_free(t);
    }
    assert_int_equal(resends_lost(resends), 2);
    resends_free(resends);
}

/* One that many recipients are answered for takes as much room as its replies. */
static void what_is_remembered_is_bounded_in_bytes(void **state)
{
    enum { REPLIES = 100 };
    struct reply replies[REPLIES] = {{.code = 250}};
    struct resends *resends = resends_new();
    const size_t most = RESENDS_BYTES_MAX / sizeof replies; /* each has a little besides */
    (void)state;
    for (uint64_t key = 1; key <= 3 * most; key++) {
        struct receipt_terms terms = {key, 1, NULL, replies, REPLIES, is_unread, NULL};
        receipt_lose(resends, receipt_new(resends, &terms, 1), 1);
        assert_in_range(resends_lost(resends), key < most - 1 ? key : most - 1, most);
    }
    resends_free(resends);
}

/* A receipt is for what was accepted, if only for one of several recipients. */
static void which_replies_count(void **state)
{
    static const struct {
        int codes[3];
        bool counts;
    } rows[] = {
        {{550, 550, 550}, false}, {{250, 550, 550}, true}, {{550, 550, 250}, true},
        {{199, 300, 451}, false}, {{200, 451, 451}, true}, {{451, 299, 451}, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct resends *resends = resends_new();
        struct reply replies[3];
        for (int at = 0; at < 3; at++)
            reply_set(&replies[at], rows[i].codes[at], "", "n");
        struct receipt_terms terms = {1, 1, NULL, replies, 3, is_unread, NULL};
        struct receipt *receipt = receipt_new(resends, &terms, 1);
        assert_int_equal(receipt != NULL, rows[i].counts);
        if (receipt)
            receipt_lose(resends, receipt, 1);
        resends_free(resends);
    }
}

/* With LMTP each recipient gets the reply that it had the first time, in their order. */
static void each_recipient_its_reply(void **state)
{
    static const struct {
        bool lmtp;
        size_t replies; /* of the first time */
        bool resent;
    } rows[] = {
        {true, 2, true}, {true, 1, true}, {true, 3, false}, {false, 1, true}, {false, 2, false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct resends *resends = resends_new();
        struct transaction *t = transaction_of(&first);
        struct reply replies[3];
        reply_set(&replies[0], 250, "2.0.0", "one");
        reply_set(&replies[1], 550, "5.7.1", "two");
        reply_set(&replies[2], 250, "2.0.0", "three");
        t->envelope.lmtp = rows[i].lmtp;
        struct receipt_terms terms = {resends_key(t),  0,         t->data, replies,
                                      rows[i].replies, is_unread, NULL};
        receipt_lose(resends, receipt_new(resends, &terms, 1), 1);
        resends_look_up(resends, t, resends_key(t), 2);
        assert_int_equal(resend_answer(t), rows[i].resent);
        if (rows[i].resent)
            assert_string_equal(t->reply.text, "one");
        assert_int_equal(t->replies != NULL, rows[i].resent && rows[i].replies == 2);
        if (t->replies) {
            assert_int_equal(t->replies[0].code, 250);
            assert_string_equal(t->replies[1].text, "two");
        }
        transaction_free(t);
        resends_free(resends);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_message_is_a_resend_for_an_hour),
        cmocka_unit_test(another_message_is_none),
        cmocka_unit_test(what_is_confirmed_or_refused_is_forgotten),
        cmocka_unit_test(one_that_is_not_confirmed_counts_while_nobody_took_its_reply),
        cmocka_unit_test(each_is_known_by_its_bytes),
        cmocka_unit_test(what_is_remembered_is_bounded),
        cmocka_unit_test(large_messages_too),
        cmocka_unit_test(what_is_remembered_is_bounded_in_bytes),
        cmocka_unit_test(which_replies_count),
        cmocka_unit_test(each_recipient_its_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
