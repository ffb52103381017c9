/* rt/context_aarch64.S - where a new context begins, AAPCS64. */
#if defined(__aarch64__) && !defined(WEIR_CONTEXT_UCONTEXT)

    .text
    .p2align 4
    .globl weir__context_entry
    .hidden weir__context_entry
    .type weir__context_entry, %function
weir__context_entry: /* on the stack: the argument, then the function; nothing is above */
    .cfi_startproc
    .cfi_undefined x30
    .cfi_undefined x29
    hint #34 /* bti c */
    ldp x0, x9, [sp], #16
    blr x9
    brk #0
    .cfi_endproc
    .size weir__context_entry, .-weir__context_entry

    .section .note.GNU-stack, "", %progbits
#endif
