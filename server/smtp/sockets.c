#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "../base/log.h"

bool socket_is_unix(const struct listen_address *address)
{
    return address->host[0] == '/';
}

bool socket_is_of_nothing(const struct listen_address *address)
{
    struct sockaddr_in6 v6;
    if (uv_ip6_addr(address->host, address->port, &v6) != 0 ||
        !IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr))
        return false;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno == EAFNOSUPPORT;
    close(fd);
    return false;
}

void socket_unlink(const struct listen_address *address)
{
    struct stat status;
    if (socket_is_unix(address) && lstat(address->host, &status) == 0 && S_ISSOCK(status.st_mode))
        unlink(address->host);
}

static int parse_address(const struct listen_address *from, union socket_address *to,
                         socklen_t *size)
{
    memset(to, 0, sizeof *to);
    if (socket_is_unix(from)) {
        *size = sizeof to->un;
        to->un.sun_family = AF_UNIX;
        snprintf(to->un.sun_path, sizeof to->un.sun_path, "%s", from->host);
        return 0;
    }
    *size = sizeof to->v6;
    if (uv_ip6_addr(from->host, from->port, &to->v6) == 0)
        return 0;
    *size = sizeof to->v4;
    return uv_ip4_addr(from->host, from->port, &to->v4);
}

static int own_address(int fd, union socket_address *address)
{
    socklen_t size = sizeof *address;
    memset(address, 0, sizeof *address);
    return getsockname(fd, &address->any, &size) == 0 ? 0 : -errno;
}

int socket_port(int fd)
{
    union socket_address address;
    int code = own_address(fd, &address);
    if (code != 0)
        return code;
    if (address.any.sa_family == AF_UNIX)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

void socket_format_address(const struct listen_address *address, int port,
                           char text[SOCKET_ADDRESS_SIZE])
{
    if (socket_is_unix(address))
        snprintf(text, SOCKET_ADDRESS_SIZE, "unix:%s", address->host);
    else
        snprintf(text, SOCKET_ADDRESS_SIZE, strchr(address->host, ':') ? "[%s]:%d" : "%s:%d",
                 address->host, port);
}

void sockets_close(struct listen_socket *sockets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (sockets[i].fd >= 0)
            close(sockets[i].fd);
        sockets[i].fd = -1;
    }
}

/* ---- Own ones ---- */

/* Nobody answers there: it was left behind by a process that could not remove it. */
static void remove_stale(const union socket_address *address, socklen_t size,
                         const struct listen_address *where)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (connect(fd, &address->any, size) != 0 && errno == ECONNREFUSED)
        socket_unlink(where);
    close(fd);
}

/* Returns a socket, or a negative errno. */
static int bind_socket(const struct listen_address *where)
{
    union socket_address address;
    socklen_t size;
    int code = parse_address(where, &address, &size);
    if (code != 0)
        return code;
    int on = 1;
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    bool fine = true;
    if (address.any.sa_family == AF_UNIX)
        remove_stale(&address, size, where);
    else
        fine = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
    if (address.any.sa_family == AF_INET6) /* so that [::] and 0.0.0.0 can stand together */
        fine = fine && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0;
    fine = fine && bind(fd, &address.any, size) == 0;
    if (fine && address.any.sa_family == AF_UNIX)
        fine = chmod(where->host, where->own_group ? 0660 : 0666) == 0;
    if (fine)
        return fd;
    code = -errno;
    close(fd);
    return code;
}

/* ---- Inherited ones ---- */

/* The address of one that mxhook can use; anything else is refused with a reason. */
static int inspect(int fd, struct listen_address *out, struct error *err)
{
    union socket_address address;
    int type = 0, v6only = 1;
    socklen_t size = sizeof type;
    int code = own_address(fd, &address);
    if (code == 0 && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0)
        code = -errno;
    if (code != 0)
        return error_set(err, code, "inherited descriptor %d: %s", fd, strerror(-code));
    bool v6 = address.any.sa_family == AF_INET6;
    bool un = address.any.sa_family == AF_UNIX && address.un.sun_path[0] == '/';
    if (type != SOCK_STREAM || (!v6 && !un && address.any.sa_family != AF_INET))
        return error_set(err, -EINVAL, "inherited descriptor %d: not a TCP socket, nor a file", fd);
    if (un)
        snprintf(out->host, sizeof out->host, "%.107s", address.un.sun_path);
    else if (v6)
        uv_ip6_name(&address.v6, out->host, sizeof out->host);
    else
        uv_ip4_name(&address.v4, out->host, sizeof out->host);
    out->port = un ? 0 : ntohs(v6 ? address.v6.sin6_port : address.v4.sin_port);
    size = sizeof v6only;
    if (v6 && getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &size) == 0 && !v6only &&
        strcmp(out->host, "::") == 0)
        return error_set(err, -EINVAL,
                         "inherited socket [::]:%d takes IPv4 as well; systemd: set "
                         "BindIPv6Only=ipv6-only, and a ListenStream= for each address",
                         out->port);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) != 0)
        return error_set(err, -errno, "inherited descriptor %d: %s", fd, strerror(errno));
    return 0;
}

/* By the parsed address: "::1" has other spellings. */
static bool same_address(const struct listen_address *a, const struct listen_address *b)
{
    union socket_address x, y;
    socklen_t x_size, y_size;
    return parse_address(a, &x, &x_size) == 0 && parse_address(b, &y, &y_size) == 0 &&
           x_size == y_size && memcmp(&x, &y, x_size) == 0;
}

static int place(const struct listen_address *addresses, size_t address_count, int fd,
                 struct listen_socket *sockets, struct error *err)
{
    struct listen_address address;
    int code = inspect(fd, &address, err);
    if (code != 0)
        return code;
    for (size_t i = 0; i < address_count; i++)
        if (sockets[i].fd < 0 && same_address(&addresses[i], &address)) {
            sockets[i] = (struct listen_socket){fd, true};
            return 0;
        }
    char text[SOCKET_ADDRESS_SIZE];
    socket_format_address(&address, address.port, text);
    return error_set(err, -EINVAL,
                     "inherited socket %s: no such address in `listen` or `admin.listen`", text);
}

static int open_own(const struct listen_address *address, struct listen_socket *to,
                    struct error *err)
{
    char text[SOCKET_ADDRESS_SIZE];
    int fd = bind_socket(address);
    if (fd >= 0) {
        to->fd = fd;
        return 0;
    }
    socket_format_address(address, address->port, text);
    if (socket_is_of_nothing(address)) {
        log_warn("address-left-out", NULL, LOG_TEXT("address", text));
        return 0;
    }
    return error_set(err, fd, "cannot listen on %s: %s", text, strerror(-fd));
}

int sockets_open(const struct listen_address *addresses, size_t address_count, const int *inherited,
                 size_t inherited_count, struct listen_socket *sockets, struct error *err)
{
    int code = 0;
    for (size_t i = 0; i < address_count; i++)
        sockets[i] = (struct listen_socket){.fd = -1};
    size_t placed = 0;
    while (code == 0 && placed < inherited_count) {
        code = place(addresses, address_count, inherited[placed], sockets, err);
        if (code == 0)
            placed++;
    }
    for (size_t i = 0; code == 0 && i < address_count; i++)
        if (sockets[i].fd < 0)
            code = open_own(&addresses[i], &sockets[i], err);
    if (code == 0)
        return 0;
    sockets_close(sockets, address_count);
    for (; placed < inherited_count; placed++)
        close(inherited[placed]);
    return code;
}
