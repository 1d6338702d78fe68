#include "node.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "../../base/clock.h"
#include "../../base/log.h"
#include "../../base/task.h"
#include "blob.h"
#include "holds.h"
#include "pg.h"
#include "schema.h"
#include "sql.h"
#include "values.h"

#define HOLDS_MAX    10000
#define RELEASE_PAGE "1000"
#define FORGET_MS    "3600000" /* a breaker of a dead node that nobody has probed, past its time */
#define ORPHANS_MS   60000 /* a group that was sent again may name a node that is removed by now */

struct node_peer {
    int id;
    int64_t beat, since_ms; /* since when this beat is seen; monotonic */
    bool seen;
};

struct node {
    struct pg pg;
    uv_thread_t thread;
    uv_mutex_t mutex; /* guards stopping and error */
    uv_cond_t wake;
    bool stopping;
    char error[PG_ERROR_SIZE]; /* why the last beat failed */
    _Atomic int id, live;
    _Atomic int64_t sure_until_ms; /* monotonic */
    atomic_bool released;
    struct node_peer peers[NODES_MAX]; /* the thread's own, as all below */
    int peer_count;
    struct holds holds;
};

/* ---- One's own row ---- */

static void read_id(void *context, int number, PGresult *result)
{
    if (number == 0 && PQntuples(result) == 1)
        atomic_store((_Atomic int *)context, (int)pg_number(result, 0, 0));
}

static int join(struct node *node)
{
    char name[256] = "";
    struct values params = {0};
    gethostname(name, sizeof name - 1);
    pg_begin(&node->pg);
    values_text(&params, name);
    values_number(&params, PARAM_INT4, PROGRAM);
    values_text(&params, MXHOOK_VERSION);
    _Atomic int id = 0;
    int64_t began = clock_monotonic_ms();
    if (values_send(&params, &node->pg,
                    "INSERT INTO node (id, name, program, version) "
                    "VALUES (nextval('node_id'), $1, $2, $3) RETURNING id",
                    false) != 0)
        return -ENOMEM;
    int code = pg_end(&node->pg, PG_ANSWER_MS, read_id, &id);
    if (code != 0)
        return code;
    atomic_store(&node->id, id);
    atomic_store(&node->sure_until_ms, began + NODE_SURE_MS);
    log_info("node", NULL, LOG_NUMBER("id", id), LOG_TEXT("name", name));
    return 0;
}

/* ---- The others ---- */

static struct node_peer *peer_of(struct node *node, int id)
{
    for (int i = 0; i < node->peer_count; i++)
        if (node->peers[i].id == id)
            return &node->peers[i];
    if (node->peer_count == NODES_MAX)
        return NULL;
    node->peers[node->peer_count] = (struct node_peer){.id = id, .beat = -1};
    return &node->peers[node->peer_count++];
}

static void forget_unseen(struct node *node)
{
    int kept = 0;
    for (int i = 0; i < node->peer_count; i++)
        if (node->peers[i].seen)
            node->peers[kept++] = node->peers[i];
    node->peer_count = kept;
}

struct look {
    struct node *node;
    bool alive;
    int64_t began_ms;
};

static void publish_ids(struct node *node)
{
    int ids[NODES_MAX];
    for (int i = 0; i < node->peer_count; i++)
        ids[i] = node->peers[i].id;
    holds_set_ids(&node->holds, ids, node->peer_count);
    atomic_store(&node->live, node->peer_count ? node->peer_count : 1);
}

/* How many rows are nodes: the first ones. */
static int read_nodes(struct node *node, const PGresult *result, int64_t now_ms)
{
    int i;
    for (i = 0; i < node->peer_count; i++)
        node->peers[i].seen = false;
    for (i = 0; i < PQntuples(result) && pg_number(result, i, 0) == 0; i++) {
        struct node_peer *peer = peer_of(node, (int)pg_number(result, i, 1));
        int64_t beat = pg_number(result, i, 2);
        if (!peer)
            continue;
        peer->seen = true;
        if (beat != peer->beat) {
            peer->beat = beat;
            peer->since_ms = now_ms;
        }
    }
    forget_unseen(node);
    publish_ids(node);
    return i;
}

static void read_look(void *context, int number, PGresult *result)
{
    struct look *look = context;
    if (number == 0)
        look->alive = strcmp(PQcmdTuples(result), "1") == 0;
    else
        holds_read(&look->node->holds, result, read_nodes(look->node, result, look->began_ms));
}

/* What a slow standby must not delay is not waited for. */
static int beat(struct node *node, bool *alive)
{
    struct look look = {node, false, clock_monotonic_ms()};
    struct values params = {0};
    pg_begin(&node->pg);
    values_number(&params, PARAM_INT4, node_id(node));
    if (values_send(&params, &node->pg,
                    "UPDATE node SET beat = beat + 1 WHERE id = $1 "
                    "AND set_config('synchronous_commit', 'off', true) = 'off'",
                    false) != 0)
        return -ENOMEM;
    values_number(&params, PARAM_INT4, HOLDS_MAX);
    if (values_send(&params, &node->pg,
                    "SELECT 0, id, beat, 0, 0, 0, 0, 0 FROM node UNION ALL "
                    "(SELECT 1, " HOLD_COLUMNS " FROM held LIMIT $1) ORDER BY 1, 2, 3",
                    false) != 0)
        return -ENOMEM;
    int code = pg_end(&node->pg, 2 * NODE_BEAT_MS, read_look, &look);
    *alive = look.alive;
    if (code == 0 && look.alive)
        atomic_store(&node->sure_until_ms, look.began_ms + NODE_SURE_MS);
    return code;
}

static void read_removed(void *context, int number, PGresult *result)
{
    (void)number;
    *(bool *)context = strcmp(PQcmdTuples(result), "1") == 0;
}

static bool remove_dead(struct node *node, const struct node_peer *peer)
{
    struct values params = {0};
    bool removed = false;
    values_number(&params, PARAM_INT4, peer->id);
    values_number(&params, PARAM_INT8, peer->beat);
    pg_begin(&node->pg);
    if (values_send(&params, &node->pg, "DELETE FROM node WHERE id = $1 AND beat = $2", false) != 0)
        return false;
    int code = pg_end(&node->pg, PG_ANSWER_MS, read_removed, &removed);
    if (code == 0 && removed)
        log_warn("node-dead", NULL, LOG_NUMBER("id", peer->id));
    return code == 0 && removed;
}

/* A page at a time, so that no lock is held for long. What belongs to no node was a dead one's: a
 * release that dies with its primary is made again, so no standby is waited for. */
static int release_page(struct node *node, const char *sql, int *count)
{
    *count = 0;
    pg_begin(&node->pg);
    pg_add(&node->pg, "SELECT set_config('synchronous_commit', 'off', true)", 0, NULL, NULL, NULL,
           false);
    pg_add(&node->pg, sql, 0, NULL, NULL, NULL, false);
    return pg_end(&node->pg, PG_ANSWER_MS, pg_count, count);
}

/* Many pages must not make this node look dead. Where it is, the next pulse says so. */
static void beat_meanwhile(struct node *node, int64_t *beat_ms)
{
    bool alive;
    int64_t now = clock_monotonic_ms();
    if (now - *beat_ms >= NODE_BEAT_MS && beat(node, &alive) == 0)
        *beat_ms = now;
}

static void release_orphans(struct node *node)
{
    int count, total = 0;
    int64_t beat_ms = clock_monotonic_ms();
    while (release_page(node,
                        "UPDATE delivery SET owner = NULL WHERE row IN (SELECT row FROM delivery "
                        "WHERE owner IS NOT NULL AND owner NOT IN (SELECT id FROM node) "
                        "ORDER BY owner, row LIMIT " RELEASE_PAGE " FOR UPDATE SKIP LOCKED)",
                        &count) == 0 &&
           count > 0) {
        total += count;
        beat_meanwhile(node, &beat_ms);
    }
    if (total > 0) {
        log_warn("node-takeover", NULL, LOG_NUMBER("deliveries", total));
        atomic_store(&node->released, true);
    }
    (void)blob_sweep(&node->pg, 0, NULL);
    release_page(node,
                 "DELETE FROM held WHERE node NOT IN (SELECT id FROM node) "
                 "AND (failures = 0 OR until < " NOW_MS " - " FORGET_MS ")",
                 &count);
    release_page(node, "DELETE FROM mark WHERE node NOT IN (SELECT id FROM node)", &count);
}

static void look_for_dead(struct node *node)
{
    int64_t now = clock_monotonic_ms();
    bool any = false;
    for (int i = 0; i < node->peer_count; i++)
        if (node->peers[i].id != node_id(node) && now - node->peers[i].since_ms > NODE_DEAD_MS)
            any |= remove_dead(node, &node->peers[i]);
    if (any)
        release_orphans(node);
}

/* ---- The thread ---- */

/* Others' beats can only be judged while one sees them: after a gap of one's own they begin anew. */
static void judge_anew(struct node *node)
{
    for (int i = 0; i < node->peer_count; i++)
        node->peers[i].since_ms = clock_monotonic_ms();
}

static void note_error(struct node *node)
{
    uv_mutex_lock(&node->mutex);
    snprintf(node->error, sizeof node->error, "%s", node->pg.error);
    uv_mutex_unlock(&node->mutex);
}

static void pulse(struct node *node)
{
    bool alive = false;
    if (!pg_drain(&node->pg) || pg_is_outdated(&node->pg))
        pg_close(&node->pg); /* frozen, or replaced: nothing of this waits for a standby */
    int code = node->pg.connection ? 0 : pg_open(&node->pg);
    if (code == 0)
        code = beat(node, &alive);
    /* A server or a pooler that ends idle connections is not away. */
    if (code != 0 && !node->pg.connection && pg_open(&node->pg) == 0)
        code = beat(node, &alive);
    if (code != 0) {
        note_error(node);
        judge_anew(node);
        return;
    }
    if (!alive) {
        log_warn("node-declared-dead", NULL, LOG_NUMBER("id", node_id(node)));
        judge_anew(node);
        if (join(node) == 0)
            atomic_store(&node->released, true);
        return;
    }
    look_for_dead(node);
}

static void node_main(void *argument)
{
    struct node *node = argument;
    task_name_thread("mxhook-node");
    int64_t orphans_ms = 0; /* when they are next looked for: at once, of a cluster that was down */
    uv_mutex_lock(&node->mutex);
    while (!node->stopping) {
        uv_mutex_unlock(&node->mutex);
        int64_t began = clock_monotonic_ms();
        pulse(node);
        if (began >= orphans_ms && node->pg.connection && !node->pg.unanswered) {
            release_orphans(node);
            orphans_ms = began + ORPHANS_MS;
        }
        int64_t left = NODE_BEAT_MS - (clock_monotonic_ms() - began);
        uv_mutex_lock(&node->mutex);
        if (!node->stopping && left > 0)
            uv_cond_timedwait(&node->wake, &node->mutex, (uint64_t)left * 1000000);
    }
    uv_mutex_unlock(&node->mutex);
}

/* ---- What others ask ---- */

int node_id(const struct node *node)
{
    return atomic_load(&node->id);
}

bool node_is_sure(const struct node *node)
{
    return clock_monotonic_ms() < atomic_load(&node->sure_until_ms);
}

void node_tell_error(struct node *node, char *text, size_t size)
{
    uv_mutex_lock(&node->mutex);
    snprintf(text, size, "this node's beats fail: %s", node->error);
    uv_mutex_unlock(&node->mutex);
}

int node_live(const struct node *node)
{
    return atomic_load(&node->live);
}

bool node_take_released(struct node *node)
{
    return atomic_exchange(&node->released, false);
}

struct holds *node_holds(struct node *node)
{
    return &node->holds;
}

/* ---- Life ---- */

int node_start(const char *conninfo, struct node **out, struct error *err)
{
    struct node *node = calloc(1, sizeof *node);
    if (!node)
        return error_set(err, -ENOMEM, "spool: out of memory");
    node->pg.conninfo = conninfo;
    node->live = 1;
    int code = holds_init(&node->holds);
    if (code != 0) {
        free(node);
        return error_set(err, code, "spool: %s", uv_strerror(code));
    }
    code = pg_open(&node->pg);
    if (code == 0)
        code = join(node);
    if (code != 0) {
        error_set(err, code, "spool.postgres: %s", node->pg.error);
    } else {
        uv_mutex_init(&node->mutex);
        uv_cond_init(&node->wake);
        code = uv_thread_create(&node->thread, node_main, node);
        if (code != 0) {
            error_set(err, code, "spool: no thread: %s", uv_strerror(code));
            uv_cond_destroy(&node->wake);
            uv_mutex_destroy(&node->mutex);
        }
    }
    if (code != 0) {
        pg_close(&node->pg);
        holds_destroy(&node->holds);
        free(node);
        return code;
    }
    *out = node;
    return 0;
}

/* What it still has in hand is released, so that others need not wait for its death. */
static void leave(struct node *node)
{
    struct values params = {0};
    if (!pg_drain(&node->pg) || (!node->pg.connection && pg_open(&node->pg) != 0))
        return;
    pg_begin(&node->pg);
    values_number(&params, PARAM_INT4, node_id(node));
    if (values_send(&params, &node->pg, "DELETE FROM node WHERE id = $1", false) == 0 &&
        pg_end(&node->pg, PG_HOST_MS, NULL, NULL) == 0)
        release_orphans(node);
}

void node_stop(struct node *node)
{
    if (!node)
        return;
    uv_mutex_lock(&node->mutex);
    node->stopping = true;
    uv_cond_signal(&node->wake);
    uv_mutex_unlock(&node->mutex);
    uv_thread_join(&node->thread);
    leave(node);
    pg_close(&node->pg);
    uv_cond_destroy(&node->wake);
    uv_mutex_destroy(&node->mutex);
    holds_destroy(&node->holds);
    free(node);
}
