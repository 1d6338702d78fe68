/*
 * What the store in PostgreSQL sends, and makes of the answers, without a server: the batch is written down here, each
 * statement with its values, and answered as a test says. Linked so that its calls of pg.h come here.
 */
#include "../test.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "spool/postgres/conninfo.h"
#include "spool/postgres/number.h"
#include "spool/postgres/remove.h"
#include "spool/postgres/rows.h"
#include "spool/postgres/secret.h"
#include "spool/postgres/values.h"

#define NODE       7
#define ANSWERS    4
#define STATEMENTS 16

static char sent[STATEMENTS][4096]; /* "DELETE ... | {1,2}, text" */
static int sent_count, batches, closed;
static int end_code;               /* what pg_end() says */
static PGresult *answers[ANSWERS]; /* of the statements of the next batch; NULL: an empty one */

void __wrap_pg_begin(struct pg *pg);
void __wrap_pg_close(struct pg *pg);
void __wrap_pg_add(struct pg *pg, const char *sql, int count, const char *const *values,
                   const int *lengths, const unsigned *types, bool binary_result);
int __wrap_pg_end(struct pg *pg, int timeout_ms,
                  void (*each)(void *context, int number, PGresult *result), void *context);
int __wrap_node_id(const struct node *node);

void __wrap_pg_begin(struct pg *pg)
{
    (void)pg;
    sent_count = 0;
    batches++;
}

void __wrap_pg_close(struct pg *pg)
{
    (void)pg;
    closed++;
}

int __wrap_node_id(const struct node *node)
{
    (void)node;
    return NODE;
}

/* ---- Values, as they go over the wire ---- */

static uint32_t get32(const char *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return ntohl(value);
}

static int64_t get64(const char *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return (int64_t)be64toh(value);
}

static void show(char *out, size_t size, unsigned type, const char *bytes, int length)
{
    double real;
    int64_t big = length == 8 ? get64(bytes) : 0;
    memcpy(&real, &big, sizeof real);
    if (type == 20 && length == 8)
        snprintf(out, size, "%lld", (long long)big);
    else if (type == 23 && length == 4)
        snprintf(out, size, "%d", (int)get32(bytes));
    else if (type == 701 && length == 8)
        snprintf(out, size, "%g", real);
    else if (type == 25 || type == 17)
        snprintf(out, size, "%.*s", length, bytes);
    else
        fail_msg("type %u of %d bytes", type, length);
}

/* One dimension that begins at 1 (array_recv() of PostgreSQL); none where it is empty. */
static void show_array(char *out, size_t size, unsigned type, const char *bytes, int length)
{
    size_t used = (size_t)snprintf(out, size, "{");
    assert_true(length >= 12 && get32(bytes) <= 1);
    assert_int_equal(get32(bytes + 8), type);
    uint32_t count = get32(bytes) ? get32(bytes + 12) : 0;
    const char *at = bytes + (get32(bytes) ? 20 : 12);
    if (get32(bytes))
        assert_int_equal(get32(bytes + 16), 1);
    for (uint32_t i = 0; i < count; i++) {
        int item = (int)get32(at);
        used += (size_t)snprintf(out + used, size - used, "%s", i ? "," : "");
        if (item < 0)
            used += (size_t)snprintf(out + used, size - used, "NULL");
        else
            show(out + used, size - used, type, at + 4, item);
        used += strlen(out + used);
        at += 4 + (item < 0 ? 0 : item);
    }
    snprintf(out + used, size - used, "}");
    assert_int_equal(at - bytes, length);
}

void __wrap_pg_add(struct pg *pg, const char *sql, int count, const char *const *values,
                   const int *lengths, const unsigned *types, bool binary_result)
{
    static const unsigned arrays[][2] = {
        {1016, 20}, {1007, 23}, {1022, 701}, {1009, 25}, {1001, 17}};
    assert_true(sent_count < STATEMENTS);
    char *out = sent[sent_count++];
    size_t size = sizeof sent[0],
           used = (size_t)snprintf(out, size, "%.40s |%s", sql, binary_result ? " b" : "");
    (void)pg;
    for (int i = 0; i < count; i++) {
        unsigned item = 0;
        for (size_t a = 0; a < sizeof arrays / sizeof *arrays; a++)
            item = types[i] == arrays[a][0] ? arrays[a][1] : item;
        used += (size_t)snprintf(out + used, size - used, " ");
        if (!values[i])
            snprintf(out + used, size - used, "NULL");
        else if (item)
            show_array(out + used, size - used, item, values[i], lengths[i]);
        else
            show(out + used, size - used, types[i], values[i], lengths[i]);
        used += strlen(out + used);
    }
}

int __wrap_pg_end(struct pg *pg, int timeout_ms,
                  void (*each)(void *context, int number, PGresult *result), void *context)
{
    (void)pg, (void)timeout_ms;
    for (int i = 0; i < ANSWERS; i++) {
        PGresult *answer = answers[i] ? answers[i] : PQmakeEmptyPGresult(NULL, PGRES_COMMAND_OK);
        if (each && end_code == 0 && i < sent_count)
            each(context, i, answer);
        PQclear(answer);
        answers[i] = NULL;
    }
    return end_code;
}

static void check_sent(int number, const char *expected)
{
    assert_true(number < sent_count);
    if (strcmp(sent[number], expected) != 0)
        fail_msg("%d: '%s', not '%s'", number, sent[number], expected);
}

/* A result of so many columns; the values of its rows follow, NULL for NULL. */
static PGresult *table(int columns, int rows, const char *const *values)
{
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc *attributes = calloc((size_t)columns, sizeof *attributes);
    for (int i = 0; i < columns; i++)
        attributes[i].name = (char *)"";
    assert_true(PQsetResultAttrs(result, columns, attributes));
    free(attributes);
    for (int i = 0; i < rows * columns; i++)
        assert_true(PQsetvalue(result, i / columns, i % columns, (char *)values[i],
                               values[i] ? (int)strlen(values[i]) : -1));
    return result;
}

static void values_go_in_binary(void **state)
{
    struct values v = {0};
    struct pg pg = {0};
    (void)state;
    sent_count = 0;
    values_array(&v, PARAM_INT8);
    values_array(&v, PARAM_INT4);
    values_array(&v, PARAM_FLOAT8);
    values_array(&v, PARAM_TEXT);
    values_array(&v, PARAM_BYTES);
    values_number(&v, PARAM_INT8, INT64_MIN);
    values_number(&v, PARAM_INT4, -5);
    values_text(&v, "text");
    values_text(&v, "");
    values_text(&v, NULL);
    values_add_number(&v, 0, INT64_MAX);
    values_add_number(&v, 0, -1);
    values_add_null(&v, 0);
    values_add_number(&v, 1, 3);
    values_add_null(&v, 1);
    values_add_real(&v, 2, 0.5);
    values_add_text(&v, 3, "a");
    values_add_text(&v, 3, "");
    values_add_text(&v, 3, NULL);
    values_add_text(&v, 3, "bc");
    assert_int_equal(values_item(&v, 0, 0), INT64_MAX);
    assert_int_equal(values_item(&v, 0, 1), -1);
    assert_int_equal(values_send(&v, &pg, "SELECT", true), 0);
    check_sent(0, "SELECT | b {9223372036854775807,-1,NULL} {3,NULL} {0.5} {a,,NULL,bc} {} "
                  "-9223372036854775808 -5 text  NULL");
    assert_int_equal(v.count, 0); /* freed, to be used again */
    char expected[4096] = "SELECT | {";
    values_array(&v, PARAM_INT8);
    for (int i = 0; i < 500; i++) {
        values_add_number(&v, 0, i);
        sprintf(expected + strlen(expected), "%s%d", i ? "," : "", i);
    }
    assert_int_equal(values_send(&v, &pg, "SELECT", false), 0);
    check_sent(1, strcat(expected, "}"));
    values_array(&v, PARAM_INT8);
    v.failed = true; /* as where memory was out */
    assert_int_equal(values_send(&v, &pg, "SELECT", false), -ENOMEM);
    assert_int_equal(sent_count, 2);
    assert_false(v.failed);
}

/* ---- Numbers ---- */

static struct payload *payload(struct spill *tail)
{
    struct payload *made = payload_new(spill_from_bytes("head", 4), tail);
    assert_non_null(made);
    return made;
}

static struct delivery *delivery(const char *id, struct payload *its)
{
    struct delivery *d = delivery_new(id);
    assert_non_null(d);
    assert_int_equal(delivery_set_destination(d, &(struct destination){.url = "http://a.example/"}),
                     0);
    d->payload = its;
    return d;
}

static void free_all(struct delivery *d)
{
    for (struct delivery *next; d; d = next) {
        next = d->next;
        delivery_free(d);
    }
}

static void answer_block(const char *first, const char *timeline)
{
    answers[0] = table(2, 1, (const char *const[]){first, timeline});
}

static void each_delivery_and_payload_has_a_row(void **state)
{
    struct numbers numbers = {0};
    struct pg pg = {0};
    struct spill *tail = spill_from_bytes("tail", 4);
    struct payload *shared = payload(spill_ref(tail)), *other = payload(tail),
                   *alone = payload(NULL);
    struct delivery *list[] = {delivery("a-1", shared), delivery("a-2", payload_ref(shared)),
                               delivery("a-3", other), delivery("a-4", alone)};
    const int64_t first = (10LL << 44) + 5000;
    (void)state;
    for (int i = 0; i < 3; i++)
        list[i]->next = list[i + 1];
    end_code = -EAGAIN; /* all or none */
    assert_int_equal(number_deliveries(&pg, NODE, &numbers, list[0]), -EAGAIN);
    for (int i = 0; i < 4; i++)
        assert_int_equal(list[i]->stored->row, 0);
    end_code = 0;
    answer_block("5000", "0000000A");
    list[1]->attempts = 3;
    assert_int_equal(number_deliveries(&pg, NODE, &numbers, list[0]), 0);
    check_sent(0, "SELECT nextval('row_block'), left(pg_wal |");
    check_sent(1, "INSERT INTO mark (node, n) SELECT $1, 1  | 7");
    for (int i = 0; i < 4; i++) {
        assert_int_equal(list[i]->stored->row, first + i);
        assert_int_equal(list[i]->stored->payload_row, first + (i == 1 ? 0 : i));
        assert_int_equal(list[i]->stored->tail_row, i < 3 ? first : 0);
        assert_true(list[i]->stored->shared);
        assert_true(list[i]->stored->origin != 0 && list[i]->stored->lane != 0);
    }
    assert_int_equal(list[1]->stored->attempts, 3);
    assert_int_equal(shared->stored->row, first);
    assert_int_equal(shared->stored->last, first + 1);
    assert_int_equal(other->stored->last, first + 2);
    int before = batches;
    assert_int_equal(number_deliveries(&pg, NODE, &numbers, list[0]), 0); /* they have theirs */
    assert_int_equal(list[0]->stored->row, first);
    assert_int_equal(number_deliveries(&pg, NODE, &numbers, NULL), 0);
    struct delivery *single = delivery("b-1", payload(NULL));
    assert_int_equal(number_deliveries(&pg, NODE, &numbers, single), 0);
    assert_int_equal(single->stored->row, first + 4);
    assert_false(single->stored->shared);
    assert_int_equal(batches, before);
    free_all(list[0]);
    free_all(single);
}

/* A block is used to its end, not beyond; and for a minute. */
static void a_block_is_of_a_thousand(void **state)
{
    struct numbers numbers = {0};
    struct pg pg = {0};
    struct payload *its = payload(NULL);
    struct delivery *list = NULL;
    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct delivery *d = delivery("a-1", i ? payload_ref(its) : its);
        d->next = list;
        list = d;
    }
    answer_block("1000", "00000001");
    batches = 0;
    assert_int_equal(number_deliveries(&pg, NODE, &numbers, list), 0);
    assert_int_equal(batches, 1);
    struct delivery *next = delivery("b-1", payload(NULL)), *late = delivery("c-1", payload(NULL));
    answer_block("9000", "00000002");
    assert_int_equal(number_deliveries(&pg, NODE, &numbers, next), 0);
    assert_int_equal(next->stored->row, (2LL << 44) + 9000);
    assert_int_equal(batches, 2);
    numbers.rows.since_ms -= 60001;
    answer_block("10000", "00000002");
    assert_int_equal(number_deliveries(&pg, NODE, &numbers, late), 0);
    assert_int_equal(late->stored->row, (2LL << 44) + 10000);
    assert_int_equal(batches, 3);
    free_all(list);
    free_all(next);
    free_all(late);
}

static void of_ends_only_what_has_failed_has_its_notice_numbered(void **state)
{
    struct pg_store s = {0};
    struct delivery *failed = delivery("a-1", NULL), *retry = delivery("b-1", NULL);
    struct commit first = {.deliveries = delivery("c-1", payload(NULL))},
                  second = {.deliveries = delivery("d-1", payload(NULL))};
    (void)state;
    failed->stored->ending = ENDED_FAILED;
    retry->stored->ending = ENDED_RETRY;
    struct delivery *notice = failed->notice = delivery("e-1", payload(NULL));
    struct delivery *other = retry->notice = delivery("f-1", payload(NULL));
    failed->next = retry;
    first.next = &second;
    answer_block("100", "00000001");
    assert_int_equal(number_group(&s, &first, failed), 0);
    assert_int_equal(first.deliveries->stored->row, (1LL << 44) + 100);
    assert_int_equal(second.deliveries->stored->row, (1LL << 44) + 101);
    assert_int_equal(notice->stored->row, (1LL << 44) + 102);
    assert_int_equal(other->stored->row, 0);
    free_all(first.deliveries);
    free_all(second.deliveries);
    free_all(failed);
}

/* ---- The ends of attempts ---- */

static struct delivery *ended(enum ending ending)
{
    struct delivery *d = delivery("a-1", NULL);
    *d->stored =
        (struct stored){.row = 50, .payload_row = 40, .node = 3, .attempts = 1, .ending = ending};
    d->attempts = 2;
    d->last_status = 500;
    d->last_error = "an error";
    return d;
}

static void send_ends(struct delivery *ends)
{
    struct pg_store s = {0};
    sent_count = 0;
    assert_int_equal(remove_ends(&s, ends), 0);
    free_all(ends);
}

static void what_was_delivered_is_removed(void **state)
{
    (void)state;
    send_ends(NULL);
    assert_int_equal(sent_count, 0);
    send_ends(ended(ENDED_DELIVERED));
    check_sent(0, "DELETE FROM delivery WHERE row = ANY($1) | {50}");
    check_sent(1, "WITH gone AS (DELETE FROM payload p WHER | {40}");
    assert_int_equal(sent_count, 2);
    struct delivery *d = ended(ENDED_DELIVERED), *other = ended(ENDED_DELIVERED);
    d->stored->attempted = d->stored->shared = true;
    d->stored->tail_row = 30;
    other->stored->row = 51;
    d->next = other;
    send_ends(d);
    check_sent(0, "DELETE FROM delivery WHERE row = ANY($1) | {50,51}");
    check_sent(1, "DELETE FROM attempt WHERE delivery = ANY | {50}");
    check_sent(2, "SELECT row FROM payload WHERE row = ANY( | {40}");
    check_sent(3, "WITH gone AS (DELETE FROM payload p WHER | {40,40}");
    check_sent(4, "SELECT row FROM tail WHERE row = ANY($1) | {30}");
    check_sent(5, "WITH gone AS (DELETE FROM tail t WHERE t | {30}");
    assert_int_equal(sent_count, 6);
}

static void what_was_attempted_is_kept(void **state)
{
    (void)state;
    struct delivery *d = ended(ENDED_RETRY);
    d->due_ms = clock_monotonic_ms() + 100000;
    d->stored->ahead_ms = 100000 - 3600000; /* so that it is due in an hour */
    send_ends(d);
    int64_t pause = 0;
    assert_int_equal(sscanf(strstr(sent[0], "{2} {") + 5, "%ld", &pause), 1);
    assert_in_range(pause, 3600000 - 60000, 3600000);
    assert_non_null(
        strstr(sent[0], "UPDATE delivery d SET owner = NULL, due  | {50} {3} {1} {2} {"));
    assert_non_null(strstr(sent[0], "} {500} {an error}"));
    assert_int_equal(sent_count, 1); /* it has no attempt of its own: it was given up */
    for (unsigned attempts = 0; attempts <= 21; attempts++) {
        char expected[200];
        d = ended(ENDED_FAILED);
        d->attempts = attempts;
        d->stored->attempts = attempts - (attempts != 5); /* one that cost none */
        d->last_error = "";
        d->last_at_ms = 9000;
        d->last_ms = 80;
        send_ends(d);
        snprintf(
            expected, sizeof expected,
            "UPDATE delivery d SET owner = NULL, due  | {50} {3} {%d} {%u} {NULL} {500} {NULL}",
            (int)(attempts - (attempts != 5)), attempts);
        check_sent(0, expected);
        check_sent(1, "INSERT INTO attempt (delivery, at, ms, s | {50} {9000} {80} {500} {} {}");
        bool trims = attempts == 5 || attempts > 20;
        assert_int_equal(sent_count, trims ? 3 : 2);
        if (trims)
            check_sent(2, "DELETE FROM attempt a USING unnest($1) u | {50}");
    }
}

static void what_was_not_attempted_is_given_back(void **state)
{
    (void)state;
    struct delivery *d = ended(ENDED_RELEASED), *probe = ended(ENDED_RELEASED),
                    *of_lane = ended(ENDED_RELEASED);
    probe->stored->probe_ms = of_lane->stored->probe_ms = 1;
    probe->stored->origin = of_lane->stored->origin = 11;
    probe->stored->lane = of_lane->stored->lane = 12;
    of_lane->stored->probe_lane = true;
    send_ends(d);
    check_sent(0, "UPDATE delivery d SET owner = NULL FROM  | {50} {3}");
    assert_int_equal(sent_count, 1);
    probe->next = of_lane;
    send_ends(probe);
    check_sent(0, "UPDATE delivery d SET owner = NULL FROM  | {50,50} {3,3}");
    assert_non_null(strstr(sent[1], "| {11,11} {0,12} 7"));
    assert_int_equal(sent_count, 2);
}

/* ---- Rows ---- */

static void a_row_becomes_a_delivery(void **state)
{
    enum { COLUMNS = ROW_DESTINATION + DESTINATION_FIELDS };
    const char *values[3 * COLUMNS] = {0};
    static const char *const first[] = {"50",  "40",  "11",  "12",  "1000",  "-2000", NULL,  "3",
                                        "500", "a-1", "s@x", "r@x", "wrong", "m@x",   "v@x", "b-1"};
    (void)state;
    for (int row = 0; row < 3; row++) {
        memcpy(values + row * COLUMNS, first, sizeof first);
        for (int i = 0; i < DESTINATION_FIELDS; i++) {
            enum column_kind kind = column_kind(&destination_fields[i]);
            values[row * COLUMNS + ROW_DESTINATION + i] =
                kind == COLUMN_NUMBER || kind == COLUMN_REAL ? "0" : NULL;
        }
        values[row * COLUMNS + ROW_DESTINATION] = "http://a.example/";
    }
    values[COLUMNS + 4] = NULL;    /* it has failed */
    values[2 * COLUMNS + 6] = "3"; /* of node 3 */
    for (int i = 10; i < 16; i++)
        values[2 * COLUMNS + i] = NULL;
    PGresult *result = table(COLUMNS, 3, values);
    int64_t now = clock_unix_ms();
    struct delivery *d = rows_read(result, 0);
    assert_non_null(d);
    assert_int_equal(d->stored->row, 50);
    assert_int_equal(d->stored->payload_row, 40);
    assert_int_equal(d->stored->origin, 11);
    assert_int_equal(d->stored->lane, 12);
    assert_true(d->stored->attempted && d->stored->shared);
    assert_int_equal(d->state, DELIVERY_WAITING);
    assert_in_range(d->due_ms, now + 1000, now + 61000);
    assert_in_range(d->created_ms, now - 2000, now + 58000);
    assert_int_equal(d->attempts, 3);
    assert_int_equal(d->stored->attempts, 3);
    assert_int_equal(d->last_status, 500);
    assert_string_equal(d->id, "a-1");
    assert_string_equal(d->sender, "s@x");
    assert_string_equal(d->recipient, "r@x");
    assert_string_equal(d->last_error, "wrong");
    assert_string_equal(d->mail_from, "m@x");
    assert_string_equal(d->via, "v@x");
    assert_string_equal(d->about, "b-1");
    assert_string_equal(d->destination.url, "http://a.example/");
    delivery_free(d);
    d = rows_read(result, 1);
    assert_int_equal(d->state, DELIVERY_FAILED);
    assert_int_equal(d->due_ms, 0);
    delivery_free(d);
    d = rows_read(result, 2);
    assert_int_equal(d->state, DELIVERY_LEASED);
    assert_int_equal(d->stored->node, 3);
    assert_string_equal(d->sender, "");
    assert_string_equal(d->recipient, "");
    assert_string_equal(d->last_error, "");
    assert_true(!d->mail_from && !d->via && !d->about);
    delivery_free(d);
    PQclear(result);
}

/* ---- Secrets ---- */

static char folder[] = "/tmp/mxhook-secret-XXXXXX";

static void check_secret(const char *own, const char *cluster, const char *expected)
{
    char path[64], text[2048] = "";
    struct pg pg = {0};
    struct error err = {""};
    struct stat is;
    snprintf(path, sizeof path, "%s/key", folder);
    unlink(path);
    if (own) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fprintf(file, "%s\n", own);
        fclose(file);
    }
    if (cluster)
        answers[1] = table(1, 1, &cluster);
    assert_int_equal(secret_share(&pg, "key", folder, &err), 0);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &is), 0);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    text[strcspn(text, "\n")] = 0;
    if (expected)
        assert_string_equal(text, expected);
    else
        assert_int_equal(strspn(text, "0123456789abcdef"), 64);
    if (!own)
        assert_int_equal(is.st_mode & 0777, 0600);
    check_sent(1, "SELECT value FROM secret WHERE name = $1 | key");
    unlink(path);
}

static void nodes_have_one_secret(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    check_secret("own", "own", "own");
    check_sent(0, "INSERT INTO secret (name, value) VALUES  | key own");
    check_secret("own", "the cluster's", "the cluster's");
    check_secret(NULL, "the cluster's", "the cluster's");
    check_secret(NULL, NULL, NULL);
    struct pg pg = {.error = "why"};
    struct error err = {""};
    end_code = -EAGAIN;
    assert_int_equal(secret_share(&pg, "key", folder, &err), -EAGAIN);
    assert_string_equal(err.text, "spool.postgres: why");
    end_code = 0;
    const char *theirs = "theirs";
    answers[1] = table(1, 1, &theirs);
    assert_int_equal(secret_share(&pg, "none/key", folder, &err), -ENOENT);
    assert_non_null(strstr(err.text, "none/key: No such file"));
    char path[64], long_path[5000];
    snprintf(path, sizeof path, "%s/key", folder);
    assert_int_equal(mkdir(path, 0700), 0); /* nothing can take its place */
    answers[1] = table(1, 1, &theirs);
    assert_int_equal(secret_share(&pg, "key", folder, &err), -EISDIR);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(folder), 0); /* no other file is left */
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = 0;
    assert_int_equal(secret_share(&pg, "key", long_path, &err), -ENAMETOOLONG);
}

/* ---- Files of a conninfo ---- */

static int note_file(void *context, const char *option, const char *file)
{
    strcat(context, option);
    strcat(context, file);
    strcat(context, " ");
    return strstr(file, "stop") ? -EIO : 0;
}

static void files_of_a_connection_are_found(void **state)
{
    static const struct {
        const char *conninfo, *files;
        int code;
    } rows[] = {
        {"passfile=/a sslrootcert=/b sslcert=/c sslkey=/d sslcrl=/e sslcrldir=/f",
         "o/a o/c o/d o/b o/e o/f ", 0},
        {"passfile=/a sslrootcert=system host=/run/x", "o/a ", 0},
        {"passfile=/a host=h sslcert=/stop sslkey=/d", "o/a o/stop ", -EIO},
        {"no conninfo", "", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char files[400] = "";
        assert_int_equal(conninfo_visit_files(rows[i].conninfo, note_file, files, "o"),
                         rows[i].code);
        assert_string_equal(files, rows[i].files);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_go_in_binary),
        cmocka_unit_test(each_delivery_and_payload_has_a_row),
        cmocka_unit_test(a_block_is_of_a_thousand),
        cmocka_unit_test(of_ends_only_what_has_failed_has_its_notice_numbered),
        cmocka_unit_test(what_was_delivered_is_removed),
        cmocka_unit_test(what_was_attempted_is_kept),
        cmocka_unit_test(what_was_not_attempted_is_given_back),
        cmocka_unit_test(a_row_becomes_a_delivery),
        cmocka_unit_test(nodes_have_one_secret),
        cmocka_unit_test(files_of_a_connection_are_found),
    };
    return RUN_TESTS(tests);
}
