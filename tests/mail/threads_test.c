/* Several workers read messages at once, and the same one: what each makes of it is the same. */
#include "mail_test.h"

#include <pthread.h>
#include <stdlib.h>

#define THREADS 4
#define ROUNDS  50

static const char mail[] =
    "From: =?iso-8859-1?q?Jos=E9?= <a@b.example>, G: c@xn--bcher-kva.example;\r\n"
    "To: Ann (comment) <d@e.example>\r\nDate: Thu, 13 Feb 2020 13:44:12 -0800\r\n"
    "Subject: =?iso-2022-jp?b?GyRCRnxLXBsoQg==?=\r\n"
    "Content-Type: multipart/related; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: text/html; charset=koi8-r\r\nContent-Transfer-Encoding: "
    "quoted-printable\r\n"
    "\r\n=C1=C2 <img src=\"cid:i\">\r\n"
    "--b\r\nContent-Type: image/png; name*=windows-1252''%E9.png\r\nContent-ID: <i>\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--b--\r\n";

static char *expected;

static void *work(void *nothing)
{
    for (int i = 0; i < ROUNDS; i++) {
        char *payload = payload_of(mail, sizeof mail - 1);
        if (strcmp(payload, expected) != 0)
            nothing = payload;
        else
            free(payload);
    }
    return nothing;
}

static void test_at_once(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    expected = payload_of(mail, sizeof mail - 1);
    assert_non_null(strstr(expected, "José"));
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        void *different;
        assert_int_equal(pthread_join(threads[i], &different), 0);
        assert_null(different);
    }
    free(expected);
}

static int read_together(void *context, const char *bytes, size_t size)
{
    size_t *at = context;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != (char)('a' + (*at)++ % 23))
            return -1;
    return 0;
}

static struct message *shared;

static void *read_shared(void *nothing)
{
    for (int i = 0; i < ROUNDS; i++) {
        size_t at = 0;
        if (part_read_content(shared, &shared->parts[0], read_together, &at) != 0 || at != 100000)
            return &shared;
    }
    return nothing;
}

/* One message in a file, read by all: there is no file offset to share. */
static void test_one_message(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    static char bytes[100002] = "\r\n";
    for (size_t i = 0; i < 100000; i++)
        bytes[i + 2] = (char)('a' + i % 23);
    struct spill *spill = spill_in_file(bytes, sizeof bytes);
    assert_int_equal(message_parse(spill, 0, &shared, NULL), 0);
    spill_free(spill);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_shared, NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    message_free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_once),
        cmocka_unit_test(test_one_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
