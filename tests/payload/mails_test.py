#!/usr/bin/env python3
"""mails/NAME.eml makes a payload that holds what mails/NAME.json says; of headers, only those named.

To add a case: the two files. Every payload is checked against the schema too."""

import glob
import json
import os
import unittest

from payload import HERE, render


class Mails(unittest.TestCase):
    maxDiff = 2000

    def test_each(self):
        names = sorted(glob.glob(os.path.join(HERE, "mails", "*.eml")))
        self.assertGreater(len(names), 40)
        for name in names:
            with self.subTest(os.path.basename(name)):
                with open(name, "rb") as mail, open(name[:-4] + ".json", encoding="utf-8") as file:
                    payload, expected = render(mail), json.load(file)
                self.assertTrue(expected)
                for key, value in expected.items():
                    got = payload[key]
                    if key == "headers":
                        got = {header: got.get(header) for header in value}
                    self.assertEqual(got, value, key)


if __name__ == "__main__":
    unittest.main()
