#include "check_sockets.h"

#include <string.h>

#include "../smtp/sockets.h"
#include "cli.h"

#define UNIT_SOCKETS_MAX  64
#define PORT_UNPRIVILEGED 1024 /* and above: anybody may bind it */

struct unit {
    char addresses[UNIT_SOCKETS_MAX][SOCKET_ADDRESS_SIZE];
    size_t count;
};

static void read_unit(FILE *show, struct unit *unit)
{
    char line[300];
    while (unit->count < UNIT_SOCKETS_MAX && fgets(line, sizeof line, show)) {
        const char *address = strncmp(line, "Listen=", 7) == 0 ? line + 7 : line;
        char *end = strstr(line, " (Stream)");
        if (!end || strlen(address) >= SOCKET_ADDRESS_SIZE + sizeof " (Stream)")
            continue;
        *end = '\0';
        snprintf(unit->addresses[unit->count++], SOCKET_ADDRESS_SIZE, "%s", address);
    }
}

/* As systemd writes it. */
static void format(const struct listen_address *a, char text[SOCKET_ADDRESS_SIZE])
{
    if (*a->host == '/')
        snprintf(text, SOCKET_ADDRESS_SIZE, "%s", a->host);
    else
        snprintf(text, SOCKET_ADDRESS_SIZE, strchr(a->host, ':') ? "[%s]:%d" : "%s:%d", a->host,
                 a->port);
}

static bool is_named(const struct listen_address *addresses, size_t count, const char *address)
{
    char text[SOCKET_ADDRESS_SIZE];
    for (size_t i = 0; i < count; i++) {
        format(&addresses[i], text);
        if (strcmp(text, address) == 0)
            return true;
    }
    return false;
}

static bool is_held(const struct unit *unit, const char *address)
{
    for (size_t i = 0; i < unit->count; i++)
        if (strcmp(unit->addresses[i], address) == 0)
            return true;
    return false;
}

/* What may come of it, and what to do. Only a warning: a drop-in may give the service the right to bind it. */
static void warn_of_unheld(const struct config *config, const struct unit *unit)
{
    char text[SOCKET_ADDRESS_SIZE];
    for (size_t i = 0; i < config->smtp.listen_count; i++) {
        int port = config->smtp.listen[i].port;
        format(&config->smtp.listen[i], text);
        if (*text == '/' || port == 0 || is_held(unit, text) ||
            socket_is_of_nothing(&config->smtp.listen[i])) /* systemd leaves that out as well */
            continue;
        fprintf(stderr,
                "mxhook check: warning: %s: listen: mxhook.socket does not hold %s: %s. To have it "
                "held: `systemctl edit "
                "mxhook.socket`, and there [Socket] and ListenStream=%s; then `systemctl restart "
                "mxhook.socket`\n",
                config->path, text,
                port < PORT_UNPRIVILEGED
                    ? "the service will not start, as it may bind no port below 1024 by itself"
                    : "clients are refused there while the service restarts",
                text);
    }
}

int check_sockets(const struct config *config, FILE *show)
{
    struct unit unit = {.count = 0};
    int code = CLI_OK;
    read_unit(show, &unit);
    for (size_t i = 0; i < unit.count; i++) {
        const char *address = unit.addresses[i];
        if (is_named(config->smtp.listen, config->smtp.listen_count, address) ||
            is_named(config->admin.listen, config->admin.listen_count, address))
            continue;
        fprintf(stderr,
                "mxhook check: %s: mxhook.socket listens on %s, which `listen` does not name: the "
                "service will not start\n",
                config->path, address);
        code = CLI_FAILED;
    }
    if (unit.count > 0)
        warn_of_unheld(config, &unit);
    return code;
}
