/* Forwarded bytes: no bare CR or LF, and no Authentication-Results of ours, however the message is cut and written. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "mail/original.h"

#define HOST "mx.example.com"

static const struct receiver receiver = {.hostname = HOST, .scans = true};

static char *written(const struct message *message, size_t *size)
{
    bool changed;
    struct spill *out = spill_new("/tmp", NULL);
    EXPECT(out && original_write(message, &receiver, out, &changed) == 0);
    *size = (size_t)spill_size(out);
    char *text = malloc(*size + 1);
    EXPECT(text && spill_read(out, 0, text, *size) == (ssize_t)*size);
    spill_free(out);
    return text;
}

static void expect_line_ends(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        EXPECT(text[i] != '\n' || (i > 0 && text[i - 1] == '\r'));
        EXPECT(text[i] != '\r' || (i + 1 < size && text[i + 1] == '\n'));
    }
}

/* As a receiver would read it. */
static void expect_none_of_ours(const char *text, size_t size)
{
    struct message *message;
    struct error err;
    struct spill *data = spill_from_bytes(text, size);
    EXPECT(data && message_parse(data, 0, &message, &err) == 0);
    for (size_t i = 0; !message->too_large && i < message->headers.count; i++) {
        const struct header *header = &message->headers.items[i];
        if (strcasecmp(header->name, "Authentication-Results") == 0)
            EXPECT(!provenance_claims(header->value, header->value_size, HOST));
        EXPECT(!provenance_is_scanners(header->name, strlen(header->name), &receiver));
    }
    message_free(message);
    spill_free(data);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    message_init();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct message *message;
    struct error err;
    struct spill *data = spill_from_bytes((const char *)bytes, size);
    EXPECT(data && message_parse(data, 0, &message, &err) == 0);
    if (!message->too_large) { /* it is refused */
        size_t out_size;
        char *out = written(message, &out_size);
        expect_line_ends(out, out_size);
        expect_none_of_ours(out, out_size);
        free(out);
    }
    message_free(message);
    spill_free(data);
    return 0;
}
