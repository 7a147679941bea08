#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cairn_fuzz::rpc::rpc_params(bytes));
