#include "mail_test.h"

#include "mail/utf8.h"

static void test_valid_size(void **state)
{
    (void)state;
    assert_int_equal(utf8_valid_size(BYTES("plain ascii, longer than eight")), 30);
    assert_int_equal(utf8_valid_size(BYTES("a\0b")), 3);
    assert_int_equal(utf8_valid_size(BYTES("\xC3\xA9")), 2);
    assert_int_equal(utf8_valid_size(BYTES("\xF4\x8F\xBF\xBF")), 4);
    assert_int_equal(utf8_valid_size(BYTES("\xF4\x90\x80\x80")), 0); /* past U+10FFFF */
    assert_int_equal(utf8_valid_size(BYTES("a\xED\xA0\x80")), 1);    /* a surrogate */
    assert_int_equal(utf8_valid_size(BYTES("a\xC0\x80")), 1);        /* too long a form */
    assert_int_equal(utf8_valid_size(BYTES("a\xE0\x9F\xBF")), 1);
    assert_int_equal(utf8_valid_size(BYTES("a\xF0\x8F\xBF\xBF")), 1);
    assert_int_equal(utf8_valid_size(BYTES("ab\xE2\x82")), 2); /* cut */
}

/* What is not ASCII stands at each place of a word, valid or not. */
static void test_every_place(void **state)
{
    (void)state;
    for (size_t place = 0; place < 17; place++) {
        for (size_t size = place + 1; size < 20; size++) {
            char text[20];
            memset(text, 'x', sizeof text);
            text[place] = '\xFF';
            assert_int_equal(utf8_valid_size(text, size), place);
            text[place] = '\xC3';
            assert_int_equal(utf8_valid_size(text, size), place);
            text[place + 1] = '\xA9';
            assert_int_equal(utf8_valid_size(text, size), size == place + 1 ? place : size);
        }
    }
}

/* Each case is written whole, and in pieces cut at every place: with the same result. */
static void assert_cleaned(const char *bytes, size_t size, const char *expected)
{
    for (size_t cut = 0; cut <= size; cut++) {
        struct utf8_stream stream = {0};
        struct buffer out = {0};
        assert_int_equal(utf8_stream_write(&stream, bytes, cut, buffer_sink, &out), 0);
        assert_int_equal(utf8_stream_write(&stream, bytes + cut, size - cut, buffer_sink, &out), 0);
        assert_int_equal(utf8_stream_end(&stream, buffer_sink, &out), 0);
        assert_buffer(&out, expected);
    }
    struct utf8_stream stream = {0};
    struct buffer out = {0};
    for (size_t i = 0; i < size; i++)
        assert_int_equal(utf8_stream_write(&stream, bytes + i, 1, buffer_sink, &out), 0);
    assert_int_equal(utf8_stream_end(&stream, buffer_sink, &out), 0);
    assert_buffer(&out, expected);
}

#define R UTF8_REPLACEMENT

static void test_stream(void **state)
{
    (void)state;
    assert_cleaned(BYTES("na\xC3\xAFve \xE2\x82\xAC \xF0\x9F\x98\x80"),
                   "na\xC3\xAFve \xE2\x82\xAC \xF0\x9F\x98\x80");
    assert_cleaned(BYTES("\xFF"), R);
    assert_cleaned(BYTES("a\xE2\x82"), "a" R); /* never finished: one */
    assert_cleaned(BYTES("\xE2\x82z"), R "z"); /* a maximal subpart: one */
    assert_cleaned(BYTES("\xE2\x82\xE2\x82\xAC"), R "\xE2\x82\xAC");
    assert_cleaned(BYTES("\xF0\x9F\x98\xC3\xA9"), R "\xC3\xA9");
    assert_cleaned(BYTES("\xC0\x80"), R R); /* nothing begins so: one each */
    assert_cleaned(BYTES("\xED\xA0\x80"), R R R);
    assert_cleaned(BYTES("\x80\xBFz"), R R "z");
    assert_cleaned(BYTES(""), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_size),
        cmocka_unit_test(test_every_place),
        cmocka_unit_test(test_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
