/* Requests that wait for what others do: the library does not look at their connections meanwhile. */
#include <microhttpd.h>

#include "request.h"

void request_suspend(struct request *request)
{
    struct admin *admin = request->admin;
    request->suspended = true;
    request->peer->began_ms = 0;
    request->next = admin->waiting;
    request->link = &admin->waiting;
    if (request->next)
        request->next->link = &request->next;
    admin->waiting = request;
    MHD_suspend_connection(request->connection);
}

void request_resume(struct request *request)
{
    *request->link = request->next;
    if (request->next)
        request->next->link = request->link;
    request->suspended = false;
    MHD_resume_connection(request->connection);
}
