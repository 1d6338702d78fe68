/*
 * Each allocation of ours fails once: the answer is -ENOMEM, and nothing leaks or crashes. Linked
 * so that our calls come here; GLib's do not, as it ends the process where memory is out.
 */
#include "../failing_memory.h"
#include "mail_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "mail/words.h"

static const char mail[] =
    "From: =?utf-8?q?Jos=C3=A9?= <a@b.example>, c@xn--d.example\r\nTo: Big Bug e@f.example\r\n"
    "Cc: g@h.example\r\nSubject: caf\xE9\r\n folded =?koi8-r?b?wcI?=\r\nX-\xFF: a\0b\r\n"
    "Message-ID: <i\0j>\r\nAuthentication-Results: mx.example.com; x\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: text/html; charset=koi8-r\r\n\r\n\xC1 cid:x\r\n"
    "--b\r\nContent-Type: image/png; name*0*=utf-8''%C3; name*1*=%A9\r\nContent-ID: <x>\r\n"
    "Content-Disposition: attachment\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n"
    "begin 644 a\r\n#86)C\r\n`\r\nend\r\n"
    "--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\nno parts\r\n--b--\r\n";

static int render(struct spill *data, struct spill *out)
{
    struct envelope envelope = {.sender = "s@x", .helo = "a b", .client_ip = "192.0.2.1"};
    struct message *message;
    struct header_list headers;
    int status = message_parse(data, 0, &message, NULL);
    if (status < 0)
        return status;
    status =
        payload_headers(message, &envelope, "r@x", &(struct receiver){.hostname = "mx.example.com"},
                        message->arena, &headers);
    if (status == 0) {
        status = payload_write_head(&headers, out);
        if (status == 0)
            status = payload_write_tail(message, &envelope, out);
        header_list_free(&headers);
    }
    message_free(message);
    return status;
}

static void check(struct spill *data)
{
    long allocation = 0;
    for (int status = -ENOMEM; status != 0; allocation++) {
        struct spill *out = spill_new("/tmp", NULL);
        assert_non_null(out);
        memory_fails_after(allocation);
        status = render(data, out);
        bool reached = memory_has_failed();
        assert_int_equal(status, reached ? -ENOMEM : 0);
        spill_free(out);
    }
    assert_in_range(allocation, 20, 1000);
    spill_free(data);
}

static void test_from_memory(void **state)
{
    (void)state;
    check(spill_from_bytes(BYTES(mail)));
}

static void test_from_a_file(void **state)
{
    (void)state;
    check(spill_in_file(BYTES(mail)));
}

/* Text of every length, so that each byte's place is once the one where the memory has to grow: all of it, or -ENOMEM. */
static void decode_lengths(const char *piece,
                           int (*decode)(struct buffer *to, const char *raw, size_t size))
{
    char raw[2048];
    for (size_t count = 1; count < 300; count++) {
        size_t size = (size_t)snprintf(raw, sizeof raw, "=?utf-8?q?%s", count % 2 ? "x" : "");
        for (size_t i = 0; i < count; i++)
            size += (size_t)snprintf(raw + size, sizeof raw - size, "%s",
                                     (i + count / 2) % 7 ? piece : "a");
        size += (size_t)snprintf(raw + size, sizeof raw - size, "?= <a@b>");
        struct buffer whole = {0};
        assert_int_equal(decode(&whole, raw, size), 0);
        bool reached = true;
        for (long allocation = 0; reached; allocation++) {
            struct buffer out = {0};
            memory_fails_after(allocation);
            int status = decode(&out, raw, size);
            reached = memory_has_failed();
            assert_int_equal(status, reached ? -ENOMEM : 0);
            if (!reached) {
                assert_int_equal(out.size, whole.size);
                assert_memory_equal(out.bytes, whole.bytes, whole.size);
            }
            buffer_free(&out);
        }
        buffer_free(&whole);
    }
}

static void test_words_of_every_length(void **state)
{
    (void)state;
    decode_lengths("=22", words_decode_addresses);
    decode_lengths("=C3=A9", words_decode_addresses);
    decode_lengths("=00", words_decode_addresses);
    decode_lengths("=FF", words_decode);
}

static int setup(void **state)
{
    (void)state;
    message_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_memory),
        cmocka_unit_test(test_from_a_file),
        cmocka_unit_test(test_words_of_every_length),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
