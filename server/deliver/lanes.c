#include "lanes.h"

#include <stdlib.h>
#include <string.h>

static struct map_key origin_name(const void *value)
{
    const struct origin *origin = value;
    return (struct map_key){origin->name, strlen(origin->name)};
}

static struct map_key lane_name(const void *value)
{
    const struct lane *lane = value;
    return (struct map_key){lane->name, strlen(lane->name)};
}

void lanes_init(struct lanes *lanes)
{
    *lanes = (struct lanes){.origins.key_of = origin_name, .lanes.key_of = lane_name};
    lanes->ring_end = &lanes->ring;
}

void lanes_free(struct lanes *lanes)
{
    while (lanes->oldest)
        lanes_forget(lanes, lanes->oldest);
    map_free(&lanes->lanes);
    map_free(&lanes->origins);
}

/* ---- Finding and making ---- */

static struct origin *origin_get(struct lanes *lanes, const char *name)
{
    size_t size = strlen(name);
    struct origin *origin = map_find(&lanes->origins, (struct map_key){name, size});
    if (origin || !(origin = calloc(1, sizeof *origin + size + 1)))
        return origin;
    memcpy(origin->name, name, size);
    origin->ring_end = &origin->ring;
    if (map_add(&lanes->origins, origin) == 0)
        return origin;
    free(origin);
    return NULL;
}

static void leave_ring(struct lanes *lanes, struct origin *origin)
{
    struct origin **link = &lanes->ring;
    while (*link && *link != origin)
        link = &(*link)->next;
    if (!*link)
        return;
    *link = origin->next;
    if (!*link)
        lanes->ring_end = link;
}

static void lane_leave_ring(struct lane *lane)
{
    struct lane **link = &lane->origin->ring;
    while (*link && *link != lane)
        link = &(*link)->next;
    if (!*link)
        return;
    *link = lane->next;
    if (!*link)
        lane->origin->ring_end = link;
}

static void origin_drop(struct lanes *lanes, struct origin *origin)
{
    if (origin->lanes > 0)
        return;
    if (origin->in_ring)
        leave_ring(lanes, origin);
    map_take(&lanes->origins, origin_name(origin));
    free(origin);
}

static void append_newest(struct lanes *lanes, struct lane *lane)
{
    lane->older = lanes->newest;
    lane->newer = NULL;
    if (lanes->newest)
        lanes->newest->newer = lane;
    else
        lanes->oldest = lane;
    lanes->newest = lane;
}

static void unlink_age(struct lanes *lanes, struct lane *lane)
{
    if (lane->older)
        lane->older->newer = lane->newer;
    else
        lanes->oldest = lane->newer;
    if (lane->newer)
        lane->newer->older = lane->older;
    else
        lanes->newest = lane->older;
}

static struct lane *lane_make(struct lanes *lanes, const char *url, const char *name)
{
    char origin_text[ORIGIN_SIZE];
    size_t size = strlen(name);
    struct lane *lane = calloc(1, sizeof *lane + size + 1);
    if (!lane)
        return NULL;
    memcpy(lane->name, name, size);
    lane->ready_end = &lane->ready;
    lane->key = lane_key(url);
    lane->origin_key = origin_key(url);
    lane->paused = pauses_find(lanes->pauses, lane->origin_key, lane->key);
    origin_of(url, origin_text);
    lane->origin = origin_get(lanes, origin_text);
    if (lane->origin && map_add(&lanes->lanes, lane) == 0) {
        lane->origin->lanes++;
        append_newest(lanes, lane);
        return lane;
    }
    if (lane->origin)
        origin_drop(lanes, lane->origin);
    free(lane);
    return NULL;
}

struct lane *lanes_get(struct lanes *lanes, const char *url)
{
    char name[LANE_SIZE];
    lane_of(url, name);
    struct lane *lane = map_find(&lanes->lanes, (struct map_key){name, strlen(name)});
    if (!lane)
        return lane_make(lanes, url, name);
    if (lane != lanes->newest) {
        unlink_age(lanes, lane);
        append_newest(lanes, lane);
    }
    return lane;
}

void lanes_pause(struct lanes *lanes, const struct pauses *pauses)
{
    lanes->pauses = pauses;
    for (struct lane *lane = lanes->oldest; lane; lane = lane->newer)
        lane->paused = pauses_find(pauses, lane->origin_key, lane->key);
}

/* ---- Forgetting ---- */

struct lane *lanes_surplus(const struct lanes *lanes)
{
    if (lanes->lanes.count <= LANES_MAX)
        return NULL;
    struct lane *lane = lanes->oldest;
    while (lane && lane->in_hand > 0)
        lane = lane->newer;
    return lane;
}

void lanes_forget(struct lanes *lanes, struct lane *lane)
{
    if (lane->in_ring)
        lane_leave_ring(lane);
    unlink_age(lanes, lane);
    map_take(&lanes->lanes, lane_name(lane));
    lane->origin->lanes--;
    origin_drop(lanes, lane->origin);
    free(lane);
}

/* ---- Turns ---- */

void lanes_queue_origin(struct lanes *lanes, struct origin *origin)
{
    if (origin->in_ring || !origin->ring)
        return;
    origin->in_ring = true;
    origin->next = NULL;
    *lanes->ring_end = origin;
    lanes->ring_end = &origin->next;
}

void lanes_queue(struct lanes *lanes, struct lane *lane)
{
    struct origin *origin = lane->origin;
    if (!lane->in_ring && lane->ready) {
        lane->in_ring = true;
        lane->next = NULL;
        *origin->ring_end = lane;
        origin->ring_end = &lane->next;
    }
    lanes_queue_origin(lanes, origin);
}

struct origin *lanes_next_origin(struct lanes *lanes)
{
    struct origin *origin = lanes->ring;
    if (!origin)
        return NULL;
    lanes->ring = origin->next;
    if (!lanes->ring)
        lanes->ring_end = &lanes->ring;
    origin->in_ring = false;
    return origin;
}

struct lane *lanes_next(struct origin *origin)
{
    struct lane *lane = origin->ring;
    if (!lane)
        return NULL;
    origin->ring = lane->next;
    if (!origin->ring)
        origin->ring_end = &origin->ring;
    lane->in_ring = false;
    return lane;
}
