/* same_filters CONNINFO SEED: random records in a SQLite file and in this PostgreSQL; each filter is to find the same in both, also
 * in what an older version has written or changed there. Prints what it was not the same of; the exit status says it. */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "records.h"

#define BATCHES     24
#define FILTERS     150
#define FOUND_SIZE  16384
#define ITEMS(list) (sizeof(list) / sizeof *(list))

static struct history_store *file, *tables;
static PGconn *beside; /* another connection, for what an older version does */
static uint64_t seed;
static int64_t last; /* the number of the newest message */

/* ---- What is drawn ---- */

static uint64_t drawn;

static unsigned draw(unsigned below)
{
    drawn = drawn * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(drawn >> 33) % below;
}

static const char *const senders[] = {
    "",           "Rare@Seven.Example", "rare@seven.example",        "a@b.example",
    "postmaster", "x@[192.0.2.1]",      "m\xc3\xbcller@many.example"};
static const char *const recipients[] = {"hook@example.com", "HOOK@example.com", "b@Example.ORG",
                                         "\"a@b\"@example.net", "team@example.org"};
static const char *const subjects[] = {"Invoice \xc3\x9cML\xc3\x84UT",
                                       "invoice \xc3\xbcml\xc3\xa4ut",
                                       "\xc4\xb0stanbul STRASSE",
                                       "stra\xc3\x9f"
                                       "e",
                                       "\xe2\x82\xac 100%",
                                       "_under_ \\back\\ slash",
                                       "",
                                       "a\tb\x01 c",
                                       "\xff\xfe no UTF-8",
                                       "\xd0\x9f\xd0\xa0\xd0\x98\xd0\x92\xd0\x95\xd0\xa2",
                                       "line\nline two",
                                       "',delivered,' OR 1"};
static const char *const parts[] = {"invoice",
                                    "\xc3\xbcml\xc3\xa4",
                                    "\xc3\x9cML",
                                    "STRASSE",
                                    "stra\xc3\x9f",
                                    "100%",
                                    "_und",
                                    "\\back",
                                    "b\x01 c",
                                    "\xff\xfe n",
                                    "\xd0\xbf\xd1\x80\xd0\xb8",
                                    "line two",
                                    "e\nline",
                                    "no such",
                                    "umber 1",
                                    "\xbcml",
                                    "',del",
                                    "\x01\x02\x03"};
static const char *const destinations[] = {"https://hook7.example/in", "https://hook99.example/in",
                                           "https://once.example/in", "forward@example.com"};
static const int statuses[] = {200, 500, 404, 429, 0, 999};

/* The same for the same number, since a store changes what it is given. */
static struct history_message *message(int64_t number)
{
    drawn = seed + (uint64_t)number;
    struct history_message *m = record_message(number, 1000000 + number * 700 + draw(2000));
    m->result = (enum history_result)(m->result == HISTORY_REJECTED ? 1 + draw(2) : 0);
    if (draw(3) == 0)
        m->sender = senders[draw(ITEMS(senders))];
    if (draw(2) == 0)
        m->subject = draw(40) == 0 ? NULL : subjects[draw(ITEMS(subjects))];
    if (draw(4) == 0)
        m->recipients[0].address = recipients[draw(ITEMS(recipients))];
    if (m->delivery_count > 0 && draw(200) == 0)
        m->deliveries[0].destination = destinations[2 + draw(2)];
    return m;
}

static struct history_attempt *attempt(int64_t number, unsigned what)
{
    drawn = seed * 3 + (uint64_t)number * 16 + what;
    unsigned delivery = number % 2 == 0 ? 1 + draw(2) : 1;
    struct history_attempt *a =
        record_attempt(number, delivery, 1, statuses[draw(number < 500 ? 2 : ITEMS(statuses))],
                       (enum history_state)draw(HISTORY_DROPPED));
    a->number = what + 1;
    if (draw(6) == 0)
        a->action = (enum history_action)(1 + draw(3));
    if (a->action == HISTORY_DROP)
        a->state = HISTORY_DROPPED;
    return a;
}

/* ---- Writing it ---- */

static void must(bool is, const char *what)
{
    if (is)
        return;
    printf("%s\n", what);
    exit(1);
}

static void put(const struct history_ops *ops, struct history_store *store, int64_t from,
                int64_t to, unsigned what, unsigned early)
{
    struct history_message *messages = NULL, **end = &messages;
    struct history_attempt *attempts = NULL, **attempts_end = &attempts;
    for (int64_t i = from; i < to; i++, end = &(*end)->next)
        *end = message(i);
    for (int64_t i = early < from ? from - early : 1; i < to; i += 1 + i % 3) {
        *attempts_end = attempt(i, what);
        attempts_end = &(*attempts_end)->next;
    }
    must(ops->write(store, messages, attempts) == 0, ops->error(store));
    history_records_free(messages, attempts);
}

static void put_both(int64_t from, int64_t to, unsigned what, unsigned early)
{
    put(&history_sqlite, file, from, to, what, early);
    put(&history_postgres, tables, from, to, what, early);
}

static void sql(const char *text)
{
    PGresult *result = PQexec(beside, text);
    ExecStatusType status = PQresultStatus(result);
    must(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, PQerrorMessage(beside));
    PQclear(result);
}

#define SEGMENTS "mxhook_history.segments"

/* An older version knows of terms alone: what it changes there is done again, as it would do it. */
static void put_as_an_older_one(int64_t at, unsigned what)
{
    sql("CREATE TEMP TABLE was AS SELECT row, terms, marks FROM " SEGMENTS);
    put_both(at, at, what, 60);
    sql("CREATE TEMP TABLE now_is AS SELECT row, terms FROM " SEGMENTS);
    sql("UPDATE " SEGMENTS " s SET terms = was.terms FROM was WHERE s.row = was.row");
    sql("UPDATE " SEGMENTS " s SET marks = was.marks FROM was WHERE s.row = was.row");
    sql("UPDATE " SEGMENTS " s SET terms = i.terms FROM now_is i WHERE s.row = i.row AND"
        " s.terms <> i.terms");
    sql("DROP TABLE was; DROP TABLE now_is");
}

static void fill(void)
{
    for (unsigned i = 0; i < BATCHES; i++) {
        drawn = seed * 7 + i;
        unsigned count = i == 5 ? 1300 : 1 + draw(60), early = draw(3) == 0 ? 200 : 0;
        put_both(last + 1, last + 1 + count, i % 12, early);
        last += count;
        if (i == BATCHES / 3)
            sql("UPDATE " SEGMENTS " SET keys = NULL, marks = NULL WHERE row / 1024 % 2 = 0");
        if (i % 5 == 4)
            put_as_an_older_one(last + 1 - draw((unsigned)last / 2), 12 + i % 4);
    }
}

/* ---- Looking for it ---- */

static int note(void *context, const struct history_message *m)
{
    char *to = context;
    size_t used = strlen(to);
    snprintf(to + used, FOUND_SIZE - used, "%s ", m->id + 11);
    return 0;
}

static int64_t row_of_fifth;

static int note_row(void *context, const struct history_message *m)
{
    int *count = context;
    row_of_fifth = m->row;
    return ++*count == 5;
}

#define SOME(list) list[draw(ITEMS(list))]

static struct history_filter random_filter(char id[ID_SIZE])
{
    static const char *const words[] = {"accepted", "deferred", "rejected"};
    static const char *const states[] = {"waiting", "delivered", "failed", "dropped"};
    static const char *const of[] = {"user5@MANY.example", "@many.example", "@Seven.example",
                                     "no@such.example",    "@such.example", "@",
                                     "rare@seven.example"};
    static const char *const to[] = {"@example.com", "TEAM42@example.org", "@example.net",
                                     "no@such.example", "hook@example.com"};
    static const char *const where[] = {"https://hook7.example",    "https://hook99.example:443",
                                        "https://once.example/in",  "https://no.example/in",
                                        "https://hook3.example/in", "forward@example.com"};
    struct history_filter f = {.limit = draw(2) ? 1 + draw(60) : 300};
    snprintf(id, ID_SIZE, "01k%013u%s", 1 + draw((unsigned)last + 20), draw(2) ? "-1" : "");
    for (unsigned i = 0; i <= draw(3); i++)
        switch (draw(9)) {
        case 0: f.sender = SOME(of); break;
        case 1: f.recipient = SOME(to); break;
        case 2: f.destination = SOME(where); break;
        case 3: f.subject = SOME(parts); break;
        case 4: f.result = SOME(words); break;
        case 5: f.state = SOME(states); break;
        case 6: f.status = draw(8) == 0 ? 418 : SOME(statuses); break;
        case 7: f.since_ms = 1000000 + draw((unsigned)last * 700); break;
        case 8: f.id = draw(3) == 0 ? id : NULL; break;
        }
    if (draw(5) == 0)
        f.until_ms = 1000000 + draw((unsigned)last * 700);
    return f;
}

/* A search ends after some seconds; on a machine that is busy that may be before its end. */
static void list(const struct history_ops *ops, struct history_store *store,
                 const struct history_filter *f, char found[FOUND_SIZE])
{
    for (int tries = 0; tries < 5; tries++) {
        *found = 0;
        if (ops->list(store, f, note, found) == 0)
            return;
    }
    must(false, ops->error(store));
}

static int compare(int number)
{
    static char found[2][FOUND_SIZE];
    char id[ID_SIZE];
    drawn = seed * 11 + (uint64_t)number;
    struct history_filter f = random_filter(id);
    bool goes_on = draw(4) == 0;
    for (int i = 0; i < 2; i++) {
        const struct history_ops *ops = i ? &history_postgres : &history_sqlite;
        struct history_filter of = f;
        int count = 0;
        row_of_fifth = 0;
        if (goes_on)
            ops->list(i ? tables : file, &f, note_row, &count);
        of.before = row_of_fifth;
        list(ops, i ? tables : file, &of, found[i]);
    }
    if (strcmp(found[0], found[1]) == 0)
        return 0;
    printf("%d: sender=%s recipient=%s destination=%s subject=%s id=%s result=%s state=%s status=%d"
           " limit=%u\n  file:     %s\n  database: %s\n",
           number, f.sender, f.recipient, f.destination, f.subject, f.id, f.result, f.state,
           f.status, f.limit, found[0], found[1]);
    return 1;
}

int main(int argc, char **argv)
{
    struct error err = {""};
    char folder[] = "/tmp/mxhook-same-XXXXXX", command[64];
    if (argc != 3 || !mkdtemp(folder))
        return 2;
    seed = strtoull(argv[2], NULL, 10) << 20;
    const struct spool_config of_file = {.directory = folder};
    const struct spool_config of_tables = {.directory = folder, .postgres = argv[1]};
    beside = PQconnectdb(argv[1]);
    must(history_sqlite.open(&of_file, HISTORY_SERVE, &file, &err) == 0, err.text);
    must(history_postgres.open(&of_tables, HISTORY_SERVE, &tables, &err) == 0, err.text);
    fill();
    int different = 0;
    for (int i = 0; i < FILTERS; i++)
        different += compare(i);
    printf("%lld messages, %d filters, %d different\n", (long long)last, FILTERS, different);
    history_sqlite.close(file);
    history_postgres.close(tables);
    PQfinish(beside);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) != 0 || different > 0;
}
