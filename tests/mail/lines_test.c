#include "mail_test.h"

#include <stdlib.h>

#include "mail/lines.h"

static void assert_line(struct lines *lines, uint64_t offset, size_t size, size_t end_size,
                        bool begins)
{
    struct line line;
    assert_int_equal(lines_next(lines, &line), 1);
    assert_int_equal(line.offset, offset);
    assert_int_equal(line.size, size);
    assert_int_equal(line.end_size, end_size);
    assert_int_equal(line.begins, begins);
}

static void assert_end(struct lines *lines)
{
    struct line line;
    assert_int_equal(lines_next(lines, &line), 0);
}

static void check_mixed_ends(struct spill *spill)
{
    struct lines lines;
    assert_int_equal(lines_open(&lines, spill), 0);
    assert_line(&lines, 0, 5, 2, true);
    assert_line(&lines, 5, 4, 1, true);
    assert_line(&lines, 9, 1, 1, true);
    assert_line(&lines, 10, 5, 1, true);
    assert_line(&lines, 15, 2, 0, true);
    assert_end(&lines);
    lines_close(&lines);
    spill_free(spill);
}

static void test_mixed_ends(void **state)
{
    (void)state;
    static const char text[] = "one\r\ntwo\n\na\rbc\nxy";
    check_mixed_ends(spill_from_bytes(BYTES(text)));
    check_mixed_ends(spill_in_file(BYTES(text)));
}

static void test_empty(void **state)
{
    (void)state;
    struct lines lines;
    struct spill *spill = spill_from_bytes("", 0);
    assert_int_equal(lines_open(&lines, spill), 0);
    assert_end(&lines);
    lines_close(&lines);
    spill_free(spill);
}

/* Lines around the window's size, in a file: whole up to it, in fragments past it. */
static void test_window(void **state)
{
    (void)state;
    for (size_t size = LINES_WINDOW - 2; size <= LINES_WINDOW + 2; size++) {
        char *text = malloc(3 + size + 4);
        struct lines lines;
        assert_non_null(text);
        memcpy(text, "a\r\n", 3);
        memset(text + 3, 'x', size);
        memcpy(text + 3 + size - 2, "\r\nend\n", 6);
        struct spill *spill = spill_in_file(text, 3 + size + 4);
        assert_int_equal(lines_open(&lines, spill), 0);
        assert_line(&lines, 0, 3, 2, true);
        if (size <= LINES_WINDOW) {
            assert_line(&lines, 3, size, 2, true);
        } else {
            assert_line(&lines, 3, LINES_WINDOW, 0, true);
            assert_line(&lines, 3 + LINES_WINDOW, size - LINES_WINDOW, 2, false);
        }
        assert_line(&lines, 3 + size, 4, 1, true);
        assert_end(&lines);
        lines_close(&lines);
        spill_free(spill);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mixed_ends),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
