#include "mail_test.h"

#include <stdio.h>
#include <stdlib.h>

/* Is the part with this Content-ID found in the HTML? */
static bool is_referred(const char *id, const char *html)
{
    char *mail = malloc(strlen(html) + strlen(id) + 300);
    assert_non_null(mail);
    sprintf(
        mail,
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n%s"
        "\r\n--b\r\nContent-Type: image/png\r\nContent-Disposition: attachment\r\n"
        "Content-ID: <%s>\r\n\r\n--b--",
        html, id);
    struct message *message = parse(mail);
    assert_int_equal(message->part_count, 2);
    bool referred = message->parts[1].role == PART_INLINE;
    message_free(message);
    free(mail);
    return referred;
}

static void test_forms(void **state)
{
    (void)state;
    assert_true(is_referred("a@b", "<img src=\"cid:a@b\">"));
    assert_true(is_referred("a@b", "<img src='CID:a@b'>"));
    assert_true(is_referred("a@b", "<img src=cid:a@b>"));
    assert_true(is_referred("a@b", "<img src=cid:a@b width=1>"));
    assert_true(is_referred("a@b", "url(cid:a@b)"));
    assert_true(is_referred("a@b", "cid:a%40b"));
    assert_true(is_referred("a@b", "cid:a@b")); /* where the HTML ends */
    assert_true(is_referred("a@b", "ccid:x cid:a@b"));
    assert_true(is_referred("a@b", "cid:cid:a@b\" \"cid:a@b\""));
    assert_false(is_referred("a@b", ""));
    assert_false(is_referred("a@b", "<a@b>"));
    assert_false(is_referred("a@b", "cid:a@b.example"));
    assert_false(is_referred("a@b", "cid:a@"));
    assert_false(is_referred("a@b", "cid:"));
    assert_false(is_referred("a@b", "cid:a%4"));
    assert_false(is_referred("a@b", "cidx:a@b"));
}

/* The reference at every place around where a piece of the content ends. */
static void test_cut_over_pieces(void **state)
{
    (void)state;
    enum { SIZE = 60000 };
    char *html = malloc(SIZE + 1);
    assert_non_null(html);
    for (size_t piece = 12288; piece < SIZE; piece += 12288) {
        for (size_t at = piece - 12; at < piece + 2; at++) {
            memset(html, 'x', SIZE);
            html[SIZE] = 0;
            for (size_t line = 100; line < SIZE; line += 100)
                html[line] = '\n';
            memcpy(html + at, "\"cid:a@b\"", 9);
            assert_true(is_referred("a@b", html));
        }
    }
    free(html);
}

/* Pictures named by these letters in this order; those of `referred` are in the HTML. */
static void assert_roles(const char *ids, const char *referred)
{
    char mail[4096] = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: "
                      "text/html\r\n\r\n<p>";
    char *at = mail + strlen(mail);
    for (const char *id = referred; *id; id++)
        at += sprintf(at, "<img src=\"cid:%c@x\">", *id);
    for (const char *id = ids; *id; id++)
        at += sprintf(at,
                      "\r\n--b\r\nContent-Type: image/png\r\nContent-Disposition: "
                      "attachment\r\nContent-ID: <%c@x>\r\n\r\n",
                      *id);
    sprintf(at, "\r\n--b--");
    struct message *message = parse(mail);
    assert_int_equal(message->part_count, 1 + strlen(ids));
    for (size_t i = 0; ids[i]; i++)
        assert_int_equal(message->parts[1 + i].role,
                         strchr(referred, ids[i]) ? PART_INLINE : PART_ATTACHMENT);
    message_free(message);
}

/* Several parts in any order, all, some or none of them in the HTML, in another order there. */
static void test_several(void **state)
{
    (void)state;
    static const char *const orders[] = {"abc", "acb", "bac", "bca", "cab", "cba"};
    static const char *const used[] = {"", "a", "b", "c", "ab", "ca", "cb", "abc", "cba", "bcaacb"};
    for (size_t i = 0; i < 6; i++)
        for (size_t k = 0; k < 10; k++)
            assert_roles(orders[i], used[k]);
    assert_roles("hgfedcba", "ahdb");
    assert_roles("aba", "a"); /* two of one name */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_cut_over_pieces),
        cmocka_unit_test(test_several),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
