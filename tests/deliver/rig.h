/*
 * rig.h - a real spool, deliver on a loop, and a receiver that answers as it is told: what the
 * tests of deliveries stand on.
 */
#ifndef MXHOOK_TESTS_DELIVER_RIG_H
#define MXHOOK_TESTS_DELIVER_RIG_H

#include "../spool/bench.h"

#include "deliver/deliver.h"
#include "receiver.h"

#define OK   "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
#define BUSY "HTTP/1.1 503 Busy\r\ncontent-length: 10\r\n\r\ntoo\nbusy\x01!"
#define GONE "HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"
#define MOVED                                                                                      \
    "HTTP/1.1 302 Found\r\nlocation: https://u:p@else.example/x?secret=1\r\n"                      \
    "content-length: 0\r\n\r\n"
#define STATE(expression) "SELECT " expression " FROM delivery"
#define FAILED            "SELECT count(*) FROM delivery WHERE due IS NULL"
#define COUNT             "SELECT count(*) FROM delivery"
/* Those that cost no attempt too. */
#define TRIES(compared) "SELECT count(*) " compared " FROM attempt"

struct rig {
    struct bench *bench;
    struct config *config;
    struct deliver *deliver;
    struct receiver *receiver;
    char url[64];
};

/* cmocka fixtures: *state is a struct rig with a spool; nothing is started. */
int rig_set_up(void **state);
int rig_tear_down(void **state);
#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

/* Starts deliver with these options of the configuration's `deliver`; or a receiver before it. */
void rig_start(struct rig *rig, const char *deliver_options);
void rig_start_with(struct rig *rig, const char *deliver_options, const struct answer *answers,
                    size_t count);
#define START(rig, options, ...)                                                                   \
    static const struct answer answers[] = {__VA_ARGS__};                                          \
    rig_start_with(rig, options, answers, sizeof answers / sizeof *answers)
/* Another configuration, as after a reload. */
void rig_configure(struct rig *rig, const char *deliver_options);
void rig_stop(struct rig *rig); /* deliver; the receiver and the spool stay */

/* Runs the loop until the query gives that number; two minutes at most, then the test fails. */
void rig_run_until(struct rig *rig, const char *sql, long long expected);
void rig_run_for(struct rig *rig, int ms);

/* As the server does: deliver looks when the spool tells of a change. */
void rig_wake_on_change(struct rig *rig);

/* Commits it and hands it to deliver, which owns it. */
void rig_post_delivery(struct rig *rig, struct delivery *delivery);
void rig_post(struct rig *rig, const char *id, const char *url);
/* So many of them, in one commit, to rig->url: stored, and in nobody's hand. */
void rig_store(struct rig *rig, int count);

/* Of which the head is in a file, for a delivery m-1; the caller's. */
struct payload *rig_large_payload(struct rig *rig, size_t tail_size);

/* A header of a request that was received, until the next call; NULL: there is none. */
const char *rig_header(const struct rig *rig, size_t request, const char *name);
/* One delivery has an error like this (SQL's LIKE). */
void rig_check_error(const struct rig *rig, const char *like);

#endif
