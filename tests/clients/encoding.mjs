// Consensus encodings recomputed from JSON fields alone, the way go-ethereum's types.Header,
// types.Transaction and types.Receipt decode and hash them. Shares no code with viem or ethers:
// RLP and the trie are ethereumjs's.
import assert from 'node:assert/strict';
import { createMPT } from '@ethereumjs/mpt';
import { RLP } from '@ethereumjs/rlp';
import { bytesToHex, hexToBytes, keccak256 } from 'viem';

export const EMPTY_TRIE = '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421';
export const EMPTY_UNCLES = '0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347';
/** SHA-256 of nothing: EIP-7685's hash of an empty list of requests. */
export const EMPTY_REQUESTS = '0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** geth's hexutil.Uint64/Big: no leading zeros, no empty string. */
function quantity(field, value) {
  assert.match(`${value}`, /^0x(0|[1-9a-f][0-9a-f]*)$/, `${field} is not a quantity: ${value}`);
  const digits = value === '0x0' ? '' : value.slice(2);
  return hexToBytes(`0x${digits.length % 2 ? '0' : ''}${digits}`);
}

/** geth's fixed-size types (Hash, Address, Bloom, BlockNonce) or hexutil.Bytes when `size` is absent. */
function bytes(field, value, size) {
  assert.match(`${value}`, /^0x([0-9a-fA-F]{2})*$/, `${field} is not bytes: ${value}`);
  if (size !== undefined) assert.equal((value.length - 2) / 2, size, `${field} has ${(value.length - 2) / 2} bytes`);
  return hexToBytes(value);
}

const HEADER_FIELDS = [
  ['parentHash', 32], ['sha3Uncles', 32], ['miner', 20], ['stateRoot', 32], ['transactionsRoot', 32], ['receiptsRoot', 32],
  ['logsBloom', 256], ['difficulty'], ['number'], ['gasLimit'], ['gasUsed'], ['timestamp'], ['extraData', 'any'],
  ['mixHash', 32], ['nonce', 8], ['baseFeePerGas'], ['withdrawalsRoot', 32], ['blobGasUsed'], ['excessBlobGas'],
  ['parentBeaconBlockRoot', 32], ['requestsHash', 32],
];

/** keccak(rlp(header)); every field of an Osaka header must be there in canonical form. */
export function headerHash(block) {
  const fields = HEADER_FIELDS.map(([name, size]) => {
    if (size === undefined) return quantity(name, block[name]);
    return bytes(name, block[name], size === 'any' ? undefined : size);
  });
  assert.ok(fields[12].length <= 32, 'extraData above 32 bytes');
  return keccak256(RLP.encode(fields));
}

const address = (value) => (value === null ? new Uint8Array() : bytes('to', value, 20));
const accessList = (list) => list.map((entry) => [bytes('address', entry.address, 20), entry.storageKeys.map((key) => bytes('key', key, 32))]);
const authorization = (entry) => [
  quantity('chainId', entry.chainId), bytes('address', entry.address, 20), quantity('nonce', entry.nonce),
  quantity('yParity', entry.yParity), quantity('r', entry.r), quantity('s', entry.s),
];

/** Unsigned fields by type, then the signature's. */
const TRANSACTION_FIELDS = {
  '0x0': (tx) => [tx.nonce, tx.gasPrice, tx.gas].map((value) => quantity('field', value)),
  '0x1': (tx) => [tx.chainId, tx.nonce, tx.gasPrice, tx.gas].map((value) => quantity('field', value)),
  '0x2': (tx) => [tx.chainId, tx.nonce, tx.maxPriorityFeePerGas, tx.maxFeePerGas, tx.gas].map((value) => quantity('field', value)),
  '0x4': (tx) => TRANSACTION_FIELDS['0x2'](tx),
};

/** The signed transaction's bytes from its JSON. */
export function encodeTransaction(tx) {
  const fields = [...TRANSACTION_FIELDS[tx.type](tx), address(tx.to), quantity('value', tx.value), bytes('input', tx.input)];
  if (tx.type !== '0x0') fields.push(accessList(tx.accessList));
  if (tx.type === '0x4') fields.push(tx.authorizationList.map(authorization));
  if (tx.type !== '0x0') assert.equal(tx.v, tx.yParity, 'v and yParity differ');
  fields.push(quantity('v', tx.v), quantity('r', tx.r), quantity('s', tx.s));
  return envelope(tx.type, fields);
}

function envelope(type, fields) {
  const payload = RLP.encode(fields);
  return type === '0x0' ? payload : Uint8Array.from([Number(type), ...payload]);
}

/** The receipt's consensus bytes; the bloom is computed here, not taken over. */
export function encodeReceipt(receipt) {
  const logs = receipt.logs.map((log) => [bytes('address', log.address, 20), log.topics.map((topic) => bytes('topic', topic, 32)), bytes('data', log.data)]);
  const bloom = bloomOf(receipt.logs);
  assert.equal(receipt.logsBloom, bytesToHex(bloom), `bloom of receipt ${receipt.transactionHash}`);
  return envelope(receipt.type, [quantity('status', receipt.status), quantity('cumulativeGasUsed', receipt.cumulativeGasUsed), bloom, logs]);
}

/** Yellow paper M3:2048 over every address and topic. */
export function bloomOf(logs) {
  const bloom = new Uint8Array(256);
  for (const value of logs.flatMap((log) => [log.address, ...log.topics])) {
    const digest = keccak256(hexToBytes(value), 'bytes');
    for (const at of [0, 2, 4]) {
      const bit = ((digest[at] << 8) | digest[at + 1]) & 2047;
      bloom[255 - (bit >> 3)] |= 1 << (bit & 7);
    }
  }
  return bloom;
}

/** types.DeriveSha: the root of index -> item. */
export async function listRoot(items) {
  const trie = await createMPT();
  for (const [index, item] of items.entries()) await trie.put(RLP.encode(index), item);
  return bytesToHex(trie.root());
}

/** EIP-1559's base fee after `parent`, not below the chain's `floor`. */
export function nextBaseFee(parent, floor = 0n) {
  const [base, used, limit] = [parent.baseFeePerGas, parent.gasUsed, parent.gasLimit].map(BigInt);
  const target = limit / 2n;
  const change = (base * (used > target ? used - target : target - used)) / target / 8n;
  const next = used > target ? base + (change > 1n ? change : 1n) : base - change;
  return next > floor ? next : floor;
}

/** The smallest of some bigints: of base fees, a bound on the chain's floor. */
export const least = (values) => values.reduce((a, b) => (a < b ? a : b));

/** A type-2 transaction signed over whatever fields it is given, valid or not. */
export async function signUnchecked(account, fields, bend = (signature) => signature) {
  const tx = { type: '0x2', to: null, value: '0x0', input: '0x', accessList: [], ...fields };
  const signing = [...TRANSACTION_FIELDS['0x2'](tx), address(tx.to), quantity('value', tx.value), bytes('input', tx.input), accessList(tx.accessList)];
  const signature = await account.sign({ hash: keccak256(envelope('0x2', signing)) });
  const split = { r: BigInt(signature.slice(0, 66)), s: BigInt(`0x${signature.slice(66, 130)}`), v: BigInt(`0x${signature.slice(130)}`) - 27n };
  const { r, s, v } = bend(split);
  const hex = (value) => `0x${value.toString(16)}`;
  return bytesToHex(encodeTransaction({ ...tx, v: hex(v), yParity: hex(v), r: hex(r), s: hex(s) }));
}

/** The order of secp256k1, for malleable signatures. */
export const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
