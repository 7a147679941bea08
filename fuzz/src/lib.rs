//! What fuzz targets do with their bytes.

#[cfg(feature = "node")]
pub mod decoders;
pub mod light;
#[cfg(feature = "rpc")]
pub mod rpc;
