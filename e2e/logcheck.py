"""A second opinion on the audit log (AUD-02): RFC 6962 and the C2SP formats, written anew from their texts.

It shares nothing with the Rust code but the formats: signed notes (C2SP `signed-note`), checkpoints (`tlog-checkpoint`),
proofs (`tlog-proof@v1`) and the bundle of `deputy audit export --format bundle`. Ed25519 is `cryptography`'s.
Run it as `python logcheck.py KEYS FILE`: the file is a bundle, or a proof.
"""

import base64
import hashlib
import json
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class NotGood(Exception):
    """What is wrong with what was checked."""


def leaf_hash(data):
    """RFC 6962 section 2.1."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(leaves):
    """The Merkle tree hash, by the recursion of RFC 6962 section 2.1."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node_hash(root_of(leaves[:split]), root_of(leaves[split:]))


def root_from_path(leaf, index, size, path):
    """The root that an audit path leads to (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        raise NotGood("the index is not in the tree")
    node, last, hashed = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise NotGood("the path is too long")
        if node & 1 or node == last:
            hashed = node_hash(sibling, hashed)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            hashed = node_hash(hashed, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise NotGood("the path is too short")
    return hashed


class Key:
    """A verifier key `name+id+base64` of C2SP `signed-note`."""

    def __init__(self, text):
        self.name, self.id, encoded = text.strip().split("+", 2)
        material = base64.b64decode(encoded)
        if hashlib.sha256(self.name.encode() + b"\n" + material).digest()[:4].hex() != self.id:
            raise NotGood("the key does not have its id")
        if material[0] != 1:
            raise NotGood("the key is not an Ed25519 key")
        self.public = Ed25519PublicKey.from_public_bytes(material[1:])


def open_checkpoint(note, keys):
    """The origin, size and root of a signed note, and the ids of the keys that signed it."""
    text, found, signatures = note.rpartition("\n\n")
    if not found or not note.endswith("\n"):
        raise NotGood("the note has no signatures")
    text += "\n"
    signers = []
    for line in signatures.splitlines():
        dash, name, encoded = line.split(" ")
        signature = base64.b64decode(encoded)
        for key in keys:
            if dash == "—" and name == key.name and signature[:4].hex() == key.id:
                try:
                    key.public.verify(signature[4:], text.encode())
                except InvalidSignature:
                    raise NotGood(f"the signature of {key.id} is not good") from None
                signers.append(key.id)
    if not signers:
        raise NotGood("no key of this log signed the note")
    origin, size, root = text.split("\n")[:3]
    if any(origin != key.name for key in keys):
        raise NotGood("the note is of another log")
    return int(size), base64.b64decode(root), signers


def check_proof(text, keys):
    """A `tlog-proof@v1`. Gives the public part of the line that it proves."""
    head, _, note = text.partition("\n\n")
    kind, extra, index, *path = head.split("\n")
    if kind != "c2sp.org/tlog-proof@v1" or not extra.startswith("extra ") or not index.startswith("index "):
        raise NotGood("this is not a proof")
    public, index = base64.b64decode(extra[6:]), int(index[6:])
    size, root, _ = open_checkpoint(note, keys)
    if root_from_path(leaf_hash(public), index, size, [base64.b64decode(line) for line in path]) != root:
        raise NotGood("the path does not lead to the signed root")
    line = json.loads(public)
    if line["seq"] != index:
        raise NotGood("the line says another number")
    return line


def check_bundle(text, keys):
    """A bundle: every line hashed anew, every checkpoint compared. Gives the lines, `None` for those that were pruned."""
    head, *entries = map(json.loads, text.splitlines())
    if head != {"bundle": 1, "log": keys[0].name}:
        raise NotGood("this is not a bundle of this log")
    heads = [open_checkpoint(entry["checkpoint"], keys) for entry in entries if "checkpoint" in entry]
    leaves, lines = [], []
    for entry in entries[len(heads) :]:
        line = json.loads(entry["public"]) if "public" in entry else None
        if line and line["seq"] != len(lines):
            raise NotGood(f"line {len(lines)} says another number")
        leaves.append(leaf_hash(entry["public"].encode()) if line else base64.b64decode(entry["leaf"]))
        lines.append(line)
    for size, root, _ in heads:
        if size > len(leaves):
            raise NotGood(f"{size} lines were signed, and there are {len(leaves)}")
        if root_of(leaves[:size]) != root:
            raise NotGood(f"the first {size} lines are not those that were signed")
    without = next((number for number, line in enumerate(lines) if line), len(lines))
    said = [line["detail"]["lines"] for line in lines if line and line["kind"] == "lines_pruned"]
    explained = max((int(lines.split("-")[1]) + 1 for lines in said), default=0)
    if None in lines[without:] or without > explained:
        raise NotGood("lines have lost their bytes, and no line says that they were pruned")
    return lines


def keys_of(text):
    """The keys of the file `log.vkey`; of one log."""
    return [Key(line) for line in text.splitlines() if line]


def main(keys, file):
    with open(keys) as keys_file, open(file) as checked:
        keys, text = keys_of(keys_file.read()), checked.read()
    if text.startswith("{"):
        print(f"good: {len(check_bundle(text, keys))} lines")
    else:
        print(f"good: line {check_proof(text, keys)['seq']}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except NotGood as error:
        sys.exit(f"not good: {error}")
