#include "export.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../base/write_all.h"
#include "lock.h"
#include "../../base/map.h"
#include "db.h"

#define GROUP 100 /* deliveries of one transaction */

struct export
{
    struct db *from, *to;
    struct map payloads; /* rows of payloads that were saved */
    const char *directory;
    struct export_report *report;
    struct error *err;
    int in_group;
};

/* What went wrong with the new spool, which ends the work. */
static int fail_to(struct export *x, int code)
{
    return error_set(x->err, code, "%s: %s", x->directory,
                     code == -ENOSPC ? strerror(-code) : db_error(x->to));
}

/* ---- Rows of a table that may be damaged ---- */

/* The first row past `after` that can be found. Where there is damage, what follows it is looked
 * for: a page that cannot be read hides the rows of one range, so the smallest row past which
 * something (or the end) can be found ends the range. *gap: some were passed over. -ENOENT: no
 * more. */
static int next_row(struct db *db, enum db_table table, int64_t after, int64_t *row, bool *gap)
{
    int code = db_next(db, table, after, row);
    *gap = code != 0 && code != -ENOENT;
    if (!*gap)
        return code;
    int64_t bad = after, good = INT64_MAX;
    for (int64_t step = 1; step < INT64_MAX / 4; step *= 2) {
        code = db_next(db, table, after + step, row);
        if (code == 0 || code == -ENOENT) {
            good = after + step;
            break;
        }
        bad = after + step;
    }
    if (good == INT64_MAX)
        return -ENOENT;
    while (good - bad > 1) {
        int64_t middle = bad + (good - bad) / 2;
        code = db_next(db, table, middle, row);
        if (code == 0 || code == -ENOENT)
            good = middle;
        else
            bad = middle;
    }
    return db_next(db, table, good, row);
}

/* ---- Deliveries ---- */

/* *from_failed: it is the payload that cannot be read. */
static int copy_bytes(const struct payload *payload,
                      int (*put)(void *to, const char *bytes, size_t size), void *to,
                      bool *from_failed)
{
    char buffer[65536];
    uint64_t offset = 0;
    ssize_t n;
    int code = 0;
    *from_failed = false;
    while (code == 0 && (n = payload_read(payload, offset, buffer, sizeof buffer)) != 0) {
        if (n < 0) {
            *from_failed = true;
            return (int)n;
        }
        code = put(to, buffer, (size_t)n);
        offset += (uint64_t)n;
    }
    return code;
}

static int put_to_spill(void *to, const char *bytes, size_t size)
{
    return spill_write(to, bytes, size);
}

static int put_to_file(void *to, const char *bytes, size_t size)
{
    return write_all(*(int *)to, bytes, size);
}

/* In one piece: what it shares with others is not worth the keeping here. */
static int copy_payload(struct export *x, struct delivery *d, bool *from_failed)
{
    char name[ID_SIZE + 16];
    snprintf(name, sizeof name, "%s.payload", d->id);
    struct spill *copy = spill_new(db_bodies(x->to), name);
    int code = copy ? copy_bytes(d->payload, put_to_spill, copy, from_failed) : -ENOMEM;
    return delivery_replace_payload(d, copy, code);
}

static int end_group(struct export *x)
{
    int code = x->in_group > 0 ? db_commit(x->to) : 0;
    x->in_group = 0;
    return code == 0 ? 0 : fail_to(x, code);
}

static int insert(struct export *x, struct delivery *d)
{
    int code = x->in_group == 0 ? db_begin(x->to) : 0;
    if (code == 0)
        code = db_insert(x->to, d);
    if (code != 0)
        return fail_to(x, code);
    *(d->state == DELIVERY_FAILED ? &x->report->failed : &x->report->waiting) += 1;
    return ++x->in_group == GROUP ? end_group(x) : 0;
}

static void lose(struct export *x, const char *id, const char *recipient, const char *reason)
{
    x->report->lose(x->report->context, id, recipient, reason);
    *(id ? &x->report->lost : &x->report->gaps) += 1;
}

static int save_delivery(struct export *x, int64_t row)
{
    const char *reason;
    struct delivery *d;
    int code = db_load_row(x->from, row, &d);
    if (code != 0) {
        lose(x, NULL, NULL, db_error(x->from));
        return 0;
    }
    int64_t payload_row = d->stored->payload_row;
    code = db_load_payload(x->from, d, &reason);
    bool from_failed = code != 0;
    if (code == 0) {
        reason = "what it carries cannot be read";
        code = copy_payload(x, d, &from_failed);
    }
    if (from_failed) {
        lose(x, d->id, d->recipient, reason);
        code = 0;
    } else if (code != 0) {
        fail_to(x, code);
    } else if ((code = insert(x, d)) == 0) {
        code = map_put(&x->payloads, (uint64_t)payload_row, x);
    }
    delivery_free(d);
    return code;
}

static int save_deliveries(struct export *x)
{
    int64_t row = 0;
    bool gap;
    int code;
    while ((code = next_row(x->from, TABLE_DELIVERY, row, &row, &gap)) == 0 || gap) {
        if (gap)
            lose(x, NULL, NULL, db_error(x->from));
        if (code == -ENOENT)
            break;
        if ((code = save_delivery(x, row)) != 0)
            return code;
    }
    return end_group(x);
}

/* What was paused stays so; where that cannot be read, or an older mxhook kept none, nothing is. */
static int save_pauses(struct export *x)
{
    struct pauses pauses = {0};
    (void)db_pauses(x->from, false, &pauses);
    int code = pauses.count > 0 ? db_begin(x->to) : 0;
    for (size_t i = 0; i < pauses.count && code == 0; i++)
        code = db_pause(x->to, &pauses.list[i]);
    if (code == 0 && pauses.count > 0)
        code = db_commit(x->to);
    pauses_free(&pauses);
    return code == 0 ? 0 : fail_to(x, code);
}

/* ---- What is left over ---- */

/* What of it can be read. */
static int write_found(struct export *x, const char *name, const struct payload *payload)
{
    char folder[4096], path[4400];
    bool from_failed;
    snprintf(folder, sizeof folder, "%s/found", x->directory);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    mkdir(folder, 0700);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(x->err, -errno, "%s: %s", path, strerror(errno));
    int code = copy_bytes(payload, put_to_file, &fd, &from_failed);
    if (from_failed)
        code = 0;
    if (code == 0 && fsync(fd) != 0)
        code = -errno;
    close(fd);
    return code == 0 ? 0 : error_set(x->err, code, "%s: %s", path, strerror(-code));
}

static int save_payloads(struct export *x)
{
    struct stored stored = {0};
    struct delivery d = {.stored = &stored};
    const char *reason;
    bool gap;
    int code = 0;
    for (int64_t row = 0; code == 0;) {
        if (next_row(x->from, TABLE_PAYLOAD, row, &row, &gap) != 0)
            break;
        stored.payload_row = row;
        if (map_get(&x->payloads, (uint64_t)row) || db_load_payload(x->from, &d, &reason) != 0)
            continue;
        char name[48];
        snprintf(name, sizeof name, "payload-%" PRId64, row);
        code = write_found(x, name, d.payload);
        x->report->payloads += code == 0;
        payload_free(d.payload);
    }
    return code;
}

static int save_file(struct export *x, const char *folder, const char *name)
{
    char path[4400];
    struct spill *spill;
    bool has = false;
    if (x->from && db_has_file(x->from, name, &has) == 0 && has)
        return 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (spill_open(&spill, path) != 0)
        return 0;
    struct payload *payload = payload_new(spill, NULL);
    if (!payload) {
        spill_free(spill);
        return error_set(x->err, -ENOMEM, "%s: out of memory", path);
    }
    int code = write_found(x, name, payload);
    x->report->files += code == 0;
    payload_free(payload);
    return code;
}

static int save_files(struct export *x, const char *directory)
{
    char folder[4096];
    snprintf(folder, sizeof folder, "%s/bodies", directory);
    DIR *dir = opendir(folder);
    if (!dir)
        return 0;
    int code = 0;
    struct dirent *entry;
    while (code == 0 && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            code = save_file(x, folder, entry->d_name);
    closedir(dir);
    return code;
}

/* ---- The whole ---- */

static int open_new(struct export *x, int *lock)
{
    if (access(x->directory, F_OK) == 0)
        return error_set(x->err, -EEXIST, "%s: is there already", x->directory);
    int code = spool_lock(x->directory, lock, x->err);
    return code == 0 ? db_open(x->directory, DB_SERVE, &x->to, x->err) : code;
}

int spool_export(const struct spool_config *config, const char *to, struct export_report *report,
                 struct error *err)
{
    struct export x = {.directory = to, .report = report, .err = err};
    struct error from_err = {""};
    int lock = -1;
    if (access(config->directory, F_OK) != 0)
        return error_set(err, -errno, "%s: %s", config->directory, strerror(errno));
    int code = open_new(&x, &lock);
    if (code == 0 && db_open(config->directory, DB_SALVAGE, &x.from, &from_err) != 0)
        snprintf(report->database_error, sizeof report->database_error, "%.255s", from_err.text);
    if (code == 0 && x.from)
        code = save_deliveries(&x);
    if (code == 0 && x.from)
        code = save_pauses(&x);
    if (code == 0 && x.from)
        code = save_payloads(&x);
    if (code == 0)
        code = save_files(&x, config->directory);
    if (x.in_group > 0)
        db_undo(x.to);
    db_close(x.from);
    db_close(x.to);
    spool_unlock(lock);
    map_free(&x.payloads);
    return code;
}
