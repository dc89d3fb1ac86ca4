//! A tool in Rust: `primes.factors`, as a core module (docs/wasm-tools.md has the ABI).
//!
//!     rustup target add wasm32-unknown-unknown
//!     cargo build --release --target wasm32-unknown-unknown
//!
//! makes target/wasm32-unknown-unknown/release/primes.wasm. A large prime takes more fuel than a small one.

const LISTING: &str = r#"{"tools":[{"name":"factors","description":"The prime factors of a whole number, smallest first.","inputSchema":{"type":"object","properties":{"number":{"type":"integer","minimum":2,"maximum":9007199254740991}},"required":["number"]}}]}"#;

/// A place in memory: the address in the upper half, the length in the lower, whose highest bit marks an error.
fn place(text: &str, is_error: bool) -> u64 {
    (text.as_ptr() as u64) << 32 | text.len() as u64 | u64::from(is_error) << 31
}

#[no_mangle]
pub extern "C" fn kgents_alloc(length: usize) -> *mut u8 {
    // It lives as long as the instance, which is one call.
    Box::leak(vec![0; length].into_boxed_slice()).as_mut_ptr()
}

#[no_mangle]
pub extern "C" fn kgents_list() -> u64 {
    place(LISTING, false)
}

/// # Safety
/// `at` and `length` are those of the arguments, at a place that `kgents_alloc` gave.
#[no_mangle]
pub unsafe extern "C" fn kgents_call(_tool: u32, at: *const u8, length: usize) -> u64 {
    let digits = std::slice::from_raw_parts(at, length).iter().filter(|byte| byte.is_ascii_digit());
    let mut rest = digits.fold(0_u64, |number, byte| number.saturating_mul(10).saturating_add(u64::from(byte - b'0')));
    if rest < 2 {
        return place("Only whole numbers from 2 have prime factors.", true);
    }
    let mut found = Vec::new();
    let mut candidate = 2;
    while candidate * candidate <= rest {
        while rest % candidate == 0 {
            found.push(candidate.to_string());
            rest /= candidate;
        }
        candidate += 1;
    }
    if rest > 1 {
        found.push(rest.to_string());
    }
    place(Box::leak(found.join(" * ").into_boxed_str()), false)
}
