/* rt/context_x86_64.S - the switch, System V ABI. Both sides have the same frame, so one description of it serves the unwinder
 * before and after the stack pointer changes. */
#if defined(__x86_64__) && !defined(WEIR_CONTEXT_UCONTEXT)

    .text
    .p2align 4
    .globl weir__context_switch
    .hidden weir__context_switch
    .type weir__context_switch, @function
weir__context_switch: /* rdi: from, rsi: to */
    .cfi_startproc
    endbr64
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    movq %rsp, (%rdi)
    movq (%rsi), %rsp
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    /* Not ret: the return address is not the one of the call that the processor remembers, and would be predicted wrong. */
    popq %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rcx
    jmpq *%rcx
    .cfi_endproc
    .size weir__context_switch, .-weir__context_switch

    .p2align 4
    .globl weir__context_entry
    .hidden weir__context_entry
    .type weir__context_entry, @function
weir__context_entry: /* r12: the function, r13: its argument; nothing is above */
    .cfi_startproc
    .cfi_undefined %rip
    .cfi_undefined %rbp
    endbr64
    movq %r13, %rdi
    callq *%r12
    ud2
    .cfi_endproc
    .size weir__context_entry, .-weir__context_entry

    .section .note.GNU-stack, "", @progbits
#endif
