#include "mail_test.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

#include "mail/json.h"

static struct json json;

static void start(void)
{
    struct spill *spill = spill_new("/tmp", NULL);
    assert_non_null(spill);
    json_init(&json, spill);
}

static char *finish(size_t *size)
{
    assert_int_equal(json_finish(&json), 0);
    *size = (size_t)spill_size(json.out);
    char *text = malloc(*size + 1);
    assert_non_null(text);
    assert_int_equal(spill_read(json.out, 0, text, *size), *size);
    text[*size] = 0;
    spill_free(json.out);
    return text;
}

static void assert_written(const char *expected)
{
    size_t size;
    char *text = finish(&size);
    assert_string_equal(text, expected);
    free(text);
}

static void test_structure(void **state)
{
    (void)state;
    start();
    json_begin_object(&json);
    json_key(&json, "a");
    json_begin_array(&json);
    json_number(&json, 0);
    json_number(&json, INT64_MIN);
    json_null(&json);
    json_begin_object(&json);
    json_end_object(&json);
    json_begin_array(&json);
    json_end_array(&json);
    json_end_array(&json);
    json_key(&json, "b");
    json_text(&json, NULL);
    json_key(&json, "c");
    json_text(&json, "");
    json_end_object(&json);
    assert_written("{\"a\":[0,-9223372036854775808,null,{},[]],\"b\":null,\"c\":\"\"}");
    start();
    json_resume_object(&json);
    json_key(&json, "k");
    json_number(&json, 1);
    json_end_object(&json);
    assert_written(",\"k\":1}");
}

static void test_times(void **state)
{
    (void)state;
    start();
    json_begin_array(&json);
    json_time(&json, 1764000000123);
    json_time(&json, 1000);
    json_time(&json, 0);
    json_end_array(&json);
    assert_written("[\"2025-11-24T16:00:00.123Z\",\"1970-01-01T00:00:01.000Z\",null]");
}

static void test_escapes(void **state)
{
    (void)state;
    start();
    json_string(&json, BYTES("\0\1\x1f \"\\/\b\f\n\r\t\x7f é"));
    assert_written("\"\\u0000\\u0001\\u001f \\\"\\\\/\\b\\f\\n\\r\\t\x7f é\"");
}

/* However a string is cut, it is the same, and valid. */
static void test_pieces(void **state)
{
    (void)state;
    static const char text[] = "\xE2\x82\xAC \xFF \"\xF0\x9F\x98\x80\" \xE2\x82";
    for (size_t first = 0; first < sizeof text; first++) {
        for (size_t second = first; second < sizeof text; second++) {
            start();
            json_begin_string(&json);
            assert_int_equal(json_string_sink(&json, text, first), 0);
            assert_int_equal(json_string_sink(&json, text + first, second - first), 0);
            assert_int_equal(json_string_sink(&json, text + second, sizeof text - 1 - second), 0);
            json_end_string(&json);
            assert_written("\"€ \xEF\xBF\xBD \\\"😀\\\" \xEF\xBF\xBD\"");
        }
    }
}

/* Each byte at each place of a word, by both sinks, and as many as are looked at at once and one more or less. */
static void test_every_place(void **state)
{
    (void)state;
    for (int c = 0; c < 128; c++) {
        char escaped[8], expected[64], text[20];
        if (c < ' ' && !strchr("\b\t\n\f\r", c))
            snprintf(escaped, sizeof escaped, "\\u%04x", c);
        else if (c == 0)
            snprintf(escaped, sizeof escaped, "\\u0000");
        else if (c < ' ')
            snprintf(escaped, sizeof escaped, "\\%c", "btn-fr"[c - '\b']);
        else
            snprintf(escaped, sizeof escaped, "%s%c", c == '"' || c == '\\' ? "\\" : "", c);
        for (size_t size = 1; size < sizeof text; size++) {
            for (size_t place = 0; place < size; place++) {
                memset(text, 'x', sizeof text);
                text[place] = (char)c;
                snprintf(expected, sizeof expected, "\"%.*s%s%.*s\"", (int)place,
                         "xxxxxxxxxxxxxxxxxxxx", escaped, (int)(size - place - 1),
                         "xxxxxxxxxxxxxxxxxxxx");
                start();
                json_string(&json, text, size);
                assert_written(expected);
                start();
                json_begin_string(&json);
                assert_int_equal(json_valid_sink(&json, text, size), 0);
                json_end_string(&json);
                assert_written(expected);
            }
        }
    }
}

/* All of a long string grows as much as it can. */
static void test_long_escapes(void **state)
{
    (void)state;
    size_t size = 3 * JSON_BUFFER + 1, written;
    char *text = calloc(1, size);
    assert_non_null(text);
    start();
    json_begin_string(&json);
    assert_int_equal(json_valid_sink(&json, text, size), 0);
    json_end_string(&json);
    char *out = finish(&written);
    assert_int_equal(written, 6 * size + 2);
    for (size_t i = 0; i < size; i++)
        assert_memory_equal(out + 1 + 6 * i, "\\u0000", 6);
    free(out);
    free(text);
}

/* Long strings, past the buffer: every size near it. */
static void test_long_strings(void **state)
{
    (void)state;
    char *text = malloc(3 * JSON_BUFFER);
    assert_non_null(text);
    memset(text, 'x', 3 * JSON_BUFFER);
    for (size_t size = JSON_BUFFER - 4; size < JSON_BUFFER + 4; size++) {
        size_t written;
        start();
        json_string(&json, text, 2 * size);
        json_string(&json, text, size);
        char *out = finish(&written);
        assert_int_equal(written, 3 * size + 5);
        assert_memory_equal(out + 1, text, 2 * size);
        assert_memory_equal(out + 2 * size + 1, "\",\"", 3);
        free(out);
    }
    free(text);
}

static void test_base64(void **state)
{
    (void)state;
    static const char *const expected[] = {"\"\"", "\"AA==\"", "\"AAE=\"", "\"AAEC\"",
                                           "\"AAECAw==\""};
    for (size_t size = 0; size < 5; size++) {
        start();
        json_begin_base64(&json);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(json_base64_sink(&json, &(char){(char)i}, 1), 0);
        json_end_base64(&json);
        assert_written(expected[size]);
    }
}

static void test_long_base64(void **state)
{
    (void)state;
    enum { SIZE = 200001 };
    unsigned char *bytes = malloc(SIZE);
    size_t written;
    assert_non_null(bytes);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 256);
    start();
    json_begin_base64(&json);
    for (size_t at = 0, step = 1; at < SIZE; at += step, step = step * 3 % 40009) {
        step = step < SIZE - at ? step : SIZE - at;
        assert_int_equal(json_base64_sink(&json, (char *)bytes + at, step), 0);
    }
    json_end_base64(&json);
    char *out = finish(&written);
    char *expected = g_base64_encode(bytes, SIZE);
    assert_int_equal(written, strlen(expected) + 2);
    assert_memory_equal(out + 1, expected, strlen(expected));
    g_free(expected);
    free(out);
    free(bytes);
}

/* A spill that cannot be written: the first error stays, and nothing is tried after it. */
static void test_full_disk(void **state)
{
    (void)state;
    struct spill *spill = spill_new("/nonexistent", NULL);
    char *text = calloc(1, SPILL_THRESHOLD);
    assert_non_null(spill);
    assert_non_null(text);
    json_init(&json, spill);
    for (int i = 0; i < 3; i++)
        json_string(&json, text, SPILL_THRESHOLD);
    assert_int_equal(json_string_sink(&json, "x", 1), -ENOENT);
    assert_int_equal(json_base64_sink(&json, "x", 1), -ENOENT);
    assert_int_equal(json_finish(&json), -ENOENT);
    spill_free(spill);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),        cmocka_unit_test(test_structure),
        cmocka_unit_test(test_escapes),      cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_long_strings), cmocka_unit_test(test_every_place),
        cmocka_unit_test(test_long_escapes), cmocka_unit_test(test_base64),
        cmocka_unit_test(test_long_base64),  cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
