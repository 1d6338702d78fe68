#include "smtp/line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../test.h"

/* What came of an input: complete lines in brackets, faults by a letter. */
struct outcome {
    char text[8192];
    size_t size;
};

static void note(struct outcome *outcome, const char *format, const char *text)
{
    outcome->size += (size_t)snprintf(outcome->text + outcome->size,
                                      sizeof outcome->text - outcome->size, format, text);
}

static void feed(struct line_reader *line, struct outcome *outcome, const char *bytes, size_t size)
{
    static const char *const names[] = {[LINE_BARE_CR] = "cr ",
                                        [LINE_BARE_LF] = "lf ",
                                        [LINE_NUL] = "nul ",
                                        [LINE_TOO_LONG] = "long "};
    /* In memory of exactly this size, so that a sanitizer sees a read past its end. */
    char *copy = malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    for (size_t at = 0, used; at < size; at += used) {
        enum line_result result = line_take(line, copy + at, size - at, &used);
        assert_in_range(used, 1, size - at);
        if (result == LINE_COMPLETE)
            note(outcome, "[%s] ", line->bytes);
        else if (result != LINE_MORE)
            note(outcome, "%s", names[result]);
    }
    free(copy);
}

/* Cut at every place, and byte by byte. */
static void check(const char *bytes, size_t size, const char *expected)
{
    for (size_t cut = 0; cut <= size; cut++) {
        struct line_reader line;
        struct outcome outcome = {0};
        line_init(&line);
        feed(&line, &outcome, bytes, cut);
        feed(&line, &outcome, bytes + cut, size - cut);
        assert_string_equal(outcome.text, expected);
    }
    struct line_reader line;
    struct outcome outcome = {0};
    line_init(&line);
    for (size_t i = 0; i < size; i++)
        feed(&line, &outcome, bytes + i, 1);
    assert_string_equal(outcome.text, expected);
}

#define CHECK(bytes, expected) check(bytes, sizeof(bytes) - 1, expected)

static void complete_lines(void **state)
{
    (void)state;
    CHECK("", "");
    CHECK("\r\n", "[] ");
    CHECK("NOOP\r\n", "[NOOP] ");
    CHECK("NOOP", "");
    CHECK("a\r\n\r\nb c\r\n", "[a] [] [b c] ");
}

static void faults_take_the_whole_line(void **state)
{
    (void)state;
    CHECK("a\nb\r\nc\r\n", "lf lf [c] ");
    CHECK("a\rb\r\nc\r\n", "cr [c] ");
    CHECK("\n\r\nc\r\n", "lf lf [c] ");
    CHECK("\r\r\nc\r\n", "cr [c] ");
    CHECK("a\r\r\r\nc\r\n", "cr [c] ");
    CHECK("a\n\n\nNOOP\n\r\nc\r\n", "lf lf lf lf lf [c] ");
    CHECK("a\0b\nc\rd\r\ne\r\n", "nul lf [e] ");
    CHECK("a\r\0\r\ne\r\n", "cr [e] ");
    CHECK("a\n", "lf ");
    CHECK("a\nb\r\nc\nd\r\ne\r\n", "lf lf lf lf [e] ");
}

static void length_limit(void **state)
{
    (void)state;
    const size_t most = LINE_MAX_OCTETS + LINE_MAX_EXTRA - 2;
    char text[4096], expected[4096];
    memset(text, 'x', sizeof text);
    memcpy(text + most, "\r\nc\r\n", 5);
    snprintf(expected, sizeof expected, "[%.*s] [c] ", (int)most, text);
    check(text, most + 5, expected);
    memset(text, 'x', sizeof text);
    memcpy(text + most + 1, "\r\nc\r\n", 5);
    check(text, most + 1 + 5, "long [c] ");
    memset(text, 'x', sizeof text);
    memcpy(text + 2000, "\n\r \r\nc\r\n", 8);
    check(text, 2008, "long lf [c] ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(complete_lines),
        cmocka_unit_test(faults_take_the_whole_line),
        cmocka_unit_test(length_limit),
    };
    return RUN_TESTS(tests);
}
