#!/usr/bin/env python3
"""agreement.py ORACLE.py PAYLOADS MAILS MAILPARSER.jsonl: where two second opinions agree, do we?

ORACLE.py is the project's ../shared/corpora/oracle.py (Python's email package); PAYLOADS has our
NAME.eml.json for each MAILS/NAME.eml; MAILPARSER.jsonl is what mailparser.mjs printed. Prints one
line a field, then the files that differ (-v: and how). `second-opinions` runs it."""

import base64
import email
import email.utils
import json
import os
import sys


def load_oracle(path):
    """The functions of oracle.py, which runs its main() when it is loaded."""
    with open(path) as file:
        source = file.read()
    assert source.rstrip().endswith('main()')
    names = {}
    exec(compile(source.rstrip()[:-len('main()')], path, 'exec'), names)
    return names


def seconds(mail):
    """The Date field by Python's reading; None where it cannot."""
    date = email.message_from_bytes(mail)["date"]
    try:
        return int(email.utils.parsedate_to_datetime(str(date)).timestamp())
    except (ValueError, TypeError, OverflowError):
        return None


def views(oracle, mail, ours, python, node):
    """Each field as (python, mailparser, ours), made comparable."""
    norm = oracle['norm']

    def emails(addresses):
        return [a['email'] for a in addresses or []]

    def parts(of):
        return sorted(str([t, None if t == 'message/rfc822' else s]) for t, s in of)

    def bare(message_id):
        return norm(message_id).strip('<>')

    got = [[x['type'], oracle['sig'](base64.b64decode(x['content']))]
           for x in ours['inlines'] + ours['attachments']]
    return {
        'subject': (norm(python['subject']), norm(node['subject']), norm(ours['subject'])),
        'text': (norm(' '.join(python['text'])), norm(node['text']), norm(ours['text'])),
        'html': (norm(' '.join(python['html'])), norm(node['html']), norm(ours['html'])),
        'from': ((python['from'] or {}).get('email') or None, node['from']['email'] or None,
                 ours['from']['email']),
        'from name': ((python['from'] or {}).get('name') or None, node['from']['name'] or None,
                      ours['from']['name']),
        'to': (emails(python['to']), emails(node['to']), emails(ours['to'])),
        'message-id': (bare(python['message-id']), bare(node['message-id']),
                       bare(ours['message-id'])),
        # Without a date that Python can read, ours is the time of receipt.
        'timestamp': (seconds(mail) or 'none', node['timestamp'], ours['timestamp']),
        'parts': (parts(python['parts']), parts(node['parts']), parts(got)),
    }


def main():
    oracle = load_oracle(sys.argv[1])
    payloads, mails, lines = sys.argv[2:5]
    with open(lines) as file:
        node = {o['file']: o for o in map(json.loads, file)}
    agree, both, total, differ = {}, {}, {}, []
    for name in sorted(os.listdir(mails)):
        if not name.endswith('.eml') or 'crash' in node.get(name, {'crash': 1}):
            continue
        with open(os.path.join(mails, name), 'rb') as file:
            mail = file.read()
        with open(os.path.join(payloads, name + '.json'), 'rb') as file:
            ours = json.load(file)
        python = oracle['payload'](mail)
        for field, (p, n, o) in views(oracle, mail, ours, python, node[name]).items():
            total[field] = total.get(field, 0) + 1
            both[field] = both.get(field, 0) + (p == n)
            agree[field] = agree.get(field, 0) + (p == n == o)
            if p == n != o:
                differ.append((name, field, p, o))
    for field in total:
        print('%-11s %3d of %3d where both agree: %5.1f %%   (%d messages)' %
              (field, agree[field], both[field], 100 * agree[field] / max(both[field], 1),
               total[field]))
    for name, field, theirs, mine in differ:
        print('differs', name, field)
        if '-v' in sys.argv:
            print('   theirs', repr(theirs)[:300], '\n   ours  ', repr(mine)[:300])


main()
