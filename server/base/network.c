#include "network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define V4_PREFIX 96

static const unsigned char v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

static void map_v4(const void *v4, struct ip_address *to)
{
    memcpy(to->bytes, v4_mapped, sizeof v4_mapped);
    memcpy(to->bytes + sizeof v4_mapped, v4, 4);
}

bool ip_address_from(const struct sockaddr *from, struct ip_address *to)
{
    if (from->sa_family == AF_INET)
        map_v4(&((const struct sockaddr_in *)from)->sin_addr, to);
    else if (from->sa_family == AF_INET6)
        memcpy(to->bytes, &((const struct sockaddr_in6 *)from)->sin6_addr, sizeof to->bytes);
    else
        return false;
    return true;
}

bool ip_address_is_v4(const struct ip_address *address)
{
    return memcmp(address->bytes, v4_mapped, sizeof v4_mapped) == 0;
}

static int parse_address(const char *text, struct ip_address *address, unsigned *base)
{
    struct in_addr v4;
    *base = 0;
    if (inet_pton(AF_INET6, text, address->bytes) == 1)
        return 0;
    if (inet_pton(AF_INET, text, &v4) != 1)
        return -EINVAL;
    *base = V4_PREFIX;
    map_v4(&v4, address);
    return 0;
}

int ip_address_parse(const char *text, struct ip_address *address)
{
    unsigned base;
    return parse_address(text, address, &base);
}

size_t ip_address_bytes(const struct ip_address *address, const unsigned char **bytes)
{
    bool v4 = ip_address_is_v4(address);
    *bytes = address->bytes + (v4 ? sizeof v4_mapped : 0);
    return v4 ? 4 : 16;
}

void ip_address_format(const struct ip_address *address, char text[46])
{
    if (ip_address_is_v4(address))
        inet_ntop(AF_INET, address->bytes + sizeof v4_mapped, text, 46);
    else
        inet_ntop(AF_INET6, address->bytes, text, 46);
}

static int parse_prefix(const char *text, unsigned max, unsigned *prefix)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 3 || text[digits] != 0)
        return -EINVAL;
    *prefix = (unsigned)strtoul(text, NULL, 10);
    return *prefix <= max ? 0 : -EINVAL;
}

int network_parse(const char *text, struct network *network)
{
    char host[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t length = slash ? (size_t)(slash - text) : strlen(text);
    if (length >= sizeof host)
        return -EINVAL;
    memcpy(host, text, length);
    host[length] = 0;
    unsigned base, prefix;
    if (parse_address(host, &network->address, &base) != 0)
        return -EINVAL;
    prefix = 128 - base;
    if (slash && parse_prefix(slash + 1, 128 - base, &prefix) != 0)
        return -EINVAL;
    network->prefix = base + prefix;
    struct network cut = network_of(&network->address, network->prefix);
    return memcmp(&cut.address, &network->address, sizeof cut.address) == 0 ? 0 : -EINVAL;
}

struct network network_of(const struct ip_address *address, unsigned prefix)
{
    struct network network = {*address, prefix};
    for (unsigned i = 0; i < sizeof address->bytes; i++) {
        unsigned kept = prefix > i * 8 ? prefix - i * 8 : 0;
        if (kept < 8)
            network.address.bytes[i] &= (unsigned char)(0xff00u >> kept);
    }
    return network;
}

bool network_contains(const struct network *network, const struct ip_address *address)
{
    struct network of = network_of(address, network->prefix);
    return memcmp(&of.address, &network->address, sizeof of.address) == 0;
}

int networks_match(const struct network *networks, size_t count, const struct ip_address *address)
{
    int longest = -1;
    for (size_t i = 0; i < count; i++)
        if ((int)networks[i].prefix > longest && network_contains(&networks[i], address))
            longest = (int)networks[i].prefix;
    return longest;
}
