//! Receipts, and the roots that commit a block to its content.

use alloy_primitives::{Address, B256, Bloom, Bytes, Log};
use alloy_rlp::{Buf as _, BufMut, Decodable, Encodable, Header};
use alloy_trie::root::ordered_trie_root_with_encoder;

/// What a transaction did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TxReceipt {
    /// Whether it ran to its end (EIP-658). A failed transaction still pays.
    pub success: bool,
    /// Gas used by this transaction.
    pub gas_used: u64,
    /// Gas used by the block up to and including this transaction.
    pub cumulative_gas_used: u64,
    /// Logs, in order; none if it failed.
    pub logs: Vec<Log>,
    /// Where a creation puts its contract, whether or not it succeeded.
    pub contract_address: Option<Address>,
    /// Price paid in wei per gas: base fee and tip.
    pub effective_gas_price: u128,
    /// EIP-2718 type of the transaction.
    pub tx_type: u8,
}

impl TxReceipt {
    /// Bloom filter over the logs.
    #[must_use]
    pub fn bloom(&self) -> Bloom {
        alloy_primitives::logs_bloom(&self.logs)
    }

    /// Appends the encoding that the receipts root commits to (EIP-2718, EIP-658).
    fn encode_consensus(&self, out: &mut dyn BufMut) {
        if self.tx_type != 0 {
            out.put_u8(self.tx_type);
        }
        let bloom = self.bloom();
        let payload_length = self.success.length()
            + self.cumulative_gas_used.length()
            + bloom.length()
            + self.logs.length();
        Header { list: true, payload_length }.encode(out);
        self.success.encode(out);
        self.cumulative_gas_used.encode(out);
        bloom.encode(out);
        self.logs.encode(out);
    }

    fn payload_length(&self) -> usize {
        self.success.length()
            + self.gas_used.length()
            + self.cumulative_gas_used.length()
            + self.logs.length()
            + self.contract_address.map_or(1, |address| address.length())
            + self.effective_gas_price.length()
            + self.tx_type.length()
    }
}

/// Compact storage format: an RLP list of the fields in order, an absent address as an empty string.
impl Encodable for TxReceipt {
    fn encode(&self, out: &mut dyn BufMut) {
        Header { list: true, payload_length: self.payload_length() }.encode(out);
        self.success.encode(out);
        self.gas_used.encode(out);
        self.cumulative_gas_used.encode(out);
        self.logs.encode(out);
        match &self.contract_address {
            Some(address) => address.encode(out),
            None => out.put_u8(alloy_rlp::EMPTY_STRING_CODE),
        }
        self.effective_gas_price.encode(out);
        self.tx_type.encode(out);
    }

    fn length(&self) -> usize {
        let payload = self.payload_length();
        payload + alloy_rlp::length_of_length(payload)
    }
}

impl Decodable for TxReceipt {
    fn decode(buf: &mut &[u8]) -> alloy_rlp::Result<Self> {
        let mut payload = Header::decode_bytes(buf, true)?;
        let receipt = Self {
            success: bool::decode(&mut payload)?,
            gas_used: u64::decode(&mut payload)?,
            cumulative_gas_used: u64::decode(&mut payload)?,
            logs: Vec::decode(&mut payload)?,
            contract_address: decode_address(&mut payload)?,
            effective_gas_price: u128::decode(&mut payload)?,
            tx_type: u8::decode(&mut payload)?,
        };
        if payload.is_empty() { Ok(receipt) } else { Err(alloy_rlp::Error::UnexpectedLength) }
    }
}

fn decode_address(buf: &mut &[u8]) -> alloy_rlp::Result<Option<Address>> {
    if buf.first() == Some(&alloy_rlp::EMPTY_STRING_CODE) {
        buf.advance(1);
        return Ok(None);
    }
    Address::decode(buf).map(Some)
}

/// Root of the receipts trie, as in an Ethereum header.
#[must_use]
pub fn receipts_root(receipts: &[TxReceipt]) -> B256 {
    ordered_trie_root_with_encoder(receipts, |receipt, out| receipt.encode_consensus(out))
}

/// Bloom filter over the logs of all `receipts`, as in an Ethereum header.
#[must_use]
pub fn logs_bloom(receipts: &[TxReceipt]) -> Bloom {
    alloy_primitives::logs_bloom(receipts.iter().flat_map(|receipt| &receipt.logs))
}

/// Root of the transactions trie over encoded transactions, as in an Ethereum header.
#[must_use]
pub fn transactions_root(transactions: &[Bytes]) -> B256 {
    ordered_trie_root_with_encoder(transactions, |encoded, out| out.put_slice(encoded))
}

#[cfg(test)]
mod tests;
