/* Notes that wait are copies in pages: all that was noted is there when what it was copied from is gone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../test.h"
#include "history/pages.h"
#include "history/segment.h"
#include "records.h"

#define MANY 3000 /* do not fit on one page */

static void assert_same(const struct packed *a, const struct packed *b)
{
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->bytes, b->bytes, a->size);
}

/* Each text is another one: packed, none stands for another. */
static struct history_message *message_of(int64_t number)
{
    struct history_message *m = record_message(number, 1700000000000 + number);
    m->message_id = "m@client.test";
    m->client_name = "mail.client.test";
    m->user = "user@client.test";
    for (size_t i = 0; i < m->delivery_count; i++)
        m->deliveries[i].target = i == 0 ? "{\"url\":\"https://hook.example/?key=1\"}" : NULL;
    return m;
}

static void all_of_a_message_is_copied(void **state)
{
    (void)state;
    struct note_pages pages = {0};
    struct segment_writer before = {0}, after = {0};
    struct history_message *copies[MANY];
    for (int i = 0; i < MANY; i++) {
        struct history_message *m = message_of(i + 1);
        assert_int_equal(segment_add(&before, m), 0);
        copies[i] = pages_take_message(&pages, m);
        assert_non_null(copies[i]);
    }
    for (int i = 0; i < MANY; i++)
        assert_int_equal(segment_add(&after, copies[i]), 0);
    assert_same(&before.terms, &after.terms);
    assert_same(&before.records, &after.records);
    assert_same(&before.subjects, &after.subjects);
    for (int i = 0; i < MANY; i++)
        history_message_free(copies[i]);
    segment_free(&before);
    segment_free(&after);
    pages_free(&pages);
}

static void all_of_an_attempt_is_copied(void **state)
{
    (void)state;
    struct note_pages pages = {0};
    struct history_attempt *a = record_attempt(7, 1, 2, 500, HISTORY_WAITING);
    a->error = "answered 500";
    a->reply = "no";
    a->target = NULL;
    struct history_attempt *copy = pages_take_attempt(&pages, a);
    assert_non_null(copy);
    assert_string_equal(copy->error, "answered 500");
    assert_string_equal(copy->reply, "no");
    assert_null(copy->target);
    assert_int_equal(copy->status, 500);
    assert_int_equal(copy->number, 2);
    history_attempt_free(copy);
    pages_free(&pages);
}

static void what_is_owned_moves_to_the_copy(void **state)
{
    (void)state;
    struct note_pages pages = {0};
    struct spill *data = spill_new("/tmp", "pages_test");
    assert_int_equal(spill_write(data, "Subject: a\n", 11), 0);
    struct history_message *m = message_of(1);
    m->data = spill_ref(data);
    m->deliveries[0].payload = payload_new(spill_ref(data), NULL);
    struct history_message *copy = pages_take_message(&pages, m);
    spill_free(data);
    assert_int_equal(spill_size(copy->data), 11);
    assert_int_equal(payload_size(copy->deliveries[0].payload), 11);
    history_message_free(copy);
    pages_free(&pages);
}

/* Of a page's size, less and more: each with others around it. */
static void a_text_of_any_size_is_copied(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 4096, 262000, 262079, 262080, 262081, 262144, 1000000};
    struct note_pages pages = {0};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct history_attempt *a = record_attempt(7, 1, 1, 500, HISTORY_WAITING);
        char *text = arena_alloc(a->arena, sizes[i] + 1);
        memset(text, 'x', sizes[i]);
        text[sizes[i]] = 0;
        a->reply = text;
        struct history_attempt *copy = pages_take_attempt(&pages, a);
        assert_int_equal(strlen(copy->reply), sizes[i]);
        history_attempt_free(copy);
    }
    pages_free(&pages);
}

/* The next batch uses the pages of the last one, also where it needs fewer, or more, or a large one. */
static void pages_are_used_again(void **state)
{
    (void)state;
    static const int counts[] = {MANY, 1, 0, MANY, 10, MANY};
    struct note_pages pages = {0};
    for (size_t round = 0; round < sizeof counts / sizeof *counts; round++) {
        struct history_message *copies[MANY];
        for (int i = 0; i < counts[round]; i++)
            copies[i] = pages_take_message(&pages, message_of(i + 1));
        struct note_pages written = {.used = pages.used};
        pages.used = NULL;
        struct history_message *next = pages_take_message(&pages, message_of(5)); /* meanwhile */
        for (int i = 0; i < counts[round]; i++) {
            assert_string_equal(copies[i]->client_name, "mail.client.test");
            history_message_free(copies[i]);
        }
        pages_recycle(&pages, &written);
        pages_free(&written);
        assert_string_equal(next->user, "user@client.test");
        history_message_free(next);
    }
    pages_free(&pages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_a_message_is_copied),
        cmocka_unit_test(all_of_an_attempt_is_copied),
        cmocka_unit_test(what_is_owned_moves_to_the_copy),
        cmocka_unit_test(a_text_of_any_size_is_copied),
        cmocka_unit_test(pages_are_used_again),
    };
    return RUN_TESTS(tests);
}
