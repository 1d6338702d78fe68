/*
 * What reads or writes a mail calls others that may fail: each such call fails once, and the error is what comes back,
 * wherever the call stands. Linked so that our calls come here. Memory's own failures are memory_test's: they are seldom,
 * as buffers grow by steps, and of an arena only the call that begins a block can fail.
 */
#include "mail_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "mail/charset.h"
#include "mail/original.h"
#include "mail/trace.h"

static long granted; /* calls that are still met; below zero, one has failed */

static bool fails(void)
{
    return granted-- == 0;
}

int __real_spill_write(struct spill *spill, const void *bytes, size_t size);
int __wrap_spill_write(struct spill *spill, const void *bytes, size_t size);
ssize_t __real_spill_read(const struct spill *spill, uint64_t offset, void *buffer, size_t size);
ssize_t __wrap_spill_read(const struct spill *spill, uint64_t offset, void *buffer, size_t size);
int __real_buffer_append(struct buffer *buffer, const char *bytes, size_t size);
int __wrap_buffer_append(struct buffer *buffer, const char *bytes, size_t size);
int __real_buffer_append_byte(struct buffer *buffer, char byte);
int __wrap_buffer_append_byte(struct buffer *buffer, char byte);
int __real_header_list_append(struct header_list *list, const char *name, const char *value,
                              size_t size);
int __wrap_header_list_append(struct header_list *list, const char *name, const char *value,
                              size_t size);
int __real_charset_open(struct charset_converter *converter, const char *name);
int __wrap_charset_open(struct charset_converter *converter, const char *name);
void *__real_arena_alloc(struct arena *arena, size_t size);
void *__wrap_arena_alloc(struct arena *arena, size_t size);
char *__real_arena_strdup(struct arena *arena, const char *text);
char *__wrap_arena_strdup(struct arena *arena, const char *text);
char *__real_arena_strndup(struct arena *arena, const char *text, size_t length);
char *__wrap_arena_strndup(struct arena *arena, const char *text, size_t length);

int __wrap_spill_write(struct spill *spill, const void *bytes, size_t size)
{
    return fails() ? -ENOMEM : __real_spill_write(spill, bytes, size);
}

ssize_t __wrap_spill_read(const struct spill *spill, uint64_t offset, void *buffer, size_t size)
{
    return fails() ? -ENOMEM : __real_spill_read(spill, offset, buffer, size);
}

int __wrap_buffer_append(struct buffer *buffer, const char *bytes, size_t size)
{
    return fails() ? -ENOMEM : __real_buffer_append(buffer, bytes, size);
}

int __wrap_buffer_append_byte(struct buffer *buffer, char byte)
{
    return fails() ? -ENOMEM : __real_buffer_append_byte(buffer, byte);
}

int __wrap_header_list_append(struct header_list *list, const char *name, const char *value,
                              size_t size)
{
    return fails() ? -ENOMEM : __real_header_list_append(list, name, value, size);
}

int __wrap_charset_open(struct charset_converter *converter, const char *name)
{
    if (!fails())
        return __real_charset_open(converter, name);
    assert_int_equal(__real_charset_open(converter, NULL), 0); /* so that it can be closed */
    return -ENOMEM;
}

void *__wrap_arena_alloc(struct arena *arena, size_t size)
{
    return fails() ? NULL : __real_arena_alloc(arena, size);
}

char *__wrap_arena_strdup(struct arena *arena, const char *text)
{
    return fails() ? NULL : __real_arena_strdup(arena, text);
}

char *__wrap_arena_strndup(struct arena *arena, const char *text, size_t length)
{
    return fails() ? NULL : __real_arena_strndup(arena, text, length);
}

static int failing_sink(void *context, const char *bytes, size_t size)
{
    (void)context, (void)bytes, (void)size;
    return fails() ? -ENOMEM : 0;
}

static const char *const mails[] = {
    "From: =?utf-8?q?Jos=C3=A9?= <a@b.example>, c@xn--d.example\r\nTo: Big Bug e@f.example\r\n"
    "Cc: Ada (a comment) <g@h.example>, (Name) i@j.example, k@l.example (Name)\r\n"
    "Reply-To: Ada <a@b.example> (behind), \"quo\\\"ted\" <m@n.example>, us: o@p.example, "
    "<q@r.example>;, mailto:s@t\r\n"
    "Subject: caf\xE9\r\n folded =?koi8-r?b?wcI?= =?utf-8?q?=41?=\r\nX-\xFF: a\r\nSender: x y "
    "z@w.example (c) <v@u.example>\r\n"
    "Message-ID: <i@j>\r\nIn-Reply-To: <a@b> <c@d>\r\nReferences: <a@b>\r\n <c@d>\r\n"
    "Received: from a\r\nDate: Thu, 13 Feb 2020 13:44:12 -0800\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: text/html; charset=koi8-r\r\n\r\n\xC1 cid:x and \"cid:y%20z\"\r\r\n"
    "--b\r\nContent-Type: image/png; name*0*=utf-8''%C3; name*1*=%A9\r\nContent-ID: <x>\r\n"
    "Content-Disposition: inline; filename=\"=?utf-8?q?=C3=A9?=\"\r\nContent-Transfer-Encoding: "
    "base64\r\n\r\nAAEC\r\n"
    "--b\r\nContent-Type: image/png\r\nContent-ID: <y z>\r\n\r\nA\r\n"
    "--b\r\nContent-Type: application/x; name=a\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n"
    "begin 644 a\r\n#86)C\r\n`\r\nend\r\n"
    "--b\r\nContent-Type: text/plain\r\n\r\nno charset: \xE4\xF6 and an end\r\r\n"
    "--b\r\nContent-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: "
    "base64\r\n\r\n/v8AYQANAGIADQ==\r\n"
    "--b\r\nContent-Type: text/plain; charset=iso-2022-jp\r\nContent-Transfer-Encoding: "
    "quoted-printable\r\n\r\n=1B$B$\"=\r\n=0D\r\n"
    "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ntext\r\n"
    "--b--\r\n",
    "From: a\nTo: undisclosed-recipients:;\n\nbare\rlines\n\r",
};

/* What is done with the mail while calls fail; 0 or the error. */
typedef int mail_use(const struct message *message, struct spill *out);

static struct envelope envelope = {
    .sender = "s@x", .helo = "a b", .client_ip = "192.0.2.1", .authentication_results = "mx; none"};
static const struct receiver receiver = {.hostname = "mx.example.com"};

static int write_payload(const struct message *message, struct spill *out)
{
    struct header_list headers;
    struct arena *arena = arena_new();
    int status = payload_headers(message, &envelope, "r@x", &receiver, arena, &headers);
    if (status == 0) {
        status = payload_write_head(&headers, out);
        if (status == 0)
            status = payload_write_tail(message, &envelope, out);
        header_list_free(&headers);
    }
    arena_free(arena);
    return status;
}

static int write_original(const struct message *message, struct spill *out)
{
    bool changed;
    return original_write(message, &receiver, out, &changed);
}

static int read_texts(const struct message *message, struct spill *out)
{
    (void)out;
    int status = message_read_text(message, PART_TEXT, failing_sink, NULL);
    return status == 0 ? message_read_text(message, PART_HTML, failing_sink, NULL) : status;
}

static int read_parts(const struct message *message, struct spill *out)
{
    int status = 0;
    (void)out;
    for (size_t i = 0; i < message->part_count && status == 0; i++)
        status = part_read_content(message, &message->parts[i], failing_sink, NULL);
    return status;
}

static int write_trace(const struct message *message, struct spill *out)
{
    struct transaction *t = transaction_new("id-1", NULL, NULL);
    (void)message;
    assert_non_null(t);
    t->envelope.helo = strdup("a b");
    int status = trace_write(t, "r@x.example", "mx.example.com", out);
    transaction_free(t);
    return status;
}

/* Every call in turn; returns how many there were. */
static long check(const char *mail, size_t size, mail_use *use)
{
    struct message *message = parse_bytes(mail, size);
    long calls = 0;
    for (bool reached = true; reached; calls++) {
        struct spill *out = spill_new("/tmp", NULL);
        assert_non_null(out);
        granted = calls;
        int status = use(message, out);
        reached = granted < 0;
        granted = -1;
        if (status != (reached ? -ENOMEM : 0))
            fail_msg("%d where call %ld fails (%d)", status, calls, reached);
        spill_free(out);
    }
    message_free(message);
    return calls;
}

static void test_each_call_that_fails_is_told(void **state)
{
    static mail_use *const uses[] = {write_payload, write_original, read_texts, read_parts,
                                     write_trace};
    long calls = 0;
    (void)state;
    for (size_t m = 0; m < sizeof mails / sizeof *mails; m++)
        for (size_t u = 0; u < sizeof uses / sizeof *uses; u++)
            calls += check(mails[m], strlen(mails[m]), uses[u]);
    print_message("    %ld calls\n", calls);
    assert_in_range(calls, 200, 100000);
}

static void test_each_call_while_it_is_parsed(void **state)
{
    (void)state;
    for (size_t m = 0; m < sizeof mails / sizeof *mails; m++) {
        struct spill *data = spill_from_bytes(mails[m], strlen(mails[m]));
        assert_non_null(data);
        bool reached = true;
        for (long calls = 0; reached; calls++) {
            struct message *message = NULL;
            granted = calls;
            int status = message_parse(data, 0, &message, NULL);
            reached = granted < 0;
            granted = -1;
            if (status != (reached ? -ENOMEM : 0))
                fail_msg("%d where call %ld fails (%d)", status, calls, reached);
            if (status == 0)
                message_free(message);
        }
        spill_free(data);
    }
}

/* All of it at once, or byte by byte, to a sink that fails. */
static int convert(const char *name, const char *bytes, size_t size, size_t step)
{
    struct charset_converter converter;
    assert_int_equal(__real_charset_open(&converter, name), 0);
    int status = 0;
    for (size_t at = 0; at < size && status == 0; at += step)
        status = charset_write(&converter, bytes + at, step, failing_sink, NULL);
    if (status == 0)
        status = charset_end(&converter, failing_sink, NULL);
    charset_close(&converter);
    return status;
}

static void test_each_sink_of_a_charset(void **state)
{
    static const struct {
        const char *name, *bytes;
        size_t size;
    } texts[] = {
        {NULL, BYTES("a\xC3\xA9\xFF\xE2\x82")},
        {"koi8-r", BYTES("a\xC1\xC2")},
        {"big5", BYTES("\x88\x62\x88\xA5\xFF\xA4")},
        {"gb18030", BYTES("\xC4\xE3\xFF\x81\x30")},
        {"utf-16", BYTES("\xFE\xFF\x20\xAC\xD8\x00\x00\x41\xD8")},
        {"utf-7", BYTES("caf+AOk-\xE9 +AO")},
        {"utf-32", BYTES("\0\0\0a\xFF\xFF\xFF\xFF\0\0")},
        {"iso-2022-jp", BYTES("\x1B$B\x25\x46\x1B(B!\xE3\x81\xBB\xFF\x1B$B\x25")},
        {"iso-2022-kr", BYTES("\x1B$)C\x0E\x21\x21\x0F\xE3\x81\xBB\xE3\x81")},
        {"hz-gb-2312", BYTES("~{VPND~}\xFF~{V")},
        {"tcvn", BYTES("a\xB5\x41\xB0")},
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (size_t step = 1; step <= texts[i].size; step += texts[i].size - 1) {
            bool reached = true;
            for (long calls = 0; reached; calls++) {
                granted = calls;
                int status = convert(texts[i].name, texts[i].bytes, texts[i].size, step);
                reached = granted < 0;
                granted = -1;
                if (status != (reached ? -ENOMEM : 0))
                    fail_msg("text %zu by %zu: %d where call %ld fails", i, step, status, calls);
            }
        }
    }
}

static int setup(void **state)
{
    (void)state;
    granted = -1;
    message_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_call_that_fails_is_told),
        cmocka_unit_test(test_each_call_while_it_is_parsed),
        cmocka_unit_test(test_each_sink_of_a_charset),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
