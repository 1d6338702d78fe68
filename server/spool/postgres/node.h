/*
 * node.h - that this node lives, and which others do.
 *
 * A lease is the node's, not the delivery's: rows name the node that has them in hand, and a node
 * that lives says so once a second (its beat). One whose beat nobody sees change for NODE_DEAD_MS of
 * the observer's own clock, while its own beats succeed, is dead: its row is removed and its
 * deliveries are released, with the due times that they had. Clocks are not compared.
 *
 * A number is used once: at each start, and each time that a node finds itself removed, it takes a
 * new one. While its own beats fail it begins no attempts, for it may be dead.
 *
 * A thread of its own, with a connection of its own.
 */
#ifndef MXHOOK_SPOOL_NODE_H
#define MXHOOK_SPOOL_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../base/error.h"

#define NODE_BEAT_MS 1000
#define NODE_DEAD_MS 5000
#define NODE_SURE_MS 4000 /* after the last beat that went well: so long it is not dead yet */

struct node;
struct holds;

/* Registers, and begins to beat. */
int node_start(const char *conninfo, struct node **out, struct error *err);
void node_stop(struct node *node); /* says good-bye; takes NULL */

/* All of these: any thread. */
int node_id(const struct node *node);        /* of now */
bool node_is_sure(const struct node *node);  /* nobody can have declared it dead */
int node_live(const struct node *node);      /* nodes that live, this one included */
bool node_take_released(struct node *node);  /* something was released since the last call */
struct holds *node_holds(struct node *node); /* what was seen at its last beat */
/* That it is not sure, and why, cut to `size`: for the log. */
void node_tell_error(struct node *node, char *text, size_t size);

#endif
