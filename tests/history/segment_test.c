/* Segments: what is packed comes back, and what is damaged is noticed. */
#include "history/segment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../test.h"
#include "history/filter.h"
#include "records.h"

static struct segment_writer writer;

static int clear(void **state)
{
    (void)state;
    segment_free(&writer);
    writer = (struct segment_writer){0};
    return 0;
}

static void add(struct history_message *m)
{
    assert_int_equal(segment_add(&writer, m), 0);
    history_message_free(m);
}

/* The message at this place, in `arena`. */
static struct history_message read_back(unsigned place, struct arena *arena)
{
    struct message_terms terms;
    struct history_message m = {.arena = arena};
    size_t at = 0;
    for (unsigned i = 0; i <= place; i++)
        assert_int_equal(terms_next(&writer.terms, &at, &terms), 0);
    assert_int_equal(segment_read(&writer.terms, &terms, &writer.records, &m), 0);
    return m;
}

static void what_is_packed_comes_back(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    struct history_attempt made = {
        .number = 3, .at_ms = 77, .ms = 5, .status = 200, .reply = "yes"};
    struct history_message *m = record_message(2, 1000);
    m->deliveries[1].made = &made;
    m->deliveries[1].state = HISTORY_DELIVERED;
    m->deliveries[1].status = 200;
    m->tls = true;
    add(record_message(1, 999));
    add(m);
    struct history_message back = read_back(1, arena);
    assert_string_equal(back.id, "01k0000000000002-1");
    assert_string_equal(back.sender, "user2@many.example");
    assert_string_equal(back.subject, "Alert: disk number 2, ümläut");
    assert_int_equal(back.at_ms, 1000);
    assert_true(back.tls && !back.lmtp);
    assert_null(back.user);
    assert_int_equal(back.recipient_count, 2);
    assert_string_equal(back.recipients[1].address, "team2@example.org");
    assert_string_equal(back.recipients[1].rule, "10-alias.lua:3");
    assert_int_equal(back.delivery_count, 2);
    assert_int_equal(back.deliveries[1].number, 2);
    assert_int_equal(back.deliveries[1].state, HISTORY_DELIVERED);
    assert_int_equal(back.deliveries[1].made->number, 3);
    assert_string_equal(back.deliveries[1].made->reply, "yes");
    assert_null(back.deliveries[1].made->later);
    arena_free(arena);
}

static void a_text_stands_there_once(void **state)
{
    (void)state;
    add(record_message(7, 1000));
    size_t first = writer.records.size;
    add(record_message(57, 1000)); /* the same but for its id and subject */
    assert_in_range(writer.records.size - first, 1, first / 2);
}

static void a_term_holds_what_it_has_to(void **state)
{
    (void)state;
    const struct delivery_term terms[] = {{HISTORY_WAITING, 0, 0, false},
                                          {HISTORY_FAILED, 1023, (1u << 19) - 1, true}};
    struct history_message *m = record_message(2, 1000);
    add(m);
    for (size_t i = 0; i < 2; i++) {
        struct message_terms message;
        struct delivery_term back;
        uint32_t destination, origin;
        size_t at = 0;
        assert_int_equal(terms_next(&writer.terms, &at, &message), 0);
        size_t place = terms_delivery(&writer.terms, &message, 1, &destination, &origin, &back);
        delivery_term_write(&terms[i], (unsigned char *)writer.terms.bytes + place);
        terms_delivery(&writer.terms, &message, 1, &destination, &origin, &back);
        assert_int_equal(back.state, terms[i].state);
        assert_int_equal(back.status, terms[i].status);
        assert_int_equal(back.number, terms[i].number);
        assert_int_equal(back.later, terms[i].later);
    }
}

/* A copy of exactly its size, so that a sanitizer sees what is read behind it. */
static struct packed copy_of(const struct packed *packed, size_t size)
{
    struct packed copy = {.bytes = malloc(size + (size == 0)), .size = size, .room = size};
    memcpy(copy.bytes, packed->bytes, size);
    return copy;
}

static void read_all(const struct packed *terms, const struct packed *records)
{
    struct message_terms message;
    size_t at = 0;
    int code;
    while ((code = terms_next(terms, &at, &message)) == 0) {
        struct history_message m = {.arena = arena_new()};
        int read = segment_read(terms, &message, records, &m);
        assert_true(read == 0 || read == -EBADMSG);
        arena_free(m.arena);
    }
    assert_true(code == -ENOENT || code == -EBADMSG);
}

static void what_is_cut_or_changed_is_noticed_or_read_otherwise(void **state)
{
    (void)state;
    struct packed *parts[] = {&writer.terms, &writer.records};
    add(record_message(1, 1000));
    add(record_message(2, 1001));
    for (size_t part = 0; part < 2; part++) {
        for (size_t size = 0; size < parts[part]->size; size++) {
            struct packed cut = copy_of(parts[part], size);
            read_all(part == 0 ? &cut : &writer.terms, part == 0 ? &writer.records : &cut);
            packed_free(&cut);
        }
        for (size_t at = 0; at < parts[part]->size; at++)
            for (unsigned bit = 0; bit < 8; bit++) {
                struct packed changed = copy_of(parts[part], parts[part]->size);
                changed.bytes[at] = (char)(changed.bytes[at] ^ 1 << bit);
                read_all(part == 0 ? &changed : &writer.terms,
                         part == 0 ? &writer.records : &changed);
                packed_free(&changed);
            }
    }
}

static void it_is_full_at_its_limits(void **state)
{
    (void)state;
    struct history_message *m = record_message(1, 1000);
    for (unsigned i = 0; i < SEGMENT_MESSAGES; i++) {
        assert_false(segment_is_full(&writer));
        assert_int_equal(segment_add(&writer, m), 0);
    }
    assert_true(segment_is_full(&writer));
    segment_reset(&writer);
    assert_false(segment_is_full(&writer));
    char *large = malloc(SEGMENT_BYTES);
    memset(large, 'x', SEGMENT_BYTES - 1);
    large[SEGMENT_BYTES - 1] = 0;
    m->reply = large;
    assert_int_equal(segment_add(&writer, m), 0);
    assert_true(segment_is_full(&writer));
    free(large);
    history_message_free(m);
}

static void subjects_are_found_by_their_lines(void **state)
{
    (void)state;
    bool found[4];
    struct filter_terms filter;
    const struct history_filter wanted = {.subject = "ÜMLÄUT"};
    for (int i = 1; i <= 4; i++) {
        struct history_message *m = record_message(i, 1000);
        m->subject = i == 1 ? NULL : i == 3 ? "über\nmlä" : m->subject;
        add(m);
    }
    assert_int_equal(filter_begin(&filter, &wanted), 0);
    assert_int_equal(filter_subjects(&filter, &writer.subjects, found, 4), 2);
    assert_true(!found[0] && found[1] && !found[2] && found[3]);
    filter_free(&filter);
}

#define TEST(name) cmocka_unit_test_teardown(name, clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_packed_comes_back),
        TEST(a_text_stands_there_once),
        TEST(a_term_holds_what_it_has_to),
        TEST(what_is_cut_or_changed_is_noticed_or_read_otherwise),
        TEST(it_is_full_at_its_limits),
        TEST(subjects_are_found_by_their_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
