// Prints what the official parser has to say of an AsyncAPI document, as JSON. Severity 0 is an
// error, 1 a warning, 2 and 3 are advice.

import { readFile } from 'node:fs/promises';
import { argv } from 'node:process';

import { Parser } from '@asyncapi/parser';

const path = argv[2];
const text = await readFile(path, 'utf8');
const { document, diagnostics } = await new Parser().parse(text, { source: path });
const channels = document?.channels().all() ?? [];
console.log(JSON.stringify({
  channels: channels.map((channel) => channel.address()),
  diagnostics: diagnostics.map(({ severity, code, message, path: place }) => ({
    severity, code, message, place: place.join('.'),
  })),
}));
