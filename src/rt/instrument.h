/* rt/instrument.h - which tools watch the build. AddressSanitizer, ThreadSanitizer and Valgrind
 * need to know of stacks and switches. */
#ifndef WEIR_RT_INSTRUMENT_H
#define WEIR_RT_INSTRUMENT_H

#include <weir/base.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEIR__ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define WEIR__TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(WEIR__ASAN)
#define WEIR__ASAN 1
#endif
#if defined(__SANITIZE_THREAD__) && !defined(WEIR__TSAN)
#define WEIR__TSAN 1
#endif

#ifdef WEIR__ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#ifdef WEIR__TSAN
#include <sanitizer/tsan_interface.h>
#endif

#ifdef WEIR_HAVE_VALGRIND
#include <valgrind/valgrind.h>
#endif

#endif
