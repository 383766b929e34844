/*
 * A certificate for 127.0.0.1 that signs itself, and its key.
 */
#ifndef TOZAI_TESTS_HTTP_CERTIFICATE_H
#define TOZAI_TESTS_HTTP_CERTIFICATE_H

#include <stdbool.h>

/* Both in PEM, the certificate first, written to a new file at path; false: it cannot be made. */
bool http_certificate_write(const char *path);

#endif
