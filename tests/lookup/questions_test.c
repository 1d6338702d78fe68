/* What a message asks of sources: noted once, given beforehand, and no more than so many. */
#include <errno.h>
#include <stdio.h>

#include "lookup/questions.h"

#include "../test.h"

static const struct lookup_answer *answer;

static int get(struct questions *questions, enum lookup_kind kind, const char *source,
               const char *address)
{
    answer = NULL;
    return questions_get(questions, kind, source, address, &answer);
}

static void each_is_noted_once(void **state)
{
    struct questions questions = {0};
    (void)state;
    assert_int_equal(questions_open(&questions, 0), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(get(&questions, LOOKUP_HTTP, "app", "a@b"), -EAGAIN);
        assert_int_equal(get(&questions, LOOKUP_HTTP, "app", "c@b"), -EAGAIN);
        assert_int_equal(get(&questions, LOOKUP_HTTP, "other", "a@b"), -EAGAIN);
        assert_int_equal(get(&questions, LOOKUP_POSTGRES, "app", "a@b"), -EAGAIN);
        assert_int_equal(questions.count, 4);
        assert_null(answer);
    }
    assert_string_equal(questions.items[1].address, "c@b");
    assert_string_equal(questions.items[2].source, "other");
    assert_int_equal(questions.items[3].kind, LOOKUP_POSTGRES);
    questions.items[1].answer = lookup_answer_new(LOOKUP_FOUND, "yes", 3);
    assert_int_equal(questions_open(&questions, 0), 3);
    assert_int_equal(questions_open(&questions, 1), 2);
    assert_int_equal(questions_open(&questions, 3), 1);
    assert_int_equal(questions_open(&questions, 4), 0);
    assert_int_equal(get(&questions, LOOKUP_HTTP, "app", "c@b"), 0);
    assert_string_equal(answer->text, "yes");
    questions_free(&questions);
    assert_int_equal(questions.count, 0);
    assert_int_equal(get(&questions, LOOKUP_HTTP, "app", "c@b"), -EAGAIN);
    questions_free(&questions);
}

/* As a test of rules has it: by address, or for all the others; nobody is asked. */
static void what_was_given(void **state)
{
    struct lookup_answer *one = lookup_answer_new(LOOKUP_FOUND, "one", 3),
                         *all = lookup_answer_new(LOOKUP_NONE, NULL, 0);
    struct questions questions = {0};
    (void)state;
    assert_int_equal(questions_give(&questions, LOOKUP_HTTP, "app", NULL, all), 0);
    assert_int_equal(questions_give(&questions, LOOKUP_HTTP, "app", "a@b", one), 0);
    assert_int_equal(questions_give(&questions, LOOKUP_HTTP, "named", "a@b", one), 0);
    lookup_answer_unref(one);
    lookup_answer_unref(all);
    assert_int_equal(get(&questions, LOOKUP_HTTP, "app", "a@b"), 0);
    assert_ptr_equal(answer, one);
    assert_int_equal(get(&questions, LOOKUP_HTTP, "app", "b@b"), 0);
    assert_ptr_equal(answer, all);
    assert_int_equal(get(&questions, LOOKUP_HTTP, "named", "a@b"), 0);
    assert_ptr_equal(answer, one);
    assert_int_equal(get(&questions, LOOKUP_HTTP, "named", "b@b"), -ENOENT);
    assert_int_equal(get(&questions, LOOKUP_POSTGRES, "app", "a@b"), -ENOENT);
    assert_int_equal(questions.count, 3);
    questions_free(&questions);
}

static void so_many_and_no_more(void **state)
{
    struct questions questions = {0};
    char address[16];
    (void)state;
    for (int i = 0; i < QUESTIONS_MAX; i++) {
        snprintf(address, sizeof address, "%d@b", i);
        assert_int_equal(get(&questions, LOOKUP_HTTP, "app", address), -EAGAIN);
    }
    assert_int_equal(get(&questions, LOOKUP_HTTP, "app", "more@b"), -E2BIG);
    assert_int_equal(get(&questions, LOOKUP_HTTP, "app", "0@b"), -EAGAIN);
    assert_int_equal(questions_open(&questions, 0), QUESTIONS_MAX);
    questions_free(&questions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_noted_once),
        cmocka_unit_test(what_was_given),
        cmocka_unit_test(so_many_and_no_more),
    };
    return RUN_TESTS(tests);
}
