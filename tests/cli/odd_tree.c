/*
 * Trees of odd files for the scripts:
 *
 *   odd-tree make DIRECTORY              in an existing, empty directory
 *   odd-tree compare EXPECTED ACTUAL     1 if they differ, with a line for each difference
 *   odd-tree remove DIRECTORY            however deep and locked it is
 */
#include "odd_tree.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "make") == 0)
        return tz_odd_tree_make(argv[2], stderr) ? 1 : 0;
    if (argc == 4 && strcmp(argv[1], "compare") == 0)
        return tz_odd_tree_compare(argv[2], argv[3], stdout) ? 1 : 0;
    if (argc == 3 && strcmp(argv[1], "remove") == 0)
        return tz_odd_tree_remove(argv[2]) ? 1 : 0;
    (void)fprintf(stderr, "usage: odd-tree make|remove DIRECTORY, or compare EXPECTED ACTUAL\n");
    return 2;
}
