#include "retry_after.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../base/duration.h"

#define VALUE_SIZE    128  /* longer ones say nothing */
#define AT_ONCE_MS    1000 /* "0", or a time that is over: it wants us to slow down all the same */
#define UNIX_TIME_MIN 1e9  /* a number as large is a time, not a duration */
#define UNIX_MS_MIN   1e12

static int64_t bounded(double ms)
{
    if (!(ms > 0))
        return AT_ONCE_MS;
    return ms < 1 ? 1 : ms < (double)WAIT_MAX_MS ? (int64_t)ms : WAIT_MAX_MS;
}

/* The unit at *text in ms, in any case, and past it; 0: it is none. None at all is seconds. */
static double read_unit(const char **text)
{
    char unit[4] = "";
    size_t size = 0;
    const char *end = unit;
    for (; size < sizeof unit - 1 && isalpha((unsigned char)(*text)[size]); size++)
        unit[size] = (char)tolower((unsigned char)(*text)[size]);
    if (size == 0)
        return 1000;
    double ms = duration_unit(unit, &end);
    *text += size;
    return *end ? 0 : ms;
}

/* "12", "1.5", "30s", "6m0s"; a bare number so large that it is a Unix time. */
static bool read_duration(const char *text, int64_t now_ms, int64_t *ms)
{
    double total = 0;
    bool bare = text[strspn(text, "0123456789.")] == 0;
    do {
        size_t digits = strspn(text, "0123456789.");
        if (digits == 0 || *text == '.')
            return false;
        double number = strtod(text, NULL);
        text += digits;
        double unit = read_unit(&text);
        if (unit == 0)
            return false;
        total += number * unit;
    } while (*text);
    if (bare && total >= UNIX_MS_MIN * 1000)
        total = total / 1000 - (double)now_ms;
    else if (bare && total >= UNIX_TIME_MIN * 1000)
        total -= (double)now_ms;
    *ms = bounded(total);
    return true;
}

/* A date of any of the three forms (RFC 9110 section 5.6.7), or of ISO 8601. */
static bool read_date(const char *text, int64_t now_ms, int64_t *ms)
{
    char iso[VALUE_SIZE];
    int year, month, day, hour, minute, second;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &year, &month, &day, &hour, &minute, &second) ==
        6) {
        snprintf(iso, sizeof iso, "%04d%02d%02d %02d:%02d:%02d", year % 10000, month % 100,
                 day % 100, hour % 100, minute % 100, second % 100);
        text = iso;
    }
    time_t at = curl_getdate(text, NULL);
    if (at == (time_t)-1)
        return false;
    *ms = bounded((double)at * 1000 - (double)now_ms);
    return true;
}

static bool read_time(const char *text, int64_t now_ms, int64_t *ms)
{
    return read_duration(text, now_ms, ms) || read_date(text, now_ms, ms);
}

/* "limit=100, remaining=0, reset=30", or "default";r=0;t=30, perhaps several: the longest. */
static bool read_rate_limit(const char *text, int64_t now_ms, int64_t *ms)
{
    bool any = false;
    *ms = 0;
    for (const char *p = text; *p; p++) {
        int64_t one;
        char number[24];
        bool begins = p == text || strchr(" ;,", p[-1]);
        size_t skip = begins && strncasecmp(p, "reset=", 6) == 0 ? 6
                      : begins && strncasecmp(p, "t=", 2) == 0   ? 2
                                                                 : 0;
        size_t digits = skip ? strspn(p + skip, "0123456789") : 0;
        if (digits == 0 || digits >= sizeof number)
            continue;
        snprintf(number, sizeof number, "%.*s", (int)digits, p + skip);
        if (!read_duration(number, now_ms, &one))
            continue;
        any = true;
        *ms = one > *ms ? one : *ms;
    }
    return any;
}

static bool starts(const char *name, const char *with)
{
    return strncasecmp(name, with, strlen(with)) == 0;
}

static void read_value(struct wait_asked *wait, const char *name, const char *value, int64_t now_ms)
{
    int64_t ms;
    if (strcasecmp(name, "retry-after-ms") == 0) {
        char with_unit[VALUE_SIZE + 2];
        snprintf(with_unit, sizeof with_unit, "%sms", value);
        if (read_duration(with_unit, now_ms, &ms))
            wait->retry_after_ms = ms;
    } else if (strcasecmp(name, "retry-after") == 0) {
        if (wait->retry_after_ms == 0 && read_time(value, now_ms, &ms))
            wait->retry_after_ms = ms;
    } else if (strcasecmp(name, "ratelimit") == 0) {
        if (read_rate_limit(value, now_ms, &ms) && ms > wait->reset_ms)
            wait->reset_ms = ms;
    } else if (starts(name, "ratelimit-reset") || starts(name, "x-ratelimit-reset") ||
               starts(name, "x-rate-limit-reset")) {
        if (read_time(value, now_ms, &ms) && ms > wait->reset_ms)
            wait->reset_ms = ms;
    }
}

void wait_read_header(struct wait_asked *wait, const char *line, size_t size, int64_t now_ms)
{
    char name[40], value[VALUE_SIZE];
    const char *colon = memchr(line, ':', size);
    if (!colon || size == 0 || !strchr("rRxX", *line) || (size_t)(colon - line) >= sizeof name)
        return;
    const char *begin = colon + 1, *end = line + size;
    while (begin < end && isspace((unsigned char)*begin))
        begin++;
    while (end > begin && isspace((unsigned char)end[-1]))
        end--;
    if (begin == end || (size_t)(end - begin) >= sizeof value)
        return;
    snprintf(name, sizeof name, "%.*s", (int)(colon - line), line);
    snprintf(value, sizeof value, "%.*s", (int)(end - begin), begin);
    read_value(wait, name, value, now_ms);
}

int64_t wait_asked_ms(const struct wait_asked *wait, int status)
{
    if (wait->retry_after_ms > 0)
        return wait->retry_after_ms;
    return status == 429 ? wait->reset_ms : 0;
}
