/*
 * limits.h - how much each client address, and each network around one, has of us.
 *
 * network      what counts as one: /24 of IPv4, /64 of IPv6
 * site         what a customer of a provider may have of networks: /48 of IPv6
 * entry        what is known of an address or a network
 *
 * Connections are counted while they are open. Messages are counted by a bucket that holds
 * access.messages_per_minute of them and fills up evenly, so that no two minutes side by side let
 * more through. An entry is forgotten once it says no more than none would: no connection, and a
 * full bucket. Memory is bounded: entries with connections by smtp.max_connections, those without
 * by LIMITS_IDLE_MAX, past which the one idle for longest goes.
 *
 * One thread. Time is given, in ms, and never goes back.
 */
#ifndef MXHOOK_SMTP_LIMITS_H
#define MXHOOK_SMTP_LIMITS_H

#include <stdint.h>

#include "../config/config.h"
#include "../base/network.h"

#define LIMITS_IDLE_MAX 10000 /* entries */

struct limits;

enum limits_answer {
    LIMITS_FINE,
    LIMITS_ADDRESS, /* too many connections from the address */
    LIMITS_NETWORK, /* too many connections from its network */
    LIMITS_SITE,    /* too many connections from its site */
    LIMITS_NO_MEMORY,
};

struct limits *limits_new(void);         /* NULL: no memory */
void limits_free(struct limits *limits); /* takes NULL */

/* LIMITS_FINE: the connection is counted, until limits_leave(). Else nothing is. */
enum limits_answer limits_enter(struct limits *limits, const struct access_config *access,
                                const struct ip_address *address, int64_t now_ms);
/* A connection that was counted is over. */
void limits_leave(struct limits *limits, const struct ip_address *address, int64_t now_ms);

/* False: the address has had its messages for now. True: one more is counted. For an address that
 * has a connection. */
bool limits_take_message(struct limits *limits, const struct access_config *access,
                         const struct ip_address *address, int64_t now_ms);

/* A message of the address begins, or ends, to be processed (DNS included): how many its network
 * has, limits_waiting() tells. For an address that has a connection. */
void limits_begin_waiting(struct limits *limits, const struct ip_address *address);
void limits_end_waiting(struct limits *limits, const struct ip_address *address);
size_t limits_waiting(struct limits *limits, const struct ip_address *address);

#endif
