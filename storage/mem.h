/*
 * Stores in memory: "mem:NAME".
 *
 * Every handle that is opened with the same name, anywhere in the process, is the same store, and
 * its objects stay after the last handle is freed, as those of a disk would.
 */
#ifndef TOZAI_STORAGE_MEM_H
#define TOZAI_STORAGE_MEM_H

/*
 * Let go of the store NAME (without "mem:"): the next open finds an empty one.  Handles that are
 * open keep what they see; the objects are freed with the last of them.  It may not exist.
 */
void tz_store_mem_forget(const char *name);

#endif
