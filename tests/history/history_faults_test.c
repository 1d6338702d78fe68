/*
 * Each call of SQLite fails once, wherever it is made: a batch is in the history as a whole or not at all, what is read is what was
 * written or an error, and the next try goes on as though nothing had been.
 */
#include "../failing_sqlite.h"
#include "records.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../test.h"
#include "spool/origin.h"

#define LOOKS 400 /* more calls than any of these makes */
#define EVERY 16  /* batches after which small segments are merged (sqlite_merge.c) */

static char folder[64];
static const struct spool_config spool_of_folder = {.directory = folder};

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/mxhook-history-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static void begin_anew(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -f '%s'/*", folder);
    assert_int_equal(system(command), 0);
}

static struct history_store *open_it(void)
{
    struct history_store *store;
    struct error err = {""};
    if (history_sqlite.open(&spool_of_folder, HISTORY_SERVE, &store, &err) != 0)
        fail_msg("%s", err.text);
    return store;
}

static void an_open_is_whole_or_fails(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) { /* a new one, to be written, to be read */
        bool failed = true;
        for (long i = 0; failed; i++) {
            struct history_store *store = NULL;
            struct error err = {""};
            assert_true(i < LOOKS);
            if (way == 0)
                begin_anew();
            sqlite_fails_after(i, NULL, false);
            int code = history_sqlite.open(&spool_of_folder, way < 2 ? HISTORY_SERVE : HISTORY_READ,
                                           &store, &err);
            failed = sqlite_has_failed();
            assert_int_equal(code, failed ? -EIO : 0);
            assert_int_equal(err.text[0] != 0, failed);
            if (code == 0)
                history_sqlite.close(store);
        }
    }
}

/* ---- Writing ---- */

/* A message whose bodies are kept, with an attempt of its own; and one more of message 3, which was written before. */
static int write_one(struct history_store *store, int64_t number, int64_t late)
{
    struct history_message *m = record_message(number, 1000000 + number);
    struct history_attempt *own = record_attempt(number, 1, 1, 200, HISTORY_DELIVERED);
    struct payload *payload = payload_new(spill_from_bytes("{}", 2), NULL);
    m->data = spill_from_bytes("Subject: x\r\n", 12);
    if (m->delivery_count > 0)
        m->deliveries[0].payload = payload_ref(payload);
    if (late) {
        own->next = record_attempt(late, 1, 1, 500, HISTORY_FAILED);
        own->next->payload = payload_ref(payload);
        own->next->target = "https://a.example/";
    }
    int code = history_sqlite.write(store, m, own);
    history_message_free(m);
    if (own->next)
        history_attempt_free(own->next);
    history_attempt_free(own);
    payload_free(payload);
    return code;
}

static void fill(struct history_store *store, int64_t to)
{
    for (int64_t i = 1; i <= to; i++)
        assert_int_equal(write_one(store, i, 0), 0);
}

static int64_t count_of(const char *sql)
{
    char path[128];
    sqlite3 *db;
    sqlite3_stmt *s;
    snprintf(path, sizeof path, "%s/history.db", folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int64_t count = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return count;
}

static void check_written(struct history_store *store, bool whole)
{
    assert_string_equal(records_found(store, (struct history_filter){.limit = 2}),
                        whole ? "16 15 " : "15 14 ");
    assert_string_equal(records_found(store, (struct history_filter){.state = "failed"}),
                        whole ? "3 " : "");
    assert_int_equal(count_of("SELECT count(*) FROM attempts WHERE message = 3"), whole);
    assert_int_equal(count_of("SELECT count(*) FROM segments"), whole ? 1 : 15);
    assert_int_equal(count_of("SELECT count(*) FROM terms"), whole ? 1 : 15);
    assert_int_equal(count_of("SELECT count(*) FROM records"), whole ? 1 : 15);
    assert_int_equal(count_of("SELECT count(*) FROM subjects"), whole ? 1 : 15);
    /* Each has its data and one payload; the 10th was rejected, and the late attempt has one of its own. */
    assert_int_equal(count_of("SELECT count(*) FROM bodies"), whole ? 32 : 29);
    assert_int_equal(count_of("SELECT max(answered) FROM origins"), whole ? 2 : 1);
    assert_int_equal(count_of("SELECT count(*) FROM origins WHERE mean_ms <> 12"), 0);
    assert_int_equal(count_of("SELECT sum(answered) FROM origins"), whole ? 17 : 15);
}

/* The batch after which the small ones are merged. */
static void a_batch_is_written_as_a_whole(void **state)
{
    (void)state;
    bool failed = true;
    for (long i = 0; failed; i++) {
        assert_true(i < LOOKS);
        begin_anew();
        struct history_store *store = open_it();
        fill(store, EVERY - 1);
        sqlite_fails_after(i, NULL, false);
        int code = write_one(store, EVERY, 3);
        failed = sqlite_has_failed();
        if (code != (failed ? -EIO : 0))
            fail_msg("call %ld: %d", i, code);
        check_written(store, !failed);
        if (failed) {
            assert_int_equal(write_one(store, EVERY, 3), 0);
            assert_string_equal(records_found(store, (struct history_filter){.limit = 2}),
                                "16 15 ");
            assert_string_equal(records_found(store, (struct history_filter){.state = "failed"}),
                                "3 ");
            assert_string_equal(records_found(store, (struct history_filter){.before = 2}), "1 ");
        }
        history_sqlite.close(store);
    }
}

/* ---- Reading ---- */

static int count_message(void *context, const struct history_message *m)
{
    (void)m;
    ++*(int *)context;
    return 0;
}

static int count_attempt(void *context, const struct history_attempt *a)
{
    assert_int_equal(a->number, 1);
    ++*(int *)context;
    return 0;
}

static int count_list(struct history_store *store, int *count)
{
    return history_sqlite.list(store, &(struct history_filter){0}, count_message, count);
}

static int count_subjects(struct history_store *store, int *count)
{
    return history_sqlite.list(store, &(struct history_filter){.subject = "umber"}, count_message,
                               count);
}

static int count_attempts(struct history_store *store, int *count)
{
    struct history_message m = {.row = 3, .id = "01k0000000000003-1"};
    return history_sqlite.attempts(store, &m, 1, count_attempt, count);
}

static int count_answers(struct history_store *store, int *count)
{
    struct history_answers answers;
    int code = history_sqlite.answers(store, origin_key("https://hook3.example"), &answers);
    *count = code == 0 ? answers.status : 0;
    return code;
}

static int count_body(struct history_store *store, int *count)
{
    struct spill *body;
    int code = history_sqlite.body(store, 1, &body);
    if (code == 0) {
        *count = (int)spill_size(body);
        spill_free(body);
    }
    return code;
}

static void what_is_read_is_all_of_it_or_an_error(void **state)
{
    (void)state;
    static const struct {
        int (*read)(struct history_store *store, int *count);
        int expected;
    } readers[] = {{count_list, 16},
                   {count_subjects, 16},
                   {count_attempts, 2},
                   {count_answers, 500},
                   {count_body, 2}};
    struct history_store *store = open_it();
    fill(store, EVERY - 1);
    assert_int_equal(write_one(store, EVERY, 3), 0);
    for (size_t r = 0; r < sizeof readers / sizeof *readers; r++) {
        bool failed = true;
        for (long i = 0; failed; i++) {
            struct history_store *reader;
            struct error err;
            int count = 0;
            assert_true(i < LOOKS);
            assert_int_equal(history_sqlite.open(&spool_of_folder, HISTORY_READ, &reader, &err), 0);
            sqlite_fails_after(i, NULL, false);
            int code = readers[r].read(reader, &count);
            failed = sqlite_has_failed();
            if (code != (failed ? -EIO : 0) || (!failed && count != readers[r].expected))
                fail_msg("reader %zu, call %ld: %d, %d", r, i, code, count);
            count = 0; /* and again with the same connection */
            assert_int_equal(readers[r].read(reader, &count), 0);
            assert_int_equal(count, readers[r].expected);
            history_sqlite.close(reader);
        }
    }
    history_sqlite.close(store);
}

/* ---- Tidying ---- */

static void what_is_old_goes_as_a_whole(void **state)
{
    (void)state;
    bool failed = true;
    for (long i = 0; failed; i++) {
        bool more;
        assert_true(i < LOOKS);
        begin_anew();
        struct history_store *store = open_it();
        fill(store, 3);
        sqlite_fails_after(i, NULL, false);
        int code = history_sqlite.tidy(store, 1, UINT64_MAX, &more);
        failed = sqlite_has_failed();
        assert_int_equal(code == 0, !failed);
        assert_false(more);
        assert_string_equal(records_found(store, (struct history_filter){0}),
                            failed ? "3 2 1 " : "");
        assert_int_equal(history_sqlite.tidy(store, 1, UINT64_MAX, &more), 0);
        assert_string_equal(records_found(store, (struct history_filter){0}), "");
        static const char *const tables[] = {"segments", "terms",  "records", "subjects",
                                             "attempts", "bodies", "origins"};
        for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
            char sql[64];
            snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", tables[t]);
            assert_int_equal(count_of(sql), 0);
        }
        history_sqlite.close(store);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_open_is_whole_or_fails),
        TEST(a_batch_is_written_as_a_whole),
        TEST(what_is_read_is_all_of_it_or_an_error),
        TEST(what_is_old_goes_as_a_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
