// What both Node peers share: mailparser's message as mxhook's payload, and a POST of it.
const http = require('node:http');

const people = (field) => (field ? field.value.map(({ name, address }) => ({ name: name || null, email: address })) : []);

exports.payloadOf = (mail, sender, recipient) => {
  const headers = { 'Delivered-To': recipient };
  for (const { key, line } of mail.headerLines) headers[key] = line.slice(line.indexOf(':') + 1).trim();
  const parts = mail.attachments.map((a) => ({
    type: a.contentType, name: a.filename || null, content: a.content.toString('base64'), encoding: 'binary',
  }));
  return JSON.stringify({
    headers,
    to: people(mail.to),
    from: people(mail.from)[0] || { name: null, email: null },
    subject: mail.subject || '',
    'message-id': mail.messageId || null,
    date: mail.date || null,
    'return-path': { name: null, email: sender },
    timestamp: Math.floor((mail.date || new Date()).getTime() / 1000),
    text: mail.text || null,
    html: mail.html || null,
    inlines: [],
    attachments: parts,
  });
};

exports.poster = (url) => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 50 });
  return (body) =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      const request = http.request(url, { method: 'POST', agent, headers }, (response) => {
        response.resume();
        response.on('end', () => (response.statusCode === 200 ? resolve() : reject(new Error('HTTP ' + response.statusCode))));
      });
      request.on('error', reject);
      request.end(body);
    });
};
