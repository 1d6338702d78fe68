#include "when.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "../base/clock.h"
#include "../base/duration.h"
#include "cli.h"

#define DAY_MS  86400000ll
#define AGO_MAX (1000 * 365 * DAY_MS)

/* "2h", "1d12h30m", perhaps with "ago". */
static bool parse_ago(const char *text, int64_t *ms)
{
    double total = 0;
    do {
        double one = duration_read(text, &text);
        if (one < 0)
            return false;
        total += one;
    } while (*text && *text != ' ');
    *ms = total <= (double)AGO_MAX ? (int64_t)total : 0;
    return total <= (double)AGO_MAX && (!*text || strcmp(text, " ago") == 0);
}

/* "Z", "+01:00", "-0530", perhaps after a blank; nothing: *local. */
static bool parse_zone(const char *text, bool *local, int *offset_s)
{
    int hours, minutes = 0, used = 0;
    text += *text == ' ';
    *local = *text == 0;
    *offset_s = 0;
    if (!*text || strcasecmp(text, "z") == 0 || strcasecmp(text, "utc") == 0)
        return true;
    if (*text != '+' && *text != '-')
        return false;
    if ((sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 &&
         sscanf(text + 1, "%2d%2d%n", &hours, &minutes, &used) != 2 &&
         (sscanf(text + 1, "%2d%n", &hours, &used) != 1 || used != 2)) ||
        text[1 + used] || hours > 14 || minutes > 59)
        return false;
    *offset_s = (hours * 60 + minutes) * 60 * (*text == '-' ? -1 : 1);
    return true;
}

static int64_t to_ms(const struct tm *day, bool local, int offset_s)
{
    struct tm tm = *day; /* both of these write to it */
    tm.tm_isdst = -1;
    return (int64_t)(local ? mktime(&tm) : timegm(&tm) - offset_s) * 1000;
}

/* "10:00", "10:00:30", "10:00:30.5", then a zone, of that day. */
static bool parse_clock(const char *text, struct tm *day, int64_t *ms)
{
    int used = 0, offset_s;
    double seconds = 0;
    bool local;
    if (sscanf(text, "%2d:%2d%n", &day->tm_hour, &day->tm_min, &used) != 2 || used != 5)
        return false;
    text += used;
    if (*text == ':') {
        char *end;
        if (!isdigit((unsigned char)text[1]) || !isdigit((unsigned char)text[2]))
            return false;
        seconds = strtod(text + 1, &end);
        text = end;
    }
    if (day->tm_hour > 23 || day->tm_min > 59 || seconds > 60 ||
        !parse_zone(text, &local, &offset_s))
        return false;
    day->tm_sec = 0;
    *ms = to_ms(day, local, offset_s) + (int64_t)(seconds * 1000);
    return true;
}

static bool parse_date(const char *text, int64_t *ms)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%d", &tm);
    if (!end || end - text != 10)
        return false;
    struct tm same = tm;
    timegm(&same);
    if (tm.tm_mday != same.tm_mday) /* there is no February 30 */
        return false;
    bool has_clock = *end == 'T' || *end == 't' || (*end == ' ' && isdigit((unsigned char)end[1]));
    if (has_clock)
        return parse_clock(end + 1, &tm, ms);
    *ms = to_ms(&tm, true, 0);
    return *end == 0;
}

bool when_parse(const char *text, int64_t now_ms, int64_t *ms)
{
    time_t now = (time_t)(now_ms / 1000);
    struct tm today;
    int64_t ago;
    localtime_r(&now, &today);
    today.tm_hour = today.tm_min = today.tm_sec = 0;
    const char *clock = text;
    size_t word = strcspn(text, " ");
    bool yesterday = word == 9 && strncasecmp(text, "yesterday", word) == 0;
    bool named = yesterday || (word == 5 && strncasecmp(text, "today", word) == 0);
    today.tm_mday -= yesterday;
    if (named && text[word])
        clock = text + word + 1; /* "yesterday 10:00" */
    if (parse_ago(text, &ago))
        *ms = now_ms - ago;
    else if (strcasecmp(text, "now") == 0)
        *ms = now_ms;
    else if (named && clock == text)
        *ms = to_ms(&today, true, 0);
    else
        return parse_clock(clock, &today, ms) || parse_date(text, ms);
    return true;
}

bool cli_when(const char *text, int64_t *unix_ms)
{
    return when_parse(text, clock_unix_ms(), unix_ms);
}

const char *when_write(int64_t unix_ms, char text[WHEN_SIZE])
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;
    if (unix_ms == 0)
        return strcpy(text, "-");
    strftime(text, WHEN_SIZE, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &tm));
    return text;
}
