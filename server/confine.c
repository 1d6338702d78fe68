#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "confine_calls.h"
#include "spool/postgres/conninfo.h"

#define ABI_MIN     2 /* what is older cannot let files be linked and renamed between folders */
#define FOLDERS_MAX 256

#define READ   (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define SOCKET (LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE)
#define WRITE                                                                                      \
    (READ | SOCKET | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |               \
     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REFER |        \
     TRUNCATE)
#define OTHERS                                                                                     \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_FIFO |    \
     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)
#define TRUNCATE (1ull << 14) /* LANDLOCK_ACCESS_FS_TRUNCATE: ABI 3; Debian 12's header has none */

/* What may be read beneath, as links are resolved: set once, before the first thread. */
static struct {
    char *items[FOLDERS_MAX];
    size_t count;
    bool confined;
} folders;

/* What holds for a folder while the ruleset is made. */
struct folder {
    const char *path;
    uint64_t access;
    bool optional; /* not every machine has it */
};

struct making {
    int ruleset; /* -1: no Landlock; folders are noted only */
    uint64_t handled;
    struct error *err;
};

/* ---- Landlock ---- */

static int landlock_abi(void)
{
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static int note(const char *path)
{
    if (folders.count == FOLDERS_MAX)
        return -E2BIG;
    folders.items[folders.count] = realpath(path, NULL);
    if (!folders.items[folders.count])
        return -errno;
    folders.count++;
    return 0;
}

static int allow_opened(const struct making *making, int fd, uint64_t access)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -errno;
    if (!S_ISDIR(status.st_mode))
        access &= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | TRUNCATE;
    struct landlock_path_beneath_attr rule = {.allowed_access = access & making->handled,
                                              .parent_fd = fd};
    return syscall(SYS_landlock_add_rule, making->ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) ==
                   0
               ? 0
               : -errno;
}

static int allow(struct making *making, const struct folder *folder)
{
    int fd = open(folder->path, O_PATH | O_CLOEXEC);
    int code = fd < 0 ? -errno : 0;
    if (code == 0 && making->ruleset >= 0)
        code = allow_opened(making, fd, folder->access);
    if (code == 0 && (folder->access & LANDLOCK_ACCESS_FS_READ_FILE))
        code = note(folder->path);
    if (fd >= 0)
        close(fd);
    if (code == 0 || folder->optional)
        return 0;
    return error_set(making->err, code, "confine: %s: %s", folder->path, strerror(-code));
}

/* ---- What the configuration names ---- */

/* A file that the configuration names, and by which option. */
typedef int (*visit)(void *context, const char *option, const char *file);

/* A reference "file:/path" (deliver/reference.h). */
static int visit_reference(visit each, void *context, const char *option, const char *reference)
{
    bool file = reference && strncmp(reference, "file:", 5) == 0;
    return file ? each(context, option, reference + 5) : 0;
}

static int visit_profile(visit each, void *context, const struct destination *to)
{
    int code = visit_reference(each, context, "profiles", to->secret);
    for (size_t i = 0; i < to->header_count && code == 0; i++) {
        const char *equals = to->headers[i] + strcspn(to->headers[i], ":=");
        code = visit_reference(each, context, "profiles", *equals == '=' ? equals + 1 : NULL);
    }
    return code;
}

static int visit_files(const struct config *config, visit each, void *context)
{
    int code = each(context, "the configuration", config->path);
    for (size_t i = 0; i < config->tls.certificate_count && code == 0; i++) {
        code = each(context, "tls.certificates", config->tls.certificates[i].certificate);
        if (code == 0)
            code = each(context, "tls.certificates", config->tls.certificates[i].key);
    }
    if (code == 0 && config->deliver.ca_file)
        code = each(context, "deliver.ca_file", config->deliver.ca_file);
    if (code == 0)
        code = visit_reference(each, context, "forward.password", config->forward.password);
    if (code == 0)
        code = visit_reference(each, context, "forward.srs_key", config->forward.srs_key);
    if (code == 0)
        code = visit_reference(each, context, "forward.dkim", config->forward.dkim_key);
    for (size_t i = 0; i < config->admin.login_count && code == 0; i++)
        if (config->admin.logins[i].token)
            code = visit_reference(each, context, "admin.tokens", config->admin.logins[i].secret);
    for (size_t i = 0; i < config->lookup_count && code == 0; i++) {
        code = visit_reference(each, context, "lookups", config->lookups[i].secret);
        if (code == 0 && config->lookups[i].conninfo)
            code = conninfo_visit_files(config->lookups[i].conninfo, each, context, "databases");
    }
    if (code == 0 && config->spool.postgres)
        code = conninfo_visit_files(config->spool.postgres, each, context, "spool.postgres");
    for (size_t i = 0; i < config->rules.profile_count && code == 0; i++)
        code = visit_profile(each, context, &config->rules.profiles[i].to);
    return code;
}

/* The folder that a file stands in. */
static void folder_of(const char *file, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s", file);
    char *slash = strrchr(out, '/');
    if (!slash)
        snprintf(out, PATH_MAX, ".");
    else
        slash[slash == out] = 0;
}

/* Where the file stands, and where the one stands that it is a link to. One that cannot be found is
 * for whoever reads it to complain about. */
static int allow_file(void *context, const char *option, const char *file)
{
    char folder[PATH_MAX];
    struct folder allowed = {folder, READ, true};
    char *real = realpath(file, NULL);
    (void)option;
    folder_of(file, folder);
    int code = allow(context, &allowed);
    if (code == 0 && real) {
        folder_of(real, folder);
        code = allow(context, &allowed);
    }
    free(real);
    return code;
}

/* ---- Folders ---- */

/* Beside what everybody has: what resolv.conf is a link to, and where systemd and containers put
 * secrets. */
static int allow_system(struct making *making)
{
    static const struct folder system[] = {
        {"/usr", READ, false},
        {"/etc", READ, false},
        {"/lib", READ, true},
        {"/lib64", READ, true},
        {"/run/systemd/resolve", READ, true},
        {"/run/resolvconf", READ, true},
        {"/run/NetworkManager", READ, true},
        {"/run/secrets", READ, true},
        {"/proc/self", READ, true},
#ifdef MXHOOK_SANITIZED
        {"/proc/self/exe", READ, true}, /* reports and suppressions name functions by it */
#endif
        {"/dev/null", READ | LANDLOCK_ACCESS_FS_WRITE_FILE, true},
        {"/dev/random", READ, true},
        {"/dev/urandom", READ, true},
    };
    int code = 0;
    for (size_t i = 0; i < sizeof system / sizeof *system && code == 0; i++)
        code = allow(making, &system[i]);
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    if (code == 0 && credentials)
        code = allow(making, &(struct folder){credentials, READ, true});
    return code;
}

static int allow_sockets(struct making *making, const struct listen_address *listen, size_t count)
{
    char folder[PATH_MAX];
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++) {
        if (*listen[i].host != '/')
            continue;
        folder_of(listen[i].host, folder);
        code = allow(making, &(struct folder){folder, SOCKET, true});
    }
    return code;
}

static int allow_all(struct making *making, const struct config *config)
{
    mkdir(config->spool.directory, 0700); /* what else is wrong with it, spool_open() says */
    int code = allow_system(making);
    if (code == 0)
        code = allow(making, &(struct folder){config->spool.directory, WRITE, true});
    if (code == 0)
        code = allow_sockets(making, config->smtp.listen, config->smtp.listen_count);
    if (code == 0)
        code = allow_sockets(making, config->admin.listen, config->admin.listen_count);
    if (code == 0)
        code = allow(making, &(struct folder){config->rules.directory, READ, true});
    if (code == 0)
        code = visit_files(config, allow_file, making);
    for (size_t i = 0; i < config->confine.read_count && code == 0; i++)
        code = allow(making, &(struct folder){config->confine.read[i], READ, false});
    for (size_t i = 0; i < config->confine.write_count && code == 0; i++)
        code = allow(making, &(struct folder){config->confine.write[i], WRITE, false});
    return code;
}

static int use_landlock(const struct config *config, char *what, size_t size, struct error *err)
{
    int abi = landlock_abi();
    struct making making = {-1, READ | WRITE | OTHERS, err};
    if (abi < 3)
        making.handled &= ~TRUNCATE;
    struct landlock_ruleset_attr attr = {.handled_access_fs = making.handled};
    if (abi >= ABI_MIN)
        making.ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (making.ruleset < 0) {
        const char *why = abi > 0               ? "the kernel's is too old"
                          : errno == ENOSYS     ? "the kernel has none"
                          : errno == EOPNOTSUPP ? "the kernel has it turned off"
                                                : "it may not be used";
        snprintf(what, size, "none: %s", why);
        return 0;
    }
    int code = allow_all(&making, config);
    if (code == 0 && syscall(SYS_landlock_restrict_self, making.ruleset, 0) != 0)
        code = error_set(err, -errno, "confine: Landlock: %s", strerror(errno));
    close(making.ruleset);
    folders.confined = code == 0;
    snprintf(what, size, "ABI %d", abi);
    return code;
}

/* ---- The whole ---- */

static const char *why_not(const struct config *config)
{
    if (config->rules.unsafe)
        return "off: rules.unsafe";
    return config->confine.enabled ? NULL : "off: confine.enabled";
}

int confine_process(const struct config *config, struct error *err)
{
    char landlock[200], seccomp[100];
    const char *off = why_not(config);
    if (off) {
        log_info("confined", NULL, LOG_TEXT("landlock", off), LOG_TEXT("seccomp", off));
        return 0;
    }
    int code = use_landlock(config, landlock, sizeof landlock, err);
    if (code != 0)
        return code;
    code = confine_calls(seccomp, sizeof seccomp);
    if (code != 0)
        return error_set(err, code, "confine: out of memory");
    log_info("confined", NULL, LOG_TEXT("landlock", landlock), LOG_TEXT("seccomp", seccomp));
    return 0;
}

static bool is_beneath(const char *path)
{
    for (size_t i = 0; i < folders.count; i++) {
        size_t size = strlen(folders.items[i]);
        bool whole = size == 1 || path[size] == '/' || path[size] == 0;
        if (strncmp(path, folders.items[i], size) == 0 && whole)
            return true;
    }
    return false;
}

/* One that does not exist is for whoever reads it to complain about. A folder may be read that this
 * process cannot resolve a path to: then it is out of reach as well. */
static int check_file(void *context, const char *option, const char *file)
{
    char *real = realpath(file, NULL);
    bool within = real ? is_beneath(real) : errno == ENOENT;
    free(real);
    if (within)
        return 0;
    return error_set(
        context, -EACCES,
        "%s: %s: out of reach since the process has confined itself: name its folder in "
        "confine.read, and restart",
        option, file);
}

int confine_check(const struct config *config, struct error *err)
{
    if (!folders.confined)
        return 0;
    int code = visit_files(config, check_file, err);
    return code == 0 ? check_file(err, "rules.directory", config->rules.directory) : code;
}
