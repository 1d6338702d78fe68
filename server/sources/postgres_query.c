#include "postgres_query.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../mail/utf8.h"
#include "../lookup/source.h"

#define CONNECT_MS  5000
#define PAUSE_MS    1000 /* between two attempts to connect */
#define SLICE_MS    50   /* after which a wait looks whether it is to end */
#define ADDRESS_MAX 1024
#define BEGIN       "BEGIN READ ONLY"
#define COMMIT      "COMMIT"
#define TABLE       "FROM (%s\n) AS q(address, destination)"

/* ---- Waits ---- */

static bool wait_for(struct reader *r, short events, int64_t deadline_ms)
{
    while (!atomic_load(r->closing)) {
        struct pollfd fd = {.fd = PQsocket(r->connection), .events = events};
        int64_t left = deadline_ms - clock_monotonic_ms();
        if (left <= 0)
            return false;
        if (poll(&fd, 1, left < SLICE_MS ? (int)left : SLICE_MS) > 0)
            return true;
    }
    return false;
}

static void complain(const struct reader *r, const char *what)
{
    char line[300];
    snprintf(line, sizeof line, "%s", what && *what ? what : "no answer in time");
    line[strcspn(line, "\n")] = '\0';
    log_limited(LOG_ERROR, "lookup", NULL, LOG_TEXT("source", r->options->name),
                LOG_TEXT("error", line));
}

static void lose(struct reader *r)
{
    if (!r->connection)
        return;
    if (!atomic_load(r->closing))
        complain(r, PQerrorMessage(r->connection));
    reader_close(r);
    r->not_before_ms = clock_monotonic_ms() + PAUSE_MS;
}

void reader_close(struct reader *r)
{
    PQfinish(r->connection);
    r->connection = NULL;
}

/* ---- Connecting ---- */

static bool connect_within(struct reader *r, int64_t deadline_ms)
{
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    while (status != PGRES_POLLING_OK) {
        short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (status == PGRES_POLLING_FAILED || !wait_for(r, events, deadline_ms))
            return false;
        status = PQconnectPoll(r->connection);
    }
    return true;
}

static void drop_notice(void *context, const PGresult *result)
{
    (void)context, (void)result;
}

static bool connected(struct reader *r)
{
    static const char *const names[] = {"application_name", "client_encoding", "dbname", NULL};
    const char *const values[] = {"mxhook", "UTF8", r->options->conninfo, NULL};
    int64_t now = clock_monotonic_ms();
    if (r->connection)
        return true;
    if (now < r->not_before_ms)
        return false;
    r->connection = PQconnectStartParams(names, values, 1);
    if (!r->connection)
        return false;
    if (PQstatus(r->connection) != CONNECTION_BAD && connect_within(r, now + CONNECT_MS) &&
        PQsetnonblocking(r->connection, 1) == 0) {
        PQsetNoticeReceiver(r->connection, drop_notice, NULL);
        log_info("lookup", NULL, LOG_TEXT("source", r->options->name),
                 LOG_TEXT("connected", PQhost(r->connection)));
        return true;
    }
    lose(r);
    return false;
}

/* ---- Statements ---- */

struct query_statement {
    const char *sql;
    const char *value; /* $1; NULL: it has none */
};

static bool send_all(struct reader *r, const struct query_statement *statements, size_t count,
                     int64_t deadline_ms)
{
    PGconn *c = r->connection;
    int left;
    for (size_t i = 0; i < count; i++)
        if (!PQsendQueryParams(c, statements[i].sql, statements[i].value ? 1 : 0, NULL,
                               &statements[i].value, NULL, NULL, 0))
            return false;
    if (!PQpipelineSync(c))
        return false;
    while ((left = PQflush(c)) == 1)
        if (!wait_for(r, POLLIN | POLLOUT, deadline_ms) || !PQconsumeInput(c))
            return false;
    return left == 0;
}

/* False: none came. *result may be NULL, which ends a statement's. */
static bool next_result(struct reader *r, int64_t deadline_ms, PGresult **result)
{
    while (PQisBusy(r->connection))
        if (!wait_for(r, POLLIN, deadline_ms) || !PQconsumeInput(r->connection))
            return false;
    *result = PQgetResult(r->connection);
    return true;
}

/* Reads up to the sync; *rows: the one result that has some. False: the connection is of no use. */
static bool read_all(struct reader *r, int64_t deadline_ms, PGresult **rows, bool *failed)
{
    PGresult *result;
    *rows = NULL;
    *failed = false;
    for (;;) {
        if (!next_result(r, deadline_ms, &result))
            return false;
        ExecStatusType status = result ? PQresultStatus(result) : PGRES_COMMAND_OK;
        if (status == PGRES_TUPLES_OK) {
            PQclear(*rows);
            *rows = result;
            continue;
        }
        if (status == PGRES_FATAL_ERROR) {
            complain(r, PQresultErrorMessage(result));
            *failed = true;
        }
        PQclear(result);
        if (status == PGRES_PIPELINE_SYNC)
            return true;
        if (!result && PQstatus(r->connection) != CONNECTION_OK)
            return false;
    }
}

static void roll_back(struct reader *r, int64_t deadline_ms)
{
    static const struct query_statement rollback = {"ROLLBACK", NULL};
    PGresult *none;
    bool failed;
    if (!send_all(r, &rollback, 1, deadline_ms) || !read_all(r, deadline_ms, &none, &failed))
        lose(r);
}

/* Sent together, one round trip. False: it failed, and what was begun is over. *rows is for PQclear(), or NULL where there
 * are none. */
static bool run(struct reader *r, const struct query_statement *statements, size_t count,
                PGresult **rows)
{
    int64_t deadline_ms = clock_monotonic_ms() + r->options->timeout_ms;
    bool failed = false;
    *rows = NULL;
    if (!connected(r))
        return false;
    bool ended = PQenterPipelineMode(r->connection) &&
                 send_all(r, statements, count, deadline_ms) &&
                 read_all(r, deadline_ms, rows, &failed);
    if (ended && !failed)
        return true;
    PQclear(*rows);
    *rows = NULL;
    if (!ended)
        lose(r);
    else if (PQtransactionStatus(r->connection) != PQTRANS_IDLE)
        roll_back(r, deadline_ms);
    return false;
}

/* ---- Asking ---- */

static bool is_text(const char *address)
{
    size_t size = strlen(address);
    return size <= ADDRESS_MAX && utf8_valid_size(address, size) == size;
}

/* "{\"a@b\",...}"; NULL: no memory. What is no text stands in no table. */
static char *make_array(struct flight *const *flights, size_t count)
{
    size_t size = 3;
    for (size_t i = 0; i < count; i++)
        size += 2 * strlen(flights[i]->address) + 3;
    char *array = malloc(size), *out = array;
    if (!array)
        return NULL;
    *out++ = '{';
    for (size_t i = 0; i < count; i++) {
        if (!is_text(flights[i]->address))
            continue;
        if (out > array + 1)
            *out++ = ',';
        *out++ = '"';
        for (const char *p = flights[i]->address; *p; p++) {
            if (*p == '"' || *p == '\\')
                *out++ = '\\';
            *out++ = *p;
        }
        *out++ = '"';
    }
    strcpy(out, "}");
    return array;
}

/* All rows of an address, joined by commas. NULL: no memory. */
static struct lookup_answer *answer_for(const PGresult *rows, const char *address)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = NULL;
    for (int i = 0; i < PQntuples(rows); i++) {
        if (PQgetisnull(rows, i, 0) || PQgetisnull(rows, i, 1) ||
            strcasecmp(PQgetvalue(rows, i, 0), address) != 0)
            continue;
        if (!out && !(out = open_memstream(&text, &size)))
            return NULL;
        fprintf(out, "%s%s", ftell(out) > 0 ? "," : "", PQgetvalue(rows, i, 1));
    }
    if (!out)
        return lookup_answer_new(LOOKUP_NONE, NULL, 0);
    struct lookup_answer *answer = fclose(out) == 0 && size <= LOOKUP_ANSWER_MAX
                                       ? lookup_answer_new(LOOKUP_FOUND, text, size)
                                       : NULL;
    free(text);
    return answer;
}

static char *make_sql(const struct reader *r, const char *format)
{
    char *sql = NULL;
    return asprintf(&sql, format, r->options->query) < 0 ? NULL : sql;
}

bool reader_ask(struct reader *r, struct flight *const *flights, size_t count)
{
    char *sql = make_sql(r, "SELECT address, destination " TABLE " WHERE address = ANY($1)");
    char *array = make_array(flights, count);
    PGresult *rows = NULL;
    struct query_statement statements[] = {{BEGIN, NULL}, {sql, array}, {COMMIT, NULL}};
    bool answered = sql && array && run(r, statements, 3, &rows);
    for (size_t i = 0; rows && i < count; i++)
        flights[i]->answer = answer_for(rows, flights[i]->address);
    PQclear(rows);
    free(sql);
    free(array);
    return answered;
}

/* ---- All addresses ---- */

/* A row of COPY's text form, without its end: taken apart in place. Its size, or -1 for NULL. */
static int read_copied(char *row, int size)
{
    static const char escaped[] = "bfnrtv", meant[] = "\b\f\n\r\t\v";
    int out = 0;
    if (size == 2 && memcmp(row, "\\N", 2) == 0)
        return -1;
    for (int i = 0; i < size; i++) {
        if (row[i] == '\\' && i + 1 < size) {
            const char *at = memchr(escaped, row[++i], sizeof escaped - 1);
            row[out++] = at ? meant[at - escaped] : row[i];
        } else {
            row[out++] = row[i];
        }
    }
    return out;
}

/* False: the connection is of no use. */
static bool copy_rows(struct reader *r, struct names *names, int64_t deadline_ms)
{
    char *row;
    int size;
    while ((size = PQgetCopyData(r->connection, &row, 1)) >= 0) {
        if (size == 0) {
            if (!wait_for(r, POLLIN, deadline_ms) || !PQconsumeInput(r->connection))
                return false;
            continue;
        }
        int length = read_copied(row, size - 1);
        bool added = length < 0 || names_add(names, row, (size_t)length) == 0;
        PQfreemem(row);
        if (!added)
            return false;
    }
    return size == -1;
}

static bool take_result(struct reader *r, const PGresult *result, struct names_digest *digest,
                        struct names *names, int64_t deadline_ms)
{
    switch (PQresultStatus(result)) {
    case PGRES_COPY_OUT: return copy_rows(r, names, deadline_ms);
    case PGRES_COMMAND_OK: return true;
    case PGRES_TUPLES_OK:
        snprintf(digest->text, sizeof digest->text, "%s %s", PQgetvalue(result, 0, 0),
                 PQgetvalue(result, 0, 1));
        return true;
    default: return false;
    }
}

/* Without the pipeline, in which COPY is not allowed. False: the connection is of no use. */
static bool run_plain(struct reader *r, const char *sql, struct names_digest *digest,
                      struct names *names, int64_t deadline_ms)
{
    PGresult *result;
    int left = 1;
    bool fine = PQsendQuery(r->connection, sql);
    while (fine && (left = PQflush(r->connection)) == 1)
        fine = wait_for(r, POLLIN | POLLOUT, deadline_ms) && PQconsumeInput(r->connection);
    fine = fine && left == 0;
    while (fine && (fine = next_result(r, deadline_ms, &result)) && result) {
        fine = take_result(r, result, digest, names, deadline_ms);
        PQclear(result);
    }
    return fine;
}

/* Both questions see the table at one moment: else what changes between them and back again would stay unseen. */
#define BEGIN_SAME "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
#define DIGEST     "SELECT count(*), sum(hashtextextended(address::text, 0)) "
#define COPY       "COPY (SELECT address::text " TABLE ") TO STDOUT"

enum names_read reader_read_names(struct reader *r, struct names_digest *digest, size_t rows,
                                  struct names *names)
{
    int64_t deadline_ms = clock_monotonic_ms() + r->options->timeout_ms;
    struct names_digest now = {""};
    char *ask = make_sql(r, BEGIN_SAME ";" DIGEST TABLE), *read = make_sql(r, COPY ";" COMMIT);
    bool fine = ask && read && connected(r) && run_plain(r, ask, &now, names, deadline_ms);
    bool same = fine && strcmp(now.text, digest->text) == 0;
    if (same)
        fine = run_plain(r, COMMIT, &now, names, deadline_ms);
    else if (fine)
        fine = names_expect(names, rows) == 0 && run_plain(r, read, &now, names, deadline_ms);
    free(ask);
    free(read);
    if (!fine)
        lose(r);
    *digest = fine ? now : (struct names_digest){""};
    return !fine ? NAMES_FAILED : same ? NAMES_SAME : NAMES_READ;
}
