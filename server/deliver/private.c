#include "private.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct range4 {
    uint32_t network;
    int bits;
};

#define IP(a, b, c, d)                                                                             \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

static const struct range4 ranges4[] = {
    {IP(0, 0, 0, 0), 8},       /* this network */
    {IP(10, 0, 0, 0), 8},      /* private */
    {IP(100, 64, 0, 0), 10},   /* shared, RFC 6598 */
    {IP(127, 0, 0, 0), 8},     /* loopback */
    {IP(169, 254, 0, 0), 16},  /* link-local: 169.254.169.254 is the clouds' metadata */
    {IP(172, 16, 0, 0), 12},   /* private */
    {IP(192, 0, 0, 0), 24},    /* protocol assignments */
    {IP(192, 0, 2, 0), 24},    /* documentation */
    {IP(192, 88, 99, 0), 24},  /* 6to4 relays */
    {IP(192, 168, 0, 0), 16},  /* private */
    {IP(198, 18, 0, 0), 15},   /* benchmarks */
    {IP(198, 51, 100, 0), 24}, /* documentation */
    {IP(203, 0, 113, 0), 24},  /* documentation */
    {IP(224, 0, 0, 0), 3},     /* multicast and reserved, up to 255.255.255.255 */
};

static bool is_private4(uint32_t address)
{
    for (size_t i = 0; i < sizeof ranges4 / sizeof *ranges4; i++)
        if (((address ^ ranges4[i].network) >> (32 - ranges4[i].bits)) == 0)
            return true;
    return false;
}

static uint32_t embedded4(const uint8_t *bytes)
{
    return IP(bytes[0], bytes[1], bytes[2], bytes[3]);
}

static bool begins(const uint8_t *address, const char *bytes, size_t size)
{
    return memcmp(address, bytes, size) == 0;
}

static bool is_private6(const uint8_t *a)
{
    if (begins(a, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12)) /* ::ffff:0:0/96, IPv4-mapped */
        return is_private4(embedded4(a + 12));
    if (begins(a, "\0\x64\xff\x9b\0\0\0\0\0\0\0\0", 12)) /* 64:ff9b::/96, NAT64 */
        return is_private4(embedded4(a + 12));
    if (begins(a, "\x20\x02", 2)) /* 2002::/16, 6to4 */
        return is_private4(embedded4(a + 2));
    if (begins(a, "\x20\x01", 2) && a[2] < 2) /* 2001::/23: Teredo, benchmarks, ORCHID, ... */
        return true;
    if (begins(a, "\x20\x01\x0d\xb8", 4)) /* 2001:db8::/32, documentation */
        return true;
    if (begins(a, "\x3f\xff", 2) && a[2] < 0x10) /* 3fff::/20, documentation */
        return true;
    return (a[0] & 0xe0) != 0x20; /* all that is global unicast stands in 2000::/3 */
}

bool private_address(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        return is_private4(ntohl(in.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        return is_private6(in6.sin6_addr.s6_addr);
    }
    return true;
}
