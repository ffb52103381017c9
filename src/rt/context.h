/* rt/context.h - what a coroutine is to the machine: where it stands, and the jump from one to
 * another. Knows no scheduler and no sanitizer: see fiber.h.
 *
 * A switch is compiled into the place that asks for it. The compiler keeps the registers that are
 * worth keeping. No call is made that would not return, so that the processor predicts returns
 * right. The floating-point control words (MXCSR, x87 CW, FPCR) are not switched: code that changes
 * the rounding mode restores it before it suspends. */
#ifndef WEIR_RT_CONTEXT_H
#define WEIR_RT_CONTEXT_H

#include <weir/base.h>

#if !defined(WEIR_CONTEXT_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#define WEIR_CONTEXT_UCONTEXT 1
#endif

/* Where one that is not running goes on. */
struct weir__context {
    void *sp; /* with ucontext: where its ucontext_t stands; the other two are unused */
    void *frame;
    void *resume;
};

/* Prepares a context that will call entry(arg) on the stack [low, low + size). entry must never
 * return. */
void weir__context_make(struct weir__context *context, void *low, size_t size,
                        void (*entry)(void *arg), void *arg);

/* weir__context_switch(from, to) stores where we are in *from and goes on where *to was stored. It
 * returns when another context switches back to *from. */
#if defined(WEIR_CONTEXT_UCONTEXT)

void weir__context_switch(struct weir__context *from, struct weir__context *to);

#elif defined(__x86_64__)

#ifdef __AVX512F__
#define WEIR__CONTEXT_WIDE                                                                         \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",    \
        "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2", "k3", "k4", "k5",  \
        "k6", "k7"
#else
#define WEIR__CONTEXT_WIDE
#endif

/* The frame pointer may not be named as lost: it is switched. The stack pointer changes last, so
 * that the unwinder knows the way at each step. */
static inline __attribute__((always_inline)) void weir__context_switch(struct weir__context *from,
                                                                       struct weir__context *to)
{
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rsp, 0(%%rdi)\n\t"
                     "movq %%rbp, 8(%%rdi)\n\t"
                     "movq %%rax, 16(%%rdi)\n\t"
                     "movq 16(%%rsi), %%rax\n\t"
                     "movq 8(%%rsi), %%rbp\n\t"
                     "movq 0(%%rsi), %%rsp\n\t"
                     "jmpq *%%rax\n"
                     "1:\tendbr64"
                     : "+D"(from), "+S"(to)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                       "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                       "xmm15" WEIR__CONTEXT_WIDE, "memory", "cc");
}

#else

#ifdef __ARM_FEATURE_SVE
#define WEIR__CONTEXT_WIDE                                                                         \
    , "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12", "p13",      \
        "p14", "p15"
#else
#define WEIR__CONTEXT_WIDE
#endif

/* As above. x16: what a bti c lets in. */
static inline __attribute__((always_inline)) void weir__context_switch(struct weir__context *from,
                                                                       struct weir__context *to)
{
    register struct weir__context *x0 __asm__("x0") = from;
    register struct weir__context *x1 __asm__("x1") = to;
    __asm__ volatile("adr x16, 1f\n\t"
                     "mov x9, sp\n\t"
                     "stp x9, x29, [x0]\n\t"
                     "str x16, [x0, #16]\n\t"
                     "ldr x16, [x1, #16]\n\t"
                     "ldp x9, x29, [x1]\n\t"
                     "mov sp, x9\n\t"
                     "br x16\n"
                     "1:\thint #34" /* bti c */
                     : "+r"(x0), "+r"(x1)
                     :
                     : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
                       "x14", "x15", "x16", "x17", "x19", "x20", "x21", "x22", "x23", "x24", "x25",
                       "x26", "x27", "x28", "x30", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7",
                       "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18",
                       "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29",
                       "v30", "v31" WEIR__CONTEXT_WIDE, "memory", "cc");
}

#endif

#endif
