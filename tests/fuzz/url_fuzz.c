/* URLs of destinations: what is taken, libcurl takes too, and reads the same host and port in it as we do, by which
 * deliveries are counted, held and found. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fuzz.h"
#include "config/destination_read.h"
#include "spool/origin.h"

/* The address that a host stands for, in any form: "127.1" and 0x7f000001 are 127.0.0.1. */
static bool address_of(const char *host, unsigned char out[16])
{
    char text[ORIGIN_SIZE];
    struct in_addr v4;
    memset(out, 0, 16);
    if (inet_aton(host, &v4)) {
        memcpy(out, &v4, sizeof v4);
        return true;
    }
    snprintf(text, sizeof text, "%.*s", (int)strcspn(host + (*host == '['), "%]"),
             host + (*host == '['));
    return inet_pton(AF_INET6, text, out) == 1;
}

static bool same_host(const char *ours, const char *theirs)
{
    unsigned char a[16], b[16];
    return strcasecmp(ours, theirs) == 0 ||
           (address_of(ours, a) && address_of(theirs, b) && memcmp(a, b, sizeof a) == 0);
}

static const char *port_of(const char *origin)
{
    return strrchr(origin, ':') + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char host[ORIGIN_SIZE], origin[ORIGIN_SIZE], *their_host, *their_port;
    struct error why = {""};
    char *url = malloc(size + 1);
    EXPECT(url);
    memcpy(url, bytes, size);
    url[size] = 0;
    if (!strstr(url, "://")) { /* an e-mail address, if it is any */
        free(url);
        return 0;
    }
    if (destination_check_target(url, size, &why) == 0) {
        CURLU *parsed = curl_url();
        EXPECT(curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK);
        EXPECT(curl_url_get(parsed, CURLUPART_HOST, &their_host, 0) == CURLUE_OK);
        EXPECT(curl_url_get(parsed, CURLUPART_PORT, &their_port, CURLU_DEFAULT_PORT) == CURLUE_OK);
        host_of(url, host);
        origin_of(url, origin);
        EXPECT(same_host(host, their_host));
        EXPECT(atoi(port_of(origin)) == atoi(their_port));
        curl_free(their_host);
        curl_free(their_port);
        curl_url_cleanup(parsed);
    } else {
        EXPECT(*why.text);
    }
    free(url);
    return 0;
}
