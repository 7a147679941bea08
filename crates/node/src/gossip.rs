//! Gossip of transactions among the nodes of a network.
//!
//! Transactions that enter a node's pool over RPC are sent to all peers in batches of at most
//! [`MAX_BATCH_BYTES`]; what a peer sends is admitted to the pool like any other transaction and
//! not sent on: the network is fully connected. A lost message is made up for by sending local
//! transactions that still wait again every [`REPEAT`].
//!
//! Wire format of a batch: for each transaction its length (4 bytes, big endian) and its EIP-2718
//! encoding.

use crate::types::{PublicKey, Runtime};
use alloy_primitives::Bytes;
use cairn_chain::{Chain, pool::MAX_TRANSACTION_BYTES};
use commonware_p2p::{Receiver, Recipients, Sender};
use commonware_runtime::{Handle, IoBuf};
use futures::FutureExt as _;
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::debug;

/// Largest batch in bytes.
pub const MAX_BATCH_BYTES: usize = 256 << 10;

/// Batches that wait to be sent; more are dropped and made up for later.
pub const QUEUE: usize = 4_096;

/// How often waiting local transactions are sent again.
pub const REPEAT: Duration = Duration::from_secs(3);

/// Most transactions sent again at once.
const MAX_REPEATED: usize = 4_096;

const LENGTH_BYTES: usize = 4;

/// A batch of bytes that is not a list of transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Longer than [`MAX_BATCH_BYTES`].
    #[error("batch of {0} bytes is too long")]
    TooLong(usize),
    /// A length that goes past the end, or past the limit of one transaction.
    #[error("transaction of {0} bytes does not fit")]
    BadLength(usize),
}

/// Splits a batch into the encodings of its transactions.
///
/// # Errors
/// See [`BatchError`].
pub fn decode_batch(mut bytes: &[u8]) -> Result<Vec<Bytes>, BatchError> {
    if bytes.len() > MAX_BATCH_BYTES {
        return Err(BatchError::TooLong(bytes.len()));
    }
    let mut transactions = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) =
            bytes.split_first_chunk::<LENGTH_BYTES>().ok_or(BatchError::BadLength(bytes.len()))?;
        let length = u32::from_be_bytes(*length) as usize;
        if length == 0 || length > MAX_TRANSACTION_BYTES || length > rest.len() {
            return Err(BatchError::BadLength(length));
        }
        let (transaction, rest) = rest.split_at(length);
        transactions.push(Bytes::copy_from_slice(transaction));
        bytes = rest;
    }
    Ok(transactions)
}

/// Packs `transactions` into as few batches as possible.
#[must_use]
pub fn encode_batches(transactions: &[Bytes]) -> Vec<Vec<u8>> {
    let mut batches = Vec::new();
    let mut batch = Vec::new();
    for transaction in transactions {
        if batch.len() + LENGTH_BYTES + transaction.len() > MAX_BATCH_BYTES && !batch.is_empty() {
            batches.push(std::mem::take(&mut batch));
        }
        let length = u32::try_from(transaction.len()).expect("the pool limits transactions");
        batch.extend_from_slice(&length.to_be_bytes());
        batch.extend_from_slice(transaction);
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

/// Starts sending what arrives in `outbox` and admitting what arrives from peers.
pub fn start<E, S, R>(
    context: &E,
    chain: Chain,
    outbox: mpsc::Receiver<Vec<Bytes>>,
    channel: (S, R),
) -> (Handle<()>, Handle<()>)
where
    E: Runtime,
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
{
    let (sender, receiver) = channel;
    let sending = chain.clone();
    let out = context
        .child("gossip_send")
        .spawn(move |context| send_loop(context, sending, outbox, sender));
    let inn = context.child("gossip_receive").spawn(move |_| receive_loop(chain, receiver));
    (out, inn)
}

async fn send_loop<E, S>(
    context: E,
    chain: Chain,
    mut outbox: mpsc::Receiver<Vec<Bytes>>,
    mut sender: S,
) where
    E: Runtime,
    S: Sender<PublicKey = PublicKey>,
{
    let mut repeat = Box::pin(context.sleep(REPEAT));
    loop {
        let mut ready = futures::select_biased! {
            first = Box::pin(outbox.recv()).fuse() => match first {
                Some(first) => first,
                None => return,
            },
            () = (&mut repeat).fuse() => {
                repeat = Box::pin(context.sleep(REPEAT));
                chain.pool().waiting_local(MAX_REPEATED)
            }
        };
        while let Ok(more) = outbox.try_recv() {
            ready.extend(more);
            if ready.len() >= MAX_REPEATED {
                break;
            }
        }
        for batch in encode_batches(&ready) {
            let _ = sender.send(Recipients::All, IoBuf::from(batch), false);
        }
    }
}

async fn receive_loop<R: Receiver<PublicKey = PublicKey>>(chain: Chain, mut receiver: R) {
    while let Ok((peer, message)) = receiver.recv().await {
        match decode_batch(message.as_ref()) {
            Ok(transactions) => chain.submit_remote(transactions).await,
            Err(error) => debug!(%peer, %error, "peer sent a bad batch of transactions"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_round_trip_and_stay_within_the_limit() {
        let transactions: Vec<Bytes> = (1..=40u8).map(|i| Bytes::from(vec![i; 20_000])).collect();
        let batches = encode_batches(&transactions);
        assert!(batches.len() > 1 && batches.iter().all(|b| b.len() <= MAX_BATCH_BYTES));
        let back: Vec<Bytes> = batches.iter().flat_map(|b| decode_batch(b).unwrap()).collect();
        assert_eq!(back, transactions);
    }

    #[test]
    fn bad_batches_are_refused() {
        let huge = vec![0; MAX_BATCH_BYTES + 1];
        assert_eq!(decode_batch(&huge), Err(BatchError::TooLong(huge.len())));
        for bytes in [&[0u8][..], &[0, 0, 0, 0], &[0, 0, 0, 2, 1], &[255, 255, 255, 255, 1]] {
            assert!(matches!(decode_batch(bytes), Err(BatchError::BadLength(_))), "{bytes:?}");
        }
    }
}
