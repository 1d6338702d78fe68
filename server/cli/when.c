#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../base/clock.h"
#include "cli.h"

#define DAY_S 86400

/* "today" and "yesterday" begin at midnight where the operator is. */
static bool read_day(const char *text, int64_t *unix_ms)
{
    time_t now = (time_t)(clock_unix_ms() / 1000);
    struct tm tm;
    int back = strcmp(text, "today") == 0 ? 0 : strcmp(text, "yesterday") == 0 ? 1 : -1;
    if (back < 0)
        return false;
    localtime_r(&now, &tm);
    tm.tm_mday -= back;
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_isdst = -1;
    *unix_ms = (int64_t)mktime(&tm) * 1000;
    return true;
}

static bool read_ago(const char *text, int64_t *unix_ms)
{
    static const char units[] = "smhdw";
    static const int seconds[] = {1, 60, 3600, DAY_S, 7 * DAY_S};
    char *end;
    long long ago = strtoll(text, &end, 10);
    const char *unit = *end ? strchr(units, *end) : NULL;
    if (end == text || !unit || end[1] || ago < 0 || ago > 1000000)
        return false;
    *unix_ms = clock_unix_ms() - ago * seconds[unit - units] * 1000;
    return true;
}

/* After "2026-11-24T10:00:00" or "2026-11-24T10:00": "Z", "+01:00", or nothing (the local time). */
static bool read_zone(const char *text, struct tm *tm, int64_t *unix_ms)
{
    int hours, minutes;
    char sign, end;
    if (*text == 0) {
        tm->tm_isdst = -1;
        *unix_ms = (int64_t)mktime(tm) * 1000;
        return true;
    }
    int64_t utc_ms = (int64_t)timegm(tm) * 1000;
    if (strcmp(text, "Z") == 0) {
        *unix_ms = utc_ms;
        return true;
    }
    if (sscanf(text, "%c%2d:%2d%c", &sign, &hours, &minutes, &end) != 3 ||
        (sign != '+' && sign != '-') || hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return false;
    int64_t offset_ms = (hours * 60ll + minutes) * 60000;
    *unix_ms = sign == '+' ? utc_ms - offset_ms : utc_ms + offset_ms;
    return true;
}

bool cli_when(const char *text, int64_t *unix_ms)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"};
    if (read_day(text, unix_ms) || read_ago(text, unix_ms))
        return true;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm tm = {0};
        const char *rest = strptime(text, forms[i], &tm);
        if (rest && read_zone(rest, &tm, unix_ms))
            return true;
    }
    return false;
}
