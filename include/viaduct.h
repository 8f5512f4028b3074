/*
 * libviaduct: gRPC for C.
 *
 * This header is generated from the library's source; edit there.
 *
 * The contract, for every function here:
 * - A string that is returned as `const char *` belongs to the library unless the function says
 *   otherwise.
 * - No function unwinds into its caller.
 */

#ifndef VIADUCT_H
#define VIADUCT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The library's version as a NUL-terminated string, "0.1.0" and the like.
//
// The string is static: it is never freed. Any thread may call this at any time.
const char *viaduct_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* VIADUCT_H */
