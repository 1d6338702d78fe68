#include "log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "decimal.h"
#include "log_format.h"
#include "metrics.h"
#include "printable.h"
#include "write_all.h"

/* A line is cut past this, so that a client's 64 KiB of nonsense does not fill the log. A traceback
 * of a rule still fits. */
#define LINE_SIZE 4096

static _Atomic int threshold = LOG_INFO;
static _Atomic int format = LOG_FORMAT_TEXT;

static _Atomic unsigned lines_per_second = 100;
static struct log_limit
    *_Atomic limits;                /* those that have ever suppressed a line; they are static */
static _Atomic bool any_suppressed; /* some are not told yet */

struct log_line {
    char text[LINE_SIZE];
    size_t size;
};

/* Each message has four lines; a write(2) to a file costs as much as a line itself, or more. */
#define HELD_SIZE (32u * 1024u)

static struct {
    pthread_mutex_t lock;
    bool holds;
    size_t size;
    char text[HELD_SIZE];
} held = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void write_line(enum log_level level, const char *event, const char *id,
                       const struct log_field *fields, bool may_wait);

static void line_put(struct log_line *line, const char *text, size_t size)
{
    size_t room = sizeof line->text - 1 - line->size; /* one for the newline */
    if (size > room)
        size = room;
    memcpy(line->text + line->size, text, size);
    line->size += size;
}

/* ASCII that stands between quotes as it is. */
static size_t plain_size(const char *text)
{
    const char *p = text;
    while (*p >= ' ' && *p < 0x7f && *p != '"' && *p != '\\')
        p++;
    return (size_t)(p - text);
}

static bool needs_quotes(const char *text, size_t size)
{
    return size == 0 || plain_size(text) < size || memchr(text, ' ', size) ||
           memchr(text, '=', size);
}

static void put_quoted(struct log_line *line, const char *text, size_t left)
{
    size_t n;
    line_put(line, "\"", 1);
    for (const unsigned char *p = (const unsigned char *)text; *p; p += n, left -= n) {
        char escape[5];
        n = plain_size((const char *)p);
        n = n > 0 ? n : printable((const char *)p, left);
        if (*p == '"' || *p == '\\')
            line_put(line, (char[]){'\\', (char)*p}, 2);
        else if (*p == '\n')
            line_put(line, "\\n", 2);
        else if (n == 0)
            line_put(line, escape, (size_t)snprintf(escape, sizeof escape, "\\x%02x", *p));
        else
            line_put(line, (const char *)p, n);
        n += n == 0;
    }
    line_put(line, "\"", 1);
}

/* To format the second costs more than the rest of a line: each thread keeps its last one's text.
 */
static void put_time(struct log_line *line)
{
    static _Thread_local struct {
        int64_t second;
        char text[24];
        size_t size;
    } last = {.second = -1};
    int64_t now = clock_unix_ms();
    int milliseconds = (int)(now % 1000);
    if (now / 1000 != last.second) {
        time_t seconds = (time_t)(now / 1000);
        struct tm tm;
        gmtime_r(&seconds, &tm);
        last.size = strftime(last.text, sizeof last.text, "%Y-%m-%dT%H:%M:%S.", &tm);
        last.second = seconds;
    }
    line_put(line, last.text, last.size);
    line_put(line,
             (char[]){(char)('0' + milliseconds / 100), (char)('0' + milliseconds / 10 % 10),
                      (char)('0' + milliseconds % 10), 'Z', ' '},
             5);
}

static void put_number(struct log_line *line, int64_t number)
{
    char digits[DECIMAL_SIZE];
    line_put(line, digits, (size_t)(decimal_put(digits, number) - digits));
}

static void put_field(struct log_line *line, const struct log_field *field)
{
    line_put(line, " ", 1);
    line_put(line, field->key, strlen(field->key));
    line_put(line, "=", 1);
    if (!field->text) {
        put_number(line, field->number);
        return;
    }
    size_t size = strlen(field->text);
    if (needs_quotes(field->text, size))
        put_quoted(line, field->text, size);
    else
        line_put(line, field->text, size);
}

/* ---- Limits ---- */

static int64_t this_second(void)
{
    return clock_monotonic_us() / 1000000;
}

static void tell_suppressed(struct log_limit *limit)
{
    unsigned count = atomic_exchange(&limit->suppressed, 0);
    if (count > 0)
        write_line(LOG_WARN, "suppressed", NULL,
                   (const struct log_field[]){LOG_TEXT("event", atomic_load(&limit->event)),
                                              LOG_NUMBER("lines", count),
                                              {0, 0, 0}},
                   false);
}

/* Those of earlier seconds. */
static void tell_all_suppressed(void)
{
    int64_t now = this_second();
    bool left = false;
    atomic_store(&any_suppressed, false);
    for (struct log_limit *limit = atomic_load(&limits); limit; limit = atomic_load(&limit->next)) {
        if (atomic_load(&limit->second) != now)
            tell_suppressed(limit);
        else
            left |= atomic_load(&limit->suppressed) > 0;
    }
    if (left)
        atomic_store(&any_suppressed, true);
}

static void list_limit(struct log_limit *limit, const char *event)
{
    const char *none = NULL;
    if (!atomic_compare_exchange_strong(&limit->event, &none, event))
        return; /* it is listed already */
    struct log_limit *first = atomic_load(&limits);
    do
        atomic_store(&limit->next, first);
    while (!atomic_compare_exchange_weak(&limits, &first, limit));
}

bool log_admits(struct log_limit *limit, const char *event)
{
    unsigned most = atomic_load_explicit(&lines_per_second, memory_order_relaxed);
    int64_t now = this_second();
    if (most == 0)
        return true;
    if (atomic_exchange(&limit->second, now) != now) {
        atomic_store(&limit->lines, 0);
        tell_suppressed(limit);
    }
    if (atomic_fetch_add(&limit->lines, 1) < most)
        return true;
    list_limit(limit, event);
    atomic_fetch_add(&limit->suppressed, 1);
    metric_add(METRIC_LOG_SUPPRESSED_TOTAL, 1, event);
    atomic_store(&any_suppressed, true);
    return false;
}

void log_set_limit(unsigned lines)
{
    atomic_store(&lines_per_second, lines);
}

/* ---- What is held ---- */

/* A log that cannot be written must not stop mail: there is nobody left to tell. */
static void flush_held(void)
{
    if (held.size > 0)
        (void)write_all(STDERR_FILENO, held.text, held.size);
    held.size = 0;
}

static void put_out(const struct log_line *line, bool may_wait)
{
    pthread_mutex_lock(&held.lock);
    if (held.size + line->size > sizeof held.text)
        flush_held();
    memcpy(held.text + held.size, line->text, line->size);
    held.size += line->size;
    if (!may_wait || !held.holds)
        flush_held();
    pthread_mutex_unlock(&held.lock);
}

static void set_holding(bool holds)
{
    pthread_mutex_lock(&held.lock);
    held.holds = holds;
    flush_held();
    pthread_mutex_unlock(&held.lock);
}

void log_hold(void)
{
    set_holding(true);
}

void log_flush(void)
{
    pthread_mutex_lock(&held.lock);
    flush_held();
    pthread_mutex_unlock(&held.lock);
}

void log_release(void)
{
    set_holding(false);
}

/* ---- A line ---- */

static void write_admitted(enum log_level level, const char *event, const char *id,
                           const struct log_field *fields, bool may_wait)
{
    if ((int)level < atomic_load_explicit(&threshold, memory_order_relaxed))
        return;
    if (atomic_load_explicit(&any_suppressed, memory_order_relaxed))
        tell_all_suppressed();
    write_line(level, event, id, fields, may_wait);
}

void log_write(enum log_level level, const char *event, const char *id,
               const struct log_field *fields)
{
    write_admitted(level, event, id, fields, false);
}

void log_write_held(enum log_level level, const char *event, const char *id,
                    const struct log_field *fields)
{
    write_admitted(level, event, id, fields, true);
}

/* Where the journal does not take it, stderr has it. */
static bool write_journal(const struct log_line *line, size_t text, enum log_level level,
                          const char *event, const char *id, const struct log_field *fields)
{
    char bytes[LINE_SIZE + 1024], message[LINE_SIZE];
    snprintf(message, sizeof message, "%.*s", (int)(line->size - text), line->text + text);
    size_t size = log_format_journal(bytes, sizeof bytes, message, level, event, id, fields);
    return log_send_journal(bytes, size);
}

static void write_line(enum log_level level, const char *event, const char *id,
                       const struct log_field *fields, bool may_wait)
{
    static const char *const names[] = {"debug ", "info ", "warn ", "error "};
    struct log_line line;
    int how = atomic_load_explicit(&format, memory_order_relaxed);
    line.size = 0;
    put_time(&line);
    if (how == LOG_FORMAT_JSON) {
        char time[32];
        snprintf(time, sizeof time, "%.*s", (int)line.size - 1, line.text);
        line.size = log_format_json(line.text, sizeof line.text, time, level, event, id, fields);
    } else {
        size_t text = line.size;
        line_put(&line, names[level], strlen(names[level]));
        line_put(&line, event, strlen(event));
        struct log_field id_field = LOG_TEXT("id", id);
        if (id)
            put_field(&line, &id_field);
        for (const struct log_field *field = fields; field->key; field++)
            put_field(&line, field);
        if (how == LOG_FORMAT_JOURNAL && write_journal(&line, text, level, event, id, fields))
            return;
        line.text[line.size++] = '\n';
    }
    put_out(&line, may_wait);
}

void log_set_format(enum log_format wanted)
{
    if (wanted == LOG_FORMAT_AUTO)
        wanted = log_stderr_is_journal() ? LOG_FORMAT_JOURNAL : LOG_FORMAT_TEXT;
    atomic_store(&format, (int)wanted);
}

void log_set_level(enum log_level level)
{
    atomic_store(&threshold, (int)level);
}
