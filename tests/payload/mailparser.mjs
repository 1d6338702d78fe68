// mailparser.mjs MODULES FILE.eml ...: what npm's mailparser makes of each message, one JSON line a
// file, in the shape of oracle.py. MODULES is a folder where `npm install mailparser` was run.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';

const [modules, ...files] = process.argv.slice(2);
const { simpleParser } = createRequire(join(modules, 'x.js'))('mailparser');

const signature = bytes => [bytes.length,
    createHash('sha256').update(bytes).digest('hex').slice(0, 16)];

function addresses(field) {
    const flatten = list => list.flatMap(a => a.group ? flatten(a.group) : [a]);
    return flatten([field || []].flat().flatMap(f => f.value))
        .map(a => ({ name: a.name || null, email: a.address ?? null }));
}

for (const file of files) {
    let line;
    try {
        const mail = await simpleParser(readFileSync(file), {
            skipHtmlToText: true, skipTextToHtml: true, skipImageLinks: true, skipTextLinks: true,
            keepCidLinks: true,
        });
        line = {
            subject: mail.subject ?? null, text: mail.text ?? null, html: mail.html || null,
            from: addresses(mail.from)[0] ?? { name: null, email: null }, to: addresses(mail.to),
            'message-id': mail.messageId ?? null,
            timestamp: mail.date ? Math.floor(mail.date.getTime() / 1000) : null,
            parts: mail.attachments.map(a => [a.contentType, signature(a.content)]),
        };
    } catch (error) {
        line = { crash: String(error) };
    }
    console.log(JSON.stringify({ file: basename(file), ...line }));
}
