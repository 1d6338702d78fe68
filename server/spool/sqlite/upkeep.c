#include "upkeep.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <uv.h>

#include "../../base/clock.h"
#include "../../base/log.h"

#define SECOND_NS          1000000000ull
#define LOOK_NS            (60 * SECOND_NS) /* between two looks for what is too old */
#define PAGE               200              /* deliveries of one transaction */
#define MEASURE_NS         SECOND_NS
#define MEASURE_SHARE      20 /* of the time at most a part in so many is spent on measuring */
#define ROOM_AGAIN_PERCENT 95 /* of max_size: below it there is room again */
#define SHRINK_USED_MAX    (4u << 20)  /* bytes: a moment's work, in memory */
#define SHRINK_UNUSED_MIN  (64u << 20) /* bytes: what bursts leave behind */
#define UNTRIED_GRACE_MS                                                                           \
    60000 /* an old one that `mxhook queue retry` has set anew gets its attempt */

#define TOO_OLD "given up: it has waited longer than spool.max_age"

void upkeep_configure(struct upkeep *upkeep, const struct spool_config *config)
{
    atomic_store(&upkeep->keep_failed_ms, config->keep_failed_ms);
    atomic_store(&upkeep->max_age_ms, config->max_age_ms);
    atomic_store(&upkeep->min_free, config->min_free);
    atomic_store(&upkeep->max_size, config->max_size);
}

/* ---- Room ---- */

static uint64_t file_bytes(const char *folder)
{
    uint64_t bytes = 0;
    DIR *dir = opendir(folder);
    if (!dir)
        return 0;
    struct dirent *entry;
    struct stat st;
    while ((entry = readdir(dir)))
        if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && S_ISREG(st.st_mode))
            bytes += (uint64_t)st.st_size;
    closedir(dir);
    return bytes;
}

int upkeep_measure(struct db *db, uint64_t *bytes)
{
    uint64_t pages = 0, unused;
    int code = db_used(db, &pages, &unused);
    *bytes = code == 0 ? pages + file_bytes(db_bodies(db)) : 0;
    return code;
}

static void measure(struct upkeep *upkeep, struct db *db)
{
    uint64_t start = uv_hrtime(), bytes;
    if (start < upkeep->measure_due)
        return;
    if (upkeep_measure(db, &bytes) == 0)
        upkeep->size = bytes;
    uint64_t end = uv_hrtime(), pause = (end - start) * MEASURE_SHARE;
    upkeep->measure_due = end + (pause > MEASURE_NS ? pause : MEASURE_NS);
}

static uint64_t commits_size(const struct commit *commits)
{
    uint64_t size = 0;
    for (const struct commit *c = commits; c; c = c->next)
        for (const struct delivery *d = c->deliveries; d; d = d->next)
            size += payload_size(d->payload); /* a shared one too often: measuring sets it right */
    return size;
}

static bool is_over_size(struct upkeep *upkeep, struct db *db, const struct commit *commits)
{
    if (upkeep->max_size == 0)
        return false;
    uint64_t more = commits_size(commits);
    measure(upkeep, db);
    if (upkeep->size + more > upkeep->max_size)
        return true;
    upkeep->size += more;
    return false;
}

/* What is accepted must be able to leave: to remove it needs room in SQLite's log, and in the
 * database when the log is worked in. */
static bool is_disk_low(const struct upkeep *upkeep, struct db *db, uint64_t *free_bytes)
{
    struct statvfs disk;
    if (statvfs(db_bodies(db), &disk) != 0)
        return false; /* writing will tell */
    *free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    return *free_bytes < upkeep->min_free;
}

bool upkeep_has_room(struct upkeep *upkeep, struct db *db, const struct commit *commits)
{
    uint64_t free_bytes = 0;
    bool low = is_disk_low(upkeep, db, &free_bytes);
    bool over = !low && is_over_size(upkeep, db, commits);
    if ((low || over) && !atomic_exchange(&upkeep->full, true)) {
        if (low)
            log_error("spool-low", NULL, LOG_NUMBER("free", (int64_t)free_bytes),
                      LOG_NUMBER("min_free", (int64_t)upkeep->min_free));
        else
            log_error("spool-full", NULL, LOG_NUMBER("size", (int64_t)upkeep->size),
                      LOG_NUMBER("max_size", (int64_t)upkeep->max_size));
    }
    return !low && !over;
}

/* A spool that is as good as full stays so, or each small message would end it and each large one
 * begin it again. */
static void look_for_room(struct upkeep *upkeep, struct db *db)
{
    uint64_t free_bytes = 0;
    if (!atomic_load(&upkeep->full) || is_disk_low(upkeep, db, &free_bytes))
        return;
    if (upkeep->max_size > 0) {
        measure(upkeep, db);
        if (upkeep->size > upkeep->max_size / 100 * ROOM_AGAIN_PERCENT)
            return;
    }
    atomic_store(&upkeep->full, false);
    log_info("spool-recovered", NULL, LOG_NUMBER("free", (int64_t)free_bytes));
}

/* ---- Age ---- */

/* Ends a transaction; 0 or what went wrong. */
static int close_transaction(struct db *db, int code)
{
    if (code == 0)
        code = db_commit(db);
    if (code != 0)
        db_undo(db);
    return code;
}

/* Removes what failed too long ago, a page at a time. True: there may be more. */
static bool remove_failed(const struct upkeep *upkeep, struct db *db)
{
    struct db_row rows[PAGE];
    if (upkeep->keep_failed_ms == 0)
        return false;
    int64_t before = clock_unix_ms() - upkeep->keep_failed_ms;
    int code = db_begin(db);
    int count = code == 0 ? db_page_failed(db, before, rows, PAGE) : 0;
    if (count < 0)
        code = count;
    for (int i = 0; i < count && code == 0; i++)
        code = db_remove(db, rows[i].row, rows[i].payload_row, true);
    code = close_transaction(db, code);
    if (code == 0 && count > 0)
        log_info("spool-expired", NULL, LOG_NUMBER("deliveries", count));
    return code == 0 && count == PAGE;
}

/* Fails one, and stores its notice with that. */
static int give_up(const struct upkeep *upkeep, struct db *db, struct leases *leases, int64_t row,
                   bool *noticed)
{
    const struct give_up_hook *hook = atomic_load(&upkeep->hook);
    struct delivery *d = NULL, *notice = NULL;
    int code = db_fail(db, row, TOO_OLD);
    if (code == 0 && hook && (code = db_load_row(db, row, &d)) == 0)
        notice = hook->notice(hook->context, d);
    if (code == 0 && notice && (code = db_insert(db, notice)) == 0) {
        leases_note_due(leases, notice->stored->origin, notice->due_ms);
        *noticed = true;
    }
    delivery_free(notice);
    delivery_free(d);
    return code;
}

/* Fails what has waited too long, whether its attempts failed or its origin is held back. One that
 * is in flight is left to the next look. True: there may be more. */
static bool fail_aged(struct upkeep *upkeep, struct db *db, struct leases *leases, bool *noticed)
{
    struct db_row rows[PAGE];
    int64_t now = clock_unix_ms();
    if (upkeep->max_age_ms == 0)
        return false;
    struct db_age age = {upkeep->aged_row, now, now - upkeep->max_age_ms, now - UNTRIED_GRACE_MS};
    int code = db_begin(db);
    int count = code == 0 ? db_page_aged(db, &age, rows, PAGE) : 0;
    if (count < 0)
        code = count;
    for (int i = 0; i < count && code == 0; i++)
        if (!leases_has(leases, rows[i].row))
            code = give_up(upkeep, db, leases, rows[i].row, noticed);
    code = close_transaction(db, code);
    for (int i = 0; i < count && code == 0; i++)
        if (!leases_has(leases, rows[i].row))
            log_error("undelivered", rows[i].id, LOG_TEXT("error", TOO_OLD));
    bool more = code == 0 && count == PAGE;
    upkeep->aged_row = more ? rows[count - 1].row : 0;
    return more;
}

bool upkeep_run(struct upkeep *upkeep, struct db *db, struct leases *leases)
{
    bool noticed = false;
    look_for_room(upkeep, db);
    if (uv_hrtime() < upkeep->look_due)
        return false;
    bool more = fail_aged(upkeep, db, leases, &noticed);
    more |= remove_failed(upkeep, db);
    if (more) /* a page of each, each time */
        return noticed;
    if (db_shrink(db, SHRINK_USED_MAX, SHRINK_UNUSED_MIN) != 0)
        log_warn("spool-failed", NULL, LOG_TEXT("at", "shrink"), LOG_TEXT("error", db_error(db)));
    upkeep->look_due = uv_hrtime() + LOOK_NS;
    return noticed;
}
