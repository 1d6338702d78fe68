#include "proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define V2_FIXED    16 /* signature, version and command, family and transport, length */
#define V2_V4_SIZE  12 /* two addresses, two ports */
#define V2_V6_SIZE  36
#define V2_UNIX     216
#define TLV_HEAD    3 /* type, length */
#define TLV_CRC32C  0x03
#define CRC32C_SIZE 4

static const char v1_start[] = "PROXY ";
static const char v2_start[] = "\r\n\r\n\0\r\nQUIT\n";

struct proxy_reader {
    size_t size;
    char bytes[PROXY_MAX_OCTETS];
};

struct proxy_reader *proxy_reader_new(void)
{
    struct proxy_reader *reader = malloc(sizeof *reader);
    if (reader)
        reader->size = 0;
    return reader;
}

void proxy_reader_free(struct proxy_reader *reader)
{
    free(reader);
}

/* ---- Version 1 ---- */

/* The next word, which one space or the end of the line ends. NULL: there is none. */
static char *next_word(char **line)
{
    char *word = *line;
    if (!word)
        return NULL;
    char *space = strchr(word, ' ');
    if (space)
        *space++ = 0;
    *line = space;
    return *word ? word : NULL;
}

/* TCP6 may have a mapped one; TCP4 has no colon. */
static bool parse_address(const char *text, int family, struct ip_address *address)
{
    return text && (strchr(text, ':') != NULL) == (family == AF_INET6) &&
           ip_address_parse(text, address) == 0;
}

static bool parse_port(const char *text, unsigned *port)
{
    size_t digits = text ? strspn(text, "0123456789") : 0;
    if (digits == 0 || digits > 5 || text[digits] || (digits > 1 && *text == '0'))
        return false;
    *port = (unsigned)strtoul(text, NULL, 10);
    return *port <= 65535;
}

/* Of "PROXY TCP4 source destination port port", without its CRLF. */
static enum proxy_result parse_v1(char *line, struct proxy_client *client, const char **reason)
{
    struct ip_address destination;
    unsigned destination_port;
    char *rest = line + sizeof v1_start - 1;
    const char *protocol = next_word(&rest);
    if (protocol && strcmp(protocol, "UNKNOWN") == 0) /* whatever follows */
        return PROXY_DONE;
    int family = protocol && strcmp(protocol, "TCP4") == 0   ? AF_INET
                 : protocol && strcmp(protocol, "TCP6") == 0 ? AF_INET6
                                                             : AF_UNSPEC;
    *reason = "neither TCP4, TCP6 nor UNKNOWN";
    if (family == AF_UNSPEC)
        return PROXY_BAD;
    *reason = "malformed address";
    if (!parse_address(next_word(&rest), family, &client->address) ||
        !parse_address(next_word(&rest), family, &destination))
        return PROXY_BAD;
    *reason = "malformed port";
    if (!parse_port(next_word(&rest), &client->port) ||
        !parse_port(next_word(&rest), &destination_port))
        return PROXY_BAD;
    *reason = "more than a header in its line";
    if (rest)
        return PROXY_BAD;
    client->known = true;
    return PROXY_DONE;
}

/* The last byte is new. */
static enum proxy_result step_v1(struct proxy_reader *reader, struct proxy_client *client,
                                 const char **reason)
{
    char *bytes = reader->bytes;
    size_t size = reader->size, start = sizeof v1_start - 1;
    bool after_cr = size > 1 && bytes[size - 2] == '\r';
    *reason = "not a PROXY header";
    if (size <= start)
        return memcmp(bytes, v1_start, size) == 0 ? PROXY_MORE : PROXY_BAD;
    *reason = "a line without CRLF";
    if ((bytes[size - 1] == '\n') != after_cr)
        return PROXY_BAD;
    if (after_cr) {
        bytes[size - 2] = 0;
        *reason = "NUL in the line";
        return strlen(bytes) == size - 2 ? parse_v1(bytes, client, reason) : PROXY_BAD;
    }
    *reason = "a line that is too long";
    return size < PROXY_V1_OCTETS ? PROXY_MORE : PROXY_BAD;
}

/* ---- Version 2 ---- */

static unsigned read_16(const char *bytes)
{
    const unsigned char *b = (const unsigned char *)bytes;
    return (unsigned)b[0] << 8 | b[1];
}

/* CRC-32C (RFC 3720 appendix B.4), as if there were zeros at `hole`. */
static uint32_t crc32c(const char *bytes, size_t size, size_t hole)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= i >= hole && i < hole + CRC32C_SIZE ? 0 : (unsigned char)bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static bool fields_are_fine(const struct proxy_reader *reader, size_t at, const char **reason)
{
    const char *bytes = reader->bytes;
    *reason = "malformed additional fields";
    while (at < reader->size) {
        if (reader->size - at < TLV_HEAD)
            return false;
        size_t size = read_16(bytes + at + 1), value = at + TLV_HEAD;
        if (size > reader->size - value)
            return false;
        if (bytes[at] == TLV_CRC32C) {
            *reason = "wrong checksum";
            uint32_t crc = crc32c(bytes, reader->size, value);
            if (size != CRC32C_SIZE ||
                (read_16(bytes + value) << 16 | read_16(bytes + value + 2)) != crc)
                return false;
            *reason = "malformed additional fields";
        }
        at = value + size;
    }
    return true;
}

static enum proxy_result parse_v2(const struct proxy_reader *reader, struct proxy_client *client,
                                  const char **reason)
{
    static const size_t sizes[] = {0, V2_V4_SIZE, V2_V6_SIZE, V2_UNIX}; /* by family */
    const char *bytes = reader->bytes, *addresses = bytes + V2_FIXED;
    unsigned command = bytes[12] & 0x0f;
    unsigned family = (unsigned char)bytes[13] >> 4, transport = bytes[13] & 0x0f;
    *reason = "unknown command";
    if (command > 1)
        return PROXY_BAD;
    if (command == 0) /* LOCAL: all else is to be ignored */
        return PROXY_DONE;
    *reason = "unknown address family or transport";
    if (family >= sizeof sizes / sizeof *sizes || transport > 2)
        return PROXY_BAD;
    *reason = "too short for its addresses";
    if (reader->size - V2_FIXED < sizes[family])
        return PROXY_BAD;
    if (family != 0 && !fields_are_fine(reader, V2_FIXED + sizes[family], reason))
        return PROXY_BAD;
    if (transport != 1 || family == 0 || family == 3)
        return PROXY_DONE;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    memcpy(&v4.sin_addr, addresses, sizeof v4.sin_addr);
    if (family == 2)
        memcpy(&v6.sin6_addr, addresses, sizeof v6.sin6_addr);
    ip_address_from(family == 1 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6,
                    &client->address);
    client->port = read_16(addresses + (family == 1 ? 8 : 32));
    client->known = true;
    return PROXY_DONE;
}

static enum proxy_result step_v2(struct proxy_reader *reader, struct proxy_client *client,
                                 const char **reason)
{
    const char *bytes = reader->bytes;
    size_t start = sizeof v2_start - 1, size = reader->size;
    *reason = "not a PROXY header";
    if (memcmp(bytes, v2_start, size < start ? size : start) != 0)
        return PROXY_BAD;
    *reason = "unknown version";
    if (size > start && (unsigned char)bytes[start] >> 4 != 2)
        return PROXY_BAD;
    if (size < V2_FIXED)
        return PROXY_MORE;
    size_t whole = V2_FIXED + read_16(bytes + 14);
    *reason = "longer than any that is taken";
    if (whole > PROXY_MAX_OCTETS)
        return PROXY_BAD;
    return size < whole ? PROXY_MORE : parse_v2(reader, client, reason);
}

/* ---- Both ---- */

enum proxy_result proxy_take(struct proxy_reader *reader, const char *bytes, size_t size,
                             size_t *used, struct proxy_client *client, const char **reason)
{
    enum proxy_result result = PROXY_MORE;
    memset(client, 0, sizeof *client);
    for (*used = 0; *used < size && result == PROXY_MORE; ++*used) {
        reader->bytes[reader->size++] = bytes[*used];
        result = reader->bytes[0] == v2_start[0] ? step_v2(reader, client, reason)
                                                 : step_v1(reader, client, reason);
    }
    return result;
}
