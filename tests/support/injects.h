/* tests/support/injects.h - which system calls can be made to fail here (see weir__sys_inject). */
#ifndef WEIR_TESTS_INJECTS_H
#define WEIR_TESTS_INJECTS_H

#include "rt/sys.h"

#include <stdio.h>
#include <sys/utsname.h>

/* An operation in the ring is made to fail by a no-op with a chosen result (Linux 6.11). */
static inline bool can_inject(enum weir__sys_call call)
{
    struct utsname name;
    int major = 0;
    int minor = 0;
    if (call < WEIR__SYS_RING_ACCEPT || call > WEIR__SYS_RING_CANCEL)
        return true;
    if (uname(&name) != 0 || sscanf(name.release, "%d.%d", &major, &minor) != 2)
        return false;
    return major > 6 || (major == 6 && minor >= 11);
}

#endif
