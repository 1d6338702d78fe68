/* A DNS message in an answer: whatever the bytes, an answer comes out, within its own memory. */
#include <string.h>

#include "dns/dns_answer.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum record_type types[] = {RECORD_A, RECORD_PTR, RECORD_MX, RECORD_TXT,
                                             RECORD_AAAA};
    size_t sum = 0;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct dns_answer *answer = dns_answer_parse(types[i], data, size);
        EXPECT(answer != NULL);
        EXPECT((answer->status == DNS_RECORDS) == (answer->count > 0));
        for (size_t n = 0; n < answer->count; n++) {
            EXPECT(answer->records[n].data[answer->records[n].size] == 0);
            for (size_t at = 0; at < answer->records[n].size; at++)
                sum += (unsigned char)answer->records[n].data[at];
        }
        dns_answer_unref(answer);
    }
    return sum == SIZE_MAX; /* the bytes are used: so they are read */
}
