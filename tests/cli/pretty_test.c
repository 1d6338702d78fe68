/* JSON for people: indented, long strings cut between characters, and nothing that acts on a terminal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../test.h"
#include "cli/pretty.h"

static char *text;
static size_t size;

static char *shown(const char *json, int indent)
{
    free(text);
    text = NULL;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    pretty_json(out, json, strlen(json), indent);
    fclose(out);
    return text;
}

static void objects_and_arrays_are_indented(void **state)
{
    (void)state;
    static const struct {
        const char *json, *expected;
    } rows[] = {
        {"{}", "{}\n"},
        {"[ \t\r\n]", "[]\n"},
        {"{\"a\":1,\"b\":[]}", "{\n  \"a\": 1,\n  \"b\": []\n}\n"},
        {"[1,[2,3],{\"c\":null}]",
         "[\n  1,\n  [\n    2,\n    3\n  ],\n  {\n    \"c\": null\n  }\n]\n"},
        {" { \"a\" : true } ", "{\n  \"a\": true\n}\n"},
        {"\"{[,:]}\"", "\"{[,:]}\"\n"},
        {"[\"a\\\"b\",\"\\\\\"]", "[\n  \"a\\\"b\",\n  \"\\\\\"\n]\n"},
        {"[1]]", "[\n  1\n]\n]\n"}, /* never below the margin */
        {"{\"a\":", "{\n  \"a\": \n"},
        {"[\"open", "[\n  \"open\n"},
        {"\"\x1b[31m\"", "\"\\x1b[31m\"\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(shown(rows[i].json, 0), rows[i].expected);
    assert_string_equal(shown("[1]", 3), "   [\n     1\n   ]\n");
}

/* A string of so many bytes with its quotes; `middle` begins at byte `at`. */
static const char *string_of(size_t bytes, size_t at, const char *middle)
{
    static char json[500];
    memset(json, 'x', bytes);
    json[0] = json[bytes - 1] = '"';
    memcpy(json + at, middle, strlen(middle));
    json[bytes] = 0;
    return json;
}

static void check_cut(size_t bytes, size_t at, const char *middle, size_t kept)
{
    char expected[600];
    const char *json = string_of(bytes, at, middle);
    snprintf(expected, sizeof expected, "%.*s...\" (%zu bytes)\n", (int)kept, json, bytes - 2);
    assert_string_equal(shown(json, 0), expected);
}

static void a_long_string_is_cut_between_characters(void **state)
{
    (void)state;
    char expected[600];
    snprintf(expected, sizeof expected, "%s\n", string_of(350, 100, "y"));
    assert_string_equal(shown(string_of(350, 100, "y"), 0), expected); /* not worth it */
    check_cut(351, 100, "y", 300);
    check_cut(351, 299, "\xc3\xa4", 301); /* it is whole */
    check_cut(351, 298, "\xe2\x82\xac", 301);
    check_cut(351, 300, "\xc3\xa4", 300); /* behind it */
    check_cut(351, 299, "\\n", 301);      /* an escape, too */
    check_cut(351, 298, "\\n", 300);
    check_cut(351, 298, "\xf0\x9f\x98\x80", 302);
}

static char *lines(const char *bytes)
{
    free(text);
    text = NULL;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    pretty_lines(out, bytes, strlen(bytes));
    fclose(out);
    return text;
}

static void lines_and_tabs_stay(void **state)
{
    (void)state;
    assert_string_equal(lines(""), "");
    assert_string_equal(lines("a\n\tb\r\n\n"), "a\n\tb\\x0d\n\n");
    assert_string_equal(lines("\x1b\n\x7f"), "\\x1b\n\\x7f");
    assert_string_equal(lines("\xc3\xa4\xff"), "\xc3\xa4\\xff");
    free(text);
    text = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_and_arrays_are_indented),
        cmocka_unit_test(a_long_string_is_cut_between_characters),
        cmocka_unit_test(lines_and_tabs_stay),
    };
    return RUN_TESTS(tests);
}
