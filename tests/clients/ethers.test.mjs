// ethers 6: providers over HTTP and WebSocket, contracts, events, and the error codes that
// applications branch on.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  ContractFactory, JsonRpcProvider, Network, Transaction, Wallet, WebSocketProvider, isError, parseEther, parseUnits, toBeHex, ZeroAddress,
} from 'ethers';
import { artifact, notOnPeer, rejection, startNode, until, within } from './harness.mjs';

let node, http, ws, alice, bob, ledger;
before(async () => {
  node = await startNode();
  const network = Network.from(node.chainId);
  http = new JsonRpcProvider(node.http, network, { staticNetwork: network, polling: true, pollingInterval: 50, cacheTimeout: -1 });
  ws = new WebSocketProvider(node.ws, network, { staticNetwork: network });
  [alice, bob] = await accounts(http, 2);
  const { abi, bytecode } = artifact('Ledger');
  ledger = await new ContractFactory(abi, bytecode, alice).deploy('ethers', 1_000n);
  await ledger.waitForDeployment();
});
after(async () => {
  http?.destroy();
  await ws?.destroy();
  await node?.stop();
});

/** Fresh ethers wallets, paid by the first dev key through `provider`. */
async function accounts(provider, count) {
  const treasurer = new Wallet(node.devKeys[0], provider);
  const fresh = Array.from({ length: count }, () => new Wallet(Wallet.createRandom().privateKey, provider));
  for (const { address } of fresh) await (await treasurer.sendTransaction({ to: address, value: parseEther('10') })).wait();
  return fresh;
}

const sink = () => Wallet.createRandom().address;
const FEES = { maxFeePerGas: parseUnits('100', 'gwei'), maxPriorityFeePerGas: parseUnits('10', 'gwei') };

test('a wallet connects: network, block, balance, fees', async () => {
  const plain = new JsonRpcProvider(node.http); // detects the network by itself
  assert.equal((await plain.getNetwork()).chainId, BigInt(node.chainId));
  assert.ok((await plain.getBlockNumber()) > 0);
  assert.ok((await plain.getBalance(alice.address)) > 0n);
  const fees = await plain.getFeeData();
  assert.ok(fees.maxFeePerGas > 0n && fees.maxPriorityFeePerGas >= 0n && fees.gasPrice > 0n);
  plain.destroy();
});

for (const type of [0, 1, 2]) {
  test(`transfer of type ${type}`, async () => {
    const to = sink();
    const response = await alice.sendTransaction({ to, value: 5n, type });
    const receipt = await response.wait();
    assert.equal(receipt.status, 1);
    assert.equal(receipt.type, type);
    assert.equal(receipt.fee, receipt.gasUsed * receipt.gasPrice);
    assert.equal(await http.getBalance(to), 5n);
    assert.equal((await http.getTransaction(response.hash)).type, type);
  });
}

test('transfer of type 4, the sender delegating itself', async () => {
  const [ann] = await accounts(http, 1);
  const wallet = await new ContractFactory(artifact('Wallet').abi, artifact('Wallet').bytecode, alice).deploy();
  await wallet.waitForDeployment();
  const nonce = await ann.getNonce();
  const authorization = await ann.authorize({ address: await wallet.getAddress(), nonce: nonce + 1 });
  const to = sink();
  const data = wallet.interface.encodeFunctionData('execute', [[[to, 9n, '0x']]]);
  const receipt = await (await ann.sendTransaction({ type: 4, to: ann.address, data, authorizationList: [authorization], gasLimit: 300_000n })).wait();
  assert.equal(receipt.status, 1);
  assert.equal(receipt.type, 4);
  assert.equal(await http.getBalance(to), 9n);
  assert.equal(await http.getCode(ann.address), `0xef0100${(await wallet.getAddress()).slice(2).toLowerCase()}`);
});

test('contract: write, read, past read, receipt logs', async () => {
  const receipt = await (await ledger.put(1n, 10n)).wait();
  assert.equal(receipt.logs[0].fragment.name, 'Entry');
  assert.deepEqual([...receipt.logs[0].args], [alice.address, 1n, 10n]);
  await (await ledger.put(1n, 11n)).wait();
  assert.equal(await ledger.entries(alice.address, 1n), 11n);
  assert.equal(await ledger.entries(alice.address, 1n, { blockTag: receipt.blockNumber }), 10n);
});

test('queryFilter and getLogs', async () => {
  const receipt = await (await ledger.connect(bob).put(2n, 20n)).wait();
  const logs = await ledger.queryFilter(ledger.filters.Entry(bob.address), receipt.blockNumber - 1, receipt.blockNumber);
  assert.deepEqual(logs.map((log) => [log.args.key, log.args.value, log.transactionHash]), [[2n, 20n, receipt.hash]]);
});

for (const transport of ['HTTP', 'WebSocket']) {
  test(`contract events over ${transport}`, async () => {
    const provider = transport === 'HTTP' ? http : ws;
    const listener = ledger.connect(provider);
    const key = transport === 'HTTP' ? 30n : 31n;
    const seen = [];
    await listener.on(ledger.filters.Entry(null, key), ({ args, log }) => seen.push({ args: [...args], hash: log.transactionHash }));
    await provider.getBlockNumber(); // after the subscription on the same connection
    await (await ledger.put(key + 100n, 3n)).wait(); // another key: must not be reported
    const { hash } = await (await ledger.connect(bob).put(key, 3n)).wait();
    await until('the event', () => seen.length > 0);
    assert.deepEqual(seen, [{ args: [bob.address, key, 3n], hash }]);
    await listener.removeAllListeners();
  });

  test(`block events over ${transport}`, async () => {
    const provider = transport === 'HTTP' ? http : ws;
    const numbers = [];
    provider.on('block', (number) => numbers.push(number));
    await until('three blocks', () => numbers.length >= 3);
    await provider.off('block');
    numbers.slice(1).forEach((number, index) => assert.equal(number, numbers[index] + 1));
  });
}

test('pending transactions over WebSocket; transactions sent and awaited over it', async () => {
  const hashes = new Set();
  await ws.on('pending', (hash) => hashes.add(hash));
  const response = await alice.connect(ws).sendTransaction({ to: sink(), value: 1n });
  assert.equal((await within('the receipt', response.wait())).status, 1);
  await until('the pending hash', () => hashes.has(response.hash));
  await ws.off('pending');
});

test('blocks with prefetched transactions', async () => {
  const { blockHash, hash } = await (await alice.sendTransaction({ to: sink(), value: 1n })).wait();
  const block = await http.getBlock(blockHash, true);
  assert.equal(block.getPrefetchedTransaction(hash).from, alice.address);
  assert.equal((await http.getBlock('finalized')).number <= (await http.getBlock('latest')).number, true);
  assert.equal(await http.getBlock(10_000_000), null);
});

// ---- errors

test('NONCE_EXPIRED', async () => {
  await (await bob.sendTransaction({ to: sink(), value: 1n })).wait();
  const error = await rejection(bob.sendTransaction({ to: sink(), value: 2n, nonce: 0, gasLimit: 21_000n }));
  assert.ok(isError(error, 'NONCE_EXPIRED'), `${error.code}: ${error.message}`);
});

test('INSUFFICIENT_FUNDS on sending and on estimating', async () => {
  const value = parseEther('1000000');
  const sent = await rejection(bob.sendTransaction({ to: sink(), value, gasLimit: 21_000n }));
  assert.ok(isError(sent, 'INSUFFICIENT_FUNDS'), `${sent.code}: ${sent.message}`);
  if (notOnPeer('does not check')) return;
  const estimated = await rejection(bob.sendTransaction({ to: sink(), value }));
  assert.ok(isError(estimated, 'INSUFFICIENT_FUNDS'), `${estimated.code}: ${estimated.message}`);
});

test('REPLACEMENT_UNDERPRICED', async () => {
  const [ann] = await accounts(http, 1);
  await ann.sendTransaction({ to: sink(), nonce: 1, gasLimit: 21_000n, ...FEES });
  const error = await rejection(ann.sendTransaction({ to: sink(), nonce: 1, gasLimit: 21_000n, ...FEES }));
  assert.ok(isError(error, 'REPLACEMENT_UNDERPRICED'), `${error.code}: ${error.message}`);
});

test('TRANSACTION_REPLACED: a waiting client learns what took the place', async () => {
  const [ann] = await accounts(http, 1);
  const first = await ann.sendTransaction({ to: sink(), nonce: 1, gasLimit: 21_000n, ...FEES });
  const waiting = rejection(first.wait());
  const second = await ann.sendTransaction({ to: ann.address, nonce: 1, gasLimit: 21_000n, maxFeePerGas: FEES.maxFeePerGas * 2n, maxPriorityFeePerGas: FEES.maxPriorityFeePerGas * 2n });
  await ann.sendTransaction({ to: sink(), nonce: 0, gasLimit: 21_000n, ...FEES });
  const error = await within('the replacement', waiting);
  assert.ok(isError(error, 'TRANSACTION_REPLACED'), `${error.code}: ${error.message}`);
  assert.equal(error.replacement.hash, second.hash);
  assert.equal(error.receipt.status, 1);
  assert.equal(await http.getTransactionReceipt(first.hash), null);
});

test('CALL_EXCEPTION: reason, custom error, panic, and none', async () => {
  const failed = async (promise) => {
    const error = await rejection(promise);
    assert.ok(isError(error, 'CALL_EXCEPTION'), `${error.code}: ${error.message}`);
    return error;
  };
  assert.equal((await failed(ledger.withReason.staticCall())).reason, 'the ledger is closed');
  assert.equal((await failed(ledger.withReason())).reason, 'the ledger is closed'); // by eth_estimateGas
  const { revert } = await failed(ledger.put.staticCall(1n, 5_000n));
  assert.equal(revert.name, 'Refused');
  assert.deepEqual([...revert.args], [alice.address, 5_000n, 1_000n]);
  assert.match((await failed(ledger.panics(0n))).reason, /DIVIDE_BY_ZERO/);
  assert.equal((await failed(ledger.silent())).data, '0x');
});

test('CALL_EXCEPTION from a receipt', async () => {
  const response = await ledger.withReason({ gasLimit: 100_000n });
  const error = await rejection(response.wait());
  assert.ok(isError(error, 'CALL_EXCEPTION'), error.code);
  assert.equal(error.receipt.status, 0);
});

test('an unknown method is UNSUPPORTED_OPERATION', async () => {
  const error = await rejection(http.send('no_suchMethod', []));
  assert.ok(isError(error, 'UNSUPPORTED_OPERATION') || error.error?.code === -32601, `${error.code}: ${error.message}`);
});

test('broadcasting a transaction of another chain is refused', async () => {
  const signed = await new Wallet(alice.privateKey).signTransaction({ chainId: 999_999, to: ZeroAddress, nonce: 0, gasLimit: 21_000n, type: 2, ...FEES });
  assert.equal(Transaction.from(signed).chainId, 999_999n);
  assert.match((await rejection(http.broadcastTransaction(signed))).message, /chain/i);
});

test('state overrides through the provider', async () => {
  const data = ledger.interface.encodeFunctionData('total');
  const result = await http.send('eth_call', [{ to: await ledger.getAddress(), data }, 'latest', { [await ledger.getAddress()]: { stateDiff: { [toBeHex(0, 32)]: toBeHex(99, 32) } } }]);
  assert.equal(BigInt(result), 99n);
});
