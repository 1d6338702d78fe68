/*
 * metrics.h - counters, gauges and histograms, and their text for Prometheus.
 *
 * metric   a row of METRICS below: name, type, labels, and how many series it may have
 * series   one combination of its labels' values; made when it is first used, and never freed
 *
 * To add one: a row below, and a line where it happens:
 *
 *   metric_add(METRIC_MESSAGES_TOTAL, 1, "accepted");
 *
 * A row without such a line fails tests/admin/metrics_used. Labels never name a recipient, a sender or a message: the
 * number of series is bounded, and what comes once a metric is full counts for the series whose labels are "other". A
 * label "origin" has as many values as metrics_limit_origins() says, the same for all metrics. There are no locks
 * (which is why this is not map.h's table): any thread, also while another writes the text. To count costs some tens of
 * nanoseconds; what looks at all series of a metric, or writes the text, is for who scrapes.
 */
#ifndef MXHOOK_METRICS_H
#define MXHOOK_METRICS_H

#include <stddef.h>
#include <stdint.h>

/* METRIC_TIME is a counter of seconds that is added to in microseconds. */
enum metric_type { METRIC_COUNTER, METRIC_TIME, METRIC_GAUGE, METRIC_HISTOGRAM };

#define METRIC_ORIGINS_MAX     1000 /* of metrics.max_origins */
#define METRIC_ORIGINS_DEFAULT 100

/* Upper bounds of a histogram's buckets; +Inf follows. */
enum metric_buckets {
    BUCKETS_NONE,
    BUCKETS_BYTES,   /* 4 KiB x 4^n to 64 MiB */
    BUCKETS_ACCEPT,  /* 1 ms to 10 s */
    BUCKETS_ATTEMPT, /* 5 ms to 60 s */
    BUCKETS_LATENCY, /* 10 ms to 5 days */
};

/* METRIC_name, type, name after "mxhook_", label, second label, most series ("other" included), buckets, help. Labels:
 * NULL where there is none. */
#define METRICS(ROW)                                                                               \
    ROW(BUILD_INFO, GAUGE, "build_info", "version", "libraries", 2, NONE,                          \
        "Always 1; the versions are in the labels")                                                \
    ROW(READY, GAUGE, "ready", NULL, NULL, 1, NONE, "1: mail is taken in, as /readyz has it")      \
    ROW(LISTENING, GAUGE, "listening", NULL, NULL, 1, NONE,                                        \
        "1: connections are taken; 0: it starts or stops")                                         \
    ROW(SMTP_CONNECTIONS_TOTAL, COUNTER, "smtp_connections_total", "listener", NULL, 32, NONE,     \
        "Connections that were taken")                                                             \
    ROW(SMTP_CONNECTIONS, GAUGE, "smtp_connections", "listener", NULL, 32, NONE,                   \
        "Connections now")                                                                         \
    ROW(SMTP_TURNED_AWAY_TOTAL, COUNTER, "smtp_turned_away_total", "reason", NULL, 16, NONE,       \
        "Connections that were refused before any mail")                                           \
    ROW(MESSAGES_TOTAL, COUNTER, "messages_total", "result", NULL, 8, NONE,                        \
        "Messages (LMTP: recipients) by the reply after their data; aborted: none, since the "     \
        "client left")                                                                             \
    ROW(RECIPIENTS_TOTAL, COUNTER, "recipients_total", "verdict", NULL, 8, NONE,                   \
        "Recipients of messages by what the rules said")                                           \
    ROW(MESSAGE_SIZE, HISTOGRAM, "message_size_bytes", NULL, NULL, 1, BYTES,                       \
        "Size of messages as they came")                                                           \
    ROW(ACCEPT_DURATION, HISTOGRAM, "accept_duration_seconds", NULL, NULL, 1, ACCEPT,              \
        "From the end of a message's data to its reply")                                           \
    ROW(MESSAGES_WAITING, GAUGE, "messages_waiting", NULL, NULL, 1, NONE,                          \
        "Messages between the end of their data and their reply")                                  \
    ROW(WORKERS, GAUGE, "workers", NULL, NULL, 1, NONE,                                            \
        "Threads that parse messages and run rules")                                               \
    ROW(WORKERS_BUSY, GAUGE, "workers_busy", NULL, NULL, 1, NONE, "Those that have a message now") \
    ROW(AUTH_RESULTS_TOTAL, COUNTER, "auth_results_total", "check", "result", 64, NONE,            \
        "Results of SPF, DKIM and DMARC")                                                          \
    ROW(SCANS_TOTAL, COUNTER, "scans_total", "result", NULL, 8, NONE,                              \
        "Messages that a scanner was asked for: its action, or \"error\"")                         \
    ROW(TLS_HANDSHAKES_TOTAL, COUNTER, "tls_handshakes_total", "result", NULL, 4, NONE,            \
        "TLS handshakes of clients: done, resumed, or failed")                                     \
    ROW(LOGINS_TOTAL, COUNTER, "logins_total", "result", NULL, 4, NONE,                            \
        "SMTP logins: right, wrong, or turned away after too many wrong ones")                     \
    ROW(DNS_LOOKUPS_TOTAL, COUNTER, "dns_lookups_total", "result", NULL, 8, NONE,                  \
        "Questions to DNS: found, none, failed, timeout, or from the cache (cached)")              \
    ROW(RULE_SECONDS_TOTAL, TIME, "rule_seconds_total", "file", NULL, 100, NONE,                   \
        "Time that the rules of a file took")                                                      \
    ROW(RULES_DURATION, HISTOGRAM, "rules_duration_seconds", NULL, NULL, 1, ACCEPT,                \
        "All rules for one recipient")                                                             \
    ROW(RULE_ERRORS_TOTAL, COUNTER, "rule_errors_total", "file", "kind", 100, NONE,                \
        "Rules that raised an error, or went over the time or the memory limit")                   \
    ROW(LOOKUPS_TOTAL, COUNTER, "lookups_total", "source", "result", 200, NONE,                    \
        "Addresses that rules asked of alias.http and alias.postgres, by where the answer came "   \
        "from")                                                                                    \
    ROW(LOOKUP_REQUESTS_TOTAL, COUNTER, "lookup_requests_total", "source", "result", 120, NONE,    \
        "Requests to applications and queries to databases that look-ups caused")                  \
    ROW(SPOOL_COMMIT_DURATION, HISTOGRAM, "spool_commit_duration_seconds", NULL, NULL, 1, ACCEPT,  \
        "A transaction of the spool, its sync included")                                           \
    ROW(SPOOL_ERRORS_TOTAL, COUNTER, "spool_errors_total", "op", NULL, 8, NONE,                    \
        "What the spool could not do")                                                             \
    ROW(ATTEMPTS_TOTAL, COUNTER, "attempts_total", "origin", "result", 11000, NONE,                \
        "Attempts to deliver by what came of them")                                                \
    ROW(REQUESTS_REPEATED_TOTAL, COUNTER, "requests_repeated_total", "origin", NULL, 1002, NONE,   \
        "Requests that were sent again, since their connection had ended")                         \
    ROW(ATTEMPT_DURATION, HISTOGRAM, "attempt_duration_seconds", "kind", NULL, 4, ATTEMPT,         \
        "From the beginning of an attempt to its end")                                             \
    ROW(ATTEMPT_SECONDS_TOTAL, TIME, "attempt_seconds_total", "origin", NULL, 1002, NONE,          \
        "Time that attempts took")                                                                 \
    ROW(DELIVERIES_TOTAL, COUNTER, "deliveries_total", "kind", "result", 16, NONE,                 \
        "Deliveries that ended: delivered, or failed for good")                                    \
    ROW(DELIVERY_LATENCY, HISTOGRAM, "delivery_latency_seconds", "kind", NULL, 4, LATENCY,         \
        "From a message's acceptance to its delivery")                                             \
    ROW(DELIVERIES_IN_FLIGHT, GAUGE, "deliveries_in_flight", NULL, NULL, 1, NONE,                  \
        "Attempts under way")                                                                      \
    ROW(RULE_ANSWERS_TOTAL, COUNTER, "rule_answers_total", "file", NULL, 100, NONE,                \
        "Recipients that the rules of a file decided for")                                         \
    ROW(SPOOL_DELIVERIES, GAUGE, "spool_deliveries", "state", NULL, 4, NONE,                       \
        "Deliveries in the spool")                                                                 \
    ROW(SPOOL_OLDEST, GAUGE, "spool_oldest_waiting_seconds", NULL, NULL, 1, NONE,                  \
        "Since when the oldest one waits")                                                         \
    ROW(SPOOL_OLDEST_TRANSACTION, GAUGE, "spool_oldest_transaction_seconds", NULL, NULL, 1, NONE,  \
        "PostgreSQL: how long the oldest transaction of another has been open, which keeps what "  \
        "was deleted since from being cleared away")                                               \
    ROW(SPOOL_OVERDUE, GAUGE, "spool_overdue_seconds", NULL, NULL, 1, NONE,                        \
        "By how much the server itself is late with the next one of an origin that is not held")   \
    ROW(SPOOL_MAX, GAUGE, "spool_max_bytes", NULL, NULL, 1, NONE, "spool.max_size; 0: no limit")   \
    ROW(SPOOL_FREE, GAUGE, "spool_free_bytes", NULL, NULL, 1, NONE,                                \
        "Room on the file system of the spool")                                                    \
    ROW(SPOOL_MIN_FREE, GAUGE, "spool_min_free_bytes", NULL, NULL, 1, NONE, "spool.min_free")      \
    ROW(SPOOL_BYTES, GAUGE, "spool_bytes", NULL, NULL, 1, NONE,                                    \
        "What the spool takes, as spool.max_size counts it")                                       \
    ROW(ORIGIN_WAITING, GAUGE, "origin_waiting", "origin", NULL, 1002, NONE,                       \
        "Deliveries that wait or are in flight, by origin")                                        \
    ROW(ORIGIN_IN_FLIGHT, GAUGE, "origin_in_flight", "origin", NULL, 1002, NONE,                   \
        "Attempts under way, by origin")                                                           \
    ROW(ORIGIN_OLDEST, GAUGE, "origin_oldest_seconds", "origin", NULL, 1002, NONE,                 \
        "Since when the oldest one of an origin waits")                                            \
    ROW(ORIGIN_HELD, GAUGE, "origin_held", "origin", NULL, 1002, NONE,                             \
        "1: the circuit breaker of the origin, or of a URL of it, is open")                        \
    ROW(CERTIFICATE_NOT_AFTER, GAUGE, "certificate_not_after_timestamp_seconds", "name", NULL, 64, \
        NONE, "When a certificate of tls.certificates expires")                                    \
    ROW(LOOP_LAG, GAUGE, "loop_lag_seconds", NULL, NULL, 1, NONE,                                  \
        "The longest that the event loop was late since the last scrape")                          \
    ROW(HISTORY_BYTES, GAUGE, "history_bytes", NULL, NULL, 1, NONE,                                \
        "What the history takes on disk")                                                          \
    ROW(HISTORY_LOST_TOTAL, COUNTER, "history_lost_total", "reason", NULL, 8, NONE,                \
        "What was not kept in the history")                                                        \
    ROW(CONFIG_RELOAD_SUCCESSFUL, GAUGE, "config_last_reload_successful", NULL, NULL, 1, NONE,     \
        "0: the last reload failed, and the server runs on with what it had")                      \
    ROW(CONFIG_RELOAD_TIMESTAMP, GAUGE, "config_last_reload_timestamp_seconds", NULL, NULL, 1,     \
        NONE, "When the configuration and the rules that run were loaded")                         \
    ROW(RULES, GAUGE, "rules", NULL, NULL, 1, NONE, "Rules that are loaded")                       \
    ROW(ALIASES, GAUGE, "aliases", NULL, NULL, 1, NONE, "Addresses of aliases in the rules")       \
    ROW(LOG_SUPPRESSED_TOTAL, COUNTER, "log_suppressed_total", "event", NULL, 64, NONE,            \
        "Lines of the log that log_limit kept back")

#define METRIC_ENUM(id, type, name, label, label2, most, buckets, help) METRIC_##id,
enum metric { METRICS(METRIC_ENUM) METRIC_COUNT };
#undef METRIC_ENUM

/* For the macros below. `values`: the labels', as many as the metric has, and copied. What there is no memory for is
 * not counted. */
void metric_add_labelled(enum metric metric, int64_t n, const char *const values[2]);
void metric_set_labelled(enum metric metric, double value, const char *const values[2]);
void metric_raise_labelled(enum metric metric, double value, const char *const values[2]);
void metric_observe_labelled(enum metric metric, double value, const char *const values[2]);

/* A counter or a gauge goes up by n (METRIC_TIME: microseconds); a gauge's may be negative. */
#define metric_add(metric, n, ...)                                                                 \
    metric_add_labelled(metric, n, (const char *const[3]){__VA_ARGS__ __VA_OPT__(, ) NULL})
/* A gauge's value. */
#define metric_set(metric, value, ...)                                                             \
    metric_set_labelled(metric, value, (const char *const[3]){__VA_ARGS__ __VA_OPT__(, ) NULL})
/* The same where it is more than what is there: the most of several that count as "other". */
#define metric_raise(metric, value, ...)                                                           \
    metric_raise_labelled(metric, value, (const char *const[3]){__VA_ARGS__ __VA_OPT__(, ) NULL})
/* A value of a histogram, in seconds or bytes. */
#define metric_observe(metric, value, ...)                                                         \
    metric_observe_labelled(metric, value, (const char *const[3]){__VA_ARGS__ __VA_OPT__(, ) NULL})

/* The value of a counter or gauge now; 0 where that series is not there. */
double metric_value(enum metric metric, const char *value, const char *value2);
/* Of all its series together; a histogram's is that of its values, and metric_observations() says how many. */
double metric_sum(enum metric metric);
int64_t metric_observations(enum metric metric);

/* Calls each() for every series of a metric with one label. */
void metric_each(enum metric metric, void (*each)(void *context, const char *value, double number),
                 void *context);

/* So many origins have series of their own, 1 to METRIC_ORIGINS_MAX; more are "other". Those that have them keep them.
 * Any thread. */
void metrics_limit_origins(unsigned most);

/* All of a metric's series go: gauges of things that may be no longer there, before they are set again. Values
 * only: a series that is not set again is not written. */
void metric_clear(enum metric metric);

/* The text format of Prometheus, version 0.0.4: allocated, NUL-terminated, the caller's to free; NULL: no
 * memory. */
char *metrics_text(size_t *size);

#endif
