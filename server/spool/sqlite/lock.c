#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 4096

/* A name in a folder lasts once the folder is synced. */
static int sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int code = fsync(fd) == 0 ? 0 : -errno;
    close(fd);
    return code;
}

static int make_folder(const char *path, struct error *err)
{
    if (mkdir(path, 0700) != 0) {
        if (errno != EEXIST)
            return error_set(err, -errno, "%s: cannot make the folder: %s", path, strerror(errno));
        return 0;
    }
    char parent[PATH_SIZE];
    snprintf(parent, sizeof parent, "%s/..", path);
    int code = sync_folder(parent);
    if (code != 0)
        return error_set(err, code, "%s: %s", parent, strerror(-code));
    return 0;
}

static int refuse(const char *directory, int fd, struct error *err)
{
    char pid[16] = "";
    ssize_t size = pread(fd, pid, sizeof pid - 1, 0);
    if (size <= 0 || atoi(pid) <= 0)
        return error_set(err, -EBUSY, "%s: another mxhook works on this spool", directory);
    return error_set(err, -EBUSY, "%s: another mxhook works on this spool (process %d)", directory,
                     atoi(pid));
}

static void write_pid(int fd)
{
    char pid[16];
    int size = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    /* Only for the message to a second process: nothing depends on it. */
    if (ftruncate(fd, 0) == 0 && pwrite(fd, pid, (size_t)size, 0) != size)
        return;
}

int spool_lock(const char *directory, int *lock, struct error *err)
{
    char path[PATH_SIZE];
    if ((size_t)snprintf(path, sizeof path, "%s/bodies", directory) >= sizeof path - 8)
        return error_set(err, -ENAMETOOLONG, "%s: the name is too long", directory);
    int code = make_folder(directory, err);
    if (code == 0)
        code = make_folder(path, err);
    if (code != 0)
        return code;
    snprintf(path, sizeof path, "%s/lock", directory);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(err, -errno, "%s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        code = errno == EWOULDBLOCK ? refuse(directory, fd, err)
                                    : error_set(err, -errno, "%s: %s", path, strerror(errno));
        close(fd);
        return code;
    }
    write_pid(fd);
    *lock = fd;
    return 0;
}

void spool_unlock(int lock)
{
    if (lock >= 0)
        close(lock);
}
