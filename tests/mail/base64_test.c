#include "mail_test.h"

#include <stdlib.h>

#include "mail/base64.h"

static void assert_decodes(const char *text, size_t used, const char *expected)
{
    char out[256];
    size_t got;
    assert_int_equal(base64_decode_fours(text, strlen(text), out, &got), used);
    assert_int_equal(got, strlen(expected));
    assert_memory_equal(out, expected, got);
}

static void test_whole_fours(void **state)
{
    (void)state;
    assert_decodes("", 0, "");
    assert_decodes("YWJj", 4, "abc");
    assert_decodes("YWJj\r\nZGVm\r\n", 12, "abcdef");
    assert_decodes("\n\r\rYWJj\nZGVm", 12, "abcdef");
    assert_decodes("++//", 4, "\xFB\xEF\xFF");
}

static void test_stops_before_what_is_not_whole(void **state)
{
    (void)state;
    assert_decodes("YWJ", 0, "");
    assert_decodes("YWJjZG", 4, "abc");
    assert_decodes("YWJjZA==", 4, "abc");
    assert_decodes("YWJj\r\nZ\r\nGVm", 6, "abc"); /* a line end inside a four */
    assert_decodes("YWJj ZGVm", 4, "abc");
    assert_decodes("YWJjZG\xC3\xA9", 4, "abc");
    assert_decodes("YWJjZG-_", 4, "abc");
}

/* Every letter, in every place of a four. */
static void test_all_letters(void **state)
{
    (void)state;
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (unsigned byte = 0; byte < 256; byte++) {
        const char *letter = byte ? strchr(letters, (int)byte) : NULL;
        for (unsigned place = 0; place < 4; place++) {
            char four[4] = {'A', 'A', 'A', 'A'}, out[3];
            size_t got, skipped = place == 0 && (byte == '\r' || byte == '\n');
            four[place] = (char)byte;
            assert_int_equal(base64_decode_fours(four, 4, out, &got), letter ? 4 : skipped);
            assert_int_equal(got, letter ? 3 : 0);
            uint32_t bits = letter ? (uint32_t)(letter - letters) << (18 - 6 * place) : 0;
            for (unsigned i = 0; i < got; i++)
                assert_int_equal((uint8_t)out[i], bits >> (16 - 8 * i) & 255);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_fours),
        cmocka_unit_test(test_stops_before_what_is_not_whole),
        cmocka_unit_test(test_all_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
