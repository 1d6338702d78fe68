#include "check_unit.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* ---- The unit ---- */

/* What gives folders: "mxhook more" within `base`, or paths, which may begin with a sign and, of those that are bound, stand
 * behind a colon. */
static const struct {
    const char *property, *base;
    bool binds, writable;
} grants[] = {
    {"StateDirectory", "/var/lib/", false, true},
    {"RuntimeDirectory", "/run/", false, true},
    {"CacheDirectory", "/var/cache/", false, true},
    {"LogsDirectory", "/var/log/", false, true},
    {"ReadWritePaths", "", false, true},
    {"BindPaths", "", true, true},
    {"BindReadOnlyPaths", "", true, false},
};

static void add_folders(char to[CHECK_UNIT_FOLDERS_SIZE], const char *base, bool binds, char *value)
{
    for (char *word; (word = strsep(&value, " "));) {
        word += strspn(word, "-+");
        char *colon = strchr(word, ':');
        if (colon && binds && colon[1]) {
            word = colon + 1;
            colon = strchr(word, ':');
        }
        if (colon)
            *colon = '\0';
        size_t used = strlen(to);
        if (*word)
            snprintf(to + used, CHECK_UNIT_FOLDERS_SIZE - used, "%s%s ", base, word);
    }
}

static void read_property(struct service_unit *unit, const char *name, char *value)
{
    if (strcmp(name, "User") == 0)
        snprintf(unit->user, sizeof unit->user, "%s", value);
    else if (strcmp(name, "ProtectSystem") == 0)
        snprintf(unit->protect_system, sizeof unit->protect_system, "%s", value);
    else if (strcmp(name, "ProtectHome") == 0)
        snprintf(unit->protect_home, sizeof unit->protect_home, "%s", value);
    else if (strcmp(name, "PrivateTmp") == 0)
        unit->private_tmp = *value && strcmp(value, "no") != 0;
    for (size_t i = 0; i < sizeof grants / sizeof *grants; i++) {
        if (strcmp(name, grants[i].property) != 0)
            continue;
        char copy[sizeof unit->visible];
        snprintf(copy, sizeof copy, "%s", value);
        if (grants[i].binds)
            add_folders(unit->visible, "", true, copy);
        if (grants[i].writable)
            add_folders(unit->writable, grants[i].base, grants[i].binds, value);
    }
}

void check_unit_read(FILE *show, struct service_unit *unit)
{
    char line[4096];
    memset(unit, 0, sizeof *unit);
    while (fgets(line, sizeof line, show)) {
        line[strcspn(line, "\n")] = '\0';
        char *equals = strchr(line, '=');
        if (!equals)
            continue;
        *equals = '\0';
        read_property(unit, line, equals + 1);
    }
}

/* ---- Paths ---- */

static bool is_within(const char *path, const char *folder, size_t size)
{
    return strncmp(path, folder, size) == 0 && (path[size] == '\0' || path[size] == '/');
}

/* `folders`: by blanks. */
static bool is_within_any(const char *path, const char *folders)
{
    while (*folders) {
        size_t size = strcspn(folders, " ");
        if (size > 0 && is_within(path, folders, size))
            return true;
        folders += size + (folders[size] == ' ');
    }
    return false;
}

/* `path`, absolute, without symbolic links as far as it is there. */
static void resolve(const char *path, char real[PATH_MAX])
{
    char there[PATH_MAX];
    snprintf(there, sizeof there, "%s", path);
    while (!realpath(there, real)) {
        char *slash = strrchr(there, '/');
        if (!slash || slash == there) {
            snprintf(real, PATH_MAX, "%s", path);
            return;
        }
        *slash = '\0';
    }
    size_t used = strlen(real);
    snprintf(real + used, PATH_MAX - used, "%s", path + strlen(there));
}

bool check_unit_grants(const struct service_unit *unit, const char *path)
{
    char real[PATH_MAX], folder[PATH_MAX], folders[CHECK_UNIT_FOLDERS_SIZE];
    char *rest = folders, *next;
    resolve(path, real);
    memcpy(folders, unit->writable, sizeof folders);
    while ((next = strsep(&rest, " "))) {
        resolve(next, folder); /* systemd follows links too */
        if (*next && is_within(real, folder, strlen(folder)))
            return true;
    }
    return false;
}

static bool is_read_only(const struct service_unit *unit, const char *path)
{
    if (strcmp(unit->protect_system, "strict") == 0)
        return !is_within_any(path, "/dev /proc /sys") &&
               !(unit->private_tmp && is_within_any(path, "/tmp /var/tmp"));
    if (strcmp(unit->protect_system, "full") == 0)
        return is_within_any(path, "/usr /boot /efi /etc");
    return strcmp(unit->protect_system, "yes") == 0 && is_within_any(path, "/usr /boot /efi");
}

static bool is_hidden(const struct service_unit *unit, const char *path)
{
    return (strcmp(unit->protect_home, "yes") == 0 || strcmp(unit->protect_home, "tmpfs") == 0) &&
           is_within_any(path, "/home /root /run/user") && !is_within_any(path, unit->visible);
}

/* ---- What the configuration names ---- */

static int tell(const struct config *config, const char *option, const char *path, const char *what,
                const char *setting)
{
    fprintf(
        stderr,
        "mxhook check: %s: %s: mxhook.service %s %s; to let it: `systemctl edit mxhook.service`, "
        "and in [Service] %s=%s\n",
        config->path, option, what, path, setting, path);
    return CLI_FAILED;
}

/* Of a path that may be NULL. */
static int check_path(const struct config *config, const struct service_unit *unit,
                      const char *option, const char *path, bool writes)
{
    char real[PATH_MAX];
    if (!path)
        return CLI_OK;
    resolve(path, real);
    if (is_hidden(unit, real))
        return tell(config, option, path, "does not see",
                    writes ? "BindPaths" : "BindReadOnlyPaths");
    if (!writes || check_unit_grants(unit, path))
        return CLI_OK;
    if (is_read_only(unit, real))
        return tell(config, option, path, "may not write to", "ReadWritePaths");
    if (unit->private_tmp && is_within_any(real, "/tmp /var/tmp"))
        fprintf(stderr,
                "mxhook check: warning: %s: %s: mxhook.service has a %s of its own, which is "
                "deleted when it stops\n",
                config->path, option, path);
    return CLI_OK;
}

static int check_reads(const struct config *config, const struct service_unit *unit)
{
    int code = check_path(config, unit, "rules.directory", config->rules.directory, false);
    if (code == CLI_OK) /* it is beside them where nothing else is said */
        code |= check_path(config, unit, "rules.secrets", config->rules.secrets, false);
    code |= check_path(config, unit, "deliver.ca_file", config->deliver.ca_file, false);
    for (size_t i = 0; i < config->tls.certificate_count; i++) {
        const struct certificate_files *files = &config->tls.certificates[i];
        code |= check_path(config, unit, "tls", files->certificate, false);
        code |= check_path(config, unit, "tls", files->key, false);
    }
    for (size_t i = 0; i < config->reference_count; i++)
        if (strncmp(config->references[i].text, "file:", 5) == 0)
            code |= check_path(config, unit, config->references[i].option,
                               config->references[i].text + 5, false);
    return code;
}

/* The file of a socket is made in its folder. */
static int check_listeners(const struct config *config, const struct service_unit *unit,
                           const char *option, const struct listen_address *addresses, size_t count)
{
    int code = CLI_OK;
    for (size_t i = 0; i < count; i++) {
        char folder[sizeof addresses[i].host];
        snprintf(folder, sizeof folder, "%s", addresses[i].host);
        if (*folder == '/')
            code |= check_path(config, unit, option, dirname(folder), true);
    }
    return code;
}

int check_unit(const struct config *config, const struct service_unit *unit)
{
    int code = check_path(config, unit, "spool.directory", config->spool.directory, true);
    code |= check_reads(config, unit);
    code |= check_listeners(config, unit, "listen", config->smtp.listen, config->smtp.listen_count);
    code |= check_listeners(config, unit, "admin.listen", config->admin.listen,
                            config->admin.listen_count);
    if (config->user && *unit->user && strcmp(config->user, unit->user) != 0) {
        fprintf(stderr,
                "mxhook check: %s: user: mxhook.service runs as %s, and cannot become %s; leave "
                "`user` away, or "
                "`systemctl edit mxhook.service`, and in [Service] User=%s\n",
                config->path, unit->user, config->user, config->user);
        code = CLI_FAILED;
    }
    return code;
}
