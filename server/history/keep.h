/* keep.h - is a history kept, and what of a message: as configured, for whoever makes a record. Any thread. */
#ifndef MXHOOK_HISTORY_KEEP_H
#define MXHOOK_HISTORY_KEEP_H

#include <stdbool.h>

#include "../config/config.h"

/* Is anything kept? Before it is copied in vain. */
bool history_is_on(void);
enum history_bodies history_bodies(void); /* history.bodies */
bool history_subjects(void);              /* history.subjects */

/* For history.c: it has begun, or ended. */
void history_switch(bool on);
/* For history.c: of what is noted from now on. */
void history_keep(const struct history_config *config);

#endif
