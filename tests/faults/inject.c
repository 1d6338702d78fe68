/*
 * inject.c - a preload (LD_PRELOAD) that makes one call of the C library fail, or ends the process
 * there.
 *
 * kind   a group of calls that fail for the same reasons: see `kinds`
 * site   where a call comes from: a hash of the call stack, the same in every run
 *
 * What it does stands in the environment:
 *   MXHOOK_INJECT_SITES=FILE   writes a line for each site when it is first reached:
 *                              kind, site, the call stack as module+offset
 *   MXHOOK_INJECT=KIND:SITE:OCCURRENCE:ERRNO
 *                              the call of that kind at that site (in hex; 0: wherever) fails, for
 * the so-many-th time that it is reached; ERRNO is a number, or one of kill   the process is killed
 * before the call after  ... after it torn   ... after half of what it was to write
 *   MXHOOK_INJECT_FIRED=FILE   gets the call stack when that happens; made at the start, since the process may have
 *                              confined itself by then
 *
 * The kind `disk` stands for all that change a file, whatever it is.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind {
    MALLOC,
    OPEN,
    WRITE_FILE,
    WRITE_SOCKET,
    WRITE_LOG, /* stderr */
    READ_FILE,
    READ_SOCKET,
    SYNC,
    UNLINK,
    TRUNCATE,
    MKDIR,
    ACCEPT,
    CONNECT,
    SOCKET,
    THREAD,
    EPOLL,
    MMAP,
    KIND_COUNT,
    DISK = KIND_COUNT, /* of MXHOOK_INJECT only */
};

static const char *const kinds[] = {"malloc",  "open",   "write",  "send",     "log",   "read",
                                    "receive", "sync",   "unlink", "truncate", "mkdir", "accept",
                                    "connect", "socket", "thread", "epoll",    "mmap",  "disk"};

enum action { FAIL, KILL, KILL_AFTER, TEAR };

#define DEPTH     6 /* innermost frames that tell sites apart */
#define SITES_MAX 65536

static struct {
    bool on;
    enum kind kind;
    uint64_t site; /* 0: any */
    long occurrence;
    enum action action;
    int error;
} fault;

static int sites_fd = -1, fired_fd = -1;
static _Atomic uint64_t sites[SITES_MAX]; /* open addressing: those that were written down */
static _Atomic long reached;              /* calls that fit the fault */
static bool ready;
static __thread bool inside; /* calls that this file makes do not count */

/* The C library's own. */
#define NEXT(name)                                                                                 \
    ({                                                                                             \
        static __typeof__(&name) next_;                                                            \
        if (!next_)                                                                                \
            next_ = (__typeof__(&name))next_of(#name);                                             \
        next_;                                                                                     \
    })

static void *next_of(const char *name)
{
    bool was = inside;
    inside = true;
    void *function = dlsym(RTLD_NEXT, name);
    inside = was;
    return function;
}

/* ---- Sites ---- */

/* Modules lie elsewhere in each run; offsets in them do not. */
static uint64_t site_of(void **stack, int depth)
{
    uint64_t hash = 14695981039346656037ull;
    for (int i = 0; i < depth; i++) {
        struct dl_find_object found;
        uint64_t offset = 0;
        if (_dl_find_object(stack[i], &found) == 0)
            offset = (uint64_t)((char *)stack[i] - (char *)found.dlfo_link_map->l_addr);
        hash = (hash ^ offset) * 1099511628211ull;
    }
    return hash ? hash : 1;
}

static void write_stack(int fd, const char *kind, uint64_t site, void **stack, int depth)
{
    char line[4096];
    int size = snprintf(line, sizeof line, "%s %016llx", kind, (unsigned long long)site);
    for (int i = 0; i < depth && size < (int)sizeof line - 300; i++) {
        struct dl_find_object found;
        if (_dl_find_object(stack[i], &found) != 0)
            continue;
        const char *name = found.dlfo_link_map->l_name;
        const char *slash = strrchr(name, '/');
        size += snprintf(line + size, sizeof line - (size_t)size, " %.60s+0x%lx",
                         slash ? slash + 1 : "mxhook",
                         (unsigned long)((char *)stack[i] - (char *)found.dlfo_link_map->l_addr));
    }
    line[size++] = '\n';
    syscall(SYS_write, fd, line, size);
}

static bool is_new(uint64_t site)
{
    for (size_t i = site % SITES_MAX, n = 0; n < SITES_MAX; i = (i + 1) % SITES_MAX, n++) {
        uint64_t empty = 0;
        if (atomic_compare_exchange_strong_explicit(&sites[i], &empty, site, memory_order_relaxed,
                                                    memory_order_relaxed))
            return true;
        if (empty == site)
            return false;
    }
    return false;
}

/* ---- The fault ---- */

static bool fits(enum kind kind)
{
    if (fault.kind != DISK)
        return fault.kind == kind;
    return kind == WRITE_FILE || kind == SYNC || kind == UNLINK || kind == TRUNCATE ||
           kind == MKDIR;
}

static void die(void)
{
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;)
        pause();
}

/* Is this the call? Then errno is set, or (KILL) there is no return. */
static bool strikes(enum kind kind)
{
    if (!ready || inside)
        return false;
    inside = true;
    bool strike = false;
    void *stack[DEPTH + 2];
    if (sites_fd >= 0 || (fault.on && fits(kind))) {
        int depth = fault.on && fault.site == 0 && sites_fd < 0 ? 0 : backtrace(stack, DEPTH + 2);
        void **from = stack + 2; /* this function, and the wrapper */
        depth = depth > 2 ? depth - 2 : 0;
        uint64_t site = depth ? site_of(from, depth) ^ (uint64_t)kind << 56 : 0;
        if (sites_fd >= 0 && is_new(site))
            write_stack(sites_fd, kinds[kind], site, from, depth);
        if (fault.on && fits(kind) && (fault.site == 0 || fault.site == site))
            strike = atomic_fetch_add(&reached, 1) + 1 == fault.occurrence;
        if (strike && fired_fd >= 0) {
            if (depth == 0) {
                depth = backtrace(stack, DEPTH + 2) - 2;
                site = site_of(from, depth) ^ (uint64_t)kind << 56;
            }
            write_stack(fired_fd, kinds[kind], site, from, depth);
        }
        if (strike && fault.action == KILL)
            die();
    }
    inside = false;
    if (strike && fault.action == FAIL)
        errno = fault.error;
    return strike;
}

/* ---- The calls ---- */

/* Before dlsym() has found malloc, it asks for some memory itself. */
static char early[1 << 16];
static size_t early_used;

static void *early_alloc(size_t size)
{
    void *memory = early + early_used;
    early_used += (size + 15) & ~15ull;
    if (early_used > sizeof early)
        abort();
    return memory;
}

static void *(*real_malloc)(size_t), *(*real_calloc)(size_t, size_t),
    *(*real_realloc)(void *, size_t);
static void (*real_free)(void *);

static bool find_malloc(void)
{
    static __thread bool finding;
    if (real_free)
        return true;
    if (finding)
        return false;
    finding = true;
    real_malloc = next_of("malloc");
    real_calloc = next_of("calloc");
    real_realloc = next_of("realloc");
    real_free = next_of("free");
    finding = false;
    return true;
}

void *malloc(size_t size)
{
    if (!find_malloc())
        return early_alloc(size);
    return strikes(MALLOC) ? NULL : real_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    if (!find_malloc())
        return early_alloc(count * size);
    return strikes(MALLOC) ? NULL : real_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    find_malloc();
    if ((char *)old >= early && (char *)old < early + sizeof early) {
        void *copy = real_malloc(size);
        return copy ? memcpy(copy, old, size) : NULL;
    }
    return strikes(MALLOC) ? NULL : real_realloc(old, size);
}

void free(void *memory)
{
    if ((char *)memory >= early && (char *)memory < early + sizeof early)
        return;
    if (find_malloc())
        real_free(memory);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    return strikes(MALLOC) ? ENOMEM : NEXT(posix_memalign)(out, alignment, size);
}

#define MODE_OF(flags)                                                                             \
    ({                                                                                             \
        mode_t mode_ = 0;                                                                          \
        if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                   \
            va_list list_;                                                                         \
            va_start(list_, flags);                                                                \
            mode_ = va_arg(list_, mode_t);                                                         \
            va_end(list_);                                                                         \
        }                                                                                          \
        mode_;                                                                                     \
    })

int open(const char *path, int flags, ...)
{
    mode_t mode = MODE_OF(flags);
    return strikes(OPEN) ? -1 : NEXT(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    mode_t mode = MODE_OF(flags);
    return strikes(OPEN) ? -1 : NEXT(open64)(path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
    mode_t mode = MODE_OF(flags);
    return strikes(OPEN) ? -1 : NEXT(openat)(folder, path, flags, mode);
}

FILE *fopen(const char *path, const char *mode)
{
    return strikes(OPEN) ? NULL : NEXT(fopen)(path, mode);
}

FILE *fopen64(const char *path, const char *mode)
{
    return strikes(OPEN) ? NULL : NEXT(fopen64)(path, mode);
}

int mkostemp(char *template, int flags)
{
    return strikes(OPEN) ? -1 : NEXT(mkostemp)(template, flags);
}

/* Pipes and eventfds do not fail as files and sockets do: they are skipped. */
static bool fd_strikes(int fd, enum kind file, enum kind sock)
{
    struct stat st;
    if (!ready || inside)
        return false;
    if (fd == STDERR_FILENO)
        return file == WRITE_FILE && strikes(WRITE_LOG);
    if (syscall(SYS_fstat, fd, &st) != 0)
        return false;
    if (S_ISREG(st.st_mode))
        return strikes(file);
    return S_ISSOCK(st.st_mode) && strikes(sock);
}

/* What becomes of a call that writes: all of it, half of it or nothing, and then perhaps the end.
 */
#define WRITE_CALL(fd, size, call)                                                                 \
    if (!fd_strikes(fd, WRITE_FILE, WRITE_SOCKET))                                                 \
        return call;                                                                               \
    if (fault.action == FAIL)                                                                      \
        return -1;                                                                                 \
    if (fault.action == TEAR)                                                                      \
        size /= 2;                                                                                 \
    (void)!call;                                                                                   \
    die();                                                                                         \
    return -1

ssize_t write(int fd, const void *bytes, size_t size)
{
    WRITE_CALL(fd, size, NEXT(write)(fd, bytes, size));
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    WRITE_CALL(fd, size, NEXT(pwrite)(fd, bytes, size, offset));
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset)
{
    WRITE_CALL(fd, size, NEXT(pwrite64)(fd, bytes, size, offset));
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    WRITE_CALL(fd, count, NEXT(writev)(fd, pieces, count));
}

ssize_t send(int fd, const void *bytes, size_t size, int flags)
{
    WRITE_CALL(fd, size, NEXT(send)(fd, bytes, size, flags));
}

ssize_t read(int fd, void *bytes, size_t size)
{
    return fd_strikes(fd, READ_FILE, READ_SOCKET) ? -1 : NEXT(read)(fd, bytes, size);
}

ssize_t pread(int fd, void *bytes, size_t size, off_t offset)
{
    return fd_strikes(fd, READ_FILE, READ_SOCKET) ? -1 : NEXT(pread)(fd, bytes, size, offset);
}

ssize_t pread64(int fd, void *bytes, size_t size, off64_t offset)
{
    return fd_strikes(fd, READ_FILE, READ_SOCKET) ? -1 : NEXT(pread64)(fd, bytes, size, offset);
}

ssize_t recv(int fd, void *bytes, size_t size, int flags)
{
    return fd_strikes(fd, READ_FILE, READ_SOCKET) ? -1 : NEXT(recv)(fd, bytes, size, flags);
}

#define CALL(kind, call)                                                                           \
    if (!strikes(kind))                                                                            \
        return call;                                                                               \
    if (fault.action == FAIL)                                                                      \
        return -1;                                                                                 \
    (void)!call;                                                                                   \
    die();                                                                                         \
    return -1

int fsync(int fd)
{
    CALL(SYNC, NEXT(fsync)(fd));
}

int fdatasync(int fd)
{
    CALL(SYNC, NEXT(fdatasync)(fd));
}

int unlink(const char *path)
{
    CALL(UNLINK, NEXT(unlink)(path));
}

int unlinkat(int folder, const char *path, int flags)
{
    CALL(UNLINK, NEXT(unlinkat)(folder, path, flags));
}

int ftruncate(int fd, off_t size)
{
    CALL(TRUNCATE, NEXT(ftruncate)(fd, size));
}

int ftruncate64(int fd, off64_t size)
{
    CALL(TRUNCATE, NEXT(ftruncate64)(fd, size));
}

int mkdir(const char *path, mode_t mode)
{
    CALL(MKDIR, NEXT(mkdir)(path, mode));
}

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    return strikes(ACCEPT) ? -1 : NEXT(accept4)(fd, address, size, flags);
}

int connect(int fd, const struct sockaddr *address, socklen_t size)
{
    return strikes(CONNECT) ? -1 : NEXT(connect)(fd, address, size);
}

int socket(int domain, int type, int protocol)
{
    return strikes(SOCKET) ? -1 : NEXT(socket)(domain, type, protocol);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument)
{
    return strikes(THREAD) ? errno : NEXT(pthread_create)(thread, attributes, run, argument);
}

int epoll_ctl(int fd, int operation, int of, struct epoll_event *event)
{
    return strikes(EPOLL) ? -1 : NEXT(epoll_ctl)(fd, operation, of, event);
}

void *mmap64(void *address, size_t size, int protection, int flags, int fd, off64_t offset)
{
    return strikes(MMAP) ? MAP_FAILED : NEXT(mmap64)(address, size, protection, flags, fd, offset);
}

void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    return strikes(MMAP) ? MAP_FAILED : NEXT(mmap)(address, size, protection, flags, fd, offset);
}

/* ---- The environment ---- */

static void read_fault(const char *text)
{
    char kind[16], action[16];
    unsigned long long site;
    if (sscanf(text, "%15[a-z]:%llx:%ld:%15s", kind, &site, &fault.occurrence, action) != 4)
        abort();
    fault.kind = 0;
    while (strcmp(kinds[fault.kind], kind) != 0)
        if (++fault.kind > DISK)
            abort();
    fault.site = site;
    fault.action = strcmp(action, "kill") == 0    ? KILL
                   : strcmp(action, "after") == 0 ? KILL_AFTER
                   : strcmp(action, "torn") == 0  ? TEAR
                                                  : FAIL;
    fault.error = atoi(action);
    fault.on = true;
}

static int open_log(const char *path)
{
    int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
    return path ? (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600) : -1;
}

__attribute__((constructor)) static void begin(void)
{
    void *stack[4];
    inside = true;
    find_malloc();
    backtrace(stack, 4); /* it loads libgcc when first called */
    const char *text = getenv("MXHOOK_INJECT");
    sites_fd = open_log(getenv("MXHOOK_INJECT_SITES"));
    fired_fd = open_log(getenv("MXHOOK_INJECT_FIRED"));
    if (text)
        read_fault(text);
    inside = false;
    ready = sites_fd >= 0 || fault.on;
}
