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
    static const struct {
        const char *word;
        double ms;
    } words[] = {{"sec", 1000},     {"second", 1000},  {"min", 60000},
                 {"minute", 60000}, {"hour", 3600000}, {"day", 86400000}};
    char unit[12] = "";
    size_t size = 0;
    const char *end = unit;
    for (; size < sizeof unit - 1 && isalpha((unsigned char)(*text)[size]); size++)
        unit[size] = (char)tolower((unsigned char)(*text)[size]);
    if (size == 0)
        return 1000;
    *text += size;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i].word);
        if (strncmp(unit, words[i].word, length) == 0 &&
            (!unit[length] || strcmp(unit + length, "s") == 0))
            return words[i].ms;
    }
    double ms = duration_unit(unit, &end);
    return *end ? 0 : ms;
}

/* A number without a sign: "12", "1.5". False: none begins there. */
static bool read_number(const char **text, double *number)
{
    size_t size = strspn(*text, "0123456789");
    if (size == 0)
        return false;
    if ((*text)[size] == '.')
        size += 1 + strspn(*text + size + 1, "0123456789");
    *number = strtod(*text, NULL);
    *text += size;
    return true;
}

/* What a bare number stands for: a duration in `unit_ms`, or a Unix time, in seconds or in ms. */
static double wait_of(double number, double unit_ms, int64_t now_ms)
{
    if (number >= UNIX_MS_MIN)
        return number - (double)now_ms;
    if (number >= UNIX_TIME_MIN)
        return number * 1000 - (double)now_ms;
    return number * unit_ms;
}

/* "12", "1.5", "30s", "6m0s", "2 minutes"; a bare number has the unit of its header. */
static bool read_duration(const char *text, double unit_ms, int64_t now_ms, int64_t *ms)
{
    double total = 0, number;
    bool bare = text[strspn(text, "0123456789.")] == 0;
    do {
        if (!read_number(&text, &number))
            return false;
        text += strspn(text, " ");
        double unit = bare ? unit_ms : read_unit(&text);
        if (unit == 0)
            return false;
        total += number * unit;
        text += strspn(text, " ");
    } while (*text);
    *ms = bounded(bare ? wait_of(number, unit_ms, now_ms) : total);
    return true;
}

/* "2026-07-15T09:35:56.5Z", "...+02:00" (RFC 3339). */
static bool read_iso(const char *text, double *unix_s)
{
    int year, month, day, hour, minute, second, end = 0, ahead_h = 0, ahead_m = 0;
    char iso[VALUE_SIZE], sign[2] = "";
    if (sscanf(text, "%4d-%2d-%2d%*1[T ]%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute,
               &second, &end) != 6)
        return false;
    text += end;
    if (*text == '.')
        text += 1 + strspn(text + 1, "0123456789");
    if (sscanf(text, "%1[+-]%2d:%2d", sign, &ahead_h, &ahead_m) != 3)
        *sign = 0;
    snprintf(iso, sizeof iso, "%04d%02d%02d %02d:%02d:%02d GMT", year % 10000, month % 100,
             day % 100, hour % 100, minute % 100, second % 100);
    time_t at = curl_getdate(iso, NULL);
    double ahead_s = *sign ? (ahead_h * 60.0 + ahead_m) * 60 : 0;
    *unix_s = (double)at - (*sign == '-' ? -ahead_s : ahead_s);
    return at != (time_t)-1;
}

/* A date of any of the three forms (RFC 9110 section 5.6.7), or of ISO 8601. */
static bool read_date(const char *text, int64_t now_ms, int64_t *ms)
{
    double unix_s;
    if (!read_iso(text, &unix_s)) {
        time_t at = curl_getdate(text, NULL);
        if (at == (time_t)-1)
            return false;
        unix_s = (double)at;
    }
    *ms = bounded(unix_s * 1000 - (double)now_ms);
    return true;
}

/* Several that a proxy has joined: the longest. */
static bool read_list(char *text, double unit_ms, int64_t now_ms, int64_t *ms)
{
    char *rest;
    bool any = false;
    *ms = 0;
    for (char *each = strtok_r(text, ",", &rest); each; each = strtok_r(NULL, ",", &rest)) {
        int64_t one;
        if (!read_duration(each + strspn(each, " \t"), unit_ms, now_ms, &one))
            return false;
        any = true;
        *ms = one > *ms ? one : *ms;
    }
    return any;
}

static bool read_time(const char *value, double unit_ms, int64_t now_ms, int64_t *ms)
{
    char text[VALUE_SIZE];
    size_t quoted = *value == '"';
    snprintf(text, sizeof text, "%.*s", (int)strcspn(value + quoted, quoted ? "\"" : ";"),
             value + quoted);
    return read_duration(text, unit_ms, now_ms, ms) || read_date(text, now_ms, ms) ||
           read_list(text, unit_ms, now_ms, ms);
}

/* ---- RateLimit ---- */

/* Of one policy; -1: it is not said. */
struct limit {
    double left, reset;
};

static void read_limit_field(const char *text, struct limit *limit)
{
    static const char *const lefts[] = {"r=", "remaining="}, *const resets[] = {"t=", "reset="};
    for (size_t i = 0; i < 2; i++) {
        const char *left = text + strlen(lefts[i]), *reset = text + strlen(resets[i]);
        if (strncasecmp(text, lefts[i], strlen(lefts[i])) == 0)
            (void)read_number(&left, &limit->left);
        else if (strncasecmp(text, resets[i], strlen(resets[i])) == 0)
            (void)read_number(&reset, &limit->reset);
    }
}

/* What has been used up is waited for, the longest of it; if nothing says that it is, what ends first. */
static void add_limit(const struct limit *limit, double *empty, double *first)
{
    if (limit->reset < 0)
        return;
    if (limit->left <= 0 && limit->reset > *empty)
        *empty = limit->reset;
    if (*first < 0 || limit->reset < *first)
        *first = limit->reset;
}

/* "limit=100, remaining=0, reset=30" is one policy; "default";r=0;t=30, "day";r=5;t=9000 are two. */
static bool read_rate_limit(const char *text, int64_t now_ms, int64_t *ms)
{
    double empty = -1, first = -1;
    struct limit limit = {-1, -1};
    bool named = strchr(text, ';') != NULL, in_quotes = false;
    for (const char *p = text; *p; p++) {
        if (*p == '"')
            in_quotes = !in_quotes;
        if (in_quotes)
            continue;
        if (named && *p == ',') {
            add_limit(&limit, &empty, &first);
            limit = (struct limit){-1, -1};
        }
        if (p == text || strchr(" ;,", p[-1]))
            read_limit_field(p, &limit);
    }
    add_limit(&limit, &empty, &first);
    double reset = empty >= 0 ? empty : first;
    if (reset < 0)
        return false;
    *ms = bounded(wait_of(reset, 1000, now_ms));
    return true;
}

/* ---- Headers ---- */

static bool starts(const char *name, const char *with)
{
    return strncasecmp(name, with, strlen(with)) == 0;
}

static bool ends_in_ms(const char *name)
{
    size_t size = strlen(name);
    return size > 3 && strcasecmp(name + size - 3, "-ms") == 0;
}

/* "X-Retry-After", "X-RateLimit-Retry-After", ...: of those who say it in words of their own. */
static bool is_own_retry_after(const char *name)
{
    static const char *const prefixes[] = {"x-ratelimit-", "x-rate-limit-", "ratelimit-", "x-ms-",
                                           "x-"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (starts(name, prefixes[i]) && starts(name + strlen(prefixes[i]), "retry-after"))
            return true;
    return false;
}

static void take_longest(int64_t *to, int64_t ms)
{
    *to = ms > *to ? ms : *to;
}

static void read_value(struct wait_asked *wait, const char *name, const char *value, int64_t now_ms)
{
    int64_t ms;
    double unit_ms = ends_in_ms(name) ? 1 : 1000;
    if (strcasecmp(name, "ratelimit") == 0) {
        if (read_rate_limit(value, now_ms, &ms))
            take_longest(&wait->reset_ms, ms);
        return;
    }
    int64_t *to = strcasecmp(name, "retry-after-ms") == 0 ? &wait->exact_ms
                  : strcasecmp(name, "retry-after") == 0  ? &wait->retry_after_ms
                  : is_own_retry_after(name)              ? &wait->own_ms
                  : starts(name, "ratelimit-reset") || starts(name, "x-ratelimit-reset") ||
                          starts(name, "x-rate-limit-reset")
                      ? &wait->reset_ms
                      : NULL;
    if (to && read_time(value, unit_ms, now_ms, &ms))
        take_longest(to, ms);
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
    const int64_t asked[] = {wait->exact_ms, wait->retry_after_ms, wait->own_ms};
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        if (asked[i] > 0)
            return asked[i];
    return status == 429 ? wait->reset_ms : 0;
}
