/* Rewritten senders: whatever address a client may give is rewritten to one that servers take, which comes back to the
 * same mailbox; and what a stranger writes is never valid. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/path.h"
#include "deliver/srs.h"
#include "fuzz.h"

#define NOW 1764000000

static char secret[] = "a secret that is long enough", domain[] = "example.com";
static const struct forward_config config = {
    .srs = true, .srs_domain = domain, .srs_secret = secret, .srs_valid_ms = 21 * 86400000ll};

static void there_and_back(const char *sender)
{
    char there[SRS_SIZE], again[SRS_SIZE], back[SRS_SIZE], text[SRS_SIZE + 3];
    struct path path;
    srs_rewrite(&config, sender, NOW, there);
    if (strcmp(there, sender) == 0) /* of our domain, null, or too long */
        return;
    snprintf(text, sizeof text, "<%s>", there);
    const char *end = path_parse(text, PATH_FORWARD, &path);
    EXPECT(end && !*end && path.domain);
    EXPECT(srs_reverse(&config, there, NOW, back) == SRS_VALID);
    EXPECT(snprintf(text, sizeof text, "<%s>", back) > 0 && path_parse(text, PATH_FORWARD, &path));
    srs_rewrite(&config, back, NOW, again); /* quoted as it has to be, it is the same mailbox */
    EXPECT(strcasecmp(again, there) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char text[1024], out[SRS_SIZE];
    struct path path;
    if (size >= sizeof text - 2)
        return 0;
    text[0] = '<';
    memcpy(text + 1, bytes, size);
    strcpy(text + 1 + size, ">");
    if (path_parse(text, PATH_REVERSE, &path) && *path.address)
        there_and_back(path.address);
    text[1 + size] = 0;
    srs_rewrite(&config, text + 1, NOW, out);
    EXPECT(srs_reverse(&config, text + 1, NOW, out) != SRS_VALID);
    return 0;
}
