#include "keep.h"

#include <stdatomic.h>

static struct {
    _Atomic bool on;
    _Atomic int bodies;
    _Atomic bool subjects;
} keep;

bool history_is_on(void)
{
    return atomic_load_explicit(&keep.on, memory_order_relaxed);
}

enum history_bodies history_bodies(void)
{
    return (enum history_bodies)atomic_load_explicit(&keep.bodies, memory_order_relaxed);
}

bool history_subjects(void)
{
    return atomic_load_explicit(&keep.subjects, memory_order_relaxed);
}

void history_switch(bool on)
{
    atomic_store(&keep.on, on);
}

void history_keep(const struct history_config *config)
{
    atomic_store(&keep.bodies, config->bodies);
    atomic_store(&keep.subjects, config->subjects);
}
