// viem: every transaction type, deployment, receipts, and each way a transaction is refused.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  InsufficientFundsError, IntrinsicGasTooLowError, NonceTooLowError, concat, encodeDeployData, encodeFunctionData,
  getContractAddress, getCreate2Address, keccak256, pad, parseEther, parseGwei, toHex, zeroAddress, zeroHash,
} from 'viem';
import { CURVE_ORDER, signUnchecked } from './encoding.mjs';
import { CREATE2_DEPLOYER, artifact, notOnPeer, rejection, startNode } from './harness.mjs';

let node, client, alice, bob, carol;
before(async () => {
  node = await startNode();
  client = node.client;
  [alice, bob, carol] = await node.accounts(3);
});
after(() => node?.stop());

const stranger = () => toHex(crypto.getRandomValues(new Uint8Array(20)));

/** Sends value, then checks the money on both sides against the receipt. */
async function transfer(request) {
  const to = stranger();
  const value = parseEther('1.5');
  const before = await client.getBalance({ address: alice.address });
  const hash = await node.wallet(alice).sendTransaction({ to, value, ...request });
  const receipt = await node.receipt(hash);
  assert.equal(receipt.status, 'success');
  assert.equal(await client.getBalance({ address: to }), value);
  const paid = receipt.gasUsed * receipt.effectiveGasPrice;
  assert.equal(await client.getBalance({ address: alice.address }), before - value - paid);
  return { receipt, transaction: await client.getTransaction({ hash }) };
}

test('legacy transfer', async () => {
  const gasPrice = parseGwei('20');
  const { receipt, transaction } = await transfer({ type: 'legacy', gasPrice });
  assert.equal(receipt.type, 'legacy');
  assert.equal(receipt.gasUsed, 21_000n);
  assert.equal(receipt.effectiveGasPrice, gasPrice);
  assert.equal(transaction.gasPrice, gasPrice);
  assert.equal(transaction.chainId, node.chainId);
});

test('EIP-2930 transfer with an access list', async () => {
  const accessList = [{ address: CREATE2_DEPLOYER, storageKeys: [zeroHash, pad('0x1')] }];
  const { receipt, transaction } = await transfer({ type: 'eip2930', gasPrice: parseGwei('20'), accessList });
  assert.equal(receipt.type, 'eip2930');
  assert.equal(receipt.gasUsed, 21_000n + 2_400n + 2n * 1_900n);
  assert.deepEqual(transaction.accessList.map((entry) => entry.storageKeys.length), [2]);
});

test('EIP-1559 transfer pays base fee plus tip', async () => {
  const tip = parseGwei('1');
  const { receipt, transaction } = await transfer({ type: 'eip1559', maxPriorityFeePerGas: tip, maxFeePerGas: parseGwei('100') });
  const { baseFeePerGas } = await client.getBlock({ blockHash: receipt.blockHash });
  assert.equal(receipt.type, 'eip1559');
  assert.equal(receipt.effectiveGasPrice, baseFeePerGas + tip);
  assert.equal(transaction.gasPrice, baseFeePerGas + tip);
  assert.equal(transaction.maxFeePerGas, parseGwei('100'));
});

test('EIP-7702: an account delegates, batches calls, and takes the code off again', async () => {
  const [ann] = await node.accounts();
  const wallet = await node.deploy('Wallet');
  const signer = node.wallet(ann);
  const to = stranger();
  const authorization = await signer.signAuthorization({ contractAddress: wallet.address, executor: 'self' });
  const calls = [{ to, value: 7n, data: '0x' }, { to, value: 8n, data: '0x' }];
  const data = encodeFunctionData({ abi: wallet.abi, functionName: 'execute', args: [calls] });
  const hash = await signer.sendTransaction({ to: ann.address, data, authorizationList: [authorization] });
  const receipt = await node.receipt(hash);
  assert.equal(receipt.status, 'success');
  assert.equal(receipt.type, 'eip7702');
  assert.equal(receipt.logs.length, 1);
  assert.equal(await client.getBalance({ address: to }), 15n);
  assert.equal(await client.getCode({ address: ann.address }), concat(['0xef0100', wallet.address]).toLowerCase());
  assert.equal(await client.getTransactionCount({ address: ann.address }), 2);
  const { authorizationList } = await client.getTransaction({ hash });
  assert.equal(authorizationList[0].address, wallet.address);

  const clear = await signer.signAuthorization({ contractAddress: zeroAddress, executor: 'self' });
  await node.receipt(await signer.sendTransaction({ to: ann.address, authorizationList: [clear] }));
  assert.equal(await client.getCode({ address: ann.address }), undefined);
});

test('EIP-7702: a relayer pays for an account without a balance', async () => {
  const [owner] = await node.accounts(1, '0');
  const wallet = await node.deploy('Wallet');
  const authorization = await node.wallet(owner).signAuthorization({ contractAddress: wallet.address });
  const data = encodeFunctionData({ abi: wallet.abi, functionName: 'execute', args: [[]] });
  const hash = await node.wallet(bob).sendTransaction({ to: owner.address, data, authorizationList: [authorization] });
  const receipt = await node.receipt(hash);
  assert.equal(receipt.status, 'success');
  assert.equal(receipt.logs[0].address, owner.address.toLowerCase());
  assert.equal(await client.getTransactionCount({ address: owner.address }), 1);
});

test('deployment: address by nonce, code, constructor value, receipt fields', async () => {
  const nonce = await client.getTransactionCount({ address: bob.address });
  const { address, receipt } = await node.deploy('Ledger', ['deployed', 9n], bob, { value: 3n });
  assert.equal(address, getContractAddress({ from: bob.address, nonce: BigInt(nonce) }).toLowerCase());
  assert.equal(receipt.to, null);
  assert.equal(await client.getBalance({ address }), 3n);
  // Immutables are filled in at deployment; the rest of the code is the compiler's.
  assert.equal((await client.getCode({ address })).length, artifact('Ledger').deployedBytecode.length);
});

test('a reverted transaction is included, charged, and leaves no trace', async () => {
  const ledger = await node.deploy('Ledger', ['reverting', 9n], bob);
  const hash = await node.wallet(bob).writeContract({ ...ledger, functionName: 'writeThenFail', args: [1n], gas: 200_000n });
  const receipt = await node.receipt(hash);
  assert.equal(receipt.status, 'reverted');
  assert.deepEqual(receipt.logs, []);
  assert.equal(await client.readContract({ ...ledger, functionName: 'total' }), 0n);
  assert.ok(receipt.gasUsed > 21_000n && receipt.gasUsed < 200_000n);
});

test('the CREATE2 deployer is at its address', async () => {
  const { abi, bytecode } = artifact('Ledger');
  const salt = toHex(crypto.getRandomValues(new Uint8Array(32)));
  const init = encodeDeployData({ abi, bytecode, args: ['create2', 5n] });
  const address = getCreate2Address({ from: CREATE2_DEPLOYER, salt, bytecode: init });
  const hash = await node.wallet(bob).sendTransaction({ to: CREATE2_DEPLOYER, data: concat([salt, init]) });
  assert.equal((await node.receipt(hash)).status, 'success');
  assert.equal(await client.readContract({ address, abi, functionName: 'name' }), 'create2');
});

test('eth_sendRawTransactionSync answers with the receipt', async () => {
  const wallet = node.wallet(carol);
  const request = await wallet.prepareTransactionRequest({ to: bob.address, value: 1n });
  const receipt = await client.sendRawTransactionSync({ serializedTransaction: await wallet.signTransaction(request) });
  assert.equal(receipt.status, 'success');
  assert.deepEqual(await client.getTransactionReceipt({ hash: receipt.transactionHash }), receipt);
});

/** Signs a transfer by `account` with `changes`, right or wrong, and hands it in raw. */
async function submit(account, changes, bend) {
  const nonce = toHex(await client.getTransactionCount({ address: account.address }));
  const fields = {
    chainId: toHex(node.chainId), nonce, to: bob.address, value: '0x1', gas: '0x5208',
    maxFeePerGas: toHex(parseGwei('50')), maxPriorityFeePerGas: toHex(parseGwei('1')), ...changes,
  };
  return node.raw('eth_sendRawTransaction', [await signUnchecked(account, fields, bend)]);
}

/** [rule broken, changes to a valid transfer, geth's words, what the signature suffers] */
const REFUSALS = [
  ['insufficient funds', { value: toHex(parseEther('1000000')) }, /insufficient funds for gas \* price \+ value/],
  ['intrinsic gas too low', { gas: toHex(20_999) }, /intrinsic gas too low/],
  ['gas above what a transaction may use (EIP-7825)', { gas: toHex(16_777_217) }, /transaction gas limit too high/],
  ['wrong chain id', { chainId: toHex(999_999) }, /chain id/i],
  ['tip above fee cap', { maxPriorityFeePerGas: toHex(parseGwei('51')) }, /max priority fee per gas higher than max fee per gas/],
  ['initcode above 49152 bytes (EIP-3860)', { to: null, input: `0x${'00'.repeat(49_153)}`, gas: toHex(3_000_000) }, /max initcode size exceeded/],
  ['calldata below its floor price (EIP-7623)', { input: `0x${'11'.repeat(1_000)}`, gas: toHex(38_000) }, /insufficient gas for floor data gas cost|intrinsic gas too low/],
  ['high s (EIP-2)', {}, /signature|sender/i, ({ r, s, v }) => ({ r, s: CURVE_ORDER - s, v: 1n - v })],
  ['zero r', {}, /signature|sender/i, ({ s, v }) => ({ r: 0n, s, v })],
  ['parity above 1', {}, /./, ({ r, s }) => ({ r, s, v: 2n })],
];
for (const [what, changes, message, bend] of REFUSALS) {
  test(`refused: ${what}`, { skip: notOnPeer('its own words, or accepted') }, async () => {
    const { error } = await submit(carol, changes, bend);
    assert.ok(error, 'accepted');
    assert.match(error.message, message);
    assert.ok([-32000, -32003, -32602].includes(error.code), `code ${error.code}`);
  });
}

test('the refusal tests submit what would be accepted', async () => {
  const { result } = await submit(carol, {});
  assert.equal((await node.receipt(result)).status, 'success');
});

test('viem names the refusals', async () => {
  const wallet = node.wallet(carol);
  const funds = await rejection(wallet.sendTransaction({ to: bob.address, value: parseEther('1000000'), gas: 21_000n }));
  assert.ok(funds.walk((cause) => cause instanceof InsufficientFundsError), `viem saw ${funds.details}`);
  const gas = await rejection(wallet.sendTransaction({ to: bob.address, gas: 20_999n }));
  assert.ok(gas.walk((cause) => cause instanceof IntrinsicGasTooLowError), `viem saw ${gas.details}`);
});

test('refused: nonce too low', async () => {
  await node.receipt(await node.wallet(carol).sendTransaction({ to: bob.address, value: 1n }));
  const { error } = await submit(carol, { nonce: '0x0' });
  assert.match(error.message, /nonce too low/);
  const seen = await rejection(node.wallet(carol).sendTransaction({ to: bob.address, nonce: 0, gas: 21_000n }));
  assert.ok(seen.walk((cause) => cause instanceof NonceTooLowError), `viem saw ${seen.details}`);
});

test('refused: blob transaction', { skip: notOnPeer('accepts blobs') }, async () => {
  const nonce = await client.getTransactionCount({ address: carol.address });
  const serializedTransaction = await carol.signTransaction({
    type: 'eip4844', chainId: node.chainId, nonce, to: bob.address, gas: 21_000n, maxFeePerGas: parseGwei('50'),
    maxPriorityFeePerGas: 1n, maxFeePerBlobGas: parseGwei('1'), blobVersionedHashes: [`0x01${'11'.repeat(31)}`],
  });
  const { error } = await node.raw('eth_sendRawTransaction', [serializedTransaction]);
  assert.match(error?.message ?? 'accepted', /blob|type not supported/i);
});

/** Bytes that are no transaction: each must be refused with a client's-fault code. */
const GARBAGE = ['0x', '0x00', '0x02', '0xc0', '0x02c0', `0x${'ff'.repeat(100)}`, '0x7ff801', 'not hex', '0x123'];
for (const bytes of GARBAGE) {
  test(`refused: ${bytes.slice(0, 12)} as a transaction`, async () => {
    const { error } = await node.raw('eth_sendRawTransaction', [bytes]);
    assert.ok(error, 'accepted');
    assert.ok([-32000, -32602].includes(error.code), `code ${error.code}: ${error.message}`);
  });
}

test('refused: bytes after the transaction', { skip: notOnPeer('accepts them') }, async () => {
  const wallet = node.wallet(carol);
  const signed = await wallet.signTransaction(await wallet.prepareTransactionRequest({ to: bob.address, value: 1n }));
  const { error } = await node.raw('eth_sendRawTransaction', [`${signed}00`]);
  assert.ok(error, 'trailing byte accepted');
});

test('the hash is known before, during and after inclusion', async () => {
  const wallet = node.wallet(carol);
  const request = await wallet.prepareTransactionRequest({ to: bob.address, value: 1n });
  const signed = await wallet.signTransaction(request);
  const hash = await client.sendRawTransaction({ serializedTransaction: signed });
  assert.equal(hash, keccak256(signed));
  const transaction = await client.getTransaction({ hash });
  assert.equal(transaction.from, carol.address.toLowerCase());
  const receipt = await node.receipt(hash);
  assert.equal(await node.rpc('eth_getRawTransactionByHash', [hash]), signed);
  const again = await node.raw('eth_sendRawTransaction', [signed]);
  assert.match(again.error?.message ?? 'accepted', /already known|nonce too low/);
  assert.equal((await client.getTransaction({ blockHash: receipt.blockHash, index: receipt.transactionIndex })).hash, hash);
});

test('an unknown transaction is null, not an error', async () => {
  for (const method of ['eth_getTransactionByHash', 'eth_getTransactionReceipt', 'eth_getRawTransactionByHash']) {
    assert.equal(await node.rpc(method, [zeroHash]), null, method);
  }
});
