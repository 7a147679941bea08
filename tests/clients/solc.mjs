#!/usr/bin/env node
// solc-js behind the two options of native solc that forge uses: --version and --standard-json.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const solc = createRequire(import.meta.url)('solc');
if (process.argv.includes('--version')) {
  const [version, commit] = solc.version().split('+');
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${version}+${commit.replace('Emscripten.clang', 'Linux.g++')}`);
} else {
  process.stdout.write(solc.compile(readFileSync(0, 'utf8')));
}
