// Inner loops that are compiled for several instruction sets; the loader picks one.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define COPPICE_VECTORISED \
  __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4"), optimize("O3")))
#else
#define COPPICE_VECTORISED
#endif
