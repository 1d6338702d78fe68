/* lock.h - the spool's folder, and that only one server works on it. */
#ifndef MXHOOK_SPOOL_LOCK_H
#define MXHOOK_SPOOL_LOCK_H

#include "../../base/error.h"

/* Makes the folder and its bodies folder (mode 0700) where they are missing, and locks it for this
 * process. *lock is to be handed to spool_unlock(); it ends with the process in any case. -EBUSY
 * where another process has it; `err` names that one. */
int spool_lock(const char *directory, int *lock, struct error *err);
void spool_unlock(int lock); /* takes -1 */

#endif
