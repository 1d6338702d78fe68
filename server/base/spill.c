#include "spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "write_all.h"

#define FIRST_CAPACITY 4096u

struct spill {
    atomic_uint references;
    char *bytes; /* NULL once in a file */
    size_t capacity;
    uint64_t size;
    int fd;          /* -1 while in memory */
    char *directory; /* where a file would be; NULL: it never comes to one */
    char *name;      /* NULL: unlinked at once */
    int failed;      /* the errno that ended the writing */
    uint64_t memory_limit, limit;
    uint64_t min_free, next_look; /* by the file's size */
};

static struct spill *spill_alloc(void)
{
    struct spill *spill = calloc(1, sizeof *spill);
    if (spill) {
        atomic_init(&spill->references, 1);
        spill->fd = -1;
        spill->memory_limit = SPILL_THRESHOLD;
        spill->limit = UINT64_MAX;
    }
    return spill;
}

const char *spill_temporary_directory(void)
{
    const char *directory = getenv("TMPDIR");
    return directory && *directory ? directory : "/tmp";
}

struct spill *spill_new(const char *dir, const char *name)
{
    struct spill *spill = spill_alloc();
    if (!spill)
        return NULL;
    spill->directory = strdup(dir);
    spill->name = name ? strdup(name) : NULL;
    if (!spill->directory || (name && !spill->name)) {
        spill_free(spill);
        return NULL;
    }
    return spill;
}

int spill_open(struct spill **out, const char *path)
{
    struct spill *spill = spill_alloc();
    if (!spill)
        return -ENOMEM;
    struct stat st;
    const char *slash = strrchr(path, '/');
    spill->name = strdup(slash ? slash + 1 : path);
    spill->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (!spill->name || spill->fd < 0 || fstat(spill->fd, &st) != 0) {
        int code = spill->name ? -errno : -ENOMEM;
        spill_free(spill);
        return code;
    }
    spill->size = (uint64_t)st.st_size;
    *out = spill;
    return 0;
}

struct spill *spill_from_bytes(const void *bytes, size_t size)
{
    struct spill *spill = spill_alloc();
    if (!spill)
        return NULL;
    spill->bytes = malloc(size ? size : 1);
    if (!spill->bytes) {
        spill_free(spill);
        return NULL;
    }
    memcpy(spill->bytes, bytes, size);
    spill->size = spill->capacity = size;
    return spill;
}

struct spill *spill_ref(struct spill *spill)
{
    atomic_fetch_add_explicit(&spill->references, 1, memory_order_relaxed);
    return spill;
}

void spill_free(struct spill *spill)
{
    if (!spill || atomic_fetch_sub_explicit(&spill->references, 1, memory_order_acq_rel) > 1)
        return;
    if (spill->fd >= 0)
        close(spill->fd);
    free(spill->bytes);
    free(spill->directory);
    free(spill->name);
    free(spill);
}

static int make_file(struct spill *spill)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s", spill->directory,
                     spill->name ? spill->name : SPILL_PREFIX "XXXXXX");
    if (n < 0 || (size_t)n >= sizeof path)
        return -ENAMETOOLONG;
    if (spill->name) {
        spill->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        return spill->fd < 0 ? -errno : 0;
    }
    spill->fd = mkostemp(path, O_CLOEXEC);
    if (spill->fd < 0)
        return -errno;
    unlink(path);
    return 0;
}

static int move_to_file(struct spill *spill)
{
    int code = make_file(spill);
    if (code == 0)
        code = write_all(spill->fd, spill->bytes, spill->size);
    if (code != 0)
        return code;
    free(spill->bytes);
    spill->bytes = NULL;
    spill->capacity = 0;
    return 0;
}

static int reserve(struct spill *spill, size_t needed)
{
    if (needed <= spill->capacity)
        return 0;
    size_t capacity = spill->capacity ? spill->capacity : FIRST_CAPACITY;
    while (capacity < needed)
        capacity *= 2;
    char *grown = realloc(spill->bytes, capacity);
    if (!grown)
        return -ENOMEM;
    spill->bytes = grown;
    spill->capacity = capacity;
    return 0;
}

/* Before so many bytes are written to the file: would the disk keep what it must? */
static int look_for_room(struct spill *spill, size_t size)
{
    struct statvfs disk;
    if (spill->min_free == 0 || spill->size + size <= spill->next_look)
        return 0;
    spill->next_look = spill->size + size + SPILL_ROOM_STEP;
    if (fstatvfs(spill->fd, &disk) != 0)
        return 0; /* writing will tell */
    uint64_t left = (uint64_t)disk.f_bavail * disk.f_frsize;
    return left >= spill->min_free && left - spill->min_free >= size ? 0 : -ENOSPC;
}

static int append(struct spill *spill, const char *bytes, size_t size)
{
    if (spill->fd < 0 && spill->size + size > spill->memory_limit && spill->directory) {
        int code = move_to_file(spill);
        if (code != 0)
            return code;
    }
    if (spill->fd >= 0) {
        int code = look_for_room(spill, size);
        return code == 0 ? write_all(spill->fd, bytes, size) : code;
    }
    int code = reserve(spill, spill->size + size);
    if (code == 0)
        memcpy(spill->bytes + spill->size, bytes, size);
    return code;
}

int spill_write(struct spill *spill, const void *bytes, size_t size)
{
    if (spill->failed || size == 0)
        return spill->failed;
    spill->failed = size > spill->limit - spill->size ? -EFBIG : append(spill, bytes, size);
    if (spill->failed == 0)
        spill->size += size;
    return spill->failed;
}

void spill_bound(struct spill *spill, uint64_t memory, uint64_t total)
{
    spill->memory_limit = memory;
    spill->limit = total;
}

void spill_keep_free(struct spill *spill, uint64_t min_free)
{
    spill->min_free = min_free;
}

void spill_trim(struct spill *spill)
{
    char *trimmed =
        spill->bytes && spill->size > 0 ? realloc(spill->bytes, (size_t)spill->size) : NULL;
    if (!trimmed)
        return;
    spill->bytes = trimmed;
    spill->capacity = (size_t)spill->size;
}

int spill_sync(struct spill *spill)
{
    if (spill->fd < 0)
        return 0;
    if (fdatasync(spill->fd) != 0)
        return -errno;
    if (!spill->name || !spill->directory)
        return 0;
    int directory = open(spill->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return -errno;
    int code = fsync(directory) == 0 ? 0 : -errno;
    close(directory);
    return code;
}

void spill_unlink(struct spill *spill)
{
    char path[4096];
    if (spill->fd < 0 || !spill->name || !spill->directory)
        return;
    snprintf(path, sizeof path, "%s/%s", spill->directory, spill->name);
    unlink(path);
}

uint64_t spill_size(const struct spill *spill)
{
    return spill->size;
}

const char *spill_memory(const struct spill *spill)
{
    if (spill->fd >= 0)
        return NULL;
    return spill->bytes ? spill->bytes : "";
}

int spill_fd(const struct spill *spill)
{
    return spill->fd;
}

const char *spill_name(const struct spill *spill)
{
    return spill->fd >= 0 ? spill->name : NULL;
}

ssize_t spill_read(const struct spill *spill, uint64_t offset, void *buffer, size_t size)
{
    if (offset >= spill->size)
        return 0;
    if (size > spill->size - offset)
        size = (size_t)(spill->size - offset);
    if (spill->fd < 0) {
        memcpy(buffer, spill->bytes + offset, size);
        return (ssize_t)size;
    }
    ssize_t n;
    do
        n = pread(spill->fd, buffer, size, (off_t)offset);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}
