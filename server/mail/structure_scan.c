#include "structure_scan.h"

#include <string.h>

#include "../base/ascii.h"

bool structure_find_boundary(const struct structure_scan *scan, size_t *level, bool *close)
{
    const struct line *line = &scan->line;
    if (!line->begins || line->size < 3 || line->size >= LINES_WINDOW ||
        memcmp(line->bytes, "--", 2) != 0)
        return false;
    const char *text = line->bytes + 2;
    size_t size = line->size - 2;
    while (size > 0 && is_space(text[size - 1]))
        size--;
    for (size_t i = scan->depth; i-- > 0;) {
        const struct level *l = &scan->levels[i];
        bool longer = size == l->boundary_size + 2 && memcmp(text + size - 2, "--", 2) == 0;
        if ((size == l->boundary_size || longer) &&
            memcmp(text, l->boundary, l->boundary_size) == 0) {
            *level = i;
            *close = longer;
            return true;
        }
    }
    return false;
}

int structure_read_fields(struct structure_scan *scan, size_t which, struct part_header *header)
{
    return part_header_read(scan->content.size ? scan->content.bytes : "", scan->content.size,
                            which, scan->arena, header);
}
