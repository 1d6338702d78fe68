/*
 * log.h - one line an event: time, level, event, id, then key=value fields.
 *
 *   2026-11-24T10:00:00.123Z info accepted id=01k...-1 size=5120 from=a@b.example
 *
 * An id tells a message's whole story: a connection's id begins its messages' ids, a message's id
 * its deliveries' ids (see id.h), so `grep ID` finds everything.
 * Values that hold a space, quote, backslash, '=', control or non-ASCII byte are quoted, and what may not be shown
 * (printable.h) is escaped, so that no client can forge a line. One of more than 4 KiB is cut. To log a new event, call
 * log_info() with the fields that tell it.
 */
#ifndef MXHOOK_LOG_H
#define MXHOOK_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum log_format {
    LOG_FORMAT_AUTO, /* journal where stderr is the journal's, else text */
    LOG_FORMAT_TEXT,
    LOG_FORMAT_JSON,
    LOG_FORMAT_JOURNAL, /* to systemd's journal, with fields of their own; stderr where it is not there */
};

struct log_field {
    const char *key;  /* NULL ends the list */
    const char *text; /* NULL: the field is the number */
    int64_t number;
};

/* clang-format takes names in capitals for macros. */
/* clang-format off */
static inline struct log_field LOG_TEXT(const char *key, const char *text)
{
    return (struct log_field){key, text ? text : "", 0};
}

static inline struct log_field LOG_NUMBER(const char *key, int64_t number)
{
    return (struct log_field){key, 0, number};
}
/* clang-format on */

/* id may be NULL. Each takes at least one field. Any thread. It is with stderr when it returns, whole, and with it all
 * that was held; or it went to the journal as one datagram. */
#define log_debug(event, id, ...) log_fields(LOG_DEBUG, event, id, __VA_ARGS__)
#define log_info(event, id, ...)  log_fields(LOG_INFO, event, id, __VA_ARGS__)
#define log_warn(event, id, ...)  log_fields(LOG_WARN, event, id, __VA_ARGS__)
#define log_error(event, id, ...) log_fields(LOG_ERROR, event, id, __VA_ARGS__)
#define log_fields(level, event, id, ...)                                                          \
    log_write(level, event, id, (const struct log_field[]){__VA_ARGS__, {0, 0, 0}})

/* For the macros above. */
void log_write(enum log_level level, const char *event, const char *id,
               const struct log_field *fields);

/* The same for what each message has: between log_hold() and log_release() it is held until the next line that is not,
 * or log_flush(). Lines stay in the order in which threads wrote them. */
#define log_held(event, id, ...)                                                                   \
    log_write_held(LOG_INFO, event, id, (const struct log_field[]){__VA_ARGS__, {0, 0, 0}})

/* For log_held(). */
void log_write_held(enum log_level level, const char *event, const char *id,
                    const struct log_field *fields);

/* For who calls log_flush() soon after whatever was held: the loop, once in each turn before it waits, and before it
 * tells a client what a line says. Not the journal's lines, each of which is a datagram. Any thread. */
void log_hold(void);
void log_flush(void);
void log_release(void); /* flushes; nothing is held from then on */

/* As log_fields(), for an event that any stranger can cause as often as they like: past so many lines of one
 * place in a second the others are only counted, and a line `suppressed` says how many they were. */
#define log_limited(level, event, id, ...)                                                         \
    do {                                                                                           \
        static struct log_limit limit_;                                                            \
        if (log_admits(&limit_, event))                                                            \
            log_fields(level, event, id, __VA_ARGS__);                                             \
    } while (0)

struct log_limit { /* all zero at first */
    struct log_limit *_Atomic next;
    const char *_Atomic event;
    _Atomic int64_t second;
    _Atomic unsigned lines, suppressed;
};

/* For log_limited(): false where the line is to be kept back, and counts it. `event` is a constant. */
bool log_admits(struct log_limit *limit, const char *event);

/* Lines of one log_limited() in a second; 0: any number. Default 100. Any thread. */
void log_set_limit(unsigned lines);

/* Events below `level` are dropped. Default LOG_INFO. Any thread. */
void log_set_level(enum log_level level);

/* Default LOG_FORMAT_TEXT. Any thread. */
void log_set_format(enum log_format format);

#endif
