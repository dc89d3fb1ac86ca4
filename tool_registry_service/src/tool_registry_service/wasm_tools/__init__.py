"""Tools that are WebAssembly: compiled apart, run in an instance of their own for each call, within limits."""
