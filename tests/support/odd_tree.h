/*
 * A directory tree with every kind of odd file, and a comparison of two trees that shares no code
 * with what it tests.
 */
#ifndef TOZAI_TESTS_ODD_TREE_H
#define TOZAI_TESTS_ODD_TREE_H

#include <stdio.h>

/*
 * Make the tree in an existing, empty directory.  What this user or file system cannot make is
 * left out and said on notes, one line each (NULL: not said).  0, or -1 with a line on notes.
 */
int tz_odd_tree_make(const char *directory, FILE *notes);

/*
 * How many differences are there between two trees?  Names, types, content, modes, owners, times,
 * devices, links, hard links, extended attributes, inode flags; access and change times are not
 * compared.  Each difference is said on notes (NULL: not said), and whatever cannot be read is one.
 */
unsigned tz_odd_tree_compare(const char *expected, const char *actual, FILE *notes);

/* Remove a tree, however deep and locked it is.  0 or -1. */
int tz_odd_tree_remove(const char *directory);

/* A new directory of one's own under $TMPDIR or /tmp, to be freed; ends the program on failure. */
char *tz_odd_folder(void);
/* Remove it with all that is in it, and free the name. */
void tz_odd_folder_remove(char *folder);

#endif
