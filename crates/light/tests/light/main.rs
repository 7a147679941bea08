//! Proofs from real state databases, certificates from real committees, and every way to falsify
//! them.

mod bundles;
mod certificates;
mod committee;
mod corpus;
mod database;
mod golden;
mod headers;
mod proofs;
mod weight;
