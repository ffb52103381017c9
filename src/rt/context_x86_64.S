/* rt/context_x86_64.S - where a new context begins, System V ABI. */
#if defined(__x86_64__) && !defined(WEIR_CONTEXT_UCONTEXT)

    .text
    .p2align 4
    .globl weir__context_entry
    .hidden weir__context_entry
    .type weir__context_entry, @function
weir__context_entry: /* on the stack: the argument, then the function; nothing is above */
    .cfi_startproc
    .cfi_undefined %rip
    .cfi_undefined %rbp
    endbr64
    popq %rdi
    popq %rax
    callq *%rax
    ud2
    .cfi_endproc
    .size weir__context_entry, .-weir__context_entry

    .section .note.GNU-stack, "", @progbits
#endif
