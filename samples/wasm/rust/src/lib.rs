//! A tool in Rust: `checksum.fnv1a`.
//!
//!     rustup target add wasm32-wasip2
//!     cargo build --release --target wasm32-wasip2
//!     # target/wasm32-wasip2/release/kgents_wasm_sample.wasm

use exports::kgents::tools::provider::{Guest, Tool};

wit_bindgen::generate!({ world: "tools", path: "../wit" });

struct Checksum;

impl Guest for Checksum {
    fn list_tools() -> Vec<Tool> {
        vec![Tool {
            name: "fnv1a".into(),
            description: "The 64-bit FNV-1a hash of a text, in hexadecimal.".into(),
            input_schema: r#"{"type":"object","properties":{"text":{"type":"string"}},"required":["text"]}"#.into(),
        }]
    }

    fn call_tool(name: String, arguments: String) -> Result<String, String> {
        if name != "fnv1a" {
            return Err(format!("there is no tool named {name}"));
        }
        let given: serde_json::Value = serde_json::from_str(&arguments).map_err(|error| error.to_string())?;
        let text = given["text"].as_str().ok_or("text is missing")?;
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Ok(format!("{hash:016x}"))
    }
}

export!(Checksum);
