#include "base/arena.h"

#include <string.h>

#include "../test.h"

static void keeps_what_was_written(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    char *texts[2000];
    for (int i = 0; i < 2000; i++) { /* sizes on both sides of a block */
        texts[i] = arena_alloc(arena, (size_t)i * 7 + 1);
        memset(texts[i], i & 255, (size_t)i * 7 + 1);
    }
    for (int i = 0; i < 2000; i++)
        for (int j = 0; j <= i * 7; j++)
            assert_int_equal((unsigned char)texts[i][j], i & 255);
    arena_free(arena);
}

static void is_aligned_for_any_type(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    for (size_t size = 1; size < 70; size++) {
        assert_non_null(arena_strndup(
            arena, "a text has any place, and moves nothing from its own......................",
            size));
        assert_int_equal((uintptr_t)arena_alloc(arena, size) % _Alignof(max_align_t), 0);
    }
    arena_free(arena);
}

static void copies_strings(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    assert_string_equal(arena_strdup(arena, "mail"), "mail");
    assert_string_equal(arena_strndup(arena, "mailbox", 4), "mail");
    assert_string_equal(arena_strndup(arena, "", 0), "");
    arena_free(arena);
}

/* To the last byte of a block, and one more: each starts where the one before ended. */
static void texts_stand_close_together(void **state)
{
    (void)state;
    for (size_t size = 1; size < 40; size++) {
        struct arena *arena = arena_new();
        char *before = arena_strndup(arena, "0123456789012345678901234567890123456789", size);
        char *texts[100] = {before};
        size_t close = 0;
        for (int i = 1; i < 100; i++) {
            texts[i] = arena_strndup(arena, "0123456789012345678901234567890123456789", size);
            close += texts[i] == texts[i - 1] + size + 1;
        }
        for (int i = 0; i < 100; i++)
            assert_int_equal(strlen(texts[i]), size);
        assert_in_range(close, 90, 99); /* all but where a block begins */
        arena_free(arena);
    }
}

static void refuses_what_cannot_be(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    assert_null(arena_alloc(arena, SIZE_MAX));
    assert_null(arena_alloc(arena, SIZE_MAX / 2 + 1));
    arena_free(arena);
    arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_was_written), cmocka_unit_test(is_aligned_for_any_type),
        cmocka_unit_test(copies_strings),         cmocka_unit_test(texts_stand_close_together),
        cmocka_unit_test(refuses_what_cannot_be),
    };
    return RUN_TESTS(tests);
}
