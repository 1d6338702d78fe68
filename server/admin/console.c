/* The console's files, built into the program. */
#include <string.h>

#include "../base/embedded.h"
#include "request.h"

extern const struct embedded_module console_files[]; /* names with their ends: "app.js" */

static const struct embedded_module *find(const char *path)
{
    const char *name = strcmp(path, "/") == 0 ? "index.html" : path + 1;
    for (const struct embedded_module *file = console_files; file->name; file++)
        if (path[0] == '/' && strcmp(file->name, name) == 0)
            return file;
    return NULL;
}

bool console_has(const char *path)
{
    return find(path) != NULL;
}

static const char *type_of(const char *name)
{
    static const char *const types[][2] = {{".html", "text/html; charset=utf-8"},
                                           {".js", "text/javascript; charset=utf-8"},
                                           {".css", "text/css; charset=utf-8"},
                                           {".svg", "image/svg+xml"}};
    const char *end = strrchr(name, '.');
    for (size_t i = 0; end && i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i][0], end) == 0)
            return types[i][1];
    return "application/octet-stream";
}

void console_get(struct request *request)
{
    const struct embedded_module *file = find(request->path);
    request->response.status = 200;
    request->response.type = type_of(file->name);
    request->response.constant = file->bytes;
    request->response.constant_size = file->size;
}
