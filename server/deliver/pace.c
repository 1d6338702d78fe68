#include "pace.h"

#include <stddef.h>

#define PAUSE_MIN_MS 1000
#define PAUSE_MAX_MS 60000
#define DECREASE     0.9   /* of what was taken, or of the rate before */
#define DECREASE_MAX 0.5   /* of the rate before, at once */
#define INCREASE     0.004 /* a second, of the rate that it was last lowered to */
#define FASTER_S     30.0  /* after which it grows twice as fast, and with the square of the time */
#define RATE_MIN     (1.0 / 3600)
#define RATE_UNKNOWN 1.0 /* where it has taken nothing yet */

double pace_rate(const struct pace *pace)
{
    if (pace->rate > 0 && (pace->limit <= 0 || pace->rate < pace->limit))
        return pace->rate;
    return pace->limit > 0 ? pace->limit : 0;
}

int64_t pace_next(const struct pace *pace)
{
    int64_t next = pace_rate(pace) > 0 ? (int64_t)(pace->next_ms + 0.999) : 0;
    return next > pace->until_ms ? next : pace->until_ms;
}

/* Requests are spaced evenly; time that was not used is not made up for. */
void pace_begin(struct pace *pace, int64_t now_ms)
{
    double rate = pace_rate(pace);
    if (pace->since_ms == 0)
        pace->since_ms = now_ms;
    if (rate <= 0)
        return;
    if (pace->next_ms < (double)(now_ms - 1)) /* a timer's millisecond is no lost time */
        pace->next_ms = (double)now_ms;
    pace->next_ms += 1000 / rate;
}

void pace_took(struct pace *pace, int64_t now_ms)
{
    double age = (double)(now_ms - pace->slowed_ms) / 1000 / FASTER_S;
    pace->took++;
    pace->pause_ms = 0;
    if (pace->rate > 0)
        pace->rate += INCREASE * (1 + age * age) * pace->lowered_to / pace->rate;
}

static double between(double value, double least, double most)
{
    return value < least ? least : value > most ? most : value;
}

/* Nothing is sent before `next_ms`. */
static void lower(struct pace *pace, int64_t next_ms, int64_t now_ms)
{
    double seconds = (double)(now_ms - pace->since_ms) / 1000;
    double measured = DECREASE * pace->took / (seconds < 1 ? 1 : seconds);
    if (pace->rate > 0 && pace->took > 0)
        pace->rate = between(measured, pace->rate * DECREASE_MAX, pace->rate * DECREASE);
    else if (pace->rate <= 0)
        pace->rate = pace->took > 0 ? measured : RATE_UNKNOWN;
    if (pace->rate < RATE_MIN)
        pace->rate = RATE_MIN;
    pace->lowered_to = pace->rate;
    pace->took = 0;
    pace->since_ms = next_ms;
    pace->slowed_ms = now_ms;
    pace->next_ms = (double)next_ms;
}

/* What was under way when the rate was lowered says nothing of the rate that holds since. */
static bool is_news(const struct pace *pace, int64_t begun_ms)
{
    return pace->slowed_ms == 0 || begun_ms > pace->slowed_ms;
}

void pace_slow_down(struct pace *pace, int64_t begun_ms, int64_t asked_ms, int64_t now_ms)
{
    bool news = is_news(pace, begun_ms);
    int64_t pause = asked_ms;
    if (pause <= 0 && news) {
        pause = pace->pause_ms > 0 ? pace->pause_ms * 2 : PAUSE_MIN_MS;
        pace->pause_ms = pause = pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS;
    }
    if (now_ms + pause > pace->until_ms)
        pace->until_ms = now_ms + pause;
    if (news)
        lower(pace, pace->until_ms, now_ms);
    else if ((double)pace->until_ms > pace->next_ms)
        pace->next_ms = (double)pace->until_ms;
}

void pace_probe(struct pace *pace, int64_t now_ms)
{
    if (pace->until_ms <= now_ms)
        return;
    pace->until_ms = now_ms;
    if (pace->next_ms > (double)now_ms)
        pace->next_ms = (double)now_ms;
    pace->since_ms = now_ms;
}

bool pace_rest(struct pace *pace, int64_t now_ms)
{
    if (pace->slowed_ms != 0 && now_ms - pace->slowed_ms > PACE_FORGET_MS &&
        now_ms > pace->until_ms + PACE_FORGET_MS)
        *pace = (struct pace){.limit = pace->limit, .next_ms = pace->next_ms};
    return pace->slowed_ms == 0;
}
