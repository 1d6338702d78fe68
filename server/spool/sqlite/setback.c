#include "setback.h"

#include "../../base/clock.h"
#include "../../base/log.h"

#define JUMP_MS 2000 /* less is taken for the clock being slewed, or a leap second */
#define PAGE    1000 /* rows of one transaction */
#define PAGES   10   /* in one call */

void setback_correct(struct delivery *delivery)
{
    int64_t ahead_ms = clock_ahead_ms(), by_ms = delivery->stored->ahead_ms - ahead_ms;
    if (by_ms > JUMP_MS)
        delivery->due_ms -= by_ms;
    delivery->stored->ahead_ms = ahead_ms;
}

static void begin(struct setback *setback, int64_t by_ms)
{
    log_warn("clock-set-back", NULL, LOG_NUMBER("ms", by_ms));
    setback->by_ms = by_ms;
    setback->now_ms = clock_unix_ms();
    setback->after_row = 0;
    setback->under_way = true;
}

int setback_init(struct setback *setback, struct db *db)
{
    int64_t newest_ms = 0, now_ms = clock_unix_ms();
    *setback = (struct setback){.ahead_ms = clock_ahead_ms()};
    int code = db_newest(db, &newest_ms);
    if (code == 0 && newest_ms > now_ms + JUMP_MS)
        begin(setback, newest_ms - now_ms);
    return code;
}

/* Was it set forward? Where it was set back, that begins; what was not finished of an earlier time
 * is done with both. */
static bool look(struct setback *setback, struct leases *leases)
{
    int64_t ahead_ms = clock_ahead_ms(), by_ms = setback->ahead_ms - ahead_ms;
    setback->ahead_ms = ahead_ms;
    if (by_ms <= JUMP_MS)
        return by_ms < -JUMP_MS;
    leases_set_back(leases, by_ms);
    begin(setback, by_ms + (setback->under_way ? setback->by_ms : 0));
    return false;
}

static int run_page(struct setback *setback, struct db *db, int *count)
{
    struct db_setback page = {setback->by_ms, setback->now_ms, setback->after_row, PAGE};
    int code = db_begin(db);
    *count = code == 0 ? db_set_back(db, &page) : code;
    if (*count >= 0)
        code = db_commit(db);
    if (*count < 0 || code != 0) {
        db_undo(db);
        return *count < 0 ? *count : code; /* the next call tries again */
    }
    setback->after_row = page.after_row;
    return 0;
}

bool setback_run(struct setback *setback, struct db *db, struct leases *leases)
{
    bool done = look(setback, leases);
    for (int i = 0, count; i < PAGES && setback->under_way; i++) {
        if (run_page(setback, db, &count) != 0)
            return done;
        done |= count > 0;
        setback->under_way = count == PAGE;
    }
    return done;
}
