#include "destination.h"

#include <string.h>

/* No address that a rule may name holds "://" (rules/answer_target.c). */
bool destination_is_mail(const struct destination *destination)
{
    return !strstr(destination->url, "://");
}
