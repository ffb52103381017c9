/* rt/context_aarch64.S - the switch, AAPCS64. Both sides have the same frame, so one description of it serves the unwinder
 * before and after the stack pointer changes. */
#if defined(__aarch64__) && !defined(WEIR_CONTEXT_UCONTEXT)

#define FRAME_SIZE 160

    .text
    .p2align 4
    .globl weir__context_switch
    .hidden weir__context_switch
    .type weir__context_switch, %function
weir__context_switch: /* x0: from, x1: to */
    .cfi_startproc
    hint #34 /* bti c */
    sub sp, sp, #FRAME_SIZE
    .cfi_adjust_cfa_offset FRAME_SIZE
    stp x19, x20, [sp, #0]
    .cfi_rel_offset x19, 0
    .cfi_rel_offset x20, 8
    stp x21, x22, [sp, #16]
    .cfi_rel_offset x21, 16
    .cfi_rel_offset x22, 24
    stp x23, x24, [sp, #32]
    .cfi_rel_offset x23, 32
    .cfi_rel_offset x24, 40
    stp x25, x26, [sp, #48]
    .cfi_rel_offset x25, 48
    .cfi_rel_offset x26, 56
    stp x27, x28, [sp, #64]
    .cfi_rel_offset x27, 64
    .cfi_rel_offset x28, 72
    stp x29, x30, [sp, #80]
    .cfi_rel_offset x29, 80
    .cfi_rel_offset x30, 88
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    ldr x9, [x1]
    mov sp, x9
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #FRAME_SIZE
    .cfi_adjust_cfa_offset -FRAME_SIZE
    .cfi_restore x19
    .cfi_restore x20
    .cfi_restore x21
    .cfi_restore x22
    .cfi_restore x23
    .cfi_restore x24
    .cfi_restore x25
    .cfi_restore x26
    .cfi_restore x27
    .cfi_restore x28
    .cfi_restore x29
    .cfi_restore x30
    /* Not ret: the return address is not the one of the call that the processor remembers. x16: what a bti c lets in. */
    mov x16, x30
    br x16
    .cfi_endproc
    .size weir__context_switch, .-weir__context_switch

    .p2align 4
    .globl weir__context_entry
    .hidden weir__context_entry
    .type weir__context_entry, %function
weir__context_entry: /* x19: the function, x20: its argument; nothing is above */
    .cfi_startproc
    .cfi_undefined x30
    .cfi_undefined x29
    hint #34 /* bti c */
    mov x0, x20
    blr x19
    brk #0
    .cfi_endproc
    .size weir__context_entry, .-weir__context_entry

    .section .note.GNU-stack, "", %progbits
#endif
