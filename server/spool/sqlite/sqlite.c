/* The store in a folder: its functions in one table, and how it is opened. */
#include "sqlite.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../base/log.h"
#include "claiming.h"
#include "lock.h"

/* ---- Opening and closing ---- */

static int remove_orphans(struct db *db, struct error *err)
{
    const char *directory = db_bodies(db);
    DIR *dir = opendir(directory);
    if (!dir)
        return error_set(err, -errno, "%s: %s", directory, strerror(errno));
    int code = 0;
    struct dirent *entry;
    while (code == 0 && (entry = readdir(dir))) {
        bool has = true;
        if (entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN)
            continue;
        code = db_has_file(db, entry->d_name, &has);
        if (code == 0 && !has && unlinkat(dirfd(dir), entry->d_name, 0) == 0)
            log_debug("spool-orphan", NULL, LOG_TEXT("file", entry->d_name));
    }
    closedir(dir);
    return code == 0 ? 0 : error_set(err, code, "%s: %s", directory, db_error(db));
}

static void note_origin(void *context, uint64_t origin)
{
    leases_note_due(context, origin, 0);
}

static int open_in(struct sqlite_store *s, const char *directory, struct error *err)
{
    int code = spool_lock(directory, &s->lock, err);
    if (code == 0)
        code = db_open(directory, DB_SERVE, &s->db, err);
    if (code == 0)
        code = remove_orphans(s->db, err);
    if (code != 0)
        return code;
    code = db_forget_holds(s->db);
    if (code == 0)
        code = setback_init(&s->setback, s->db);
    if (code == 0)
        code = db_version(s->db, &s->version);
    if (code == 0)
        code = db_walk_origins(s->db, note_origin, &s->leases);
    if (code != 0)
        return error_set(err, code, "%s: %s", directory, db_error(s->db));
    return 0;
}

static struct sqlite_store *new_store(void)
{
    struct sqlite_store *s = calloc(1, sizeof *s);
    if (s) {
        s->store.ops = &sqlite_ops;
        s->lock = -1;
    }
    return s;
}

static void sqlite_close(struct store *store)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    db_close(s->db);
    spool_unlock(s->lock);
    leases_free(&s->leases);
    free(s);
}

static int sqlite_open(const struct spool_config *config, struct store **out, struct error *err)
{
    struct sqlite_store *s = new_store();
    if (!s)
        return error_set(err, -ENOMEM, "spool: out of memory");
    upkeep_configure(&s->upkeep, config);
    int code = open_in(s, config->directory, err);
    if (code == 0)
        *out = &s->store;
    else
        sqlite_close(&s->store);
    return code;
}

static int sqlite_visit(const struct spool_config *config, struct store **out, struct error *err)
{
    struct sqlite_store *s = new_store();
    if (!s)
        return error_set(err, -ENOMEM, "queue: out of memory");
    int code = db_open(config->directory, DB_VISIT, &s->db, err);
    if (code == 0)
        *out = &s->store;
    else
        sqlite_close(&s->store);
    return code;
}

/* ---- Once a second ---- */

/* Has another process written? Then all that is known of what is due may be wrong. */
static bool watch(struct sqlite_store *s, bool forced)
{
    int64_t version = s->version;
    leases_prune(&s->leases);
    int code = db_version(s->db, &version);
    if (code == 0 && version == s->version && !forced)
        return false;
    leases_forget_due(&s->leases);
    if (code == 0)
        code = db_walk_origins(s->db, note_origin, &s->leases);
    if (code != 0) {
        s->leases.incomplete = true;
        return false;
    }
    s->version = version;
    return true;
}

static bool sqlite_tidy(struct store *store)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    bool due = watch(s, false);
    if (setback_run(&s->setback, s->db, &s->leases)) /* other times may be due than before */
        due |= watch(s, true);
    return upkeep_run(&s->upkeep, s->db, &s->leases) || due;
}

static void sqlite_claim(struct store *store, struct claim *claim)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    if (s->leases.incomplete)
        watch(s, true);
    claiming_run(s->db, &s->leases, claim);
}

/* Written down only for `mxhook queue` to show: it is no harm where that fails. */
static void sqlite_hold(struct store *store, const struct hold *hold)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    leases_hold(&s->leases, hold);
    int code = db_begin(s->db);
    if (code == 0)
        code = db_hold(s->db, hold);
    if (code == 0)
        code = db_commit(s->db);
    if (code != 0)
        db_undo(s->db);
}

/* ---- Small ones ---- */

static void configure(struct store *store, const struct spool_config *config)
{
    upkeep_configure(&((struct sqlite_store *)store)->upkeep, config);
}

static void on_give_up(struct store *store, const struct give_up_hook *hook)
{
    atomic_store(&((struct sqlite_store *)store)->upkeep.hook, hook);
}

static int accepts(const struct store *store)
{
    return atomic_load(&((const struct sqlite_store *)store)->upkeep.full) ? -ENOSPC : 0;
}

static const char *bodies(const struct store *store)
{
    return db_bodies(((const struct sqlite_store *)store)->db);
}

static struct spill *new_body(const struct store *store, const char *name)
{
    return spill_new(bodies(store), name);
}

static const char *error(const struct store *store)
{
    return db_error(((const struct sqlite_store *)store)->db);
}

static int list(struct store *store, const struct queue_filter *filter,
                int (*each)(void *context, const struct delivery *delivery), void *context)
{
    return db_list(((struct sqlite_store *)store)->db, filter, each, context);
}

static int attempts(struct store *store, const struct delivery *delivery,
                    int (*each)(void *context, const struct queue_attempt *attempt), void *context)
{
    return db_attempts(((struct sqlite_store *)store)->db, delivery->stored->row, each, context);
}

static int totals(struct store *store, struct queue_totals *t)
{
    struct db *db = ((struct sqlite_store *)store)->db;
    int code = db_count_failed(db, &t->failed);
    return code == 0 ? upkeep_measure(db, &t->bytes) : code;
}

static int origins(struct store *store,
                   int (*each)(void *context, const struct queue_origin *origin), void *context)
{
    return db_origins(((struct sqlite_store *)store)->db, each, context);
}

const struct store_ops sqlite_ops = {
    .name = "sqlite",
    .open = sqlite_open,
    .open_alone = sqlite_open,
    .visit = sqlite_visit,
    .close = sqlite_close,
    .configure = configure,
    .on_give_up = on_give_up,
    .accepts = accepts,
    .new_body = new_body,
    .scratch = bodies,
    .apply = sqlite_apply,
    .claim = sqlite_claim,
    .hold = sqlite_hold,
    .tidy = sqlite_tidy,
    .list = list,
    .show = sqlite_show,
    .attempts = attempts,
    .origins = origins,
    .totals = totals,
    .change = sqlite_change,
    .change_all = sqlite_change_all,
    .edit = sqlite_edit,
    .holds = sqlite_holds,
    .probe = sqlite_probe,
    .probes = sqlite_probes,
    .pauses = sqlite_pauses,
    .pause = sqlite_pause,
    .resume = sqlite_resume,
    .heed = sqlite_heed,
    .error = error,
};
