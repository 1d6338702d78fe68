#include "folder.h"
#include "records.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../test.h"
#include "base/clock.h"
#include "history/history.h"
#include "history/segment.h"
#include "history/target.h"
#include "spool/origin.h"

static void put_message(struct history_message *m)
{
    assert_int_equal(history_sqlite.write(store, m, NULL), 0);
    history_message_free(m);
}

static void put_attempt(struct history_attempt *a)
{
    assert_int_equal(history_sqlite.write(store, NULL, a), 0);
    history_attempt_free(a);
}

static void put_messages(int from, int to)
{
    for (int i = from; i <= to; i++)
        put_message(record_message(i, 1000000 + i * 1000));
}

/* ---- What is found ---- */

#define assert_finds(expected, ...)                                                                \
    assert_string_equal(records_found(store, (struct history_filter){__VA_ARGS__}), expected)

static void check_answers(int64_t at_ms, int status, const char *error, int64_t mean_ms)
{
    struct history_answers answers;
    assert_int_equal(
        history_sqlite.answers(store, origin_key("https://hook3.example/in"), &answers), 0);
    assert_int_equal(answers.at_ms, at_ms);
    assert_int_equal(answers.status, status);
    assert_string_equal(answers.error, error);
    assert_int_equal(answers.mean_ms, mean_ms);
}

static void put_timed(int64_t number, unsigned attempt, int status, int64_t ms)
{
    struct history_attempt *a = record_attempt(number, 1, attempt, status, HISTORY_WAITING);
    a->ms = ms;
    a->at_ms += number;
    put_attempt(a);
}

static void how_an_origin_has_answered(void **state)
{
    (void)state;
    struct history_answers answers;
    put_messages(1, 53); /* 3 and 53 go to one */
    assert_int_equal(history_sqlite.answers(store, origin_key("https://hook3.example"), &answers),
                     -ENOENT);
    put_timed(3, 1, 0, 30000); /* no answer: it counts in no mean */
    check_answers(1003, 0, "answered 500: oops", -1);
    put_timed(53, 1, 200, 10);
    check_answers(1053, 200, "", 10);
    put_timed(3, 2, 500, 20); /* the last, of an older message */
    check_answers(2003, 500, "answered 500: oops", 15);
    put_timed(4, 3, 404, 1000); /* another's */
    check_answers(2003, 500, "answered 500: oops", 15);
}

static void lists_the_newest_first_and_goes_on_at_a_cursor(void **state)
{
    (void)state;
    put_messages(1, 5);
    assert_finds("5 4 3 2 1 ", 0);
    assert_finds("5 4 ", .limit = 2);
    assert_finds("3 2 ", .limit = 2, .before = 4);
    assert_finds("", .before = 1);
}

static void finds_by_each_filter(void **state)
{
    (void)state;
    put_messages(1, 20);
    assert_finds("14 7 ", .sender = "rare@SEVEN.example");
    assert_finds("14 7 ", .sender = "@Seven.Example");
    assert_finds("", .sender = "@even.example");
    assert_finds("4 ", .recipient = "team4@example.org");
    assert_finds("20 18 ", .recipient = "@example.org", .limit = 2);
    assert_finds("7 ", .subject = "umber 7,");
    assert_finds("15 10 5 ", .subject = "invoice", .limit = 3, .before = 20);
    assert_finds("", .subject = "\" OR 1");
    assert_finds("3 ", .id = "01k0000000000003");
    assert_finds("3 ", .id = "01k0000000000003-1");
    assert_finds("", .id = "01k0000000000003-2");
    assert_finds("3 ", .id = "01k0000000000003-1-2"); /* a delivery's: its message */
    assert_finds("7 ", .destination = "https://hook7.example/in");
    assert_finds("7 ", .destination = "HTTPS://hook7.example");
    assert_finds("", .destination = "https://hook77.example/in");
    assert_finds("20 10 ", .result = "rejected");
    assert_finds("19 18 ", .result = "accepted", .limit = 2);
    assert_finds("3 2 ", .since_ms = 1002000, .until_ms = 1004000);
    assert_finds("", .since_ms = 9000000);
    assert_finds("7 ", .sender = "@seven.example", .destination = "https://hook7.example/in");
    assert_finds("14 ", .sender = "@seven.example", .recipient = "@example.org");
    assert_finds("7 ", .subject = "number", .id = "01k0000000000007");
}

static void an_unknown_word_is_an_error(void **state)
{
    (void)state;
    struct history_filter result = {.result = "acepted"}, delivery = {.state = "dead"};
    assert_int_equal(history_sqlite.list(store, &result, record_note, NULL), -EINVAL);
    assert_int_equal(history_sqlite.list(store, &delivery, record_note, NULL), -EINVAL);
}

static void attempts_change_what_became_of_a_delivery(void **state)
{
    (void)state;
    put_messages(1, 3);
    assert_finds("3 2 1 ", .state = "waiting");
    put_attempt(record_attempt(1, 1, 1, 500, HISTORY_WAITING));
    assert_finds("1 ", .status = 500);
    put_attempt(record_attempt(1, 1, 2, 500, HISTORY_FAILED));
    put_attempt(record_attempt(3, 1, 1, 200, HISTORY_DELIVERED));
    put_attempt(record_attempt(77, 1, 1, 200, HISTORY_DELIVERED)); /* nobody knows it */
    assert_finds("1 ", .state = "failed");
    assert_finds("2 ", .state = "waiting");
    assert_finds("3 ", .state = "delivered");
    assert_finds("3 ", .status = 200);
}

static int check_story(void *context, const struct history_message *m)
{
    (void)context;
    assert_string_equal(m->sender, "user2@many.example");
    assert_string_equal(m->recipients[1].address, "team2@example.org");
    assert_string_equal(m->recipients[1].rule, "10-alias.lua:3");
    assert_string_equal(m->deliveries[1].destination, "https://hook99.example/in");
    assert_int_equal(m->deliveries[1].attempts, 2);
    assert_int_equal(m->deliveries[1].state, HISTORY_DELIVERED);
    return 17;
}

static int count_attempt(void *context, const struct history_attempt *a)
{
    int *n = context;
    assert_int_equal(a->number, ++*n);
    assert_int_equal(a->status, *n == 1 ? 500 : 200);
    assert_string_equal(a->id, "01k0000000000002-1-2");
    return 0;
}

static void a_message_has_its_whole_story(void **state)
{
    (void)state;
    int n = 0;
    put_messages(2, 2);
    put_attempt(record_attempt(2, 2, 1, 500, HISTORY_WAITING));
    put_attempt(record_attempt(2, 2, 2, 200, HISTORY_DELIVERED));
    struct history_filter filter = {.id = "01k0000000000002"};
    assert_int_equal(history_sqlite.list(store, &filter, check_story, NULL), 17);
    struct history_message m = {.row = 1, .id = "01k0000000000002-1"};
    assert_int_equal(history_sqlite.attempts(store, &m, 2, count_attempt, &n), 0);
    assert_int_equal(n, 2);
}

/* ---- Segments ---- */

static int64_t segments(void)
{
    char path[128];
    sqlite3 *db;
    sqlite3_stmt *s;
    snprintf(path, sizeof path, "%s/history.db", folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM segments", -1, &s, NULL), 0);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int64_t count = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return count;
}

static void small_ones_are_merged_and_all_stays_what_it_was(void **state)
{
    (void)state;
    put_messages(1, 15);
    assert_int_equal(segments(), 15);
    put_attempt(record_attempt(3, 1, 1, 500, HISTORY_WAITING));
    put_messages(16, 16);
    assert_int_equal(segments(), 1);
    put_messages(17, 512);
    assert_in_range(segments(), 1, 20);
    put_attempt(record_attempt(3, 1, 2, 200, HISTORY_DELIVERED));
    put_attempt(record_attempt(301, 1, 1, 404, HISTORY_FAILED));
    assert_finds("3 ", .status = 200);
    assert_finds("301 ", .state = "failed");
    assert_finds("257 256 ", .before = 258, .limit = 2);
    assert_finds("2 1 ", .before = 3);
    assert_finds("15 ", .subject = "umber 15,");
}

static void those_of_far_apart_stay_apart(void **state)
{
    (void)state;
    for (int i = 1; i <= 32; i++)
        put_message(record_message(i, i * 600001ll));
    assert_int_equal(segments(), 32);
}

static void a_batch_may_have_more_than_one(void **state)
{
    (void)state;
    for (int count = SEGMENT_MESSAGES, from = 1; count <= SEGMENT_MESSAGES + 1; count++) {
        struct history_message *all = NULL, **end = &all;
        int64_t before = segments();
        for (int i = 0; i < count; i++) {
            *end = record_message(from++, 1000);
            end = &(*end)->next;
        }
        assert_int_equal(history_sqlite.write(store, all, NULL), 0);
        assert_int_equal(segments() - before, count > SEGMENT_MESSAGES ? 2 : 1);
        history_records_free(all, NULL);
    }
    assert_finds("2049 2048 ", .limit = 2);
    assert_finds("1 ", .id = "01k0000000000001-1");
}

/* ---- Bodies ---- */

static int64_t bodies[3];

static int note_bodies(void *context, const struct history_message *m)
{
    (void)context;
    bodies[0] = m->body;
    bodies[1] = m->deliveries[0].body;
    bodies[2] = m->deliveries[1].body;
    return 0;
}

static void keeps_a_shared_payload_once(void **state)
{
    (void)state;
    struct history_message *m = record_message(2, 1000);
    struct payload *payload = payload_new(spill_from_bytes("{}", 2), NULL);
    m->data = spill_from_bytes("Subject: x\r\n", 12);
    m->deliveries[0].payload = payload_ref(payload);
    m->deliveries[1].payload = payload;
    put_message(m);
    assert_int_equal(history_sqlite.list(store, &(struct history_filter){0}, note_bodies, NULL), 0);
    assert_true(bodies[0] > 0 && bodies[1] > 0 && bodies[0] != bodies[1]);
    assert_int_equal(bodies[1], bodies[2]);
    struct spill *bytes;
    assert_int_equal(history_sqlite.body(store, bodies[0], &bytes), 0);
    assert_int_equal(spill_size(bytes), 12);
    assert_memory_equal(spill_memory(bytes), "Subject: x\r\n", 12);
    spill_free(bytes);
    assert_int_equal(history_sqlite.body(store, 12345, &bytes), -ENOENT);
}

static void a_destination_comes_back_as_it_was(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    const char *headers[] = {"A: b c", "T=env:TOKEN"};
    const int64_t pauses[] = {5000, 60000};
    const struct destination sent = {.url = "https://a.example/x?k=1",
                                     .secret = "whsec_x",
                                     .headers = headers,
                                     .header_count = 2,
                                     .timeout_ms = 2500,
                                     .attempts = 7,
                                     .schedule_ms = pauses,
                                     .schedule_count = 2,
                                     .rate = 1.0 / 3,
                                     .max_in_flight = 4,
                                     .max_body = 5000000000,
                                     .ca_file = "/etc/ca.pem",
                                     .client_cert = "/etc/cert.pem",
                                     .client_key = "/etc/key.pem"};
    struct destination to;
    assert_int_equal(history_target_read(arena, history_target_write(arena, &sent), &to), 0);
    assert_string_equal(to.url, sent.url);
    assert_string_equal(to.secret, sent.secret);
    assert_int_equal(to.header_count, 2);
    assert_string_equal(to.headers[0], headers[0]);
    assert_string_equal(to.headers[1], headers[1]);
    assert_int_equal(to.timeout_ms, 2500);
    assert_int_equal(to.attempts, 7);
    assert_int_equal(to.schedule_count, 2);
    assert_memory_equal(to.schedule_ms, pauses, sizeof pauses);
    assert_true(to.rate == sent.rate);
    assert_int_equal(to.max_in_flight, 4);
    assert_int_equal(to.max_body, sent.max_body);
    assert_string_equal(to.ca_file, sent.ca_file);
    assert_string_equal(to.client_cert, sent.client_cert);
    assert_string_equal(to.client_key, sent.client_key);
    arena_free(arena);
}

static void what_an_older_one_noted_of_a_destination_is_read(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    struct destination to;
    assert_int_equal(history_target_read(arena, "url\thttps://a.example/\ntimeout\t2500\n", &to),
                     0);
    assert_string_equal(to.url, "https://a.example/");
    assert_int_equal(to.timeout_ms, 2500);
    assert_null(to.secret);
    assert_int_equal(to.header_count + to.schedule_count, 0);
    assert_int_equal(history_target_read(arena, "secret\tx\n", &to), -EINVAL);
    arena_free(arena);
}

/* ---- What is old ---- */

static void what_is_too_old_goes_with_all_that_belongs_to_it(void **state)
{
    (void)state;
    bool more;
    int64_t now = clock_unix_ms();
    put_message(record_message(1, now - 10000));
    put_message(record_message(2, now));
    assert_int_equal(history_sqlite.tidy(store, 60000, 1 << 30, &more), 0);
    assert_finds("2 1 ", 0);
    assert_int_equal(history_sqlite.tidy(store, 5000, 1 << 30, &more), 0);
    assert_finds("2 ", 0);
    assert_finds("", .subject = "Order number 1,");
    assert_finds("2 ", .subject = "number 2,");
    assert_finds("2 ", .recipient = "hook@example.com");
    struct history_size size;
    assert_int_equal(history_sqlite.size(store, &size), 0);
    assert_int_equal(size.messages, 1);
    assert_int_equal(size.oldest_ms, now);
}

static void what_is_too_much_goes_oldest_first(void **state)
{
    (void)state;
    bool more = true;
    struct history_size size;
    put_messages(1, 3000);
    assert_int_equal(history_sqlite.size(store, &size), 0);
    assert_int_equal(history_sqlite.tidy(store, INT64_MAX / 2, (uint64_t)size.bytes, &more), 0);
    assert_false(more);
    uint64_t limit = (uint64_t)size.bytes - 1;
    assert_int_equal(history_sqlite.tidy(store, INT64_MAX / 2, limit, &more), 0);
    assert_int_equal(history_sqlite.size(store, &size), 0);
    assert_in_range(size.bytes, 1, limit);
    assert_in_range(size.messages, 1000, 2999); /* no more goes than has to */
    char oldest[24];
    snprintf(oldest, sizeof oldest, "%lld ", 3001 - (long long)size.messages);
    assert_finds("3000 ", .limit = 1);
    assert_finds(oldest, .before = 3002 - size.messages);
}

/* ---- Trouble ---- */

static void a_damaged_file_is_put_aside(void **state)
{
    (void)state;
    char path[128], aside[160];
    struct error err = {""};
    put_messages(1, 5);
    history_sqlite.close(store);
    snprintf(path, sizeof path, "%s/history.db", folder);
    snprintf(aside, sizeof aside, "%s.damaged", path);
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 3000; i++)
        fputs("not a database ", file);
    fclose(file);
    struct history_store *other;
    assert_int_equal(history_sqlite.open(&spool_of_folder, HISTORY_READ, &other, &err), -EBADMSG);
    assert_int_equal(history_sqlite.open(&spool_of_folder, HISTORY_SERVE, &store, &err), 0);
    assert_int_equal(access(aside, F_OK), 0);
    assert_finds("", 0);
    put_messages(1, 1);
    assert_finds("1 ", 0);
}

static void damage(const char *table)
{
    char path[128], sql[128];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/history.db", folder);
    snprintf(sql, sizeof sql, "UPDATE %s SET bytes = x'0102' WHERE row = 3", table);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_changes(db), 1);
    sqlite3_close(db);
}

/* Neither where it would be merged with others, nor where an attempt's message may be in it. */
static void a_damaged_segment_stops_nothing(void **state)
{
    (void)state;
    static const char *const tables[] = {"terms", "records"};
    for (int i = 0; i < 2; i++) {
        put_messages(100 * i + 1, 100 * i + 5);
        damage(tables[i]);
        put_messages(100 * i + 6, 100 * i + 60);
        put_attempt(record_attempt(100 * i + 3, 1, 1, 500, HISTORY_FAILED));
        put_attempt(record_attempt(100 * i + 41, 1, 1, 500, HISTORY_FAILED));
        char expected[16];
        snprintf(expected, sizeof expected, "%d ", 100 * i + 41);
        assert_finds(expected, .status = 500, .limit = 1);
        remove_folder(state);
        make_folder(state);
    }
}

static void one_of_an_older_version_is_put_aside(void **state)
{
    (void)state;
    char path[128], aside[160];
    struct error err = {""};
    history_sqlite.close(store);
    snprintf(path, sizeof path, "%s/history.db", folder);
    snprintf(aside, sizeof aside, "%s.old", path);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 1", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    struct history_store *other;
    assert_int_equal(history_sqlite.open(&spool_of_folder, HISTORY_READ, &other, &err),
                     -EPROTONOSUPPORT);
    assert_int_equal(history_sqlite.open(&spool_of_folder, HISTORY_SERVE, &store, &err), 0);
    assert_int_equal(access(aside, F_OK), 0);
    put_messages(1, 1);
    assert_finds("1 ", 0);
}

static void there_may_be_none_to_read(void **state)
{
    (void)state;
    struct history_store *other;
    struct error err = {""};
    const struct spool_config none = {.directory = (char *)"/tmp/no-such-folder-of-mxhook"};
    assert_int_equal(history_sqlite.open(&none, HISTORY_READ, &other, &err), -ENOENT);
}

static void nobody_else_may_read_it(void **state)
{
    (void)state;
    char path[128];
    struct stat status;
    snprintf(path, sizeof path, "%s/history.db", folder);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lists_the_newest_first_and_goes_on_at_a_cursor),
        TEST(how_an_origin_has_answered),
        TEST(finds_by_each_filter),
        TEST(an_unknown_word_is_an_error),
        TEST(attempts_change_what_became_of_a_delivery),
        TEST(a_message_has_its_whole_story),
        TEST(small_ones_are_merged_and_all_stays_what_it_was),
        TEST(those_of_far_apart_stay_apart),
        TEST(a_batch_may_have_more_than_one),
        TEST(keeps_a_shared_payload_once),
        cmocka_unit_test(a_destination_comes_back_as_it_was),
        cmocka_unit_test(what_an_older_one_noted_of_a_destination_is_read),
        TEST(what_is_too_old_goes_with_all_that_belongs_to_it),
        TEST(what_is_too_much_goes_oldest_first),
        TEST(a_damaged_file_is_put_aside),
        TEST(a_damaged_segment_stops_nothing),
        TEST(one_of_an_older_version_is_put_aside),
        TEST(there_may_be_none_to_read),
        TEST(nobody_else_may_read_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
