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

/* Cut anywhere, what is left ends where a character does, and as little as can be is missing. */
static void test_whole_size(void **state)
{
    (void)state;
    static const char text[] = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z";
    static const size_t whole[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};
    for (size_t size = 0; size < sizeof text; size++)
        assert_int_equal(utf8_whole_size(text, size), whole[size]);
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

/* What RFC 3629's table says of these three bytes: all of the Basic Multilingual Plane but the surrogates. */
static bool is_three(unsigned a, unsigned b, unsigned c)
{
    unsigned low = a == 0xE0 ? 0xA0 : 0x80, high = a == 0xED ? 0x9F : 0xBF;
    return a >= 0xE0 && a <= 0xEF && b >= low && b <= high && c >= 0x80 && c <= 0xBF;
}

static size_t valid(unsigned a, unsigned b, unsigned c, unsigned d)
{
    const char bytes[] = {(char)a, (char)b, (char)c, (char)d};
    return utf8_valid_size(bytes, sizeof bytes);
}

/* Each first byte with second and third ones on both sides of each limit. */
static void test_every_lead(void **state)
{
    (void)state;
    static const unsigned edges[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF};
    for (unsigned a = 0x80; a <= 0xFF; a++)
        for (size_t i = 0; i < 10; i++) {
            unsigned b = edges[i], tail = b >= 0x80 && b <= 0xBF;
            bool two = a >= 0xC2 && a <= 0xDF && tail;
            assert_int_equal(valid(a, b, '.', '.'), two ? 4 : 0);
            for (size_t k = 0; k < 10; k++)
                if (!two)
                    assert_int_equal(valid(a, b, edges[k], '.'), is_three(a, b, edges[k]) ? 4 : 0);
            unsigned low = a == 0xF0 ? 0x90 : 0x80, high = a == 0xF4 ? 0x8F : 0xBF;
            bool four = a >= 0xF0 && a <= 0xF4 && b >= low && b <= high;
            assert_int_equal(valid(a, b, 0x80, 0xBF), four                   ? 4
                                                      : two                  ? 2
                                                      : is_three(a, b, 0x80) ? 3
                                                                             : 0);
            assert_int_equal(valid(a, b, 0xBF, 0xC0), two ? 2 : is_three(a, b, 0xBF) ? 3 : 0);
        }
}

/* Each character is one to four bytes, and stays what it was. */
static void test_every_character(void **state)
{
    (void)state;
    for (uint32_t c = 0x80; c <= 0x10FFFF; c++) {
        char text[5] = {0};
        size_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        text[0] = (char)((0xF00u >> size) | c >> 6 * (size - 1));
        for (size_t i = 1; i < size; i++)
            text[i] = (char)(0x80 | (c >> 6 * (size - 1 - i) & 0x3F));
        assert_int_equal(utf8_valid_size(text, size), c >= 0xD800 && c <= 0xDFFF ? 0 : size);
    }
}

/* Takes so many pieces, and then no more. */
static int failing_sink(void *context, const char *bytes, size_t size)
{
    int *left = context;
    (void)bytes, (void)size;
    return (*left)-- > 0 ? 0 : -5;
}

/* Wherever the sink fails, that is what comes back, and it is not called again. */
static void test_a_sink_that_fails(void **state)
{
    (void)state;
    static const char text[] = "a\xFFz\xC3\xA9\x80\xE2\x82";
    for (size_t cut = 0; cut <= sizeof text - 1; cut++)
        for (int pieces = 0, code = -1; code != 0; pieces++) {
            struct utf8_stream stream = {0};
            int left = pieces;
            code = utf8_stream_write(&stream, text, cut, failing_sink, &left);
            if (code == 0)
                code = utf8_stream_write(&stream, text + cut, sizeof text - 1 - cut, failing_sink,
                                         &left);
            if (code == 0)
                code = utf8_stream_end(&stream, failing_sink, &left);
            assert_int_equal(code, left < 0 ? -5 : 0);
            assert_true(left >= -1);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_size),        cmocka_unit_test(test_valid_size),
        cmocka_unit_test(test_every_place),       cmocka_unit_test(test_stream),
        cmocka_unit_test(test_every_lead),        cmocka_unit_test(test_every_character),
        cmocka_unit_test(test_a_sink_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
