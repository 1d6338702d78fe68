/*
 * record.c - a preload that writes down all that a process does to the files of one folder.
 *
 * power_loss_test.py builds from it what a disk could hold after the power failed at any moment.
 * MXHOOK_RECORD=FILE gets the record, MXHOOK_RECORD_UNDER=FOLDER (absolute) says of what. Calls are
 * made one at a time, and stand in the record in that order, as lines:
 *
 *   C inode path      a file was created            M path     a folder was made
 *   W inode offset n  n bytes follow this line      U path     a file was removed
 *   T inode size      its size was set              S inode    a file was synced
 *   D path            a folder was synced
 *   A id              "queued as id" is about to be sent to a client
 *   P id              a request with that webhook-id is about to be sent
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 4096

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int record = -1;
static const char *under;
static unsigned long inodes[FDS]; /* of files in the folder, by descriptor; 0: another */

#define NEXT(name)                                                                                 \
    ({                                                                                             \
        static __typeof__(&name) next_;                                                            \
        if (!next_)                                                                                \
            next_ = (__typeof__(&name))dlsym(RTLD_NEXT, #name);                                    \
        next_;                                                                                     \
    })

static void put(const void *bytes, size_t size)
{
    if (syscall(SYS_write, record, bytes, size) != (long)size)
        abort();
}

static void __attribute__((format(printf, 1, 2))) line(const char *format, ...)
{
    char text[4200];
    va_list list;
    va_start(list, format);
    int size = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    put(text, (size_t)size);
}

/* The path within the folder, or NULL. SQLite's -shm is memory that is shared, and nothing else. */
static const char *inner(const char *path)
{
    size_t size = under ? strlen(under) : 0;
    if (record < 0 || size == 0 || strncmp(path, under, size) != 0)
        return NULL;
    const char *end = path + strlen(path);
    return end - path > 4 && strcmp(end - 4, "-shm") == 0 ? NULL : path + size;
}

static unsigned long inode_of(int fd)
{
    return fd >= 0 && fd < FDS ? inodes[fd] : 0;
}

static void opened(int fd, const char *path, bool created, bool emptied)
{
    struct stat st;
    if (fd < 0 || fd >= FDS || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    inodes[fd] = st.st_ino;
    if (created)
        line("C %lu %s\n", inodes[fd], inner(path));
    else if (emptied)
        line("T %lu 0\n", inodes[fd]);
}

static int open_recorded(const char *path, int flags, mode_t mode)
{
    if (!inner(path))
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    pthread_mutex_lock(&mutex);
    bool there = access(path, F_OK) == 0;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    opened(fd, path, !there, flags & O_TRUNC);
    pthread_mutex_unlock(&mutex);
    return fd;
}

int open(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = flags & O_CREAT ? va_arg(list, mode_t) : 0;
    va_end(list);
    return open_recorded(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = flags & O_CREAT ? va_arg(list, mode_t) : 0;
    va_end(list);
    return open_recorded(path, flags, mode);
}

int mkostemp(char *template, int flags)
{
    pthread_mutex_lock(&mutex);
    int fd = NEXT(mkostemp)(template, flags);
    if (inner(template))
        opened(fd, template, true, false);
    pthread_mutex_unlock(&mutex);
    return fd;
}

int close(int fd)
{
    if (fd >= 0 && fd < FDS)
        inodes[fd] = 0;
    return (int)syscall(SYS_close, fd);
}

/* What is told to a client or a receiver is noted before it is sent. */
static void note_words(const char *bytes, size_t size)
{
    static const struct {
        const char *word, *kind;
    } words[] = {{"queued as ", "A"}, {"webhook-id: ", "P"}};
    for (int i = 0; i < 2; i++) {
        const char *from = bytes, *end = bytes + size;
        size_t length = strlen(words[i].word);
        while (from < end && (from = memmem(from, (size_t)(end - from), words[i].word, length))) {
            from += length;
            line("%s %.*s\n", words[i].kind, (int)strcspn(from, " \r\n"), from);
        }
    }
}

static ssize_t write_recorded(int fd, const void *bytes, size_t size, off_t offset, bool at)
{
    unsigned long inode = inode_of(fd);
    if (record < 0 || (!inode && at))
        return (ssize_t)syscall(SYS_pwrite64, fd, bytes, size, offset);
    if (!inode) {
        struct stat st;
        if (fd != STDERR_FILENO && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode)) {
            pthread_mutex_lock(&mutex);
            note_words(bytes, size);
            pthread_mutex_unlock(&mutex);
        }
        return (ssize_t)syscall(SYS_write, fd, bytes, size);
    }
    pthread_mutex_lock(&mutex);
    if (!at)
        offset = lseek(fd, 0, SEEK_CUR);
    ssize_t n = at ? (ssize_t)syscall(SYS_pwrite64, fd, bytes, size, offset)
                   : (ssize_t)syscall(SYS_write, fd, bytes, size);
    if (n > 0) {
        line("W %lu %lld %zd\n", inode, (long long)offset, n);
        put(bytes, (size_t)n);
    }
    pthread_mutex_unlock(&mutex);
    return n;
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    return write_recorded(fd, bytes, size, 0, false);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    return write_recorded(fd, bytes, size, offset, true);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset)
{
    return write_recorded(fd, bytes, size, offset, true);
}

/* Of sockets only: no file of mxhook's or SQLite's is written so. */
ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    if (inode_of(fd))
        abort();
    pthread_mutex_lock(&mutex);
    for (int i = 0; record >= 0 && i < count; i++)
        note_words(pieces[i].iov_base, pieces[i].iov_len);
    pthread_mutex_unlock(&mutex);
    return NEXT(writev)(fd, pieces, count);
}

ssize_t send(int fd, const void *bytes, size_t size, int flags)
{
    pthread_mutex_lock(&mutex);
    if (record >= 0)
        note_words(bytes, size);
    pthread_mutex_unlock(&mutex);
    return NEXT(send)(fd, bytes, size, flags);
}

static int sync_recorded(int fd, long call)
{
    pthread_mutex_lock(&mutex);
    int code = (int)syscall(call, fd), error = errno;
    char link[40], path[4096];
    struct stat st;
    if (record >= 0 && code == 0 && inode_of(fd)) {
        line("S %lu\n", inode_of(fd));
    } else if (record >= 0 && code == 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t size = readlink(link, path, sizeof path - 1);
        path[size > 0 ? size : 0] = 0;
        if (strncmp(path, under, strlen(under)) == 0)
            line("D %s\n", path + strlen(under));
        else if (strncmp(under, path, strlen(path)) == 0)
            line("D ..\n"); /* the folder that the folder is in */
    }
    pthread_mutex_unlock(&mutex);
    errno = error;
    return code;
}

int fsync(int fd)
{
    return sync_recorded(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_recorded(fd, SYS_fdatasync);
}

static int truncate_recorded(int fd, off_t size)
{
    pthread_mutex_lock(&mutex);
    int code = (int)syscall(SYS_ftruncate, fd, size);
    if (record >= 0 && code == 0 && inode_of(fd))
        line("T %lu %lld\n", inode_of(fd), (long long)size);
    pthread_mutex_unlock(&mutex);
    return code;
}

int ftruncate(int fd, off_t size)
{
    return truncate_recorded(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    return truncate_recorded(fd, size);
}

int unlink(const char *path)
{
    pthread_mutex_lock(&mutex);
    int code = (int)syscall(SYS_unlink, path);
    if (code == 0 && inner(path))
        line("U %s\n", inner(path));
    pthread_mutex_unlock(&mutex);
    return code;
}

/* Of orphans at the start; the recorded run has none. */
int mkdir(const char *path, mode_t mode)
{
    pthread_mutex_lock(&mutex);
    int code = (int)syscall(SYS_mkdir, path, mode);
    if (code == 0 && inner(path))
        line("M %s\n", inner(path));
    pthread_mutex_unlock(&mutex);
    return code;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("MXHOOK_RECORD");
    under = getenv("MXHOOK_RECORD_UNDER");
    if (path && under)
        record = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                              0600);
    unsetenv("LD_PRELOAD");
}
