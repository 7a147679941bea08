//! `txpool_*`: what waits for a block, in geth's JSON.
//!
//! Senders are written with their checksum, nonces in decimal. The answers of `txpool_content` and
//! `txpool_inspect` grow with the pool; the server's limit of an answer bounds them.

use crate::{
    api::{Api, Module, method},
    convert::{self, RpcTransaction},
    error::RpcError,
    params::Args,
};
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, U64};
use cairn_chain::pool::SenderContent;
use cairn_evm::RecoveredTx;
use serde::Serialize;
use std::collections::BTreeMap;

/// Something about each transaction of a sender, by nonce.
type ByNonce<T> = BTreeMap<u64, T>;
/// The same by sender.
type BySender<T> = BTreeMap<String, ByNonce<T>>;

/// Both halves of the pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Halves<T> {
    pending: T,
    queued: T,
}

pub(crate) fn register(module: &mut Module) {
    method(module, "txpool_status", status);
    method(module, "txpool_content", content);
    method(module, "txpool_contentFrom", content_from);
    method(module, "txpool_inspect", inspect);
}

async fn status(api: Api, _: Args) -> Result<Halves<U64>, RpcError> {
    let (pending, queued) = api.chain().pool().status();
    Ok(Halves { pending: U64::from(pending), queued: U64::from(queued) })
}

async fn content(api: Api, _: Args) -> Result<Halves<BySender<RpcTransaction>>, RpcError> {
    let content = api.chain().pool().content();
    Ok(Halves {
        pending: by_sender(&content.pending, in_json),
        queued: by_sender(&content.queued, in_json),
    })
}

async fn content_from(
    api: Api,
    mut args: Args,
) -> Result<Halves<ByNonce<RpcTransaction>>, RpcError> {
    let sender: Address = args.next("address")?;
    let (pending, queued) = api.chain().pool().content_from(&sender);
    Ok(Halves { pending: by_nonce(&pending, in_json), queued: by_nonce(&queued, in_json) })
}

async fn inspect(api: Api, _: Args) -> Result<Halves<BySender<String>>, RpcError> {
    let content = api.chain().pool().content();
    Ok(Halves {
        pending: by_sender(&content.pending, in_words),
        queued: by_sender(&content.queued, in_words),
    })
}

fn by_sender<T>(
    content: &BTreeMap<Address, SenderContent>,
    show: fn(&RecoveredTx) -> T,
) -> BySender<T> {
    let senders = content.iter();
    senders.map(|(sender, txs)| (sender.to_checksum(None), by_nonce(txs, show))).collect()
}

fn by_nonce<T>(txs: &SenderContent, show: fn(&RecoveredTx) -> T) -> ByNonce<T> {
    txs.iter().map(|(nonce, tx)| (*nonce, show(tx))).collect()
}

fn in_json(tx: &RecoveredTx) -> RpcTransaction {
    convert::pending(tx, None)
}

/// Geth's line about a transaction; the price is the most that it pays.
fn in_words(tx: &RecoveredTx) -> String {
    let tx = &tx.envelope;
    let to = tx.to().map_or_else(|| "contract creation".into(), |to| to.to_checksum(None));
    let (value, gas, price) = (tx.value(), tx.gas_limit(), tx.max_fee_per_gas());
    format!("{to}: {value} wei + {gas} gas × {price} wei")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::{SignableTransaction as _, TxEip1559};
    use alloy_primitives::{B256, Bytes, Signature, TxKind, U256, address};
    use std::sync::Arc;

    fn transaction(to: TxKind) -> RecoveredTx {
        let signature = Signature::new(U256::ONE, U256::ONE, false);
        let tx = TxEip1559 {
            nonce: 7,
            gas_limit: 21_000,
            max_fee_per_gas: 30,
            max_priority_fee_per_gas: 2,
            value: U256::from(5),
            to,
            ..TxEip1559::default()
        };
        RecoveredTx {
            envelope: tx.into_signed(signature).into(),
            sender: address!("5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"),
            hash: B256::ZERO,
            encoded: Bytes::new(),
        }
    }

    #[test]
    fn json_is_that_of_geth() {
        let tx = transaction(TxKind::Create);
        let by_nonce = SenderContent::from([(7, Arc::new(tx.clone()))]);
        let content = BTreeMap::from([(tx.sender, by_nonce)]);
        let json = serde_json::to_value(by_sender(&content, in_json)).unwrap();
        let shown = &json["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"]["7"];
        assert_eq!(shown["gasPrice"], "0x1e");
        assert_eq!(shown["from"], "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed");
        assert!(shown["blockHash"].is_null());
        assert!(shown["transactionIndex"].is_null());
    }

    #[test]
    fn lines_are_those_of_geth() {
        let to = address!("fB6916095ca1df60bB79Ce92cE3Ea74c37c5d359");
        assert_eq!(
            in_words(&transaction(TxKind::Call(to))),
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359: 5 wei + 21000 gas × 30 wei"
        );
        assert_eq!(
            in_words(&transaction(TxKind::Create)),
            "contract creation: 5 wei + 21000 gas × 30 wei"
        );
    }
}
