#include "mail_test.h"

#include <stdio.h>
#include <stdlib.h>

#include "mail/lines.h"

/* Each part as "type[content]", from memory and, with the same result, from a file. */
static void assert_parts_of(struct spill *spill, const char *expected)
{
    struct message *message;
    struct buffer text = {0};
    assert_int_equal(message_parse(spill, 0, &message, NULL), 0);
    for (size_t i = 0; i < message->part_count; i++) {
        const struct part *part = &message->parts[i];
        buffer_append(&text, part->type, strlen(part->type));
        buffer_append_byte(&text, '[');
        part_read_content(message, part, buffer_sink, &text);
        buffer_append_byte(&text, ']');
    }
    assert_buffer(&text, expected);
    message_free(message);
    spill_free(spill);
}

static void assert_parts(const char *mail, const char *expected)
{
    assert_parts_of(spill_from_bytes(mail, strlen(mail)), expected);
    assert_parts_of(spill_in_file(mail, strlen(mail)), expected);
}

#define MIXED "Content-Type: multipart/mixed; boundary=b\r\n\r\n"

static void test_single(void **state)
{
    (void)state;
    assert_parts("", "");
    assert_parts("Subject: header only\r\n", "");
    assert_parts("Subject: empty body\r\n\r\n", "text/plain[]");
    assert_parts("\r\nbody only", "text/plain[body only]");
    assert_parts("no header at all\r\nreally: none\r\n",
                 "text/plain[no header at all\r\nreally: none\r\n]");
    assert_parts("A: b\r\nnot a field\r\n\r\nmore", "text/plain[not a field\r\n\r\nmore]");
    assert_parts("From a@b Thu\r\nA: b\r\n\r\nx", "text/plain[x]");
    assert_parts("Content-Type: IMAGE/Png\r\n\r\nx", "image/png[x]");
    assert_parts("Content-Type: text\r\n\r\nx", "text/plain[x]");
    assert_parts("Content-Type: image/png\r\nContent-Type: text/html\r\n\r\nx", "image/png[x]");
}

static void test_multipart(void **state)
{
    (void)state;
    assert_parts(MIXED "preamble\r\n--b\r\n\r\none\r\n--b\r\nContent-Type: a/b\r\n\r\ntwo\r\n\r\n"
                       "--b--\r\nepilogue\r\n--b\r\n\r\nno part\r\n",
                 "text/plain[one]a/b[two\r\n]");
    assert_parts(MIXED "--b\n\none\n--b  \t\r\n\r\ntwo\r\n--b-- \r\n",
                 "text/plain[one]text/plain[two]"); /* mixed line ends, padding */
    assert_parts(MIXED "--b\r\n\r\n--b\r\n\r\n\r\n--b--", "text/plain[]text/plain[]");
    assert_parts(MIXED "--b\r\n\r\nx\r\n--bb\r\n--b-\r\n --b\r\n--b--x\r\n--b--",
                 "text/plain[x\r\n--bb\r\n--b-\r\n --b\r\n--b--x]"); /* none is the boundary */
    assert_parts(MIXED "--b\r\nContent-Type: a/b\r\n--b\r\n--b\r\nno field\r\n--b--",
                 "a/b[]text/plain[no field]"); /* no empty line */
    assert_parts(
        "Content-Type: multipart/mixed; boundary=\"a b? \"\r\n\r\n--a b?\r\n\r\nx\r\n--a b?--",
        "text/plain[x]");
    assert_parts("Content-Type: multipart/mixed;\r\n boundary=b\r\n"
                 "Content-Transfer-Encoding: base64\r\n\r\n--b\r\n\r\nx\r\n--b--",
                 "text/plain[x]"); /* a multipart has no encoding (RFC 2045 section 6.4) */
}

static void test_nested(void **state)
{
    (void)state;
    assert_parts(MIXED
                 "--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\n1"
                 "\r\n--c\r\nContent-Type: text/html\r\n\r\n2\r\n--c--\r\n--b\r\n\r\n3\r\n--b--",
                 "text/plain[1]text/html[2]text/plain[3]");
    assert_parts(MIXED
                 "--b\r\nContent-Type: multipart/alternative; boundary=bb\r\n\r\n--bb\r\n\r\n1"
                 "\r\n--b\r\n\r\n2\r\n--bb\r\n\r\n3",
                 "text/plain[1]text/plain[2\r\n--bb\r\n\r\n3]"); /* the outer one ends the inner */
    assert_parts(MIXED "--b\r\n" MIXED "--b\r\n\r\n1\r\n--b--\r\n--b\r\n\r\n2\r\n--b--",
                 "text/plain[1]text/plain[2]"); /* the same boundary twice: the innermost's */
    assert_parts(
        "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nA: b\r\n\r\nx\r\n--b\r\n"
        "Content-Type: text/plain\r\n\r\ny\r\n--b--",
        "message/rfc822[A: b\r\n\r\nx]text/plain[y]");
}

/* So that people can read it: what a multipart holds that cannot be taken apart is a text. */
static void test_boundary_never_comes(void **state)
{
    (void)state;
    assert_parts("Content-Type: multipart/mixed\r\n\r\nx", "text/plain[x]");
    assert_parts("Content-Type: multipart/mixed; boundary=\"\"\r\n\r\nx", "text/plain[x]");
    assert_parts(MIXED "x\r\ny", "text/plain[x\r\ny]");
    assert_parts(MIXED "x\r\n--b--\r\n", "text/plain[x]");
    assert_parts(MIXED "--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\nx\r\n--b--",
                 "text/plain[x]");
    assert_parts(MIXED "--b\r\n\r\ncut", "text/plain[cut]");
    assert_parts(MIXED "--b", "");
    assert_parts("Content-Type: multipart/mixed; boundary=b\r\n", "");
}

static void test_attached_message(void **state)
{
    (void)state;
    static const char attached[] = "Subject: inner\r\nContent-Type: multipart/mixed; boundary=c\r\n"
                                   "\r\n--c\r\n\r\n1\r\n--c--\r\n";
    char mail[512], expected[512];
    const char *const types[] = {"message/rfc822", "message/partial", "message/global",
                                 "message/delivery-status", "message/external-body"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        snprintf(mail, sizeof mail, MIXED "--b\r\nContent-Type: %s\r\n\r\n%s\r\n--b--", types[i],
                 attached);
        snprintf(expected, sizeof expected, "%s[%s]", types[i], attached);
        assert_parts(mail, expected);
    }
    assert_parts("Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\nx",
                 "message/rfc822[A: b\r\n\r\nx]");
}

/* `depth` multiparts, each in the one before. */
static char *nested(int depth)
{
    char *mail = malloc((size_t)depth * 80 + 100), *at = mail;
    assert_non_null(mail);
    for (int i = 0; i < depth; i++)
        at += sprintf(at, "Content-Type: multipart/mixed; boundary=\"b%d\"\r\n\r\n--b%d\r\n", i, i);
    at += sprintf(at, "Content-Type: a/b\r\n\r\nx\r\n");
    for (int i = depth; i-- > 0;)
        at += sprintf(at, "--b%d--\r\n", i);
    return mail;
}

static void test_depth(void **state)
{
    (void)state;
    char *mail = nested(MESSAGE_MAX_DEPTH);
    assert_parts(mail, "a/b[x]");
    free(mail);
    mail = nested(MESSAGE_MAX_DEPTH + 1);
    assert_parts(mail, "multipart/mixed[--b100\r\nContent-Type: a/b\r\n\r\nx\r\n--b100--]");
    free(mail);
    mail = nested(10000);
    struct message *message = parse(mail);
    assert_int_equal(message->part_count, 1);
    assert_string_equal(message->parts[0].type, "multipart/mixed");
    assert_int_equal(message->parts[0].role, PART_ATTACHMENT);
    assert_string_equal(strstr(mail, "\r\n--b99--"), mail + message->parts[0].end);
    message_free(message);
    free(mail);
}

static void test_part_count(void **state)
{
    (void)state;
    for (int count = MESSAGE_MAX_PARTS - 1; count <= MESSAGE_MAX_PARTS + 2; count++) {
        struct buffer mail = {0};
        size_t size;
        buffer_append(&mail, MIXED, sizeof MIXED - 1);
        for (int i = 0; i < count; i++)
            buffer_append(&mail, BYTES("--b\r\nX: y\r\n\r\nx\r\n"));
        struct message *message = parse_bytes(mail.bytes, mail.size);
        size_t parts = message->part_count;
        assert_int_equal(parts, count < MESSAGE_MAX_PARTS ? count : MESSAGE_MAX_PARTS);
        const struct part *last = &message->parts[parts - 1];
        char *content = content_of(message, parts - 1, &size);
        if (count < MESSAGE_MAX_PARTS) {
            assert_string_equal(content, "x\r\n");
        } else {
            assert_string_equal(last->type, "application/octet-stream");
            assert_int_equal(last->role, PART_ATTACHMENT);
            assert_memory_equal(content, "X: y\r\n\r\nx\r\n", 11);
            assert_int_equal(size, 11 + (size_t)(count - MESSAGE_MAX_PARTS) * 16);
        }
        free(content);
        message_free(message);
        buffer_free(&mail);
    }
}

/* A boundary line, padded with spaces, up to the window that a file is read by; from memory the
 * same. */
static void test_boundary_line_limit(void **state)
{
    (void)state;
    for (size_t size = LINES_WINDOW - 1; size <= LINES_WINDOW; size++) {
        static const char head[] = MIXED "--b\r\n\r\nx\r\n";
        char *mail = malloc(sizeof head + size + 20);
        assert_non_null(mail);
        strcpy(mail, head);
        char *line = mail + sizeof head - 1;
        memset(line, ' ', size);
        memcpy(line, "--b--", 5);
        strcpy(line + size - 2, "\r\n--b\r\n\r\ny");
        if (size < LINES_WINDOW) {
            assert_parts(mail, "text/plain[x]"); /* what follows is behind the end */
        } else {
            struct message *message = parse(mail);
            assert_int_equal(message->part_count, 2);
            message_free(message);
            struct spill *spill = spill_in_file(mail, strlen(mail));
            assert_int_equal(message_parse(spill, 0, &message, NULL), 0);
            assert_int_equal(message->part_count, 2);
            message_free(message);
            spill_free(spill);
        }
        free(mail);
    }
}

/* However long another field of a part's header is, what the part is stands. */
static void test_long_fields_of_a_part(void **state)
{
    (void)state;
    static const size_t sizes[] = {1000, 65535, 65537, 300000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct buffer mail = {0};
        buffer_append(&mail, BYTES(MIXED "--b\r\nX: "));
        for (size_t left = sizes[i]; left > 0; left--)
            buffer_append_byte(&mail, left % 70 ? 'x' : ' ');
        buffer_append(&mail, BYTES("\r\nContent-Type: a/b\r\n\r\nx\r\n--b--\r\n"));
        struct message *message = parse_bytes(mail.bytes, mail.size);
        assert_int_equal(message->part_count, 1);
        assert_string_equal(message->parts[0].type, "a/b");
        char *content = content_of(message, 0, NULL);
        assert_string_equal(content, "x");
        free(content);
        message_free(message);
        buffer_free(&mail);
    }
}

static void test_names(void **state)
{
    (void)state;
    struct message *message = parse(
        MIXED
        "--b\r\nContent-Type: a/b; name=type.txt\r\nContent-Disposition: attachment; "
        "filename=plain.txt; filename*=utf-8''%C3%A9.txt\r\nContent-ID: <a@b> (x)\r\n\r\n"
        "--b\r\nContent-Type: a/b; name=\"t\"\r\nContent-Disposition: inline\r\n"
        "Content-ID: bare\r\n\r\n"
        "--b\r\nContent-Disposition: ATTACHMENT; filename=\"\"\r\nContent-ID: <>\r\n\r\n--b--");
    assert_int_equal(message->part_count, 3);
    assert_string_equal(message->parts[0].name, "é.txt");
    assert_string_equal(message->parts[0].cid, "a@b");
    assert_int_equal(message->parts[0].disposition, DISPOSITION_ATTACHMENT);
    assert_string_equal(message->parts[1].name, "t");
    assert_string_equal(message->parts[1].cid, "bare");
    assert_int_equal(message->parts[1].disposition, DISPOSITION_INLINE);
    assert_null(message->parts[2].name);
    assert_null(message->parts[2].cid);
    assert_int_equal(message->parts[2].disposition, DISPOSITION_ATTACHMENT);
    message_free(message);
}

static void test_name_limit(void **state)
{
    (void)state;
    static char mail[PART_MAX_NAME * 2 + 200];
    for (size_t size = PART_MAX_NAME - 1; size <= PART_MAX_NAME + 1; size++) {
        int head = sprintf(mail, "Content-Disposition: attachment; filename=\"");
        memset(mail + head, 'x', size);
        strcpy(mail + (size_t)head + size, "\"\r\n\r\n");
        struct message *message = parse(mail);
        assert_int_equal(strlen(message->parts[0].name),
                         size < PART_MAX_NAME ? size : PART_MAX_NAME);
        message_free(message);
        /* Its last character has two bytes: both or none. */
        memcpy(mail + head + size - 2, "\xC3\xA9", 2);
        message = parse(mail);
        assert_int_equal(strlen(message->parts[0].name), size <= PART_MAX_NAME ? size : size - 2);
        message_free(message);
    }
}

/* `expected`: each part's type. */
static void assert_types(const char *mail, const char *expected, unsigned repairs)
{
    char types[200] = "";
    struct message *message = parse(mail);
    for (size_t i = 0; i < message->part_count; i++)
        snprintf(types + strlen(types), sizeof types - strlen(types), "%s;",
                 message->parts[i].type);
    assert_string_equal(types, expected);
    assert_int_equal(message->repairs, repairs);
    message_free(message);
}

#define A_AND_B(line)                                                                              \
    line "\r\nContent-Type: a/a\r\n\r\n1\r\n" line "\r\nContent-Type: a/b\r\n\r\n2\r\n" line       \
         "--\r\n"

static void test_several_types(void **state)
{
    (void)state;
    assert_types("Content-Type: multipart/mixed; boundary=old\r\nX: y\r\n"
                 "Content-Type: multipart/mixed; boundary=new\r\n\r\n" A_AND_B("--new"),
                 "a/a;a/b;", REPAIR_CONTENT_TYPES);
    assert_types("Content-Type: multipart/mixed; boundary=old\r\n"
                 "Content-Type: multipart/mixed; boundary=new\r\n\r\n" A_AND_B("--old"),
                 "a/a;a/b;", REPAIR_CONTENT_TYPES);
    assert_types(
        "Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=new\r\n\r\n" A_AND_B(
            "--new"),
        "a/a;a/b;", REPAIR_CONTENT_TYPES);
    assert_types(
        "Content-Type:\r\nContent-Type: multipart/mixed; boundary=new\r\n\r\n" A_AND_B("--new"),
        "a/a;a/b;", 0);
    assert_types("Content-Type: a/b\r\nContent-Type: a/c\r\n\r\nx\r\n", "a/b;", 0);
    assert_types(MIXED "--b\r\nContent-Type: multipart/x; boundary=no\r\n"
                       "Content-Type: multipart/x; boundary=c\r\n\r\n" A_AND_B("--c") "--b--\r\n",
                 "a/a;a/b;", REPAIR_CONTENT_TYPES);
}

static void test_boundaries_declared_wrong(void **state)
{
    (void)state;
    assert_types("Content-Type: multipart/mixed; boundary=\"--=_x\"\r\n\r\n" A_AND_B("--=_x"),
                 "a/a;a/b;", REPAIR_BOUNDARY);
    assert_types("Content-Type: multipart/mixed; boundary=\"=_x\"\r\n\r\n" A_AND_B("----=_x"),
                 "a/a;a/b;", REPAIR_BOUNDARY);
    assert_types(
        "Content-Type: multipart/mixed; boundary=\"x--\"\r\n\r\nfor old\r\n\r\n" A_AND_B("--x"),
        "a/a;a/b;", REPAIR_BOUNDARY);
    assert_types("Content-Type: multipart/mixed\r\n\r\n" A_AND_B("--x"), "a/a;a/b;",
                 REPAIR_BOUNDARY);
    assert_types("Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n\r\n" A_AND_B("--x"),
                 "a/a;a/b;", REPAIR_BOUNDARY);
    /* Not where it does not end, or does not begin with one. */
    assert_types("Content-Type: multipart/mixed\r\n\r\n--x\r\ntext\r\n", "text/plain;", 0);
    assert_types("Content-Type: multipart/mixed\r\n\r\ntext\r\n--x\r\n\r\n--x--\r\n", "text/plain;",
                 0);
    /* The right one counts wherever it comes. */
    assert_types("Content-Type: multipart/mixed; boundary=\"-x\"\r\n\r\n--x\r\n" A_AND_B("---x"),
                 "a/a;a/b;", 0);
}

static void test_stray_lines_in_headers(void **state)
{
    (void)state;
    assert_types(MIXED
                 "--b\r\nCAUTION, it is from outside\r\nContent-Type: a/a\r\n\r\n1\r\n--b--\r\n",
                 "a/a;", REPAIR_STRAY_LINES);
    assert_types(MIXED "--b\r\nX: y\r\nlost\r\n indent\r\nContent-Type: a/a\r\n\r\n1\r\n--b--\r\n",
                 "a/a;", REPAIR_STRAY_LINES);
    assert_types(MIXED "--b\r\njust text\r\nNote: more\r\n--b--\r\n", "text/plain;", 0);
    assert_types("Subject: x\r\nstray\r\nContent-Type: a/b\r\n\r\n1", "a/b;", REPAIR_STRAY_LINES);
    assert_types("From x\r\nContent-Type: a/b\r\n\r\n1", "a/b;", REPAIR_MBOX_LINE);
    assert_types("Subject: x\r\nthe body\r\n\r\nmore: x\r\n", "text/plain;", 0);
}

static void test_attachments_of_headers_only(void **state)
{
    (void)state;
    assert_types("Content-Type: a/b\r\nContent-Disposition: attachment\r\n", "a/b;", 0);
    assert_types("Content-Type: a/b\r\n", "", 0);
    assert_types(MIXED "--b\r\nContent-Type: a/b\r\nContent-Disposition: attachment\r\n--b--",
                 "a/b;", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_several_types),
        cmocka_unit_test(test_boundaries_declared_wrong),
        cmocka_unit_test(test_stray_lines_in_headers),
        cmocka_unit_test(test_attachments_of_headers_only),
        cmocka_unit_test(test_single),
        cmocka_unit_test(test_multipart),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_boundary_never_comes),
        cmocka_unit_test(test_attached_message),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_part_count),
        cmocka_unit_test(test_boundary_line_limit),
        cmocka_unit_test(test_long_fields_of_a_part),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_name_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
