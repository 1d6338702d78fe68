/*
 * arena.h - many small allocations that are freed as one.
 *
 * A message's strings live in its arena, so nobody frees them one by one. Not for use by two
 * threads at once.
 */
#ifndef MXHOOK_ARENA_H
#define MXHOOK_ARENA_H

#include <stddef.h>

struct arena;

struct arena *arena_new(void); /* NULL: no memory. Freed by arena_free(), which takes NULL. */
void arena_free(struct arena *arena); /* and all that was allocated in it */

/* Memory aligned for any type, not cleared; NULL where there is none. */
void *arena_alloc(struct arena *arena, size_t size);
/* Copies, NUL-terminated, close together; NULL where there is no memory. */
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t length);

#endif
