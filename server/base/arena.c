#include "arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Blocks double from the first on: there are as many arenas as deliveries, and most hold little. With
 * malloc's own head and struct block, an eighth of a page, and a page. */
#define FIRST_BLOCK_SIZE 464u
#define BLOCK_SIZE       4064u
#define LARGE_SIZE       (BLOCK_SIZE / 4) /* what has more gets a block of its own */
#define ALIGNMENT        _Alignof(max_align_t)

struct block {
    struct block *next;
    size_t used, size;
    _Alignas(max_align_t) char bytes[];
};

struct arena {
    struct block *blocks; /* the one in use first */
};

static struct block *block_new(size_t size)
{
    struct block *block = malloc(sizeof *block + size);
    if (block) {
        block->used = 0;
        block->size = size;
    }
    return block;
}

struct arena *arena_new(void)
{
    struct block *block = block_new(FIRST_BLOCK_SIZE);
    if (!block)
        return NULL;
    block->next = NULL;
    struct arena *arena = (struct arena *)block->bytes;
    block->used = (sizeof *arena + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    arena->blocks = block;
    return arena;
}

void arena_free(struct arena *arena)
{
    /* The arena itself lives in one of its blocks: it is read once, before the first is freed. */
    for (struct block *b = arena ? arena->blocks : NULL, *next; b; b = next) {
        next = b->next;
        free(b);
    }
}

static size_t next_size(const struct block *last, size_t size)
{
    if (size > LARGE_SIZE)
        return size;
    return last->size < BLOCK_SIZE / 2 && size <= 2 * last->size ? 2 * last->size : BLOCK_SIZE;
}

static void *take(struct arena *arena, size_t size, size_t alignment)
{
    struct block *block = arena->blocks;
    size_t at = (block->used + alignment - 1) & ~(alignment - 1);
    if (at > block->size || size > block->size - at) {
        struct block *fresh = block_new(next_size(block, size));
        if (!fresh)
            return NULL;
        if (size > LARGE_SIZE) { /* a large one of its own: go on filling the current block */
            fresh->next = block->next;
            block->next = fresh;
        } else {
            fresh->next = block;
            arena->blocks = fresh;
        }
        block = fresh;
        at = 0;
    }
    block->used = at + size;
    return block->bytes + at;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    return size <= SIZE_MAX / 2 ? take(arena, size, ALIGNMENT) : NULL;
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
    char *copy = length < SIZE_MAX / 2 ? take(arena, length + 1, 1) : NULL;
    if (copy) {
        memcpy(copy, text, length);
        copy[length] = 0;
    }
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_strndup(arena, text, strlen(text));
}
