#include "lookup_answer.h"

#include <stdlib.h>
#include <string.h>

struct lookup_answer *lookup_answer_new(enum lookup_status status, const char *text, size_t size)
{
    struct lookup_answer *answer = malloc(sizeof *answer + size + 1);
    if (!answer)
        return NULL;
    atomic_init(&answer->references, 1);
    answer->status = status;
    answer->size = size;
    if (size > 0)
        memcpy(answer->text, text, size);
    answer->text[size] = '\0';
    return answer;
}

struct lookup_answer *lookup_answer_ref(struct lookup_answer *answer)
{
    atomic_fetch_add(&answer->references, 1);
    return answer;
}

void lookup_answer_unref(struct lookup_answer *answer)
{
    if (answer && atomic_fetch_sub(&answer->references, 1) == 1)
        free(answer);
}
