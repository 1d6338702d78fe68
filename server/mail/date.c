#include "date.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <strings.h>

#include "../base/ascii.h"

enum zone { ZONE_NONE, ZONE_UTC, ZONE_NAMED, ZONE_NUMBER, ZONE_US };

/* What was found so far; -1: nothing. */
struct date {
    int year, month, day, hour, minute, second;
    bool pm, am;
    enum zone zone;
    int offset; /* minutes east of UTC; of ZONE_US in winter */
};

/* --- Calendar --- */

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days since 1970-01-01, in the proleptic Gregorian calendar. */
static int64_t day_number(int year, int month, int day)
{
    int64_t before = (int64_t)year - 1;
    int64_t days = before * 365 + before / 4 - before / 100 + before / 400 - 719162;
    for (int m = 1; m < month; m++)
        days += month_days(year, m);
    return days + day - 1;
}

/* The nth Sunday of a month; the last for 5. */
static int sunday(int year, int month, int nth)
{
    int first = 1 + (int)((10 - (day_number(year, month, 1) % 7 + 7) % 7) % 7);
    int day = first + 7 * (nth - 1);
    return day > month_days(year, month) ? day - 7 : day;
}

/* Summer time of the United States, by the rules since 1987: for "EST5EDT" and the like. */
static bool is_us_summer(const struct date *d)
{
    bool new = d->year >= 2007;
    int64_t day = day_number(d->year, d->month, d->day);
    int64_t begin = day_number(d->year, new ? 3 : 4, sunday(d->year, new ? 3 : 4, new ? 2 : 1));
    int64_t end = day_number(d->year, new ? 11 : 10, sunday(d->year, new ? 11 : 10, new ? 1 : 5));
    if (day == begin)
        return d->hour >= 2;
    return day > begin && (day < end || (day == end && d->hour < 1));
}

/* --- Zones --- */

static bool is_number(const char *word, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!isdigit((unsigned char)word[i]))
            return false;
    return size > 0;
}

static int number(const char *word, size_t size)
{
    int value = 0;
    for (size_t i = 0; i < size; i++)
        value = value * 10 + word[i] - '0';
    return value;
}

/* "+0200", "+200", "+02", "+2", "+02:00", "-0000". */
static bool read_offset(struct date *d, const char *word, size_t size)
{
    int sign = word[0] == '-' ? -1 : 1, hours, minutes = 0;
    const char *colon = memchr(word, ':', size);
    const char *digits = word + 1;
    size_t left = size - 1, before = colon ? (size_t)(colon - digits) : left;
    if (before > 2 && !colon)
        before = left - 2;
    size_t after = left - before - (colon != NULL);
    if (!is_number(digits, before) || before > 2 || (after > 0 || colon ? after != 2 : false))
        return false;
    hours = number(digits, before);
    if (after == 2) {
        if (!is_number(word + size - 2, 2))
            return false;
        minutes = number(word + size - 2, 2);
    }
    if (hours > 24 || minutes > 59)
        return false;
    d->offset = sign * (hours * 60 + minutes);
    d->zone = ZONE_NUMBER;
    return true;
}

/* Those that are told for more than one offset are left out: IST, CST of China ... but for the ones
 * that RFC 5322 has. */
static bool read_zone_name(struct date *d, const char *word, size_t size)
{
    static const struct {
        const char *name;
        int hours;
        enum zone zone;
    } zones[] = {{"GMT", 0, ZONE_UTC},     {"UTC", 0, ZONE_UTC},     {"UT", 0, ZONE_UTC},
                 {"Z", 0, ZONE_UTC},       {"EST", -5, ZONE_NAMED},  {"EDT", -4, ZONE_NAMED},
                 {"CST", -6, ZONE_NAMED},  {"CDT", -5, ZONE_NAMED},  {"MST", -7, ZONE_NAMED},
                 {"MDT", -6, ZONE_NAMED},  {"PST", -8, ZONE_NAMED},  {"PDT", -7, ZONE_NAMED},
                 {"AKST", -9, ZONE_NAMED}, {"AKDT", -8, ZONE_NAMED}, {"HST", -10, ZONE_NAMED},
                 {"WET", 0, ZONE_NAMED},   {"WEST", 1, ZONE_NAMED},  {"BST", 1, ZONE_NAMED},
                 {"CET", 1, ZONE_NAMED},   {"CEST", 2, ZONE_NAMED},  {"MET", 1, ZONE_NAMED},
                 {"MEZ", 1, ZONE_NAMED},   {"MESZ", 2, ZONE_NAMED},  {"MEST", 2, ZONE_NAMED},
                 {"EET", 2, ZONE_NAMED},   {"EEST", 3, ZONE_NAMED},  {"MSK", 3, ZONE_NAMED},
                 {"JST", 9, ZONE_NAMED},   {"KST", 9, ZONE_NAMED},   {"AEST", 10, ZONE_NAMED},
                 {"AEDT", 11, ZONE_NAMED}, {"NZST", 12, ZONE_NAMED}, {"NZDT", 13, ZONE_NAMED},
                 {"EST5EDT", -5, ZONE_US}, {"CST6CDT", -6, ZONE_US}, {"MST7MDT", -7, ZONE_US},
                 {"PST8PDT", -8, ZONE_US}};
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++)
        if (strlen(zones[i].name) == size && strncasecmp(word, zones[i].name, size) == 0) {
            d->zone = zones[i].zone;
            d->offset = zones[i].hours * 60;
            return true;
        }
    /* Military zones: most who wrote them had them wrong, so they say nothing (section 4.3). */
    if (size != 1 || !isalpha((unsigned char)*word) || toupper((unsigned char)*word) == 'J')
        return false;
    d->zone = ZONE_NAMED;
    d->offset = 0;
    return true;
}

/* "GMT+0200": the number counts. */
static bool read_zone(struct date *d, const char *word, size_t size)
{
    size_t name = strcspn(word, "+-");
    if (d->zone == ZONE_NUMBER)
        return isalpha((unsigned char)*word); /* "+0200 CEST" */
    if (name >= size)
        return d->zone == ZONE_NONE && read_zone_name(d, word, size);
    struct date named = {0};
    if (name > 0 && (!read_zone_name(&named, word, name) || named.zone != ZONE_UTC))
        return false;
    return read_offset(d, word + name, size - name);
}

/* --- Words --- */

static int month_of(const char *word, size_t size)
{
    static const char *const names[] = {"january",   "february", "march",    "april",
                                        "may",       "june",     "july",     "august",
                                        "september", "october",  "november", "december"};
    if (size > 3 && word[size - 1] == '.')
        size--;
    for (int i = 0; i < 12; i++)
        if (size >= 3 && size <= strlen(names[i]) && strncasecmp(word, names[i], size) == 0)
            return i + 1;
    return size == 4 && strncasecmp(word, "sept", 4) == 0 ? 9 : 0;
}

static bool is_weekday(const char *word, size_t size)
{
    static const char *const names[] = {"monday", "tuesday",  "wednesday", "thursday",
                                        "friday", "saturday", "sunday"};
    if (size > 2 && word[size - 1] == '.')
        size--;
    for (int i = 0; i < 7; i++)
        if (size >= 2 && size <= strlen(names[i]) && strncasecmp(word, names[i], size) == 0)
            return true;
    return false;
}

/* Digits at *at, up to `most` of them; -1 where there are none, or more. */
static int take_number(const char **at, const char *end, size_t most)
{
    const char *begin = *at;
    while (*at < end && isdigit((unsigned char)**at))
        ++*at;
    size_t size = (size_t)(*at - begin);
    return size > 0 && size <= most ? number(begin, size) : -1;
}

/* "22:23:35.882", with a zone or "PM" behind it where nothing is between. */
static bool read_time(struct date *d, const char *word, size_t size)
{
    const char *at = word, *end = word + size;
    d->hour = take_number(&at, end, 2);
    if (at == end || *at++ != ':')
        return false;
    d->minute = take_number(&at, end, 2);
    d->second = 0;
    if (at < end && *at == ':') {
        at++;
        d->second = take_number(&at, end, 2);
        if (at < end && (*at == '.' || *at == ',')) {
            at++;
            if (take_number(&at, end, 30) < -1 || !isdigit((unsigned char)at[-1]))
                return false;
        }
    }
    size_t left = (size_t)(end - at);
    if (d->hour < 0 || d->minute < 0 || d->second < 0)
        return false;
    if (left == 2 && (strncasecmp(at, "pm", 2) == 0 || strncasecmp(at, "am", 2) == 0)) {
        d->pm = (*at | 0x20) == 'p';
        d->am = !d->pm;
        return true;
    }
    return left == 0 || read_zone(d, at, left);
}

static void set_year(struct date *d, const char *digits, size_t size)
{
    d->year = number(digits, size);
    if (size == 2)
        d->year += d->year < 50 ? 2000 : 1900;
    else if (size == 3)
        d->year += 1900;
}

/* "2022-05-17", "2022-05-17T10:00:00+02:00" */
static bool read_iso(struct date *d, const char *word, size_t size)
{
    if (size < 10 || !is_number(word, 4) || word[4] != '-' || !is_number(word + 5, 2) ||
        word[7] != '-' || !is_number(word + 8, 2))
        return false;
    d->year = number(word, 4);
    d->month = number(word + 5, 2);
    d->day = number(word + 8, 2);
    if (size == 10)
        return true;
    return (word[10] == 'T' || word[10] == 't') && read_time(d, word + 11, size - 11);
}

/* "2-Jun-2025" */
static bool read_dashes(struct date *d, const char *word, size_t size)
{
    const char *dash = memchr(word, '-', size);
    const char *second = dash ? memchr(dash + 1, '-', size - (size_t)(dash + 1 - word)) : NULL;
    if (!second)
        return false;
    size_t year = size - (size_t)(second + 1 - word);
    d->month = month_of(dash + 1, (size_t)(second - dash - 1));
    if (d->month == 0 || !is_number(word, (size_t)(dash - word)) || dash - word > 2 ||
        !is_number(second + 1, year) || year < 2 || year > 4)
        return false;
    d->day = number(word, (size_t)(dash - word));
    set_year(d, second + 1, year);
    return true;
}

static bool read_digits(struct date *d, const char *word, size_t size)
{
    if (d->day < 0 && size <= 2)
        d->day = number(word, size);
    else if (d->year < 0 && d->month > 0 && size >= 2 && size <= 4)
        set_year(d, word, size);
    else
        return false;
    return true;
}

static bool read_word(struct date *d, const char *word, size_t size)
{
    if (is_number(word, size))
        return read_digits(d, word, size);
    if (d->month < 0 && d->day < 0 && d->year < 0 && size >= 10 && word[4] == '-')
        return read_iso(d, word, size);
    if (d->hour < 0 && isdigit((unsigned char)*word) && memchr(word, ':', size))
        return read_time(d, word, size);
    if (d->month < 0 && isdigit((unsigned char)*word))
        return read_dashes(d, word, size);
    if (d->month < 0 && month_of(word, size) > 0) {
        d->month = month_of(word, size);
        return true;
    }
    if (d->hour >= 0 && !d->pm && !d->am && size == 2 && strncasecmp(word + 1, "m", 1) == 0 &&
        strchr("aApP", *word)) {
        d->pm = (*word | 0x20) == 'p';
        d->am = !d->pm;
        return true;
    }
    if (d->hour < 0)
        return is_weekday(word, size);
    return read_zone(d, word, size);
}

/* --- The date --- */

/* Comments and quotes become spaces. */
static void clean(const char *text, char out[DATE_MAX_SIZE + 1])
{
    unsigned depth = 0;
    size_t used = 0;
    for (; *text; text++) {
        char c = *text;
        if (c == '(')
            depth++;
        bool inside = depth > 0;
        if (c == ')' && depth > 0)
            depth--;
        if (c == '\\' && text[1])
            text++;
        out[used++] = inside || is_space(c) || strchr("\"\\", c) ? ' ' : c;
    }
    out[used] = 0;
}

static bool finish(struct date *d, int64_t *seconds)
{
    if (d->year < 1 || d->month < 1 || d->month > 12 || d->day < 1 ||
        d->day > month_days(d->year, d->month))
        return false;
    if (d->hour < 0) /* a day without a time */
        return false;
    if ((d->pm || d->am) && (d->hour < 1 || d->hour > 12))
        return false;
    if (d->pm || d->am)
        d->hour = d->hour % 12 + (d->pm ? 12 : 0);
    if (d->hour > 23 || d->minute > 59 || d->second > 60)
        return false;
    int offset = d->offset + (d->zone == ZONE_US && is_us_summer(d) ? 60 : 0);
    *seconds = day_number(d->year, d->month, d->day) * 86400 + d->hour * 3600 + d->minute * 60 +
               d->second - (int64_t)offset * 60;
    return true;
}

bool date_read(const char *text, int64_t *seconds)
{
    char copy[DATE_MAX_SIZE + 1];
    struct date d = {.year = -1, .month = -1, .day = -1, .hour = -1};
    if (strlen(text) > DATE_MAX_SIZE)
        return false;
    clean(text, copy);
    for (const char *at = copy + strspn(copy, " ,"); *at; at += strspn(at, " ,")) {
        size_t size = strcspn(at, " ,");
        if (d.hour < 0) { /* "10:00:00,5" is one word */
            size_t whole = strcspn(at, " ");
            if (memchr(at, ':', size) && whole > size && isdigit((unsigned char)at[size + 1]))
                size = whole;
        }
        char word[DATE_MAX_SIZE + 1];
        memcpy(word, at, size);
        word[size] = 0;
        if (!read_word(&d, word, size))
            return false;
        at += size;
    }
    if (d.pm && d.hour > 12) /* "22:00 PM" */
        d.pm = false;
    return finish(&d, seconds);
}

const char *date_write(int64_t seconds, char out[DATE_SIZE])
{
    time_t time = (time_t)seconds;
    struct tm tm = {0};
    gmtime_r(&time, &tm);
    strftime(out, DATE_SIZE, "%a, %d %b %Y %H:%M:%S +0000", &tm);
    return out;
}
