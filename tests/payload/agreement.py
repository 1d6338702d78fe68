#!/usr/bin/env python3
"""agreement.py ORACLE.py PAYLOADS MAILS MAILPARSER.jsonl: where two second opinions agree, do we?

ORACLE.py is the project's ../shared/corpora/oracle.py (Python's email package); PAYLOADS has our
NAME.eml.json for each MAILS/NAME.eml; MAILPARSER.jsonl is what mailparser.mjs printed. Prints one
line a field and the files that differ; second-opinions runs it over every corpus."""
import base64, json, os, sys


def load_oracle(path):
    """The functions of oracle.py, which runs its main() when it is loaded."""
    source = open(path).read()
    assert source.rstrip().endswith('main()')
    names = {}
    exec(compile(source.rstrip()[:-len('main()')], path, 'exec'), names)
    return names


def views(oracle, ours, python, node):
    """Each field as (python, mailparser, ours), made comparable."""
    norm, sig = oracle['norm'], oracle['sig']
    emails = lambda list: [a['email'] for a in list or []]
    parts = lambda list: sorted(str([t, None if t == 'message/rfc822' else s]) for t, s in list)
    got = [[x['type'], sig(base64.b64decode(x['content']))]
           for x in ours['inlines'] + ours['attachments']]
    id = lambda s: norm(s).strip('<>')
    return {
        'subject': (norm(python['subject']), norm(node['subject']), norm(ours['subject'])),
        'text': (norm(' '.join(python['text'])), norm(node['text']), norm(ours['text'])),
        'html': (norm(' '.join(python['html'])), norm(node['html']), norm(ours['html'])),
        'from': ((python['from'] or {}).get('email') or None, node['from']['email'] or None,
                 ours['from']['email']),
        'from name': ((python['from'] or {}).get('name') or None, node['from']['name'] or None,
                      ours['from']['name']),
        'to': (emails(python['to']), emails(node['to']), emails(ours['to'])),
        'message-id': (id(python['message-id']), id(node['message-id']), id(ours['message-id'])),
        'parts': (parts(python['parts']), parts(node['parts']), parts(got)),
    }


def main():
    oracle = load_oracle(sys.argv[1])
    payloads, mails, lines = sys.argv[2:5]
    node = {o['file']: o for o in map(json.loads, open(lines))}
    agree, both, total, differ = {}, {}, {}, []
    for name in sorted(os.listdir(mails)):
        if not name.endswith('.eml') or 'crash' in node.get(name, {'crash': 1}):
            continue
        python = oracle['payload'](open(os.path.join(mails, name), 'rb').read())
        ours = json.load(open(os.path.join(payloads, name + '.json'), 'rb'))
        for field, (p, n, o) in views(oracle, ours, python, node[name]).items():
            total[field] = total.get(field, 0) + 1
            both[field] = both.get(field, 0) + (p == n)
            agree[field] = agree.get(field, 0) + (p == n == o)
            if p == n != o:
                differ.append((name, field, p, o))
    for field in total:
        print('%-11s %3d of %3d where both agree (%d messages)' %
              (field, agree[field], both[field], total[field]))
    for name, field, theirs, mine in differ:
        print('differs', name, field)
        if '-v' in sys.argv:
            print('   theirs', repr(theirs)[:300], '\n   ours  ', repr(mine)[:300])


main()
