#include "when.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define DAY_MS  86400000ll
#define AGO_MAX (1000 * 365 * DAY_MS)

/* "2h", "1d12h30m", perhaps with "ago". */
static bool parse_ago(const char *text, int64_t *ms)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', DAY_MS}, {'w', 7 * DAY_MS}};
    *ms = 0;
    do {
        char *end;
        size_t unit = 0;
        if (!isdigit((unsigned char)*text))
            return false;
        double number = strtod(text, &end);
        while (unit < sizeof units / sizeof *units && units[unit].unit != *end)
            unit++;
        if (unit == sizeof units / sizeof *units || number * (double)units[unit].ms > AGO_MAX)
            return false;
        *ms += (int64_t)(number * (double)units[unit].ms);
        text = end + 1;
    } while (*text && *text != ' ');
    return *ms <= AGO_MAX && (!*text || strcmp(text, " ago") == 0);
}

/* "Z", "+01:00", "-0530", perhaps after a blank; nothing is UTC. */
static bool parse_zone(const char *text, int64_t *ms)
{
    int hours, minutes, used = 0;
    *ms = 0;
    text += *text == ' ';
    if (!*text || strcasecmp(text, "z") == 0 || strcasecmp(text, "utc") == 0)
        return true;
    if (*text != '+' && *text != '-')
        return false;
    if ((sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 &&
         sscanf(text + 1, "%2d%2d%n", &hours, &minutes, &used) != 2) ||
        text[1 + used] || hours > 14 || minutes > 59)
        return false;
    *ms = (hours * 60 + minutes) * 60000ll * (*text == '-' ? -1 : 1);
    return true;
}

/* "10:00", "10:00:30", "10:00:30.5", then a zone: into ms of the day. */
static bool parse_clock(const char *text, int64_t *ms)
{
    int hours, minutes, used = 0;
    double seconds = 0;
    int64_t zone;
    if (sscanf(text, "%2d:%2d%n", &hours, &minutes, &used) != 2 || used != 5)
        return false;
    text += used;
    if (*text == ':') {
        char *end;
        if (!isdigit((unsigned char)text[1]) || !isdigit((unsigned char)text[2]))
            return false;
        seconds = strtod(text + 1, &end);
        text = end;
    }
    if (hours > 23 || minutes > 59 || seconds > 60 || !parse_zone(text, &zone))
        return false;
    *ms = (hours * 60 + minutes) * 60000ll + (int64_t)(seconds * 1000) - zone;
    return true;
}

static bool parse_date(const char *text, int64_t *ms)
{
    struct tm tm = {0};
    int64_t of_day = 0;
    const char *end = strptime(text, "%Y-%m-%d", &tm);
    if (!end || end - text != 10)
        return false;
    int day_of_month = tm.tm_mday;
    time_t day = timegm(&tm);
    if (tm.tm_mday != day_of_month) /* timegm() knows no February 30 */
        return false;
    bool has_clock = *end == 'T' || *end == 't' || (*end == ' ' && isdigit((unsigned char)end[1]));
    if (has_clock ? !parse_clock(end + 1, &of_day) : *end != 0)
        return false;
    *ms = (int64_t)day * 1000 + of_day;
    return true;
}

bool when_parse(const char *text, int64_t now_ms, int64_t *ms)
{
    int64_t today = now_ms - now_ms % DAY_MS, of;
    if (parse_ago(text, &of))
        *ms = now_ms - of;
    else if (strcasecmp(text, "now") == 0)
        *ms = now_ms;
    else if (strcasecmp(text, "today") == 0)
        *ms = today;
    else if (strcasecmp(text, "yesterday") == 0)
        *ms = today - DAY_MS;
    else if (parse_clock(text, &of))
        *ms = today + of;
    else
        return parse_date(text, ms);
    return true;
}
