/* Which messages a filter finds, each of its words alone, on both sides: by what a message is, and by its terms. */
#include "../test.h"

#include <errno.h>
#include <string.h>

#include "history/filter.h"

#define ID "01k0000000000003"

static struct history_recipient recipients[] = {{.address = "a@one.example"},
                                                {.address = "B@Two.example"}};
static struct history_delivery deliveries[] = {{.destination = "https://a.example/x",
                                                .origin = "https://a.example:443",
                                                .state = HISTORY_FAILED,
                                                .status = 500},
                                               {.destination = "https://b.example/y",
                                                .origin = "https://b.example:443",
                                                .state = HISTORY_DELIVERED,
                                                .status = 200,
                                                .number = 1}};
static struct history_message message = {.id = ID "-1",
                                         .at_ms = 5000,
                                         .result = HISTORY_DEFERRED,
                                         .sender = "s@Three.example",
                                         .subject = "An Invoice",
                                         .reply = "250 Ok",
                                         .client_ip = "192.0.2.1",
                                         .recipients = recipients,
                                         .recipient_count = 2,
                                         .deliveries = deliveries,
                                         .delivery_count = 2};

struct row {
    struct history_filter filter;
    bool found;
};

static const struct row rows[] = {
    {{0}, true},
    {{.sender = "s@three.example"}, true},
    {{.sender = "S@THREE.EXAMPLE"}, true},
    {{.sender = "t@three.example"}, false},
    {{.sender = "@three.example"}, true},
    {{.sender = "@hree.example"}, false},
    {{.sender = "@sub.three.example"}, false},
    {{.recipient = "a@one.example"}, true},
    {{.recipient = "b@two.example"}, true},
    {{.recipient = "@two.example"}, true},
    {{.recipient = "@three.example"}, false},
    {{.recipient = "c@two.example"}, false},
    {{.result = "deferred"}, true},
    {{.result = "accepted"}, false},
    {{.result = "rejected"}, false},
    {{.since_ms = 5000}, true},
    {{.since_ms = 5001}, false},
    {{.until_ms = 5001}, true},
    {{.until_ms = 5000}, false},
    {{.since_ms = 4000, .until_ms = 6000}, true},
    {{.state = "failed"}, true},
    {{.state = "delivered"}, true},
    {{.state = "waiting"}, false},
    {{.state = "dropped"}, false},
    {{.status = 500}, true},
    {{.status = 200}, true},
    {{.status = 404}, false},
    {{.state = "failed", .status = 500}, true},
    {{.state = "failed", .status = 200}, false}, /* those of two deliveries */
    {{.state = "delivered", .status = 500}, false},
    {{.destination = "https://a.example/x"}, true},
    {{.destination = "https://b.example/y"}, true},
    {{.destination = "https://a.example/y"}, false},
    {{.destination = "https://a.example"}, true},
    {{.destination = "HTTPS://B.example:443"}, true},
    {{.destination = "https://a.example:444"}, false},
    {{.destination = "https://a.example", .state = "delivered"}, false},
    {{.destination = "https://b.example/y", .status = 200, .state = "delivered"}, true},
    {{.destination = "https://b.example/y", .status = 200, .state = "failed"}, false},
    {{.id = ID}, true},
    {{.id = ID "-1"}, true},
    {{.id = ID "-1-7"}, true}, /* of a delivery: its message */
    {{.id = ID "-2"}, false},
    {{.id = ID "-10"}, false},
    {{.id = "01k0000000000004"}, false},
    {{.id = "01k0000000000002"}, false},
    {{.id = "01k"}, true}, /* all that begins so */
    {{.id = "01l"}, false},
};

static bool found(const struct history_filter *filter)
{
    struct filter_terms t;
    assert_int_equal(filter_begin(&t, filter), 0);
    bool is = filter_matches(&t, &message);
    filter_free(&t);
    return is;
}

static void it_is_found_by_what_it_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (found(&rows[i].filter) != rows[i].found)
            fail_msg("row %zu", i);
    assert_true(found(&(struct history_filter){.subject = "an inv"}));
    assert_true(found(&(struct history_filter){.subject = "INVOICE"}));
    assert_false(found(&(struct history_filter){.subject = "invoices"}));
    message.subject = NULL;
    assert_false(found(&(struct history_filter){.subject = "an inv"}));
    message.subject = "An Invoice";
}

/* By terms nothing may be missed; what is found though it is none can only be of a time, an id's end or a subject. */
static void it_may_be_found_by_its_terms(void **state)
{
    struct segment_writer writer = {0};
    struct message_terms terms;
    size_t at = 0;
    (void)state;
    assert_int_equal(segment_add(&writer, &message), 0);
    assert_int_equal(terms_next(&writer.terms, &at, &terms), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct filter_terms t;
        const struct history_filter *f = &rows[i].filter;
        bool coarse = f->since_ms || f->until_ms || (f->id && strlen(f->id) < 16) ||
                      (f->id && strncmp(f->id, ID, 16) == 0);
        assert_int_equal(filter_begin(&t, f), 0);
        if (filter_may_match(&t, &writer.terms, &terms) != (coarse || rows[i].found))
            fail_msg("row %zu", i);
        filter_free(&t);
    }
    assert_int_equal(terms_next(&writer.terms, &at, &terms), -ENOENT);
    segment_free(&writer);
}

static void a_delivery_is_what_it_says_of_deliveries(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct filter_terms t;
        const struct history_filter *f = &rows[i].filter;
        if (!f->destination && !f->state && !f->status)
            continue;
        assert_int_equal(filter_begin(&t, f), 0);
        bool one =
            filter_has_delivery(&t, &deliveries[0]) || filter_has_delivery(&t, &deliveries[1]);
        if (one != rows[i].found)
            fail_msg("row %zu", i);
        filter_free(&t);
    }
}

static void an_address_is_one_or_of_a_domain(void **state)
{
    static const struct {
        const char *address, *wanted;
        bool is;
    } addresses[] = {
        {"a@b", "a@b", true},     {"A@B", "a@b", true},  {"a@b", "a@bc", false},
        {"a@b", "@b", true},      {"a@B", "@b", true},   {"a@b@c", "@c", true},
        {"a@b@c", "@b@c", false}, {"a@bc", "@b", false}, {"a", "@a", false},
        {"a", "@", true},         {"", "@", true},       {"", "", true},
        {"a@b", "a", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++)
        if (filter_is_address(addresses[i].address, addresses[i].wanted) != addresses[i].is)
            fail_msg("%s, %s", addresses[i].address, addresses[i].wanted);
}

/* A line for each message; "1" where its subject has the part. */
static void subjects_are_looked_through_line_by_line(void **state)
{
    static const struct {
        const char *lines, *part, *found;
    } texts[] = {
        {"abc\nxabcx\nab\nabcabc\n", "abc", "1101"},
        {"abc", "abc", "1"},
        {"\n\nabc\n\nabc\n", "abc", "00101"},
        {"ab\nc\n", "abc", "00"},
        {"abc\nabc\nabc\nabc\n", "abc", "111"}, /* more lines than messages */
        {"", "abc", "00"},
        {"xxx\nxxx\n", "abc", "00"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct filter_terms t;
        struct history_filter f = {.subject = texts[i].part};
        struct packed subjects = {.bytes = (char *)texts[i].lines, .size = strlen(texts[i].lines)};
        bool marks[8];
        unsigned count = (unsigned)strlen(texts[i].found), ones = 0;
        memset(marks, 1, sizeof marks);
        assert_int_equal(filter_begin(&t, &f), 0);
        unsigned matches = filter_subjects(&t, &subjects, marks, count);
        for (unsigned line = 0; line < count; line++) {
            if (marks[line] != (texts[i].found[line] == '1'))
                fail_msg("text %zu, line %u", i, line);
            ones += marks[line];
        }
        assert_int_equal(matches, ones);
        assert_true(marks[count]); /* it ends there */
        filter_free(&t);
    }
}

static void a_word_that_is_none_is_an_error(void **state)
{
    static const struct history_filter wrong[] = {{.result = ""},
                                                  {.result = "acceptedx"},
                                                  {.state = "Failed"},
                                                  {.state = "none", .result = "accepted"}};
    struct filter_terms t;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(filter_begin(&t, &wrong[i]), -EINVAL);
        filter_free(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_found_by_what_it_is),
        cmocka_unit_test(it_may_be_found_by_its_terms),
        cmocka_unit_test(a_delivery_is_what_it_says_of_deliveries),
        cmocka_unit_test(an_address_is_one_or_of_a_domain),
        cmocka_unit_test(subjects_are_looked_through_line_by_line),
        cmocka_unit_test(a_word_that_is_none_is_an_error),
    };
    return RUN_TESTS(tests);
}
