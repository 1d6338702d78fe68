#include "pg.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../base/clock.h"

#define HOSTS_MAX  16
#define SERVER_MIN 150000 /* 15 */
#define PARAMS_MAX 48

static _Atomic uint32_t newest_timeline; /* seen by this process */

static int fail(struct pg *pg, int code, const char *text)
{
    snprintf(pg->error, sizeof pg->error, "%.*s", (int)strcspn(text, "\n"), text);
    return code;
}

/* libpq hands over what follows a result before that is taken: so the batch's last one may be as good as taken. What comes
 * earlier is a trigger's, or a function's. */
static void note_warning(void *context, const PGresult *result)
{
    struct pg *pg = context;
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!severity || strcmp(severity, "WARNING") != 0 || pg->ended < pg->statements - 1 ||
        pg->warned)
        return;
    pg->warned = true;
    snprintf(pg->warning, sizeof pg->warning, "%s", text ? text : "");
}

/* ---- Waiting ---- */

/* For the socket, until the time is over. False: it is. */
static bool wait_for(PGconn *connection, short events, int64_t until_ms)
{
    struct pollfd poll_for = {.fd = PQsocket(connection), .events = events};
    for (;;) {
        int64_t left = until_ms - clock_monotonic_ms();
        if (left <= 0)
            return false;
        int n = poll(&poll_for, 1, (int)left);
        if (n > 0 || (n < 0 && errno != EINTR))
            return true;
    }
}

/* ---- Connecting ---- */

struct hosts {
    const char *keys[PARAMS_MAX], *values[PARAMS_MAX];
    int host, port; /* where in `values` these stand */
    char *host_list[HOSTS_MAX], *port_list[HOSTS_MAX];
    int count, port_count;
};

static int split(char *list, char **items)
{
    int count = 0;
    for (char *rest = list, *item; rest && (item = strsep(&rest, ",")) && count < HOSTS_MAX;)
        items[count++] = item;
    return count;
}

static void add_param(struct hosts *hosts, int *n, const char *key, const char *value)
{
    hosts->keys[*n] = key;
    hosts->values[(*n)++] = value;
}

/* What conninfo and the environment say, with places for one host and one port. */
static void read_options(struct hosts *hosts, PQconninfoOption *options)
{
    int n = 0;
    char *host_text = NULL, *port_text = NULL;
    for (PQconninfoOption *o = options; o->keyword && n < PARAMS_MAX - 5; o++) {
        if (strcmp(o->keyword, "host") == 0)
            host_text = o->val;
        else if (strcmp(o->keyword, "port") == 0)
            port_text = o->val;
        else if (o->val && strcmp(o->keyword, "client_encoding") != 0 &&
                 strcmp(o->keyword, "target_session_attrs") != 0)
            add_param(hosts, &n, o->keyword, o->val);
    }
    add_param(hosts, &n, "client_encoding", "LATIN1");
    hosts->host = n;
    add_param(hosts, &n, "host", NULL);
    hosts->port = n;
    add_param(hosts, &n, "port", NULL);
    add_param(hosts, &n, NULL, NULL);
    hosts->count = split(host_text, hosts->host_list);
    hosts->port_count = split(port_text, hosts->port_list);
}

static int finish_connecting(struct pg *pg, int64_t until_ms)
{
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    while (status != PGRES_POLLING_OK) {
        if (status == PGRES_POLLING_FAILED)
            return fail(pg, -EAGAIN, PQerrorMessage(pg->connection));
        if (!wait_for(pg->connection, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, until_ms))
            return fail(pg, -EAGAIN, "the server does not answer");
        status = PQconnectPoll(pg->connection);
    }
    return 0;
}

struct kind {
    bool standby, read_only;
    bool committed; /* transactions read what is committed meanwhile */
    uint32_t timeline;
};

static void read_kind(void *context, int number, PGresult *result)
{
    struct kind *kind = context;
    (void)number;
    kind->standby = strcmp(PQgetvalue(result, 0, 0), "t") == 0;
    kind->read_only = strcmp(PQgetvalue(result, 0, 3), "on") == 0;
    kind->timeline = (uint32_t)strtoul(PQgetvalue(result, 0, 1), NULL, 16);
    kind->committed = strcmp(PQgetvalue(result, 0, 2), "read committed") == 0;
}

/* Does it take writes, and is no newer primary known? */
static int check_server(struct pg *pg)
{
    struct kind kind = {0};
    if (PQserverVersion(pg->connection) < SERVER_MIN)
        return fail(pg, -EINVAL, "the server is older than PostgreSQL 15");
    pg_begin(pg);
    pg_add(pg,
           "SELECT pg_is_in_recovery(), "
           "CASE WHEN pg_is_in_recovery() THEN '0' "
           "ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END, "
           "current_setting('transaction_isolation'), current_setting('transaction_read_only')",
           0, NULL, NULL, NULL, false);
    int code = pg_end(pg, PG_HOST_MS, read_kind, &kind);
    if (code != 0)
        return code == -EINVAL ? -EINVAL : -EAGAIN;
    if (kind.standby)
        return fail(pg, -EAGAIN, "the server is a standby");
    if (kind.read_only)
        return fail(pg, -EAGAIN,
                    "read-only by default_transaction_read_only of the server, database or role");
    if (!kind.committed)
        return fail(pg, -EINVAL,
                    "default_transaction_isolation of this role or database must be 'read "
                    "committed'");
    uint32_t newest = atomic_load(&newest_timeline);
    if (kind.timeline < newest)
        return fail(pg, -EAGAIN, "the server is a former primary (an older timeline)");
    pg->timeline = kind.timeline;
    while (kind.timeline > newest &&
           !atomic_compare_exchange_weak(&newest_timeline, &newest, kind.timeline))
        ;
    return 0;
}

/* A password or a database that is wrong stays so; a server that starts or is full does not. */
static bool is_lasting(const char *error)
{
    return strstr(error, "authentication failed") || strstr(error, "does not exist") ||
           strstr(error, "no password supplied") || strstr(error, "pg_hba.conf");
}

static int try_host(struct pg *pg, struct hosts *hosts, int i)
{
    hosts->values[hosts->host] = hosts->count ? hosts->host_list[i] : NULL;
    hosts->values[hosts->port] = hosts->port_count > 1    ? hosts->port_list[i]
                                 : hosts->port_count == 1 ? hosts->port_list[0]
                                                          : NULL;
    pg->connection = PQconnectStartParams(hosts->keys, hosts->values, 0);
    if (!pg->connection)
        return fail(pg, -EAGAIN, "out of memory");
    int code = PQstatus(pg->connection) == CONNECTION_BAD
                   ? fail(pg, -EAGAIN, PQerrorMessage(pg->connection))
                   : finish_connecting(pg, clock_monotonic_ms() + PG_HOST_MS);
    if (code == 0) {
        PQsetNoticeReceiver(pg->connection, note_warning, pg);
        PQsetnonblocking(pg->connection, 1);
        code = PQenterPipelineMode(pg->connection) ? check_server(pg)
                                                   : fail(pg, -EAGAIN, "no pipeline");
    } else if (is_lasting(pg->error)) {
        code = -EINVAL;
    }
    if (code != 0)
        pg_close(pg);
    return code;
}

/* That the last one is a standby says nothing of why the primary will not do. */
static void add_failure(char failures[PG_ERROR_SIZE], const struct hosts *hosts, int i,
                        const char *error)
{
    size_t size = strlen(failures);
    const char *port = hosts->values[hosts->port];
    bool named = strncmp(error, "connection to server", 20) == 0;
    snprintf(failures + size, PG_ERROR_SIZE - size, "%s%s%s%s%s%.150s", size ? "; " : "",
             named ? "" : hosts->host_list[i], named || !port ? "" : ":",
             named || !port ? "" : port, named ? "" : ": ", error);
}

int pg_open(struct pg *pg)
{
    struct hosts hosts = {0};
    char *error = NULL, failures[PG_ERROR_SIZE] = "";
    pg_close(pg);
    PQconninfoOption *given = PQconninfoParse(pg->conninfo, &error);
    if (!given) {
        fail(pg, -EINVAL, error ? error : "out of memory");
        PQfreemem(error);
        return -EINVAL;
    }
    read_options(&hosts, given);
    int code = hosts.port_count > 1 && hosts.port_count != hosts.count
                   ? fail(pg, -EINVAL, "as many ports as hosts were expected")
                   : -EAGAIN;
    for (int i = 0; code == -EAGAIN && i < (hosts.count ? hosts.count : 1); i++)
        if ((code = try_host(pg, &hosts, i)) == -EAGAIN && hosts.count > 1)
            add_failure(failures, &hosts, i, pg->error);
    if (*failures && code == -EAGAIN)
        fail(pg, code, failures);
    PQconninfoFree(given);
    return code;
}

void pg_close(struct pg *pg)
{
    PQfinish(pg->connection);
    pg->connection = NULL;
    pg->unanswered = false;
}

/* ---- Batches ---- */

void pg_begin(struct pg *pg)
{
    pg->statements = pg->ended = 0;
    pg->warned = false;
    pg->state[0] = pg->error[0] = 0;
    if (!pg_drain(pg)) /* its answer would be taken for this one's */
        fail(pg, -EAGAIN, "the server has not yet answered what was sent before");
}

void pg_add(struct pg *pg, const char *sql, int count, const char *const *values,
            const int *lengths, const unsigned *types, bool binary_result)
{
    static const int binary[PARAMS_MAX] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                           1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                           1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    if (pg->connection && !*pg->error &&
        !PQsendQueryParams(pg->connection, sql, count, types, values, lengths, binary,
                           binary_result))
        fail(pg, -EAGAIN, PQerrorMessage(pg->connection));
    pg->statements++;
}

static int code_of_state(const char *state)
{
    static const struct {
        const char *prefix;
        int code;
    } codes[] = {
        {"40001", -EDEADLK}, {"40P01", -EDEADLK}, {"55P03", -EDEADLK},
        {"53100", -ENOSPC},  {"53", -EAGAIN},     {"57P", -EAGAIN},
        {"25006", -EAGAIN},  {"08", -EAGAIN},     {"57014", -EDEADLK},
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strncmp(state, codes[i].prefix, strlen(codes[i].prefix)) == 0)
            return codes[i].code;
    return -EINVAL;
}

static int note_error(struct pg *pg, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    snprintf(pg->state, sizeof pg->state, "%s", state ? state : "08000");
    fail(pg, 0, text ? text : PQresultErrorMessage(result));
    /* One that ends the connection may have come while COMMIT was under way (a time limit, an administrator). */
    return state && severity && strcmp(severity, "ERROR") == 0 ? code_of_state(pg->state)
                                                               : -EINPROGRESS;
}

/* Sends what libpq holds, and reads until it has a result. */
static int next_input(struct pg *pg, int64_t until_ms)
{
    PGconn *c = pg->connection;
    while (PQisBusy(c)) {
        int flushed = PQflush(c);
        if (flushed < 0 || !wait_for(c, (short)(POLLIN | (flushed ? POLLOUT : 0)), until_ms) ||
            !PQconsumeInput(c))
            return *pg->error
                       ? -EINPROGRESS /* what the server said before says more */
                       : fail(pg, -EINPROGRESS,
                              flushed < 0 || PQstatus(c) == CONNECTION_BAD ? PQerrorMessage(c)
                                                                           : "no answer in time");
    }
    return 0;
}

static bool is_error(ExecStatusType status)
{
    return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE;
}

/* All results up to the Sync. A FATAL one (57P01) ends the connection. */
static int gather(struct pg *pg, int64_t until_ms,
                  void (*each)(void *context, int number, PGresult *result), void *context)
{
    int code = 0, number = 0;
    for (;;) {
        int waited = next_input(pg, until_ms);
        if (waited != 0)
            return waited;
        PGresult *result = PQgetResult(pg->connection);
        ExecStatusType status = result ? PQresultStatus(result) : PGRES_COMMAND_OK;
        if (result && is_error(status) && code == 0)
            code = note_error(pg, result);
        else if (result && code == 0 && each &&
                 (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK))
            each(context, number, result);
        number += !result;
        pg->ended = number;
        PQclear(result);
        if (status == PGRES_PIPELINE_SYNC)
            return code;
        if (PQstatus(pg->connection) == CONNECTION_BAD)
            return code == -EAGAIN || code == 0 ? -EINPROGRESS : code;
    }
}

int pg_end(struct pg *pg, int timeout_ms, void (*each)(void *context, int number, PGresult *result),
           void *context)
{
    if (pg->unanswered) /* nothing of this batch was sent */
        return -EAGAIN;
    if (!pg->connection || *pg->error || !PQpipelineSync(pg->connection)) {
        if (!*pg->error)
            fail(pg, 0, pg->connection ? PQerrorMessage(pg->connection) : "not connected");
        pg_close(pg);
        return -EAGAIN;
    }
    pg->unanswered = true;
    int code = gather(pg, clock_monotonic_ms() + timeout_ms, each, context);
    if (PQstatus(pg->connection) == CONNECTION_BAD)
        pg_close(pg);
    else if (code != -EINPROGRESS)
        pg->unanswered = false;
    if (code == 0 && pg->warned) {
        snprintf(pg->error, sizeof pg->error,
                 "perhaps not replicated, since COMMIT came with a warning: %s", pg->warning);
        return -EINPROGRESS;
    }
    if (code == -EAGAIN && pg->connection)
        pg_close(pg);
    return code;
}

bool pg_is_passing(int code)
{
    return code == -EAGAIN || code == -EINPROGRESS || code == -EDEADLK;
}

/* Class 42: access rules, and names that are not there. */
bool pg_is_unfit(const struct pg *pg)
{
    return strncmp(pg->state, "42", 2) == 0 || strncmp(pg->state, "3F", 2) == 0;
}

bool pg_drain(struct pg *pg)
{
    while (pg->connection && pg->unanswered) {
        if (!PQconsumeInput(pg->connection) || PQstatus(pg->connection) == CONNECTION_BAD) {
            pg_close(pg);
            break;
        }
        if (PQisBusy(pg->connection))
            return false;
        PGresult *result = PQgetResult(pg->connection);
        if (result && PQresultStatus(result) == PGRES_PIPELINE_SYNC)
            pg->unanswered = false;
        PQclear(result);
    }
    return true;
}

bool pg_is_outdated(const struct pg *pg)
{
    return pg->connection && pg->timeline < atomic_load(&newest_timeline);
}

int64_t pg_number(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? 0
                                            : strtoll(PQgetvalue(result, row, column), NULL, 10);
}

void pg_count(void *context, int number, PGresult *result)
{
    (void)number;
    *(int *)context = (int)strtol(PQcmdTuples(result), NULL, 10);
}
