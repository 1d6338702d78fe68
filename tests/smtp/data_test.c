#include "smtp/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../test.h"

struct kept {
    char *bytes;
    size_t size, writes;
};

static void keep(void *context, const char *bytes, size_t size)
{
    struct kept *kept = context;
    kept->bytes = realloc(kept->bytes, kept->size + size + 1);
    memcpy(kept->bytes + kept->size, bytes, size);
    kept->size += size;
    kept->bytes[kept->size] = 0;
    kept->writes++;
}

/* One piece, in memory of exactly its size so that a sanitizer sees a read past its end. */
static size_t scan(struct data_scanner *scanner, struct kept *kept, const char *bytes, size_t size)
{
    const struct data_sink sink = {keep, kept};
    char *copy = malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    size_t used = data_scan(scanner, copy, size, &sink);
    free(copy);
    assert_true(used <= size);
    if (scanner->state != DATA_END)
        assert_int_equal(used, size);
    return used;
}

struct expectation {
    const char *message;
    size_t message_size;
    size_t end; /* where the message ends in the input; 0: it does not */
    bool smuggling;
};

static void compare(const struct data_scanner *scanner, const struct kept *kept, size_t used,
                    const struct expectation *expected)
{
    assert_int_equal(scanner->state == DATA_END, expected->end > 0);
    assert_int_equal(scanner->smuggling, expected->smuggling);
    if (expected->end > 0)
        assert_int_equal(used, expected->end);
    if (expected->smuggling || expected->end == 0)
        return;
    assert_int_equal(kept->size, expected->message_size);
    assert_memory_equal(kept->bytes ? kept->bytes : "", expected->message, expected->message_size);
}

/* Cut at two places each, pieces of a length each, byte by byte: always the same. */
static void check(const char *input, size_t size, const struct expectation *expected)
{
    for (size_t first = 0; first <= size; first++) {
        for (size_t second = first; second <= size; second++) {
            const size_t cuts[] = {0, first, second, size};
            struct data_scanner scanner;
            struct kept kept = {0};
            data_scanner_init(&scanner);
            size_t used = 0;
            for (size_t i = 0; i < 3 && scanner.state != DATA_END; i++)
                used += scan(&scanner, &kept, input + cuts[i], cuts[i + 1] - cuts[i]);
            compare(&scanner, &kept, used, expected);
            free(kept.bytes);
        }
    }
    for (size_t step = 1; step <= size; step++) {
        struct data_scanner scanner;
        struct kept kept = {0};
        data_scanner_init(&scanner);
        size_t used = 0;
        while (used < size && scanner.state != DATA_END)
            used += scan(&scanner, &kept, input + used, size - used < step ? size - used : step);
        compare(&scanner, &kept, used, expected);
        free(kept.bytes);
    }
}

/* The input ends with the message; bytes that follow are not touched. */
static void ends_with(const char *input, size_t size, const char *message, size_t message_size)
{
    struct expectation expected = {message, message_size, size, false};
    check(input, size, &expected);
    char longer[512];
    memcpy(longer, input, size);
    memcpy(longer + size, ".\r\n\r\n.\r\n", 8);
    check(longer, size + 8, &expected);
}

#define ENDS_WITH(input, message) ends_with(input, sizeof(input) - 1, message, sizeof(message) - 1)

static void messages(void **state)
{
    (void)state;
    ENDS_WITH(".\r\n", "");
    ENDS_WITH("\r\n.\r\n", "\r\n");
    ENDS_WITH("a\r\n.\r\n", "a\r\n");
    ENDS_WITH("a: b\r\n\r\nc.d\r\n.\r\n", "a: b\r\n\r\nc.d\r\n");
    ENDS_WITH("a\0b\xff\r\n.\r\n", "a\0b\xff\r\n");
}

static void dots_are_unstuffed(void **state)
{
    (void)state;
    ENDS_WITH("..\r\n.\r\n", ".\r\n");
    ENDS_WITH("...\r\n.\r\n", "..\r\n");
    ENDS_WITH(".a\r\n.\r\n", "a\r\n"); /* RFC 5321 4.5.2: deleted whatever follows */
    ENDS_WITH("a\r\n..\r\n.\r\n", "a\r\n.\r\n");
    ENDS_WITH("a\r\n..b\r\n..\r\n...\r\n.\r\n", "a\r\n.b\r\n.\r\n..\r\n");
    ENDS_WITH("a.\r\n.\r\n", "a.\r\n");
    ENDS_WITH("a.b..c\r\n.\r\n", "a.b..c\r\n");
}

static void bare_line_ends_stay(void **state)
{
    (void)state;
    ENDS_WITH("a\nb\rc\n\nd\r\re\n\rf\r\n.\r\n", "a\nb\rc\n\nd\r\re\n\rf\r\n");
    ENDS_WITH("a\n.b\r.c\n..\r\n.\r\n", "a\n.b\r.c\n..\r\n");
    ENDS_WITH("a\r\n..\nb\r\n..\rc\r\n.\r\n", "a\r\n.\nb\r\n.\rc\r\n");
    ENDS_WITH("a\n\r\n.\r\n", "a\n\r\n");
    ENDS_WITH("a\r\r\n.\r\n", "a\r\r\n");
}

static void no_end_yet(void **state)
{
    (void)state;
    static const char *const inputs[] = {"",       ".",      "\r\n.",      "\r\n.\r",
                                         "a.\r\n", "\r\n..", "\r\n..\r\n", "\r\n.a\r\n"};
    const struct expectation expected = {.end = 0};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        check(inputs[i], strlen(inputs[i]), &expected);
}

/* Every pair of line ends around a lone dot: only CRLF and CRLF ends the message, every other pair
 * marks it, and never ends it. */
static void only_crlf_dot_crlf_ends(void **state)
{
    (void)state;
    static const char *const line_ends[] = {"\r\n", "\n", "\r", "\n\r", "\r\r", "\n\n", "\r\r\n"};
    /* Does a CRLF stand next to the dot? */
    static const bool ends_in_crlf[] = {true, false, false, false, false, false, true};
    static const bool begins_with_crlf[] = {true, false, false, false, false, false, false};
    const size_t count = sizeof line_ends / sizeof *line_ends;
    for (size_t before = 0; before < count; before++) {
        for (size_t after = 0; after < count; after++) {
            char input[64];
            bool end = ends_in_crlf[before] && begins_with_crlf[after];
            snprintf(input, sizeof input, "a%s.%sQUIT\r\nb\r\n.\r\n", line_ends[before],
                     line_ends[after]);
            size_t size = strlen(input);
            const struct expectation expected = {
                .message = ends_in_crlf[before] && before > 0 ? "a\r\r\n" : "a\r\n",
                .message_size = before > 0 ? 4 : 3,
                .end = end ? size - strlen("QUIT\r\nb\r\n.\r\n") : size,
                .smuggling = !end,
            };
            check(input, size, &expected);
        }
    }
}

static void false_ends_at_the_start(void **state)
{
    (void)state;
    static const char *const inputs[] = {".\n\r\n.\r\n", ".\r\r\n.\r\n", ".\rx\r\n.\r\n"};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        struct expectation expected = {.end = strlen(inputs[i]), .smuggling = true};
        check(inputs[i], strlen(inputs[i]), &expected);
    }
}

static void false_end_runs_into_the_real_one(void **state)
{
    (void)state;
    static const char *const inputs[] = {"\r.\r\n.\r\n", "\n.\r\n.\r\n", "\r\n.\n.\r\n\r\n.\r\n",
                                         "a\r\n.\r.\r\n.\r\n"};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        struct expectation expected = {.end = strlen(inputs[i]), .smuggling = true};
        check(inputs[i], strlen(inputs[i]), &expected);
    }
}

/* All inputs of these bytes up to a length, against a scanner that is plain and slow. */
static bool plain_scan(const char *input, size_t size, struct kept *kept, struct expectation *out)
{
    char text[32] = "\r\n"; /* the end of the DATA command, then the input */
    memcpy(text + 2, input, size);
    for (size_t i = 2; i < size + 2; i++) {
        bool after_crlf = text[i - 2] == '\r' && text[i - 1] == '\n';
        bool after_bare = !after_crlf && (text[i - 1] == '\r' || text[i - 1] == '\n');
        if (text[i] == '.' && after_crlf && memcmp(text + i, ".\r\n", 3) == 0) {
            out->end = i + 3 - 2;
            return true;
        }
        bool last = i + 1 == size + 2;
        bool lone = !last && (text[i + 1] == '\r' || text[i + 1] == '\n');
        bool undecided = after_crlf && !last && text[i + 1] == '\r' && i + 2 == size + 2;
        if (text[i] == '.' && (after_crlf || after_bare) && lone && !undecided)
            out->smuggling = true;
        if (text[i] != '.' || !after_crlf)
            keep(kept, text + i, 1);
    }
    return false;
}

static void agrees_with_a_plain_scanner(void **state)
{
    (void)state;
    static const char alphabet[] = "\r\n.a";
    for (size_t size = 0; size <= 9; size++) {
        for (size_t number = 0; number < (size_t)1 << (2 * size); number++) {
            char input[16];
            for (size_t i = 0; i < size; i++)
                input[i] = alphabet[number >> (2 * i) & 3];
            struct kept plain = {0}, kept = {0};
            struct expectation expected = {0};
            plain_scan(input, size, &plain, &expected);
            expected.message = plain.bytes ? plain.bytes : "";
            expected.message_size = plain.size;
            struct data_scanner scanner;
            const struct data_sink sink = {keep, &kept};
            data_scanner_init(&scanner);
            size_t half = size / 2;
            size_t used = data_scan(&scanner, input, half, &sink);
            if (scanner.state != DATA_END)
                used += data_scan(&scanner, input + half, size - half, &sink);
            compare(&scanner, &kept, used, &expected);
            free(plain.bytes);
            free(kept.bytes);
        }
    }
}

static void few_writes(void **state)
{
    (void)state;
    static char input[64 * 1024];
    struct data_scanner scanner;
    struct kept kept = {0};
    data_scanner_init(&scanner);
    memset(input, 'x', sizeof input);
    scan(&scanner, &kept, input, sizeof input);
    assert_int_equal(kept.writes, 1);

    /* The worst: every line begins with a stuffed dot. */
    for (size_t i = 0; i < sizeof input; i += 4)
        memcpy(input + i, "..\r\n", 4);
    kept.writes = kept.size = 0;
    data_scanner_init(&scanner);
    scan(&scanner, &kept, input, sizeof input);
    assert_int_equal(kept.size, sizeof input / 4 * 3);
    assert_in_range(kept.writes, 1, 32);
    free(kept.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages),
        cmocka_unit_test(dots_are_unstuffed),
        cmocka_unit_test(bare_line_ends_stay),
        cmocka_unit_test(no_end_yet),
        cmocka_unit_test(only_crlf_dot_crlf_ends),
        cmocka_unit_test(false_ends_at_the_start),
        cmocka_unit_test(false_end_runs_into_the_real_one),
        cmocka_unit_test(agrees_with_a_plain_scanner),
        cmocka_unit_test(few_writes),
    };
    return RUN_TESTS(tests);
}
