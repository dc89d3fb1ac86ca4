module kgents.example/wasm-sample

go 1.24
