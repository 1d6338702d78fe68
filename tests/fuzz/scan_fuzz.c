/* A scanner's answer: whatever it is, what is made of it can stand in a header, and is bounded. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "scan/rspamd_answer.h"

static char *virus_symbols[] = {"CLAM_VIRUS"};
static const struct scan_config config = {
    .headers = true, .virus_symbols = virus_symbols, .virus_symbol_count = 1};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct scan_result *result = scan_result_new();
    EXPECT(result);
    int code = rspamd_answer_read(&config, (const char *)bytes, size, result);
    EXPECT(code == 0 || code == -74); /* EBADMSG */
    for (size_t i = 0; code == 0 && i < result->fields.count; i++) {
        const struct header *header = &result->fields.items[i];
        EXPECT(*header->name && !strpbrk(header->name, " :\r\n\t"));
        EXPECT(!strpbrk(header->value, "\r\n"));
    }
    EXPECT(result->symbol_count <= RSPAMD_SYMBOLS_MAX &&
           result->removed_count <= RSPAMD_FIELDS_MAX);
    scan_result_free(result);
    return 0;
}
