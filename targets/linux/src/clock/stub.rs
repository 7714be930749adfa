//! What is put into a process: three functions in place of the vDSO's.
//!
//! One page, which is never written again:
//!
//! ```text
//! 0     who made this, and in which version
//! 16    the address of the control page
//! 24    for each function in the order of FUNCTIONS: the bytes that its jump to here replaced, padded to 16
//! 72    the code
//! ```
//!
//! It keeps to the C calling convention, needs no more stack than a call of the vDSO does, calls nothing but the
//! kernel, and takes no lock, so that it may be interrupted anywhere, also by a signal handler that asks for the
//! time itself.
#![expect(unsafe_code, reason = "machine code, to be copied into another process")]

use super::control::{LINE, MONOTONIC, SHOWN, TABLE, TABLES, WALL};

/// How many bytes of a function the jump replaces.
pub const JUMP: usize = 12;

/// The functions that are replaced. The first is the one by which our own work is recognised.
pub const FUNCTIONS: [&str; 3] = ["__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time"];

/// Where the address of the control page lies.
const CONTROL: usize = 16;
const SAVED: usize = 24;
const SAVED_EACH: usize = 16;

std::arch::global_asm!(
    r#"
    .pushsection .rodata.tribunal_skew, "a", @progbits
    // Whoever is inlined elsewhere must find them: the linker joins what the compiler has cut in pieces.
    .globl tribunal_skew_begin
    .hidden tribunal_skew_begin
    .globl tribunal_skew_clock_gettime
    .hidden tribunal_skew_clock_gettime
    .globl tribunal_skew_gettimeofday
    .hidden tribunal_skew_gettimeofday
    .globl tribunal_skew_time
    .hidden tribunal_skew_time
    .globl tribunal_skew_end
    .hidden tribunal_skew_end
    .balign 16
tribunal_skew_begin:
    .ascii "tribunal skew 1"
    .byte 0
    .quad 0                       // the control page
    .skip 48                      // what the jumps replaced

tribunal_skew_clock_gettime:      // edi: clock, rsi: timespec
    endbr64
    mov eax, 228                  // SYS_clock_gettime
    syscall
    test rax, rax
    jne 9f
32: cmp edi, 11                   // begin of the part that the other functions call
    ja 8f
    mov eax, {BENT}
    bt eax, edi
    jnc 8f
    mov r8, [rip + tribunal_skew_begin + 16]
    imul r11, [rsi], 1000000000
    add r11, [rsi + 8]            // r11: true time
2:  mov r10, [r8]                 // r10: which table holds
    mov ecx, r10d
    and ecx, 1
    imul ecx, ecx, {TABLE}
    imul eax, edi, {LINE}
    add ecx, eax
    lea r9, [r8 + rcx + {TABLES}] // r9: this clock's line
    mov rax, r11
    sub rax, [r9]                 // since the turn
    js 3f
    add r9, 16                    // after it
3:  imul qword ptr [r9 + 16]
    shrd rax, rdx, 32             // gained since
    add rax, [r9 + 8]
    cmp r10, [r8]
    jne 2b                        // it changed meanwhile
    add rax, r11                  // rax: the time to show
    mov ecx, {MONOTONIC}
    bt ecx, edi
    jnc 6f
    mov edx, edi
    lea r9, [r8 + rdx * 8 + {SHOWN}]
    mov rcx, rax                  // never less than anyone was ever shown
    mov rax, [r9]
4:  cmp rax, rcx
    jge 6f
    lock cmpxchg [r9], rcx
    jne 4b
    mov rax, rcx
6:  cqo
    mov ecx, 1000000000
    idiv rcx
    test rdx, rdx
    jns 7f
    dec rax                       // nanoseconds are never negative, seconds may be
    add rdx, 1000000000
7:  mov [rsi], rax
    mov [rsi + 8], rdx
8:  xor eax, eax
9:  ret

tribunal_skew_gettimeofday:       // rdi: timeval or null, rsi: timezone or null
    endbr64
    push rdi
    test rsi, rsi
    je 5f
    xor edi, edi
    mov eax, 96                   // SYS_gettimeofday, for the timezone alone
    syscall
5:  mov rdi, [rsp]
    test rdi, rdi
    je 4f
    sub rsp, 16
    mov rsi, rsp
    xor edi, edi                  // CLOCK_REALTIME
    mov eax, 228
    syscall
    call 32b
    mov rdi, [rsp + 16]
    mov rax, [rsp]
    mov [rdi], rax
    mov rax, [rsp + 8]
    xor edx, edx
    mov ecx, 1000
    div rcx
    mov [rdi + 8], rax
    add rsp, 16
4:  pop rdi
    xor eax, eax
    ret

tribunal_skew_time:               // rdi: where to put it, or null
    endbr64
    push rdi
    sub rsp, 16
    mov rsi, rsp
    xor edi, edi
    mov eax, 228
    syscall
    call 32b
    mov rax, [rsp]
    add rsp, 16
    pop rdi
    test rdi, rdi
    je 5f
    mov [rdi], rax
5:  ret
tribunal_skew_end:
    .popsection
    "#,
    BENT = const WALL | MONOTONIC,
    MONOTONIC = const MONOTONIC,
    SHOWN = const SHOWN,
    TABLES = const TABLES,
    TABLE = const TABLE,
    LINE = const LINE,
);

#[expect(improper_ctypes, reason = "these are places in the code above, not values")]
unsafe extern "C" {
    #[link_name = "tribunal_skew_begin"]
    static BEGIN: ();
    #[link_name = "tribunal_skew_clock_gettime"]
    static CLOCK_GETTIME: ();
    #[link_name = "tribunal_skew_gettimeofday"]
    static GETTIMEOFDAY: ();
    #[link_name = "tribunal_skew_time"]
    static TIME: ();
    #[link_name = "tribunal_skew_end"]
    static END: ();
}

/// The page for a process whose control page lies at `control`, with what the jumps will replace.
pub fn page(control: u64, replaced: &[Option<[u8; JUMP]>; 3]) -> Vec<u8> {
    let mut page = blank().to_vec();
    page[CONTROL..][..8].copy_from_slice(&control.to_ne_bytes());
    for (index, bytes) in replaced.iter().enumerate() {
        if let Some(bytes) = bytes {
            page[SAVED + index * SAVED_EACH..][..JUMP].copy_from_slice(bytes);
        }
    }
    page
}

/// What a page of ours says: its control page, and what the jumps replaced. None if it is not of this version.
pub fn understand(page: &[u8]) -> Option<(u64, [[u8; JUMP]; 3])> {
    let code = SAVED + FUNCTIONS.len() * SAVED_EACH;
    let ours = blank();
    if page.len() != ours.len() || page[..CONTROL] != ours[..CONTROL] || page[code..] != ours[code..] {
        return None;
    }
    let control = u64::from_ne_bytes(*page[CONTROL..].first_chunk()?);
    let mut replaced = [[0; JUMP]; 3];
    for (index, bytes) in replaced.iter_mut().enumerate() {
        bytes.copy_from_slice(&page[SAVED + index * SAVED_EACH..][..JUMP]);
    }
    Some((control, replaced))
}

/// The size of a page, as far as it is used.
pub fn size() -> usize {
    blank().len()
}

/// Where in the page each of [`FUNCTIONS`] begins.
pub fn offsets() -> [u64; 3] {
    let begin = (&raw const BEGIN).addr();
    [&raw const CLOCK_GETTIME, &raw const GETTIMEOFDAY, &raw const TIME].map(|at| (at.addr() - begin) as u64)
}

/// The jump to this address: `movabs rax, to; jmp rax`.
pub fn jump(to: u64) -> [u8; JUMP] {
    let mut code = [0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0];
    code[2..10].copy_from_slice(&to.to_ne_bytes());
    code
}

/// Where such a jump leads; none if it is none.
pub fn destination(code: &[u8; JUMP]) -> Option<u64> {
    let to = u64::from_ne_bytes(*code[2..].first_chunk()?);
    (jump(to) == *code).then_some(to)
}

/// The page with nothing filled in.
fn blank() -> &'static [u8] {
    let (begin, end) = (&raw const BEGIN, &raw const END);
    // SAFETY: both are symbols of one section of this program, in this order; what is between them is constant
    // data that was assembled above and is never written.
    unsafe { std::slice::from_raw_parts(begin.cast::<u8>(), end.addr() - begin.addr()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_understood_and_a_foreign_one_is_not() {
        let replaced = [Some([1; JUMP]), Some([2; JUMP]), None];
        let good = page(0x7000, &replaced);
        assert_eq!(understand(&good), Some((0x7000, [[1; JUMP], [2; JUMP], [0; JUMP]])));
        for at in [0, 72, good.len() - 1] {
            let mut foreign = good.clone();
            foreign[at] ^= 1;
            assert_eq!(understand(&foreign), None);
        }
        assert_eq!(understand(&good[1..]), None);
        assert!(good.len() < 4096);
    }

    #[test]
    fn a_jump_knows_where_it_leads() {
        assert_eq!(destination(&jump(0x1234_5678_9abc)), Some(0x1234_5678_9abc));
        assert_eq!(destination(&[0x90; JUMP]), None);
    }
}
