/*
 * Functions that nobody here may call: they write without a bound, share a static buffer between
 * threads, or make up file names that somebody else can take first.
 *
 * Include it last in a .c file, in a block of its own: a system header that comes after it and
 * names one of them would not compile.
 */
#ifndef TOZAI_UTIL_BANNED_H
#define TOZAI_UTIL_BANNED_H

/* Those that declare them; their guards keep a second inclusion harmless. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat sprintf vsprintf gets
#pragma GCC poison strtok gmtime localtime ctime asctime strerror
#pragma GCC poison mktemp tmpnam

#endif
