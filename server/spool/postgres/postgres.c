/* The store that many nodes share: its functions in one table, and how it is opened. */
#include "postgres.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../base/clock.h"
#include "../../base/log.h"
#include "holds.h"
#include "schema.h"
#include "secret.h"
#include "tables.h"
#include "cleaning.h"
#include "upload.h"

/* ---- Opening and closing ---- */

static void configure(struct store *store, const struct spool_config *config)
{
    struct pg_store *s = (struct pg_store *)store;
    atomic_store(&s->keep_failed_ms, config->keep_failed_ms);
    atomic_store(&s->max_age_ms, config->max_age_ms);
    atomic_store(&s->commit_timeout_ms, config->commit_timeout_ms);
    if (s->cleaning)
        cleaning_configure(s->cleaning, config->old_transaction_ms);
    atomic_store(&s->max_size, config->max_size);
}

static void close_store(struct store *store)
{
    struct pg_store *s = (struct pg_store *)store;
    upload_free(s->upload);
    cleaning_stop(s->cleaning);
    node_stop(s->node);
    pg_close(&s->pg);
    pg_close(&s->stuck);
    leases_free(&s->leases);
    for (struct delivery *d = s->doubtful, *next; d; d = next) {
        next = d->next;
        delivery_free(d);
    }
    free(s->lanes);
    free(s->scratch);
    free(s->conninfo);
    free(s);
}

static struct pg_store *new_store(const struct spool_config *config)
{
    struct pg_store *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->store.ops = &postgres_ops;
    s->conninfo = strdup(config->postgres);
    s->scratch = strdup(config->directory);
    s->pg.conninfo = s->stuck.conninfo = s->conninfo;
    s->walk_from = INT64_MIN;
    configure(&s->store, config);
    if (s->conninfo && s->scratch)
        return s;
    close_store(&s->store);
    return NULL;
}

static int connect_first(struct pg_store *s, struct error *err)
{
    int code = pg_open(&s->pg);
    return code == 0 ? 0 : error_set(err, code, "spool.postgres: %s", s->pg.error);
}

/* Files of large messages pass through it; nothing stays. */
static int make_scratch(const char *directory, struct error *err)
{
    if (mkdir(directory, 0700) == 0 || errno == EEXIST)
        return 0;
    return error_set(err, -errno, "%s: cannot make the folder: %s", directory, strerror(errno));
}

static int open_store(const struct spool_config *config, struct store **out, struct error *err)
{
    struct pg_store *s = new_store(config);
    if (!s)
        return error_set(err, -ENOMEM, "spool: out of memory");
    int code = make_scratch(config->directory, err);
    if (code == 0)
        code = connect_first(s, err);
    if (code == 0)
        code = config->migrate ? schema_migrate(&s->pg, err) : schema_check(&s->pg, err);
    if (code == 0)
        code = tables_check(&s->pg, err);
    if (code == 0)
        code = secret_share(&s->pg, "srs.key", s->scratch, err);
    if (code == 0)
        code = node_start(s->conninfo, &s->node, err);
    if (code == 0)
        code = cleaning_start(s->conninfo, s->node, config->old_transaction_ms, &s->cleaning, err);
    if (code != 0) {
        close_store(&s->store);
        return code;
    }
    s->leases_node = node_id(s->node);
    *out = &s->store;
    return 0;
}

static int visit(const struct spool_config *config, struct store **out, struct error *err)
{
    struct pg_store *s = new_store(config);
    if (!s)
        return error_set(err, -ENOMEM, "queue: out of memory");
    int code = connect_first(s, err);
    if (code == 0)
        code = schema_check(&s->pg, err);
    if (code == 0)
        *out = &s->store;
    else
        close_store(&s->store);
    return code;
}

static int migrate(const struct spool_config *config, struct error *err)
{
    struct pg pg = {.conninfo = config->postgres};
    int code = pg_open(&pg);
    code =
        code == 0 ? schema_migrate(&pg, err) : error_set(err, code, "spool.postgres: %s", pg.error);
    pg_close(&pg);
    return code;
}

static int is_alive(void *context, const struct queue_node *node)
{
    (void)context;
    return node->lives ? -EBUSY : 0;
}

static int open_alone(const struct spool_config *config, struct store **out, struct error *err)
{
    int code = visit(config, out, err);
    if (code != 0)
        return code;
    code = pg_store_nodes(*out, is_alive, NULL);
    if (code == -EBUSY)
        error_set(err, code, "spool.postgres: nodes work on it: stop them first (mxhook nodes)");
    else if (code != 0)
        error_set(err, code, "spool.postgres: %s", ((struct pg_store *)*out)->pg.error);
    if (code != 0) {
        close_store(*out);
        *out = NULL;
    }
    return code;
}

/* ---- Small ones ---- */

static void on_give_up(struct store *store, const struct give_up_hook *hook)
{
    atomic_store(&((struct pg_store *)store)->hook, hook);
}

static int accepts(const struct store *store)
{
    return atomic_load(&((const struct pg_store *)store)->accepts);
}

static bool may_attempt(const struct store *store, const struct delivery *delivery)
{
    const struct pg_store *s = (const struct pg_store *)store;
    const struct stored *d = delivery->stored;
    struct holds *holds = node_holds(s->node);
    int64_t origin = (int64_t)d->origin;
    return node_is_sure(s->node) && atomic_load(&s->fitness) == FIT &&
           d->node == node_id(s->node) &&
           (d->probe_ms || (holds_may_send(holds, d->node, origin, (int64_t)d->lane) &&
                            holds_has_turn(holds, d->node, origin, atomic_load(&s->at_once))));
}

/* A large one is sent in pieces when it is committed: its file needs no name. */
static struct spill *new_body(const struct store *store, const char *name)
{
    (void)name;
    return spill_new(((const struct pg_store *)store)->scratch, NULL);
}

static const char *scratch(const struct store *store)
{
    return ((const struct pg_store *)store)->scratch;
}

static bool stage(struct store *store, struct commit *commit)
{
    return upload_take(((struct pg_store *)store)->upload, commit);
}

static int stage_begin(struct store *store, void (*ready)(void *context, struct commit *commit),
                       void *context)
{
    struct pg_store *s = (struct pg_store *)store;
    s->upload = upload_start(s, ready, context);
    return s->upload ? 0 : -ENOMEM;
}

static void stage_end(struct store *store)
{
    upload_finish(((struct pg_store *)store)->upload);
}

static const char *last_error(const struct store *store)
{
    return ((const struct pg_store *)store)->pg.error;
}

const struct store_ops postgres_ops = {
    .name = "postgres",
    .open = open_store,
    .open_alone = open_alone,
    .migrate = migrate,
    .visit = visit,
    .close = close_store,
    .configure = configure,
    .on_give_up = on_give_up,
    .accepts = accepts,
    .may_attempt = may_attempt,
    .new_body = new_body,
    .scratch = scratch,
    .stage = stage,
    .stage_begin = stage_begin,
    .stage_end = stage_end,
    .apply = pg_store_apply,
    .claim = pg_store_claim,
    .hold = pg_store_hold,
    .tidy = pg_store_tidy,
    .list = pg_store_list,
    .show = pg_store_show,
    .attempts = pg_store_attempts,
    .origins = pg_store_origins,
    .totals = pg_store_totals,
    .nodes = pg_store_nodes,
    .change = pg_store_change,
    .change_all = pg_store_change_all,
    .edit = pg_store_edit,
    .holds = pg_store_holds,
    .probe = pg_store_probe,
    .probes = pg_store_probes,
    .pauses = pg_store_pauses,
    .pause = pg_store_pause,
    .resume = pg_store_resume,
    .heed = pg_store_heed,
    .error = last_error,
};
