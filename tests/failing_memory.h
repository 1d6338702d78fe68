/*
 * failing_memory.h - requests for memory that fail when a test says so.
 *
 * For one test program, which is linked with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup: our own calls come
 * here, those of shared libraries do not. Any thread's requests count.
 */
#ifndef MXHOOK_TESTS_FAILING_MEMORY_H
#define MXHOOK_TESTS_FAILING_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);

static struct {
    atomic_bool armed;
    bool lasting;        /* all that follow fail, too */
    atomic_long granted; /* requests that are still met */
    atomic_bool failed;
} memory;

/* From now on so many are met, and the next one fails. */
static void memory_fails_after(long requests)
{
    atomic_store(&memory.granted, requests);
    atomic_store(&memory.failed, false);
    atomic_store(&memory.armed, true);
}

/* Ends that, and says whether one failed. */
static bool memory_has_failed(void)
{
    atomic_store(&memory.armed, false);
    return atomic_load(&memory.failed);
}

static bool memory_fails(void)
{
    if (!atomic_load(&memory.armed))
        return false;
    long granted = atomic_fetch_sub(&memory.granted, 1);
    if (granted > 0 || (granted < 0 && !memory.lasting))
        return false;
    atomic_store(&memory.failed, true);
    return true;
}

void *__wrap_malloc(size_t size)
{
    return memory_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return memory_fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return memory_fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return memory_fails() ? NULL : __real_strdup(text);
}

#endif
