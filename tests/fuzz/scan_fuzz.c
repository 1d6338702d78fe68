/* A scanner's answer: whatever it is, what is made of it can stand in a header, and is bounded. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "mail/utf8.h"
#include "scan/rspamd_answer.h"

static char *virus_symbols[] = {"CLAM_VIRUS"};
static const struct scan_config config = {
    .headers = true, .virus_symbols = virus_symbols, .virus_symbol_count = 1};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct scan_result *result = scan_result_new();
    EXPECT(result);
    struct rspamd_answer *answer = rspamd_answer_new(&config, result);
    EXPECT(answer);
    size_t first = size > 0 ? bytes[size - 1] % size : 0; /* in two pieces, parted anywhere */
    EXPECT(rspamd_answer_read(answer, (const char *)bytes, first));
    EXPECT(rspamd_answer_read(answer, (const char *)bytes + first, size - first));
    int code = rspamd_answer_end(answer);
    rspamd_answer_free(answer);
    EXPECT(code == 0 || code == -74); /* EBADMSG */
    for (size_t i = 0; code == 0 && i < result->fields.count; i++) {
        const struct header *header = &result->fields.items[i];
        EXPECT(*header->name && !strpbrk(header->name, " :\r\n\t"));
        EXPECT(!strpbrk(header->value, "\r\n"));
        EXPECT(utf8_valid_size(header->value, header->value_size) == header->value_size);
    }
    EXPECT(result->symbol_count <= RSPAMD_SYMBOLS_MAX &&
           result->removed_count <= RSPAMD_FIELDS_MAX);
    scan_result_free(result);
    return 0;
}
