/* The table of a destination's fields: what goes by it, a copy and a profile, forgets none. */
#include "config/destination_fields.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "../test.h"
#include "config/destination_read.h"

static const char *headers[] = {"A: 1", "B=env:X"};
static const int64_t pauses[] = {1000, 2000};

/* All fields are set, each by its type. */
static struct destination whole(void)
{
    struct destination to = {0};
    for (size_t i = 0; i < DESTINATION_FIELDS; i++) {
        const struct destination_field *field = &destination_fields[i];
        switch (field->type) {
        case DESTINATION_URL:
        case DESTINATION_TEXT:
        case DESTINATION_PATH: *destination_text(&to, field) = field->name; break;
        case DESTINATION_HEADERS:
            to.headers = headers;
            to.header_count = 2;
            break;
        case DESTINATION_DURATIONS:
            to.schedule_ms = pauses;
            to.schedule_count = 2;
            break;
        case DESTINATION_DURATION:
        case DESTINATION_NUMBER:
        case DESTINATION_BYTES: destination_set_number(&to, field, (int64_t)i + 70); break;
        case DESTINATION_RATE: to.rate = 1.5; break;
        }
    }
    return to;
}

/* Each field is as whole() has it; what it points to stands elsewhere. */
static void assert_copied(const struct destination *to)
{
    const struct destination from = whole();
    for (size_t i = 0; i < DESTINATION_FIELDS; i++) {
        const struct destination_field *field = &destination_fields[i];
        assert_true(destination_has(to, field));
        switch (field->type) {
        case DESTINATION_URL:
        case DESTINATION_TEXT:
        case DESTINATION_PATH:
            assert_string_equal(*destination_text(to, field), field->name);
            assert_ptr_not_equal(*destination_text(to, field), field->name);
            break;
        case DESTINATION_HEADERS:
            assert_int_equal(to->header_count, 2);
            for (size_t h = 0; h < 2; h++) {
                assert_string_equal(to->headers[h], headers[h]);
                assert_ptr_not_equal(to->headers[h], headers[h]);
            }
            break;
        case DESTINATION_DURATIONS:
            assert_int_equal(to->schedule_count, 2);
            assert_ptr_not_equal(to->schedule_ms, pauses);
            assert_memory_equal(to->schedule_ms, pauses, sizeof pauses);
            break;
        case DESTINATION_DURATION:
        case DESTINATION_NUMBER:
        case DESTINATION_BYTES:
            assert_int_equal(destination_number(to, field), destination_number(&from, field));
            break;
        case DESTINATION_RATE: assert_true(to->rate == 1.5); break;
        }
    }
}

static void a_copy_has_all_fields_for_itself(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    const struct destination from = whole(), none = {0};
    struct destination to;
    assert_int_equal(destination_copy(arena, &from, &to), 0);
    assert_copied(&to);
    assert_int_equal(destination_copy(arena, &none, &to), 0);
    for (size_t i = 0; i < DESTINATION_FIELDS; i++)
        assert_false(destination_has(&to, &destination_fields[i]));
    assert_null(to.headers);
    assert_null(to.schedule_ms);
    arena_free(arena);
}

static void a_profile_gives_what_is_not_said(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    const struct destination profile = whole();
    static const char *own[] = {"b: mine", "C: 3"};
    struct destination to = {.url = strcpy(arena_alloc(arena, 4), "url")};
    assert_int_equal(destination_inherit(arena, &to, &profile), 0);
    assert_copied(&to);
    to = (struct destination){.url = "u", .timeout_ms = 5, .headers = own, .header_count = 2};
    assert_int_equal(destination_inherit(arena, &to, &profile), 0);
    assert_string_equal(to.url, "u");
    assert_int_equal(to.timeout_ms, 5);
    assert_int_equal(to.header_count, 3);
    assert_string_equal(to.headers[0], "b: mine");
    assert_string_equal(to.headers[2], "A: 1");
    arena_free(arena);
}

static void a_field_is_known_by_its_name(void **state)
{
    (void)state;
    char names[200];
    for (size_t i = 0; i < DESTINATION_FIELDS; i++)
        assert_ptr_equal(destination_field(destination_fields[i].name), &destination_fields[i]);
    assert_null(destination_field("ur"));
    assert_null(destination_field("urls"));
    destination_names(DESTINATION_MAIL, 1, names, sizeof names);
    assert_string_equal(names, "timeout, attempts, schedule");
}

/* As a rule would write it; "headers" and "schedule" are tables. */
static void a_destination_is_pushed_as_a_rule_writes_it(void **state)
{
    static const char script[] =
        "local t, fields = ... "
        "assert(t.headers.A == '1' and t.headers.B.env == 'X') "
        "assert(t.schedule[1] == '1000.000000ms' or t.schedule[1] == '1000ms', t.schedule[1]) "
        "assert(#t.schedule == 2) "
        "local count = 0 for _ in pairs(t) do count = count + 1 end assert(count == fields) "
        "assert(t.url == 'url' and t.secret == 'secret')";
    (void)state;
    const struct destination to = whole(), none = {0};
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(luaL_loadstring(L, i == 0 ? script : "assert(next((...)) == nil)"), 0);
        destination_push(L, i == 0 ? &to : &none);
        lua_pushinteger(L, DESTINATION_FIELDS);
        if (lua_pcall(L, 2, 0, 0) != 0)
            fail_msg("%s", lua_tostring(L, -1));
    }
    for (size_t i = 0; i < DESTINATION_FIELDS; i++) { /* numbers, each in its unit */
        const struct destination_field *field = &destination_fields[i];
        destination_push(L, &to);
        lua_getfield(L, -1, field->name);
        if (field->type == DESTINATION_DURATION)
            assert_true(lua_tonumber(L, -1) * 1000 == (lua_Number)destination_number(&to, field));
        else if (field->type == DESTINATION_NUMBER || field->type == DESTINATION_BYTES)
            assert_true(lua_tonumber(L, -1) == (lua_Number)destination_number(&to, field));
        else if (field->type == DESTINATION_RATE)
            assert_int_equal(atoi(lua_tostring(L, -1)), 5400);
        lua_pop(L, 2);
    }
    lua_close(L);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_has_all_fields_for_itself),
        cmocka_unit_test(a_profile_gives_what_is_not_said),
        cmocka_unit_test(a_field_is_known_by_its_name),
        cmocka_unit_test(a_destination_is_pushed_as_a_rule_writes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
