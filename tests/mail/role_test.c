#include "mail_test.h"

#include <stdio.h>

/* A multipart of the given subtype, its parts' headers given; each part's role as a letter: t text,
 * h html, i inline, a attachment. */
static void assert_roles(const char *subtype, const char *const *headers, const char *expected)
{
    static const char letters[] = {
        [PART_TEXT] = 't', [PART_HTML] = 'h', [PART_INLINE] = 'i', [PART_ATTACHMENT] = 'a'};
    struct buffer mail = {0};
    char line[200], roles[20] = "";
    snprintf(line, sizeof line, "Content-Type: multipart/%s; boundary=b\r\n\r\n", subtype);
    buffer_append(&mail, line, strlen(line));
    for (; *headers; headers++) {
        snprintf(line, sizeof line, "--b\r\n%s\r\n\r\n<img src=\"cid:referred\">\r\n", *headers);
        buffer_append(&mail, line, strlen(line));
    }
    struct message *message = parse_bytes(mail.bytes, mail.size);
    assert_in_range(message->part_count, 0, sizeof roles - 1);
    for (size_t i = 0; i < message->part_count; i++)
        roles[i] = letters[message->parts[i].role];
    assert_string_equal(roles, expected);
    message_free(message);
    buffer_free(&mail);
}

#define ROLES(subtype, expected, ...)                                                              \
    assert_roles(subtype, (const char *const[]){__VA_ARGS__, NULL}, expected)

#define TEXT     "Content-Type: text/plain"
#define HTML     "Content-Type: text/html"
#define IMAGE    "Content-Type: image/png"
#define ATTACHED "\r\nContent-Disposition: attachment"
#define INLINE   "\r\nContent-Disposition: inline"
#define ID       "\r\nContent-ID: <some>"
#define REFERRED "\r\nContent-ID: <referred>"

static void test_bodies(void **state)
{
    (void)state;
    ROLES("alternative", "th", TEXT, HTML);
    ROLES("mixed", "tt", TEXT, TEXT);
    ROLES("mixed", "t", "X: no content type");
    ROLES("mixed", "t", TEXT INLINE);
    ROLES("mixed", "a", TEXT ATTACHED);
    ROLES("mixed", "t", TEXT "; name=a.txt"); /* the only body */
    ROLES("mixed", "t", TEXT INLINE "; filename=a.txt");
    ROLES("mixed", "ti", TEXT, TEXT INLINE "; filename=a.txt");
    ROLES("mixed", "aa", TEXT "; name=a.txt", TEXT "; name=b.txt"); /* which? */
    ROLES("alternative", "th", TEXT "; name=a.txt", HTML "; name=a.html");
    ROLES("mixed", "ha", HTML, TEXT "; name=a.txt");
    ROLES("mixed", "a", TEXT ATTACHED "; filename=a.txt");
    ROLES("mixed", "th", TEXT "; name=\" \"", HTML INLINE "; filename=\"\xC2\xA0\"");
    ROLES("mixed", "a", HTML ATTACHED);
    ROLES("related", "h", HTML ID); /* the root of a related often has an id */
    ROLES("mixed", "a", "Content-Type: text/csv");
    ROLES("mixed", "a", "Content-Type: text/calendar");
    ROLES("alternative", "tha", TEXT, HTML, "Content-Type: text/calendar; method=REQUEST");
    ROLES("report", "taa", TEXT, "Content-Type: message/delivery-status",
          "Content-Type: text/rfc822-headers");
}

static void test_odd_dispositions(void **state)
{
    (void)state;
    ROLES("mixed", "t", TEXT "\r\nContent-Disposition: body");
    ROLES("mixed", "t", TEXT "\r\nContent-Disposition:");
    ROLES("mixed", "t", TEXT "\r\nContent-Disposition: ;filename=a.txt");
    ROLES("mixed", "a", TEXT "\r\nContent-Disposition: \"attachment\"");
    ROLES("mixed", "i", IMAGE "\r\nContent-Disposition: INLINE");
    ROLES("mixed", "a", IMAGE "\r\nContent-Disposition: form-data; name=x");
    ROLES("mixed", "a", IMAGE "\r\nContent-Disposition: attachment\r\nContent-Disposition: inline");
}

static void test_inlines(void **state)
{
    (void)state;
    ROLES("mixed", "i", IMAGE INLINE);
    ROLES("mixed", "a", IMAGE);
    ROLES("mixed", "a", IMAGE ATTACHED);
    ROLES("mixed", "a", IMAGE ID); /* no HTML that could refer to it */
    ROLES("mixed", "ta", TEXT, IMAGE ID);
    ROLES("mixed", "hi", HTML, IMAGE ID); /* can refer */
    ROLES("mixed", "ha", HTML, IMAGE);
    ROLES("related", "hi", HTML, IMAGE ID);
    ROLES("related", "hi", HTML, IMAGE ID ATTACHED); /* related: can refer, whatever it is marked */
    ROLES("related", "ha", HTML, IMAGE ATTACHED);
    ROLES("mixed", "ha", HTML, IMAGE ID ATTACHED);       /* Gmail gives every attachment an id */
    ROLES("mixed", "hi", HTML, IMAGE REFERRED ATTACHED); /* the HTML does refer */
    ROLES("mixed", "hai", HTML, IMAGE ID ATTACHED, IMAGE REFERRED ATTACHED);
    ROLES("mixed", "ih", IMAGE REFERRED ATTACHED, HTML);
}

static void test_attached_messages(void **state)
{
    (void)state;
    ROLES("mixed", "a", "Content-Type: message/rfc822" INLINE);
    ROLES("related", "ha", HTML, "Content-Type: message/rfc822" REFERRED);
    ROLES("signed", "ta", TEXT, "Content-Type: application/pgp-signature");
    ROLES("encrypted", "aa", "Content-Type: application/pgp-encrypted",
          "Content-Type: application/octet-stream");
    ROLES("mixed", "ta", TEXT, "Content-Type: application/ms-tnef; name=winmail.dat");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_odd_dispositions),
        cmocka_unit_test(test_inlines),
        cmocka_unit_test(test_attached_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
