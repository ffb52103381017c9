/* tests/support/descriptors.h - how many descriptors this process has open: a test that leaves one
 * open changes the number. */
#ifndef WEIR_TESTS_DESCRIPTORS_H
#define WEIR_TESTS_DESCRIPTORS_H

#include <dirent.h>
#include <stdlib.h>

static inline size_t count_descriptors(void)
{
    size_t count = 0;
    DIR *entries = opendir("/proc/self/fd");
    if (entries == NULL)
        abort(); /* a count that never changes would find nothing */
    while (readdir(entries) != NULL)
        count++;
    (void)closedir(entries);
    return count;
}

#endif
