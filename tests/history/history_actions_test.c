/* What operators do to deliveries, attempts that come within one millisecond, and the files of before there were either. */
#include "folder.h"
#include "records.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../test.h"

static struct history_attempt *attempt(unsigned number, int status, enum history_state state)
{
    return record_attempt(1, 1, number, status, state);
}

static struct history_attempt *action(enum history_action what)
{
    return history_action_new("01k0000000000001-1-1", what, "somebody");
}

static void write_one(struct history_message *m, struct history_attempt *a)
{
    assert_int_equal(history_sqlite.write(store, m, a), 0);
    if (m)
        history_message_free(m);
    history_attempt_free(a);
}

/* ---- What it is in the end ---- */

static char seen[200];

static int note_delivery(void *context, const struct history_message *m)
{
    static const char *const states[] = {"waiting", "delivered", "failed", "dropped"};
    const struct history_delivery *d = &m->deliveries[0];
    (void)context;
    snprintf(seen, sizeof seen, "%s status=%d attempts=%u ended=%s error=%s", states[d->state],
             d->status, d->attempts, d->ended_ms ? "yes" : "no", d->error ? d->error : "");
    return 0;
}

struct step {
    int action; /* 0: an attempt that came to `state` */
    enum history_state state;
    int status;
};

static struct history_attempt *step_record(const struct step *step, unsigned *number)
{
    return step->action ? action((enum history_action)step->action)
                        : attempt(++*number, step->status, step->state);
}

#define DROP    {HISTORY_DROP, 0, 0}
#define RETRY   {HISTORY_RETRY, 0, 0}
#define EDIT    {HISTORY_EDIT, 0, 0}
#define WAITS   {0, HISTORY_WAITING, 500}
#define FAILS   {0, HISTORY_FAILED, 500}
#define ARRIVES {0, HISTORY_DELIVERED, 200}

static const struct {
    struct step steps[4];
    int count;
    const char *expected;
} ends[] = {
    {{DROP}, 1, "dropped status=0 attempts=0 ended=yes error=somebody"},
    {{WAITS, DROP}, 2, "dropped status=500 attempts=1 ended=yes error=somebody"},
    {{FAILS, DROP}, 2, "dropped status=500 attempts=1 ended=yes error=somebody"},
    /* One that was under way as it was dropped: it arrives, or is gone. */
    {{DROP, ARRIVES}, 2, "delivered status=200 attempts=1 ended=yes error="},
    {{DROP, WAITS}, 2, "dropped status=500 attempts=1 ended=yes error=answered 500: oops"},
    {{DROP, FAILS}, 2, "dropped status=500 attempts=1 ended=yes error=answered 500: oops"},
    {{ARRIVES, DROP}, 2, "delivered status=200 attempts=1 ended=yes error="},
    {{FAILS, RETRY}, 2, "waiting status=500 attempts=1 ended=no error=answered 500: oops"},
    {{FAILS, RETRY, ARRIVES}, 3, "delivered status=200 attempts=2 ended=yes error="},
    {{ARRIVES, RETRY}, 2, "delivered status=200 attempts=1 ended=yes error="},
    {{WAITS, RETRY}, 2, "waiting status=500 attempts=1 ended=no error=answered 500: oops"},
    {{WAITS, EDIT}, 2, "waiting status=500 attempts=1 ended=no error=answered 500: oops"},
    {{FAILS, EDIT, RETRY, DROP}, 4, "dropped status=500 attempts=1 ended=yes error=somebody"},
};

static const char *end_now(void)
{
    const struct history_filter filter = {.id = "01k0000000000001-1"};
    *seen = 0;
    assert_int_equal(history_sqlite.list(store, &filter, note_delivery, NULL), 0);
    return seen;
}

static void each_order_of_attempts_and_actions_has_its_end(void **state)
{
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        unsigned number = 0;
        write_one(record_message(1, 1000), NULL);
        for (int k = 0; k < ends[i].count; k++)
            write_one(NULL, step_record(&ends[i].steps[k], &number));
        assert_string_equal(end_now(), ends[i].expected);
        remove_folder(state);
        make_folder(state);
    }
}

/* In one batch it comes to the same, with its message or after it. */
static void so_it_is_in_one_batch(void **state)
{
    for (size_t i = 0; i < 2 * (sizeof ends / sizeof *ends); i++) {
        const bool after = i % 2;
        unsigned number = 0;
        struct history_message *m = record_message(1, 1000);
        struct history_attempt *first = NULL, **end = &first;
        for (int k = 0; k < ends[i / 2].count; k++, end = &(*end)->next)
            *end = step_record(&ends[i / 2].steps[k], &number);
        assert_int_equal(history_sqlite.write(store, m, after ? NULL : first), 0);
        if (after)
            assert_int_equal(history_sqlite.write(store, NULL, first), 0);
        history_records_free(m, first);
        assert_string_equal(end_now(), ends[i / 2].expected);
        remove_folder(state);
        make_folder(state);
    }
}

/* ---- Its story ---- */

static int note_attempt(void *context, const struct history_attempt *a)
{
    size_t used = strlen(seen);
    (void)context;
    if (a->action)
        snprintf(seen + used, sizeof seen - used, "action %d %s; ", a->action, a->error);
    else
        snprintf(seen + used, sizeof seen - used, "%u %d; ", a->number, a->status);
    return 0;
}

static const char *story(void)
{
    const struct history_message m = {.row = 1, .id = "01k0000000000001-1"};
    *seen = 0;
    assert_int_equal(history_sqlite.attempts(store, &m, 1, note_attempt, NULL), 0);
    return seen;
}

static void actions_stand_among_the_attempts(void **state)
{
    (void)state;
    struct history_message *m = record_message(1, 1000);
    struct history_attempt *first = attempt(1, 500, HISTORY_FAILED);
    first->next = action(HISTORY_RETRY);
    assert_int_equal(history_sqlite.write(store, m, first), 0);
    history_message_free(m);
    history_attempt_free(first->next);
    history_attempt_free(first);
    write_one(NULL, attempt(2, 500, HISTORY_WAITING));
    write_one(NULL, action(HISTORY_EDIT));
    write_one(NULL, action(HISTORY_RETRY)); /* it waits anyway */
    write_one(NULL, action(HISTORY_DROP));
    assert_string_equal(story(),
                        "1 500; action 2 somebody; 2 500; action 3 somebody; action 1 somebody; ");
    assert_string_equal(records_found(store, (struct history_filter){.state = "dropped"}), "1 ");
    assert_string_equal(records_found(store, (struct history_filter){.status = 500}), "1 ");
    assert_string_equal(records_found(store, (struct history_filter){.state = "waiting"}), "");
}

/* Those that cost none have one number, and a clock may stand still. */
static void attempts_of_one_millisecond_are_all_kept(void **state)
{
    (void)state;
    write_one(record_message(1, 1000), NULL);
    for (int status = 501; status <= 503; status++)
        write_one(NULL, attempt(0, status, HISTORY_WAITING));
    struct history_attempt *back = attempt(1, 504, HISTORY_WAITING);
    back->at_ms = 1; /* it was set back */
    write_one(NULL, back);
    assert_string_equal(story(), "0 501; 0 502; 0 503; 1 504; ");
}

static void what_nobody_knows_is_left_out(void **state)
{
    (void)state;
    write_one(record_message(2, 1000), NULL);
    struct history_attempt *a = action(HISTORY_DROP);
    assert_int_equal(history_sqlite.write(store, NULL, a), 0);
    assert_int_equal(a->row, 0); /* so it may be tried again when its message has come */
    write_one(record_message(1, 1000), NULL);
    assert_int_equal(history_sqlite.write(store, NULL, a), 0);
    assert_int_equal(a->row, 2);
    assert_int_equal(history_sqlite.write(store, NULL, a), 0);
    assert_int_equal(a->row, -1); /* it is dropped already */
    history_attempt_free(a);
}

/* ---- Files of version 2 ---- */

static const char version_2[] =
    "DROP TABLE attempts;"
    "CREATE TABLE attempts(message INTEGER NOT NULL, delivery INTEGER NOT NULL, at_ms INTEGER NOT"
    " NULL, number INTEGER NOT NULL, ms INTEGER, state INTEGER, status INTEGER, error TEXT,"
    " reply TEXT, target TEXT, body INTEGER, PRIMARY KEY(message, delivery, at_ms, number))"
    " WITHOUT ROWID;"
    "INSERT INTO attempts VALUES(1, 1, 3000, 2, 7, 2, 502, 'bad', 'no', NULL, 0),"
    " (1, 1, 2000, 1, 7, 0, 501, 'bad', 'no', NULL, 0), (1, 2, 2000, 1, 7, 0, 503, 'x', 'y', NULL, "
    "0);"
    "PRAGMA user_version = 2";

static void make_version_2(void)
{
    char path[128];
    sqlite3 *db;
    history_sqlite.close(store);
    store = NULL;
    snprintf(path, sizeof path, "%s/history.db", folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, version_2, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_file_of_version_2_is_brought_up_to_date(void **state)
{
    (void)state;
    struct error err = {""};
    write_one(record_message(1, 1000), NULL);
    make_version_2();
    assert_int_equal(history_sqlite.open(&spool_of_folder, HISTORY_READ, &store, &err),
                     -EPROTONOSUPPORT);
    assert_int_equal(history_sqlite.open(&spool_of_folder, HISTORY_CHANGE, &store, &err),
                     -EPROTONOSUPPORT);
    assert_int_equal(history_sqlite.open(&spool_of_folder, HISTORY_SERVE, &store, &err), 0);
    assert_string_equal(story(), "1 501; 2 502; ");
    write_one(NULL, attempt(3, 504, HISTORY_WAITING));
    assert_string_equal(story(), "1 501; 2 502; 3 504; ");
}

static void beside_a_server_nothing_is_made(void **state)
{
    (void)state;
    char command[128];
    struct error err = {""};
    struct history_store *other;
    snprintf(command, sizeof command, "rm '%s'/history.db*", folder);
    history_sqlite.close(store);
    assert_int_equal(system(command), 0);
    assert_int_equal(history_sqlite.open(&spool_of_folder, HISTORY_CHANGE, &other, &err), -ENOENT);
    assert_int_equal(history_sqlite.open(&spool_of_folder, HISTORY_SERVE, &store, &err), 0);
    write_one(record_message(1, 1000), NULL);
    assert_int_equal(history_sqlite.open(&spool_of_folder, HISTORY_CHANGE, &other, &err), 0);
    struct history_attempt *a = action(HISTORY_DROP);
    assert_int_equal(history_sqlite.write(other, NULL, a), 0);
    history_attempt_free(a);
    write_one(record_message(2, 2000), NULL); /* the server's go on beside it */
    history_sqlite.close(other);
    assert_string_equal(records_found(store, (struct history_filter){.state = "dropped"}), "1 ");
    assert_string_equal(records_found(store, (struct history_filter){0}), "2 1 ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_order_of_attempts_and_actions_has_its_end),
        TEST(so_it_is_in_one_batch),
        TEST(actions_stand_among_the_attempts),
        TEST(attempts_of_one_millisecond_are_all_kept),
        TEST(what_nobody_knows_is_left_out),
        TEST(a_file_of_version_2_is_brought_up_to_date),
        TEST(beside_a_server_nothing_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
