#include "base/id.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../test.h"

#define THREADS    4
#define PER_THREAD 5000

static char ids[THREADS * PER_THREAD][ID_SIZE];

static void is_sixteen_base32_digits(void **state)
{
    (void)state;
    char id[ID_SIZE];
    id_new(id);
    assert_int_equal(strlen(id), 16);
    assert_int_equal(strspn(id, "0123456789abcdefghjkmnpqrstvwxyz"), 16);
}

static void sorts_by_time(void **state)
{
    (void)state;
    char first[ID_SIZE], second[ID_SIZE];
    id_new(first);
    uv_sleep(2);
    id_new(second);
    assert_true(strcmp(first, second) < 0);
}

static void child_begins_with_its_parent(void **state)
{
    (void)state;
    char id[ID_SIZE] = "01k";
    id_child(id, id, 7);
    assert_string_equal(id, "01k-7");
    id_child(id, id, 4294967295u);
    assert_string_equal(id, "01k-7-4294967295");
    id_child(id, "", 0);
    assert_string_equal(id, "-0");
}

static void child_of_a_long_parent_fits(void **state)
{
    (void)state;
    char id[ID_SIZE], parent[ID_SIZE] = "";
    memset(parent, 'a', ID_SIZE - 12);
    id_child(id, parent, 4294967295u);
    assert_int_equal(strlen(id), ID_SIZE - 1);
    assert_int_equal(strncmp(id, parent, ID_SIZE - 12), 0);
    parent[ID_SIZE - 12] = 'b'; /* one more is cut off */
    id_child(id, parent, 4294967295u);
    assert_int_equal(strlen(id), ID_SIZE - 1);
    assert_null(strchr(id, 'b'));
}

static void number_is_read_again(void **state)
{
    (void)state;
    size_t parent;
    assert_int_equal(id_number("01k-7-4294967295", &parent), 4294967295u);
    assert_int_equal(parent, strlen("01k-7"));
    assert_int_equal(id_number("01k-7", &parent), 7);
    assert_int_equal(parent, strlen("01k"));
    assert_int_equal(id_number("01k", &parent), 0);
    assert_int_equal(parent, 0);
}

static void make_ids(void *argument)
{
    char(*mine)[ID_SIZE] = argument;
    for (int i = 0; i < PER_THREAD; i++)
        id_new(mine[i]);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void is_unique_over_threads(void **state)
{
    (void)state;
    uv_thread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        uv_thread_create(&threads[i], make_ids, ids[i * PER_THREAD]);
    for (int i = 0; i < THREADS; i++)
        uv_thread_join(&threads[i]);
    qsort(ids, THREADS * PER_THREAD, ID_SIZE, by_text);
    for (int i = 1; i < THREADS * PER_THREAD; i++)
        assert_string_not_equal(ids[i - 1], ids[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_sixteen_base32_digits),
        cmocka_unit_test(sorts_by_time),
        cmocka_unit_test(child_begins_with_its_parent),
        cmocka_unit_test(child_of_a_long_parent_fits),
        cmocka_unit_test(number_is_read_again),
        cmocka_unit_test(is_unique_over_threads),
    };
    return RUN_TESTS(tests);
}
