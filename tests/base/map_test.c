#include "base/map.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../test.h"

#define MANY      40000
#define COLLIDING 5000 /* names: a thousand tries find one */
#define RUN_MAX   256  /* slots in a row that are taken, of 131,072 with 40,000 in them: about 30 */

struct thing {
    char name[24];
    int number;
};

static struct thing things[MANY];

static struct map_key key_of(const void *value)
{
    const struct thing *thing = value;
    return (struct map_key){thing->name, strlen(thing->name)};
}

static struct map_key key(const char *name)
{
    return (struct map_key){name, strlen(name)};
}

/* What a look-up may have to walk. */
static size_t longest_run(const struct map *map)
{
    size_t longest = 0, run = 0;
    for (size_t i = 0; i < 2 * map->capacity; i++) { /* twice: one may go round the end */
        run = map->slots[i & (map->capacity - 1)].value ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    return longest;
}

static void an_empty_one_has_nothing(void **state)
{
    (void)state;
    struct map numbers = {0}, names = {.key_of = key_of};
    assert_null(map_get(&numbers, 0));
    assert_null(map_remove(&numbers, 0));
    assert_null(map_find(&names, key("a")));
    assert_null(map_take(&names, key("a")));
    map_free(&numbers);
    map_free(&names);
}

static void numbers_come_and_go(void **state)
{
    (void)state;
    static int values[MANY];
    struct map map = {0};
    for (uint64_t i = 0; i < MANY; i++)
        assert_int_equal(map_put(&map, i * 3, &values[i]), 0);
    assert_int_equal(map.count, MANY);
    for (uint64_t i = 0; i < MANY; i += 2)
        assert_ptr_equal(map_remove(&map, i * 3), &values[i]);
    for (uint64_t i = 0; i < MANY; i++)
        assert_ptr_equal(map_get(&map, i * 3), i % 2 ? &values[i] : NULL);
    assert_null(map_get(&map, 1));
    assert_int_equal(map.count, MANY / 2);
    assert_int_equal(map_put(&map, 3, &values[0]), 0);
    assert_ptr_equal(map_get(&map, 3), &values[0]);
    assert_int_equal(map.count, MANY / 2);
    map_free(&map);
}

static void room_that_was_made_is_there(void **state)
{
    (void)state;
    struct map map = {0};
    assert_int_equal(map_reserve(&map, 1000), 0);
    size_t capacity = map.capacity;
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(map_put(&map, i, &map), 0);
    assert_int_equal(map.capacity, capacity);
    map_free(&map);
}

static void names_come_and_go(void **state)
{
    (void)state;
    struct map map = {.key_of = key_of};
    struct thing twin = {"n7", 70};
    for (int i = 0; i < 1000; i++) {
        snprintf(things[i].name, sizeof things[i].name, "n%d", i);
        assert_int_equal(map_add(&map, &things[i]), 0);
    }
    assert_int_equal(map_add(&map, &twin), 0);
    assert_int_equal(map.count, 1000);
    assert_ptr_equal(map_find(&map, key("n7")), &twin);
    assert_null(map_find(&map, key("n")));
    assert_null(map_find(&map, key("N7")));
    assert_null(map_find(&map, key("")));
    assert_ptr_equal(map_take(&map, key("n7")), &twin);
    assert_null(map_find(&map, key("n7")));
    assert_ptr_equal(map_find(&map, key("n8")), &things[8]);
    map_free(&map);
    assert_null(map_find(&map, key("n8")));
    assert_int_equal(map_add(&map, &things[8]), 0);
    assert_ptr_equal(map_find(&map, key("n8")), &things[8]);
    map_free(&map);
}

/* Adds what chance says, removes what chance says, and compares with a plain array. */
static void agrees_with_an_array(void **state)
{
    (void)state;
    struct map map = {.key_of = key_of};
    static bool in[512];
    srand(1);
    for (int i = 0; i < 512; i++)
        snprintf(things[i].name, sizeof things[i].name, "%d", i);
    for (int step = 0; step < 100000; step++) {
        int i = rand() % 512;
        struct thing *found = map_find(&map, key(things[i].name));
        assert_ptr_equal(found, in[i] ? &things[i] : NULL);
        if (in[i])
            assert_ptr_equal(map_take(&map, key(things[i].name)), &things[i]);
        else
            assert_int_equal(map_add(&map, &things[i]), 0);
        in[i] = !in[i];
    }
    map_free(&map);
}

static uint32_t fnv(const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}

/* Names that share a bucket under a hash that everybody knows. */
static void colliding_names_are_spread(void **state)
{
    (void)state;
    struct map map = {.key_of = key_of};
    unsigned tried = 0;
    for (int i = 0; i < COLLIDING; i++)
        do
            snprintf(things[i].name, sizeof things[i].name, "%x.example", tried++);
        while (fnv(things[i].name) % 1024 != 77);
    for (int i = 0; i < COLLIDING; i++)
        assert_int_equal(map_add(&map, &things[i]), 0);
    for (int i = 0; i < COLLIDING; i++)
        assert_ptr_equal(map_find(&map, key(things[i].name)), &things[i]);
    assert_true(longest_run(&map) < RUN_MAX);
    map_free(&map);
}

/* Numbers that share a slot under multiplication by a known factor, and those of one residue. */
static void colliding_numbers_are_spread(void **state)
{
    (void)state;
    uint64_t factor = 0x9e3779b97f4a7c15u, inverse = factor;
    for (int i = 0; i < 6; i++) /* Newton: each doubles the bits that are right */
        inverse *= 2 - factor * inverse;
    assert_true(factor * inverse == 1);
    struct map map = {0};
    for (uint64_t i = 0; i < MANY / 2; i++) {
        assert_int_equal(map_put(&map, i * inverse, &map), 0);
        assert_int_equal(map_put(&map, (i + 1) << 40, &map), 0);
    }
    assert_true(longest_run(&map) < RUN_MAX);
    map_free(&map);
}

/* The slots of the same names, as a process of its own has them. */
static void print_slots(void)
{
    struct map map = {.key_of = key_of};
    for (int i = 0; i < 30; i++) {
        snprintf(things[i].name, sizeof things[i].name, "%d", i);
        map_add(&map, &things[i]);
    }
    for (size_t i = 0; i < map.capacity; i++)
        printf("%s ", map.slots[i].value ? ((struct thing *)map.slots[i].value)->name : "-");
    map_free(&map);
}

static void read_slots(char text[1024])
{
    FILE *pipe = popen("exec /proc/$PPID/exe slots", "r");
    assert_non_null(pipe);
    size_t size = fread(text, 1, 1023, pipe);
    text[size] = 0;
    assert_int_equal(pclose(pipe), 0);
    assert_true(size > 100);
}

static void each_process_has_its_own_order(void **state)
{
    (void)state;
    char first[1024], second[1024];
    read_slots(first);
    read_slots(second);
    assert_string_not_equal(first, second);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "slots") == 0) {
        print_slots();
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_one_has_nothing),
        cmocka_unit_test(numbers_come_and_go),
        cmocka_unit_test(room_that_was_made_is_there),
        cmocka_unit_test(names_come_and_go),
        cmocka_unit_test(agrees_with_an_array),
        cmocka_unit_test(colliding_names_are_spread),
        cmocka_unit_test(colliding_numbers_are_spread),
        cmocka_unit_test(each_process_has_its_own_order),
    };
    return RUN_TESTS(tests);
}
